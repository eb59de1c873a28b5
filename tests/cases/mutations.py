"""A sample database with every kind of object, and what a careless or hostile hand may do to it.

Each mutation names what must be found: the kind of finding and a part of the object's name. Those of kind ``rows``
are traps for fingerprints (faults D of the project's cases): values that are equal to the server but not the same,
sums and hashes that cancel. Values are chosen on PostgreSQL 14 to 18.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Expected = Literal["rows", "schema", "role", "sequence", "setting", "large-object", "prepared-transaction"]


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One change to a database made from `SCHEMA`.

    Every text of ``sql`` is sent on its own, outside a transaction; it may hold several statements. ``cleanup`` undoes
    what is not undone by dropping the database. ``transactional`` mutations may run inside a transaction that is
    rolled back. ``{database}`` stands for the quoted name of the database.
    """

    id: str
    title: str
    sql: tuple[str, ...]
    expect_kind: Expected
    expect_object: str
    setup: tuple[str, ...] = ()
    cleanup: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    since: int = 14
    transactional: bool = True


def _all(kind: Expected, *entries: tuple[str, str, str, str]) -> tuple[Mutation, ...]:
    """Mutations of one statement each, from (id, title, sql, expected object)."""
    return tuple(
        Mutation(id=id_, title=title, sql=(text,), expect_kind=kind, expect_object=expected)
        for id_, title, text, expected in entries
    )


ROLES = (
    """
    DO $$
    DECLARE wanted text;
    BEGIN
        FOREACH wanted IN ARRAY ARRAY['inventory_app', 'inventory_owner', 'reporting', 'short_lived'] LOOP
            IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I', wanted);
            END IF;
        END LOOP;
    END $$
    """,
    "ALTER ROLE inventory_app LOGIN PASSWORD 'apppw' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
    "ALTER ROLE inventory_app CONNECTION LIMIT -1 VALID UNTIL 'infinity'",
)
"""Roles belong to the whole server: made once, and put back as they were by each mutation's ``cleanup``."""

SCHEMA = r"""
CREATE TABLE "Component" (id serial PRIMARY KEY, code text NOT NULL UNIQUE, name varchar(200) NOT NULL,
  quantity numeric(14,3) NOT NULL DEFAULT 0 CONSTRAINT quantity_positive CHECK (quantity >= 0), notes text, photo bytea,
  "deletedAt" timestamptz, "createdAt" timestamptz NOT NULL DEFAULT '2024-01-01 00:00:00+00');
CREATE TABLE "SKU" (id serial PRIMARY KEY, code text NOT NULL UNIQUE,
  "componentId" int NOT NULL REFERENCES "Component"(id) ON DELETE CASCADE ON UPDATE CASCADE, price numeric(12,2));
CREATE TABLE "Transaction" (id serial PRIMARY KEY, "skuId" int REFERENCES "SKU"(id) ON DELETE CASCADE ON UPDATE CASCADE,
  qty numeric(14,3) NOT NULL, kind text NOT NULL DEFAULT 'in',
  "createdAt" timestamptz NOT NULL DEFAULT '2024-01-01 00:00:00+00');
INSERT INTO "Component"(code, name, quantity, notes)
  SELECT 'C' || g, 'Component ' || g, g * 10, 'note ' || g FROM generate_series(1, 100) g;
INSERT INTO "SKU"(code, "componentId", price) SELECT 'S' || g, 1 + (g % 100), g * 1.5 FROM generate_series(1, 500) g;
INSERT INTO "Transaction"("skuId", qty) SELECT 1 + (g % 500), g FROM generate_series(1, 1000) g;
UPDATE "Component" SET photo = '\x00ff10' WHERE id = 1;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS integer DEFAULT 1 CONSTRAINT is_positive CHECK (VALUE > 0);
CREATE DOMAIN short_text AS varchar(10) CHECK (VALUE IN ('a', 'b', 'ab', 'bc'));
CREATE TYPE point3 AS (x double precision, y double precision, z numeric(6,2));
CREATE TYPE price_range AS RANGE (subtype = numeric);

CREATE TABLE odd (id int PRIMARY KEY, a_mood mood, a_domain positive, a_point point3, ints int[], texts text[],
  grid int[][], a_range int4range, a_multirange int4multirange, a_price price_range, num numeric, num2 numeric(12,4),
  f4 real, f8 double precision, big bigint, j json, jb jsonb, b bytea, t text, c char(8), left_part text,
  right_part text, at timestamp, atz timestamptz, d date, span interval, u uuid, net inet, bits varbit, ok boolean,
  doubled int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO odd VALUES (1, 'ok', 5, ROW(0.0, 1.5, 2.50), '{1,2}', '{a,NULL,"NULL"}', '{{1,2},{3,4}}', '[1,5)',
  '{[1,3),[5,8)}', '[1.5,2.5)', 1.10, 1.1000, 0.0, 0.0, 1, '{"a": 1}', '{"a": 1.0, "b": 2}', '\xdeadbeef',
  'text', 'c', 'ab', 'c', '2024-01-01 12:00', '2024-01-01 12:00+00', '2024-02-29', '1 day',
  '00000000-0000-0000-0000-000000000001', '10.0.0.1/8', B'101', true);
INSERT INTO odd (id, num, f8, big, t) VALUES (2, 5, 1.5, 42, NULL), (3, 'NaN', 'NaN', -1, ''), (4, 0, -0.0, 7, 'B'),
  (5, 100, 0.1, 1000, 'a'), (6, 200, 0.2, 2000, 'b');

CREATE TABLE pairs (v int, w text);
INSERT INTO pairs VALUES (1, 'x'), (1, 'x'), (2, 'x'), (2, 'x');
CREATE UNLOGGED TABLE cache (k text PRIMARY KEY, v text);
INSERT INTO cache VALUES ('a', '1');
CREATE TABLE measured (id int GENERATED BY DEFAULT AS IDENTITY, region text NOT NULL, v numeric,
  PRIMARY KEY (id, region))
  PARTITION BY LIST (region);
CREATE TABLE measured_north PARTITION OF measured FOR VALUES IN ('north');
CREATE TABLE measured_south PARTITION OF measured FOR VALUES IN ('south');
CREATE TABLE measured_rest PARTITION OF measured DEFAULT;
CREATE INDEX measured_v ON measured (v);
INSERT INTO measured (region, v) VALUES ('north', 1), ('south', 2), ('west', 3);
CREATE TABLE vehicle (id int PRIMARY KEY, wheels int DEFAULT 4);
CREATE TABLE truck (load numeric) INHERITS (vehicle);
INSERT INTO vehicle VALUES (1, 4);
INSERT INTO truck VALUES (2, 6, 10.5);
CREATE TABLE tenant_note (tenant text, note text);
INSERT INTO tenant_note VALUES ('one', 'a'), ('two', 'b');
ALTER TABLE tenant_note ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_note FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON tenant_note TO inventory_app USING (tenant = current_user);

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION total(n int) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT sum(qty) FROM public."Transaction"';
CREATE PROCEDURE tidy() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');
CREATE TRIGGER component_touch BEFORE UPDATE ON "Component" FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER measured_touch AFTER INSERT ON measured FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW live_component AS SELECT id, code FROM "Component" WHERE "deletedAt" IS NULL;
CREATE MATERIALIZED VIEW stock AS SELECT count(*) AS n FROM "Component";
CREATE RULE no_delete AS ON DELETE TO cache DO INSTEAD NOTHING;
CREATE INDEX sku_price ON "SKU" (price) WHERE price > 10;
CREATE INDEX component_lower ON "Component" (lower(name));
CREATE STATISTICS sku_stats ON code, price FROM "SKU";
CREATE SEQUENCE loose START 100 INCREMENT 5;
SELECT nextval('loose'), nextval('loose');
CREATE SEQUENCE fresh;
CREATE SEQUENCE down INCREMENT -2 MINVALUE -1000 MAXVALUE 1000 START 500;
SELECT nextval('down');
CREATE COLLATION plain (provider = libc, locale = 'C');
CREATE TEXT SEARCH CONFIGURATION german_simple (COPY = pg_catalog.simple);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere OPTIONS (host 'db.example');
CREATE USER MAPPING FOR inventory_app SERVER elsewhere OPTIONS (password 'not-shown-anywhere');
CREATE FOREIGN TABLE far (id int) SERVER elsewhere;
CREATE PUBLICATION some_changes FOR TABLE "SKU";
COMMENT ON TABLE "SKU" IS 'stock keeping units';
COMMENT ON COLUMN "SKU".price IS 'net';
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reporting;
CREATE SCHEMA "a""b;'";
CREATE TABLE "a""b;'"."x
VERIFY OK %s" ("%" int, "😀" text);
INSERT INTO "a""b;'"."x
VERIFY OK %s" VALUES (1, '😀');
CREATE TABLE "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü" (id int);
SELECT lo_create(4711), lo_put(4711, 0, decode(repeat('ab', 3000), 'hex')), lo_put(4711, 100000, '\x01');
SELECT lo_create(4712);
GRANT CONNECT ON DATABASE {database} TO inventory_app;
GRANT USAGE ON SCHEMA public TO inventory_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO inventory_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO inventory_app;
"""

_ROWS = _all(
    "rows",
    ("D01", "one value", """UPDATE "Component" SET notes = 'x' WHERE id = 7""", "Component"),
    (
        "D02",
        "values swapped between two rows: count, sum, minimum, maximum and sorted columns stay",
        """UPDATE "Component" SET quantity = CASE id WHEN 3 THEN 40 ELSE 30 END WHERE id IN (3, 4)""",
        "Component",
    ),
    ("D03", "1.10 becomes 1.1: equal numbers, another scale", "UPDATE odd SET num = 1.1 WHERE id = 1", "odd"),
    ("D04", "0.0 becomes -0.0: equal numbers", "UPDATE odd SET f8 = '-0' WHERE id = 1", "odd"),
    ("D05", "-0.0 becomes 0.0 in a real", "UPDATE odd SET f4 = '-0' WHERE id = 1", "odd"),
    ("D06", "a number becomes NaN", "UPDATE odd SET f8 = 'NaN' WHERE id = 2", "odd"),
    ("D07", "NaN becomes a number, numeric", "UPDATE odd SET num = 0 WHERE id = 3", "odd"),
    ("D08", "5 becomes -5, numeric", "UPDATE odd SET num = -5 WHERE id = 2", "odd"),
    (
        "D09",
        "bigint 1 becomes 4294967296: hashint8extended folds both halves",
        "UPDATE odd SET big = 4294967296 WHERE id = 1",
        "odd",
    ),
    ("D10", "bigint -1 becomes 4294967295: the same fold", "UPDATE odd SET big = 4294967295 WHERE id = 3", "odd"),
    (
        "D11",
        "a timestamp whose halves fold to the same hash",
        """UPDATE odd SET at = timestamp '2000-01-01' + interval '1 microsecond' *
           ((extract(epoch FROM at - timestamp '2000-01-01') * 1000000)::bigint # 4294967297) WHERE id = 1""",
        "odd",
    ),
    ("D12", "NULL becomes the empty text", "UPDATE odd SET t = '' WHERE id = 2", "odd"),
    ("D13", "the empty text becomes NULL", "UPDATE odd SET t = NULL WHERE id = 3", "odd"),
    ("D14", "('ab','c') becomes ('a','bc')", "UPDATE odd SET left_part = 'a', right_part = 'bc' WHERE id = 1", "odd"),
    (
        "D15",
        "a value moves to the next column",
        "UPDATE odd SET left_part = NULL, right_part = 'ab' WHERE id = 1",
        "odd",
    ),
    (
        "D16",
        "duplicate rows {1,1,2,2} become {3,3,4,4}: XOR cancels both",
        "UPDATE pairs SET v = v + 2",
        "pairs",
    ),
    (
        "D17",
        "{1,1,2,2} becomes {1,1,1,2}: the set of rows stays",
        "UPDATE pairs SET v = 1 WHERE ctid = (SELECT max(ctid) FROM pairs WHERE v = 2)",
        "pairs",
    ),
    (
        "D18",
        "jsonb 1.0 becomes 1: equal to the server",
        """UPDATE odd SET jb = '{"a": 1, "b": 2}' WHERE id = 1""",
        "odd",
    ),
    ("D19", "white space in json", """UPDATE odd SET j = '{"a":1}' WHERE id = 1""", "odd"),
    ("D20", "a key twice in json", """UPDATE odd SET j = '{"a": 1, "a": 1}' WHERE id = 1""", "odd"),
    ("D21", "a space at the end", "UPDATE odd SET t = 'text ' WHERE id = 1", "odd"),
    ("D22", "upper case", "UPDATE odd SET t = 'Text' WHERE id = 1", "odd"),
    ("D23", "array bounds", "UPDATE odd SET ints = '[0:1]={1,2}' WHERE id = 1", "odd"),
    ("D24", "a NULL in an array becomes 'NULL'", """UPDATE odd SET texts = '{a,"NULL","NULL"}' WHERE id = 1""", "odd"),
    ("D25", "another shape of the same elements", "UPDATE odd SET grid = '{{1,2,3,4}}' WHERE id = 1", "odd"),
    ("D26", "an empty array for NULL", "UPDATE odd SET ints = '{}' WHERE id = 2", "odd"),
    (
        "D27",
        "a row moves to another partition",
        "UPDATE measured SET region = 'south' WHERE region = 'north'",
        "measured",
    ),
    (
        "D28",
        "one row deleted, another inserted",
        "DELETE FROM pairs WHERE v = 1; INSERT INTO pairs VALUES (9, 'x'), (9, 'x')",
        "pairs",
    ),
    ("D29", "one byte", r"UPDATE odd SET b = '\xdeadbeee' WHERE id = 1", "odd"),
    ("D30", "a zero byte at the end", r"UPDATE odd SET b = '\xdeadbeef00' WHERE id = 1", "odd"),
    ("D31", "one unit in the last place", "UPDATE odd SET f8 = 0.1::float8 + 1.4e-17 WHERE id = 5", "odd"),
    ("D32", "one microsecond", "UPDATE odd SET atz = atz + interval '1 microsecond' WHERE id = 1", "odd"),
    (
        "D33",
        "one hour, as another time zone would show it",
        "UPDATE odd SET atz = '2024-01-01 12:00+01' WHERE id = 1",
        "odd",
    ),
    ("D34", "infinity", "UPDATE odd SET atz = 'infinity' WHERE id = 1", "odd"),
    ("D35", "24 hours for a day: equal intervals", "UPDATE odd SET span = '24 hours' WHERE id = 1", "odd"),
    ("D36", "a label of an enum", "UPDATE odd SET a_mood = 'happy' WHERE id = 1", "odd"),
    ("D37", "-0 inside a composite value", "UPDATE odd SET a_point = ROW('-0'::float8, 1.5, 2.50) WHERE id = 1", "odd"),
    ("D38", "the bound of a range", "UPDATE odd SET a_price = '[1.5,2.5]' WHERE id = 1", "odd"),
    ("D39", "scale inside a range", "UPDATE odd SET a_price = '[1.50,2.5)' WHERE id = 1", "odd"),
    ("D40", "the mask of an address", "UPDATE odd SET net = '10.0.0.1/9' WHERE id = 1", "odd"),
    ("D41", "a bit", "UPDATE odd SET bits = B'1010' WHERE id = 1", "odd"),
    ("D42", "the same in NFD: another text of equal looks", "UPDATE odd SET t = U&'e\\0301' WHERE id = 1", "odd"),
    ("D43", "rows of an unlogged table", "UPDATE cache SET v = '2'", "cache"),
    ("D44", "a row of a child table", "UPDATE ONLY truck SET load = 11", "truck"),
    ("D45", "all rows", """TRUNCATE "Transaction" """, "Transaction"),
    ("D46", "a row that row security hides", "UPDATE tenant_note SET note = 'z' WHERE tenant = 'two'", "tenant_note"),
    (
        "D47",
        "a table whose name holds a line break",
        """UPDATE "a""b;'"."x\nVERIFY OK %s" SET "%" = 2""",
        "VERIFY OK",
    ),
    ("D48", "a row deleted where nobody looks", "DELETE FROM vehicle WHERE id = 2", "truck"),
)

_SCHEMA = _all(
    "schema",
    ("S01", "an index is dropped", "DROP INDEX sku_price", "index public.sku_price"),
    ("S02", "an index is made", 'CREATE INDEX planted ON "SKU" (code)', "index public.planted"),
    (
        "S03",
        "an index is marked invalid",
        "UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'public.sku_price'::regclass",
        "index public.sku_price",
    ),
    ("S04", "a check is dropped", 'ALTER TABLE "Component" DROP CONSTRAINT quantity_positive', "quantity_positive"),
    (
        "S05",
        "a check is weakened",
        """ALTER TABLE "Component" DROP CONSTRAINT quantity_positive;
           ALTER TABLE "Component" ADD CONSTRAINT quantity_positive CHECK (quantity >= -1)""",
        "quantity_positive",
    ),
    (
        "S06",
        "a check is no longer validated",
        """ALTER TABLE "Component" DROP CONSTRAINT quantity_positive;
           ALTER TABLE "Component" ADD CONSTRAINT quantity_positive CHECK (quantity >= 0) NOT VALID""",
        "quantity_positive",
    ),
    (
        "S07",
        "a foreign key is dropped",
        'ALTER TABLE "SKU" DROP CONSTRAINT "SKU_componentId_fkey"',
        "SKU_componentId_fkey",
    ),
    (
        "S08",
        "the hidden triggers of foreign keys are off",
        'ALTER TABLE "SKU" DISABLE TRIGGER ALL',
        "SKU_componentId_fkey",
    ),
    (
        "S09",
        "the hidden triggers of a foreign key are gone",
        """DELETE FROM pg_catalog.pg_trigger WHERE tgconstraint =
           (SELECT oid FROM pg_catalog.pg_constraint WHERE conname = 'SKU_componentId_fkey')""",
        "SKU_componentId_fkey",
    ),
    ("S10", "a trigger is off", 'ALTER TABLE "Component" DISABLE TRIGGER component_touch', "component_touch"),
    (
        "S11",
        "a trigger fires on replicas",
        'ALTER TABLE "Component" ENABLE REPLICA TRIGGER component_touch',
        "component_touch",
    ),
    ("S12", "a trigger is dropped", 'DROP TRIGGER component_touch ON "Component"', "component_touch"),
    ("S13", "a trigger is planted", 'CREATE TRIGGER bomb AFTER DELETE ON "SKU" EXECUTE FUNCTION touch()', "bomb"),
    (
        "S14",
        "a partition's copy of a trigger is off",
        "ALTER TABLE measured_north DISABLE TRIGGER measured_touch",
        "measured_north",
    ),
    (
        "S15",
        "the body of a function",
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "function public.touch()",
    ),
    ("S16", "a function runs as its owner", "ALTER FUNCTION total(int) SECURITY DEFINER", "function public.total"),
    ("S17", "a function's setting", "ALTER FUNCTION total(int) SET work_mem = '1GB'", "function public.total"),
    ("S18", "a function's owner", "ALTER FUNCTION total(int) OWNER TO inventory_app", "function public.total"),
    ("S19", "a function's rights", "REVOKE EXECUTE ON FUNCTION total(int) FROM PUBLIC", "function public.total"),
    (
        "S20",
        "a procedure",
        "CREATE OR REPLACE PROCEDURE tidy() LANGUAGE plpgsql AS $$ BEGIN RETURN; END $$",
        "public.tidy()",
    ),
    (
        "S21",
        "an aggregate",
        "CREATE OR REPLACE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '0')",
        "public.product",
    ),
    ("S22", "the right to delete", 'GRANT DELETE ON "Component" TO inventory_app', 'table public."Component"'),
    ("S23", "a right is passed on", 'GRANT SELECT ON "SKU" TO inventory_app WITH GRANT OPTION', 'table public."SKU"'),
    ("S24", "a right is taken away", 'REVOKE INSERT ON "SKU" FROM inventory_app', 'table public."SKU"'),
    ("S25", "a right on a column", 'GRANT UPDATE (price) ON "SKU" TO reporting', 'column public."SKU".price'),
    ("S26", "a table's owner", 'ALTER TABLE "SKU" OWNER TO inventory_app', 'table public."SKU"'),
    ("S27", "a column is added", 'ALTER TABLE "SKU" ADD COLUMN extra int DEFAULT 7', 'column public."SKU".extra'),
    ("S28", "a column is dropped", 'ALTER TABLE "Component" DROP COLUMN photo', 'column public."Component".photo'),
    ("S29", "a column is renamed", 'ALTER TABLE "SKU" RENAME COLUMN price TO cost', 'column public."SKU".price'),
    (
        "S30",
        "a default",
        """ALTER TABLE "Transaction" ALTER kind SET DEFAULT 'out'""",
        'column public."Transaction".kind',
    ),
    ("S31", "NOT NULL is dropped", 'ALTER TABLE "SKU" ALTER code DROP NOT NULL', 'column public."SKU".code'),
    (
        "S32",
        "a longer varchar",
        'ALTER TABLE "Component" ALTER name TYPE varchar(300)',
        'column public."Component".name',
    ),
    ("S33", "the collation of a column", "ALTER TABLE odd ALTER t TYPE text COLLATE plain", "column public.odd.t"),
    ("S34", "statistics target", 'ALTER TABLE "SKU" ALTER code SET STATISTICS 500', 'column public."SKU".code'),
    ("S35", "storage", "ALTER TABLE odd ALTER jb SET STORAGE EXTERNAL", "column public.odd.jb"),
    ("S36", "options of a column", 'ALTER TABLE "SKU" ALTER code SET (n_distinct = 5)', 'column public."SKU".code'),
    ("S37", "a table is renamed", "ALTER TABLE pairs RENAME TO couples", "table public.pairs"),
    ("S38", "a table is dropped", "DROP TABLE pairs", "table public.pairs"),
    ("S39", "a table is made", "CREATE TABLE planted (id int)", "table public.planted"),
    ("S40", "a table moves to another schema", """ALTER TABLE pairs SET SCHEMA "a""b;'" """, "table public.pairs"),
    ("S41", "row security is off", "ALTER TABLE tenant_note DISABLE ROW LEVEL SECURITY", "table public.tenant_note"),
    (
        "S42",
        "row security does not bind the owner",
        "ALTER TABLE tenant_note NO FORCE ROW LEVEL SECURITY",
        "tenant_note",
    ),
    ("S43", "a policy lets everything through", "ALTER POLICY own_tenant ON tenant_note USING (true)", "own_tenant"),
    ("S44", "a policy is for everybody", "ALTER POLICY own_tenant ON tenant_note TO PUBLIC", "own_tenant"),
    ("S45", "a policy is dropped", "DROP POLICY own_tenant ON tenant_note", "own_tenant"),
    (
        "S46",
        "the definition of a view",
        """CREATE OR REPLACE VIEW live_component AS SELECT id, code FROM "Component" WHERE false""",
        "view public.live_component",
    ),
    ("S47", "options of a view", "ALTER VIEW live_component SET (security_barrier = true)", "live_component"),
    (
        "S48",
        "a materialized view is emptied",
        "REFRESH MATERIALIZED VIEW stock WITH NO DATA",
        "materialized view public.stock",
    ),
    ("S49", "a rule is dropped", "DROP RULE no_delete ON cache", "no_delete"),
    ("S50", "a rule is off", "ALTER TABLE cache DISABLE RULE no_delete", "no_delete"),
    ("S51", "a rule is planted", 'CREATE RULE quiet AS ON INSERT TO "SKU" DO ALSO SELECT 1', "quiet"),
    ("S52", "a label is added to an enum", "ALTER TYPE mood ADD VALUE 'angry' BEFORE 'ok'", "type public.mood"),
    ("S53", "a label is renamed", "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'", "type public.mood"),
    ("S54", "a domain's check is dropped", "ALTER DOMAIN positive DROP CONSTRAINT is_positive", "is_positive"),
    ("S55", "a domain's default", "ALTER DOMAIN positive SET DEFAULT 2", "type public.positive"),
    ("S56", "a domain is NOT NULL", "ALTER DOMAIN positive SET NOT NULL", "type public.positive"),
    ("S57", "a type's owner", "ALTER TYPE mood OWNER TO inventory_app", "type public.mood"),
    ("S58", "a composite type grows", "CREATE TYPE pt AS (a int); ALTER TYPE pt ADD ATTRIBUTE b int", "type public.pt"),
    ("S59", "a table is unlogged", "ALTER TABLE pairs SET UNLOGGED", "table public.pairs"),
    ("S60", "options of a table", "ALTER TABLE pairs SET (fillfactor = 50)", "table public.pairs"),
    (
        "S61",
        "options of its TOAST table",
        "ALTER TABLE pairs SET (toast.autovacuum_enabled = false)",
        "table public.pairs",
    ),
    ("S62", "replica identity", "ALTER TABLE pairs REPLICA IDENTITY FULL", "table public.pairs"),
    ("S63", "an index to cluster by", 'ALTER TABLE "SKU" CLUSTER ON "SKU_pkey"', "SKU_pkey"),
    ("S64", "a partition is detached", "ALTER TABLE measured DETACH PARTITION measured_north", "measured_north"),
    (
        "S65",
        "a partition is added",
        "CREATE TABLE measured_east PARTITION OF measured FOR VALUES IN ('east')",
        "measured_east",
    ),
    ("S66", "a child leaves its parent", "ALTER TABLE truck NO INHERIT vehicle", "table public.truck"),
    ("S67", "identity", "ALTER TABLE measured ALTER id SET GENERATED ALWAYS", "column public.measured.id"),
    (
        "S68",
        "a generated column becomes an ordinary one",
        "ALTER TABLE odd ALTER doubled DROP EXPRESSION",
        "public.odd.doubled",
    ),
    ("S69", "a schema is made", "CREATE SCHEMA planted", "schema planted"),
    ("S70", "everybody may create in public", "GRANT CREATE ON SCHEMA public TO inventory_app", "schema public"),
    ("S71", "a schema's owner", "ALTER SCHEMA public OWNER TO inventory_app", "schema public"),
    (
        "S72",
        "a function planted in pg_catalog",
        "CREATE FUNCTION pg_catalog.lower(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "function pg_catalog.lower",
    ),
    (
        "S73",
        "a built-in function replaced in place",
        """CREATE OR REPLACE FUNCTION pg_catalog.pg_sleep(double precision) RETURNS void LANGUAGE internal STRICT
           VOLATILE PARALLEL UNSAFE AS 'pg_sleep'""",
        "pg_catalog.pg_proc",
    ),
    (
        "S74",
        "a built-in function for everybody",
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO inventory_app",
        "pg_catalog.pg_ls_dir",
    ),
    (
        "S75",
        "a built-in table for everybody",
        "GRANT SELECT ON pg_catalog.pg_authid TO inventory_app",
        "pg_catalog.pg_authid",
    ),
    (
        "S76",
        "a column of a built-in table",
        "GRANT SELECT (rolpassword) ON pg_catalog.pg_authid TO inventory_app",
        "pg_catalog.pg_authid.rolpassword",
    ),
    ("S77", "the schema pg_catalog", "GRANT CREATE ON SCHEMA pg_catalog TO inventory_app", "schema pg_catalog"),
    (
        "S78",
        "a built-in function's owner",
        "ALTER FUNCTION pg_catalog.pg_sleep(float8) OWNER TO inventory_app",
        "pg_sleep",
    ),
    (
        "S79",
        "information_schema",
        "REVOKE SELECT ON information_schema.tables FROM PUBLIC",
        "information_schema.tables",
    ),
    ("S80", "extended statistics are dropped", "DROP STATISTICS sku_stats", "statistics public.sku_stats"),
    ("S81", "a publication gets a table", 'ALTER PUBLICATION some_changes ADD TABLE "Component"', "some_changes"),
    ("S82", "a publication is dropped", "DROP PUBLICATION some_changes", "some_changes"),
    (
        "S83",
        "default privileges",
        "ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO inventory_app",
        "default privileges",
    ),
    (
        "S84",
        "default privileges are passed on",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reporting WITH GRANT OPTION",
        "default privileges",
    ),
    ("S85", "a comment", """COMMENT ON COLUMN "SKU".price IS 'gross'""", "comment on table column"),
    (
        "S86",
        "an event trigger",
        """CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
           CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION on_ddl()""",
        "event trigger watch",
    ),
    ("S87", "a cast", "CREATE CAST (point3 AS text) WITH INOUT AS IMPLICIT", "cast public.point3 AS text"),
    (
        "S88",
        "an operator",
        "CREATE OPERATOR public.=== (LEFTARG = text, RIGHTARG = int, FUNCTION = pg_catalog.repeat)",
        "operator public.===",
    ),
    (
        "S89",
        "an operator class",
        """CREATE OPERATOR CLASS other_ints FOR TYPE int USING hash AS OPERATOR 1 =, FUNCTION 1 hashint4(int)""",
        "operator class public.other_ints",
    ),
    (
        "S90",
        "a built-in operator family grows",
        "ALTER OPERATOR FAMILY pg_catalog.integer_ops USING hash ADD FUNCTION 1 (oid) pg_catalog.hashoid(oid)",
        "operator family pg_catalog.integer_ops",
    ),
    ("S91", "a collation", "CREATE COLLATION other (provider = libc, locale = 'POSIX')", "collation public.other"),
    ("S92", "a conversion", "CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1", "conversion public.c"),
    (
        "S93",
        "a text search configuration",
        "ALTER TEXT SEARCH CONFIGURATION german_simple DROP MAPPING FOR email",
        "german_simple",
    ),
    (
        "S94",
        "a text search dictionary",
        "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple, STOPWORDS = english)",
        "text search dictionary public.d",
    ),
    ("S95", "a right on a language", "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC", "language plpgsql"),
    (
        "S96",
        "an untrusted language is trusted",
        "UPDATE pg_catalog.pg_language SET lanpltrusted = true WHERE lanname = 'c'",
        "language c",
    ),
    (
        "S97",
        "a password in a user mapping",
        "ALTER USER MAPPING FOR inventory_app SERVER elsewhere OPTIONS (SET password 'other')",
        "user mapping inventory_app on elsewhere",
    ),
    (
        "S98",
        "where a foreign server is",
        "ALTER SERVER elsewhere OPTIONS (SET host 'evil.example')",
        "foreign server elsewhere",
    ),
    (
        "S99",
        "options of a foreign table",
        "ALTER FOREIGN TABLE far OPTIONS (ADD remote 'x')",
        "foreign table public.far",
    ),
    (
        "S100",
        "rights on a foreign data wrapper",
        "GRANT USAGE ON FOREIGN DATA WRAPPER nowhere TO inventory_app",
        "nowhere",
    ),
    (
        "S101",
        "an access method",
        "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler",
        "access method heap2",
    ),
    ("S102", "a range type", "CREATE TYPE f_range AS RANGE (subtype = float8)", "type public.f_range"),
    (
        "S103",
        "rights granted twice are one, taken once are none",
        "REVOKE ALL ON odd FROM inventory_app",
        "table public.odd",
    ),
    (
        "S105",
        "nobody has any right, not even the owner",
        "REVOKE ALL ON pairs FROM postgres, inventory_app",
        "table public.pairs",
    ),
    (
        "S104",
        "an expression index gets a statistics target",
        "ALTER INDEX component_lower ALTER COLUMN 1 SET STATISTICS 77",
        "component_lower",
    ),
)

_ROLES = (
    *_all(
        "role",
        ("R01", "a role is made", "CREATE ROLE intruder LOGIN SUPERUSER", "role intruder"),
        ("R02", "a role becomes a superuser", "ALTER ROLE inventory_app SUPERUSER", "role inventory_app"),
        ("R03", "a password is changed", "ALTER ROLE inventory_app PASSWORD 'other'", "role inventory_app"),
        (
            "R04",
            "a password is set again: another salt",
            "ALTER ROLE inventory_app PASSWORD 'apppw'",
            "role inventory_app",
        ),
        ("R05", "a password is removed", "ALTER ROLE inventory_app PASSWORD NULL", "role inventory_app"),
        ("R06", "a connection limit", "ALTER ROLE inventory_app CONNECTION LIMIT 3", "role inventory_app"),
        ("R07", "a validity", "ALTER ROLE inventory_app VALID UNTIL '2001-01-01'", "role inventory_app"),
        ("R08", "a role may create databases", "ALTER ROLE inventory_app CREATEDB", "role inventory_app"),
        ("R09", "a role sees all rows", "ALTER ROLE inventory_app BYPASSRLS", "role inventory_app"),
        ("R10", "a role may replicate", "ALTER ROLE inventory_app REPLICATION", "role inventory_app"),
        ("R11", "a role may not log in any more", "ALTER ROLE inventory_app NOLOGIN", "role inventory_app"),
        ("R12", "a role is renamed", "ALTER ROLE short_lived RENAME TO long_lived", "role short_lived"),
        ("R13", "a role is dropped", "DROP ROLE short_lived", "role short_lived"),
        (
            "R14",
            "a membership",
            "GRANT inventory_owner TO inventory_app",
            "membership inventory_app in inventory_owner",
        ),
        ("R15", "a predefined role", "GRANT pg_write_all_data TO inventory_app", "inventory_app in pg_write_all_data"),
    ),
    Mutation(
        id="R16",
        title="a member may pass the membership on",
        setup=("GRANT inventory_owner TO reporting",),
        sql=("GRANT inventory_owner TO reporting WITH ADMIN OPTION",),
        expect_kind="role",
        expect_object="membership reporting in inventory_owner",
    ),
    Mutation(
        id="R17",
        title="a role may change a parameter",
        sql=("GRANT SET ON PARAMETER log_statement TO inventory_app",),
        expect_kind="role",
        expect_object="log_statement",
        since=15,
    ),
)

_SETTINGS = (
    *_all(
        "setting",
        (
            "T01",
            "a role's search path",
            "ALTER ROLE inventory_app SET search_path = evil",
            "role inventory_app: search_path",
        ),
        ("T02", "a database's setting", "ALTER DATABASE {database} SET row_security = off", ": row_security"),
        ("T03", "the stamp", "ALTER DATABASE {database} SET ringfence.environment = 'test'", ": ringfence.environment"),
        (
            "T04",
            "a role's setting in one database",
            "ALTER ROLE inventory_app IN DATABASE {database} SET session_replication_role = replica",
            "session_replication_role",
        ),
        ("T05", "everybody's setting", "ALTER ROLE ALL SET statement_timeout = 1", "statement_timeout"),
        ("T06", "rights on the database", "GRANT CREATE ON DATABASE {database} TO inventory_app", "database "),
        ("T07", "the owner of the database", "ALTER DATABASE {database} OWNER TO inventory_app", "database "),
        ("T08", "a limit of connections", "ALTER DATABASE {database} CONNECTION LIMIT 1", "database "),
        ("T09", "the database is a template", "ALTER DATABASE {database} IS_TEMPLATE true", "database "),
        ("T10", "rights on another database", "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC", "database postgres"),
        ("T11", "a tablespace", "ALTER TABLESPACE pg_default SET (random_page_cost = 1)", "tablespace pg_default"),
        ("T12", "a comment on the database", "COMMENT ON DATABASE {database} IS 'x'", "comment on database"),
        (
            "T13",
            "a subscription",
            """CREATE SUBSCRIPTION feed CONNECTION 'host=evil password=not-shown-anywhere' PUBLICATION p
               WITH (connect = false, slot_name = NONE)""",
            "subscription",
        ),
    ),
    Mutation(
        id="T14",
        title="ALTER SYSTEM, not yet applied",
        sql=("ALTER SYSTEM SET max_connections = 41",),
        cleanup=("ALTER SYSTEM RESET max_connections",),
        expect_kind="setting",
        expect_object="max_connections",
        transactional=False,
    ),
    Mutation(
        id="T15",
        title="a database beside it",
        sql=("CREATE DATABASE planted_beside TEMPLATE template0",),
        cleanup=("DROP DATABASE planted_beside",),
        expect_kind="setting",
        expect_object="database planted_beside",
        transactional=False,
    ),
    Mutation(
        id="T16",
        title="a replication slot, which can fill the disk",
        sql=("SELECT pg_catalog.pg_create_physical_replication_slot('planted_slot', true)",),
        cleanup=("SELECT pg_catalog.pg_drop_replication_slot('planted_slot')",),
        expect_kind="setting",
        expect_object="replication slot planted_slot",
        transactional=False,
    ),
)

_SEQUENCES = (
    *_all(
        "sequence",
        ("Q01", "a sequence starts again", "ALTER SEQUENCE loose RESTART", "sequence public.loose"),
        ("Q02", "the increment", "ALTER SEQUENCE loose INCREMENT 10", "sequence public.loose"),
        ("Q03", "the maximum", "ALTER SEQUENCE loose MAXVALUE 200", "sequence public.loose"),
        ("Q04", "it begins anew when it is used up", "ALTER SEQUENCE loose CYCLE", "sequence public.loose"),
        ("Q05", "it belongs to nobody", 'ALTER SEQUENCE "SKU_id_seq" OWNED BY NONE', 'sequence public."SKU_id_seq"'),
        ("Q06", "rights", "GRANT UPDATE ON SEQUENCE loose TO inventory_app", "sequence public.loose"),
        ("Q07", "a sequence is dropped", "DROP SEQUENCE fresh", "sequence public.fresh"),
        ("Q08", "a sequence is made", "CREATE SEQUENCE planted", "sequence public.planted"),
    ),
    *(
        Mutation(id=id_, title=title, sql=(text,), expect_kind="sequence", expect_object=expected, transactional=False)
        for id_, title, text, expected in (
            ("Q09", "back", "SELECT setval('public.loose', 100)", "sequence public.loose"),
            ("Q10", "far ahead", "SELECT setval('public.loose', 100000000)", "sequence public.loose"),
            ("Q11", "the same value again", "SELECT setval('public.loose', 105, false)", "sequence public.loose"),
            ("Q12", "between two steps", "SELECT setval('public.loose', 107)", "sequence public.loose"),
            ("Q13", "one that is not used yet", "SELECT setval('public.fresh', 9, false)", "sequence public.fresh"),
            ("Q14", "one that counts down goes up", "SELECT setval('public.down', 600)", "sequence public.down"),
        )
    ),
)

_LARGE_OBJECTS = _all(
    "large-object",
    ("L01", "content", r"SELECT lo_put(4711, 5, '\x00')", "large object 4711"),
    ("L02", "content far behind a hole", r"SELECT lo_put(4711, 100000, '\x02')", "large object 4711"),
    ("L03", "shorter", "SELECT lo_truncate(lo_open(4711, 131072), 2000)", "large object 4711"),
    ("L04", "longer by zeros", "SELECT lo_truncate64(lo_open(4711, 131072), 200000)", "large object 4711"),
    ("L05", "removed", "SELECT lo_unlink(4712)", "large object 4712"),
    ("L06", "made", "SELECT lo_create(4713)", "large object 4713"),
    ("L07", "rights", "GRANT UPDATE ON LARGE OBJECT 4711 TO inventory_app", "large object 4711"),
    ("L08", "owner", "ALTER LARGE OBJECT 4711 OWNER TO inventory_app", "large object 4711"),
)

_PREPARED = (
    Mutation(
        id="P01",
        title="a deletion that waits to be committed",
        sql=("""BEGIN; DELETE FROM "SKU" WHERE id = 1; PREPARE TRANSACTION 'later'""",),
        cleanup=("ROLLBACK PREPARED 'later'",),
        expect_kind="prepared-transaction",
        expect_object="prepared transaction later",
        needs=frozenset({"max_prepared_transactions"}),
        transactional=False,
    ),
)

MUTATIONS: tuple[Mutation, ...] = (
    *_ROWS,
    *_SCHEMA,
    *_ROLES,
    *_SETTINGS,
    *_SEQUENCES,
    *_LARGE_OBJECTS,
    *_PREPARED,
)

QUIET: tuple[tuple[str, ...], ...] = (
    ("VACUUM",),
    ("VACUUM FULL",),
    ("VACUUM (FREEZE, ANALYZE)",),
    ("ANALYZE",),
    ("CHECKPOINT",),
    ("REINDEX DATABASE {database}",),
    ("REINDEX TABLE CONCURRENTLY public.odd",),
    ("REINDEX SYSTEM {database}",),
    ('BEGIN; DELETE FROM public."Transaction"; DROP TABLE public.pairs; ROLLBACK',),
    ("BEGIN; ALTER ROLE inventory_app SUPERUSER; ROLLBACK",),
    ("BEGIN; CREATE TABLE public.gone (id int); ROLLBACK",),
    ("UPDATE public.odd SET t = t || '.'", "UPDATE public.odd SET t = rtrim(t, '.')"),
    ('CREATE INDEX tmp_i ON public."SKU" (code)', "DROP INDEX public.tmp_i", "VACUUM"),
    (
        "CREATE TRIGGER tmp_t AFTER UPDATE ON public.pairs EXECUTE FUNCTION public.touch()",
        "DROP TRIGGER tmp_t ON public.pairs",
    ),
    ("CREATE RULE tmp_r AS ON INSERT TO public.pairs DO ALSO SELECT 1", "DROP RULE tmp_r ON public.pairs", "VACUUM"),
    ("CREATE TABLE public.tmp_child () INHERITS (public.pairs)", "DROP TABLE public.tmp_child", "ANALYZE public.pairs"),
    ("GRANT DELETE ON public.odd TO inventory_app", "REVOKE DELETE ON public.odd FROM inventory_app"),
    ("REVOKE SELECT ON public.odd FROM inventory_app", "GRANT SELECT ON public.odd TO inventory_app"),
    ("GRANT ALL ON public.far TO postgres",),
    ("GRANT EXECUTE ON FUNCTION public.total(int) TO PUBLIC",),
    (
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO inventory_app",
        "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) FROM inventory_app",
    ),
    (
        "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) TO PUBLIC",
    ),
    ("ALTER TABLE public.pairs SET (fillfactor = 70)", "ALTER TABLE public.pairs RESET (fillfactor)"),
    ("ALTER DATABASE {database} SET work_mem = '8MB'", "ALTER DATABASE {database} RESET work_mem"),
    ("REFRESH MATERIALIZED VIEW public.stock",),
    ('CLUSTER public."SKU" USING "SKU_pkey"', 'ALTER TABLE public."SKU" SET WITHOUT CLUSTER'),
    ("SELECT pg_catalog.pg_stat_reset()",),
    ("CREATE TEMP TABLE mine (id serial PRIMARY KEY, t text); COMMENT ON TABLE mine IS 'x'",),
    ("COMMENT ON TABLE public.pairs IS 'x'", "COMMENT ON TABLE public.pairs IS NULL"),
    ("LISTEN something; NOTIFY something",),
    ("SET work_mem = '64MB'; SET search_path = pg_temp",),
    ("SELECT pg_catalog.pg_switch_wal()",),
    (r"SELECT lo_put(4711, 5, '\xab')",),
)
"""Ordinary work after which a database is the same: each entry is a list of statements, sent one after the other."""
