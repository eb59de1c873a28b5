"""Logging in as the app role and trying: what the server answers is the proof, not what a catalog says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg import pq

from ringfence.findings import Finding, Severity
from ringfence.postgres.connection import ConnectError, Connection, connect, error_text
from ringfence.postgres.target import Target
from ringfence.roles.attempts import IMPOSSIBLE, REFUSED, Attempt
from ringfence.roles.model import Level

Outcome = Literal["refused", "went through", "unknown"]
Where = Literal["production", "twin"]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One attempt and what the server answered, in its own words."""

    attempt: Attempt
    where: Where
    outcome: Outcome
    answer: str


def try_all(target: Target, attempts: Iterable[Attempt], *, where: Where) -> tuple[Tried, ...]:
    """Try each as the role of ``target``. On production every attempt is a transaction that is rolled back; lasting
    ones are for a twin. Raises ConnectError where the role cannot log in."""
    tried = []
    with connect(target, read_only=False) as connection:
        connection.execute("SELECT pg_catalog.set_config('lock_timeout', '2s', false)")
        connection.execute("SELECT pg_catalog.set_config('statement_timeout', '20s', false)")
        for attempt in attempts:
            tried.append(_try(connection, attempt, where=where))
            if connection.closed:
                tried[-1] = Tried(attempt=attempt, where=where, outcome="unknown", answer="the session ended")
                break
    return tuple(tried)


def _try(connection: Connection, attempt: Attempt, *, where: Where) -> Tried:
    try:
        if not attempt.lasting:
            connection.execute("BEGIN")
        connection.execute(attempt.sql.encode())
    except psycopg.Error as error:
        state = error.sqlstate or ""
        outcome: Outcome = "refused" if state in REFUSED or state in IMPOSSIBLE else "unknown"
        return Tried(attempt=attempt, where=where, outcome=outcome, answer=error_text(error))
    else:
        return Tried(attempt=attempt, where=where, outcome="went through", answer="done")
    finally:
        if not connection.closed and connection.info.transaction_status != pq.TransactionStatus.IDLE:
            connection.execute("ROLLBACK")


def try_databases(target: Target, others: Sequence[str]) -> tuple[Tried, ...]:
    """Whether the role can connect to databases that are not its own."""
    tried = []
    for name in others:
        attempt = Attempt(name="connect", object=name, sql=f"\\connect {name}")
        try:
            with connect(target.on(name)):
                tried.append(Tried(attempt=attempt, where="production", outcome="went through", answer="connected"))
        except ConnectError as error:
            refused = "permission denied" in error.message or "no pg_hba.conf entry" in error.message
            outcome: Outcome = "refused" if refused else "unknown"
            tried.append(Tried(attempt=attempt, where="production", outcome=outcome, answer=error.message))
    return tuple(tried)


def findings(tried: Iterable[Tried], *, level: Level) -> tuple[Finding, ...]:
    """What got through, and what could not be tried: unknown is not refused (pure)."""
    return tuple(_finding(t, level) for t in tried if t.outcome != "refused")


def _finding(tried: Tried, level: Level) -> Finding:
    attempt = tried.attempt
    through = tried.outcome == "went through"
    if through and attempt.strict and level != "strict":
        severity: Severity = "low"
        said = "went through: the strategy allows it; the level strict refuses it"
    elif through and attempt.name == "connect":
        severity, said = "medium", "the app can connect to a database that is not its own"
    elif through:
        severity, said = "critical", f"went through as the app role, on {tried.where}"
    else:
        severity, said = "critical", f"could not be tried: {tried.answer}"
    return Finding(
        rule="roles/proof",
        severity=severity,
        object=f"{attempt.name}: {attempt.object}",
        message=said,
        evidence=attempt.sql,
        fix="'ringfence roles audit' says why; 'ringfence roles apply' closes what is configuration",
    )
