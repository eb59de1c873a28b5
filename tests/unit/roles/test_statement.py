"""Statements: what is shown, and how an entry of another grantor is taken back."""

from __future__ import annotations

from psycopg import sql

from ringfence.roles.state import Entry
from ringfence.roles.statement import Statement, render, revoke

TABLE = sql.SQL("TABLE {}").format(sql.Identifier("s", 'a"b;'))


def test_a_password_is_never_shown() -> None:
    text = render("CREATE ROLE {} LOGIN PASSWORD {}", sql.Identifier("app"), sql.Literal("SCRAM-SHA-256$secret"))
    shown = Statement(sql=text, why="", undo=None, secret=True).shown
    assert shown == "CREATE ROLE \"app\" LOGIN PASSWORD '****'"


def test_only_what_takes_nothing_gives() -> None:
    for text, gives in (
        ("GRANT SELECT ON t TO a", True),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b", True),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE a REVOKE SELECT ON TABLES FROM b", False),
        ("REVOKE CONNECT ON DATABASE d FROM PUBLIC", False),
        ("REASSIGN OWNED BY a TO b", False),
    ):
        assert Statement(sql=text, why="", undo=None).gives is gives, text


def test_an_entry_is_taken_back_as_its_grantor() -> None:
    entry = Entry(grantee=None, privilege="DELETE", grantable=False, grantor="owner")
    (plain,) = revoke(entry, owner="owner", on=TABLE, why="")
    assert plain.sql == 'REVOKE DELETE ON TABLE "s"."a""b;" FROM PUBLIC'
    assert plain.undo == 'GRANT DELETE ON TABLE "s"."a""b;" TO PUBLIC'
    other = Entry(grantee="app", privilege="UPDATE", grantable=True, grantor="x", column='c"')
    (taken,) = revoke(other, owner="owner", on=TABLE, why="")
    assert taken.sql == (
        'SET LOCAL ROLE "x"; REVOKE UPDATE ("c""") ON TABLE "s"."a""b;" FROM "app" CASCADE; RESET ROLE'
    )
