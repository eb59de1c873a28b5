"""The part of the plan about tables, sequences and what will be made later (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import sql

from ringfence.redact import quote_ident
from ringfence.roles.model import TABLE_RIGHTS, Policy
from ringfence.roles.state import Entry, Relation, Schema, State
from ringfence.roles.statement import Statement, identifier, render, revoke

_KINDS_OF_DEFAULTS = {"r": "TABLES", "S": "SEQUENCES", "n": "SCHEMAS", "L": "LARGE OBJECTS"}
_NEVER = "the strategy gives the app SELECT, INSERT and UPDATE, nothing else"


def relations(state: State, policy: Policy) -> Iterator[Statement]:
    """For every table, view and sequence: take what is too much, give what is missing."""
    schemas = {s.name: s for s in state.schemas}
    for relation in state.relations:
        inside = is_apps(schemas[relation.schema])
        if relation.kind == "S":
            yield from _sequence(relation, policy, inside=inside)
        else:
            yield from _too_much(relation)
            if inside:
                yield from _rights(relation, policy)


def is_apps(schema: Schema) -> bool:
    """Whether the app's tables are in this schema: it may look into it already, or it is ``public``."""
    return not schema.extension and (schema.name == "public" or any(e.privilege == "USAGE" for e in schema.entries))


def _on(relation: Relation) -> sql.Composable:
    kind = sql.SQL("SEQUENCE") if relation.kind == "S" else sql.SQL("TABLE")
    return sql.SQL("{} {}").format(kind, sql.Identifier(relation.schema, relation.name))


def _sequence(relation: Relation, policy: Policy, *, inside: bool) -> Iterator[Statement]:
    on = _on(relation)
    for entry in relation.entries:
        if entry.privilege == "UPDATE" or (entry.grantable and entry.grantee is not None):
            option = entry.privilege != "UPDATE"
            yield from revoke(entry, owner=relation.owner, on=on, why="setval hands ids out again", option_only=option)
    if inside and relation.owner != policy.app and not any(e.privilege == "USAGE" for e in relation.entries):
        app = identifier(policy.app)
        yield Statement(
            sql=render("GRANT USAGE ON {} TO {}", on, app),
            why="inserts take their ids from it",
            undo=render("REVOKE USAGE ON {} FROM {}", on, app),
        )


def _too_much(relation: Relation) -> Iterator[Statement]:
    for entry in relation.entries:
        if entry.privilege not in TABLE_RIGHTS or (entry.grantee is None and entry.privilege != "SELECT"):
            yield from revoke(entry, owner=relation.owner, on=_on(relation), why=_why(entry))
        elif entry.grantable:
            why = "a right that may be handed on cannot be taken back from those who got it"
            yield from revoke(entry, owner=relation.owner, on=_on(relation), why=why, option_only=True)


def _why(entry: Entry) -> str:
    return _NEVER if entry.privilege not in TABLE_RIGHTS else "what PUBLIC has, the app has, whatever is taken from it"


def declared(relation: Relation, policy: Policy) -> tuple[str, ...]:
    """The rights that the app is to have on a table; on views and foreign tables only to read."""
    key = f"{quote_ident(relation.schema)}.{quote_ident(relation.name)}"
    if key in policy.tables:
        return policy.tables[key]
    return TABLE_RIGHTS if relation.kind in ("r", "p") else ("SELECT",)


def wanted_columns(relation: Relation, policy: Policy, privilege: str) -> tuple[str, ...] | None:
    """The columns the app may write with ``privilege``; None means the whole table.

    Strict: keys are not updated and values that a sequence hands out are not inserted; a table-level right would also
    allow LOCK TABLE in every mode.
    """
    if policy.level != "strict" or privilege == "SELECT" or relation.kind not in ("r", "p"):
        return None
    return tuple(
        c.name for c in relation.columns if not c.generated and not c.identity and not (privilege == "UPDATE" and c.key)
    )


def _rights(relation: Relation, policy: Policy) -> Iterator[Statement]:
    owned = relation.owner == policy.app  # its owner changes before this, and its own rights go with it
    entries = [] if owned else [e for e in relation.entries if e.grantee == policy.app]
    allowed = declared(relation, policy)
    on, app = _on(relation), identifier(policy.app)
    for privilege in TABLE_RIGHTS:
        mine = [e for e in entries if e.privilege == privilege]
        if privilege not in allowed:
            # On views and foreign tables what was given by hand is left: only tables are declared as a whole.
            narrowed = relation.kind in ("r", "p") or policy.level == "strict"
            for entry in mine if narrowed else ():
                yield from revoke(entry, owner=relation.owner, on=on, why=f"{privilege} is not declared for it")
            continue
        columns = wanted_columns(relation, policy, privilege)
        if columns is None:
            if not any(e.column is None for e in mine):
                yield _grant(privilege, None, on, app, "declared for the app")
            continue
        yield from _by_column(relation, privilege, columns, mine, on=on, app=app)


def _by_column(
    relation: Relation,
    privilege: str,
    columns: Sequence[str],
    mine: Sequence[Entry],
    *,
    on: sql.Composable,
    app: sql.Identifier,
) -> Iterator[Statement]:
    whole = [e for e in mine if e.column is None]
    have = set() if whole else {e.column for e in mine if e.column is not None}
    for entry in whole:
        why = "a right on the whole table holds for keys, allows LOCK TABLE, and revoking a column does nothing"
        yield from revoke(entry, owner=relation.owner, on=on, why=why)
    for entry in () if whole else mine:
        if entry.column not in columns:
            yield from revoke(entry, owner=relation.owner, on=on, why="a key, or handed out by a sequence")
    missing = [c for c in columns if c not in have]
    if missing:
        yield _grant(privilege, missing, on, app, "declared for the app, column by column")


def _grant(
    privilege: str, columns: Sequence[str] | None, on: sql.Composable, app: sql.Identifier, why: str
) -> Statement:
    what: sql.Composable = sql.SQL(privilege)
    if columns is not None:
        what = sql.SQL("{} ({})").format(what, sql.SQL(", ").join(identifier(c) for c in columns))
    return Statement(
        sql=render("GRANT {} ON {} TO {}", what, on, app),
        why=why,
        undo=render("REVOKE {} ON {} FROM {}", what, on, app),
    )


def defaults(state: State, policy: Policy) -> Iterator[Statement]:
    """What tables, sequences and schemas made later give: for every role that makes some, and never too much.

    A default cannot name columns: at the level strict later tables can be read and nothing more until the next apply.
    """
    have = {(d["creator"], d["kind"], d["privilege"]) for d in state.defaults if d["schema"] is None and d["grantee"]}
    tables = ("SELECT",) if policy.level == "strict" else TABLE_RIGHTS
    for default in state.defaults:
        if _is_excess(default["kind"], default["privilege"], default["grantee"], tables) or default["grantable"]:
            yield _default("REVOKE", default["creator"], default["schema"], default["privilege"], default["kind"],
                           default["grantee"])  # fmt: skip
    for creator in state.creators:
        wanted = [("r", t) for t in tables] + [("S", "USAGE")]
        if creator == policy.admin:
            wanted.append(("n", "USAGE"))
        for kind, privilege in wanted:
            if (creator, kind, privilege) not in have:
                yield _default("GRANT", creator, None, privilege, kind, policy.app)


def _is_excess(kind: str, privilege: str, grantee: str | None, tables: Sequence[str]) -> bool:
    if kind == "r":
        return privilege not in tables if grantee else privilege != "SELECT"
    if kind == "n":
        return privilege == "CREATE"
    return privilege == "UPDATE"


def _default(verb: str, creator: str, schema: str | None, privilege: str, kind: str, grantee: str | None) -> Statement:
    place = sql.SQL("") if schema is None else sql.SQL(" IN SCHEMA {}").format(identifier(schema))
    who = sql.SQL("PUBLIC") if grantee is None else identifier(grantee)
    parts = (identifier(creator), place, sql.SQL(privilege), sql.SQL(_KINDS_OF_DEFAULTS[kind]), who)
    forms = {
        "GRANT": render("ALTER DEFAULT PRIVILEGES FOR ROLE {}{} GRANT {} ON {} TO {}", *parts),
        "REVOKE": render("ALTER DEFAULT PRIVILEGES FOR ROLE {}{} REVOKE {} ON {} FROM {}", *parts),
    }
    why = "what is made later is the app's to use" if verb == "GRANT" else "what is made later would give too much"
    return Statement(sql=forms[verb], why=why, undo=forms["REVOKE" if verb == "GRANT" else "GRANT"])
