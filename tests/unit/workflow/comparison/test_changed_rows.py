"""What of the rows that differ goes into a journal: the worst first, few, short, and no secret."""

from __future__ import annotations

from ringfence.config.names import ColumnName
from ringfence.integrity.model import RowChanges, TableName
from ringfence.integrity.rowpairs import ColumnChanges
from ringfence.integrity.rowvalues import RowDifference, TableDifference, Values
from ringfence.workflow.comparison.changed_rows import MOST_COLUMNS, MOST_ROWS, MOST_TABLES, document

SKU = TableName(schema="public", name="SKU")
NOTHING = ColumnChanges(dropped=(), added=(), changed=())


def difference(*rows: tuple[Values | None, Values | None], table: TableName = SKU, more: int = 0) -> TableDifference:
    kinds = ["insert" if old is None else "delete" if new is None else "update" for old, new in rows]
    columns = {c for old, new in rows for c in (old or new or {})}
    return TableDifference(
        table=table,
        status="compared",
        key=("id",),
        types={c: "int4" if c == "id" else "text" for c in columns},
        column_changes=NOTHING,
        counts=RowChanges(
            inserted=kinds.count("insert") + more, updated=kinds.count("update"), deleted=kinds.count("delete")
        ),
        rows=tuple(
            RowDifference(change=kind, before=old, after=new)  # type: ignore[arg-type]
            for kind, (old, new) in zip(kinds, rows, strict=True)
        ),
    )


def told(*rows: tuple[Values | None, Values | None], masks: tuple[ColumnName, ...] = ()) -> list[dict]:
    (table,) = document([difference(*rows)], masks=masks, growing=frozenset())["tables"]
    return table["rows"]


def test_an_updated_row_has_its_key_and_what_changed() -> None:
    (row,) = told(({"id": "1", "name": "a", "price": "2"}, {"id": "1", "name": "a", "price": "3"}))
    assert row == {"key": {"id": 1}, "change": "update", "before": {"price": "2"}, "after": {"price": "3"}}


def test_deleted_rows_come_first_and_what_is_left_out_is_counted() -> None:
    many = [(None, {"id": str(n), "name": "new"}) for n in range(50)]
    rows = [*many, ({"id": "99", "name": None}, None)]
    (table,) = document([difference(*rows, more=1000)], masks=(), growing=frozenset())["tables"]
    assert table["rows"][0] == {"key": {"id": 99}, "change": "delete", "before": {"name": None}, "after": None}
    assert len(table["rows"]) == MOST_ROWS and table["more"] == 1051 - MOST_ROWS


def test_new_rows_of_a_table_that_may_grow_are_nobodys_business() -> None:
    rows = [(None, {"id": "1", "name": "a customer"}), ({"id": "2", "name": "x"}, {"id": "2", "name": "y"})]
    (table,) = document([difference(*rows, more=7)], masks=(), growing=frozenset({SKU}))["tables"]
    assert [row["change"] for row in table["rows"]] == ["update"] and table["more"] == 0
    assert table["inserted"] == 8 and table["live"] is False
    (table,) = document([difference(*rows)], masks=(), growing=frozenset(), live=frozenset({SKU}))["tables"]
    assert table["live"] is True


def test_secrets_are_masked_by_name_by_mask_and_by_form() -> None:
    row = {"id": "1", "Password_hash": "x", "api_key": "k", "mail": "a@b", "url": "postgresql://u:geheim@h/d"}
    (shown,) = told((row, None), masks=(ColumnName(schema=None, table=None, name="mail"),))
    assert shown["before"] == {
        "Password_hash": "****",
        "api_key": "****",
        "mail": "****",
        "url": "postgresql://u:****@h/d",
    }
    (shown,) = told(({"id": "1", "token": None}, {"id": "1", "token": "t"}))
    assert (shown["before"], shown["after"]) == ({"token": None}, {"token": "****"})


def test_a_masked_key_is_masked() -> None:
    (shown,) = told(({"id": "1", "n": "x"}, None), masks=(ColumnName(schema="public", table="SKU", name="ID"),))
    assert shown["key"] == {"id": "****"}


def test_long_values_wide_rows_and_many_tables_are_cut() -> None:
    row: dict[str, str | None] = {"id": "1", **{f"c{n:03}": "x" * 100_000 for n in range(60)}}
    found = document(
        [difference((row, None), table=TableName(schema="public", name=f"t{n}")) for n in range(MOST_TABLES + 3)],
        masks=(),
        growing=frozenset(),
    )
    assert len(found["tables"]) == MOST_TABLES and found["more_tables"] == 3
    values = found["tables"][0]["rows"][0]["before"]
    assert len(values) == MOST_COLUMNS
    assert all(len(v) < 200 and "100,000 characters" in v for v in values.values())
