"""From what is so to what is declared: the statements, in order, each with its reason and its way back (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from ringfence.postgres import capability
from ringfence.roles import plan_guard, plan_tables
from ringfence.roles.model import Policy
from ringfence.roles.state import Entry, State
from ringfence.roles.statement import Statement, identifier, literal, render, revoke

_ATTRIBUTES = ("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``statements`` of the policy's database are one transaction; those that name another database come after it."""

    statements: tuple[Statement, ...]

    @property
    def here(self) -> tuple[Statement, ...]:
        """Those of the policy's own database."""
        return tuple(s for s in self.statements if s.database is None)


def plan(state: State, policy: Policy, *, verifier: str | None = None) -> Plan:
    """What has to be done; empty where everything is as declared.

    ``verifier`` is the password's verifier to store: given where the role is new, or the server's is another one.
    """
    return Plan(
        statements=(
            *_role(state, policy, verifier),
            *_memberships(state, policy),
            *_ownership(state, policy),
            *_databases(state, policy),
            *_schemas(state, policy),
            *plan_tables.relations(state, policy),
            *plan_tables.defaults(state, policy),
            *_settings(state, policy),
            *plan_guard.guard(state, policy),
        )
    )


def password_only(state: State, policy: Policy, *, verifier: str | None) -> Plan:
    """Only what lets the role log in with the password that is kept: nothing is given or taken."""
    return Plan(statements=tuple(_role(state, policy, verifier, attributes=False)))


def _role(state: State, policy: Policy, verifier: str | None, *, attributes: bool = True) -> Iterator[Statement]:
    app = identifier(policy.app)
    if state.role is None:
        yield Statement(
            sql=render("CREATE ROLE {} LOGIN PASSWORD {}", app, literal(verifier or "")),
            why="the role of the application",
            undo=render("DROP ROLE {}", app),
            secret=True,
        )
        return
    if verifier is not None:
        yield Statement(
            sql=render("ALTER ROLE {} PASSWORD {}", app, literal(verifier)),
            why="the password that is kept is not the one the server knows",
            undo=None,
            secret=True,
        )
    if not attributes:
        return
    for attribute in (a for a in _ATTRIBUTES if state.role[a]):
        yield Statement(
            sql=render("ALTER ROLE {} {}", app, sql.SQL("NO" + attribute)),
            why=f"{attribute} is more than the app may be",
            undo=render("ALTER ROLE {} {}", app, sql.SQL(attribute)),
        )
    if not state.role["login"]:
        yield Statement(sql=render("ALTER ROLE {} LOGIN", app), why="it may not log in", undo=None)


def _memberships(state: State, policy: Policy) -> Iterator[Statement]:
    app = identifier(policy.app)
    for edge in state.memberships:
        if edge["role"] in policy.member_of:
            continue
        group = identifier(edge["role"])
        by: sql.Composable = sql.SQL("")
        if capability.has_membership_options(state.major) and edge["grantor"]:
            by = sql.SQL(" GRANTED BY {}").format(identifier(edge["grantor"]))
        again = sql.SQL(" WITH ADMIN OPTION") if edge["admin"] else sql.SQL("")
        yield Statement(
            sql=render("REVOKE {} FROM {}{}", group, app, by),
            why=f"what {edge['role']} may do, the app may do with SET ROLE",
            undo=render("GRANT {} TO {}{}", group, app, again),
        )


def _ownership(state: State, policy: Policy) -> Iterator[Statement]:
    app, admin = identifier(policy.app), identifier(policy.admin)
    by_database: dict[str | None, list[str]] = {}
    for owned in state.owned:
        by_database.setdefault(owned["database"], []).append(owned["what"])
    # What belongs to the whole cluster goes with the first statement, wherever that runs.
    shared = by_database.pop(None, [])
    here = shared + by_database.pop(policy.database, [])
    if here:
        yield Statement(
            sql=render("REASSIGN OWNED BY {} TO {}", app, admin),
            why="an owner can drop and give itself any right: " + ", ".join(here),
            undo="; ".join(f"ALTER {what} OWNER TO {policy.app}" for what in here),
        )
    for object_ in (o["large_object"] for o in state.owned if o["large_object"]):
        yield Statement(
            sql=render("GRANT SELECT ON LARGE OBJECT {} TO {}", sql.SQL(object_), app),
            why="it may still read what it stored",
            undo=None,
        )
    for database, what in by_database.items():
        yield Statement(
            sql=render("REASSIGN OWNED BY {} TO {}", app, admin),
            why=f"an owner can drop and give itself any right: {', '.join(what)} in database {database}",
            undo=None,
            database=database,
        )


def _databases(state: State, policy: Policy) -> Iterator[Statement]:
    for database in state.databases:
        name = database["name"]
        has = {(e["grantee"], e["privilege"]) for e in database["acl"]}
        target = identifier(name)
        if name == policy.database and (policy.app, "CONNECT") not in has:
            yield _on_database("GRANT", "CONNECT", target, policy.app, "the application connects here")
        unwanted = {"CONNECT", "CREATE"}
        if policy.level == "strict" and name == policy.database:
            unwanted.add("TEMPORARY")
        for privilege in sorted(unwanted):
            if (None, privilege) in has:
                # Who has it by PUBLIC keeps it by name, so that only the app and roles to come lose it.
                for login in state.logins:
                    if (login, privilege) not in has:
                        yield _on_database("GRANT", privilege, target, login, "it has this by PUBLIC now, and keeps it")
                yield _on_database("REVOKE", privilege, target, None, _WHY_DATABASE[privilege])
            mine = privilege != "CONNECT" or name != policy.database
            if mine and (policy.app, privilege) in has:
                yield _on_database("REVOKE", privilege, target, policy.app, _WHY_DATABASE[privilege])


_WHY_DATABASE = {
    "CONNECT": "only who is named may connect",
    "CREATE": "whoever makes schemas or extensions here leads others astray",
    "TEMPORARY": "temporary tables shadow others and fill the disk",
}


def _on_database(verb: str, privilege: str, database: sql.Identifier, role: str | None, why: str) -> Statement:
    who = sql.SQL("PUBLIC") if role is None else identifier(role)
    forms = {
        "GRANT": render("GRANT {} ON DATABASE {} TO {}", sql.SQL(privilege), database, who),
        "REVOKE": render("REVOKE {} ON DATABASE {} FROM {}", sql.SQL(privilege), database, who),
    }
    return Statement(sql=forms[verb], why=why, undo=forms["GRANT" if verb == "REVOKE" else "REVOKE"])


def _schemas(state: State, policy: Policy) -> Iterator[Statement]:
    app = identifier(policy.app)
    for schema in state.schemas:
        target = identifier(schema.name)
        bad: Sequence[Entry] = [e for e in schema.entries if e.privilege == "CREATE"]
        for entry in bad:
            yield from revoke(
                entry,
                owner=schema.owner,
                on=sql.SQL("SCHEMA {}").format(target),
                why="what is planted there runs with the rights of others",
            )
        usable = any(e.privilege == "USAGE" for e in schema.entries)
        if plan_tables.is_apps(schema) and not usable:
            yield Statement(
                sql=render("GRANT USAGE ON SCHEMA {} TO {}", target, app),
                why="the app's tables are there",
                undo=render("REVOKE USAGE ON SCHEMA {} FROM {}", target, app),
            )


def _settings(state: State, policy: Policy) -> Iterator[Statement]:
    app, database = identifier(policy.app), identifier(policy.database)
    kept = {(s["database"], s["name"]): s["value"] for s in state.settings}
    for (where, name), value in kept.items():
        if where == policy.database and policy.settings.get(name) == value:
            continue
        if where == policy.database and name in policy.settings:
            continue  # set below
        place = sql.SQL("") if where is None else sql.SQL(" IN DATABASE {}").format(identifier(where))
        parameter = sql.SQL(".").join(identifier(part) for part in name.split("."))
        yield Statement(
            sql=render("ALTER ROLE {}{} RESET {}", app, place, parameter),
            why="the app can write its own settings; only those of ringfence.toml are kept",
            undo=render("ALTER ROLE {}{} SET {} = {}", app, place, parameter, literal(value)),
        )
    for name, value in policy.settings.items():
        if kept.get((policy.database, name)) != value:
            parameter = sql.SQL(".").join(identifier(part) for part in name.split("."))
            yield Statement(
                sql=render("ALTER ROLE {} IN DATABASE {} SET {} = {}", app, database, parameter, literal(value)),
                why="declared in [roles.settings]",
                undo=render("ALTER ROLE {} IN DATABASE {} RESET {}", app, database, parameter),
            )
