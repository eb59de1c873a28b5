-- Default privileges, too, must not lead to it.
REVOKE ALL ON SCHEMA ringfence_live FROM {grantee};
REVOKE ALL ON ringfence_live.witness FROM {grantee};
REVOKE ALL ON FUNCTION ringfence_live.attest() FROM {grantee}
