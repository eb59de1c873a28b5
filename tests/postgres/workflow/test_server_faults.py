"""What a database or its server does to a backup and its way back, from the list of faults: whole or refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.postgres.workflow.stage import MAJORS, Quiet, Stage, World
from tests.thin import some

from ringfence import process
from ringfence.engines.embedded import HOST
from ringfence.errors import BackupError, IdentityError
from ringfence.postgres import databases, identity
from ringfence.postgres.connection import connect
from ringfence.postgres.target import PassEntry, add_passwords, find_password
from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.backups.reseed import prove_backup, reseed
from ringfence.workflow.backups.restore import restore
from ringfence.workflow.comparison.verify import verify

pytestmark = pytest.mark.postgres

NO_DDL = (
    "CREATE FUNCTION public.no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no DDL here'; END$$",
    "CREATE EVENT TRIGGER no_ddl ON ddl_command_start EXECUTE FUNCTION public.no_ddl()",
)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of all programs that are started; they run all the same."""
    seen: set[str] = set()
    real = process.run

    def run(argv: object, **options: object) -> process.Completed:
        seen.add(Path(str(argv[0])).name)  # type: ignore[index]
        return real(argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "run", run)
    return seen


@contextlib.contextmanager
def in_template(stage: Stage, *statements: str) -> Iterator[None]:
    """Somebody's objects in template1 of both servers."""
    for environment in ("production", "test"):
        stage.run(environment, *statements, database="template1")  # type: ignore[arg-type]
    try:
        yield
    finally:
        for environment in ("production", "test"):
            give_up = ("DROP EVENT TRIGGER no_ddl", "DROP FUNCTION public.no_ddl()")
            stage.run(environment, *give_up, database="template1")  # type: ignore[arg-type]


@pytest.mark.parametrize("major", some(MAJORS[::-1], keep=1), ids=lambda m: f"pg{m}")
def test_the_whole_database_goes_there_and_back(world: World, major: int, programs: set[str]) -> None:
    """F36: other schemas and large objects too; F41: what refuses DDL, in the source and in template1, is in nobody's
    way (since 17 the tool's sessions fire no event trigger; before, nothing made from template0 has one); F44: what a
    dump brings is never given to psql, which would run commands of this machine."""
    with world.stage(major, major) as stage:
        there_and_back(stage)
    assert {"pg_dump", "pg_restore"} <= programs and "psql" not in programs


def there_and_back(stage: Stage) -> None:
    stage.run(
        "production",
        "CREATE SCHEMA elsewhere",
        "CREATE TABLE elsewhere.item (id int PRIMARY KEY, words text)",
        "INSERT INTO elsewhere.item VALUES (1, E'\\\\! touch /tmp/x'), (2, E'\\\\unrestrict `touch /tmp/x`')",
        "SELECT lo_from_bytea(4711, 'a large object')",
        *NO_DDL,
    )
    with in_template(stage, *NO_DDL):
        made = create_backup(stage.project, issue=None, progress=Quiet())
        assert prove_backup(stage.project, made.entry, Quiet()) is None
        reseed(stage.project, None, fresh_start=True, progress=Quiet())
        stage.run("production", "UPDATE elsewhere.item SET words = 'agent'", "SELECT lo_unlink(4711)")
        restore(stage.project, made.manifest.id, backup_first=False, progress=Quiet())
    for environment in ("production", "test"):
        query = "SELECT count(*) FROM elsewhere.item WHERE words LIKE '%touch%'"
        assert stage.value(environment, query) == 2  # type: ignore[arg-type]
        assert stage.value(environment, "SELECT convert_from(lo_get(4711), 'UTF8')") == "a large object"  # type: ignore[arg-type]
        query = "SELECT evtenabled::text FROM pg_event_trigger WHERE evtname = 'no_ddl'"
        assert stage.value(environment, query) == "O"  # type: ignore[arg-type]


@pytest.mark.long
def test_a_row_that_no_dump_can_carry_is_named(stage: Stage) -> None:
    """F33: 600 MB of bytea are more than a gigabyte as text; the application could write them, nobody can dump them."""
    good = create_backup(stage.project, issue=None, progress=Quiet())
    stage.run(
        "production",
        'CREATE TABLE public."Big" (id int PRIMARY KEY, data bytea)',
        "INSERT INTO public.\"Big\" SELECT 1, convert_to(repeat('x', 600000000), 'UTF8')",
    )
    with pytest.raises(BackupError, match="Big") as caught:
        create_backup(stage.project, issue=None, progress=Quiet())
    assert caught.value.exit_code == 5
    assert [e.id for e in stage.project.store.entries()] == [good.manifest.id]
    assert not list(stage.project.store.directory.glob(".staging-*"))


def test_another_server_behind_the_same_settings_is_refused(world: World) -> None:
    """F47: as after pg_upgrade, or when somebody put another server there: same name, same stamp, other identity. A
    backup is refused, a verification says it."""
    with world.stage(MAJORS[0], MAJORS[0]) as stage:
        create_backup(stage.project, issue=None, progress=Quiet())
        other, before = world.engine("production", MAJORS[-1]), stage.production
        name, port = stage.project.name, before.port
        with psycopg.connect(other.target().conninfo(), autocommit=True) as admin:
            database = sql.Identifier(before.database)
            admin.execute(sql.SQL("CREATE DATABASE {}").format(database))
        try:
            with connect(other.target(), read_only=False) as admin:
                identity.write_stamp(admin, before.database, environment="production", project=name)
            password = find_password(other.passfile, host=HOST, port=other.port, user=other.superuser)
            assert password is not None
            entry = PassEntry(host=HOST, port=other.port, user=other.superuser, password=password)
            add_passwords(stage.project.paths.pgpass, [entry])
            moved = stage.reopened(**{f"db_port = {port}": f"db_port = {other.port}"})
            with pytest.raises(IdentityError, match="system identifier") as caught:
                create_backup(moved.project, issue=None, progress=Quiet())
            assert caught.value.exit_code == 7
            comparison = verify(moved.project, None, progress=Quiet()).comparison
            assert comparison.verdict == "changed"
            assert any(r.startswith("server: system identifier was ") for r in comparison.reasons)
            assert len(moved.project.store.entries()) == 1
        finally:
            with connect(other.target(), read_only=False) as admin:
                databases.drop(admin, before.database)
