"""``[backup] format``, ``jobs`` and ``compression``: a directory goes every way that a file goes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.postgres.workflow.stage import BY_MAJOR, MAJORS, Quiet, Stage, World
from tests.postgres.workflow.test_backup import SAMPLE as ROWS
from tests.postgres.workflow.test_backup import Writers
from tests.thin import outer, some

from ringfence import process
from ringfence.backup import compression
from ringfence.errors import BackupError, RestoreError
from ringfence.integrity.compare import differing
from ringfence.workflow.backups import reseed
from ringfence.workflow.backups.backup import create_backup, pin, verify_backup
from ringfence.workflow.backups.mirror import mend
from ringfence.workflow.backups.restore import restore

pytestmark = pytest.mark.postgres

SAMPLE = (
    *ROWS,
    """CREATE TABLE public."a""b;'/.." (a int)""",
    "SELECT lo_from_bytea(0, 'a large object')",
)
TOML = '\n[backup]\nformat = "directory"\njobs = 3\nkeep = 2\nmirror = "{mirror}"\n'


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The command lines of PostgreSQL's programs as they are started; they run all the same."""
    seen: list[tuple[str, ...]] = []
    real = process.run

    def run(argv: object, **options: object) -> process.Completed:
        seen.append(tuple(str(a) for a in argv))  # type: ignore[attr-defined]
        return real(argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "run", run)
    return seen


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere"


@pytest.fixture
def filled(world: World, elsewhere: Path) -> Iterator[Stage]:
    with world.stage(MAJORS[0], MAJORS[0], toml=TOML.format(mirror=elsewhere)) as stage:
        stage.run("production", *SAMPLE)
        yield stage


def started(lines: list[tuple[str, ...]], program: str) -> tuple[str, ...]:
    return [line for line in lines if line[0].endswith(f"/{program}")][-1]


@pytest.mark.parametrize("major", some(MAJORS, keep=1), ids=lambda m: f"pg{m}")
def test_several_sessions_dump_one_snapshot_while_others_write(
    world: World, elsewhere: Path, major: int, lines: list[tuple[str, ...]]
) -> None:
    """F48 for ``pg_dump -j --snapshot``: what all its sessions wrote, restored by several, equals the baseline."""
    with world.stage(major, MAJORS[0], toml=TOML.format(mirror=elsewhere)) as stage:
        stage.run("production", *SAMPLE)
        with Writers(stage, 2) as writers:
            made = create_backup(stage.project, issue="7", progress=Quiet())
            assert writers.rows > 0
        assert {"--format=directory", "--jobs=3"} <= set(started(lines, "pg_dump"))
        assert differing(made.observation, stage.observed("production", made.observation)) != ()
        reseed.reseed(stage.project, None, fresh_start=True, progress=Quiet())
        assert {"--format=directory", "--jobs=3"} <= set(started(lines, "pg_restore"))
        assert differing(made.observation, stage.observed("test", made.observation)) == ()
        assert stage.value("test", "SELECT convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata") == (
            "a large object"
        )


def test_it_is_listed_pinned_rotated_mirrored_and_restored(filled: Stage, elsewhere: Path) -> None:
    done = filled.cli("backup", "create", "--json")
    said = json.loads(done.stdout)["backup"]
    assert "parts" not in said and "format" not in said, "the keys are the same for every format"
    store = filled.project.store
    first = store.get(said["id"])
    assert first.dump_path is not None and first.dump_path.is_dir() and first.manifest is not None
    assert said["bytes"] == sum(p.stat().st_size for p in first.dump_path.iterdir()) == first.manifest.size_bytes
    pin(filled.project, first.id, reason="kept")
    made = [create_backup(filled.project, issue=None, progress=Quiet()) for _ in range(3)]
    assert made[2].removed == (made[0].manifest.id,)
    names = {p.name for p in store.directory.iterdir() if p.suffix == ".dump"}
    assert names == {first.manifest.file, made[1].manifest.file, made[2].manifest.file} and store.foreign() == ()
    assert names == {p.name for p in elsewhere.iterdir() if p.suffix == ".dump"}
    assert verify_backup(filled.project, None, Quiet()).id == made[2].manifest.id

    # Everything is lost; it comes back from the mirror as it was, and production is made from it.
    shutil.rmtree(store.directory)
    filled.run("production", "UPDATE public.item SET words = 'agent' WHERE id <= 25")
    restore(filled.project, made[2].manifest.id, backup_first=False, progress=Quiet())
    assert filled.value("production", "SELECT count(*) FROM public.item WHERE words = 'agent'") == 0
    # The settings may change; what there is stays what it is.
    again = filled.reopened(**{'format = "directory"': 'format = "custom"'})
    assert create_backup(again.project, issue=None, progress=Quiet()).manifest.format == "custom"
    assert verify_backup(again.project, made[2].manifest.id, Quiet()).problem is None


def other_toc(path: Path, other: Path) -> None:
    """The table of contents of another backup of the same database: same size, and pg_restore would take it."""
    shutil.copyfile(other / "toc.dat", path / "toc.dat")


def one_byte(path: Path, other: Path) -> None:
    data = next(p for p in sorted(path.iterdir()) if p.name.endswith(".dat.gz"))
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)


def one_less(path: Path, other: Path) -> None:
    next(p for p in sorted(path.iterdir()) if p.name.endswith(".dat.gz")).unlink()


def one_more(path: Path, other: Path) -> None:
    (path / "9999.dat.gz").write_bytes(b"")


def test_every_kind_of_damage_is_found_and_named(filled: Stage) -> None:
    made = []
    for word in ("older", "newer"):
        filled.run("production", f"COMMENT ON TABLE public.item IS '{word}'")
        made.append(create_backup(filled.project, issue=None, progress=Quiet()).entry)
    older, newer = made
    assert older.dump_path is not None and newer.dump_path is not None
    kinds: list[tuple[Callable[[Path, Path], None], str]] = [
        (other_toc, "the SHA-256 of toc.dat is not the one in its manifest"),
        (one_byte, r"the SHA-256 of [0-9]+\.dat\.gz is not the one in its manifest"),
        (one_less, r"[0-9]+\.dat\.gz is gone"),
        (one_more, 'it holds "9999.dat.gz", which its manifest does not list'),
    ]
    for do, words in kinds:
        do(newer.dump_path, older.dump_path)
        with pytest.raises(BackupError, match=words) as caught:
            verify_backup(filled.project, newer.id, Quiet())
        assert caught.value.exit_code == 5
        with pytest.raises((BackupError, RestoreError)):
            reseed.reseed(filled.project, newer.id, fresh_start=True, progress=Quiet())
        mend(filled.project, newer.id, Quiet())
        assert verify_backup(filled.project, newer.id, Quiet()).problem is None
    assert set(filled.own_databases().values()) == {"test"}


@pytest.mark.parametrize("major", outer(MAJORS), ids=lambda m: f"pg{m}")
def test_a_compression_that_pg_dump_lacks_is_refused_before_anything(world: World, major: int) -> None:
    with world.stage(major, max(MAJORS), toml='\n[backup]\ncompression = "zstd:1"\n') as stage:
        stage.run("production", *SAMPLE)
        asked = compression.Compression(algorithm="zstd", level=1)
        try:
            compression.require(BY_MAJOR[major], asked, where="production")
            compression.require(BY_MAJOR[max(MAJORS)], asked, where="test")
        except BackupError as expected:
            with pytest.raises(BackupError) as caught:
                create_backup(stage.project, issue=None, progress=Quiet())
            assert caught.value.message == expected.message and "[backup] compression" in str(caught.value.hint)
            assert [p.name for p in stage.project.store.directory.iterdir()] == [".lock"]
        else:
            create_backup(stage.project, issue=None, progress=Quiet())
            reseed.reseed(stage.project, None, fresh_start=True, progress=Quiet())


@pytest.mark.long
@pytest.mark.parametrize("major", MAJORS, ids=lambda m: f"pg{m}")
@pytest.mark.parametrize(
    ("text", "ending"), [("none", ".dat"), ("gzip:9", ".dat.gz"), ("zstd:3", ".dat.zst"), ("lz4", ".dat.lz4")]
)
def test_every_compression_that_pg_dump_has_comes_back(
    world: World, elsewhere: Path, major: int, text: str, ending: str
) -> None:
    asked = compression.Compression.parse(text)
    try:
        compression.require(BY_MAJOR[major], asked, where="production")
    except BackupError as error:
        pytest.skip(error.message)
    with world.stage(major, major, toml=TOML.format(mirror=elsewhere) + f'compression = "{text}"\n') as stage:
        stage.run("production", *SAMPLE)
        made = create_backup(stage.project, issue=None, progress=Quiet())
        assert made.entry.dump_path is not None
        assert any(p.name.endswith(ending) and p.name != "toc.dat" for p in made.entry.dump_path.iterdir())
        assert verify_backup(stage.project, None, Quiet()).id == made.manifest.id
        reseed.reseed(stage.project, None, fresh_start=True, progress=Quiet())
        assert differing(made.observation, stage.observed("test", made.observation)) == ()
