"""Names of tables as SQL reads them, and the names that follow from a project's."""

from __future__ import annotations

import pytest

from ringfence.config.names import (
    TableName,
    checked_database,
    checked_identifier,
    checked_project,
    checked_role,
    names_for,
    parse_column_name,
    parse_table_name,
)


@pytest.mark.parametrize(
    ("text", "schema", "name"),
    [
        ("film", None, "film"),
        ("Film", None, "film"),
        ('"Component"', None, "Component"),
        ('public."SKU"', "public", "SKU"),
        ("Public.Film", "public", "film"),
        ('"My Schema"."a""b"', "My Schema", 'a"b'),
        ('"a.b"', None, "a.b"),
        ("  film  ", None, "film"),
        ('public . "SKU"', "public", "SKU"),
        ("_x$1", None, "_x$1"),
        ("ÄPFEL", None, "Äpfel"),
        ('"x\ny"', None, "x\ny"),
        ('"' + "a" * 63 + '"', None, "a" * 63),
    ],
)
def test_names_are_folded_as_sql_folds_them(text: str, schema: str | None, name: str) -> None:
    assert parse_table_name(text) == TableName(schema=schema, name=name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ('""', "empty"),
        ('"open', "not closed"),
        ('"a"b', "left over"),
        ("a b", "left over"),
        ("a-b", "left over"),
        ("1a", "does not begin a name"),
        ("$a", "does not begin a name"),
        (".a", "does not begin a name"),
        ("a.", "missing after the dot"),
        ("db.schema.table", "more than a schema"),
        ('"a\0b"', "NUL"),
        ("a" * 64, "64 bytes"),
        ('"' + "é" * 32 + '"', "64 bytes"),
    ],
)
def test_what_is_no_name_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_table_name(text)


@pytest.mark.parametrize("text", ["film", '"Component"', 'public."SKU"', '"a""b".x'])
def test_a_name_is_shown_as_it_is_written(text: str) -> None:
    assert str(parse_table_name(text)) == text


def test_the_seeds_names() -> None:
    names = names_for("inventory")
    assert (names.database, names.test_database) == ("inventory", "inventory_test")
    assert (names.app_role, names.admin_role, names.test_role) == ("inventory_app", "inventory_admin", "inventory_test")
    assert (names.production_container, names.production_volume) == ("inventory-db-prod", "inventory_data_prod")
    assert (names.test_container, names.test_volume) == ("inventory-db-test", "inventory_data_test")


@pytest.mark.parametrize("project", ["my-shop", "pg_x", "postgres", "template1", "a" * 63, "7", "a-b_c", "0-"])
def test_every_project_has_names_that_postgresql_takes(project: str) -> None:
    names = names_for(checked_project(project))
    databases = {checked_database(names.database), checked_database(names.test_database)}
    roles = {checked_role(r) for r in (names.app_role, names.admin_role, names.test_role)}
    assert (len(databases), len(roles)) == (2, 3)


@pytest.mark.parametrize("project", ["", "A", "-a", "_a", "a b", "a/b", "a.b", "é", "a\n", "a" * 64, "../x"])
def test_what_is_no_project(project: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        checked_project(project)


def test_a_capital_letter_gets_a_suggestion() -> None:
    with pytest.raises(ValueError, match=r"did you mean 'shop'\?"):
        checked_project("Shop")


def test_reserved_names() -> None:
    for name in ("postgres", "template0", "template1"):
        with pytest.raises(ValueError, match="every server"):
            checked_database(name)
    for name in ("pg_x", "public", "none"):
        with pytest.raises(ValueError, match=r"reserved|word of SQL"):
            checked_role(name)
    for name in ("", "a\0", "a" * 64):
        with pytest.raises(ValueError, match=r"empty|NUL|bytes"):
            checked_identifier(name)
    assert checked_identifier("é" * 31) == "é" * 31


@pytest.mark.parametrize(
    ("text", "schema", "table", "name"),
    [
        ("password", None, None, "password"),
        ('"Customer".email', None, "Customer", "email"),
        ('public."Customer"."e.mail"', "public", "Customer", "e.mail"),
    ],
)
def test_a_column_is_named_alone_or_with_its_table(text, schema, table, name):
    found = parse_column_name(text)
    assert (found.schema, found.table, found.name) == (schema, table, name)
    assert parse_column_name(str(found)) == found


def test_a_mask_covers_more_rather_than_less():
    mask = parse_column_name("passwordHash")
    assert mask.matches("public", "Customer", "passwordHash") and mask.matches("x", "y", "PASSWORDHASH")
    assert not mask.matches("public", "Customer", "password")
    assert not parse_column_name('"Customer".email').matches("public", "Supplier", "email")
    with pytest.raises(ValueError, match="more than a schema, a table and a column"):
        parse_column_name("a.b.c.d")
