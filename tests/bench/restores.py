"""How long a reset of the test database takes beside ``pg_restore -j2`` of the same backup, and where its time goes."""

from __future__ import annotations

import sys
from pathlib import Path

from psycopg import sql
from tests.bench.timing import in_turn, program, row

from ringfence.postgres import databases, programs
from ringfence.postgres.connection import connect
from ringfence.workflow.backups import testserver
from ringfence.workflow.project import Project

RINGFENCE = str(Path(sys.executable).with_name("ringfence"))


def reset_beside_pg_restore(project: Project) -> None:
    """The whole command, with its comparison of every row, beside the whole program, which compares nothing."""
    root = project.settings.root
    entry = project.store.newest()
    assert entry.dump_path is not None
    program([RINGFENCE, "reseed", "--fresh-start"], root)
    chosen = programs.choose(project.programs)
    admin_target = project.engine("test").target("postgres")

    def plainly() -> None:
        with connect(admin_target, read_only=False) as admin:
            databases.drop(admin, "plain")
            admin.execute("CREATE DATABASE plain TEMPLATE template0")
        target = project.target("test").on("plain")
        pg_restore = [str(chosen.path("pg_restore")), "-j2", "-w", f"--dbname={target.conninfo()}"]
        program([*pg_restore, str(entry.dump_path)], root)

    both = in_turn(lambda: program([RINGFENCE, "reseed"], root), plainly)
    row("`reseed` from the reference, compared", both, "`pg_restore -j2`, not compared", "")
    with connect(admin_target, read_only=False) as admin:
        reference = testserver.own(admin, project, "reference")[0]

        def copy() -> None:
            databases.drop(admin, "copied")
            databases.copy(admin, reference, "copied")

        def logged() -> None:
            databases.drop(admin, "logged")
            template = sql.SQL("CREATE DATABASE logged TEMPLATE {} STRATEGY wal_log").format(sql.Identifier(reference))
            admin.execute(template)

        times = in_turn(copy, logged)
        row("the copy alone, `file_copy`", times, "`STRATEGY wal_log`", "")
        row("the copy alone, `file_copy`", (times[0], both[1]), "`pg_restore -j2`", "at most 0.2")
        for name in ("plain", "copied", "logged"):
            databases.drop(admin, name)
