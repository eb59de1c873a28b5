"""The mirror at work: kept up by every backup, followed by rotation, and what a restore falls back on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres.workflow.stage import MAJORS, Quiet, Stage, World

from ringfence.errors import BackupError
from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.backups.mirror import mend, mirrored
from ringfence.workflow.backups.restore import restore

pytestmark = pytest.mark.postgres


@pytest.fixture
def filled(world: World, tmp_path: Path) -> Iterator[Stage]:
    toml = f'\n[backup]\nkeep = 2\nmirror = "{tmp_path / "elsewhere"}"\nmirror_encrypt = true\n'
    with world.stage(MAJORS[0], MAJORS[0], toml=toml) as stage:
        stage.run(
            "production",
            "CREATE TABLE public.item (id serial PRIMARY KEY, words text)",
            "INSERT INTO public.item (words) SELECT md5(i::text) FROM generate_series(1, 300) i",
        )
        yield stage


def test_backups_that_are_lost_come_back_from_the_mirror(filled: Stage, tmp_path: Path) -> None:
    project, elsewhere = filled.project, tmp_path / "elsewhere"
    made = [create_backup(project, issue=str(n), progress=Quiet()) for n in range(3)]
    assert [m.mirror_problem for m in made] == [None] * 3
    assert mirrored(project) == (frozenset(m.manifest.id for m in made[1:]), None), "rotation is followed"
    assert (elsewhere.stat().st_mode & 0o777, project.paths.mirror_key.stat().st_mode & 0o777) == (0o700, 0o600)
    name = made[2].manifest.id
    store = project.store

    # The manifest alone: from its copy, without the mirror.
    (store.directory / f"{name}.manifest.json").write_text("{}")
    mend(project, name, Quiet())
    assert store.entry(name).problem is None and len(store.foreign()) == 1, "what stood there was renamed"
    # A dump of the right size and wrong bytes: only a read shows it.
    dump = store.directory / f"{name}.dump"
    whole = dump.read_bytes()
    dump.write_bytes(b"\0" * len(whole))
    mend(project, name, Quiet())
    assert dump.read_bytes() == whole
    # Everything is gone, the run state too; the keys and the mirror are left.
    shutil.rmtree(store.directory)
    shutil.rmtree(store.copies)
    filled.run("production", "UPDATE public.item SET words = 'agent' WHERE id <= 25")
    restore(project, name, backup_first=False, progress=Quiet())
    assert filled.value("production", "SELECT count(*) FROM public.item WHERE words = 'agent'") == 0
    with pytest.raises(BackupError, match="no such backup") as caught:
        restore(project, made[0].manifest.id, backup_first=False, progress=Quiet())
    assert "the mirror has no backup" in str(caught.value.hint)


def test_a_mirror_that_fails_is_said_and_mended_by_the_next_backup(filled: Stage, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("in the way")
    first = create_backup(filled.project, issue=None, progress=filled.progress)
    assert first.mirror_problem and any("WARNING" in said for said in filled.progress.said)
    assert "the mirror cannot be looked at" not in filled.cli("backup", "list").stdout
    listed = filled.cli("backup", "list").stdout
    assert first.manifest.id in listed and listed.count("NOT in the mirror") == 1
    elsewhere.unlink()
    second = create_backup(filled.project, issue=None, progress=filled.progress)
    assert second.mirror_problem is None
    assert mirrored(filled.project)[0] == {first.manifest.id, second.manifest.id}
