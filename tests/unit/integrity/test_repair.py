"""The SQL of a repair: nothing in a value or a name leaves its quotes or moves a terminal's cursor."""

from __future__ import annotations

import pytest

from ringfence.integrity.model import TableName
from ringfence.integrity.repair import ForeignKey, identifier, in_order, literal, sequence_act


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "'plain'"),
        ("it's", "'it''s'"),
        ("a\nb\\c'd", "E'a\\nb\\\\c''d'"),
        ("\x1b[31m\r", "E'\\u001B[31m\\u000D'"),
        ("\u202e\U000e0001", "E'\\u202E\\U000E0001'"),
        ("", "''"),
    ],
)
def test_a_value_in_quotes(text: str, written: str) -> None:
    assert literal(text).as_string(None).strip() == written


def test_a_name_in_quotes() -> None:
    assert identifier("a", 'b"c').as_string(None) == '"a"."b""c"'
    assert identifier('new\nli"ne\\', "t").as_string(None) == 'U&"new\\000Ali""ne\\\\".U&"t"'
    assert identifier("\U000e0001").as_string(None) == 'U&"\\+0E0001"'


def _name(name: str) -> TableName:
    return TableName(schema="public", name=name)


def _key(child: str, parent: str) -> ForeignKey:
    return ForeignKey(
        name="k",
        child=_name(child),
        child_is_partitioned=False,
        parent=_name(parent),
        parent_is_partitioned=False,
        columns=(),
    )


def test_tables_come_after_what_they_refer_to_as_far_as_there_is_no_circle() -> None:
    keys = [_key("a", "b"), _key("b", "c"), _key("x", "y"), _key("y", "x"), _key("c", "c")]
    order = [t.name for t in in_order([_name(n) for n in "abcxy"], keys)]
    assert sorted(order) == list("abcxy") and order.index("c") < order.index("b") < order.index("a")


@pytest.mark.parametrize(
    ("before", "after", "in_use", "wanted"),
    [
        (100, 101, [], None),  # use explains it
        (100, 7, [], 100),
        (100, 900_000, [], 100),
        (100, 7, [120, 110], 120),
        (100, 900_000, [50], 100),
    ],
)
def test_what_a_sequence_is_set_to(before: int, after: int, in_use: list[int], wanted: int | None) -> None:
    old, new = ({"last_value": n, "is_called": True} for n in (before, after))
    act = sequence_act("public", "s", old, new, increment=1, in_use=in_use)
    assert (act.last_value if act else None) == wanted
