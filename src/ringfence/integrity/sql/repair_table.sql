-- What must be known about a table to write its rows as they were: the columns an INSERT names, in their own order;
-- those that an UPDATE had better not touch (generated, identity always, part of anything unique: two rows that trade
-- places would stand in each other's way); and triggers and rules that fire although this session is a replica.
SELECT
    ARRAY(
        SELECT a.attname::pg_catalog.text
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        ORDER BY a.attnum
    ) AS columns,
    ARRAY(
        SELECT a.attname::pg_catalog.text
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND (a.attgenerated <> '' OR a.attidentity = 'a' OR EXISTS (
              SELECT 1 FROM pg_catalog.pg_index AS i
              WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)
                AND (a.attnum = ANY (i.indkey::pg_catalog.int2[]) OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)))
    ) AS not_updated,
    EXISTS (
        SELECT 1 FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity <> ''
    ) AS has_identity,
    ARRAY(
        SELECT ARRAY['TRIGGER', t.tgname::pg_catalog.text, t.tgenabled::pg_catalog.text]
        FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('A', 'R')
        UNION ALL
        SELECT ARRAY['RULE', r.rulename::pg_catalog.text, r.ev_enabled::pg_catalog.text]
        FROM pg_catalog.pg_rewrite AS r
        WHERE r.ev_class = c.oid AND r.ev_enabled IN ('A', 'R') AND r.ev_type <> '1'
        ORDER BY 1
    ) AS firing
FROM pg_catalog.pg_class AS c
WHERE c.oid = %(oid)s::pg_catalog.oid
