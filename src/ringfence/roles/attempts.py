"""What the app role must not be able to do, as statements to try (pure).

Those that a rolled-back transaction undoes are tried on production itself, in a form that touches no row. The others
are ``lasting`` (no transaction undoes them, or they cannot run in one) and are tried on a throw-away twin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from ringfence.roles.model import Policy
from ringfence.roles.state import Relation, State
from ringfence.roles.statement import identifier, literal, render

REFUSED = frozenset({"42501", "0LP01", "28000"})
"""insufficient_privilege, invalid_grant_operation, invalid_authorization_specification."""

IMPOSSIBLE = frozenset({"0A000", "55000", "428C9"})
"""feature_not_supported, object_not_in_prerequisite_state, generated_always: refused to everybody, the app included."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """``strict``: only the level strict promises that it is refused."""

    name: str
    object: str
    sql: str
    lasting: bool = False
    strict: bool = False


def attempts(state: State, policy: Policy) -> tuple[Attempt, ...]:
    """Everything to try: for each table, and once for the database and the cluster."""
    return (
        *(a for r in state.relations if r.kind in ("r", "p") for a in _on_table(r, state.major)),
        *(a for r in state.relations if r.kind == "S" for a in _on_sequence(r)),
        *_on_database(policy),
        *_on_cluster(policy),
        *_lasting(policy),
    )


def _on_table(table: Relation, major: int) -> Iterator[Attempt]:
    name = sql.Identifier(table.schema, table.name)
    shown = name.as_string(None)
    yield Attempt(name="DELETE", object=shown, sql=render("DELETE FROM {} WHERE false", name))
    yield Attempt(
        name="DELETE in a WITH query",
        object=shown,
        sql=render("WITH gone AS (DELETE FROM {} WHERE false RETURNING 1) SELECT count(*) FROM gone", name),
    )
    if major >= 15:
        yield Attempt(
            name="MERGE … DELETE",
            object=shown,
            sql=render("MERGE INTO {} USING (SELECT 1 WHERE false) n ON false WHEN MATCHED THEN DELETE", name),
        )
    yield Attempt(name="TRUNCATE", object=shown, sql=render("TRUNCATE {} CASCADE", name))
    yield Attempt(name="DROP TABLE", object=shown, sql=render("DROP TABLE {} CASCADE", name))
    yield Attempt(name="switch triggers off", object=shown, sql=render("ALTER TABLE {} DISABLE TRIGGER ALL", name))
    yield Attempt(name="take ownership", object=shown, sql=render("ALTER TABLE {} OWNER TO CURRENT_USER", name))
    yield Attempt(
        name="hang a trigger on it",
        object=shown,
        sql=render(
            "CREATE TRIGGER ringfence_proof BEFORE INSERT ON {} "
            "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            name,
        ),
    )
    yield Attempt(
        name="rewrite with a rule",
        object=shown,
        sql=render("CREATE RULE p AS ON INSERT TO {} DO INSTEAD NOTHING", name),
    )
    yield Attempt(name="LOCK TABLE", object=shown, sql=render("LOCK TABLE {} NOWAIT", name), strict=True)
    for column in (c for c in table.columns if c.key and not c.generated):
        part = identifier(column.name)
        yield Attempt(
            name=f"UPDATE of the key {column.name}",
            object=shown,
            sql=render("UPDATE {} SET {} = {} WHERE false", name, part, part),
            strict=True,
        )


def _on_sequence(sequence: Relation) -> Iterator[Attempt]:
    name = sql.Identifier(sequence.schema, sequence.name)
    shown = name.as_string(None)
    yield Attempt(
        name="setval",
        object=shown,
        sql=render("SELECT pg_catalog.setval({}::pg_catalog.regclass, 1)", literal(shown)),
        lasting=True,
    )
    yield Attempt(name="DROP SEQUENCE", object=shown, sql=render("DROP SEQUENCE {} CASCADE", name))
    yield Attempt(name="ALTER SEQUENCE", object=shown, sql=render("ALTER SEQUENCE {} RESTART", name))


def _on_database(policy: Policy) -> Iterator[Attempt]:
    database = identifier(policy.database)
    for name, text in (
        ("DROP SCHEMA", "DROP SCHEMA public CASCADE"),
        ("make a table", "CREATE TABLE public.ringfence_proof (a int)"),
        ("plant a function", "CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1::text'"),
        ("make a schema", "CREATE SCHEMA ringfence_proof"),
        ("change the catalog", "UPDATE pg_catalog.pg_class SET relacl = NULL WHERE false"),
        ("make an event trigger", "CREATE EVENT TRIGGER p ON ddl_command_start EXECUTE FUNCTION pg_catalog.now()"),
        ("make a publication", "CREATE PUBLICATION ringfence_proof"),
        ("make a foreign-data wrapper", "CREATE FOREIGN DATA WRAPPER ringfence_proof"),
        ("read a file of the server", "SELECT pg_catalog.pg_read_file('PG_VERSION')"),
        ("list files of the server", "SELECT count(*) FROM pg_catalog.pg_ls_dir('.') f"),
        ("load a file", "COPY pg_catalog.pg_description FROM '/dev/null'"),
        ("reset statistics", "SELECT pg_catalog.pg_stat_reset()"),
        ("read password verifiers", "SELECT count(rolpassword) FROM pg_catalog.pg_authid"),
        ("switch foreign keys off", "SET LOCAL session_replication_role = replica"),
    ):
        yield Attempt(name=name, object=policy.database, sql=text)
    yield Attempt(
        name="take the database",
        object=policy.database,
        sql=render("ALTER DATABASE {} OWNER TO CURRENT_USER", database),
    )
    yield Attempt(
        name="change its settings",
        object=policy.database,
        sql=render("ALTER DATABASE {} SET default_transaction_read_only = on", database),
    )
    for name, text in (
        ("temporary table", "CREATE TEMPORARY TABLE ringfence_proof (a int)"),
        ("large object", "SELECT pg_catalog.lo_create(0)"),
    ):
        yield Attempt(name=name, object=policy.database, sql=text, strict=True)


def _on_cluster(policy: Policy) -> Iterator[Attempt]:
    app, admin = identifier(policy.app), identifier(policy.admin)
    for name, text in (
        ("become a superuser", render("ALTER ROLE {} SUPERUSER", app)),
        ("become the administrator", render("SET LOCAL ROLE {}", admin)),
        ("join the administrator", render("GRANT {} TO {}", admin, app)),
        ("change the administrator's password", render("ALTER ROLE {} PASSWORD 'ringfence'", admin)),
        ("make a role", "CREATE ROLE ringfence_proof"),
        *(
            (f"join {role}", render("GRANT {} TO {}", identifier(role), app))
            for role in ("pg_write_all_data", "pg_execute_server_program", "pg_read_server_files", "pg_signal_backend")
        ),
    ):
        yield Attempt(name=name, object=policy.app, sql=text)


def _lasting(policy: Policy) -> Iterator[Attempt]:
    database = identifier(policy.database)
    for name, text in (
        ("DROP DATABASE", render("DROP DATABASE {} WITH (FORCE)", database)),
        ("rename the database", render("ALTER DATABASE {} RENAME TO ringfence_gone", database)),
        ("make a database", "CREATE DATABASE ringfence_proof"),
        ("change the server's settings", "ALTER SYSTEM SET fsync = off"),
        ("reload the server's settings", "SELECT pg_catalog.pg_reload_conf()"),
        ("run a program on the server", "COPY (SELECT 1) TO PROGRAM 'true'"),
        ("write a file on the server", "COPY (SELECT 1) TO '/tmp/ringfence-proof'"),
        ("write a file through a large object", "SELECT pg_catalog.lo_export(1, '/tmp/ringfence-proof')"),
        ("leave a prepared transaction", "BEGIN; PREPARE TRANSACTION 'ringfence_proof'"),
        ("make a replication slot", "SELECT pg_catalog.pg_create_physical_replication_slot('ringfence_proof')"),
        ("end the administrator's session", _END_ADMIN),
    ):
        yield Attempt(name=name, object=policy.database, sql=text, lasting=True)
    yield Attempt(
        name="write WAL without a right",
        object=policy.database,
        sql="SELECT pg_catalog.pg_logical_emit_message(false, 'ringfence', 'proof')",
        lasting=True,
        strict=True,
    )


_END_ADMIN = (
    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
    "WHERE application_name = 'ringfence-twin' AND usename <> CURRENT_USER"
)
