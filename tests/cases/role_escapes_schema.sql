-- Run as the bootstrap superuser inventory_admin in database postgres.
CREATE ROLE inventory_app LOGIN PASSWORD 'apppw' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT;
CREATE ROLE migrator LOGIN PASSWORD 'pw';          -- an ordinary object owner, not superuser
CREATE DATABASE inventory OWNER inventory_admin;
CREATE DATABASE inventory_test_db OWNER inventory_admin;
\c inventory
CREATE TABLE "Component" (id serial PRIMARY KEY, code text NOT NULL UNIQUE, name varchar(200) NOT NULL,
  quantity numeric(14,3) NOT NULL DEFAULT 0, notes text, photo bytea, "deletedAt" timestamptz, "createdAt" timestamptz NOT NULL DEFAULT '2024-01-01');
CREATE TABLE "SKU" (id serial PRIMARY KEY, code text NOT NULL UNIQUE,
  "componentId" int NOT NULL REFERENCES "Component"(id) ON DELETE CASCADE ON UPDATE CASCADE, price numeric(12,2));
CREATE TABLE "Transaction" (id serial PRIMARY KEY, "skuId" int REFERENCES "SKU"(id) ON DELETE CASCADE ON UPDATE CASCADE,
  qty numeric(14,3) NOT NULL, kind text NOT NULL DEFAULT 'in', "createdAt" timestamptz NOT NULL DEFAULT '2024-01-01');
INSERT INTO "Component"(code,name,quantity,notes) SELECT 'C'||g,'Component '||g,g*10,'note '||g FROM generate_series(1,100) g;
INSERT INTO "SKU"(code,"componentId",price) SELECT 'S'||g, 1+(g%100), g*1.5 FROM generate_series(1,500) g;
INSERT INTO "Transaction"("skuId",qty) SELECT 1+(g%500), g FROM generate_series(1,5000) g;
-- exactly the specified application rights
GRANT CONNECT ON DATABASE inventory TO inventory_app;
GRANT USAGE ON SCHEMA public TO inventory_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO inventory_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO inventory_app;
-- test-side helper (not in the app's reach): content fingerprint
CREATE SCHEMA _chk; REVOKE ALL ON SCHEMA _chk FROM PUBLIC;
CREATE TABLE _chk.base AS
  SELECT 'Component' t, count(*) n, md5(string_agg(c::text,E'\n' ORDER BY c.id)) h FROM public."Component" c
  UNION ALL SELECT 'SKU', count(*), md5(string_agg(c::text,E'\n' ORDER BY c.id)) FROM public."SKU" c
  UNION ALL SELECT 'Transaction', count(*), md5(string_agg(c::text,E'\n' ORDER BY c.id)) FROM public."Transaction" c;
CREATE FUNCTION _chk.lost() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE r record; n bigint; tot bigint := 0;
BEGIN FOR r IN SELECT * FROM _chk.base LOOP
   IF to_regclass(format('public.%I',r.t)) IS NULL THEN tot := tot + r.n; CONTINUE; END IF;
   EXECUTE format('SELECT count(*) FROM public.%I',r.t) INTO n; tot := tot + greatest(r.n-n,0); END LOOP; RETURN tot; END $$;
CREATE FUNCTION _chk.changed() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE r record; h text;
BEGIN FOR r IN SELECT * FROM _chk.base LOOP
   IF to_regclass(format('public.%I',r.t)) IS NULL THEN RETURN true; END IF;
   EXECUTE format('SELECT md5(string_agg(c::text,E''\n'' ORDER BY c.id)) FROM public.%I c',r.t) INTO h;
   IF h IS DISTINCT FROM r.h THEN RETURN true; END IF; END LOOP; RETURN false; END $$;
