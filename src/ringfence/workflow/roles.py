"""The roles of production: what is declared, what is so, and how one becomes the other.

What takes a `Target` works on any database of any server (a restored one beside a damaged one); what takes a `Project`
is about its production.
"""

from __future__ import annotations

from dataclasses import replace

from ringfence.errors import HaltError
from ringfence.postgres.connection import ConnectError, connect
from ringfence.postgres.target import Target
from ringfence.redact import one_line, quote_ident
from ringfence.roles import audit as auditing
from ringfence.roles.audit import Audited
from ringfence.roles.model import Passwords, Policy
from ringfence.roles.password_check import password_findings
from ringfence.workflow.project import Project

MOST_NAMED = 5


def policy_of(project: Project) -> Policy:
    """What ``ringfence.toml`` declares for production."""
    production, roles = project.settings.production, project.settings.roles
    return Policy(
        database=production.database,
        app=production.app_role,
        admin=production.admin_role,
        level=roles.level,
        tables={f"{quote_ident(t.schema or 'public')}.{quote_ident(t.name)}": r for t, r in roles.tables.items()},
        member_of=roles.member_of,
        superusers=roles.superusers,
        guards=roles.guards,
        accept=roles.accept,
        settings=roles.settings,
        max_rows=roles.max_rows,
        max_value_bytes=roles.max_value_bytes,
        contained=production.engine == "docker",
    )


def passwords_of(project: Project) -> Passwords:
    """Where the app's password of production is kept."""
    target = project.target("production")
    return Passwords(passfile=target.passfile, host=target.host, port=target.port)


def audit(project: Project) -> Audited:
    """Every way around the app role's rights in production's cluster.

    Raises HaltError (3) where production cannot be reached: what could not be asked is not known to be closed.
    """
    try:
        return _audit(project)
    except ConnectError as error:
        raise HaltError(f"roles cannot be audited: {error.message}", hint=error.hint) from error


def _audit(project: Project) -> Audited:
    return audit_target(project.target("production"), policy_of(project), passwords_of(project))


def audit_target(target: Target, policy: Policy, passwords: Passwords | None) -> Audited:
    """The same for any database: ``policy.database`` is the one that counts as production; ``target`` is its
    administrator's. Without ``passwords`` the kept password is not compared. Raises ConnectError."""
    policy = replace(policy, database=target.database)
    extra = []
    if passwords is not None:
        with connect(target) as connection:
            extra = password_findings(connection, policy, passwords)
    return auditing.audit(policy, lambda database: connect(target.on(database)), extra=extra)


def require_no_way_around(project: Project) -> Audited:
    """Refuse (3) to start a run while something lets the app role destroy production. Raises ConnectError."""
    found = _audit(project)
    if found.critical:
        named = [f"{f.rule} {one_line(f.object)}: {f.message}" for f in found.critical[:MOST_NAMED]]
        more = len(found.critical) - len(named)
        raise HaltError(
            "\n".join(
                [f"the app role can do more than it may ({len(found.critical)} critical findings)", *named]
                + ([f"and {more} more"] if more else [])
            ),
            hint="'ringfence roles audit' shows each with the SQL that mends it; 'ringfence roles apply' closes what "
            "is configuration; what is meant to be so is accepted with a reason in [roles.accept]",
        )
    return found
