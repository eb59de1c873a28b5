"""What the test *server* can reach of production. Its superuser is the agents', and runs programs through it.

``COPY … FROM PROGRAM`` starts any program with the server's rights, and functions of PostgreSQL itself open files and
connections. So both are tried, as that superuser: a sandbox around an agent says nothing about the server.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

import psycopg
from psycopg import sql

from ringfence.engines.model import EngineKind
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection, error_text, is_answer
from ringfence.redact import one_line
from ringfence.workflow import proven
from ringfence.workflow.checks import checklist
from ringfence.workflow.checks.checklist import Line
from ringfence.workflow.project import Project

Door = tuple[str, int]
_INSIDE_PORT = 5432
_LOOPBACK = ("127.0.0.1", "::1")

CONTAIN: Mapping[EngineKind, str] = {
    "embedded": "contain the test server: with bubblewrap (bwrap) on this machine 'ringfence down test' and "
    "'ringfence up test' start it where production does not exist; what keeps it in is said by 'ringfence status'",
    "docker": "put the test container into a network of its own that does not lead to production's, without host "
    "mounts and without the Docker socket; 'ringfence init --engine docker' writes it so",
    "server": "this server is not Ringfence's to contain: a firewall on its machine that lets it open no connection to "
    "production, another machine or account for it, or engine embedded or docker for test",
}


def reach(project: Project) -> Iterable[Line]:
    """Network, files, processes and the Docker socket, tried from inside of the test server."""
    pid = project.engine("production").status().pid or 0
    places = _places(project)
    contained = project.engine("test").evidence().contained_by or "nothing"
    with proven.session("test", project.engine("test").target("postgres"), read_only=False) as connection:
        # First of all: what is tried here must never be tried on production.
        proven.require_test_server(project, connection)
        doors = _doors(project, connection)
        by_server = {door: _connect_from_server(connection, *door) for door in doors}
        files = _files_by_server(connection, places)
        hosts = " ".join(f"{host}/{port}" for host, port in doors)
        said = _by_program(connection, [hosts, str(pid), *map(str, places)])
    fix = CONTAIN[project.engine("test").kind]
    kept = f"contained by: {contained}"
    yield _network(by_server, said, kept, _publish_less(project) or fix)
    yield _files(places, files, said, kept, fix)
    yield _processes(pid, said, kept, fix)


def _publish_less(project: Project) -> str | None:
    """What mends a way that leads over this machine's own addresses; None where production's container has none."""
    evidence = project.engine("production").evidence()
    wide = sorted({_address((at.host, at.port)) for at in evidence.listens if at.host not in _LOOPBACK})
    if evidence.kind != "docker" or not wide:
        return None
    return (
        f"publish production on 127.0.0.1 only, not on {' and '.join(wide)}: make its container anew with "
        f"-p 127.0.0.1:{project.target('production').port}:{_INSIDE_PORT}; its volume stays; keep test "
        "in a network of its own"
    )


def _network(by_server: Mapping[Door, str | None], said: Mapping[str, str] | str, kept: str, fix: str) -> Line:
    name, text = "separation/reach-network", "the test server cannot open a connection to production"
    seen, opened, untried = [], [], False
    for number, (door, words) in enumerate(by_server.items()):
        program = said if isinstance(said, str) else said.get(f"tcp{number}", "said nothing")
        seen.append(f"{_address(door)}: server: {_reason(words) if words else 'could not try'}; program: {program}")
        if _is_open(words) or program == "open":
            opened.append(_address(door))
        untried = untried or (words is None and program != "closed")
    seen.append(kept)
    if opened:
        message = f"the test server opened a connection to {', '.join(opened)}"
        return checklist.fails(name, text, message, severity="high", about="test server", fix=fix, evidence=seen)
    if untried:
        return checklist.unknown(name, text, "; ".join(seen), about="test server", fix=fix)
    return checklist.holds(name, text, *seen)


def _files(places: list[Path], files: Mapping[str, str], said: Mapping[str, str] | str, kept: str, fix: str) -> Line:
    name, text = "separation/reach-files", "the test server cannot read production's files, passwords or backups"
    readable, seen = [], []
    for number, place in enumerate(places):
        by_program = said if isinstance(said, str) else said.get(f"file{number}", "said nothing")
        seen.append(f"{one_line(str(place))}: server {files[str(place)]}, program {by_program}")
        if files[str(place)] == "readable" or by_program == "readable":
            readable.append(one_line(str(place)))
    if readable:
        message = f"the test server can read {', '.join(readable)}"
        return checklist.fails(
            name, text, message, severity="high", about="test server", fix=fix, evidence=(*seen, kept)
        )
    if any(how.startswith("untried") for how in files.values()):
        return checklist.unknown(name, text, "; ".join(seen), about="test server", fix=fix)
    return checklist.holds(name, text, *seen, kept)


def _processes(pid: int, said: Mapping[str, str] | str, kept: str, fix: str) -> Line:
    name, text = "separation/reach-processes", "the test server cannot signal production or drive Docker"
    if isinstance(said, str):
        return checklist.unknown(name, text, f"no program could be started: {said}", about="test server", fix=fix)
    seen = (f"signal to process {pid or '(not on this machine)'}: {said.get('signal', 'said nothing')}", kept)
    wrong = ["may signal production's server process"] if said.get("signal") == "allowed" else []
    wrong += [f"may write to {one_line(said['docker'])}"] if "docker" in said else []
    if wrong:
        message = f"the test server {' and '.join(wrong)}"
        return checklist.fails(name, text, message, severity="high", about="test server", fix=fix, evidence=seen)
    if "signal" not in said:
        return checklist.unknown(
            name, text, "the program ended before it had said everything", about="test server", fix=fix
        )
    return checklist.holds(name, text, *seen)


_AROUND = re.compile(
    r"^(?:subscription \S+ )?could not connect to the publisher: (?:connection to server at .*?, port \d+ failed: )?"
)


def _is_open(words: str | None) -> bool:
    """Whether a connection was opened, whatever became of it: a server that says "not now" was reached, too."""
    return words is not None and (is_answer(words) or "FATAL" in words or "closed the connection" in words)


def _reason(words: str) -> str:
    """Why nothing was opened, without what surrounds it: the address stands there already."""
    return one_line(_AROUND.sub("", words).split("\n")[0])


def _address(door: Door) -> str:
    return one_line(f"[{door[0]}]:{door[1]}" if ":" in door[0] else f"{door[0]}:{door[1]}")


def _doors(project: Project, connection: Connection) -> list[Door]:
    """Every address at which the test server may find production: its own, its container's, the machine's.

    A port that Docker publishes on 127.0.0.1 is elsewhere for a container: at the gateway of its network.
    """
    evidence = project.engine("production").evidence()
    target = project.target("production")
    doors = [(target.host, target.port), *((at.host, at.port) for at in evidence.listens)]
    if evidence.container is not None:
        doors.append((evidence.container.name, _INSIDE_PORT))
    # Elsewhere the gateway is somebody's router, which is nobody's to knock at.
    gateway = _gateway(connection) if project.engine("test").kind == "docker" else None
    if gateway is not None:
        doors += [(gateway, target.port), (gateway, _INSIDE_PORT)]
    # A socket's directory is a file, and looked at as such; any address means the machine itself.
    return list(dict.fromkeys((h, p) for h, p in doors if not h.startswith("/") and h not in ("0.0.0.0", "::")))


def _gateway(connection: Connection) -> str | None:
    """The default gateway of the test server's network; None where it has none, or nobody can tell."""
    try:
        row = connection.execute(queries.load("ringfence.workflow", "reach_route")).fetchone()
    except psycopg.Error:
        return None
    for line in str(row[0] if row else "").splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[1] == "00000000" and len(fields[2]) == 8:
            return ".".join(str(byte) for byte in reversed(bytes.fromhex(fields[2])))
    return None


def _places(project: Project) -> list[Path]:
    """What must stay closed: production's data as far as they lie on this machine, passwords, state, backups."""
    data = [Path(s.path) for s in project.engine("production").evidence().storage if s.inode is not None]
    own = [project.paths.pgpass, project.paths.state_directory, project.paths.identities, project.paths.backups]
    return list(dict.fromkeys([*data, *own]))


def _connect_from_server(connection: Connection, host: str, port: int) -> str | None:
    """What PostgreSQL itself says when it connects to production as a subscriber would; None where it cannot try.

    The role is made up and no password goes along. Whatever happens is rolled back.
    """
    conninfo = psycopg.conninfo.make_conninfo(
        "", host=host, port=port, dbname="postgres", user="ringfence_reach", connect_timeout=3, sslmode="prefer"
    )
    statement = sql.SQL(
        "CREATE SUBSCRIPTION ringfence_reach CONNECTION {} PUBLICATION ringfence_reach "
        "WITH (connect = true, create_slot = false, enabled = false, slot_name = NONE)"
    ).format(sql.Literal(conninfo))
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except psycopg.Error as error:
        words = error_text(error)
        return words if "connect" in words else None
    return "connected"


def _files_by_server(connection: Connection, places: list[Path]) -> dict[str, str]:
    """Whether the server's own functions can look at each place."""
    found = {}
    for place in places:
        try:
            row = connection.execute(queries.load("ringfence.workflow", "reach_file"), {"path": str(place)}).fetchone()
            if row is None or row[0] is None:
                found[str(place)] = "unseen"
                continue
            query = "reach_directory" if row[0] else "reach_content"
            connection.execute(queries.load("ringfence.workflow", query), {"path": str(place)}).fetchall()
            found[str(place)] = "readable"
        except psycopg.errors.InsufficientPrivilege:
            found[str(place)] = "refused"
        except psycopg.Error as error:
            found[str(place)] = f"untried ({one_line(error_text(error))})"
    return found


def _by_program(connection: Connection, arguments: list[str]) -> Mapping[str, str] | str:
    """What a program started by the server says it can do; why none could be started where that is so."""
    script = resources.files("ringfence.workflow").joinpath("scenes", "reach.sh").read_text("utf-8")
    line = " ".join(["sh", "-c", shlex.quote(script), "reach", *map(shlex.quote, arguments)])
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("CREATE TEMPORARY TABLE ringfence_reach (said text) ON COMMIT DROP")
            connection.execute(queries.load("ringfence.workflow", "reach_program").format(script=sql.Literal(line)))
            rows = connection.execute("SELECT said FROM pg_temp.ringfence_reach").fetchall()
    except psycopg.Error as error:
        return one_line(error_text(error))
    return {word: result for word, _, result in (str(r[0]).partition(" ") for r in rows)}
