"""Carrying a plan out: one transaction, then read again, and nothing may be left to do."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import psycopg

from ringfence.errors import InternalError, RingfenceError
from ringfence.postgres import target
from ringfence.postgres.connection import Connection, QueryError, error_text
from ringfence.postgres.target import PassEntry
from ringfence.roles import plan as planning
from ringfence.roles import state as reading
from ringfence.roles.model import Passwords, Policy
from ringfence.roles.password import compare
from ringfence.roles.plan import Plan
from ringfence.roles.state import State
from ringfence.roles.statement import Statement
from ringfence.wording import counted

_PASSWORD_BYTES = 24

Opener = Callable[[str], AbstractContextManager[Connection]]
"""Opens a writing session of the administrator in a database of the cluster."""


class ApplyError(RingfenceError):
    """A statement was refused, and its whole transaction undone; or the end state is not the declared one (7)."""

    exit_code = 7


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What was done, or with ``dry_run`` would be done; no statement: everything was as declared."""

    statements: tuple[Statement, ...]
    dry_run: bool
    password_made: bool


def apply(
    policy: Policy,
    passwords: Passwords,
    open_session: Opener,
    *,
    dry_run: bool = False,
    leave_password: bool = False,
) -> Applied:
    """Converge to the policy. Raises ApplyError (7) with the statement that was refused; nothing is half done then.

    ``leave_password``: a role that was there keeps a password that nobody wrote down here, because an application may
    be running with it.
    """
    return _carry_out(policy, passwords, open_session, dry_run=dry_run, whole=True, leave_password=leave_password)


def provision(policy: Policy, passwords: Passwords, open_session: Opener, *, only_give: bool = False) -> Applied:
    """What a first ``up`` does: all of it where there is no such role yet (``only_give``: what takes from nobody); else
    only the password that is kept is made to work, and what was given or taken by hand stays as it is."""
    return _carry_out(policy, passwords, open_session, dry_run=False, whole=False, only_give=only_give)


def _carry_out(
    policy: Policy,
    passwords: Passwords,
    open_session: Opener,
    *,
    dry_run: bool,
    whole: bool,
    only_give: bool = False,
    leave_password: bool = False,
) -> Applied:
    with open_session(policy.database) as connection:
        state = reading.read(connection, policy)
        kept = _kept(passwords, policy)
        password = kept or secrets.token_urlsafe(_PASSWORD_BYTES)
        leave = leave_password and kept is None and _may_have_a_password(connection, state, policy)
        verifier = None if leave else _verifier(connection, state, policy, password)
        if whole or state.role is None:
            plan = planning.plan(state, policy, verifier=verifier)
        else:
            plan = planning.password_only(state, policy, verifier=verifier)
        if only_give:
            plan = Plan(statements=tuple(s for s in plan.statements if s.gives))
        applied = Applied(statements=plan.statements, dry_run=dry_run, password_made=kept is None and not leave)
        if dry_run:
            return applied
        # The file first: a role with a password that nobody knows could not be used, a kept one that is not yet the
        # server's is made to be at the next call.
        if not leave:
            _keep(passwords, policy, password)
        with connection.transaction():
            for statement in plan.here:
                _execute(connection, statement)
    for statement in (s for s in plan.statements if s.database is not None):
        with open_session(str(statement.database)) as connection:
            _execute(connection, statement)
    if plan.statements and whole:
        _read_back(policy, passwords, open_session, leave=leave)
    return applied


def _execute(connection: Connection, statement: Statement) -> None:
    try:
        connection.execute(statement.sql.encode())
    except psycopg.Error as error:
        raise ApplyError(
            f"the server refused: {error_text(error)}; the statement was {statement.shown}",
            hint="nothing of this was kept; 'ringfence roles apply --dry-run' shows the whole plan",
        ) from error


def _read_back(policy: Policy, passwords: Passwords, open_session: Opener, *, leave: bool) -> None:
    with open_session(policy.database) as connection:
        state = reading.read(connection, policy)
        verifier = None if leave else _verifier(connection, state, policy, _kept(passwords, policy) or "")
        left: Plan = planning.plan(state, policy, verifier=verifier)
    if left.statements:
        raise ApplyError(
            f"the roles are not as declared; {counted(len(left.statements), 'statement')} would still be needed, "
            f"the first is {left.statements[0].shown}",
            hint="somebody changes them at the same time, or this is a fault; apply again",
        )


def _kept(passwords: Passwords, policy: Policy) -> str | None:
    return target.find_password(passwords.passfile, host=passwords.host, port=passwords.port, user=policy.app)


def _keep(passwords: Passwords, policy: Policy, password: str) -> None:
    known = {
        host: target.find_password(passwords.passfile, host=host, port=passwords.port, user=policy.app)
        for host in passwords.hosts
    }
    missing = [
        PassEntry(host=host, port=passwords.port, user=policy.app, password=password)
        for host, kept in known.items()
        if kept != password
    ]
    if missing:
        target.add_passwords(passwords.passfile, missing)


def _may_have_a_password(connection: Connection, state: State, policy: Policy) -> bool:
    """Whether the role is there with a password, or one that cannot be looked at."""
    if state.role is None:
        return False
    try:
        row = connection.execute(
            "SELECT rolpassword IS NOT NULL FROM pg_catalog.pg_authid WHERE rolname = %s", (policy.app,)
        ).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return True
    return row is not None and bool(row[0])


def _verifier(connection: Connection, state: State, policy: Policy, password: str) -> str | None:
    """The verifier to store, or None where the server accepts the password already.

    It is made here: the password itself is never in a statement, and so in no log of the server.
    """
    if state.role is not None:
        query = "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = %s"
        try:
            row = connection.execute(query, (policy.app,)).fetchone()
        except psycopg.errors.InsufficientPrivilege as error:
            raise QueryError("the verifiers of passwords cannot be read by this role") from error
        if row is not None and compare(row[0], role=policy.app, password=password) == "same":
            return None
    made: bytes = connection.pgconn.encrypt_password(password.encode(), policy.app.encode(), b"scram-sha-256")
    if not made.startswith(b"SCRAM-SHA-256$"):
        raise InternalError("libpq made no SCRAM verifier")
    return made.decode("ascii")
