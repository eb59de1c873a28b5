"""Credentials in texts: found with line and power; placeholders and test's are none; no secret is kept."""

from __future__ import annotations

import pytest

from ringfence.agents import secrets
from ringfence.agents.secrets import Reach

REACH = Reach(
    production_hosts=frozenset({"db.example.org", "127.0.0.1", "localhost"}),
    production_port=4546,
    test_hosts=frozenset({"127.0.0.1", "localhost"}),
    test_port=2346,
    production_roles=frozenset({"inventory_admin", "inventory_app"}),
)
KEY = "s3cr3t-Qx9"
FOUND = [
    (f"psql postgresql://inventory_app:{KEY}@127.0.0.1:4546/inventory", "production"),
    (f"\n\nDATABASE_URL=postgres://u:{KEY}@db.example.org/x", "production"),
    (f'url = "postgresql+psycopg://u:{KEY}@db.example.org:5432/x"', "production"),
    (f"postgresql://inventory_admin:{KEY}@10.0.0.7:5432/x", "production"),
    (f"postgresql://u:{KEY}@10.0.0.7/x", "another server"),
    (f"DB_PORT=4546\nDB_PASSWORD={KEY}", "production"),
    (f"export PGPASSWORD='{KEY}'\nexport PGPORT=4546", "production"),
    ("AWS_ACCESS_KEY_ID=AKIA" + "IOSFODNN7EXAMPLF", "infrastructure"),
    ("x = ghp_" + "a1B2" * 9, "infrastructure"),
    ("-----BEGIN OPENSSH " + "PRIVATE KEY-----\nabc", "infrastructure"),
    ("FLY_API_TOKEN=FlyV1 fm2_" + "lJPECAAAAAAAB" * 4, "infrastructure"),
    ('"private_key_id": "' + "0123456789abcdef" * 2 + '01234567"', "infrastructure"),
]
NONE = [
    "",
    f"postgresql://inventory_test:{KEY}@127.0.0.1:2346/inventory_test",
    "postgresql://user:password@db.example.org/x",
    "postgresql://user:$PASSWORD@db.example.org/x",
    "postgresql://user:${DB_PASSWORD}@db.example.org/x",
    "postgresql://user:<secret>@db.example.org/x",
    "postgresql://inventory_app@127.0.0.1:4546/inventory",
    f"DB_PASSWORD={KEY}",
    f"DB_PORT=2346\nDB_PASSWORD={KEY}",
    "DB_PORT=4546\nDB_PASSWORD=${SECRET}",
    "# see https://user:pass@example.org",
    "AKIA is how a key begins; ghp_ too; sbp_abc",
    "the private key is never in the repository",
]


@pytest.mark.parametrize(("text", "power"), FOUND, ids=range(len(FOUND)))
def test_credentials_are_found_and_not_kept(text: str, power: str) -> None:
    found = secrets.in_text(text, REACH)
    assert [s.power for s in found] == [power], found
    assert KEY not in repr(found)
    assert "a1B2a1B2" not in repr(found) and "IOSFODNN7" not in repr(found)


@pytest.mark.parametrize("text", NONE, ids=range(len(NONE)))
def test_what_opens_nothing_is_not_named(text: str) -> None:
    assert secrets.in_text(text, REACH) == []


def test_lines_count_from_one() -> None:
    assert secrets.in_text(FOUND[1][0], REACH)[0].line == 3


def test_password_files() -> None:
    text = f"""# comment
127.0.0.1:2346:*:inventory_test:{KEY}
127.0.0.1:4546:*:inventory_admin:{KEY}
*:*:*:*:{KEY}
db\\:x:5432:*:u:{KEY}
"""
    found = secrets.in_passfile(text, REACH)
    assert [(s.line, s.power) for s in found] == [(3, "production"), (4, "production"), (5, "another server")]
    assert KEY not in repr(found)


def test_a_long_text_takes_no_time() -> None:
    secrets.in_text("postgresql://" * 50_000 + "x" * 500_000, REACH)
