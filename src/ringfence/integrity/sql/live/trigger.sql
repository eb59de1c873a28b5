-- ALWAYS: also where session_replication_role switches other triggers off.
CREATE TRIGGER zz_ringfence_live AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION ringfence_live.attest();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER zz_ringfence_live
