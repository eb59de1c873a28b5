"""A small database in which rows are hard to put back, and damage to its rows of every kind.

Triggers that would fire again, foreign keys that cascade, refer to themselves or run in a circle, generated and identity
columns, tables without a key, partitions, odd names, values that are equal and not the same.
"""

from __future__ import annotations

from collections.abc import Mapping

SCHEMA = r"""
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (x int, y text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text NOT NULL, at int NOT NULL);
CREATE TABLE customer (
  name text NOT NULL, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, data jsonb,
  tags text[], photo bytea, feels mood, place pair, rank positive, shout text GENERATED ALWAYS AS (upper(name)) STORED
);
CREATE TABLE orders (
  id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customer ON DELETE CASCADE ON UPDATE CASCADE,
  total numeric(10, 2) NOT NULL, placed timestamptz, CHECK (total >= 0)
);
CREATE TABLE order_item (
  order_id int REFERENCES orders ON DELETE CASCADE, line smallint, sku text, note text, PRIMARY KEY (order_id, line)
);
CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO public.audit (what, at) VALUES (TG_OP || ' ' || TG_TABLE_NAME, 1); RETURN NULL; END $$;
CREATE FUNCTION stamp_it() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN NEW.note := coalesce(NEW.note, '') || '!'; RETURN NEW; END $$;
CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON customer FOR EACH ROW EXECUTE FUNCTION note_it();
CREATE TRIGGER stamped BEFORE INSERT OR UPDATE ON order_item FOR EACH ROW EXECUTE FUNCTION stamp_it();
ALTER TABLE order_item ENABLE ALWAYS TRIGGER stamped;
CREATE TABLE kept (id int PRIMARY KEY, v text);
CREATE TRIGGER refused BEFORE UPDATE OR DELETE ON kept FOR EACH ROW EXECUTE FUNCTION refuse_it();
ALTER TABLE kept ENABLE REPLICA TRIGGER refused;
CREATE TABLE employee (id int PRIMARY KEY, boss int REFERENCES employee, name text);
CREATE TABLE head (id int PRIMARY KEY, tail int NOT NULL);
CREATE TABLE tail (id int PRIMARY KEY, head int NOT NULL REFERENCES head DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE pairs (v int, w json, p point);
CREATE TABLE "a""b;'" ("se""lect" int PRIMARY KEY, "x y" text, "%s" int UNIQUE, "{}" int, r int, ctid_ text);
CREATE TABLE "new
line" (id int PRIMARY KEY, U&"es\001Bc" text);
INSERT INTO "new
line" VALUES (1, E'\x1b[32m \u202E \\ x'), (2, E'\x07');
CREATE TABLE numbers (id int PRIMARY KEY, f float8, g real, n numeric, d date, i interval, u uuid, b bit varying, c char(5));
CREATE TABLE by_text (k text PRIMARY KEY, v text);
CREATE TABLE by_bytes (k bytea, l timestamptz, v text, PRIMARY KEY (l, k));
CREATE TABLE by_numeric (k numeric PRIMARY KEY, v text);
CREATE TABLE measured (id int, region text, v numeric, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE measured_north PARTITION OF measured FOR VALUES IN ('north');
CREATE TABLE measured_rest PARTITION OF measured DEFAULT;
CREATE TABLE places (id int PRIMARY KEY, rank int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE booked (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&));
CREATE TABLE vehicle (id int, wheels int);
CREATE TABLE truck (load numeric) INHERITS (vehicle);
CREATE UNLOGGED TABLE cache (k text PRIMARY KEY, v text);
CREATE TABLE nothing ();
CREATE TABLE secret (id int PRIMARY KEY, owner name, words text);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE RULE quiet AS ON DELETE TO by_text DO INSTEAD NOTHING;
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text UNIQUE, customer int REFERENCES customer);
CREATE SEQUENCE tickets START 100;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE RETURN n * 2;
CREATE TABLE made (id int PRIMARY KEY, n int, m int GENERATED ALWAYS AS (twice(n)) STORED);
INSERT INTO made (id, n) SELECT n, n FROM generate_series(1, 5) n;

ALTER TABLE customer DISABLE TRIGGER USER;
INSERT INTO customer (name, email, data, tags, photo, feels, place, rank)
  SELECT 'Name ' || n, 'c' || n || '@example.org', jsonb_build_object('n', n, 'q', '"'), ARRAY['t' || n, NULL, 'a "b"'],
         decode(lpad(to_hex(n), 8, '0'), 'hex'), 'ok', ROW(n, 'it''s \ ' || n)::pair, n FROM generate_series(1, 40) n;
ALTER TABLE customer ENABLE TRIGGER USER;
INSERT INTO orders (customer_id, total, placed)
  SELECT 1 + n % 40, n * 1.5, '2026-01-01 00:00+00'::timestamptz + n * interval '1 hour' FROM generate_series(1, 120) n;
INSERT INTO order_item SELECT 1 + n / 3, n % 3, 's' || n, NULL FROM generate_series(0, 299) n;
INSERT INTO kept SELECT n, 'k' || n FROM generate_series(1, 10) n;
INSERT INTO employee SELECT n, NULLIF(n / 2, 0), 'e' || n FROM generate_series(1, 30) n;
INSERT INTO head SELECT n, n FROM generate_series(1, 10) n;
INSERT INTO tail SELECT n, n FROM generate_series(1, 10) n;
ALTER TABLE head ADD FOREIGN KEY (tail) REFERENCES tail;
INSERT INTO pairs SELECT n % 5, '{"a": 1}', point(n, 0.5) FROM generate_series(1, 20) n;
INSERT INTO pairs VALUES (1, NULL, NULL), (1, NULL, NULL), (1, NULL, NULL);
INSERT INTO "a""b;'" SELECT n, 'it''s ' || n, n, n, n, 'c' FROM generate_series(1, 10) n;
INSERT INTO numbers VALUES (1, 'NaN', '-Infinity', 'NaN', 'infinity', '1 mon -2 days', NULL, B'101', 'ab'),
  (2, '-0', 0.1, 1.10, '0044-03-15 BC', '0', '00000000-0000-0000-0000-000000000001', B'', ''),
  (3, 1e-300, 1e38, 123456789012345678901234567890.5, '2026-02-28', '1 day', NULL, NULL, NULL);
INSERT INTO by_text VALUES ('a', '1'), ('A', '2'), ('', '3'), (E'new\nline', '4'), ('é😀', '5'), (E'back\\slash', '6');
INSERT INTO by_bytes SELECT decode('00' || lpad(to_hex(n), 4, '0'), 'hex'), '2026-01-01+00'::timestamptz, 'b' || n
  FROM generate_series(1, 20) n;
INSERT INTO by_numeric VALUES (1.0, 'a'), (2.50, 'b'), (-3, 'c'), ('NaN', 'd');
INSERT INTO measured SELECT n, CASE n % 2 WHEN 0 THEN 'north' ELSE 'south' END, n FROM generate_series(1, 30) n;
INSERT INTO places SELECT n, n FROM generate_series(1, 10) n;
INSERT INTO booked SELECT n, int4range(n * 10, n * 10 + 10) FROM generate_series(1, 10) n;
INSERT INTO vehicle VALUES (1, 4), (2, 4);
INSERT INTO truck VALUES (3, 6, 10.5), (3, 6, 10.5);
INSERT INTO cache VALUES ('a', repeat('long ', 50000)), ('b', 'short');
INSERT INTO nothing DEFAULT VALUES;
INSERT INTO nothing DEFAULT VALUES;
INSERT INTO secret VALUES (1, 'one', 'a'), (2, 'two', 'b');
INSERT INTO events (code, customer) SELECT 'e' || n, 1 + n % 40 FROM generate_series(1, 20) n;
SELECT nextval('tickets'), nextval('tickets');
"""

_NORMAL = "SET session_replication_role = origin"
_REPLICA = "SET session_replication_role = replica"

DAMAGES: Mapping[str, tuple[str, ...]] = {
    "one value": ("UPDATE orders SET total = 0.01 WHERE id = 7",),
    "every row of a table": ("UPDATE orders SET total = total + 1",),
    "one row deleted": ("DELETE FROM order_item WHERE order_id = 5 AND line = 1",),
    "one row inserted": ("INSERT INTO orders (customer_id, total) VALUES (3, 99)",),
    "deleted with a cascade over two tables": (
        "DELETE FROM customer WHERE id = 31",
        "DELETE FROM customer WHERE id = 30",
    ),
    "a cascading change of a key": (
        _REPLICA,
        "UPDATE customer SET email = email WHERE id = 8",
        _NORMAL,
        "UPDATE orders SET customer_id = 2 WHERE customer_id = 12",
    ),
    "truncated with all that refers to it": ("TRUNCATE orders CASCADE",),
    "truncated and numbering restarted": ("TRUNCATE order_item, orders RESTART IDENTITY",),
    "rows of an identity column replaced": ("DELETE FROM audit", "INSERT INTO audit (what, at) VALUES ('forged', 0)"),
    "a trigger wrote, too": ("UPDATE customer SET name = 'x' WHERE id IN (1, 2)",),
    "a trigger that always fires": ("UPDATE order_item SET sku = 'y' WHERE line = 2",),
    "a trigger that fires on replicas refuses": ("UPDATE kept SET v = 'z'", "DELETE FROM kept WHERE id = 3"),
    "a generated column": ("UPDATE customer SET name = name || '?' WHERE id < 5",),
    "two rows trade unique values": (
        "UPDATE customer SET email = 'tmp' WHERE id = 1",
        "UPDATE customer SET email = 'c1@example.org' WHERE id = 2",
        "UPDATE customer SET email = 'c2@example.org' WHERE id = 1",
    ),
    "keys moved by one": ("UPDATE numbers SET id = id + 10", "UPDATE numbers SET id = id - 9"),
    "a tree cut at its root": (_REPLICA, "DELETE FROM employee WHERE id IN (1, 2, 3)", _NORMAL),
    "a self-reference turned": ("UPDATE employee SET boss = 30 WHERE id = 1",),
    "a circle of two tables deleted": (
        _REPLICA,
        "DELETE FROM head WHERE id < 5",
        "DELETE FROM tail WHERE id < 5",
        _NORMAL,
    ),
    "a circle lengthened": (_REPLICA, "INSERT INTO head VALUES (11, 11)", "INSERT INTO tail VALUES (11, 11)", _NORMAL),
    "no key: one of three equal rows": (
        "DELETE FROM pairs WHERE ctid = (SELECT min(ctid) FROM pairs WHERE w IS NULL)",
    ),
    "no key: values without an equality": ("UPDATE pairs SET w = '{\"a\":1}', p = point(1, 1) WHERE v = 2",),
    "no key: all rows twice": ("INSERT INTO pairs SELECT * FROM pairs",),
    "names and values that move a cursor": (
        """UPDATE "new\nline" SET "es\x1bc" = E'\\x1b[31m\\r\\n \\u202E \\\\ x' WHERE id = 1""",
        'DELETE FROM "new\nline" WHERE id = 2',
    ),
    "names that need quotes": (
        'UPDATE "a""b;\'" SET "x y" = \'O\'\'Reilly \\ %s {} "q"\', "{}" = 0 WHERE "se""lect" < 4',
        'DELETE FROM "a""b;\'" WHERE "%s" = 9',
    ),
    "not a number, minus zero, scale": (
        "UPDATE numbers SET f = 0, n = 1.1 WHERE id = 2",
        "UPDATE numbers SET f = 1, g = 0, n = 5 WHERE id = 1",
    ),
    "dates out of bounds": (
        "UPDATE numbers SET d = NULL, i = '28 days', c = 'ab   ', b = B'1010', u = gen_random_uuid()",
    ),
    "text keys": ("UPDATE by_text SET v = 'x'", "UPDATE by_text SET k = 'ä' WHERE k = 'a'"),
    "text keys behind a rule": (
        "ALTER TABLE by_text DISABLE RULE quiet",
        "DELETE FROM by_text",
        "ALTER TABLE by_text ENABLE RULE quiet",
    ),
    "composite keys of bytes and time": (
        "UPDATE by_bytes SET v = NULL WHERE k > '\\x000005'",
        "DELETE FROM by_bytes WHERE k < '\\x000004'",
    ),
    "a key that is equal and not the same": ("UPDATE by_numeric SET k = 1.00 WHERE k = 1",),
    "a row moved to another partition": (
        "UPDATE measured SET region = 'north' WHERE id = 7",
        "UPDATE measured SET region = 'west' WHERE id = 8",
    ),
    "a partition emptied": ("TRUNCATE measured_north",),
    "unique values checked late, rotated": ("UPDATE places SET rank = 1 + rank % 10",),
    "ranges that exclude each other": (
        "DELETE FROM booked WHERE id = 4",
        "UPDATE booked SET during = '[40,50)' WHERE id = 5",
    ),
    "a parent and its heirs": (
        "UPDATE vehicle SET wheels = 3",
        "DELETE FROM truck WHERE ctid = (SELECT max(ctid) FROM truck)",
    ),
    "an unlogged table, a long text": (
        "UPDATE cache SET v = v || '.' WHERE k = 'a'",
        "DELETE FROM cache WHERE k = 'b'",
    ),
    "rows without columns": ("DELETE FROM nothing WHERE ctid = (SELECT min(ctid) FROM nothing)",),
    "one row without columns more": ("INSERT INTO nothing DEFAULT VALUES",),
    "rows behind row security": ("UPDATE secret SET words = 'x' WHERE id = 1", "DELETE FROM secret WHERE id = 2"),
    "enums, arrays, composites, documents": (
        "UPDATE customer SET feels = 'happy', tags = '{}', place = ROW(NULL, NULL), data = '{\"n\": 1.0}', photo = NULL, rank = NULL WHERE id = 3",
    ),
    "a sequence set back": ("SELECT setval('orders_id_seq', 5)",),
    "a sequence far ahead": ("SELECT setval('tickets', 900000)",),
    "everything at once": (
        "UPDATE orders SET total = 5",
        "DELETE FROM order_item",
        "INSERT INTO employee VALUES (99, 1, 'spy')",
        "TRUNCATE pairs",
        _REPLICA,
        "DELETE FROM customer",
        _NORMAL,
    ),
}
"""Statements by the name of the damage; each is sent on its own. The rows of all tables are repaired by rows alone."""
