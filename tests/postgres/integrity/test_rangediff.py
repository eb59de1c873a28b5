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
        )
    )


@pytest.mark.parametrize("key", some(KEYS, keep=6))
def test_as_comparing_all_rows(pair: tuple[Target, Target], key: str) -> None:
    columns, value = KEYS[key]
    found = stage(pair, columns, value)
    assert found.same() == 0
    chance = random.Random(key)
    most = 0
    for _ in range(12):
        found.run(acts(chance, value, found))
        most = max(most, found.same())
    assert most > 5


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


def test_texts_of_no_known_encoding_are_not_looked_up(servers: Mapping[int, Server], small: None) -> None:
    server = servers[MAJORS[0]]
    with ExitStack() as stack:
        targets = []
        for number in range(2):
            name = f"ascii_{number}_{id(stack)}"
            create = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
            server.execute(create)
            stack.callback(server.execute, f"DROP DATABASE {name} WITH (FORCE)")
            targets.append(server.target.on(name))
        for key, fits in (("int", True), ("text", False)):
            found = _ascii_stage((targets[0], targets[1]), key)
            assert (found.compared()[0] is not None) == fits
            for where in ("production", "reference"):
                found.run(f"DROP TABLE {TABLE}", on=where)


def _ascii_stage(targets: tuple[Target, Target], key: str) -> Stage:
    found = stage(targets, *KEYS[key])
    found.run(f"UPDATE {TABLE} SET {VALUE} = convert_from('\\xff', 'SQL_ASCII') WHERE ctid = '(3,3)'")
    return found
