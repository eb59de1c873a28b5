"""What can read production's WAL: its files, where they are on this machine, or the server itself."""

from __future__ import annotations

from ringfence.engines import account as accounts
from ringfence.engines import cluster
from ringfence.engines.embedded import EmbeddedEngine
from ringfence.errors import EngineError
from ringfence.integrity.touched import WalReader
from ringfence.integrity.waldump import WalDump
from ringfence.integrity.walinspect import WalInspect
from ringfence.postgres import programs as program_sets
from ringfence.workflow.project import Project

_MAINTENANCE = "postgres"


def readers(project: Project) -> tuple[WalReader, ...]:
    """The sources to try, in this order. Whether one works is only known when it has read."""
    found: list[WalReader] = []
    engine = project.engine("production")
    if isinstance(engine, EmbeddedEngine) and (files := _files(project, engine)) is not None:
        found.append(files)
    target = project.target("production")
    databases = dict.fromkeys((target.database, _MAINTENANCE))
    found.append(WalInspect(targets=[target.on(d) for d in databases]))
    return tuple(found)


def _files(project: Project, engine: EmbeddedEngine) -> WalDump | None:
    base = engine.base.resolve()
    account = accounts.server_account("production")
    try:
        major = cluster.data_version(base / "data")
        programs = accounts.reachable_programs(program_sets.choose(project.programs, major=major), account)
    except EngineError:
        return None  # the server runs without programs of its major here; then the server itself is asked
    return WalDump(program=programs.path("pg_waldump"), directory=base / "data" / "pg_wal", run_as=account)
