"""The reference: the pristine copy of a backup on the test server.

Making it is the proof of the backup: it counts only when its fingerprints equal the manifest's. The test database is
made from it by a file copy, and rows of production are compared with its rows.
"""

from __future__ import annotations

from psycopg import sql

from ringfence.backup.model import Entry
from ringfence.crashpoint import crashpoint
from ringfence.integrity.model import Observation
from ringfence.postgres import identity
from ringfence.postgres.connection import Connection
from ringfence.workflow.backups import rebuild, testserver
from ringfence.workflow.backups.backup import check_dump, record_proof
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project

PURPOSE: testserver.Purpose = "reference"


def find(project: Project, admin: Connection, entry: Entry) -> str | None:
    """The database that is the finished reference of this backup; whether it was touched since is not asked here."""
    for name in testserver.own(admin, project, PURPOSE):
        if identity.read_stamp(admin, name).baseline == entry.id:
            return name
    return None


def make(project: Project, admin: Connection, entry: Entry, progress: Progress) -> str:
    """Restore a backup into a new reference and prove it, in place of any earlier one. Returns its database name.

    ``admin`` comes from `testserver.admin`. Raises BackupError (5) for a dump that is not what its manifest says and
    RestoreError (6) when what was restored differs from the baseline; the test database is as it was.
    """
    before = rebuild.baseline_of(entry)
    check_dump(project, entry, progress, full=False)
    rebuild.require_version(admin, before, server="test")
    crashpoint("reference.before_drop")
    testserver.drop_own(admin, project, PURPOSE)
    crashpoint("reference.dropped")
    _make_roles(admin, before)
    name = rebuild.make_beside(project, admin, entry, environment="test", purpose=PURPOSE, progress=progress)
    # Naming the baseline in the stamp is the completion marker: it comes last.
    identity.write_stamp(admin, name, environment=PURPOSE, project=project.name, baseline=entry.id)
    record_proof(project, entry, by="a restore on the test server")
    return name


def _make_roles(admin: Connection, before: Observation) -> None:
    """Roles that the dump's owners, rights and policies name must exist to be restored; here they cannot log in.

    A superuser of production is one here, too: nobody else may own a foreign-data wrapper or an event trigger.
    """
    for quoted, attributes in before.state.get("cluster-role", {}).items():
        role = quoted[1:-1].replace('""', '"') if quoted.startswith('"') else quoted
        if role.startswith("pg_"):
            continue
        found = admin.execute("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = %s", (role,)).fetchone()
        if not found:
            admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        if attributes.get("rolsuper") and not (found and found[0]):
            admin.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(sql.Identifier(role)))
