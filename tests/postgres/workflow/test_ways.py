"""Every way to point test at production, or production at something else: each writing command refuses it with 7.

The worst case is set up on production's server: the test role is a superuser there, with test's password, and there is
a database with the test database's name and stamp. So only the server itself can tell.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.postgres.workflow import ways
from tests.postgres.workflow.stage import MAJORS, Stage, World
from tests.postgres.workflow.ways import Door, Way, address, clone, let_in, pooler, statements

from ringfence import process
from ringfence.cli.main import run_command
from ringfence.engines.embedded import HOST
from ringfence.postgres.connection import connect
from ringfence.postgres.target import PassEntry, add_passwords, find_password
from ringfence.workflow.backup import create_backup
from ringfence.workflow.reseed import reseed

pytestmark = pytest.mark.postgres

AGENT = """
[[workflow.agents]]
name = "build"
command = ["touch", "must-not-run"]

[git]
commit = false
push = false
"""
ON_TEST = (
    ("up",),
    ("up", "test", "--accept-new-identity", "--yes"),
    ("reseed", "--fresh-start"),
    ("backup", "verify", "--restore"),
    ("pre", "--fresh-start"),
    ("run", "do it", "--fresh-start"),
    ("repair", "--apply", "--yes"),
)
"""Every command that writes to the test server."""

ON_PRODUCTION = (
    ("up", "production", "--yes"),
    ("backup", "create"),
    ("pre",),
    ("run", "do it"),
    ("repair", "--apply", "--yes"),
    ("roles", "apply"),
)
"""Every command that writes to production, or takes what it reads there for production's."""


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
            _prepare_the_worst(stage)
            yield stage
            _undo_the_worst(stage)
    finally:
        world.close()


def _open_more_doors(world: World) -> None:
    """More addresses and a socket for production."""
    engine = world.engine("production", MAJORS[0])
    sockets = world.path / "s"
    sockets.mkdir(mode=0o777)
    sockets.chmod(0o777)
    addresses = [HOST, "127.0.0.2", *(["::1"] if _has_ipv6() else [])]
    with psycopg.connect(engine.target().conninfo(), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET listen_addresses = '{','.join(addresses)}'".encode())
        connection.execute(f"ALTER SYSTEM SET unix_socket_directories = '{sockets}'".encode())
    engine.stop()
    engine.start()


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def _prepare_the_worst(stage: Stage) -> None:
    test = stage.test
    password = find_password(test.passfile, host=test.host, port=test.port, user=test.user)
    with psycopg.connect(stage.production.on("postgres").conninfo(), autocommit=True) as connection:
        role = sql.Identifier(test.user)
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(role, sql.Literal(password)))
    name = test.database
    stage.run(
        "production",
        f"CREATE DATABASE {name} TEMPLATE {stage.production.database}",
        f"ALTER DATABASE {name} SET ringfence.environment = 'test'",
        f"ALTER DATABASE {name} SET ringfence.project = '{stage.project.name}'",
        database="postgres",
    )


def _undo_the_worst(stage: Stage) -> None:
    stage.run(
        "production",
        f"DROP DATABASE {stage.test.database} WITH (FORCE)",
        f"DROP ROLE {stage.test.user}",
        database="postgres",
    )


# --- what is looked at ------------------------------------------------------------------------------------------------


def everything(stage: Stage) -> list[object]:
    """All that a command could have written on production's server: databases, settings, roles, tables, rows."""
    with connect(stage.production.on("postgres")) as connection:
        rows: list[object] = [
            connection.execute(query.encode()).fetchall()
            for query in (
                "SELECT oid, datname, datistemplate, datallowconn FROM pg_database ORDER BY oid",
                "SELECT * FROM pg_db_role_setting ORDER BY 1, 2",
                "SELECT rolname, rolsuper, rolcanlogin FROM pg_roles ORDER BY 1",
                "SELECT subname FROM pg_subscription",
            )
        ]
    for name in (stage.production.database, stage.test.database):
        with connect(stage.production.on(name)) as connection:
            rows.append(connection.execute("SELECT oid, relname FROM pg_class WHERE oid > 16383 ORDER BY 1").fetchall())
            rows.append(connection.execute("SELECT * FROM public.item").fetchall())
    return rows


@contextlib.contextmanager
def settings(stage: Stage, text: str) -> Iterator[None]:
    """Other settings for a while, and the environment of the project for commands in this process."""
    path = stage.project.settings.found_at
    before, passwords = path.read_text(), stage.project.paths.pgpass.read_bytes()
    record = stage.project.paths.identities.read_bytes()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)
        stage.project.paths.pgpass.write_bytes(passwords)
        assert stage.project.paths.identities.read_bytes() == record, "what is on record was changed"


def pointed(stage: Stage, door: Door) -> str:
    """The settings with the test server behind this door."""
    text = stage.project.settings.found_at.read_text()
    head, _, rest = text.partition("[test]")
    return f"{head}[test]\n" + _behind(door, rest, stage.test.user, stage.test.database)


def production_pointed(stage: Stage, door: Door) -> str:
    """The settings with production behind this door."""
    text = stage.project.settings.found_at.read_text()
    head, _, rest = text.partition("[production]")
    own, _, others = rest.partition("[test]")
    return f"{head}[production]\n{_behind(door, own, stage.production.user, stage.production.database)}[test]{others}"


def _behind(door: Door, section: str, user: str, database: str) -> str:
    lines = [line for line in section.splitlines() if not line.startswith(("db_port", "engine", "url"))]
    own = ['engine = "server"', f'url = "{door.url(user, database)}"']
    return "\n".join([*own, *([f'database = "{door.name}"'] if door.name else []), *lines]) + "\n"


def command(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, dict[str, object], str]:
    """A command in this process, as its ``main`` runs it: exit status, the one object, what it said to people."""
    with monkeypatch.context() as patched:
        for name, value in stage.environ.items():
            patched.setenv(name, value)
        patched.chdir(stage.root)
        capsys.readouterr()
        code = run_command([*words, "--json", "--config", str(stage.project.settings.found_at)])
        said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def all_refuse(
    stage: Stage,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    commands: tuple[tuple[str, ...], ...],
    *,
    codes: tuple[int, ...] = (7,),
) -> str:
    """Each command refuses, says why and what to do, and leaves production as it was; what they said."""
    before, told = everything(stage), []
    for words in commands:
        code, document, said = command(stage, capsys, monkeypatch, *words)
        assert code in codes, f"{words}: {code}\n{said}"
        error = document["error"]
        assert isinstance(error, dict) and error["code"] == code, document
        assert len(error["message"]) > 20 and error["hint"], f"{words} explains nothing: {error}"
        told.append(error["message"])
        assert everything(stage) == before, f"{words} wrote to production's server"
    assert not (stage.root / "must-not-run").exists(), "an agent was started"
    return "\n".join(told)


# --- test leads to production -----------------------------------------------------------------------------------------

SAME_SERVER = "production's server"
NOT_LET_IN = "what answers is not provably test"

TEST_WAYS: dict[str, tuple[Way, str]] = {
    "its address": (address(HOST), SAME_SERVER),
    "its name": (address("localhost"), SAME_SERVER),
    "its name in capitals": (address("LOCALHOST"), SAME_SERVER),
    "its name, percent-encoded": (address("localhost", written="%6cocalhos%74"), SAME_SERVER),
    "the name of this machine": (address(socket.gethostname()), ""),
    "another address of loopback": (address("127.0.0.2"), ""),
    "any address": (address("0.0.0.0"), SAME_SERVER),
    "a short address": (address("127.1"), SAME_SERVER),
    "an address as one number": (address("2130706433"), SAME_SERVER),
    "an address in hexadecimal": (address("0x7f.0.0.1"), SAME_SERVER),
    "an address in octal": (address("0177.0.0.1"), SAME_SERVER),
    "IPv6": (address("::1"), SAME_SERVER),
    "IPv4 within IPv6": (address("::ffff:127.0.0.1"), ""),
    "a Unix socket": (ways.unix_socket, SAME_SERVER),
    "a link to the socket's directory": (ways.linked_socket, SAME_SERVER),
    "a forwarded port": (ways.relay, SAME_SERVER),
    "a forwarded port that is forwarded": (ways.relay_of_a_relay, SAME_SERVER),
    "a pooler, by session": (pooler("session"), "a pooler answers"),
    "a pooler, by transaction": (pooler("transaction"), "a pooler answers"),
    "a pooler, by statement": (pooler("statement"), ""),
    "a pooler that renames the database": (pooler("session", alias=True), "a pooler answers"),
    "a stamp that is gone": (
        statements(
            "ALTER DATABASE {test} RESET ringfence.environment",
            undo=("ALTER DATABASE {test} SET ringfence.environment = 'test'",),
        ),
        SAME_SERVER,
    ),
    "a stamp set for the role": (
        statements(
            "ALTER ROLE {role} SET ringfence.environment = 'test'",
            "ALTER ROLE {role} IN DATABASE {test} SET ringfence.environment = 'test'",
            undo=("ALTER ROLE {role} RESET ALL", "ALTER ROLE {role} IN DATABASE {test} RESET ALL"),
        ),
        SAME_SERVER,
    ),
    "a copy of the database by template": (
        statements(
            "CREATE DATABASE {test}_2 TEMPLATE {production}",
            undo=("DROP DATABASE {test}_2 WITH (FORCE)",),
            name="{test}_2",
        ),
        SAME_SERVER,
    ),
    "the copy renamed": (
        statements(
            "ALTER DATABASE {test} RENAME TO {test}_old",
            "CREATE DATABASE {test} TEMPLATE {production}",
            undo=("DROP DATABASE {test} WITH (FORCE)", "ALTER DATABASE {test}_old RENAME TO {test}"),
        ),
        SAME_SERVER,
    ),
    "the role shut out": (
        statements("ALTER ROLE {role} NOLOGIN", undo=("ALTER ROLE {role} LOGIN",)),
        NOT_LET_IN,
    ),
    "another password": (
        statements("ALTER ROLE {role} VALID UNTIL '2001-01-01'", undo=("ALTER ROLE {role} VALID UNTIL 'infinity'",)),
        NOT_LET_IN,
    ),
}


@pytest.mark.parametrize("name", TEST_WAYS)
def test_no_way_leads_test_to_production(
    place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if "IPv6" in name and not _has_ipv6():
        pytest.skip("no IPv6 loopback on this machine")
    if "pooler" in name and ways.PGBOUNCER is None:
        pytest.skip("no pgbouncer on this machine")
    way, why = TEST_WAYS[name]
    with way(place) as door, settings(place, pointed(place, door)):
        let_in(place, door)
        told = all_refuse(place, capsys, monkeypatch, ON_TEST)
        assert why in told, told


def test_a_name_that_resolves_to_production(place: Stage, tmp_path: Path) -> None:
    """A DNS alias, by a hosts file that only this process sees: it sounds like test and is production."""
    unshare = shutil.which("unshare", path=process.SYSTEM_PATH)
    if os.geteuid() != 0 or unshare is None:
        pytest.skip("only root can give a process another hosts file")
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{HOST} db-test.example.org\n")
    door, before = Door(host="db-test.example.org", port=place.production.port), everything(place)
    with settings(place, pointed(place, door)):
        let_in(place, door)
        for words in ON_TEST:
            line = 'mount --bind "$0" /etc/hosts && exec "$@"'
            done = subprocess.run(
                [unshare, "-m", "sh", "-c", line, str(hosts), *place.command(*words)],
                env=dict(place.environ),
                cwd=place.root,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            if "mount:" in done.stderr:
                pytest.skip("only root with mount rights can give a process another hosts file")
            assert done.returncode == 7, f"{words}: {done.returncode} {done.stderr}"
            assert "a copy of its files" in done.stderr, done.stderr
            assert everything(place) == before


CLONES: dict[str, Way] = {
    "a copy of the files": clone(),
    "a copy of the files, stamped as test": clone(restamped=True),
    "a standby": clone(standby=True),
    "a standby that was promoted": clone(standby=True, promoted=True),
}


@pytest.mark.parametrize("name", CLONES)
def test_no_copy_of_productions_files_is_test(
    place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with CLONES[name](place) as door, settings(place, pointed(place, door)):
        let_in(place, door)
        # A standby takes no writes at all, which 'up' says first (2).
        codes = (7, 2) if name == "a standby" else (7,)
        assert "copy of its files" in all_refuse(place, capsys, monkeypatch, ON_TEST, codes=codes)


# --- the settings themselves ------------------------------------------------------------------------------------------

REFUSED_URLS: dict[str, str] = {
    "another host as a parameter": "postgresql://{role}@{test}?host={host}&port={port}",
    "another address as a parameter": "postgresql://{role}@{test}?hostaddr=127.0.0.1",
    "an encoded parameter": "postgresql://{role}@{test}?%68ost=127.0.0.1",
    "another port as a parameter": "postgresql://{role}@{test}?port={port}",
    "another database as a parameter": "postgresql://{role}@{test}?dbname={production}",
    "another role as a parameter": "postgresql://{role}@{test}?user=postgres",
    "a service": "postgresql://{role}@{test}?service=production",
    "a stamp by options": "postgresql://{role}@{test}?options=-c%20ringfence.environment%3Dtest",
    "a server by its state": "postgresql://{role}@{test}?target_session_attrs=primary",
    "a server by chance": "postgresql://{role}@{test}?load_balance_hosts=random",
    "a password file": "postgresql://{role}@{test}?passfile=/tmp/x",
    "two hosts": "postgresql://{role}@127.0.0.1:1,127.0.0.1:{port}/{name}",
    "no host": "postgresql://{role}@/{name}",
    "words instead of a url": "host=127.0.0.1 port={port} dbname={production}",
    "a service alone": "service=production",
}


def test_urls_that_hide_where_they_lead_are_refused_by_name(
    place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """These are no questions of identity: the settings do not load (2), and nobody connects anywhere."""
    for name, url in REFUSED_URLS.items():
        text = url.format(
            role=place.test.user,
            test=f"{HOST}:{place.test.port}/{place.test.database}",
            host=HOST,
            port=place.production.port,
            production=place.production.database,
            name=place.test.database,
        )
        settings_text = pointed(place, Door(host=HOST, port=1)).replace(
            f"postgresql://{place.test.user}@{HOST}:1/{place.test.database}", text
        )
        assert text in settings_text
        with settings(place, settings_text):
            assert "test.url" in all_refuse(place, capsys, monkeypatch, ON_TEST[:1], codes=(2,)), name


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
    for name, value in variables.items():
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            code, document, said = command(place, capsys, monkeypatch, "up")
            assert code == 0, f"{name}: {said}"
            assert [e["changes"] for e in document["environments"]] == [[], []], name  # type: ignore[index]
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


@contextlib.contextmanager
def the_test_server(stage: Stage) -> Iterator[Door]:
    """Production's settings lead to the test server, whose database claims to be production."""
    role, name = stage.production.user, stage.production.database
    password = find_password(stage.production.passfile, host=HOST, port=stage.production.port, user=role)
    with psycopg.connect(stage.test.on("postgres").conninfo(), autocommit=True) as connection:
        words = sql.SQL("ALTER ROLE {} SUPERUSER LOGIN PASSWORD {}")  # the reseed made it, without a login
        connection.execute(words.format(sql.Identifier(role), sql.Literal(password)))
    stage.run(
        "test",
        f"CREATE DATABASE {name}",
        f"ALTER DATABASE {name} SET ringfence.environment = 'production'",
        f"ALTER DATABASE {name} SET ringfence.project = '{stage.project.name}'",
        database="postgres",
    )
    add_passwords(stage.test.passfile, [PassEntry(host=HOST, port=stage.test.port, user=role, password=str(password))])
    try:
        yield Door(host="localhost", port=stage.test.port)
    finally:
        stage.run("test", f"DROP DATABASE {name} WITH (FORCE)", f"ALTER ROLE {role} NOLOGIN", database="postgres")


PRODUCTION_STATEMENTS: dict[str, tuple[Way, str]] = {
    "a stamp that is gone, set for the role": (
        statements(
            "ALTER DATABASE {production} RESET ringfence.environment",
            "ALTER ROLE shared_admin SET ringfence.environment = 'production'",
            "ALTER ROLE shared_admin IN DATABASE {production} SET ringfence.environment = 'production'",
            undo=(
                "ALTER ROLE shared_admin RESET ALL",
                "ALTER ROLE shared_admin IN DATABASE {production} RESET ALL",
                "ALTER DATABASE {production} SET ringfence.environment = 'production'",
            ),
        ),
        "no stamp",
    ),
    "another project's stamp": (
        statements(
            "ALTER DATABASE {production} SET ringfence.project = 'other'",
            undo=("ALTER DATABASE {production} SET ringfence.project = '{project}'",),
        ),
        "'other'",
    ),
    "a copy in its place, stamped": (
        statements(
            "ALTER DATABASE {production} RENAME TO {production}_old",
            "CREATE DATABASE {production} TEMPLATE {production}_old",
            "ALTER DATABASE {production} SET ringfence.environment = 'production'",
            "ALTER DATABASE {production} SET ringfence.project = '{project}'",
            undo=(
                "DROP DATABASE {production} WITH (FORCE)",
                "ALTER DATABASE {production}_old RENAME TO {production}",
            ),
        ),
        "on record",
    ),
    "a database that was renamed": (
        statements(
            "ALTER DATABASE {production} RENAME TO {production}_old",
            undo=("ALTER DATABASE {production}_old RENAME TO {production}",),
        ),
        "",
    ),
}


@pytest.mark.parametrize("name", PRODUCTION_STATEMENTS)
def test_what_is_not_production_any_more_is_refused(
    place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    way, why = PRODUCTION_STATEMENTS[name]
    # 'up' puts a stamp back that was taken from the very database on record.
    commands = ON_PRODUCTION[1:] if name.startswith("a stamp that is gone") else ON_PRODUCTION
    with contextlib.ExitStack() as stack:
        stack.enter_context(settings(place, place.project.settings.found_at.read_text()))
        if name == "a database that was renamed":
            monkeypatch.setattr(f"{__name__}.everything", lambda stage: [])
        stack.enter_context(way(place))
        assert why in all_refuse(place, capsys, monkeypatch, commands)


PRODUCTION_DOORS: dict[str, tuple[Way, str]] = {
    "the test server": (the_test_server, "test server"),
    "a pooler": (pooler("session"), "a pooler answers"),
}


@pytest.mark.parametrize("name", PRODUCTION_DOORS)
def test_no_other_server_is_production(
    place: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    way, why = PRODUCTION_DOORS[name]
    if name == "a pooler" and ways.PGBOUNCER is None:
        pytest.skip("no pgbouncer on this machine")
    passwords = place.project.paths.pgpass.read_bytes()
    with way(place) as door, settings(place, production_pointed(place, door)):
        entries = [PassEntry(host=door.host, port=door.port, user=place.production.user, password=_of(place))]
        add_passwords(place.production.passfile, entries)
        told = all_refuse(place, capsys, monkeypatch, ON_PRODUCTION)
        assert why in told, told
    place.project.paths.pgpass.write_bytes(passwords)


def _of(stage: Stage) -> str:
    target = stage.production
    found = find_password(target.passfile, host=HOST, port=target.port, user=target.user)
    assert found is not None
    return found


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
            # For root the two servers run under different accounts, which is what the engine sees first (2).
            all_refuse(place, capsys, monkeypatch, (("up", "test"),), codes=(7, 2))
        finally:
            base.unlink()
            base.symlink_to(was)
