-- Constraints of tables and domains. A foreign key is enforced by hidden triggers, and DISABLE TRIGGER ALL switches
-- those off too: their number and every one that is not enabled belong to the constraint. Constraint triggers are
-- triggers.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(coalesce(rel.relname, typ.typname))
        || '.' || quote_ident(con.conname) AS object,
    to_jsonb(con) - '{
        oid, conname, connamespace, conrelid, contypid, conindid, conparentid, confrelid, conkey, confkey,
        conpfeqop, conppeqop, conffeqop, confdelsetcols, conexclop, conbin, coninhcount, confupdtype,
        confdeltype, confmatchtype
    }'::text[]
    || jsonb_build_object(
        'definition', pg_get_constraintdef(con.oid),
        'inherited_from', nullif(con.coninhcount, 0),
        'parent', (
            SELECT quote_ident(up.conname)
            FROM pg_catalog.pg_constraint AS up
            WHERE up.oid = con.conparentid
        ),
        'trigger_count', (
            SELECT nullif(count(*), 0)
            FROM pg_catalog.pg_trigger AS trg
            WHERE trg.tgconstraint = con.oid
        ),
        'triggers_not_enabled', ARRAY(
            SELECT (quote_ident(ntab.nspname) || '.' || quote_ident(tab.relname) || ' ' || trg.tgfoid::regproc || ' '
                || trg.tgenabled::text) COLLATE "C"
            FROM pg_catalog.pg_trigger AS trg
            JOIN pg_catalog.pg_class AS tab ON tab.oid = trg.tgrelid
            JOIN pg_catalog.pg_namespace AS ntab ON ntab.oid = tab.relnamespace
            WHERE trg.tgconstraint = con.oid AND trg.tgenabled <> 'O'
            ORDER BY 1
        )
    ) AS attributes
FROM pg_catalog.pg_constraint AS con
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = con.connamespace
LEFT JOIN pg_catalog.pg_class AS rel ON rel.oid = con.conrelid
LEFT JOIN pg_catalog.pg_type AS typ ON typ.oid = con.contypid
WHERE con.oid >= 16384 AND con.contype <> 't' AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
