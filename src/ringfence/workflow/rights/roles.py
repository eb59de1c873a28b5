"""The roles of production: what is declared, what is so, and how one becomes the other.

What takes a `Target` works on any database of any server (a restored one beside a damaged one); what takes a `Project`
is about its production.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ringfence.errors import HaltError, RingfenceError
from ringfence.findings import Finding
from ringfence.integrity import witness
from ringfence.postgres.connection import ConnectError, connect
from ringfence.postgres.target import Target
from ringfence.redact import one_line, quote_ident
from ringfence.roles import apply as applying
from ringfence.roles import attempts as attempting
from ringfence.roles import audit as auditing
from ringfence.roles import prove as proving
from ringfence.roles import state as state_of_roles
from ringfence.roles.apply import Applied
from ringfence.roles.attempts import Attempt
from ringfence.roles.audit import Audited
from ringfence.roles.model import Level, Passwords, Policy
from ringfence.roles.password_check import password_findings
from ringfence.roles.prove import Tried
from ringfence.wording import counted
from ringfence.workflow import proven
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.rights import twin as twins

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
        known_functions=witness.digests(project.application) if project.application is not None else (),
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


def apply(
    project: Project, *, level: Level | None = None, dry_run: bool = False, new_password: bool = False
) -> Applied:
    """Make production's roles what ``ringfence.toml`` declares. Raises IdentityError (7) where the database does not
    carry production's stamp, and ApplyError (7) for a statement that the server refused; nothing is half done then.

    On a server that may be older than this tool, a password of the app's that is not written down here stays as it is
    unless a ``new_password`` is wanted."""
    policy = policy_of(project)
    if level is not None:
        policy = replace(policy, level=level)
    with proven.production(project):
        proven.refuse_one_server_for_both(project)
    leave = project.engine("production").kind != "embedded" and not new_password
    return apply_to(project.target("production"), policy, passwords_of(project), dry_run=dry_run, leave_password=leave)


def apply_to(
    target: Target, policy: Policy, passwords: Passwords, *, dry_run: bool = False, leave_password: bool = False
) -> Applied:
    """The same for any database, which counts as production: rights of the database itself, which a restore loses,
    included. ``target`` is its administrator's. No stamp is asked for: the caller knows what it writes to."""
    policy = replace(policy, database=target.database)
    return applying.apply(
        policy,
        passwords,
        lambda d: connect(target.on(d), read_only=False),
        dry_run=dry_run,
        leave_password=leave_password,
    )


def provision(project: Project) -> Applied:
    """What ``up`` does: the whole declared state where the role is new, else only its password is made to work.

    On a server that somebody else runs nothing is taken from anybody by ``up``: that is `apply`'s, which a person asks
    for and can look at first.
    """
    target = project.target("production")
    return applying.provision(
        policy_of(project),
        passwords_of(project),
        lambda d: connect(target.on(d), read_only=False),
        only_give=project.engine("production").kind == "server",
    )


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


@dataclass(frozen=True, kw_only=True)
class Proven:
    """What was tried and answered, and what of it is a finding."""

    tried: tuple[Tried, ...]
    findings: tuple[Finding, ...]
    level: Level


def prove(project: Project, progress: Progress) -> Proven:
    """Log in as the app role and try everything: on production in transactions that are rolled back and touch no row,
    the rest on a throw-away twin. Raises HaltError (3) where nothing could be tried."""
    policy, admin = policy_of(project), project.target("production")
    try:
        with proven.production(project) as connection:
            state = state_of_roles.read(connection, policy)
        app = replace(admin, user=policy.app, application="ringfence prove")
        every = attempting.attempts(state, policy)
        here = [a for a in every if not a.lasting]
        progress.say(f"trying {counted(len(here), 'statement')} on production, each rolled back")
        tried = proving.try_all(app, here, where="production")
        others = [d["name"] for d in state.databases if d["name"] != policy.database]
        tried += proving.try_databases(app, others)
    except ConnectError as error:
        raise HaltError(f"nothing could be tried: {error.message}", hint=error.hint) from error
    lasting = [a for a in every if a.lasting]
    progress.say(f"trying {counted(len(lasting), 'statement')} that no rollback undoes on a throw-away twin")
    tried += _on_twin(project, lasting)
    return Proven(tried=tried, findings=proving.findings(tried, level=policy.level), level=policy.level)


def _on_twin(project: Project, lasting: Sequence[Attempt]) -> tuple[Tried, ...]:
    try:
        with twins.twin(project) as app:
            # A session of the administrator for the attempt that would end it.
            admin = replace(app, user=project.settings.production.admin_role, application="ringfence-twin")
            with connect(admin):
                return proving.try_all(app, lasting, where="twin")
    except RingfenceError as error:
        said = f"no twin could be made: {error.message}"
        return tuple(Tried(attempt=a, where="twin", outcome="unknown", answer=said) for a in lasting)
