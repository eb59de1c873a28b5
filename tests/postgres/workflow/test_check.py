"""``check`` on live servers: each line holds where it should, and fails where what it says was made untrue."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from tests.postgres.workflow.stage import MAJORS, Stage, World

from ringfence import clock
from ringfence.engines.model import EnvironmentName
from ringfence.errors import IdentityError
from ringfence.findings import Finding
from ringfence.postgres.connection import connect
from ringfence.postgres.target import find_password
from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.backups.reseed import reseed
from ringfence.workflow.checks import check, check_before, check_reach, checklist
from ringfence.workflow.checks.check import Check, Checked
from ringfence.workflow.checks.checklist import Line

pytestmark = pytest.mark.postgres

SAMPLE = (
    "CREATE TABLE public.item (id serial PRIMARY KEY, words text)",
    "INSERT INTO public.item (words) SELECT md5(i::text) FROM generate_series(1, 300) i",
)


PUT_BACK = "UPDATE public.item SET words = md5('1') WHERE id = 1"


@pytest.fixture(scope="module")
def seeded(world: World) -> Iterator[Stage]:
    """A project that was used; every test puts back what it changed."""
    with world.stage(MAJORS[0], MAJORS[0]) as stage:
        stage.run("production", *SAMPLE)
        create_backup(stage.project, issue=None, progress=stage.progress)
        reseed(stage.project, None, fresh_start=True, progress=stage.progress)
        yield stage


def looked(stage: Stage, *moments: check.Moment, fix: bool = False) -> Checked:
    return check.check(stage.project, moments or ("before", "after"), progress=stage.progress, fix=fix)


def lines(result: Checked) -> dict[str, Line]:
    return {line.name: line for line in result.lines}


def rules(result: Checked) -> set[str]:
    return {f.rule for f in result.findings}


@contextlib.contextmanager
def statement(
    stage: Stage, environment: EnvironmentName, do: str, *undo: str, database: str | None = None
) -> Iterator[None]:
    stage.run(environment, do, database=database)
    try:
        yield
    finally:
        stage.run(environment, *undo, database=database)


def test_every_line_of_a_whole_project(seeded: Stage) -> None:
    result = looked(seeded)
    found = lines(result)
    own = {n: line for n, line in found.items() if n.split("/")[0] in ("before", "separation", "after")}
    assert {n: line.outcome for n, line in own.items() if not n.startswith("separation/reach")} == {
        "before/production-running": "holds",
        "before/test-running": "holds",
        "before/recent-backup": "holds",
        "before/test-has-tables": "holds",
        "before/private-places": "holds",
        "separation/servers": "holds",
        "separation/databases": "holds",
        "separation/storage": "holds",
        "separation/ports": found["separation/ports"].outcome,  # free ports may be of one range
        "separation/production-proven": "holds",
        "separation/test-proven": "holds",
        "separation/login": "holds",
        "separation/foreign": "holds",
        "after/production-unchanged": "holds",
        "after/test-changed": "open",
        "after/rotation": "holds",
        "after/published": "open",
    }
    assert all(line.evidence for line in result.lines)
    seen = "\n".join(e for line in result.lines for e in line.evidence)
    test = seeded.test
    password = find_password(test.passfile, host=test.host, port=test.port, user=test.user)
    assert password and password not in seen
    contained = seeded.project.engine("test").evidence().contained_by
    assert found["separation/reach-network"].outcome == ("holds" if contained else "fails")
    assert str(contained or "nothing") in found["separation/reach-network"].evidence[-1]


def test_what_is_tried_from_inside_of_a_server_works_where_nothing_keeps_it_in(seeded: Stage) -> None:
    """Production's own server can reach itself: what finds nothing on test finds everything here."""
    target, data = seeded.production, seeded.project.engine("production").status().data_directory
    assert data is not None
    places = [data.resolve(), data.resolve() / "PG_VERSION", seeded.root / "nothing"]
    with connect(target.on("postgres"), read_only=False) as connection:
        words = check_reach._connect_from_server(connection, target.host, target.port)
        assert check_reach._is_open(words), words
        files = check_reach._files_by_server(connection, places)
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert pid is not None
        arguments = [f"{target.host}/{target.port} {target.host}/9", str(pid[0]), *map(str, places)]
        said = check_reach._by_program(connection, arguments)
        left = connection.execute("SELECT count(*) FROM pg_subscription").fetchone()
    assert [files[str(p)] for p in places] == ["readable", "readable", "unseen"]
    expected = {"tcp0": "open", "tcp1": "closed", "signal": "allowed"}
    assert said == expected | {"file0": "readable", "file1": "readable", "file2": "unseen"}, said
    assert left == (0,)


def test_what_agents_changed_is_named(seeded: Stage) -> None:
    with statement(seeded, "test", "UPDATE public.item SET words = 'agent' WHERE id = 1", PUT_BACK):
        line = lines(looked(seeded, "after"))["after/test-changed"]
    assert line.outcome == "holds" and "1 table differs" in line.evidence[0] and "item" in line.evidence[0]


def test_a_changed_production_is_critical(seeded: Stage) -> None:
    with statement(seeded, "production", "UPDATE public.item SET words = 'x' WHERE id = 1", PUT_BACK):
        result = looked(seeded, "after")
    assert not result.passed
    assert [f.severity for f in result.findings if f.rule == "after/production-unchanged"] == ["critical"]


def test_a_wiped_test_database(seeded: Stage) -> None:
    with statement(seeded, "test", "DROP TABLE public.item", *SAMPLE):
        assert "before/test-has-tables" in rules(looked(seeded, "before"))


def test_a_backup_that_is_old_or_of_tomorrow(seeded: Stage) -> None:
    def at(hours: float) -> list[Line]:
        return list(check_before.recent_backup(seeded.project, clock.utc_now() + dt.timedelta(hours=hours)))

    assert [line.outcome for hours in (0, 23, 25, -1) for line in at(hours)] == ["holds", "holds", "fails", "fails"]


def test_one_password_for_both(seeded: Stage) -> None:
    """Login is tried, with the password of test, for every role."""
    test = seeded.test
    password = find_password(test.passfile, host=test.host, port=test.port, user=test.user)
    assert password
    role = seeded.project.settings.production.app_role
    change = sql.SQL("ALTER ROLE {} PASSWORD {}")
    with psycopg.connect(seeded.production.conninfo(), autocommit=True) as connection:
        own = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (role,)).fetchone()
        assert own is not None
        connection.execute(change.format(sql.Identifier(role), sql.Literal(password)))
        try:
            result = looked(seeded, "before")
            finding = next(f for f in result.findings if f.rule == "separation/login")
            assert finding.severity == "critical" and "with test's password" in finding.message
            with pytest.raises(IdentityError, match="lets in"):
                check.require_separation(seeded.project, progress=seeded.progress)
        finally:
            connection.execute(change.format(sql.Identifier(role), sql.Literal(own[0])))


def test_what_leads_out_of_the_test_database(seeded: Stage) -> None:
    seeded.run("test", "CREATE FOREIGN DATA WRAPPER w")
    make = 'CREATE SERVER "elsewhere\n" FOREIGN DATA WRAPPER w'
    with statement(seeded, "test", make, "DROP FOREIGN DATA WRAPPER w CASCADE"):
        finding = next(f for f in looked(seeded, "before").findings if f.rule == "separation/foreign")
    assert "foreign server elsewhere\\n" in finding.message


def test_a_stamp_that_is_gone(seeded: Stage) -> None:
    name = seeded.production.database
    undo = f"ALTER DATABASE {name} SET ringfence.environment = 'production'"
    with statement(seeded, "production", f"ALTER DATABASE {name} RESET ringfence.environment", undo):
        finding = next(f for f in looked(seeded, "before").findings if f.rule == "separation/production-proven")
        assert finding.severity == "critical" and "carries no stamp" in finding.message
        with pytest.raises(IdentityError):
            check.require_separation(seeded.project, progress=seeded.progress)


def test_a_production_that_does_not_answer_is_unknown_and_never_a_pass(seeded: Stage) -> None:
    port, path = seeded.project.settings.production.db_port, seeded.project.settings.found_at
    whole = path.read_text()
    try:
        silent = seeded.reopened(**{f"db_port = {port}": "db_port = 9"})
        other = seeded.reopened(**{"db_port = 9": "db_port = 10"})
    finally:
        path.write_text(whole)
    result = looked(silent)
    found = {n: line.outcome for n, line in lines(result).items()}
    for name in (
        "separation/servers",
        "separation/production-proven",
        "separation/login",
        "after/production-unchanged",
    ):
        assert found[name] == "unknown", name
    assert found["before/production-running"] == "fails" and not result.passed
    check.require_separation(other.project, progress=seeded.progress)


def test_files_that_others_can_read_are_closed(seeded: Stage) -> None:
    os.chmod(seeded.project.paths.pgpass, 0o644)
    assert "before/private-places" in rules(looked(seeded, "before"))
    result = looked(seeded, "before", fix=True)
    assert "before/private-places" not in rules(result) and "pgpass" in result.fixed[0]
    assert seeded.project.paths.pgpass.stat().st_mode & 0o777 == 0o600


def test_too_many_backups_are_removed_and_a_missing_one_is_made(stage: Stage) -> None:
    stage.run("production", *SAMPLE)
    result = looked(stage, "before", fix=True)
    assert result.fixed[0].startswith("made backup") and "before/recent-backup" not in rules(result)
    create_backup(stage.project, issue="2", progress=stage.progress)
    path = stage.project.settings.found_at
    path.write_text(path.read_text() + "\n[backup]\nkeep = 1\n")
    one = stage.reopened()
    assert "after/rotation" in rules(looked(one, "after"))
    result = looked(one, "after", fix=True)
    assert result.fixed[0].startswith("removed ") and "after/rotation" not in rules(result)
    assert len(one.project.store.entries()) == 1


def test_what_a_room_finds_or_cannot_look_at_becomes_a_line(seeded: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Finding(rule="roles/x", severity="high", object="o", message="m")
    remark = Finding(rule="roles/y", severity="info", object="o", message="m")

    def broken(project: object) -> list[Line]:
        raise OSError("no such thing")

    extra = (
        Check(name="roles/audit", text="roles", look=lambda p: [check.of_findings("roles/audit", "roles", [found])]),
        Check(name="roles/remark", text="roles", look=lambda p: [check.of_findings("roles/remark", "roles", [remark])]),
        Check(name="lint/broken", text="lint", look=broken),
        Check(name="x/holds", text="x", look=lambda p: [checklist.holds("x/holds", "x", "seen")]),
    )
    monkeypatch.setattr(check, "BEFORE", extra)
    result = looked(seeded, "before")
    got = lines(result)
    assert [got[c.name].outcome for c in extra] == ["fails", "holds", "unknown", "holds"]
    assert "roles/x" in rules(result) and "no such thing" in got["lint/broken"].evidence[0]
