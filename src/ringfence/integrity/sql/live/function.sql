-- The witness's trigger function, with its owner's rights.
CREATE OR REPLACE FUNCTION ringfence_live.attest() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS {body}
