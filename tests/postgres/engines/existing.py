"""Servers that are there already: a throw-away cluster of a worker, described as a settings file would."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.postgres import conftest as cluster
from tests.postgres.conftest import Server
from tests.postgres.engines.conftest import Place

from ringfence.engines.model import EnvironmentName
from ringfence.engines.server import ServerEngine
from ringfence.postgres.programs import find_client_programs, speaks_tls
from ringfence.postgres.target import PassEntry, add_passwords, find_password


def engine_of(server: Server, place: Place, environment: EnvironmentName = "test", **other: Any) -> ServerEngine:
    """An engine for a running cluster; its password is in a pgpass file of the test's own."""
    passfile = place.path / "config" / "pgpass"
    password = find_password(server.target.passfile, host="127.0.0.1", port=server.port, user=server.target.user)
    assert password is not None
    settings: dict[str, Any] = {
        "environment": environment,
        "host": "127.0.0.1",
        "port": server.port,
        "database": "postgres",
        "superuser": server.target.user,
        "parameters": (),
        "passfile": passfile,
        "clients_available": find_client_programs(),
        "environ": {},
    } | other
    entries = [PassEntry(host=h, port=server.port, user=server.target.user, password=password) for h in ("127.0.0.1",)]
    add_passwords(passfile, entries)
    return ServerEngine(**settings)


def ordinary_role(server: Server, engine: ServerEngine, *rights: str, database: str = "postgres") -> str:
    """A role that is no superuser; ``rights`` are statements in which ``{role}`` stands for it."""
    name, password = f"r{secrets.token_hex(4)}", secrets.token_hex(8)
    with psycopg.connect(server.target.on(database).conninfo(), autocommit=True) as connection:
        role = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        for right in rights:
            connection.execute(sql.SQL(right).format(role=role))  # type: ignore[arg-type]
    add_passwords(engine.passfile, [PassEntry(host=engine.host, port=server.port, user=name, password=password)])
    return name


@contextlib.contextmanager
def encrypted_server(place: Path, name: str) -> Iterator[tuple[Server, Path]]:
    """A server that takes encrypted connections only, with a certificate for ``name``, and the authority's own."""
    able = [p for p in find_client_programs() if speaks_tls(p) and (p.directory / "postgres").exists()]
    openssl = shutil.which("openssl")
    if not able or openssl is None:
        pytest.skip("no PostgreSQL server that speaks TLS, or no openssl: apt install postgresql openssl")
    base = place / "tls"
    base.mkdir()
    base.chmod(0o711)
    account = cluster._account()
    server = cluster._start(able[0], base, account)
    try:
        key, certificate = server.data / "server.key", server.data / "server.crt"
        words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        names = ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run([openssl, *words, *names], check=True, capture_output=True, timeout=60)
        for path in (key, certificate):
            if account:
                os.chown(path, account.uid, account.gid)
            path.chmod(0o600)
        server.execute("ALTER SYSTEM SET ssl = on", f"ALTER SYSTEM SET listen_addresses = '127.0.0.1,{name}'")
        (server.data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\n")
        server.control("restart", "-m", "fast", "-l", str(base / "server.log"))
        (place / "authority").mkdir()
        authority = place / "authority" / "ca.crt"
        authority.write_bytes(certificate.read_bytes())
        (place / "authority" / "ca.key").write_bytes(key.read_bytes())
        yield server, authority
    finally:
        cluster._remove(server.programs, base, account)
