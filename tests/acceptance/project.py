"""A project as a user has it: a repository with a remote, a home of its own, and the command ``ringfence``.

The command runs as a process, as it was installed. Nothing of the product is imported but the search for PostgreSQL's
programs. Whatever a command prints is looked at for what must never be there: escape codes where there is no terminal,
passwords, tracebacks, and anything but one object on stdout with ``--json``.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql

from ringfence.postgres.programs import Programs, find_programs

Environment = Literal["production", "test"]
ENVIRONMENTS: tuple[Environment, ...] = ("production", "test")
RINGFENCE = Path(sys.executable).with_name("ringfence")
SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
SHARED_PLACE = Path("/var/lib/ringfence")
INVENTORY = Path(__file__).with_name("inventory.sql")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
COMMAND_TIMEOUT_S = 120
# Below the range from which systems take the ports of outgoing connections (32768 on Linux).
PORTS = range(21000, 32000)


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> str:
        """Everything it printed, without regard to where lines were broken."""
        return " ".join(f"{self.out}\n{self.err}".split())

    @property
    def document(self) -> dict[str, Any]:
        """The one object on stdout."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    def __str__(self) -> str:
        return f"ringfence {' '.join(self.words)}: {self.code}\n{self.out}\n{self.err}"


@dataclass(kw_only=True)
class Project:
    """``base`` holds everything, ``root`` is the work tree, ``environment`` is the whole environment of commands."""

    base: Path
    environment: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    name: str = "inventory"
    kept: dict[str, tuple[int, str]] = field(default_factory=dict)
    begin: str = ""
    sandbox: str = "none"

    # ── places ──

    @property
    def root(self) -> Path:
        return self.base / "shop"

    @property
    def config(self) -> Path:
        return self.root / "ringfence.toml"

    @property
    def remote(self) -> Path:
        return self.base / "remote.git"

    @property
    def pgpass(self) -> Path:
        return self.base / "config" / "ringfence" / self.name / "pgpass"

    @property
    def state(self) -> Path:
        return self.base / "state" / "ringfence" / self.name

    @property
    def backups(self) -> Path:
        return self.root / ".backups"

    @property
    def scripts(self) -> Path:
        """Where the programs of agents lie: not in the work tree, so that a new one makes nothing dirty."""
        return self.base / "agents"

    def data(self, environment: Environment) -> Path:
        return self.base / "data" / "ringfence" / self.name / environment / "data"

    # ── the command ──

    def run(
        self,
        *words: str,
        code: int = 0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> Done:
        """Run ``ringfence WORDS`` to its end, which must be exit status ``code``."""
        started = time.monotonic()
        done = subprocess.run(
            [RINGFENCE, *words],
            cwd=cwd or self.root,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        result = Done(
            words=words,
            code=done.returncode,
            out=done.stdout.decode(),
            err=done.stderr.decode(),
            seconds=time.monotonic() - started,
        )
        assert result.code == code, str(result)
        self.check_manners(result)
        return result

    def json(self, *words: str, code: int = 0, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run a command with ``--json`` and return its object."""
        return self.run(*words, "--json", code=code, env=env).document

    def refused(self, *words: str, code: int, env: Mapping[str, str] | None = None) -> str:
        """Run a command that must fail, with ``--json``; what it said is returned, message and hint."""
        done = self.run(*words, "--json", code=code, env=env)
        document = done.document
        assert document.keys() == {"schema", "error"}, document
        assert document["schema"] == 1
        error = document["error"]
        assert error.keys() == {"code", "message", "hint"}
        assert error["code"] == code
        assert error["message"].split("\n")[0] in done.err, "the message is for people too, on standard error"
        return f"{error['message']} HINT: {error['hint']}"

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a command and do not wait; what it prints goes to ``base/started.log``."""
        with (self.base / "started.log").open("wb") as log:
            return subprocess.Popen(
                [RINGFENCE, *words],
                cwd=self.root,
                env={**self.environment, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check_manners(self, done: Done) -> None:
        """What holds for every command, however it ended."""
        printed = done.out + done.err
        assert "\x1b" not in printed, f"escape codes where there is no terminal: {done}"
        assert "Traceback" not in printed, str(done)
        for password in self.passwords():
            assert password not in printed, f"a password was printed by {done.words}"
        own = done.words[: done.words.index("--")] if "--" in done.words else done.words
        if "--json" in own and "--help" not in own:
            assert done.out.count("\n") == 1 and done.out.endswith("\n"), str(done)
            assert done.document["schema"] == 1
        if done.code not in (0, 1, 3, 8, 130) and '"run":' not in done.out:
            assert "ERROR: " in done.err, str(done)

    def passwords(self) -> list[str]:
        """Every password of the pgpass file."""
        found = [re.split(r"(?<!\\):", line, maxsplit=4)[4] for line in self._pgpass_lines()]
        return [re.sub(r"\\(.)", r"\1", password) for password in found]

    def _pgpass_lines(self) -> list[str]:
        if not self.pgpass.exists():
            return []
        return [line for line in self.pgpass.read_text().splitlines() if line and not line.startswith("#")]

    # ── the databases ──

    def database(self, environment: Environment) -> str:
        return self.name if environment == "production" else f"{self.name}_test"

    def role(self, environment: Environment) -> str:
        return f"{self.name}_admin" if environment == "production" else f"{self.name}_test"

    def password(self, environment: Environment, role: str | None = None) -> str:
        """As anybody would find it: in the pgpass file, by host, port and role."""
        wanted = ["127.0.0.1", str(self.ports[environment]), "*", role or self.role(environment)]
        found = [line.split(":") for line in self._pgpass_lines()]
        return next(fields[4] for fields in found if fields[:4] == wanted)

    @contextlib.contextmanager
    def connect(
        self, environment: Environment, *, role: str | None = None, database: str | None = None
    ) -> Iterator[psycopg.Connection[Any]]:
        """A session in an environment's database, by default as its administrator; every statement commits."""
        connection = psycopg.connect(
            host="127.0.0.1",
            port=self.ports[environment],
            dbname=database or self.database(environment),
            user=role or self.role(environment),
            password=self.password(environment, role),
            connect_timeout=10,
            autocommit=True,
        )
        with connection:
            connection.execute("SET client_min_messages = error")
            yield connection

    def sql(
        self,
        environment: Environment,
        *statements: str,
        role: str | None = None,
        database: str | None = None,
    ) -> list[Any]:
        """Execute statements, each on its own; the rows of the last."""
        rows: list[Any] = []
        with self.connect(environment, role=role, database=database) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def psql(self, environment: Environment, *scripts: Path) -> None:
        """Run scripts with psql, as a user loads data; the first error ends it."""
        program = programs().path("psql")
        options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", *(word for s in scripts for word in ("-f", str(s)))]
        where = ["-h", "127.0.0.1", "-p", str(self.ports[environment]), "-U", self.role(environment)]
        subprocess.run(
            [program, *options, *where, "-d", self.database(environment)],
            env={"PGPASSFILE": str(self.pgpass), "PATH": SYSTEM_PATH, "PGOPTIONS": "-c client_min_messages=error"},
            stdout=subprocess.DEVNULL,
            timeout=120,
            check=True,
        )

    def contents(self, environment: Environment, *, database: str | None = None) -> dict[str, tuple[int, str]]:
        """Each table's number of rows and a digest of its rows as text: a second opinion on fingerprints.

        Made without anything of the product's, on whichever server the table is.
        """
        found = {}
        with self.connect(environment, database=database) as connection:
            connection.execute("SET search_path = ''")
            connection.execute("SET timezone = 'UTC'")
            for schema, table in connection.execute(_TABLES).fetchall():
                query = sql.SQL(_DIGEST).format(sql.Identifier(schema, table))
                row = connection.execute(query).fetchone()
                assert row is not None
                found[f"{schema}.{table}"] = (row[0], row[1])
        return found

    def databases(self, environment: Environment) -> set[str]:
        """The databases of a server but those that every server has."""
        query = "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')"
        return {row[0] for row in self.sql(environment, query, database="postgres")}

    def keep_production(self) -> None:
        """Keep a copy of production's database on its server, from which `reset_production` makes it anew."""
        self.sql("production", "CREATE DATABASE kept TEMPLATE inventory", database="postgres")
        self.kept = self.contents("production")

    def reset_production(self) -> None:
        """Production's database as it was at `keep_production`, with the oid that it had: the same database again."""
        oid, rights = self.sql("production", _DATABASE, database="postgres")[0]
        of_roles = self.sql("production", _ROLE_SETTINGS, database="postgres")
        settings = ("ringfence.environment = 'production'", f"ringfence.project = '{self.name}'")
        with self.connect("production", database="postgres") as connection:
            connection.execute("DROP DATABASE inventory WITH (FORCE)")
            connection.execute(f"CREATE DATABASE inventory TEMPLATE kept OID {oid}".encode())
            for setting in settings:
                connection.execute(f"ALTER DATABASE inventory SET {setting}".encode())
            connection.execute("UPDATE pg_database SET datacl = %s WHERE oid = %s", (rights, oid))
            for role, values in of_roles:
                connection.execute("INSERT INTO pg_db_role_setting VALUES (%s, %s, %s)", (oid, role, values))

    # ── the repository ──

    def git(self, *words: str, cwd: Path | None = None) -> str:
        """git, as the user runs it."""
        done = subprocess.run(
            ["git", *words], cwd=cwd or self.root, env=self.environment, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"git {words}: {done.stderr.decode()}"
        return os.fsdecode(done.stdout).removesuffix("\n")

    def make_repository(self) -> None:
        """A repository with one pushed commit, and a bare one as its remote."""
        self.git("init", "-q", "--bare", str(self.remote), cwd=self.base)
        self.git("init", "-q")
        self.git("remote", "add", "origin", str(self.remote))
        (self.root / "app.py").write_text("print('inventory')\n")
        self.commit_all("Begin")
        self.begin = self.git("rev-parse", "HEAD")

    def commit_all(self, message: str) -> None:
        """Commit everything there is, and push it."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", "-u", "origin", "main")

    def tidy(self) -> None:
        """As it was in the beginning: work tree, remote, and where it was changed the database of production."""
        self.git("switch", "-qf", "main")
        self.git("reset", "-q", "--hard", self.begin)
        self.git("clean", "-qfd")
        self.git("push", "-qf", "origin", "main")
        if self.contents("production") != self.kept:
            self.reset_production()

    def remote_head(self) -> str:
        return self.git("rev-parse", "main", cwd=self.remote)

    def files_of(self, commit: str) -> set[str]:
        """The paths that a commit changed."""
        return set(self.git("show", "--format=", "--name-only", commit).splitlines())

    # ── agents ──

    def configure(self, *agents: str, timeout_minutes: float = 1.0, extra: str = "") -> None:
        """Write ringfence.toml with these agents, whose programs are `agent` scripts, and commit it."""
        text = (self.base / "ringfence.toml.init").read_text()
        for name in agents:
            command = json.dumps(["sh", str(self.scripts / f"{name}.sh")])
            text += f'\n[[workflow.agents]]\nname = "{name}"\ncommand = {command}\n'
            text += f"timeout_minutes = {timeout_minutes}\n"
        text += extra
        if self.config.read_text() != text:
            self.config.write_text(text)
            self.commit_all(f"agents: {', '.join(agents) or 'none'}")

    def agent(self, name: str, script: str) -> None:
        """Write the program of an agent: a shell script that ends at its first error."""
        (self.scripts / f"{name}.sh").write_text(f"set -eu\n{script}\n")

    def production_psql(self, statement: str) -> str:
        """Shell words by which an agent that has found the pgpass file works on production."""
        return (
            f"PGPASSWORD= PGPASSFILE={self.pgpass} psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 "
            f"-p {self.ports['production']} -U {self.role('production')} -d {self.database('production')} "
            f"-c '{statement}'"
        )

    def agent_processes(self) -> dict[int, str]:
        """Living processes that run in an agent's environment of this project."""
        mine = f"HOME={self.environment['HOME']}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                variables = (entry / "environ").read_bytes().split(b"\0")
                if mine in variables and any(v.startswith(b"RINGFENCE_AGENT=") for v in variables):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    # ── making and removing ──

    def write_config(self) -> None:
        """What ``ringfence init`` writes (it runs once a session), with ports of this project's own."""
        if not _INITIAL:
            self.run("init")
            _INITIAL.update({p.relative_to(self.root): p.read_text() for p in self.root.rglob("*") if p.is_file()})
        for path, text in _INITIAL.items():
            self.root.joinpath(path).parent.mkdir(exist_ok=True)
            self.root.joinpath(path).write_text(text)
        text = self.config.read_text()
        for environment, port in (("production", 4546), ("test", 2346)):
            assert f"db_port = {port}\n" in text
            text = text.replace(f"db_port = {port}\n", f"db_port = {self.ports[environment]}\n")
        # Most tests are about what is found after an agent was not held in; tests of the sandbox switch it on.
        text = text.replace('mode = "auto"', f'mode = "{self.sandbox}"')
        self.config.write_text(text)
        (self.base / "ringfence.toml.init").write_text(text)

    def up(self) -> None:
        """``ringfence up``; other ports where somebody was faster."""
        for attempt in range(3):
            try:
                self.run("up")
                return
            except AssertionError as error:
                if attempt == 2 or "is in use" not in str(error):
                    raise
                self.ports = _free_ports()
                self.config.unlink()
                self.write_config()

    def server(self, environment: Environment) -> int | None:
        """The postmaster of an environment, if it runs."""
        try:
            pid = int((self.data(environment) / "postmaster.pid").read_text().split()[0])
            return pid if Path(os.readlink(f"/proc/{pid}/cwd")) == self.data(environment).resolve() else None
        except (OSError, ValueError, IndexError):
            return None

    def kill_server(self, environment: Environment, sign: signal.Signals = signal.SIGQUIT) -> None:
        """End a server at once, as a crash would, and wait until it is gone."""
        pid = self.server(environment)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        wait_for(lambda: self.server(environment) is None, f"the end of {environment}")

    def remove(self) -> None:
        """End what runs, whatever the tests did to the configuration, and remove every directory."""
        for pid in self.agent_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for environment in ENVIRONMENTS:
            with contextlib.suppress(AssertionError):
                self.kill_server(environment)
            real = self.data(environment).parent.resolve()
            if real.parent == SHARED_PLACE:
                shutil.rmtree(real, ignore_errors=True)
        shutil.rmtree(self.base, ignore_errors=True)


_INITIAL: dict[Path, str] = {}
_DATABASE = "SELECT oid, datacl::text[]::aclitem[]::text FROM pg_database WHERE datname = 'inventory'"
_ROLE_SETTINGS = """
SELECT s.setrole, s.setconfig FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase
WHERE d.datname = 'inventory' AND s.setrole <> 0
"""
_TABLES = """
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
ORDER BY 1, 2
"""
_DIGEST = """
SELECT pg_catalog.count(*), coalesce(pg_catalog.md5(pg_catalog.string_agg(row, ',' ORDER BY row COLLATE "C")), '')
FROM (SELECT pg_catalog.md5(t::pg_catalog.text) AS row FROM ONLY {} AS t) AS rows
"""


@contextlib.contextmanager
def new_project(*, name: str = "inventory", environment: Mapping[str, str] | None = None) -> Iterator[Project]:
    """A directory with nothing in it but an empty work tree, and everything that comes of it removed at the end."""
    base = Path(tempfile.mkdtemp(prefix="ringfence-acceptance-"))
    base.chmod(0o711)  # servers of root run under other accounts, which must be able to pass through
    project = Project(base=base, ports=_free_ports(), name=name)
    atexit.register(project.remove)
    try:
        for directory in ("shop", "home", "tmp", "agents"):
            (base / directory).mkdir(mode=0o755)
        gitconfig = base / "home" / ".gitconfig"
        gitconfig.write_text("[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n")
        project.environment = {
            "PATH": SYSTEM_PATH,
            "LANG": "C.UTF-8",
            "HOME": str(base / "home"),
            "TMPDIR": str(base / "tmp"),
            "XDG_CONFIG_HOME": str(base / "config"),
            "XDG_STATE_HOME": str(base / "state"),
            "XDG_DATA_HOME": str(base / "data"),
            "GIT_CONFIG_GLOBAL": str(gitconfig),
            **(environment or {}),
        }
        yield project
    finally:
        project.remove()
        atexit.unregister(project.remove)


@contextlib.contextmanager
def running_project(*scripts: Path, environment: Mapping[str, str] | None = None) -> Iterator[Project]:
    """A project whose servers run, with a repository and a remote, and these scripts loaded into production."""
    with new_project(environment=environment) as project:
        project.write_config()
        project.make_repository()
        project.up()
        if scripts:
            project.psql("production", *scripts)
        yield project


def programs() -> Programs:
    """The programs that the product finds first."""
    return find_programs()[0]


def toml(project: Project) -> dict[str, Any]:
    """The settings as any reader of TOML sees them."""
    return tomllib.loads(project.config.read_text())


def wait_for(condition: Callable[[], object], what: str, *, timeout_s: float = 30, every_s: float = 0.02) -> None:
    """Wait until something is so; the test fails where that takes too long."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(every_s)


def processes_with(*texts: str) -> list[int]:
    """Living processes whose command line holds all of these texts."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                if line and all(text in line for text in texts):
                    found.append(int(entry.name))
    return found


def ends(child: subprocess.Popen[bytes], *, timeout_s: float = COMMAND_TIMEOUT_S) -> int:
    """Wait for a started command and return its exit status."""
    return child.wait(timeout_s)


def words_of(findings: Sequence[Mapping[str, Any]]) -> set[str]:
    """``kind object`` of every entry of ``other``."""
    return {f"{one['kind']} {one['object']}" for one in findings}


def _free_ports() -> dict[str, int]:
    found: list[int] = []
    while len(found) < 2:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                if port not in found:
                    found.append(port)
    return {"production": found[0], "test": found[1]}
