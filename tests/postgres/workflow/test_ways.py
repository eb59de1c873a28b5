"""Every way to point test at production, or production at something else: each writing command refuses it with 7.

Here both servers are embedded; `test_ways_docker` tries the same tables on containers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.postgres.workflow import tables
from tests.postgres.workflow.refusals import (
    AGENT,
    ON_PRODUCTION,
    ON_TEST,
    RESTORE,
    all_refuse,
    command,
    everything,
    has_ipv6,
    password_of,
    pointed,
    prepare_the_worst,
    production_pointed,
    settings,
    undo_the_worst,
)
from tests.postgres.workflow.stage import MAJORS, Stage, World
from tests.postgres.workflow.tables import Tried
from tests.postgres.workflow.ways import Door, clone, forwarding, let_in

from ringfence import process
from ringfence.engines.embedded import HOST
from ringfence.postgres.target import PassEntry, add_passwords
from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.backups.reseed import reseed

pytestmark = pytest.mark.postgres

NAME = "db-test.example.org"


@pytest.fixture(scope="module")
def place() -> Iterator[Stage]:
    """A project that was used, on servers of this module's own, and production prepared for the worst."""
    path = Path(tempfile.mkdtemp(prefix="ringfence-ways-"))
    path.chmod(0o711)
    world = World(path=path)
    try:
        _open_more_doors(world)
        with world.stage(MAJORS[0], MAJORS[0], toml=AGENT) as stage:
            stage.run("production", "CREATE TABLE public.item (a int)", "INSERT INTO public.item VALUES (1)")
            create_backup(stage.project, issue=None, progress=stage.progress)
            reseed(stage.project, None, fresh_start=True, progress=stage.progress)
            prepare_the_worst(stage)
            yield stage
            undo_the_worst(stage)
    finally:
        world.close()


def _open_more_doors(world: World) -> None:
    """More addresses and a socket for production."""
    engine = world.engine("production", MAJORS[0])
    sockets = world.path / "s"
    sockets.mkdir(mode=0o777)
    sockets.chmod(0o777)
    addresses = [HOST, "127.0.0.2", *(["::1"] if has_ipv6() else [])]
    with psycopg.connect(engine.target().conninfo(), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET listen_addresses = '{','.join(addresses)}'".encode())
        connection.execute(f"ALTER SYSTEM SET unix_socket_directories = '{sockets}'".encode())
    engine.stop()
    engine.start()


@pytest.fixture
def tried(place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tried:
    return Tried(place, capsys, monkeypatch)


def _skip_if_lacking(name: str) -> None:
    lacks = tables.lacking(name)
    if lacks:
        pytest.skip(lacks)


# --- test leads to production -----------------------------------------------------------------------------------------


OTHER_SPELLINGS = {
    *("its name", "its name in capitals", "the name of this machine", "any address", "a short address"),
    *("an address in hexadecimal", "an address in octal", "IPv4 within IPv6", "a link to the socket's directory"),
    *("a forwarded port that is forwarded", "a pooler, by transaction", "a stamp set for the role", "the copy renamed"),
    "another password",
}
"""Ways that are refused by what another one of the table is refused by."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.long) if n in OTHER_SPELLINGS else n for n in tables.TEST_WAYS]
)
def test_no_way_leads_test_to_production(tried: Tried, name: str) -> None:
    _skip_if_lacking(name)
    tried.test_way(name)


@pytest.mark.parametrize(
    "name", [n if n == "a copy of the files" else pytest.param(n, marks=pytest.mark.long) for n in tables.CLONES]
)
def test_no_copy_of_productions_files_is_test_or_production(tried: Tried, name: str) -> None:
    """F46: a copy and a promoted standby have production's system identifier and oid."""
    tried.both_ways(name)


def test_data_that_a_person_moved_are_taken_when_he_says_so(
    place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a failover: what was refused is told how it can be accepted, and works from then on."""
    record, passwords = place.project.paths.identities.read_bytes(), place.project.paths.pgpass.read_bytes()
    text = place.project.settings.found_at.read_text()
    with clone(standby=True, promoted=True)(place) as door:
        try:
            place.project.settings.found_at.write_text(production_pointed(place, door))
            entry = PassEntry(host=door.host, port=door.port, user=place.production.user, password=password_of(place))
            add_passwords(place.production.passfile, [entry])
            assert "its timeline is 2" in all_refuse(place, capsys, monkeypatch, ON_PRODUCTION[:2])
            code, _, said = command(place, capsys, monkeypatch, "up", "production", "--accept-new-identity")
            assert code == 0, said
            assert command(place, capsys, monkeypatch, "backup", "create")[0] == 0
        finally:
            place.project.settings.found_at.write_text(text)
            place.project.paths.identities.write_bytes(record)
            place.project.paths.pgpass.write_bytes(passwords)


def in_namespace(place: Stage, hosts: Path, commands: tuple[tuple[str, ...], ...]) -> list[tuple[int, str]]:
    """Commands in one process that sees another hosts file: their exit statuses, and what each said."""
    unshare = shutil.which("unshare", path=process.SYSTEM_PATH)
    if os.geteuid() != 0 or unshare is None:
        pytest.skip("only root can give a process another hosts file")
    script = """
import contextlib, io, json, sys
from ringfence.cli.main import run_command
told = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        told.append((run_command(words), said.getvalue()))
print(json.dumps(told))
"""
    whole = [[*words, "--config", str(place.project.settings.found_at)] for words in commands]
    line = 'mount --bind "$0" /etc/hosts && exec "$@"'
    done = subprocess.run(
        [unshare, "-m", "sh", "-c", line, str(hosts), sys.executable, "-P", "-c", script, json.dumps(whole)],
        env=dict(place.environ),
        cwd=place.root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "mount:" in done.stderr:
        pytest.skip("only root with mount rights can give a process another hosts file")
    assert done.returncode == 0, done.stderr
    return [(code, said) for code, said in json.loads(done.stdout)]


def test_a_name_that_resolves_to_production(place: Stage, tmp_path: Path) -> None:
    """A DNS alias, by a hosts file that only this process sees: it sounds like test and is production."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{HOST} {NAME}\n")
    door, before = Door(host=NAME, port=place.production.port), everything(place)
    with settings(place, pointed(place, door)):
        let_in(place, door)
        for words, (code, said) in zip(ON_TEST, in_namespace(place, hosts, ON_TEST), strict=True):
            assert code == 7, f"{words}: {code} {said}"
            assert "a copy of its files" in said, said
        assert everything(place) == before


def test_a_name_with_two_addresses_stays_where_it_was_proven(place: Stage, tmp_path: Path) -> None:
    """The first address leads to test and falls silent after one session; the second is production, and would answer
    what comes after."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.0.3 {NAME}\n127.0.0.2 {NAME}\n")
    door, before = Door(host=NAME, port=place.production.port), everything(place)
    with (
        forwarding(place.test.port, host="127.0.0.3", at=place.production.port, answers=1),
        settings(place, pointed(place, door)),
    ):
        let_in(place, door)
        ((code, said),) = in_namespace(place, hosts, (("reseed", "--fresh-start"),))
        # The very next session, which is in the test database, finds nobody. Unpinned it was let in by production.
        nobody = f"cannot connect to {NAME}:{door.port}/{place.test.database} as {place.test.user}: Connection refused"
        assert code == 6 and nobody in said, f"{code} {said}"
        assert everything(place) == before


# --- the settings themselves ------------------------------------------------------------------------------------------


def test_urls_that_hide_where_they_lead_are_refused_by_name(tried: Tried) -> None:
    for name in tables.REFUSED_URLS:
        tried.hiding_url(name)


def test_variables_of_libpq_lead_nowhere(
    place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """F80, F81: whatever the caller's environment says, both servers are the ones of the settings."""
    service = tmp_path / "pg_service.conf"
    there = f"host={HOST}\nport={place.production.port}\ndbname={place.production.database}\n"
    service.write_text(f"[production]\n{there}")
    variables = {
        "PGHOST": HOST,
        "PGHOSTADDR": HOST,
        "PGPORT": str(place.production.port),
        "PGDATABASE": place.production.database,
        "PGUSER": place.production.user,
        "PGSERVICE": "production",
        "PGSERVICEFILE": str(service),
        "PGSYSCONFDIR": str(tmp_path),
        "PGOPTIONS": "-c ringfence.environment=test -c search_path=pg_temp",
        "PGPASSFILE": str(tmp_path / "none"),
        "PGTARGETSESSIONATTRS": "read-only",
        "PGLOADBALANCEHOSTS": "random",
    }
    before = everything(place)
    for name, value in variables.items():  # each alone: one may lead where another leads back
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            code, document, said = command(place, capsys, monkeypatch, "up", "test")
            assert code == 0, f"{name}: {said}"
            assert [e["changes"] for e in document["environments"]] == [[]], name  # type: ignore[index]
    with monkeypatch.context() as patched:
        for name, value in variables.items():
            patched.setenv(name, value)
        code, document, said = command(place, capsys, monkeypatch, "reseed")
        assert code == 0 and document["database"] == place.test.database, said
    assert everything(place) == before


def test_a_database_called_like_a_connection_leads_nowhere(
    place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    production = f"{HOST}:{place.production.port}/{place.production.database}"
    for name in (f"postgresql://{production}", f"host={HOST} port={place.production.port} dbname=postgres"):
        text = place.project.settings.found_at.read_text()
        with settings(place, text.replace("[test]\n", f'[test]\ndatabase = "{name}"\n')):
            before = everything(place)
            for words in ON_TEST:
                if words[0] in ("pre", "run", "up"):
                    continue  # they would make a database of that name on the test server, where it may be
                command(place, capsys, monkeypatch, *words)
                assert everything(place) == before


# --- production is something else -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tables.PRODUCTION_STATEMENTS)
def test_what_is_not_production_any_more_is_refused(tried: Tried, name: str) -> None:
    tried.production_statement(name)


@pytest.mark.parametrize("name", tables.PRODUCTION_DOORS)
def test_no_other_server_is_production(tried: Tried, name: str) -> None:
    _skip_if_lacking(name)
    tried.production_door(name, *tables.PRODUCTION_DOORS[name])


def test_a_production_that_nobody_put_on_record_is_refused(
    place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stamp is right, and a stamp can be copied; 'up' records it, and nothing else takes it for production."""
    record = place.project.paths.identities
    kept = record.read_bytes()
    record.unlink()
    try:
        told = all_refuse(place, capsys, monkeypatch, (*ON_PRODUCTION[1:], *RESTORE))
        assert told.count("no identity of production is on record") == len((*ON_PRODUCTION[1:], *RESTORE)), told
    finally:
        record.write_bytes(kept)


# --- files of embedded servers ----------------------------------------------------------------------------------------


def test_both_environments_in_one_directory(
    place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody replaced test's directory by a link to production's, and wrote production's port for test."""
    base = place.project.paths.data("test")
    was = os.readlink(base)
    text = place.project.settings.found_at.read_text()
    ports = [f"db_port = {p}" for p in (place.production.port, place.test.port)]
    with settings(place, text.replace(ports[0], "db_port = 9").replace(ports[1], ports[0])):
        base.unlink()
        base.symlink_to(place.project.paths.data("production"))
        try:
            all_refuse(place, capsys, monkeypatch, ON_TEST[2:4])
            all_refuse(place, capsys, monkeypatch, (("up", "test"),))
        finally:
            base.unlink()
            base.symlink_to(was)
