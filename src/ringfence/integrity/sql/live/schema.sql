-- Where transactions of the application are witnessed. Few rows a page, so that sessions seldom meet on one.
CREATE SCHEMA ringfence_live;
COMMENT ON SCHEMA ringfence_live IS 'Ringfence: tells what the application wrote from what others wrote';
CREATE TABLE ringfence_live.witness (slot pg_catalog.int4 PRIMARY KEY) WITH (fillfactor = 10);
COMMENT ON TABLE ringfence_live.witness IS 'a transaction that locks a row here is the application''s';
INSERT INTO ringfence_live.witness SELECT pg_catalog.generate_series(0, {slots} - 1)
