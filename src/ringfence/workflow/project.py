"""One project: its settings, its places, its two servers, its backups."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ringfence import files
from ringfence.backup import seal
from ringfence.backup.compression import Compression
from ringfence.backup.dump import Method
from ringfence.backup.formats.choice import FORMATS
from ringfence.backup.store import BackupStore
from ringfence.config.load import load
from ringfence.config.model import Settings
from ringfence.config.paths import Paths, paths_for
from ringfence.config.values import EXACT, LIVE
from ringfence.engines.contract import Engine
from ringfence.engines.factory import EngineSettings, engine_for
from ringfence.engines.model import EnvironmentName
from ringfence.integrity.attribution import Application
from ringfence.integrity.fingerprint import Load
from ringfence.integrity.model import TableName, TableRule
from ringfence.integrity.witness import WITNESS
from ringfence.postgres import programs as program_sets
from ringfence.postgres.programs import ClientPrograms, Programs
from ringfence.postgres.target import Target
from ringfence.roles.model import GUARD_SCHEMA
from ringfence.sandbox.server import ServerSandbox

STEP_TIMEOUT_S = 6 * 3600
"""An upper bound for one dump or restore: far above any honest one, so that nothing hangs for ever."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """What every command of a project starts from. Made by `open_project`. ``environ`` is the caller's environment."""

    settings: Settings
    paths: Paths
    programs: tuple[Programs, ...]
    environ: Mapping[str, str] = field(repr=False)
    seal_key: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The project's name, which is part of every stamp."""
        return self.settings.project

    @property
    def store(self) -> BackupStore:
        """The backups of production."""
        return BackupStore(directory=self.paths.backups, copies=self.paths.manifests, key=self.seal_key)

    @property
    def workers(self) -> int:
        """How many sessions read tables at the same time: half of the processors, at least one, at most four."""
        return max(1, min(4, (os.cpu_count() or 2) // 2))

    @property
    def dump_method(self) -> Method:
        """How production is dumped: as [backup] says; by as many sessions as read tables where it says no number."""
        settings = self.settings.backup
        return Method(
            form=FORMATS[settings.format],
            jobs=settings.jobs or self.load.workers,
            compression=Compression.parse(settings.compression),
        )

    @property
    def restore_jobs(self) -> int:
        """How many sessions a restore writes with."""
        return self.settings.backup.jobs or self.workers + 1

    @property
    def load(self) -> Load:
        """What reading production may take of it: ``[verify] load``."""
        if self.settings.verify.load == "gentle":
            return Load(workers=1, rest=1.0)
        return Load(workers=self.workers)

    def engine(self, environment: EnvironmentName) -> Engine:
        """The engine of one environment."""
        production, test = self.settings.production, self.settings.test
        chosen = production if environment == "production" else test
        return engine_for(
            EngineSettings(
                kind=chosen.engine,
                project=self.name,
                environment=environment,
                port=chosen.db_port,
                superuser=production.admin_role if environment == "production" else test.role,
                passfile=self.paths.pgpass,
                base=self.paths.data(environment),
                root=self.settings.root,
                available=self.programs,
                clients_available=program_sets.find_client_programs(),
                database=chosen.database,
                environ=self.environ,
                container=chosen.container,
                volume=chosen.volume,
                image=chosen.image,
                url=chosen.url,
                containment=ServerSandbox() if environment == "test" else None,
            )
        )

    def database(self, environment: EnvironmentName) -> str:
        """The name of an environment's database."""
        chosen = self.settings.production if environment == "production" else self.settings.test
        return chosen.database

    def target(self, environment: EnvironmentName) -> Target:
        """An environment's database as its administrator sees it."""
        return self.engine(environment).target(self.database(environment))

    @property
    def application(self) -> Application | None:
        """Whose writing is allowed while a run goes on; None where nobody's is: ``[verify] live``."""
        if not self.settings.verify.live:
            return None
        return Application(role=self.settings.production.app_role, clients=self.settings.verify.live_clients)

    def rule(self, table: TableName) -> TableRule:
        """What may happen to a table between baseline and verification."""
        found = self.settings.verify.rule_for(table.schema, table.name)
        if table == WITNESS:
            return TableRule(rule="exact")
        if table.schema == GUARD_SCHEMA and found in (EXACT, LIVE):
            # History only grows; that a row of it is missing or another is what must be seen.
            return TableRule(rule="append-only", reason="the history of overwritten rows")
        return TableRule(rule=found.kind, reason=found.reason)

    def client_programs(self, environment: EnvironmentName, version_num: int) -> ClientPrograms:
        """pg_dump and pg_restore at least as new as a server or a dump, able to reach an environment's server."""
        return self.engine(environment).clients(version_num)


def open_project(config: Path | None, *, start: Path, environ: Mapping[str, str]) -> Project:
    """Read the settings and make sure of the project's private directories. Raises ConfigError."""
    settings = load(config, start=start)
    paths = paths_for(settings, environ)
    for directory in (paths.config_directory, paths.state_directory, paths.runs, paths.manifests):
        files.ensure_private_directory(directory)
    key = seal.load_or_make_key(paths.seal_key)
    return Project(
        settings=settings,
        paths=paths,
        programs=program_sets.find_programs(),
        environ=dict(environ),
        seal_key=key,
    )
