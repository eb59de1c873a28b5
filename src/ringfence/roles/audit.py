"""What the app role can really do, asked of the server in every database of its cluster.

Each rule is one query in ``sql/audit``: ``cluster/`` is asked once, ``database/`` in each database. A query returns
severity, object, what an app could do with it, the SQL that shows it and the SQL that mends it; no row is no finding.
Rights are followed to the entry that gives them, so that the mending statement is the one that takes them away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import psycopg

from ringfence.errors import RingfenceError
from ringfence.findings import Finding, Severity
from ringfence.postgres import capability, queries
from ringfence.postgres.connection import Connection, error_text
from ringfence.roles import session
from ringfence.roles.model import Policy

PACKAGE = "ringfence.roles"
CLUSTER, DATABASE = "audit/cluster", "audit/database"
_SEVERITIES: Mapping[str, Severity] = {s: s for s in ("critical", "high", "medium", "low", "info")}
_BELOW: Mapping[Severity, Severity] = {"critical": "low", "high": "low"}

Opener = Callable[[str], AbstractContextManager[Connection]]
"""Opens a read-only session of the administrator in a database of the cluster."""


@dataclass(frozen=True, kw_only=True)
class Audited:
    """``findings`` with those a person accepted turned into remarks; ``rules`` and ``databases`` say what was asked."""

    findings: tuple[Finding, ...]
    rules: int
    databases: tuple[str, ...]
    superuser: bool

    @property
    def critical(self) -> tuple[Finding, ...]:
        """Those that stop a run."""
        return tuple(f for f in self.findings if f.severity == "critical")


def audit(policy: Policy, open_session: Opener, *, extra: Iterable[Finding] = ()) -> Audited:
    """Ask every rule in every database of the cluster.

    ``extra`` are findings that the caller made with knowledge of its own (the password file). What could not be asked
    is a critical finding: it is not known to be closed. Raises ConnectError when production itself cannot be reached.
    """
    found: list[Finding] = list(extra)
    databases: list[str] = []
    with open_session(policy.database) as connection:
        superuser = connection.info.parameter_status("is_superuser") == "on"
        session.tell(connection, policy)
        session.follow(connection)
        found += _role_is_there(connection, policy)
        found += _ask(connection, CLUSTER, prefix="")
        others = connection.execute(queries.load(PACKAGE, "reachable")).fetchall()
        found += _ask(connection, DATABASE, prefix="")
        databases.append(policy.database)
    for name, app_connects in others:
        if name == policy.database:
            continue
        try:
            with open_session(name) as connection:
                session.tell(connection, policy)
                session.follow(connection)
                inside = _ask(connection, DATABASE, prefix=f"database {name}: ")
        except RingfenceError as error:
            found.append(_unknown(f"database {name}", error.message))
            continue
        databases.append(name)
        found += inside if app_connects else [_latent(f, name) for f in inside]
    rules = len(rule_names())
    return Audited(
        findings=tuple(_accepted(f, policy) for f in found),
        rules=rules,
        databases=tuple(databases),
        superuser=superuser,
    )


def rule_names() -> tuple[str, ...]:
    """Every rule as findings name it."""
    files = (*queries.names(PACKAGE, CLUSTER), *queries.names(PACKAGE, DATABASE))
    return tuple(sorted({f"roles/{f.rsplit('/', 1)[1]}" for f in files}))


def _role_is_there(connection: Connection, policy: Policy) -> list[Finding]:
    row = connection.execute("SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = %s", (policy.app,)).fetchone()
    if row == (True,):
        return []
    said = "there is no such role" if row is None else "the role may not log in"
    return [
        Finding(
            rule="roles/app-role",
            severity="high",
            object=policy.app,
            message=f"{said}: the application must be using another one, and which is not known here",
            evidence="SELECT rolname, rolcanlogin FROM pg_catalog.pg_roles",
            fix="ringfence roles apply",
        )
    ]


def _ask(connection: Connection, folder: str, *, prefix: str) -> list[Finding]:
    found: list[Finding] = []
    major = capability.major(connection.info.server_version)
    for name in queries.names(PACKAGE, folder):
        rule = name.rsplit("/", 1)[1]
        if rule == "parameter" and not capability.has_parameter_privileges(major):
            continue
        try:
            rows = connection.execute(queries.load(PACKAGE, name)).fetchall()
        except psycopg.Error as error:
            if connection.closed:
                raise
            found.append(_unknown(f"{prefix}rule roles/{rule}", error_text(error)))
            continue
        found += [
            Finding(
                rule=f"roles/{rule}",
                severity=_SEVERITIES[severity],
                object=f"{prefix}{name_of}",
                message=message,
                evidence=evidence,
                fix=fix,
            )
            for severity, name_of, message, evidence, fix in rows
        ]
    return found


def _unknown(what: str, said: str) -> Finding:
    return Finding(
        rule="roles/unknown",
        severity="critical",
        object=what,
        message=f"could not be asked, so it is not known to be closed: {said}",
        fix="give the administrator's role the right to read it (a superuser has it), and ask again",
    )


def _latent(finding: Finding, database: str) -> Finding:
    """A hole in a database the app cannot connect to: it opens with the right to connect. What acts by itself stays."""
    if finding.rule in ("roles/foreign-data", "roles/event-trigger", "roles/unknown"):
        return finding
    return replace(
        finding,
        severity=_BELOW.get(finding.severity, finding.severity),
        message=f"{finding.message} (the app may not connect to {database} now)",
    )


def _accepted(finding: Finding, policy: Policy) -> Finding:
    reason = policy.accept.get(f"{finding.rule} {finding.object}")
    if reason is None or finding.rule == "roles/unknown":
        return finding
    return replace(finding, severity="info", message=f"accepted in ringfence.toml: {reason} ({finding.message})")
