"""``live``: what lets the verification tell what the application wrote from what others wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.errors import ConfigError, HaltError
from ringfence.findings import Finding
from ringfence.integrity import witness
from ringfence.integrity.attribution import Application
from ringfence.integrity.compare import table_text
from ringfence.integrity.witness import Installed
from ringfence.postgres import capability
from ringfence.postgres.connection import Connection
from ringfence.redact import one_line
from ringfence.workflow import proven
from ringfence.workflow.comparison import wal_sources
from ringfence.workflow.project import Project

_ROUNDS = 3
_APPLY = "'ringfence live apply' sets it up, and the next backup begins with it"


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The SQL that was run, or would be."""

    statements: tuple[str, ...]
    dry_run: bool


def check(project: Project) -> tuple[Finding, ...]:
    """What is missing for the writers of every table to be told. Raises ConfigError where it is not asked for."""
    application = _application(project)
    with proven.production(project) as connection:
        found = findings(witness.read(connection, application))
    obstacles = [reader.obstacle() for reader in wal_sources.readers(project)]
    if None in obstacles:
        return found
    unreadable = Finding(
        rule="live-wal",
        severity="critical",
        object="the WAL of production",
        message=f"nothing can read it: {'; '.join(one_line(o or '') for o in obstacles)}",
        fix="CREATE EXTENSION pg_walinspect (15+); GRANT pg_read_server_files to an administrator who is no superuser",
    )
    return (*found, unreadable)


def findings(installed: Installed) -> tuple[Finding, ...]:
    """Everything that is missing (pure)."""
    return (
        *(
            Finding(rule="live-witness", severity="critical", object=witness.SCHEMA, message=problem, fix=_APPLY)
            for problem in installed.problems
        ),
        *(
            Finding(
                rule="live-table",
                severity="high",
                object=table_text(table),
                message="without the trigger nothing that is written to it is the application's",
                fix=_APPLY,
            )
            for table in installed.without
        ),
    )


def apply(project: Project, *, dry_run: bool = False) -> Applied:
    """Put the witness and its triggers into production, or show the SQL. Raises IdentityError (7) for a database that
    is not provably production, and QueryError for a refused statement; what was done before it stays."""
    application = _application(project)
    done: list[str] = []
    with proven.production(project, read_only=dry_run) as connection:
        for _ in range(_ROUNDS):
            texts = _missing(connection, application)
            done += texts
            if dry_run or not texts:
                break
            witness.run(connection, texts)
        installed = witness.read(connection, application)
    if not dry_run and not installed.is_complete:
        left = findings(installed)[0]
        raise HaltError(
            f"{left.object}: {left.message}", hint="find out who changes production meanwhile, and try again"
        )
    return Applied(statements=tuple(done), dry_run=dry_run)


def remove(project: Project, *, dry_run: bool = False) -> Applied:
    """Take all of it out of production again, whatever the configuration says now."""
    with proven.production(project, read_only=dry_run) as connection:
        texts = witness.removal(connection)
        if not dry_run:
            witness.run(connection, texts)
    return Applied(statements=texts, dry_run=dry_run)


def require(project: Project) -> str | None:
    """Refuse (3) to begin a run in which the application's writing could not be told from others'; what was found, or
    None where nobody is expected to write."""
    if project.application is None:
        return None
    found = check(project)
    if found:
        named = "; ".join(f"{f.object}: {f.message}" for f in found[:3])
        raise HaltError(
            f"[verify] live is set, and what the application writes cannot be told from what others write: {named}",
            hint=_APPLY,
        )
    return "what the application writes can be told from what others write"


def _missing(connection: Connection, application: Application) -> Sequence[str]:
    major = capability.major(connection.info.server_version)
    return witness.plan(witness.read(connection, application), application, major=major)


def _application(project: Project) -> Application:
    if project.application is None:
        raise ConfigError("[verify] live is not set: nobody is expected to write during a run")
    return project.application
