"""Definitions come back by SQL that is shown, and run only by whoever asks psql for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.postgres.workflow.stage import MAJORS, Quiet, Stage, World

from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.comparison import verify
from ringfence.workflow.repairs import repair
from ringfence.workflow.repairs.repair import Request

pytestmark = pytest.mark.postgres
FAST = Request(evidence=False)


def verdict(stage: Stage) -> tuple[str, tuple[str, ...]]:
    found = verify.verify(stage.project, None, progress=Quiet()).comparison
    return found.verdict, found.reasons


def psql(stage: Stage, script: Path, *options: str) -> None:
    words = [*options, "-f", str(script), "-d", stage.production.conninfo()]
    environment = {"PATH": "/usr/bin:/bin"}
    program = stage.project.programs[0].path("psql")
    done = subprocess.run([program, "-X", *words], env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()


CHANGED = (
    "CREATE OR REPLACE FUNCTION mended(int) RETURNS int LANGUAGE sql AS 'SELECT 666'",
    "ALTER FUNCTION mended(int) OWNER TO CURRENT_USER",
    "CREATE OR REPLACE VIEW seen AS SELECT id, 0 AS n FROM mend",
    "DROP TRIGGER always ON mend",
    "ALTER TABLE mend DISABLE TRIGGER other",
    "DROP INDEX mend_n_idx",
    "ALTER TABLE mend_child DROP CONSTRAINT mend_child_m_fkey",
    "ALTER TABLE mend DROP CONSTRAINT mend_n_check, ADD CONSTRAINT mend_n_check CHECK (n > -100)",
    "ALTER TABLE mend DROP CONSTRAINT mend_pkey",
    "DROP RULE quiet ON mend",
    "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER planted BEFORE INSERT ON mend FOR EACH ROW EXECUTE FUNCTION planted()",
    "CREATE VIEW planted AS SELECT 1 AS one",
    "CREATE INDEX planted_idx ON mend_child (m)",
    "SELECT lo_put(4711, 3, 'changed and longer than it was')",
    "SELECT lo_unlink(4712)",
    "SELECT lo_from_bytea(4713, 'planted')",
    "ALTER LARGE OBJECT 4714 OWNER TO CURRENT_USER",
)
MENDED = """
CREATE TABLE mend (id int PRIMARY KEY, n int CHECK (n > 0));
CREATE TABLE mend_child (m int REFERENCES mend (id));
CREATE INDEX mend_n_idx ON mend (n) WHERE n > 5;
CREATE FUNCTION mended(int) RETURNS int LANGUAGE sql AS $$ SELECT $1 + 1 -- what it was; :x
$$;
CREATE VIEW seen WITH (security_barrier) AS SELECT id, public.mended(n) AS n FROM mend;
CREATE FUNCTION tick() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER always BEFORE UPDATE ON mend FOR EACH ROW EXECUTE FUNCTION tick();
ALTER TABLE mend ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER other BEFORE INSERT ON mend FOR EACH ROW EXECUTE FUNCTION tick();
CREATE RULE quiet AS ON DELETE TO mend DO INSTEAD NOTHING;
INSERT INTO mend VALUES (1, 7);
CREATE ROLE "mend's";
SELECT lo_from_bytea(4711, 'what it was'), lo_from_bytea(4712, E'\\\\x00ff00'), lo_from_bytea(4714, '');
ALTER LARGE OBJECT 4712 OWNER TO "mend's";
ALTER LARGE OBJECT 4714 OWNER TO "mend's";
GRANT SELECT ON LARGE OBJECT 4712 TO PUBLIC;
"""


def test_definitions_come_back_by_the_end_of_the_script(world: World, tmp_path: Path) -> None:
    """Only where psql is told to; rows and definitions then are the baseline's again."""
    with world.stage(MAJORS[0], MAJORS[0], toml="") as stage:
        stage.run("production", MENDED)
        create_backup(stage.project, issue=None, progress=Quiet())
        stage.run("production", *CHANGED, "UPDATE mend SET n = 8")
        pieces: list[str] = []
        plan = repair.plan_only(stage.project, None, FAST, emit=pieces.append, progress=Quiet()).plan
        assert len(plan.definitions) >= len(CHANGED) - 1
        script = tmp_path / "repair.sql"
        script.write_text("".join(pieces))
        psql(stage, script)
        found, reasons = verdict(stage)
        assert found == "changed" and not any(r.startswith("table") for r in reasons), reasons
        pieces.clear()
        again = repair.plan_only(stage.project, None, FAST, emit=pieces.append, progress=Quiet()).plan
        assert again.is_empty and again.definitions == plan.definitions
        script.write_text("".join(pieces))
        psql(stage, script, "-v", "definitions=1")
        assert verdict(stage) == ("unchanged", ()), verdict(stage)
