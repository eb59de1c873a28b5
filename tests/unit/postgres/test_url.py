"""URLs: what libpq would make of them must be what a person sees."""

from __future__ import annotations

import pytest

from ringfence.postgres.url import read_url


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "database"),
    [
        ("postgresql://admin@db.example/inventory", "db.example", 5432, "admin", "inventory"),
        ("postgres://db.example:6432", "db.example", 6432, None, None),
        ("postgresql://[2001:db8::1]:5433/x", "2001:db8::1", 5433, None, "x"),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql/x", "/var/run/postgresql", 5432, None, "x"),
        ("postgresql://a%40b%3Ac@h/d%2Fe%3Ff", "h", 5432, "a@b:c", "d/e?f"),
        ("postgresql://h/d%3Fhost=x", "h", 5432, None, "d?host=x"),
    ],
)
def test_what_a_url_says(url: str, host: str, port: int, user: str | None, database: str | None) -> None:
    found = read_url(url)
    assert (found.host, found.port, found.user, found.database, found.parameters) == (host, port, user, database, ())


def test_how_to_connect_may_be_said() -> None:
    found = read_url("postgresql://h/d?sslmode=verify-full&sslrootcert=/etc/ca.pem&connect_timeout=3")
    assert found.parameters == (
        ("connect_timeout", "3"),
        ("sslmode", "verify-full"),
        ("sslrootcert", "/etc/ca.pem"),
    )
    assert read_url("postgresql://h/d?sslrootcert=system").parameters == (("sslrootcert", "system"),)


OVERRIDES = (
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "servicefile", "options"),
    *("target_session_attrs", "load_balance_hosts", "replication", "application_name", "client_encoding", "ssl"),
    *("fallback_application_name", "requirepeer", "nonsense", "sslpassword"),
)


@pytest.mark.parametrize("name", OVERRIDES)
def test_parameters_that_lead_elsewhere_are_refused_by_name(name: str) -> None:
    spelt = "".join(f"%{ord(c):02x}" for c in name)
    for written in (f"{name}=x", f"{spelt}=x", f"sslmode=require&{name}=x", name):
        with pytest.raises(ValueError, match=f"parameter {name} is not taken"):
            read_url(f"postgresql://h/d?{written}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://h/d", "begins with"),
        ("h:5432/d", "begins with"),
        ("host=h dbname=d", "begins with"),
        ("postgresql:///d", "exactly one host"),
        ("postgresql://", "exactly one host"),
        ("postgresql://a,b/d", "exactly one host"),
        ("postgresql://a:1,b:2/d", "exactly one host"),
        ("postgresql://h:1,2/d", "one"),
        ("postgresql://h:0/d", "is not one port"),
        ("postgresql://h:70000/d", "is not one port"),
        ("postgresql://h:x/d", "is not one port"),
        ("postgresql://u:hunter2@h/d", "a password does not belong"),
        ("postgresql://u:a?hunter2@h/d", "parameter after [?] is not taken"),
        ("postgresql://h/d?sslmode", "libpq"),
        ("postgresql://h/d?sslmode=a&sslmode=b", "twice"),
        (
            "postgresql://h/d?sslmode=verify_full",
            "it is one of disable, allow, prefer, require, verify-ca, verify-full",
        ),
        ("postgresql://h/d?ssl=true", "sslmode=verify-full"),
        ("postgresql://h/d?sslpassword=hunter2", "a password does not belong"),
        ("postgresql://h/d?passfile=/home/me/.pgpass", "'ringfence up' names it"),
        ("postgresql://h/d?sslrootcert=ca.pem", "must be an absolute path"),
        ("postgresql://[h/d", "libpq"),
        ("postgresql://h/d?sslmode=%zz", "libpq"),
    ],
)
def test_what_cannot_be_taken(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read_url(url)
    assert "hunter2" not in str(caught.value)
