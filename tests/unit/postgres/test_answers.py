"""Whether a failed connection was refused by a server, or nobody was there. Words of libpq and PostgreSQL 14 to 18."""

from __future__ import annotations

import pytest

from ringfence.errors import ConfigError
from ringfence.postgres.connection import is_answer
from ringfence.postgres.target import Target

AT = 'connection failed: connection to server at "127.0.0.1", port 4546 failed: '
V6 = 'connection to server at "::1", port 4546 failed: '


@pytest.mark.parametrize(
    "words",
    [
        f'{AT}FATAL:  password authentication failed for user "x"',
        f"{AT}fe_sendauth: no password supplied",
        f'{AT}FATAL:  database "inventory" does not exist',
        f'{AT}FATAL:  no pg_hba.conf entry for host "127.0.0.1", user "x", database "y", no encryption',
        f'{AT}FATAL:  role "x" is not permitted to log in',
        f'{AT}FATAL:  permission denied for database "inventory"\nDETAIL:  User does not have CONNECT privilege.',
        f"{V6}Connection refused\n\tIs the server running on that host?\n{AT}fe_sendauth: no password supplied",
        'subscription "x" could not connect to the publisher: ' + AT[19:] + "fe_sendauth: no password supplied",
        "connected",
        "something that nobody has seen before",
    ],
)
def test_a_server_spoke(words):
    assert is_answer(words)


@pytest.mark.parametrize(
    "words",
    [
        f"{AT}Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
        f"{AT}Permission denied\n\tIs the server running on that host and accepting TCP/IP connections?",
        f"{AT}timeout expired",
        f"{AT}No route to host",
        f"{AT}Network is unreachable",
        f"{AT}Cannot assign requested address",
        f"{AT}FATAL:  the database system is starting up",
        f"{AT}FATAL:  the database system is shutting down",
        f"{AT}FATAL:  sorry, too many clients already",
        f"{AT}server closed the connection unexpectedly",
        'connection failed: could not translate host name "db.example" to address: Name or service not known',
        'connection to server on socket "/tmp/.s.PGSQL.4546" failed: No such file or directory',
        f"{V6}Connection refused\n{AT}Connection refused",
        'subscription "x" could not connect to the publisher: '
        + AT[19:]
        + "Permission denied\n\tIs the server running?",
    ],
)
def test_nobody_spoke_or_not_now(words):
    assert not is_answer(words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "a,b"}, "not exactly one host"),
        ({"host": ""}, "not exactly one host"),
        ({"host": "a\0b"}, "not exactly one host"),
        ({"port": 0}, "not a port"),
        ({"port": 65536}, "not a port"),
        ({"database": ""}, "database and a role"),
        ({"user": ""}, "database and a role"),
    ],
)
def test_a_target_is_one_host_and_leaves_nothing_to_defaults(tmp_path, changes, words):
    whole = {"host": "127.0.0.1", "port": 4546, "database": "d", "user": "u", "passfile": tmp_path}
    Target(**whole)
    with pytest.raises(ConfigError, match=words):
        Target(**(whole | changes))
