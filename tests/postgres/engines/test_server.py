"""Servers that exist already: what is asked of them, what is refused, TLS, and what an ordinary role leaves unknown."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.postgres.conftest import Server
from tests.postgres.engines.conftest import Place
from tests.postgres.engines.existing import encrypted_server, engine_of, ordinary_role

from ringfence import process
from ringfence.engines.directory import storage_of
from ringfence.errors import EngineError
from ringfence.postgres.connection import connect
from ringfence.postgres.identity import read_identity
from ringfence.postgres.programs import find_client_programs, speaks_tls
from ringfence.postgres.target import PassEntry, add_passwords, find_password


@pytest.fixture
def newest(servers: Mapping[int, Server]) -> Server:
    return next(iter(servers.values()))


def test_every_major_is_taken_as_it_is(server: Server, place: Place) -> None:
    engine = engine_of(server, place)
    started = engine.start()
    assert (started.created, started.started, started.notes) == (False, False, ())
    status = engine.status()
    assert (status.state, status.note, status.data_directory) == ("running", None, server.data)
    assert engine.stop() is False and engine.status().state == "running"
    evidence = engine.evidence()
    (storage,) = evidence.storage
    assert (storage.path, storage.inode) == (str(server.data.resolve()), server.data.stat().st_ino)
    assert [(at.host, at.port) for at in evidence.listens] == [("127.0.0.1", server.port)]
    assert engine.clients(server.major * 10000).major >= server.major


def test_what_does_not_answer(newest: Server, place: Place) -> None:
    """No server, no password, no such role, no such database: each in words, with the line for the pgpass file."""
    engine = engine_of(newest, place, "production")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = replace(engine, port=probe.getsockname()[1])
        assert nobody.status().state == "unreachable"
        with pytest.raises(EngineError, match="refused"):
            nobody.start()
        assert any("could not be asked" in reason for reason in nobody.evidence().unknown)
    stranger = replace(engine, superuser="nobody:else")
    with pytest.raises(EngineError, match="password") as caught:
        stranger.start()
    assert f"127.0.0.1:{newest.port}:*:nobody:else:PASSWORD" in str(caught.value.hint)
    assert stranger.status().state == "running" and "password" in (stranger.status().note or "")
    with pytest.raises(EngineError, match="does not exist"):
        replace(engine, database="no such").start()


def test_a_test_server_needs_a_superuser(newest: Server, place: Place) -> None:
    engine = engine_of(newest, place, "test")
    role = ordinary_role(newest, engine)
    with pytest.raises(EngineError, match=f"role {role} is no superuser of the test server"):
        replace(engine, superuser=role).start()


def test_production_without_a_superuser_says_what_stays_unknown(newest: Server, place: Place) -> None:
    engine = engine_of(newest, place, "production")
    limited = replace(engine, superuser=ordinary_role(newest, engine))
    limited.start()
    assert "is no superuser" in (limited.status().note or "")
    assert "the role may not see where the server keeps its data" in limited.evidence().unknown
    assert limited.evidence().storage == ()


def test_a_directory_of_the_same_name_is_not_taken_for_the_servers(newest: Server, place: Place) -> None:
    """A tunnel ends at a loopback address, too: the control file must be this server's."""
    with connect(engine_of(newest, place).target()) as connection:
        identity = read_identity(connection)
    unknown: list[str] = []
    assert storage_of(replace(identity, system_identifier="1"), True, unknown) == ()
    assert unknown == [f"{newest.data} on this machine is another server's (system {identity.system_identifier})"]
    assert storage_of(identity, False, unknown) == () and "is on another machine" in unknown[1]
    assert storage_of(replace(identity, data_directory="/nonexistent"), True, unknown) == ()
    assert unknown[2] == "/nonexistent cannot be looked at: No such file or directory"


def test_a_name_without_an_address(newest: Server, place: Place) -> None:
    engine = replace(engine_of(newest, place), host="no-such-host.invalid")
    assert any("leads to no address" in reason for reason in engine.evidence().unknown)
    assert engine.status().state == "unreachable"


def test_certificates_in_libpqs_own_place_are_named(newest: Server, place: Place, tmp_path: Path) -> None:
    """Programs that the tool starts have no home directory; a key without its certificate is no pair."""
    (tmp_path / ".postgresql").mkdir()
    for name in ("root.crt", "postgresql.key"):
        (tmp_path / ".postgresql" / name).touch()
    engine = engine_of(newest, place, environ={"HOME": str(tmp_path)})
    assert dict(engine.target().parameters) == {"sslrootcert": f"{tmp_path}/.postgresql/root.crt"}
    told = replace(engine, parameters=(("sslrootcert", "/etc/ca.pem"), ("sslmode", "verify-full")))
    assert dict(told.target().parameters) == {"sslrootcert": "/etc/ca.pem", "sslmode": "verify-full"}
    assert "sslmode=verify-full" in told.target().conninfo()


def test_programs_that_cannot_encrypt_are_not_used_over_a_network(newest: Server, place: Place) -> None:
    """The ones of the wheel cannot: pg_dump would send production's rows as they are, or fail."""
    deaf = [p for p in find_client_programs() if not speaks_tls(p)]
    if not deaf:
        pytest.skip("every PostgreSQL program on this machine speaks TLS")
    engine = engine_of(newest, place, clients_available=deaf)
    version = min(p.major for p in deaf) * 10000
    assert engine.clients(version) in deaf
    for elsewhere in (
        replace(engine, host="db.example"),
        replace(engine, parameters=(("sslmode", "require"),)),
    ):
        with pytest.raises(EngineError, match="can encrypt a connection") as caught:
            elsewhere.clients(version)
        assert "postgresql-client" in str(caught.value.hint)
    assert replace(engine, host="db.example", parameters=(("sslmode", "disable"),)).clients(version) in deaf


def test_programs_that_encrypt_and_are_too_old_are_not_all_that_is_said(newest: Server, place: Place) -> None:
    """Debian's 15 beside the wheel's 18: neither will do, each for another reason."""
    able = [p for p in find_client_programs() if speaks_tls(p)]
    newer = [p for p in find_client_programs() if not speaks_tls(p) and all(p.major > a.major for a in able)]
    if not able or not newer:
        pytest.skip("no programs that encrypt and older ones than others that do not")
    engine = replace(engine_of(newest, place, clients_available=[*able, *newer]), host="db.example")
    with pytest.raises(EngineError, match="new enough for it cannot encrypt") as caught:
        engine.clients(newer[0].major * 10000)
    assert str(newer[0].directory) in caught.value.message


@pytest.fixture
def encrypted(place: Place) -> Iterator[tuple[Server, Path]]:
    with encrypted_server(place.path, "localhost") as made:
        yield made


def test_an_encrypted_server_that_proves_its_name(encrypted: tuple[Server, Path], place: Place, tmp_path: Path) -> None:
    """verify-full with the right authority and name; dump programs obey the same; everything else is refused."""
    server, authority = encrypted
    trusted = (("sslmode", "verify-full"), ("sslrootcert", str(authority)))
    engine = engine_of(server, place, parameters=trusted)
    password = find_password(engine.passfile, host="127.0.0.1", port=server.port, user="postgres")
    assert password is not None
    add_passwords(engine.passfile, [PassEntry(host="localhost", port=server.port, user="postgres", password=password)])
    named = replace(engine, host="localhost")
    named.start()
    with connect(named.target()) as connection:
        assert connection.pgconn.ssl_in_use
        version = read_identity(connection).server_version_num
    clients = named.clients(version)
    line = [*clients.command("pg_dump"), "-s", "-d", clients.conninfo(named.target())]
    assert process.run(line, timeout_s=60, env=clients.environment(named.target())).stdout

    with pytest.raises(EngineError, match="certificate"):  # the certificate is for a name, not for this address
        engine.start()
    with pytest.raises(EngineError, match=r"certificate|root"):
        replace(named, parameters=(("sslmode", "verify-full"), ("sslrootcert", "/nonexistent"))).start()
    with pytest.raises(EngineError, match=r"no pg_hba\.conf entry"):
        replace(named, parameters=(("sslmode", "disable"),)).start()
