"""Fingerprints on live servers: exact for every type, equal on every major, the same however the work is cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import psycopg
import pytest
from psycopg import sql
from tests.postgres.conftest import Server

from ringfence.integrity import expression, fingerprint, ranges
from ringfence.integrity.expression import digest_query, row_hashes, rows_of
from ringfence.integrity.fingerprint import Load, Table, digest_whole, lock_tables, read_tables
from ringfence.integrity.model import Seeds, TableDigest, TableName
from ringfence.postgres.connection import Connection, QueryError, connect
from ringfence.postgres.target import Target

pytestmark = pytest.mark.postgres
SEEDS = Seeds(first=0x0123456789ABCDEF, second=0xFEDCBA9876543210)

# Values that a person can tell apart, and that a careless hash does not: equal to the server, folded, or cancelled.
DISTINCT: Mapping[str, Sequence[str]] = {
    "int2": ("0", "1", "-1", "32767", "-32768"),
    "int4": ("0", "1", "-1", "2147483647", "-2147483648"),
    "int8": ("0", "1", "-1", "4294967296", "4294967297", "-4294967296", "9223372036854775807", "-9223372036854775808"),
    "numeric": (
        *(
            "0",
            "0.0",
            "0.00",
            "5",
            "-5",
            "5.0",
            "5.00",
            "-5.00",
            "1.10",
            "1.1",
            "100",
            "100.0",
            "10000",
            "100000000",
        ),
        *("'NaN'", "'Infinity'", "'-Infinity'", "1e-20", "123456789012345678901234567890.123456789"),
    ),
    "numeric(12,2)": ("0", "1", "-1", "1.10", "1.01", "'NaN'", "9999999999.99", "-9999999999.99"),
    "float8": ("0", "'-0'", "1", "-1", "'NaN'", "'Infinity'", "'-Infinity'", "0.1", "0.10000000000000002", "5e-324"),
    "float4": ("0", "'-0'", "1", "-1", "'NaN'", "'Infinity'", "'-Infinity'", "0.1", "0.10000001"),
    "text": ("''", "' '", "'a'", "'A'", "'a '", "'NULL'", "E'a\\nb'", "'é'", "E'e\\u0301'", "repeat('x', 10000)"),
    "varchar(20)": ("''", "' '", "'a'", "'a '", "'b'"),
    "char(4)": ("''", "'a'", "'b'", "'ab'", "'abcd'"),
    "char(20)": ("''", "'a'", "' a'", "'b'", "E'\\t'", "'\u00a0'", "'aaaaaaaaaaaaaaaaaaaa'"),
    "bpchar": ("'a'", "'a '", "'a  '", "''", "' '"),
    '"char"': ("'a'", "'b'", "''"),
    "name": ("'a'", "'b'", "''"),
    "bool": ("true", "false"),
    "bytea": ("''", "'\\x00'", "'\\x0000'", "'\\x01'", "decode(repeat('ab', 5000), 'hex')"),
    "date": ("'2000-01-01'", "'1999-12-31'", "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'"),
    "timestamp": (
        *(
            "'2000-01-01'",
            "'2000-01-01 00:00:00.000001'",
            "'2000-01-01 01:11:34.967296'",
            "'1999-12-31 22:48:25.032704'",
        ),
        # Their halves fold together, and so do those of the last one and -infinity.
        *("'4714-12-01 BC'", "'4714-12-01 01:11:34.967297 BC'", "'4714-12-01 00:29:55.964238 BC'"),
        *("'infinity'", "'-infinity'", "'4714-11-24 BC'", "'294276-12-31 23:59:59.999999'"),
    ),
    "timestamptz": (
        *("'2000-01-01+00'", "'2000-01-01 00:00:00.000001+00'", "'2000-01-01 01:11:34.967296+00'", "'2000-01-01+01'"),
        *("'infinity'", "'-infinity'", "'4714-11-24 00:00:00+00 BC'", "'294276-12-31 23:59:59.999999+00'"),
    ),
    "time": ("'00:00'", "'00:00:00.000001'", "'24:00'", "'01:11:34.967296'"),
    "timetz": ("'00:00+00'", "'00:00+01'", "'01:00+01'"),
    "interval": ("'1 month'", "'30 days'", "'720 hours'", "'0'", "'1 day'", "'24 hours'"),
    "uuid": ("'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'"),
    "inet": ("'10.0.0.1'", "'10.0.0.1/8'", "'0.0.0.0'", "'::'", "'::1'"),
    "cidr": ("'10.0.0.0/8'", "'10.0.0.0/16'", "'0.0.0.0/0'"),
    "macaddr": ("'00:00:00:00:00:00'", "'00:00:00:00:00:01'"),
    "macaddr8": ("'00:00:00:00:00:00:00:00'", "'00:00:00:00:00:00:00:01'"),
    "json": ("'{}'", "'{ }'", "'{\"a\":1}'", '\'{"a":1,"a":1}\'', "'null'"),
    "jsonb": ("'{}'", "'[]'", "'1'", "'1.0'", "'-1'", "'null'", "'\"1\"'", "'{\"a\": null}'"),
    "xml": ("''", "'<a/>'", "'<a></a>'", "'<a> </a>'"),
    "int4[]": (
        "'{}'",
        "'{NULL}'",
        "'{NULL,NULL}'",
        "'{1}'",
        "'{1,2}'",
        "'{2,1}'",
        "'[0:1]={1,2}'",
        "'{{1,2}}'",
        "'{{1},{2}}'",
    ),
    "int8[]": ("'{}'", "'{1}'", "'{4294967296}'", "'{NULL}'"),
    "text[]": ("'{}'", "'{NULL}'", "'{\"NULL\"}'", "'{\"\"}'", "'{a,b}'", "'{\"a,b\"}'", "'[2:3]={a,b}'"),
    "numeric[]": ("'{1}'", "'{1.0}'", "'{-1}'"),
    "float8[]": ("'{0}'", "'{-0}'", "'{NaN}'"),
    "bit(4)": ("'0000'", "'0001'"),
    "varbit": ("''", "'0'", "'00'", "'1'"),
    "int4range": ("'empty'", "'[1,2)'", "'[1,3)'", "'(,1)'", "'[1,)'", "'(,)'"),
    "numrange": ("'[1,2)'", "'[1,2]'", "'[1.0,2)'", "'(1,2)'"),
    "point": ("'(0,0)'", "'(-0,0)'", "'(0,1)'"),
    "tsvector": ("''", "'a'", "'a:1'"),
    "money": ("'0'", "'-1'", "'1'", "'1.01'"),
    "oid": ("0", "1", "4294967295"),
    "pg_lsn": ("'0/0'", "'0/1'", "'1/0'"),
}


def table_of(connection: Connection, name: str) -> Table:
    """A table of the schema public as the catalog has it."""
    return next(t for t in read_tables(connection) if t.name == TableName(schema="public", name=name))


def digests(target: Target, tables: Sequence[Table], *, workers: int = 2) -> tuple[TableDigest, ...]:
    """What the room says of tables, through a snapshot as in the product."""
    with connect(target) as session:
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        lock_tables(session, tables)
        row = session.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
        assert row is not None
        whole = digest_whole(target, tables, SEEDS, snapshot=row[0], load=Load(workers=workers))
        return tuple(ranges.table_digest(r.table, ranges.add(r.digests)) for r in whole)


def row_digest(connection: Connection, table: Table) -> tuple[int, int, int]:
    """Count and sums over a table that may hold a single row."""
    query = digest_query(table.name.schema, table.name.name, table.columns, SEEDS, blocks=None)
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


STRUCTURED = {
    # Numbers whose halves are alike, complements, mirror images: what folding a 64-bit value confuses.
    "int8": "SELECT v FROM numbers",
    "timestamp": "SELECT timestamp '2000-01-01' + v % 9000000000000000 * interval '1 microsecond' FROM numbers",
    "timestamptz": "SELECT timestamptz '2000-01-01+00' + v % 9000000000000000 * interval '1 microsecond' FROM numbers",
    "numeric": "SELECT v::numeric / 1000 FROM numbers",
    "numeric(30,4)": "SELECT v::numeric / 10000 FROM numbers",
    "float8": "SELECT DISTINCT v::float8 / 3 FROM numbers",
    "date": "SELECT date '2000-01-01' + (v % 1000000)::int FROM numbers",
    "text": "SELECT v::text FROM numbers",
    "int4[]": "SELECT ARRAY[(v >> 32)::int4, (v & 2147483647)::int4] FROM numbers",
}


def structured_numbers() -> list[int]:
    """64-bit numbers made of equal, complemented and shifted halves."""
    halves = [*range(60), *((1 << s) + d for s in range(6, 31, 4) for d in (-1, 0, 1))]
    whole = {(high << 32) | low for high in halves for low in halves if high < 1 << 20}
    return sorted({n for v in whole for n in (v, -v, ~v)})


def test_no_two_of_many_structured_values_hash_alike(servers: Mapping[int, Server]) -> None:
    newest_major = max(servers)
    with servers[newest_major].new_database() as target, connect(target, read_only=False) as connection:
        connection.execute("SET search_path TO public")
        connection.execute("CREATE TABLE numbers (v int8)")
        connection.execute("INSERT INTO numbers SELECT pg_catalog.unnest(%s::int8[])", (structured_numbers(),))
        connection.execute("SET statement_timeout = '60s'")
        for number, (type_, query) in enumerate(STRUCTURED.items()):
            name = f"t{number}"
            connection.execute(f"CREATE TABLE public.{name} AS SELECT DISTINCT v::{type_} AS v FROM ({query}) AS q(v)")
            table = table_of(connection, name)
            hashes = row_hashes(table.columns, SEEDS)
            counts = connection.execute(
                sql.SQL("SELECT count(*), count(DISTINCT {}), count(DISTINCT {}) FROM {}").format(
                    hashes.first, hashes.second, rows_of("public", name, hashes)
                )
            ).fetchone()
            assert counts is not None and counts[0] > 10_000, type_
            assert counts[0] == counts[1] == counts[2], type_


COMBINED = """
CREATE TABLE public.combined AS
SELECT a, b, c, d, e, f, g
FROM (VALUES (NULL::int4), (-1), (0), (1), (5)) AS a (a),
     (VALUES (NULL::int4), (-1), (0), (1), (-2147483648)) AS b (b),
     (VALUES (NULL::int2), (-1), (1)) AS c (c),
     (VALUES (NULL::int8), (-1), (0), (1), (4294967296), (-4294967296)) AS d (d),
     (VALUES (NULL::numeric), (0), (0.0), (1), (-1), (10000)) AS e (e),
     (VALUES (NULL::bool), (false), (true)) AS f (f),
     (VALUES (NULL::float8), (0), ('-0')) AS g (g)
"""


def test_small_numbers_in_several_columns_never_make_up_for_each_other(database: Target) -> None:
    # Whole numbers enter by XOR, side by side: what one column adds no other may take away.
    with connect(database, read_only=False) as connection:
        connection.execute(COMBINED)
        table = table_of(connection, "combined")
        hashes = row_hashes(table.columns, SEEDS)
        counts = connection.execute(
            sql.SQL("SELECT count(*), count(DISTINCT {}), count(DISTINCT {}) FROM {}").format(
                hashes.first, hashes.second, rows_of("public", "combined", hashes)
            )
        ).fetchone()
    assert counts == (24300, 24300, 24300)


@pytest.mark.parametrize("nullable", [True, False], ids=["nullable", "not-null"])
def test_values_a_person_can_tell_apart_hash_apart(database: Target, nullable: bool) -> None:
    missed = []
    with connect(database, read_only=False) as connection:
        for number, (type_, values) in enumerate(DISTINCT.items()):
            try:
                connection.execute(f"SELECT NULL::{type_}")
                connection.execute(f"SELECT ({values[0]})::{type_}")
            except psycopg.errors.FeatureNotSupported:
                continue  # xml is not compiled into every server
            constraint = "" if nullable else "NOT NULL"
            connection.execute(
                f"CREATE TABLE public.t{number} (a int DEFAULT 7, v {type_} {constraint}, z text DEFAULT 'end')"
            )
            table = table_of(connection, f"t{number}")
            seen: dict[tuple[int, int, int], str] = {}
            for value in (*values, *(["NULL"] if nullable else [])):
                connection.execute(f"TRUNCATE public.t{number}")
                connection.execute(f"INSERT INTO public.t{number} (v) VALUES (({value})::{type_})")
                found = row_digest(connection, table)
                if found in seen:
                    missed.append(f"{type_}: {seen[found]} and {value}")
                seen[found] = value
    assert not missed


def test_that_a_wide_char_is_blank_is_seen_by_its_bytes(database: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    # Under this collation a hyphen is nothing, and equals a blank. How blanks are seen is no part of the fingerprint.
    with connect(database, read_only=False) as connection:
        loose = "provider = icu, locale = 'und-u-ka-shifted-ks-level1', deterministic = false"
        try:
            connection.execute(f"CREATE COLLATION public.loose ({loose})".encode())
            is_loose = True
        except psycopg.errors.FeatureNotSupported:  # a server without ICU
            connection.execute("CREATE COLLATION public.loose (provider = libc, locale = 'C')")
            is_loose = False
        connection.execute("CREATE TABLE public.t (n int, v char(40) COLLATE public.loose, w char(40) NOT NULL)")
        table = table_of(connection, "t")
        seen = []
        for value, other in itertools.product(("NULL", "''", "'-'", "'x'"), ("''", "'-'")):
            connection.execute("TRUNCATE public.t")
            connection.execute(f"INSERT INTO public.t VALUES (1, {value}, {other})")
            seen.append(row_digest(connection, table))
            with monkeypatch.context() as patch:
                patch.setattr(expression, "_PADDED_FROM", 1000)
                assert row_digest(connection, table) == seen[-1]
        assert connection.execute("SELECT '-'::char(40) COLLATE public.loose = ''").fetchone() == (is_loose,)
    assert len(set(seen)) == 8


def test_a_hash_does_not_forget_the_columns_before(database: Target) -> None:
    # hash_array_extended gives a constant for an empty array and for NULL elements: chained, it loses the row.
    kinds = ("int4[]", "text[]", "bytea", "numeric", "jsonb", "timestamptz", "float8")
    with connect(database, read_only=False) as connection:
        for number, type_ in enumerate(kinds):
            connection.execute(f"CREATE TABLE public.t{number} (a int, v {type_})")
            table = table_of(connection, f"t{number}")
            seen = set()
            empty = {"int4[]": "'{}'", "text[]": "'{NULL}'", "bytea": "''", "numeric": "'NaN'", "jsonb": "'null'"}
            for first, second in itertools.product(("1", "2"), ("NULL", empty.get(type_, "'infinity'"))):
                connection.execute(f"TRUNCATE public.t{number}")
                connection.execute(f"INSERT INTO public.t{number} VALUES ({first}, {second})")
                seen.add(row_digest(connection, table))
            assert len(seen) == 4, type_


def test_no_value_moves_between_columns_or_rows_unseen(database: Target) -> None:
    rows = {
        "as it was": [("1", "'ab'", "'c'"), ("2", "'x'", "'y'")],
        "between columns": [("1", "'a'", "'bc'"), ("2", "'x'", "'y'")],
        "columns swapped": [("1", "'c'", "'ab'"), ("2", "'x'", "'y'")],
        "between rows": [("1", "'x'", "'c'"), ("2", "'ab'", "'y'")],
        "null for empty": [("1", "'ab'", "NULL"), ("2", "'x'", "'y'")],
        "empty for null": [("1", "'ab'", "''"), ("2", "'x'", "'y'")],
    }
    with connect(database, read_only=False) as connection:
        connection.execute("CREATE TABLE public.t (k int, l text, r text)")
        table = table_of(connection, "t")
        seen = {}
        for what, values in rows.items():
            connection.execute("TRUNCATE public.t")
            for row in values:
                connection.execute(f"INSERT INTO public.t VALUES ({', '.join(row)})")
            seen[row_digest(connection, table)] = what
    assert len(seen) == len(rows)


def test_duplicates_do_not_cancel(database: Target) -> None:
    with connect(database, read_only=False) as connection:
        connection.execute("CREATE TABLE public.t (v int)")
        table = table_of(connection, "t")
        seen = set()
        for values in ("(1),(1),(2),(2)", "(3),(3),(4),(4)", "(1),(2)", "(1),(1),(1),(2)"):
            connection.execute("TRUNCATE public.t")
            connection.execute(f"INSERT INTO public.t VALUES {values}")
            seen.add(row_digest(connection, table))
    assert len(seen) == 4


def test_order_and_physical_columns_do_not_count(database: Target) -> None:
    with connect(database, read_only=False) as connection:
        connection.execute("CREATE TABLE public.one (a int, b text, c numeric)")
        connection.execute("INSERT INTO public.one SELECT g, 'r' || g, g FROM generate_series(1, 50) g")
        connection.execute("CREATE TABLE public.other (c numeric, gone int, b text)")
        connection.execute("ALTER TABLE public.other DROP COLUMN gone")
        connection.execute("ALTER TABLE public.other ADD COLUMN a int")
        connection.execute("INSERT INTO public.other (a, b, c) SELECT a, b, c FROM public.one ORDER BY a DESC")
        assert row_digest(connection, table_of(connection, "one")) == row_digest(
            connection, table_of(connection, "other")
        )


def test_names_like_the_aliases_in_use_change_nothing(database: Target) -> None:
    # A column called like the table's alias once made a check hash that column instead of the row.
    names = ["__ringfence", "__made", "v0", "v1", "t", "public", "a\"b;'", "%s", "{}", "new\nline", "x" * 63]
    with connect(database, read_only=False) as connection:
        columns = sql.SQL(", ").join(sql.SQL("{} jsonb").format(sql.Identifier(n)) for n in names)
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier("public", "__ringfence"), columns))
        connection.execute('INSERT INTO public."__ringfence" DEFAULT VALUES')
        table = table_of(connection, "__ringfence")
        seen = {row_digest(connection, table)}
        for name in names:
            connection.execute(sql.SQL("UPDATE public.\"__ringfence\" SET {} = '1'").format(sql.Identifier(name)))
            seen.add(row_digest(connection, table))
    assert len(seen) == len(names) + 1


def test_pieces_and_sessions_add_up(database: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(database, read_only=False) as connection:
        connection.execute("CREATE TABLE public.big (a int, b jsonb, c text)")
        connection.execute(
            "INSERT INTO public.big SELECT g, to_jsonb(g), repeat('x', 200) FROM generate_series(1, 20000) g"
        )
        connection.execute("DELETE FROM public.big WHERE a % 7 = 0")
        connection.execute("CREATE TABLE public.small (a int)")
        tables = read_tables(connection)
    whole = digests(database, tables, workers=1)
    monkeypatch.setattr(fingerprint, "PIECE_BLOCKS", 37)
    assert digests(database, tables, workers=1) == whole
    assert digests(database, tables, workers=3) == whole
    by_name = {d.table.name: d for d in whole}
    assert by_name["big"].rows == 20000 - 20000 // 7
    assert by_name["small"].rows == 0
    assert len(by_name["big"].fingerprint) == 32


def test_every_table_with_rows_of_its_own_is_read_once(database: Target) -> None:
    with connect(database, read_only=False) as connection:
        for statement in (
            'CREATE SCHEMA "odd schema"',
            "CREATE TABLE public.parent (a int)",
            "CREATE TABLE public.child (b int) INHERITS (public.parent)",
            "CREATE TABLE public.sliced (a int) PARTITION BY RANGE (a)",
            "CREATE TABLE public.slice PARTITION OF public.sliced FOR VALUES FROM (0) TO (10)",
            'CREATE UNLOGGED TABLE "odd schema"."u" (a int)',
            "CREATE TEMP TABLE passing (a int)",
            "CREATE VIEW public.looked AS SELECT 1 AS a",
            "CREATE MATERIALIZED VIEW public.made AS SELECT 1 AS a",
            "CREATE TABLE public.nothing ()",
            "INSERT INTO public.parent VALUES (1)",
            "INSERT INTO public.child VALUES (2, 3)",
            "INSERT INTO public.sliced VALUES (4)",
            "INSERT INTO public.nothing DEFAULT VALUES",
        ):
            connection.execute(statement)
        tables = read_tables(connection)
    found = {(d.table.schema, d.table.name): d.rows for d in digests(database, tables)}
    assert found == {
        ("odd schema", "u"): 0,
        ("public", "child"): 1,
        ("public", "nothing"): 1,
        ("public", "parent"): 1,
        ("public", "slice"): 1,
    }


def test_a_policy_that_hides_rows_is_an_error_and_never_a_shorter_count(database: Target) -> None:
    with connect(database, read_only=False) as connection:
        connection.execute("CREATE TABLE public.t (a int)")
        connection.execute("INSERT INTO public.t SELECT generate_series(1, 10)")
        connection.execute("ALTER TABLE public.t ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY few ON public.t USING (a < 3)")
        table = table_of(connection, "t")
        assert row_digest(connection, table)[0] == 10
        name = sql.Identifier(f"reader_{database.database}")
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
        try:
            connection.execute(sql.SQL("GRANT SELECT ON public.t TO {}").format(name))
            connection.execute(sql.SQL("SET ROLE {}").format(name))
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                row_digest(connection, table)
            connection.execute("RESET ROLE")
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))


def test_a_table_that_cannot_be_read_is_named(database: Target) -> None:
    with connect(database, read_only=False) as connection:
        connection.execute("CREATE TABLE public.good (a int)")
        connection.execute('CREATE TABLE public."b""ad" (a int)')
        tables = read_tables(connection)
    with connect(database, read_only=False) as connection:
        connection.execute('ALTER TABLE public."b""ad" RENAME a TO z')
    with pytest.raises(QueryError, match='"b""ad"'):
        digests(database, tables)


@pytest.fixture
def newest(servers: Mapping[int, Server]) -> Iterator[Target]:
    """A database on a server of 18 or newer, where NOT NULL can be unchecked and columns virtual."""
    majors = [m for m in servers if m >= 18]
    if not majors:
        pytest.skip("no PostgreSQL 18 or newer on this machine")
    with servers[majors[0]].new_database() as target:
        yield target


def test_not_null_that_was_never_checked_hides_no_change(newest: Target) -> None:
    with connect(newest, read_only=False) as connection:
        connection.execute("CREATE TABLE public.t (a int, b int)")
        connection.execute("INSERT INTO public.t VALUES (1, NULL)")
        connection.execute("ALTER TABLE public.t ADD CONSTRAINT unchecked NOT NULL b NOT VALID")
        table = table_of(connection, "t")
        before = row_digest(connection, table)
        connection.execute("ALTER TABLE public.t DROP CONSTRAINT unchecked")
        connection.execute("UPDATE public.t SET a = 2")
        assert row_digest(connection, table) != before


def test_virtual_columns_are_left_to_the_catalog(newest: Target) -> None:
    with connect(newest, read_only=False) as connection:
        connection.execute("CREATE TABLE public.t (a int, b int GENERATED ALWAYS AS (a / 0) VIRTUAL)")
        connection.execute("INSERT INTO public.t VALUES (1)")
        assert row_digest(connection, table_of(connection, "t"))[0] == 1
