"""The journal on disk: real files, real kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.thin import some

from ringfence import crashpoint
from ringfence.errors import BackupError, BusyError, HaltError, InternalError, UsageError
from ringfence.journal import chain, log
from ringfence.journal.log import Journal, resolve
from ringfence.journal.model import JournalError
from ringfence.journal.reader import read_run, read_runs
from ringfence.journal.replay import standing_in_the_way


def begin(state: Path, **said: str) -> Journal:
    return Journal.create(state, project="inventory", issue=said.get("issue"), text="do it", root=Path("/repo"))


def finished(state: Path, outcome: str = "passed") -> str:
    with begin(state) as journal:
        journal.end(outcome, exit_code=0 if outcome == "passed" else 3)  # type: ignore[arg-type]
        return journal.run_id


def test_two_steps_are_read_back(tmp_path: Path) -> None:
    with begin(tmp_path, issue="12") as journal:
        with journal.step("backup") as step:
            journal.backup("b1")
            step.note("35 MB")
        with journal.step("reseed") as step:
            step.finish("skipped", "nothing changed")
        journal.end("passed", exit_code=0)
        in_memory = journal.state
    run = read_run(tmp_path, journal.run_id)
    assert run == in_memory
    assert [(s.name, s.outcome, s.reasons) for s in run.steps] == [
        ("backup", "done", ("35 MB",)),
        ("reseed", "skipped", ("nothing changed",)),
    ]
    assert all(s.seconds is not None and s.seconds >= 0 for s in run.steps)
    assert (run.project, run.issue, run.root, run.backup, run.outcome) == ("inventory", "12", "/repo", "b1", "passed")
    assert run.process is not None and run.process.pid == os.getpid()


def test_files_and_directories_are_private(tmp_path: Path) -> None:
    with begin(tmp_path / "state") as journal:
        journal.backup("b")
    for path in [tmp_path / "state", *(tmp_path / "state").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert sorted(p.name for p in journal.directory.iterdir()) == ["journal.head", "journal.jsonl"]


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (HaltError("production differs"), "halt", "production differs"),
        (BackupError("no space"), "failed", "no space"),
        (RuntimeError("boom postgresql://u:hunter22@h/d"), "failed", "RuntimeError: boom postgresql://u:****@h/d"),
        (KeyboardInterrupt(), "interrupted", "interrupted (KeyboardInterrupt)"),
    ],
)
def test_an_error_becomes_the_outcome_of_its_step_and_goes_on(
    tmp_path: Path, error: BaseException, outcome: str, reason: str
) -> None:
    with begin(tmp_path) as journal:
        with pytest.raises(type(error)), journal.step("verify"):
            raise error
        step = journal.state.steps[0]
        assert (step.outcome, step.reasons) == (outcome, (reason,))
        with journal.step("next"):
            pass  # the journal can be used further


def test_the_order_of_events_is_before_and_after(tmp_path: Path) -> None:
    with begin(tmp_path) as journal, journal.step("backup"):
        assert read_run(tmp_path, journal.run_id).steps[0].outcome is None


def test_steps_do_not_nest_and_a_run_does_not_end_inside_of_one(tmp_path: Path) -> None:
    with begin(tmp_path) as journal, journal.step("a"):
        with pytest.raises(InternalError), journal.step("b"):
            pass
        with pytest.raises(InternalError):
            journal.end("passed", exit_code=0)


def test_nothing_follows_the_end(tmp_path: Path) -> None:
    with begin(tmp_path) as journal:
        journal.end("halt", exit_code=3)
        with pytest.raises(InternalError):
            journal.end("passed", exit_code=0)
        with pytest.raises(InternalError), journal.step("more"):
            pass
    with pytest.raises(InternalError, match="closed"):
        journal.backup("b")


def test_what_is_not_json_is_refused(tmp_path: Path) -> None:
    with begin(tmp_path) as journal:
        for bad in ({"x": object()}, {"x": float("nan")}, {"x": b"bytes"}):
            with pytest.raises(InternalError):
                journal.verdict(bad)
        journal.verdict({"verdict": "unchanged", "odd": "\ud800\x00 ü"})
    assert read_run(tmp_path, journal.run_id).verdict == {"verdict": "unchanged", "odd": "\ud800\x00 ü"}


def test_runs_are_listed_newest_first_even_when_the_clock_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finished(tmp_path)
    now = log.clock.utc_now()
    monkeypatch.setattr(log.clock, "utc_now", lambda: now.replace(year=2001))
    second = finished(tmp_path)
    assert second.startswith("2001")
    assert [(r.run_id, r.number) for r in read_runs(tmp_path)] == [(second, 2), (first, 1)]


def test_no_runs_and_no_such_run(tmp_path: Path) -> None:
    assert read_runs(tmp_path / "nowhere") == ()
    for name in ("20261122T101530Z-3f2a91", "../../etc", "", "x" * 500):
        with pytest.raises(UsageError, match="no run"):
            read_run(tmp_path, name)
        with pytest.raises(UsageError, match="no run"):
            Journal.reopen(tmp_path, name)


WRITER = """
import os, sys, time
from pathlib import Path
from ringfence.journal.log import Journal
journal = Journal.create(Path(sys.argv[1]), project="p", issue=None, text="t", root=Path("/"))
with journal.step("backup"):
    pass
with journal.step("agents"):
    print(journal.run_id, flush=True)
    if sys.argv[2] == "wait":
        time.sleep(600)
    while True:
        journal.agent({"name": "x" * 3000})
"""


def killed_writer(state: Path, what: str) -> str:
    argv = [sys.executable, "-c", WRITER, str(state), what]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        run_id = child.stdout.readline().strip()
        if what == "wait":
            run = read_run(state, run_id)
            assert not run.interrupted and run.steps[-1].outcome is None
            with pytest.raises(BusyError):
                Journal.reopen(state, run_id)
            with pytest.raises(BusyError):
                resolve(state, run_id, by="anna", reason="it hangs")
        child.send_signal(signal.SIGKILL)
    return run_id


def test_a_killed_run_is_interrupted_and_can_be_finished(tmp_path: Path) -> None:
    run_id = killed_writer(tmp_path, "wait")
    run = read_run(tmp_path, run_id)
    assert run.interrupted and [s.outcome for s in run.steps] == ["done", "interrupted"]
    assert standing_in_the_way(read_runs(tmp_path)) is not None
    with Journal.reopen(tmp_path, run_id) as journal:
        with journal.step("verify"):
            pass
        journal.end("passed", exit_code=0)
    run = read_run(tmp_path, run_id)
    assert [s.outcome for s in run.steps] == ["done", "interrupted", "done"]
    assert run.process is not None and run.process.pid == os.getpid()
    assert standing_in_the_way(read_runs(tmp_path)) is None


def test_kills_while_it_writes_lose_nothing_that_was_promised(tmp_path: Path) -> None:
    for _ in range(5):
        run_id = killed_writer(tmp_path, "write")
        assert read_run(tmp_path, run_id).interrupted
        with Journal.reopen(tmp_path, run_id) as journal:
            journal.end("abandoned", exit_code=None)
        assert read_run(tmp_path, run_id).damage is None


def test_a_write_cut_off_at_any_byte_is_tolerated_reported_and_removed(tmp_path: Path) -> None:
    with begin(tmp_path / "whole") as journal:
        before_head = (journal.directory / "journal.head").read_bytes()
        before = (journal.directory / "journal.jsonl").read_bytes()
        journal.backup("b1")
    last = (journal.directory / "journal.jsonl").read_bytes()[len(before) :]
    for length in range(0, len(last), 7):
        state = tmp_path / str(length)
        directory = state / "runs" / journal.run_id
        directory.mkdir(parents=True)
        (directory / "journal.jsonl").write_bytes(before + last[:length])
        (directory / "journal.head").write_bytes(before_head)
        run = read_run(state, journal.run_id)
        assert run.backup is None
        assert bool(run.warnings) == (length > 0)
        with Journal.reopen(state, journal.run_id) as again:
            again.backup("b2")
        run = read_run(state, journal.run_id)
        assert run.backup == "b2"
        assert bool(run.warnings) == (length > 0)


def test_a_kill_between_the_event_and_its_head_is_no_damage(tmp_path: Path) -> None:
    with begin(tmp_path) as journal:
        head = (journal.directory / "journal.head").read_bytes()
        journal.backup("b1")
    (journal.directory / "journal.head").write_bytes(head)
    assert read_run(tmp_path, journal.run_id).backup == "b1"


def damage_cut(directory: Path) -> None:
    lines = (directory / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (directory / "journal.jsonl").write_bytes(b"".join(lines[:-1]))


def damage_cut_in_the_last_line(directory: Path) -> None:
    (directory / "journal.jsonl").write_bytes((directory / "journal.jsonl").read_bytes()[:-1])


def damage_edit(directory: Path) -> None:
    text = (directory / "journal.jsonl").read_bytes()
    assert b'"halt"' in text
    (directory / "journal.jsonl").write_bytes(text.replace(b'"halt"', b'"passed"'))


def damage_empty(directory: Path) -> None:
    (directory / "journal.jsonl").write_bytes(b"")


def damage_remove(directory: Path) -> None:
    (directory / "journal.jsonl").unlink()


def damage_head(directory: Path) -> None:
    (directory / "journal.head").unlink()


def damage_link(directory: Path) -> None:
    (directory / "journal.jsonl").rename(directory / "elsewhere")
    (directory / "journal.jsonl").symlink_to("elsewhere")


def damage_pipe(directory: Path) -> None:
    (directory / "journal.jsonl").unlink()
    os.mkfifo(directory / "journal.jsonl")


DAMAGES = [
    damage_cut,
    damage_cut_in_the_last_line,
    damage_edit,
    damage_empty,
    damage_remove,
    damage_head,
    damage_link,
    damage_pipe,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_noticed_latches_and_can_be_resolved(tmp_path: Path, damage: object) -> None:
    run_id = finished(tmp_path, "halt")
    directory = tmp_path / "runs" / run_id
    damage(directory)  # type: ignore[operator]
    with pytest.raises(JournalError, match=run_id):
        read_run(tmp_path, run_id)
    with pytest.raises(JournalError):
        Journal.reopen(tmp_path, run_id)
    later = finished(tmp_path)
    runs = read_runs(tmp_path)
    assert [r.run_id for r in runs] == [run_id, later]
    assert runs[0].damage is not None
    obstacle = standing_in_the_way(runs)
    assert obstacle is not None and obstacle.run_id == run_id

    run = resolve(tmp_path, run_id, by="anna", reason="the disk was full")
    assert run.resolved is not None and run.resolved.reason == "the disk was full"
    assert run.damage is not None
    assert standing_in_the_way(read_runs(tmp_path)) is None

    (directory / "journal.head").write_bytes(b"changed again")
    assert standing_in_the_way(read_runs(tmp_path)) is not None


def test_a_journal_that_was_put_back_whole_is_believed_again(tmp_path: Path) -> None:
    run_id = finished(tmp_path)
    directory = tmp_path / "runs" / run_id
    shutil.copytree(directory, tmp_path / "copy")
    damage_empty(directory)
    assert read_runs(tmp_path)[0].damage is not None
    shutil.copy(tmp_path / "copy" / "journal.jsonl", directory / "journal.jsonl")
    assert read_run(tmp_path, run_id).outcome == "passed"


def test_a_change_by_somebody_else_while_it_is_written_is_noticed(tmp_path: Path) -> None:
    with begin(tmp_path) as journal:
        with (journal.directory / "journal.jsonl").open("ab") as file:
            file.write(b'{"kind":"ended"}\n')
        with pytest.raises(JournalError, match="changed by somebody else"):
            journal.backup("b1")


def test_a_write_that_was_broken_off_is_repeated_cleanly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with begin(tmp_path) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(log.os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                journal.backup("b1")
        journal.backup("b2")
    run = read_run(tmp_path, journal.run_id)
    assert run.backup == "b2" and run.damage is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_journal_error_and_the_first_error_wins(tmp_path: Path) -> None:
    with begin(tmp_path) as journal:
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, journal._descriptor)
        os.close(full)
        with pytest.raises(JournalError) as raised:
            journal.backup("b1")
        assert raised.value.exit_code == 3


def test_a_halt_latches_until_it_is_resolved(tmp_path: Path) -> None:
    run_id = finished(tmp_path, "halt")
    finished(tmp_path)
    assert standing_in_the_way(read_runs(tmp_path)) is not None
    with pytest.raises(UsageError, match="has ended"):
        Journal.reopen(tmp_path, run_id)
    with pytest.raises(UsageError, match="reason"):
        resolve(tmp_path, run_id, by="anna", reason="  ")
    run = resolve(tmp_path, run_id, by="anna", reason="rows put back")
    assert run.resolved is not None and run.outcome == "halt"
    assert standing_in_the_way(read_runs(tmp_path)) is None
    with pytest.raises(UsageError, match="needs no resolution"):
        resolve(tmp_path, run_id, by="anna", reason="again")


def test_resolving_an_interrupted_run_abandons_it(tmp_path: Path) -> None:
    run_id = killed_writer(tmp_path, "wait")
    run = resolve(tmp_path, run_id, by="anna", reason="not needed any more")
    assert (run.outcome, run.exit_code) == ("abandoned", None)
    assert run.resolved is not None
    assert standing_in_the_way(read_runs(tmp_path)) is None


def test_a_passed_run_needs_no_resolution(tmp_path: Path) -> None:
    run_id = finished(tmp_path)
    with pytest.raises(UsageError):
        resolve(tmp_path, run_id, by="anna", reason="why not")


def test_two_halves(tmp_path: Path) -> None:
    with begin(tmp_path) as journal:
        journal.pause("post")
    assert read_run(tmp_path, journal.run_id).paused == "post"
    with Journal.reopen(tmp_path, journal.run_id) as again:
        again.end("passed", exit_code=0)
    assert read_run(tmp_path, journal.run_id).outcome == "passed"


def test_a_leftover_of_a_killed_start_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "runs" / ".20261122T101530Z-3f2a91.partial").mkdir(parents=True)
    (tmp_path / "runs" / "notes").mkdir()
    assert read_runs(tmp_path) == ()


def test_the_head_is_what_the_chain_says(tmp_path: Path) -> None:
    with begin(tmp_path) as journal:
        journal.backup("b")
    head = json.loads((journal.directory / "journal.head").read_bytes())
    found = chain.read_chain((journal.directory / "journal.jsonl").read_bytes())
    assert head == {"number": 2, "digest": found.events[-1].digest}


KILLED_AT_ITS_START = """
import sys
from pathlib import Path
from ringfence.journal.log import Journal
Journal.create(Path(sys.argv[1]), project="inventory", issue=None, text="do it", root=Path("/repo"))
"""


@pytest.mark.parametrize("point", some(["written", "before", "after"], keep=1))
def test_what_a_kill_at_the_start_left_is_removed_by_the_next_run(tmp_path: Path, point: str) -> None:
    environment = {**os.environ, crashpoint.VARIABLE: f"journal.start.{point}"}
    child = subprocess.Popen([sys.executable, "-c", KILLED_AT_ITS_START, str(tmp_path)], env=environment)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    runs = tmp_path / "runs"
    (staged,) = runs.iterdir()
    # It is somebody's as long as its journal is held, and nobody's afterwards.
    begin(tmp_path, issue="1").close()
    assert staged.is_dir()
    child.kill()
    child.wait()
    assert staged.is_dir()
    begin(tmp_path, issue="2").close()
    assert not staged.exists()
    assert [run.issue for run in read_runs(tmp_path)] == ["2", "1"]


def test_only_what_is_half_made_is_removed(tmp_path: Path) -> None:
    run_id = finished(tmp_path)
    runs = tmp_path / "runs"
    others = [runs / name for name in (".partial", f".{run_id}", f"{run_id}.partial", ".notes.partial", "index.html")]
    for other in others:
        other.mkdir()
    (runs / f".{run_id}.partial").mkdir()
    begin(tmp_path).close()
    assert all(other.is_dir() for other in others) and not (runs / f".{run_id}.partial").exists()
    assert read_run(tmp_path, run_id).outcome == "passed"
