"""The generated expression, without a server: what goes in once, in which order, and quoted how."""

from __future__ import annotations

import re

from ringfence.integrity.expression import Column, digest_query, row_hashes
from ringfence.integrity.model import Seeds

SEEDS = Seeds(first=1, second=(1 << 64) - 1)


def column(name: str, type_: str | None = "int4", **more: object) -> Column:
    values: dict[str, object] = {
        "name": name,
        "type": type_,
        "element": None,
        "typmod": -1,
        "not_null": False,
        "output_schema": "pg_catalog",
        "output_function": f"{type_ or 'own'}_out",
    }
    return Column(**(values | more))  # type: ignore[arg-type]


def text(columns: list[Column]) -> str:
    return digest_query("public", "t", columns, SEEDS, blocks=None).as_string()


def test_exact_types_need_no_subquery() -> None:
    assert "OFFSET 0" not in text([column("a"), column("b", "text"), column("c", "timestamptz")])


def test_costly_values_are_made_once() -> None:
    query = text([column("a", "jsonb", output_function="jsonb_out"), column("b")])
    assert query.count("jsonb_out") == 1
    assert query.count("OFFSET 0") == 1


def test_a_select_list_has_room_for_the_values_of_every_table() -> None:
    wide = [column(f"c{n}", "bpchar", typmod=24) for n in range(1600)]
    assert "OFFSET 0" in text(wide[:800]) and "OFFSET 0" not in text(wide[:801])
    costly = row_hashes([*wide[1:], column("j", "jsonb")], SEEDS).made
    assert costly is not None and costly.as_string().count(" AS ") == 1600


def test_a_type_of_another_schema_is_hashed_by_its_own_output_function() -> None:
    query = text([column("a", None, output_schema='a"b', output_function="citextout")])
    assert '"a""b"."citextout"' in query


def test_size_grows_with_the_number_of_columns_and_not_faster() -> None:
    small, large = (len(text([column(f"c{i}", "numeric") for i in range(n)])) for n in (10, 100))
    assert large < 11 * small


def test_seeds_are_signed_64_bit() -> None:
    hashes = row_hashes([column("a")], SEEDS)
    assert "(1::pg_catalog.int8)" in hashes.first.as_string()
    assert "(-1::pg_catalog.int8)" in hashes.second.as_string().replace("( -1", "(-1").replace(" -1", "-1")


def test_no_columns_is_a_constant_hash_of_the_seed() -> None:
    query = text([])
    assert "hashint4extended(0" in query


def test_blocks_limit_the_rows() -> None:
    query = digest_query("public", "t", [column("a")], SEEDS, blocks=(128, 256)).as_string()
    assert "'(128,0)'" in query
    assert "'(256,0)'" in query
    last = digest_query("public", "t", [column("a")], SEEDS, blocks=(128, None)).as_string()
    assert "<" not in last


def test_names_are_quoted() -> None:
    query = digest_query('s"', "t;--", [column("c'%s")], SEEDS, blocks=None).as_string()
    assert '"s"""."t;--"' in query
    assert '"c\'%s"' in query


def test_not_null_needs_no_stand_in() -> None:
    assert 'coalesce("__ringfence"' not in text([column("a", not_null=True)])
    assert 'coalesce("__ringfence"' in text([column("a")])


def test_null_among_small_numbers_stands_for_another_number_in_each_hash() -> None:
    stand_ins = set()
    for seed in range(50):
        hashes = row_hashes([column("a")], Seeds(first=seed, second=seed))
        for each in (hashes.first, hashes.second):
            found = re.search(r'coalesce\("__ringfence"\."a", \( ?(-?\d+)::pg_catalog\.int4\)\)', each.as_string())
            assert found
            assert -(1 << 31) <= int(found.group(1)) < 1 << 31
            stand_ins.add(int(found.group(1)))
    assert len(stand_ins) == 100


def test_three_small_columns_take_one_round_and_a_large_one_takes_one_along() -> None:
    def rounds(*types: str) -> int:
        columns = [column(f"c{i}", t) for i, t in enumerate(types)]
        return row_hashes(columns, SEEDS).first.as_string().count("hashint4extended(")

    assert rounds() == rounds("int4") == rounds("int4", "date", "bool") == 1
    assert rounds("int4", "int4", "int4", "int4") == 2
    assert rounds("int8", "int4") == 1
    assert rounds("int8", "int8") == rounds("int8", "int4", "int4") == 2
    assert rounds("text", "int4", "bpchar") == 1
