"""The throw-away project of ``attack``, and the proof, asked before each harm, that it is the one made here.

The command takes no configuration: there is no way to name a database to it. What is attacked carries a random word
that this process alone knows, in files that this process made; every session that is about to do harm asks for both.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from ringfence.attack.cases import STATEMENTS
from ringfence.attack.model import Damage, Variables
from ringfence.backup.model import Entry
from ringfence.errors import IdentityError, InternalError
from ringfence.git.program import Git
from ringfence.guard import policy as guard_policy
from ringfence.postgres import programs as program_sets
from ringfence.postgres import queries, target
from ringfence.postgres.connection import Connection, connect
from ringfence.sandbox.decoys import Decoys
from ringfence.workflow import guard
from ringfence.workflow.backups import backup, reseed
from ringfence.workflow.enclosures import access
from ringfence.workflow.progress import Quiet
from ringfence.workflow.project import Project
from ringfence.workflow.runs import agents
from ringfence.workflow.servers import scratch

REACHED = "REACHED"
"""What an act prints by which nothing else could be told that it got through."""

_WORD = "attack.word"
_NOT_OWN = "what answers is not the throw-away database that was made here; nothing was done"
_KEPT = ("PATH", "LANG", "TMPDIR", "TERM", "USER", "LOGNAME", "SHELL", "SSL_CERT_FILE")
_CREDENTIALS = (".aws/credentials", ".kube/config", ".ssh/id_ed25519", ".terraform.d/credentials.tfrc.json")
_WATCHED = ("ringfence.toml", ".git/config", ".git/hooks/pre-push")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Two servers that were made here, and what was recorded of them before anything was tried."""

    place: Path
    project: Project
    git: Git
    word: str = field(repr=False)
    data: Path
    system_identifier: str
    secret: str = field(repr=False)
    first: Entry

    @property
    def root(self) -> Path:
        """The work tree."""
        return self.project.settings.root

    @property
    def environment(self) -> dict[str, str]:
        """The variables of an agent."""
        given = agents.environment_of(self.project, "attack", self.project.environ, run_id="attack", issue=None)
        return dict(given.variables)

    @contextlib.contextmanager
    def own(self, database: str | None = None) -> Iterator[Connection]:
        """A writing session of the administrator in a server that was shown to be the one made here.

        Raises IdentityError (7) where it is not, before anything is written.
        """
        where = self.project.engine("production").target(database or self.project.database("production"))
        with connect(where, read_only=False) as connection:
            self.require_own(connection)
            yield connection

    def require_own(self, connection: Connection) -> None:
        """Refuse (7) unless this session of the administrator is in the throw-away production: word and files."""
        self.require_word(connection)
        row = connection.execute(queries.load("ringfence.workflow", "attack_own")).fetchone()
        if row is None or Path(row[0]).resolve() != self.data:
            raise IdentityError(_NOT_OWN)

    def require_word(self, connection: Connection) -> None:
        """Refuse (7) unless the server knows the word that only this process knows; any role may ask."""
        name = self.project.database("production")
        row = connection.execute(queries.load("ringfence.workflow", "attack_word"), {"database": name}).fetchone()
        if row is None or f"{_WORD}={self.word}" not in row[0]:
            raise IdentityError(_NOT_OWN)

    def values(self, damage: Damage | None, decoys: Decoys | None) -> dict[str, str]:
        """What stands for the places of a case."""
        settings, project = self.project.settings, self.project
        production, test = project.target("production"), project.target("test")
        inside = access.outside(project)
        admin, app = (self.password(r) for r in (settings.production.admin_role, settings.production.app_role))
        database = (damage.database if damage else None) or production.database
        return {
            "URL": f"postgresql://{production.user}:{admin}@127.0.0.1:{production.port}/{database}",
            "APP_URL": f"postgresql://{settings.production.app_role}:{app}@127.0.0.1:{production.port}/{database}",
            "TEST_URL": f"postgresql://{test.user}:{inside.password}@127.0.0.1:{test.port}/{test.database}",
            "PASSWORD": admin,
            "PORT": str(production.port),
            "TEST_PORT": str(test.port),
            "WEB": str(settings.production.web_port),
            "TEST_WEB": str(settings.test.web_port),
            "PASSFILE": str(project.paths.pgpass),
            "DATA": str(self.data),
            "PID": str(project.engine("production").status().pid),
            "POLICY": str(project.paths.guard_policy),
            "HOME": str(self.place / "home"),
            "PYTHON": sys.executable,
            "PSQL": str(program_sets.choose(project.programs).path("psql")),
            "SOCKET": str(decoys.sockets[0]) if decoys else "/run/docker.sock",
            "LISTENER": str(decoys.port) if decoys else "1",
        }

    def password(self, role: str) -> str:
        """A role's password of the throw-away production."""
        where = self.project.target("production")
        found = target.find_password(where.passfile, host=where.host, port=where.port, user=role)
        if found is None:
            raise InternalError(f"the throw-away production has no password for {role}")
        return found

    def reached(self) -> tuple[str, ...]:
        """Words of which each shows, in what an act printed, that it got through."""
        roles = (self.project.settings.production.admin_role, self.project.settings.production.app_role)
        return (REACHED, self.system_identifier, self.secret, *(self.password(r) for r in roles))

    def surroundings(self) -> dict[str, str]:
        """What must be as it was besides the database, as digests: backups, settings, hooks, policy, the remote."""
        watched = [self.root / name for name in _WATCHED] + [self.project.paths.guard_policy]
        found = {str(path): _digest(path) for path in watched}
        found |= {str(p): str(p.stat().st_size) for p in sorted(self.project.paths.backups.iterdir())}
        return found | {"remote": self.git.run("for-each-ref", cwd=self.place / scratch.REMOTE).line}

    def statements(self, *texts: str) -> Path:
        """Write the statements of a case, which end in a look at who answers."""
        path = self.root / STATEMENTS
        lines = [*texts, "SELECT system_identifier FROM pg_catalog.pg_control_system()"]
        path.write_text("".join(f"{line};\n" for line in lines), "utf-8")
        return path


@contextlib.contextmanager
def standing() -> Iterator[Stage]:
    """Two servers with sample data, a proven backup with a mirror, a home with credentials; gone at the end."""
    with scratch.directory("attack", keep=False) as place:
        home = place / "home"
        secret = secrets.token_hex(16)
        for name in _CREDENTIALS:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(f"{secret}\n", "utf-8")
        mirror = f'keep = 5\nmirror = "{place / "mirror"}"'
        environ = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"HOME": str(home)}
        project, git = scratch.project(place, ignored=[STATEMENTS], settings={"keep = 5": mirror}, environ=environ)
        try:
            guard.write_policy(project, project.environ)
            yield _marked(place, project, git, secret)
        finally:
            scratch.stop(project)


def _marked(place: Path, project: Project, git: Git, secret: str) -> Stage:
    word = secrets.token_hex(16)
    status = project.engine("production").status()
    if project.engine("production").kind != "embedded" or status.data_directory is None:
        raise InternalError("the throw-away production is not a server of its own")
    data = status.data_directory.resolve()
    with connect(project.target("production"), read_only=False) as connection:
        row = connection.execute(queries.load("ringfence.workflow", "attack_own")).fetchone()
        if row is None or Path(row[0]).resolve() != data:
            raise InternalError("the throw-away production is not where it was made")
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                sql.Identifier(project.database("production")), sql.SQL(_WORD), sql.Literal(word)
            )
        )
    made = backup.create_backup(project, issue="attack", progress=Quiet())
    reseed.reseed(project, made.entry.id, fresh_start=False, progress=Quiet())
    return Stage(
        place=place,
        project=project,
        git=git,
        word=word,
        data=data,
        system_identifier=row[1],
        secret=secret,
        first=made.entry,
    )


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return error.strerror or str(error)


def guard_rules(stage: Stage) -> guard_policy.Policy:
    """The policy as the guard reads it."""
    return guard_policy.read(guard_policy.place(stage.project.environ, stage.project.name))


def with_variables(environment: Mapping[str, str], kind: Variables, url: str) -> dict[str, str]:
    """An agent's variables; as they are where somebody has put production there; or without any database."""
    if kind == "test":
        return dict(environment)
    bare = {n: v for n, v in environment.items() if not n.startswith("PG") and not n.endswith("DATABASE_URL")}
    return bare if kind == "none" else {**bare, "DATABASE_URL": url}
