-- How many of the witness's rows are there.
SELECT pg_catalog.count(*) FROM ONLY ringfence_live.witness WHERE slot >= 0 AND slot < %(slots)s
