"""The strategy's list before a run: both servers run, a recent backup is there, the test database has tables."""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Iterable

from ringfence import clock, files
from ringfence.engines.model import EnvironmentName
from ringfence.errors import RingfenceError
from ringfence.postgres import identity, queries
from ringfence.postgres.connection import one_value
from ringfence.redact import one_line
from ringfence.wording import counted
from ringfence.workflow import proven
from ringfence.workflow.checks import checklist
from ringfence.workflow.checks.checklist import Line
from ringfence.workflow.project import Project

RECENT_H = 24
"""A backup older than this is no recent one: a working day's data would be lost."""


def running(project: Project) -> Iterable[Line]:
    """Both servers answer, each through its own address."""
    yield _running(project, "production")
    yield _running(project, "test")


def _running(project: Project, environment: EnvironmentName) -> Line:
    name, text = f"before/{environment}-running", f"{environment}'s server is running"
    status = project.engine(environment).status()
    where = f"container {one_line(status.container)}" if status.container else f"process {status.pid or 'not known'}"
    seen = f"{status.engine}, {status.state}, {where}, {status.host}:{status.port}"
    fix = f"'ringfence up {environment}'"
    try:
        with proven.session(environment, project.engine(environment).target("postgres")) as connection:
            here = identity.read_identity(connection)
    except RingfenceError as error:
        message = f"{environment} does not answer: {error.message}"
        return checklist.fails(
            name, text, message, severity="high", about=f"{environment} server", fix=fix, evidence=(seen,)
        )
    return checklist.holds(name, text, seen, f"answers: {here.describe()}")


def recent_backup(project: Project, now: dt.datetime | None = None) -> Iterable[Line]:
    """The newest sound backup is not older than a day."""
    name, text = "before/recent-backup", f"a recent backup is there (at most {RECENT_H} h old)"
    about, fix = str(project.paths.backups), "'ringfence backup create'"
    entries = project.store.entries()
    sound = [e for e in entries if e.problem is None and e.manifest is not None]
    damaged = tuple(f"{one_line(e.id)}: {one_line(e.problem)}" for e in entries if e.problem)
    if not sound or sound[0].manifest is None:
        message = f"there is no sound backup in {about}"
        yield checklist.fails(name, text, message, severity="high", about=about, fix=fix, evidence=damaged)
        return
    newest = sound[0].manifest
    age = (now or clock.utc_now()) - newest.created_at
    size = files.bytes_text(newest.size_bytes)
    seen = (
        f"{newest.id}: {clock.seconds_text(age.total_seconds())} old, {size}, {counted(len(sound), 'sound backup')}",
        *damaged,
    )
    if age > dt.timedelta(hours=RECENT_H):
        message = f"the newest backup is {clock.seconds_text(age.total_seconds())} old"
        yield checklist.fails(name, text, message, severity="medium", about=newest.id, fix=fix, evidence=seen)
    elif age < dt.timedelta(0):
        message = f"the newest backup is of {clock.iso(newest.created_at)}, which is to come: a clock is wrong"
        yield checklist.fails(name, text, message, severity="medium", about=newest.id, fix=fix, evidence=seen)
    else:
        yield checklist.holds(name, text, *seen)


def test_has_tables(project: Project) -> Iterable[Line]:
    """The test database was not freshly wiped."""
    name, text = "before/test-has-tables", "the test database has tables"
    database = project.database("test")
    with proven.session("test", project.target("test")) as connection:
        count = int(one_value(connection, queries.load("ringfence.workflow", "table_count")))
        stamp = identity.read_stamp(connection, database)
    of_backup = f"made from {stamp.baseline}" if stamp.baseline else "never reseeded"
    if count:
        yield checklist.holds(name, text, f"{one_line(database)}: {counted(count, 'table')}, {of_backup}")
        return
    message = f"{one_line(database)} has no tables ({of_backup})"
    fix = "if this is the first set-up: 'ringfence reseed --fresh-start'; if not, somebody wiped it: find out who first"
    yield checklist.fails(name, text, message, severity="high", about=database, fix=fix)


def private_places(project: Project) -> Iterable[Line]:
    """Passwords, run state and backups are closed to other accounts of the machine."""
    name, text = "before/private-places", "passwords, run state and backups are closed to other accounts"
    paths = project.paths
    places = (paths.pgpass, paths.config_directory, paths.state_directory, paths.identities, paths.backups)
    seen, wrong = [], []
    for place in places:
        try:
            info = os.lstat(place)
        except FileNotFoundError:
            continue
        mode = stat.S_IMODE(info.st_mode)
        told = f"{one_line(str(place))}: mode {mode:04o}, user id {info.st_uid}"
        seen.append(told)
        if mode & 0o077 or info.st_uid != os.geteuid() or stat.S_ISLNK(info.st_mode):
            wrong.append(told)
    if wrong:
        fix = "chmod go= on each, owner: whoever runs ringfence; --fix does it"
        message = f"open to others: {'; '.join(wrong)}"
        yield checklist.fails(name, text, message, severity="high", about="files", fix=fix)
    else:
        yield checklist.holds(name, text, *seen)


def close_places(project: Project) -> tuple[str, ...]:
    """Take the rights of other accounts away from private places that belong to the caller; which were closed."""
    closed = []
    paths = project.paths
    for place in (paths.pgpass, paths.config_directory, paths.state_directory, paths.identities, paths.backups):
        try:
            info = os.lstat(place)
        except FileNotFoundError:
            continue
        mode = stat.S_IMODE(info.st_mode)
        if mode & 0o077 and info.st_uid == os.geteuid() and not stat.S_ISLNK(info.st_mode):
            os.chmod(place, mode & ~0o077)
            closed.append(str(place))
    return tuple(closed)
