"""The password file as libpq reads it: only a live server can say that it found the right line."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ringfence import process
from ringfence.postgres.connection import connect, one_value
from ringfence.postgres.target import PassEntry, Target, add_passwords, find_password

pytestmark = pytest.mark.postgres

PASSWORDS = [
    "plain",
    "a:b",
    ":",
    "\\",
    "\\\\",
    "a\\:b\\",
    "::\\:",
    "*",
    " leading and trailing ",
    "#hash",
    "quote'\"",
    "pass=word host=elsewhere",
    "%20 % $1 ${x}",
    "tab\there",
    "pässwörd€😀",
    "x" * 400,
    "postgresql://u:p@h/d",
]
NAMES = [
    "with:colon",
    "back\\slash",
    "with space",
    'quo"te',
    "semi;colon'",
    "*",
    "ünïcode",
    "Upper",
    "-rf",
    "\u2028line",
]


@dataclass(kw_only=True)
class Roles:
    """A server, and a password file of the test's own."""

    admin: Target
    passfile: Path

    def make(self, name: str, password: str) -> Target:
        with psycopg.connect(self.admin.conninfo(), autocommit=True) as connection:
            identifier = sql.Identifier(name)
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(identifier))
            statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(identifier, sql.Literal(password))
            connection.execute(statement)
        entry = PassEntry(host=self.admin.host, port=self.admin.port, user=name, password=password)
        add_passwords(self.passfile, [entry])
        return replace(self.admin, user=name, passfile=self.passfile)


@pytest.fixture
def roles(servers: Mapping[int, Any], tmp_path: Path) -> Iterator[Roles]:
    server = next(iter(servers.values()))
    made = Roles(admin=server.target, passfile=tmp_path / "private" / "pg pass:'\\file")
    yield made
    with psycopg.connect(server.target.conninfo(), autocommit=True) as connection:
        for name in (*NAMES, "ringfence_pw"):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def test_libpq_finds_every_password(roles: Roles) -> None:
    for password in PASSWORDS:
        target = roles.make("ringfence_pw", password)
        with connect(target) as connection:
            assert one_value(connection, sql.SQL("SELECT current_user")) == "ringfence_pw", password
        assert find_password(roles.passfile, host=target.host, port=target.port, user=target.user) == password


def test_libpq_finds_the_password_of_every_name(roles: Roles) -> None:
    targets = [roles.make(name, f"secret of {number}:\\{name}") for number, name in enumerate(NAMES)]
    for target in targets:
        with connect(target) as connection:
            assert one_value(connection, sql.SQL("SELECT current_user::text")) == target.user


def test_libpq_agrees_on_random_passwords(roles: Roles) -> None:
    chance = random.Random(11)
    for _ in range(25):
        password = "".join(chance.choices(":\\* #'\"ab%\t=", k=chance.randrange(1, 12)))
        with connect(roles.make("ringfence_pw", password)) as connection:
            assert one_value(connection, sql.SQL("SELECT current_user")) == "ringfence_pw", repr(password)


def test_a_role_called_star_does_not_open_for_everybody(roles: Roles) -> None:
    star = roles.make("*", "star-secret")
    roles.make("ringfence_pw", "star-secret")
    roles.passfile.write_text(PassEntry(host=star.host, port=star.port, user="*", password="star-secret").line() + "\n")
    roles.passfile.chmod(0o600)
    with connect(star):
        pass
    with pytest.raises(Exception, match="no password supplied"), connect(replace(star, user="ringfence_pw")):
        pass


def test_the_programs_find_it_too_and_no_process_shows_it(roles: Roles, servers: Mapping[int, Any]) -> None:
    server = next(iter(servers.values()))
    target = roles.make("ringfence_pw", "a:secret\\word")
    argv = [server.programs.path("psql"), "-X", "-A", "-t", "--no-password", "-d", target.conninfo()]
    shown = process.run([*argv, "-c", r"\! cat /proc/$PPID/cmdline /proc/$PPID/environ"], timeout_s=30).stdout
    assert "passfile" in shown and "secret" not in shown
    assert process.run([*argv, "-c", "SELECT current_user"], timeout_s=30).stdout == "ringfence_pw\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_the_file_is_of_no_use_when_others_can_read_it(roles: Roles) -> None:
    target = roles.make("ringfence_pw", "secret")
    roles.passfile.chmod(0o644)
    with pytest.raises(Exception, match="no password supplied"), connect(target):
        pass
