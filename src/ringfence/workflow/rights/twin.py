"""A throw-away twin of production's cluster: its roles, rights and schema, no rows; for what cannot be rolled back."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from psycopg import sql

from ringfence import process
from ringfence.engines import ports
from ringfence.engines.embedded import EmbeddedEngine
from ringfence.errors import EngineError
from ringfence.postgres import capability
from ringfence.postgres import target as targets
from ringfence.postgres.connection import connect
from ringfence.postgres.target import Target
from ringfence.redact import quote_ident
from ringfence.workflow.project import Project

_TIMEOUT_S = 600
_COPIED_SETTINGS = ("lo_compat_privileges", "max_prepared_transactions")


@contextlib.contextmanager
def twin(project: Project) -> Iterator[Target]:
    """A running copy, gone at the end of the block; the target is the app role's in it, with its own password.

    Raises EngineError where no programs here can run one.
    """
    place = Path(tempfile.mkdtemp(prefix="ringfence-twin-"))
    place.chmod(0o711)  # the server's account must pass through; what is private inside has its own mode
    engine = _engine(project, place)
    try:
        engine.start()
        _copy(project, engine, place)
        app = project.settings.production.app_role
        yield engine.target(project.database("production"), user=app)
    finally:
        engine.stop()
        shutil.rmtree(engine.base.resolve(), ignore_errors=True)
        shutil.rmtree(place, ignore_errors=True)


def _engine(project: Project, place: Path) -> EmbeddedEngine:
    with connect(project.target("production")) as connection:
        major = capability.major(connection.info.server_version)
    able = sorted((p for p in project.programs if p.major >= major), key=lambda p: (p.major, p.source))
    if not able:
        raise EngineError(
            f"no PostgreSQL {major} or newer on this machine for a throw-away twin",
            hint="install it, or pip install 'ringfence[embedded]'",
        )
    return EmbeddedEngine(
        project=project.name,
        environment="production",
        base=place / "twin",
        port=ports.free_port(),
        superuser=project.settings.production.admin_role,
        passfile=place / "client" / "pgpass",
        available=[p for p in able if p.major == able[0].major],
        disposable=True,
    )


def _copy(project: Project, engine: EmbeddedEngine, place: Path) -> None:
    source, admin = project.target("production"), engine.superuser
    with connect(source) as connection:
        settings = connection.execute(
            "SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY (%s)", (list(_COPIED_SETTINGS),)
        ).fetchall()
        clients = project.client_programs("production", connection.info.server_version)
    dumps = place / "dumps"
    dumps.mkdir(mode=0o700)
    for name, words in (("pg_dumpall", ["--globals-only"]), ("pg_dump", ["--schema-only", "--create"])):
        line = [*clients.command(name), *words, "--no-password", f"--dbname={clients.conninfo(source)}"]
        with (dumps / name).open("xb") as file:
            process.run(line, timeout_s=_TIMEOUT_S, env=clients.environment(source), stdout_to=file)
    _run(engine, _without(admin, (dumps / "pg_dumpall").read_text("utf-8")), strict=True)
    # What cannot be made here (an extension this machine lacks) is missing in the twin, and attempts on it say so.
    _run(engine, (dumps / "pg_dump").read_text("utf-8"), strict=False)
    known = targets.find_password(
        source.passfile, host=source.host, port=source.port, user=project.settings.production.app_role
    )
    if known is not None:
        entry = targets.PassEntry(
            host=engine.target().host, port=engine.port, user=project.settings.production.app_role, password=known
        )
        targets.add_passwords(engine.passfile, [entry])
    with connect(engine.target(), read_only=False) as connection:
        for name, value in settings:
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    engine.stop()
    engine.start()


def _without(admin: str, script: str) -> str:
    """The roles without the administrator's, who is there already, with a password of the twin's own (pure)."""
    name = re.escape(quote_ident(admin))
    plain = re.escape(admin)
    return re.sub(rf'(?m)^(CREATE|ALTER) ROLE (?:{name}|{plain}|"{plain}")(;| WITH .*)$', "", script)


def _run(engine: EmbeddedEngine, script: str, *, strict: bool) -> None:
    target = engine.target()
    clients = engine.clients(engine.available[0].major * 10000)
    stop = "1" if strict else "0"
    line = [*clients.command("psql"), "-X", "-q", "-v", f"ON_ERROR_STOP={stop}", "-d", clients.conninfo(target)]
    process.run(line, timeout_s=_TIMEOUT_S, env=clients.environment(target), stdin=script.encode(), check=strict)
