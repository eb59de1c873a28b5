"""Rows looked for where they lie: the same changes as comparing all rows finds, and none where that cannot be shown."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from psycopg import sql
from tests.postgres.conftest import MAJORS, Server
from tests.thin import some

from ringfence.integrity import fingerprint, observe, rangediff, ranges, since
from ringfence.integrity.fingerprint import Load, Table
from ringfence.integrity.model import Observation
from ringfence.integrity.rangediff import RangeComparison, compare_ranges
from ringfence.integrity.rowdiff import RowComparison
from ringfence.integrity.rowpairs import RowChange, Side
from ringfence.integrity.state import read_state
from ringfence.postgres.connection import connect
from ringfence.postgres.target import Target

pytestmark = pytest.mark.postgres

NAME = "a\"b;' %s"
TABLE = sql.Identifier("public", NAME).as_string()
VALUE = sql.Identifier('v"%s').as_string()
KEYS = {
    "int": ("k int PRIMARY KEY", "n"),
    "bigint": ("k bigint PRIMARY KEY", "n * 4294967296 - 9000000000000000000"),
    "text": ("k text PRIMARY KEY", """'a"b;''\\ {},NULL ' || n"""),
    "char(20)": ("k char(20) PRIMARY KEY", "CASE n WHEN 1 THEN '' ELSE 'k' || n END"),
    "two columns": ("k int, k2 varchar(30), PRIMARY KEY (k2, k)", "n % 5, 'é' || n"),
    "uuid": ("k uuid PRIMARY KEY", "pg_catalog.md5(n::text)::uuid"),
    "timestamptz": ("k timestamptz PRIMARY KEY", "timestamptz '2000-01-01+00' + n * interval '1.000001 s'"),
    "date": ("k date NOT NULL UNIQUE", "CASE n WHEN 1 THEN date '-infinity' ELSE date '1999-01-01' + n END"),
    "timestamp": (
        "k timestamp PRIMARY KEY",
        "CASE n WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' ELSE timestamp '4714-12-01 BC' + n * interval '2 h' END",
    ),
    "bpchar": ("k bpchar PRIMARY KEY", "'k' || n || ' '"),
    "oid": ("k oid PRIMARY KEY", "(4294967295 - n)::oid"),
    "an index with more in it": ("k int NOT NULL, x int DEFAULT 3, UNIQUE (k) INCLUDE (x)", "n"),
    "checked at the end": ("k int NOT NULL, UNIQUE (k) DEFERRABLE INITIALLY DEFERRED", "n"),
    "generated": ("k int, g int GENERATED ALWAYS AS (k * 2) STORED NOT NULL UNIQUE", "n"),
    "text, blind to case": ("k text COLLATE blind PRIMARY KEY", "CASE n % 2 WHEN 0 THEN 'K' ELSE 'k' END || n"),
}
UNFIT = {
    "no key": ("k int", "n"),
    "numeric": ("k numeric PRIMARY KEY", "n"),
    "an index over an expression": ("k text, EXCLUDE USING btree ((k || '') WITH =)", "'k' || n"),
}
ROWS = 4000


@dataclass(kw_only=True)
class Stage:
    """Production with a baseline, and a reference with the rows of that baseline."""

    production: Target
    reference: Target
    before: Observation
    two_columns: bool

    def run(self, *statements: str, on: str = "production") -> None:
        with connect(self.reference if on == "reference" else self.production, read_only=False) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def insert(self, first: int, last: int, value: str) -> str:
        """Rows of different lengths, with keys made from numbers."""
        names = "k, k2" if self.two_columns else "k"
        return (
            f"INSERT INTO {TABLE} ({names}, {VALUE}, j, pad) SELECT {value}, pg_catalog.repeat('x', n % 90), "
            "CASE n % 3 WHEN 0 THEN pg_catalog.to_jsonb(n) END, CASE n % 4 WHEN 0 THEN '' WHEN 1 THEN 'p' END "
            f"FROM pg_catalog.generate_series({first}, {last}) AS n"
        )

    def compared(self, *, full: bool = True) -> tuple[RangeComparison | None, frozenset[RowChange]]:
        """By the ranges that differ, and by all rows, in the same snapshots."""
        with observe.open_snapshot(self.reference) as pristine, observe.open_snapshot(self.production) as snapshot:
            state = read_state(snapshot.connection, seed=self.before.seeds.first)
            found = since.rows_since(snapshot, self.before, state, readers=[], load=Load(workers=1), full=full)
            here, there = (Side(connection=s.connection, table=table_of(s.tables)) for s in (pristine, snapshot))
            old = next(r for r in self.before.ranges if r.table == there.table.name)
            near = compare_ranges(old, self.before.seeds, here, there, found.changed[there.table.name])
            return near, frozenset(RowComparison(here, there, self.before.seeds).changes())

    def same(self) -> int:
        """How many rows differ, by both ways."""
        near, changes = self.compared()
        assert near is not None
        assert frozenset(near.changes()) == changes
        counts = near.counts()
        assert counts.inserted + counts.updated + counts.deleted == len(changes)
        return len(changes)


def table_of(tables: tuple[Table, ...]) -> Table:
    return next(t for t in tables if t.name.name == NAME)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges and pieces so small that a table of some thousand rows has many."""
    monkeypatch.setattr(ranges, "RANGE_BLOCKS", 2)
    monkeypatch.setattr(fingerprint, "PIECE_BLOCKS", 8)


@pytest.fixture
def pair(servers: Mapping[int, Server], small: None) -> Iterator[tuple[Target, Target]]:
    with ExitStack() as stack:
        one, other = (stack.enter_context(servers[MAJORS[-1]].new_database()) for _ in range(2))
        yield one, other


def stage(pair: tuple[Target, Target], columns: str, value: str) -> Stage:
    """The rows lie in the reference in the order of a dump."""
    found = Stage(production=pair[0], reference=pair[1], before=None, two_columns="k2" in columns)  # type: ignore[arg-type]
    blind = "CREATE COLLATION public.blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    for where in ("production", "reference"):
        if "blind" in columns:
            found.run(blind, on=where)
        columns = columns.replace("COLLATE blind", "COLLATE public.blind")
        found.run(f"CREATE TABLE {TABLE} ({columns}, {VALUE} text, j jsonb, pad char(30))", on=where)
    found.run(found.insert(1, ROWS, value), f"DELETE FROM {TABLE} WHERE ctid::text LIKE '%,7)'", f"VACUUM {TABLE}")
    copy = f"COPY {TABLE} ({'k, k2' if found.two_columns else 'k'}, {VALUE}, j, pad)"
    with connect(found.production) as one, connect(found.reference, read_only=False) as other:
        out, into = one.cursor(), other.cursor()
        with out.copy(f"{copy} TO STDOUT".encode()) as rows, into.copy(f"{copy} FROM STDIN".encode()) as filled:
            for data in rows:
                filled.write(data)
    with observe.open_snapshot(found.production) as snapshot:
        found.before = observe.observe(snapshot, observe.new_seeds(), workers=1)
    return found


def acts(chance: random.Random, value: str, found: Stage) -> str:
    """Something that somebody does to some rows that lie together, or to rows far apart."""
    block = chance.randrange(0, 60)
    near = f"ctid >= '({block},0)' AND ctid < '({block + chance.choice((1, 3))},0)'"
    few = f"ctid::text LIKE '({block},1{chance.randrange(10)})'"
    which = chance.choice((near, few))
    new = 10_000 + chance.randrange(1_000_000)
    return chance.choice(
        (
            f"UPDATE {TABLE} SET {VALUE} = 'y' WHERE {which}",
            f"UPDATE {TABLE} SET {VALUE} = pg_catalog.repeat('long', 400) WHERE {which}",
            f"UPDATE {TABLE} SET pad = CASE WHEN pad IS NULL THEN '' END WHERE {which}",
            f"UPDATE {TABLE} SET {VALUE} = {VALUE} WHERE {which}",
            f"DELETE FROM {TABLE} WHERE {which}",
            f"DELETE FROM {TABLE} WHERE {few}",
            found.insert(new, new + chance.choice((0, 200)), value),
            f"VACUUM {TABLE}",
            f"VACUUM FULL {TABLE}",
        )
    )


@pytest.mark.parametrize("key", some(KEYS, keep=6))
def test_as_comparing_all_rows(pair: tuple[Target, Target], key: str) -> None:
    columns, value = KEYS[key]
    found = stage(pair, columns, value)
    assert found.same() == 0
    chance = random.Random(key)
    found.run(found.insert(5001, 5006, value))
    assert found.same() == 6
    for _ in range(12):
        found.run(acts(chance, value, found))
        found.same()


@pytest.mark.parametrize("key", UNFIT)
def test_keys_by_which_nothing_can_be_looked_up(pair: tuple[Target, Target], key: str) -> None:
    found = stage(pair, *UNFIT[key])
    found.run(f"UPDATE {TABLE} SET {VALUE} = 'y' WHERE ctid = '(3,3)'")
    near, changes = found.compared()
    assert near is None and changes


def test_deleted_rows_are_found_beside_others_at_the_end_and_alone(pair: tuple[Target, Target]) -> None:
    found = stage(pair, *KEYS["int"])
    found.run(f"DELETE FROM {TABLE} WHERE k IN (5, 2000, 2001)")
    assert found.same() == 3
    found.run(f"DELETE FROM {TABLE} WHERE ctid >= '(20,0)' AND ctid < '(30,0)'")  # nobody is left of these ranges
    gone = found.same()
    assert gone > 100
    found.run(f"DELETE FROM {TABLE} WHERE k > 3900", f"VACUUM {TABLE}")  # blocks are given back
    assert found.same() > gone + 80
    found.run(f"UPDATE {TABLE} SET k = k + 100000 WHERE k BETWEEN 3000 AND 3003")
    near, _ = found.compared()
    assert near is not None and near.counts().inserted == 4


def test_a_row_that_moved_between_ranges_that_differ_has_not_changed(pair: tuple[Target, Target]) -> None:
    found = stage(pair, *KEYS["int"])
    found.run(f"UPDATE {TABLE} SET {VALUE} = {VALUE} WHERE k % 50 = 0", f"DELETE FROM {TABLE} WHERE k = 1")
    assert found.same() == 1


def test_rows_of_the_reference_are_believed_only_where_they_are_the_baselines(pair: tuple[Target, Target]) -> None:
    found = stage(pair, *KEYS["int"])
    found.run(f"UPDATE {TABLE} SET {VALUE} = 'y' WHERE k = 100")
    found.run(f"UPDATE {TABLE} SET {VALUE} = 'z' WHERE k = 3000", on="reference")
    near, changes = found.compared()
    assert near is not None and near.counts().updated == 1 and len(changes) == 2, "a row that is not needed"
    found.run(f"UPDATE {TABLE} SET {VALUE} = 'y' WHERE k = 101", on="reference")
    assert found.compared()[0] is None, "a row of the same range"


def test_the_same_damage_on_both_sides_is_not_hidden(pair: tuple[Target, Target]) -> None:
    found = stage(pair, *KEYS["int"])
    for where in ("production", "reference"):
        found.run(f"DELETE FROM {TABLE} WHERE k = 100", on=where)
    assert found.compared()[0] is None


def test_without_its_index_or_with_other_columns_all_rows_are_compared(pair: tuple[Target, Target]) -> None:
    found = stage(pair, *KEYS["int"])
    found.run(f"UPDATE {TABLE} SET {VALUE} = 'y' WHERE k = 100")
    assert found.same() == 1
    found.run(f'ALTER TABLE {TABLE} DROP CONSTRAINT "{NAME.replace(chr(34), chr(34) * 2)}_pkey"')
    assert found.compared()[0] is None
    found.run(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (k)", f"ALTER TABLE {TABLE} ADD COLUMN more int")
    assert found.compared()[0] is None


def test_many_rows_are_left_to_comparing_all(pair: tuple[Target, Target], monkeypatch: pytest.MonkeyPatch) -> None:
    found = stage(pair, *KEYS["int"])
    monkeypatch.setattr(rangediff, "FEW_ROWS", 500)
    found.run(f"UPDATE {TABLE} SET {VALUE} = 'y' WHERE k = 100")
    assert found.same() == 1
    found.run(f"UPDATE {TABLE} SET {VALUE} = 'y' WHERE k % 100 = 0")
    assert found.compared()[0] is None


@pytest.mark.parametrize(
    ("encoding", "byte"), [("SQL_ASCII", "convert_from('\\xff', 'SQL_ASCII')"), ("WIN1252", "chr(129)")]
)
def test_texts_that_may_not_travel_are_not_looked_up(
    servers: Mapping[int, Server], small: None, encoding: str, byte: str
) -> None:
    server = servers[MAJORS[0]]
    with ExitStack() as stack:
        targets = []
        for number in range(2):
            name = f"bytes_{number}_{id(stack)}"
            create = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
            server.execute(create)
            stack.callback(server.execute, f"DROP DATABASE {name} WITH (FORCE)")
            targets.append(server.target.on(name))
        for key, value in (("k int PRIMARY KEY", "n"), ("k text PRIMARY KEY", "'k' || n")):
            found = stage((targets[0], targets[1]), key, value)
            found.run(f"UPDATE {TABLE} SET {VALUE} = {byte} WHERE ctid = '(3,3)'")
            if "text" in key:
                found.run(f"UPDATE {TABLE} SET k = {byte} WHERE ctid = '(3,4)'")
            near, changes = found.compared()
            assert changes and (near is not None) == ("int" in key)
            for where in ("production", "reference"):
                found.run(f"DROP TABLE {TABLE}", on=where)


def test_an_index_of_another_collation_leads_nowhere(pair: tuple[Target, Target]) -> None:
    found = stage(pair, "k text NOT NULL", "'k' || n")
    for where in ("production", "reference"):
        found.run(f'CREATE UNIQUE INDEX ON {TABLE} (k COLLATE "POSIX")', on=where)
    found.run(f"UPDATE {TABLE} SET {VALUE} = 'y' WHERE ctid = '(3,3)'")
    near, changes = found.compared()
    assert near is None and len(changes) == 1, "every key would be a scan of the table"


def test_settings_of_a_server_neither_matter_nor_change(pair: tuple[Target, Target]) -> None:
    found = stage(pair, *KEYS["int"])
    settings = {f"enable_{way}": "off" for way in ("indexscan", "bitmapscan", "nestloop", "hashjoin")}
    for target in pair:
        for name, value in settings.items():
            found.run(f"ALTER DATABASE {target.database} SET {name} = {value}")
    found.run(f"UPDATE {TABLE} SET {VALUE} = 'y' WHERE k = 100")
    assert found.same() == 1
    with observe.open_snapshot(found.production) as snapshot:
        with rangediff._by_index(snapshot.connection):
            pass
        for name, value in settings.items():
            assert snapshot.connection.execute(f"SHOW {name}".encode()).fetchone() == (value,)


def test_what_would_fill_the_memory_is_left_to_comparing_all(
    pair: tuple[Target, Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stage(pair, *KEYS["int"])
    found.run(f"DELETE FROM {TABLE} WHERE ctid >= '(20,0)' AND ctid < '(21,0)'")
    assert found.same() > 50
    monkeypatch.setattr(rangediff, "MOST_ROWS", 200)  # more than the range had, fewer than lie where it may have been
    assert found.compared()[0] is None


def test_keys_too_long_to_be_fetched(pair: tuple[Target, Target]) -> None:
    found = stage(pair, "k text PRIMARY KEY", "CASE n WHEN 9 THEN pg_catalog.repeat('x', 50000) ELSE '' END || n")
    found.run(f"INSERT INTO {TABLE} (k) SELECT pg_catalog.repeat('y', 100000) || n FROM generate_series(1, 50) AS n")
    assert found.same() == 50, "they came, and nothing is to be found"
    found.run(f"DELETE FROM {TABLE} WHERE k IN ('2000', '10')")
    assert found.same() == 52, "one of the other rows that lay there was cut off, and is found beside them"
