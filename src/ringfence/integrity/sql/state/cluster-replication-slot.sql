-- Replication slots that outlive a session: that they exist and what for, not how far they are. The tool's own come and
-- go with its baselines; such a slot holds a bounded part of the WAL and gives nobody anything else.
SELECT
    quote_ident(slot.slot_name) AS object,
    jsonb_build_object(
        'type', slot.slot_type,
        'plugin', slot.plugin,
        'database', slot.database,
        'two_phase', to_jsonb(slot) -> 'two_phase',
        'failover', to_jsonb(slot) -> 'failover'
    ) AS attributes
FROM pg_catalog.pg_replication_slots AS slot
WHERE NOT slot.temporary
  AND NOT (slot.slot_type = 'physical' AND slot.slot_name ~ '^ringfence_[0-9a-f]{10}_[0-9a-f]{12}$')
