"""Output and timing files: named as the strategy names them, never lost, never led elsewhere."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import pytest

from ringfence.agents.model import AgentResult
from ringfence.agents.record import OutputFile, output_name, write_timing
from ringfence.errors import AgentError, UsageError

DAY = dt.datetime(2026, 11, 22, 10, 15, tzinfo=dt.UTC)
NAME = "build-12-112226.md"


def create(worktree: Path, **options: object) -> OutputFile:
    said = {"agent": "build", "issue": "12", "run_id": "R1", "command": ("claude", "-p"), "started_at": DAY, **options}
    return OutputFile.create(worktree, **said)  # type: ignore[arg-type]


def outputs(worktree: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in (worktree / ".agents" / "outputs").iterdir()}


def result(name: str = "build", seconds: float = 1.5) -> AgentResult:
    return AgentResult(
        name=name,
        command=("x",),
        outcome="done",
        exit_code=0,
        started_at="2026-11-22T10:15:30.000000Z",
        ended_at="2026-11-22T10:15:31.500000Z",
        seconds=seconds,
        output_file=None,
        output_bytes=0,
        truncated=False,
        processes_ended=0,
        all_ended=True,
        reasons=(),
    )


def test_the_name_is_agent_issue_and_date() -> None:
    assert output_name("scout-and-plan", "12", DAY) == "scout-and-plan-12-112226.md"
    assert output_name("build", None, DAY) == "build-manual-112226.md"
    assert output_name("build", "12", DAY, attempt=2) == "build-12-112226-attempt-2.md"


@pytest.mark.parametrize("bad", ["", "..", "../x", "a/b", "-rf", ".x", "a\nb", "x" * 81, "ä", "a b", "a\0"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(UsageError):
        output_name(bad, "12", DAY)
    with pytest.raises(UsageError):
        output_name("build", bad, DAY)
    with pytest.raises(UsageError):
        write_timing(tmp_path, issue=bad, run_id="r", results=[], total_seconds=0)


def test_header_output_and_footer(tmp_path: Path) -> None:
    file = create(tmp_path, command=("x", "--token", "sk-0123456789", "`b`\n"), secrets=["sk-0123456789"])
    file.write("hello\n")
    written = file.close("failed", seconds=2, reasons=["it ended with exit status 1"])
    text = outputs(tmp_path)[NAME]
    assert text.startswith(
        "# build\n\n- issue: 12\n- run: R1\n- started: 2026-11-22T10:15:00.000000Z\n- command: `x --t"
    )
    assert "sk-0123456789" not in text and "\\n" in text
    assert "\n---\n\nhello\n" in text
    assert text.endswith("---\n\n- outcome: failed\n- time: 2.00 s\n- it ended with exit status 1\n")
    assert written.path == f".agents/outputs/{NAME}"
    assert (written.kept_bytes, written.left_out_bytes, written.reasons) == (6, 0, ())


def test_older_files_of_that_name_are_kept(tmp_path: Path) -> None:
    for number in range(3):
        file = create(tmp_path)
        file.write(f"try {number}\n")
        file.close("done", seconds=1)
    found = outputs(tmp_path)
    assert sorted(found) == ["build-12-112226.1.md", "build-12-112226.2.md", NAME]
    assert "try 0" in found["build-12-112226.1.md"]
    assert "try 1" in found["build-12-112226.2.md"]
    assert "try 2" in found[NAME]


def test_the_limit_is_kept_and_said(tmp_path: Path) -> None:
    file = create(tmp_path, limit_bytes=10)
    for _ in range(1000):
        file.write("üüü\n")
    written = file.close("done", seconds=1)
    assert (written.kept_bytes, written.left_out_bytes) == (9, 6991)
    text = outputs(tmp_path)[NAME]
    assert "üüü\nü\n" in text
    assert "- left out: 7.0 kB more than the 9 B above" in text


@pytest.mark.parametrize("link", [".agents", ".agents/outputs"])
def test_a_directory_that_is_a_link_is_refused(tmp_path: Path, link: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    worktree = tmp_path / "worktree"
    (worktree / link).parent.mkdir(parents=True)
    (worktree / link).symlink_to(elsewhere)
    with pytest.raises(AgentError, match="symbolic link"):
        create(worktree)
    assert list(elsewhere.iterdir()) == []


def test_a_link_with_the_name_of_the_file_is_not_followed(tmp_path: Path) -> None:
    important = tmp_path / "important"
    important.write_text("important")
    (tmp_path / ".agents" / "outputs").mkdir(parents=True)
    (tmp_path / ".agents" / "outputs" / NAME).symlink_to(important)
    create(tmp_path).close("done", seconds=1)
    assert important.read_text() == "important"
    assert (tmp_path / ".agents" / "outputs" / "build-12-112226.1.md").is_symlink()


def test_a_file_that_the_agent_replaced_or_removed_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / ".agents" / "outputs" / NAME
    file = create(tmp_path)
    file.write("real\n")
    path.unlink()
    path.write_text("VERIFY OK")
    written = file.close("done", seconds=1)
    assert "real" in path.read_text()
    assert outputs(tmp_path)["build-12-112226.1.md"] == "VERIFY OK"
    assert "was replaced" in written.reasons[0]

    file = create(tmp_path)
    file.write("real again\n")
    path.unlink()
    written = file.close("done", seconds=1)
    assert "real again" in path.read_text()
    assert "was removed" in written.reasons[0]


def test_a_directory_that_the_agent_removed_is_made_again(tmp_path: Path) -> None:
    file = create(tmp_path)
    file.write("real\n")
    (tmp_path / ".agents" / "outputs" / NAME).unlink()
    (tmp_path / ".agents" / "outputs").rmdir()
    file.close("done", seconds=1)
    assert "real" in outputs(tmp_path)[NAME]


def test_a_directory_that_the_agent_made_a_link_costs_no_run(tmp_path: Path) -> None:
    file = create(tmp_path)
    (tmp_path / ".agents" / "outputs").rename(tmp_path / "moved")
    (tmp_path / ".agents" / "outputs").symlink_to(tmp_path)
    written = file.close("done", seconds=1)
    assert "could not be put back" in written.reasons[0]


def test_a_file_that_was_written_to_is_reported(tmp_path: Path) -> None:
    file = create(tmp_path)
    file.write("real\n")
    (tmp_path / ".agents" / "outputs" / NAME).write_text("")
    file.write("more\n")
    assert "changed by somebody else" in file.close("done", seconds=1).reasons[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_costs_no_run(tmp_path: Path) -> None:
    file = create(tmp_path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file._descriptor)
    os.close(full)
    file.write("lost\n")
    file.write("lost\n")
    written = file.close("done", seconds=1)
    assert written.left_out_bytes == 10
    assert any("No space left" in reason for reason in written.reasons)


def test_timing_of_one_run(tmp_path: Path) -> None:
    path = write_timing(tmp_path, issue="12", run_id="R1", results=[result("a"), result("b")], total_seconds=3.25)
    assert path == ".agents/timing/issue-12-timing.json"
    said = json.loads((tmp_path / path).read_text())
    assert (said["schema"], said["issue"], len(said["runs"])) == (1, "12", 1)
    assert said["runs"][0]["run"] == "R1" and said["runs"][0]["total_seconds"] == 3.25
    assert said["runs"][0]["agents"][0] == {
        "name": "a",
        "started_at": "2026-11-22T10:15:30.000000Z",
        "ended_at": "2026-11-22T10:15:31.500000Z",
        "seconds": 1.5,
        "outcome": "done",
        "attempt": 1,
    }
    assert [p.name for p in (tmp_path / ".agents" / "timing").iterdir()] == ["issue-12-timing.json"]


def test_a_second_run_is_appended_and_the_same_run_replaces_itself(tmp_path: Path) -> None:
    for run, seconds in (("R1", 1.0), ("R2", 2.0), ("R2", 3.0)):
        path = write_timing(tmp_path, issue=None, run_id=run, results=[result()], total_seconds=seconds)
    assert path == ".agents/timing/issue-manual-timing.json"
    runs = json.loads((tmp_path / path).read_text())["runs"]
    assert [(r["run"], r["total_seconds"]) for r in runs] == [("R1", 1.0), ("R2", 3.0)]


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"runs": 5}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_timing_file_is_kept_aside(tmp_path: Path, damaged: bytes) -> None:
    directory = tmp_path / ".agents" / "timing"
    directory.mkdir(parents=True)
    for number in (1, 2):
        (directory / "issue-12-timing.json").write_bytes(damaged + b" " * number)
        path = write_timing(tmp_path, issue="12", run_id="R1", results=[], total_seconds=0)
        assert len(json.loads((tmp_path / path).read_text())["runs"]) == 1
    for number in (1, 2):
        assert (directory / f"issue-12-timing.{number}.json").read_bytes() == damaged + b" " * number


def test_a_timing_file_that_is_a_pipe_or_a_link_does_not_hang_or_lead_elsewhere(tmp_path: Path) -> None:
    directory = tmp_path / ".agents" / "timing"
    directory.mkdir(parents=True)
    os.mkfifo(directory / "issue-1-timing.json")
    important = tmp_path / "important"
    important.write_text("important")
    (directory / "issue-2-timing.json").symlink_to(important)
    (directory / "issue-3-timing.json").mkdir()
    for issue in ("1", "2", "3"):
        path = write_timing(tmp_path, issue=issue, run_id="R1", results=[], total_seconds=0)
        assert json.loads((tmp_path / path).read_text())["runs"]
        assert os.path.lexists(directory / f"issue-{issue}-timing.1.json")
    assert important.read_text() == "important"


def test_a_timing_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".agents").mkdir()
    (tmp_path / ".agents" / "timing").symlink_to(tmp_path)
    with pytest.raises(AgentError):
        write_timing(tmp_path, issue="1", run_id="R1", results=[], total_seconds=0)
