"""The passwords that are kept, against those that the server would accept."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from ringfence.findings import Finding, Severity
from ringfence.postgres.connection import Connection
from ringfence.postgres.target import find_password
from ringfence.roles.model import Passwords, Policy
from ringfence.roles.password import compare

RULE = "roles/password"
_WRITE_DOWN = "add its line to that file (host:port:*:role:password), or 'ringfence roles apply --new-password'"


def password_findings(connection: Connection, policy: Policy, passwords: Passwords) -> list[Finding]:
    """Whether the app can still log in with the password that is kept, and none is easily guessed.

    Where the server's verifiers cannot be read that is a finding: it is not known.
    """
    try:
        rows = connection.execute(
            "SELECT rolname, rolpassword, rolsuper FROM pg_catalog.pg_authid WHERE rolcanlogin ORDER BY rolname"
        ).fetchall()
    except psycopg.errors.InsufficientPrivilege:
        return [_finding("medium", policy.app, "the verifiers of passwords cannot be read by this role", None)]
    verifiers = {name: verifier for name, verifier, _ in rows}
    found = []
    kept = find_password(passwords.passfile, host=passwords.host, port=passwords.port, user=policy.app)
    if policy.app in verifiers:
        found += _of_app(verifiers[policy.app], policy, passwords, kept)
    for name, verifier, superuser in rows:
        guesses = dict.fromkeys((name, "", policy.database))
        if verifier is not None and any(compare(verifier, role=name, password=g) == "same" for g in guesses):
            said = f"the password of {name} is the name of the role or of the database"
            found.append(_finding("critical" if superuser else "high", name, said, name))
    return found


def _of_app(verifier: str | None, policy: Policy, passwords: Passwords, kept: str | None) -> list[Finding]:
    if kept is None:
        said = f"{passwords.passfile} holds no password for it, so nobody can say whether it was changed"
        return [replace(_finding("medium", policy.app, said, policy.app), fix=_WRITE_DOWN)]
    match compare(verifier, role=policy.app, password=kept):
        case "same":
            return []
        case "none":
            said = "the server keeps no password for it: the application cannot log in"
        case "other":
            said = (
                "its password is not the one that is kept: somebody changed it (any role may change its own), and the "
                "application is locked out"
            )
        case _:
            said = "the server's verifier has a form that is not known here"
    return [_finding("high", policy.app, said, policy.app)]


def _finding(severity: Severity, role: str, message: str, shown: str | None) -> Finding:
    return Finding(
        rule=RULE,
        severity=severity,
        object=role,
        message=message,
        evidence=None if shown is None else "SELECT rolname, rolpassword FROM pg_catalog.pg_authid",
        fix="ringfence roles apply",
    )
