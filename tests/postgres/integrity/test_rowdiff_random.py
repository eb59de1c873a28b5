"""Rows compared in buckets give what comparing all of them gives, whatever the key and however the buckets fall."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest
from tests.postgres.conftest import MAJORS, Server

from ringfence.integrity import rowdiff
from ringfence.integrity.fingerprint import read_tables
from ringfence.integrity.model import RowChanges, Seeds
from ringfence.integrity.rowdiff import RowComparison
from ringfence.integrity.rowpairs import Side
from ringfence.integrity.rowvalues import read_difference
from ringfence.postgres.connection import Connection, connect

pytestmark = pytest.mark.postgres
SEEDS = Seeds(first=(1 << 63) + 5, second=12)
KEYS = {
    "integers": ("id int PRIMARY KEY", "{n}"),
    "integers far apart": (
        "id int8 PRIMARY KEY",
        "CASE {n} % 3 WHEN 0 THEN -9223372036854775808 + {n} WHEN 1 THEN {n} ELSE 9223372036854775807 - {n} END",
    ),
    "one integer far off": ("id int8 PRIMARY KEY", "CASE {n} WHEN 5 THEN 1000000000000000 ELSE {n} END"),
    "texts": ("id text PRIMARY KEY", "'k ' || {n}"),
    "two columns": ("id int, r text, PRIMARY KEY (r, id)", "{n}"),
    "no key": ("id int", "{n} % 40"),
    "an enum": ("id int, e mood, UNIQUE (id, e)", "{n}"),
}


@pytest.fixture
def pair(servers: Mapping[int, Server]) -> Iterator[tuple[Connection, Connection]]:
    server = servers[MAJORS[0]]
    with ExitStack() as stack:
        targets = [stack.enter_context(server.new_database()) for _ in range(2)]
        yield tuple(stack.enter_context(connect(t, read_only=False)) for t in targets)  # type: ignore[misc]


def rows(connection: Connection) -> Counter[tuple[object, ...]]:
    return Counter(connection.execute("SELECT id::text, v, j::text FROM public.t").fetchall())


@pytest.mark.parametrize("name", KEYS)
def test_as_comparing_everything(
    pair: tuple[Connection, Connection], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rowdiff, "MOST_BUCKETS", 16)
    monkeypatch.setattr(rowdiff, "ROWS_AT_A_TIME", 60)
    monkeypatch.setattr(rowdiff, "_MOST_RANGES", 2)
    columns, key = KEYS[name]
    if name == "an enum":
        columns = "id int PRIMARY KEY, e public.mood"
    before, after = pair
    for connection in pair:
        connection.execute("CREATE TYPE public.mood AS ENUM ('a', 'b')")
        connection.execute(f"CREATE TABLE public.t ({columns}, v int, j jsonb)".encode())
        fill = f"SELECT {key.format(n='n')}, n, to_jsonb(n) FROM pg_catalog.generate_series(1, 900) n"
        if name == "two columns":
            fill = "SELECT n / 2, 'r' || n % 2, n, to_jsonb(n) FROM pg_catalog.generate_series(1, 900) n"
            connection.execute(f"INSERT INTO public.t (id, r, v, j) {fill}".encode())
        else:
            connection.execute(f"INSERT INTO public.t (id, v, j) {fill}".encode())
    chance = random.Random(name)
    for turn in range(6):
        monkeypatch.setattr(rowdiff, "REFINE_ABOVE_ROWS", chance.choice((10, 300, 10_000)))
        for _ in range(chance.choice((1, 3, 200))):
            n = chance.randrange(1, 900)
            act = chance.choice(("UPDATE public.t SET v = -{n} WHERE v = {n}", "DELETE FROM public.t WHERE v = {n}"))
            after.execute(act.format(n=n).encode())
        sides = [Side(connection=c, table=read_tables(c)[0]) for c in pair]
        found = RowComparison(sides[0], sides[1], SEEDS)
        assert bool(found.key) == (name != "no key")
        shown = read_difference(found, sides[0], sides[1], limit=10_000)
        old, new = rows(before), rows(after)
        gone, come = old - new, new - old
        got_gone: Counter[tuple[object, ...]] = Counter()
        got_come: Counter[tuple[object, ...]] = Counter()
        for row in shown.rows:
            for values, into in ((row.before, got_gone), (row.after, got_come)):
                if values is not None:
                    v = values["v"]
                    into[(values["id"], int(v) if v else None, values["j"])] += 1
        assert (got_gone, got_come) == (gone, come), f"turn {turn}"
        if name not in ("no key", "two columns"):
            keys_old, keys_new = {r[0] for r in gone}, {r[0] for r in come}
            assert shown.counts == RowChanges(
                inserted=len(keys_new - keys_old), updated=len(keys_old & keys_new), deleted=len(keys_old - keys_new)
            )


def test_a_key_that_is_there_twice_or_not_at_all_loses_no_row(pair: tuple[Connection, Connection]) -> None:
    after = pair[1]
    for connection in pair:
        connection.execute("CREATE TABLE public.t (id int CONSTRAINT one PRIMARY KEY, v int)")
        connection.execute("INSERT INTO public.t SELECT n, n FROM pg_catalog.generate_series(1, 500) n")
    after.execute("ALTER TABLE public.t DROP CONSTRAINT one, ALTER COLUMN id DROP NOT NULL")
    after.execute("INSERT INTO public.t VALUES (7, 7), (8, 80), (NULL, 1), (NULL, 1)")
    after.execute("UPDATE public.t SET id = NULL WHERE id = 9")
    sides = [Side(connection=c, table=read_tables(c)[0]) for c in pair]
    shown = read_difference(RowComparison(sides[0], sides[1], SEEDS), sides[0], sides[1], limit=100)
    assert shown.key == ("id",)
    assert shown.counts == RowChanges(inserted=5, updated=0, deleted=1)
    assert sorted((r.after["id"] or "", r.after["v"]) for r in shown.rows if r.after) == [
        ("", "1"), ("", "1"), ("", "9"), ("7", "7"), ("8", "80"),
    ]  # fmt: skip


def test_an_empty_table_on_either_side(pair: tuple[Connection, Connection]) -> None:
    before, after = pair
    for connection in pair:
        connection.execute("CREATE TABLE public.t (id int PRIMARY KEY)")
    after.execute("INSERT INTO public.t VALUES (-2147483648), (2147483647)")
    for one, other, counts in ((before, after, (2, 0)), (after, before, (0, 2)), (before, before, (0, 0))):
        sides = [Side(connection=c, table=read_tables(c)[0]) for c in (one, other)]
        found = RowComparison(sides[0], sides[1], SEEDS).counts()
        assert (found.inserted, found.deleted, found.updated) == (*counts, 0)
