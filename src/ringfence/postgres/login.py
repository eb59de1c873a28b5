"""Trying to get in: a login as somebody else, to see that it is refused. Nothing is done with one that succeeds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import psycopg

from ringfence.postgres.connection import connect_text, is_answer
from ringfence.postgres.target import Target, remove_libpq_environment

TIMEOUT_S = 5


@dataclass(frozen=True, kw_only=True)
class Login:
    """One attempt. ``answered`` False: nobody was there to refuse it, so it shows nothing."""

    role: str
    database: str
    let_in: bool
    answered: bool
    words: str


def attempt(target: Target, *, role: str, database: str, password: str) -> Login:
    """Log in with a password that is in memory only, and leave at once."""
    remove_libpq_environment()
    there = replace(target, user=role, database=database, application="ringfence check")
    try:
        # The password file is not looked into: it holds the very passwords that must not be needed here.
        with psycopg.connect(there.conninfo(), password=password, passfile="/dev/null", connect_timeout=TIMEOUT_S):
            return Login(role=role, database=database, let_in=True, answered=True, words="let in")
    except psycopg.OperationalError as error:
        answered = is_answer(str(error))
        return Login(role=role, database=database, let_in=False, answered=answered, words=connect_text(error))
