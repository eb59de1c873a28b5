"""What happened to the rows of a table, counted by comparing two databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.postgres.conftest import Server

from ringfence.integrity import rowdiff
from ringfence.integrity.fingerprint import read_tables
from ringfence.integrity.model import RowChanges, Seeds
from ringfence.integrity.rowdiff import RowComparison
from ringfence.integrity.rowpairs import Side, common_columns
from ringfence.postgres.connection import Connection, connect

pytestmark = pytest.mark.postgres
SEEDS = Seeds(first=11, second=12)

KEYED = "CREATE TABLE public.t (id int PRIMARY KEY, v text, j jsonb)"
TWO_PART = "CREATE TABLE public.t (a int NOT NULL, b text NOT NULL, v text, j jsonb, id int, UNIQUE (b, a))"
NO_KEY = "CREATE TABLE public.t (id int, v text, j jsonb)"
ROWS = "INSERT INTO public.t (id, v, j) SELECT g, 'v' || g, to_jsonb(g) FROM generate_series(1, 3000) g"
TWO_PART_ROWS = (
    "INSERT INTO public.t (a, b, v, j, id) "
    "SELECT g / 2, 'b' || g % 2, 'v' || g, to_jsonb(g), g FROM generate_series(1, 3000) g"
)


class Pair:
    """Two databases on one server that began alike."""

    def __init__(self, before: Connection, after: Connection) -> None:
        self.before, self.after = before, after

    def both(self, *statements: str) -> None:
        for statement in statements:
            self.before.execute(statement.encode())
            self.after.execute(statement.encode())

    def changes(self) -> RowChanges | None:
        sides = [Side(connection=c, table=read_tables(c)[0]) for c in (self.before, self.after)]
        if common_columns(sides[0].table, sides[1].table)[1]:
            return None
        return RowComparison(sides[0], sides[1], SEEDS).counts()


@pytest.fixture
def pair(server: Server) -> Iterator[Pair]:
    with (
        server.new_database() as one,
        server.new_database() as other,
        connect(one, read_only=False) as before,
        connect(other, read_only=False) as after,
    ):
        yield Pair(before, after)


@pytest.mark.parametrize("table", [KEYED, TWO_PART], ids=["primary-key", "unique-not-null"])
def test_rows_with_a_key(pair: Pair, table: str) -> None:
    pair.both(table, TWO_PART_ROWS if table == TWO_PART else ROWS)
    assert pair.changes() == RowChanges(inserted=0, updated=0, deleted=0)
    pair.after.execute("UPDATE public.t SET v = 'other' WHERE id IN (5, 6, 7)")
    pair.after.execute("UPDATE public.t SET j = '1.0' WHERE id = 1")
    pair.after.execute("DELETE FROM public.t WHERE id > 2998")
    key = "a, b, id" if table == TWO_PART else "id, v"
    values = "9000, 'x', 9000" if table == TWO_PART else "9000, 'x'"
    pair.after.execute(f"INSERT INTO public.t ({key}) VALUES ({values})")
    assert pair.changes() == RowChanges(inserted=1, updated=4, deleted=2)


def test_rows_without_a_key_are_a_multiset(pair: Pair) -> None:
    pair.both(NO_KEY, ROWS, ROWS)
    assert pair.changes() == RowChanges(inserted=0, updated=0, deleted=0)
    pair.after.execute("DELETE FROM public.t WHERE ctid = (SELECT min(ctid) FROM public.t WHERE id = 1)")
    assert pair.changes() == RowChanges(inserted=0, updated=0, deleted=1)
    pair.after.execute("UPDATE public.t SET v = 'x' WHERE id = 2")
    assert pair.changes() == RowChanges(inserted=2, updated=0, deleted=3)


def test_many_rows_come_in_groups(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowdiff, "ROWS_AT_A_TIME", 100)
    pair.both(KEYED, ROWS)
    pair.after.execute("UPDATE public.t SET v = v || '!' WHERE id % 2 = 0")
    pair.after.execute("DELETE FROM public.t WHERE id % 5 = 1")
    assert pair.changes() == RowChanges(inserted=0, updated=1500 - 300, deleted=600)


def test_everything_gone_and_everything_new(pair: Pair) -> None:
    pair.both(KEYED, ROWS)
    pair.after.execute("TRUNCATE public.t")
    assert pair.changes() == RowChanges(inserted=0, updated=0, deleted=3000)
    pair.after.execute("INSERT INTO public.t SELECT g + 10000 FROM generate_series(1, 5) g")
    assert pair.changes() == RowChanges(inserted=5, updated=0, deleted=3000)


def test_other_columns_have_no_counterpart(pair: Pair) -> None:
    pair.both(KEYED, ROWS)
    pair.after.execute("ALTER TABLE public.t ADD COLUMN extra int")
    assert pair.changes() is None


def test_a_changed_key_is_one_gone_and_one_come(pair: Pair) -> None:
    pair.both(KEYED, ROWS)
    pair.after.execute("UPDATE public.t SET id = 7777 WHERE id = 7")
    assert pair.changes() == RowChanges(inserted=1, updated=0, deleted=1)
