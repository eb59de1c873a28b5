"""Reading: which process still runs, and what is not a run."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from pathlib import Path

import pytest

from ringfence.errors import UsageError
from ringfence.journal import reader
from ringfence.journal.log import Journal


def test_processes_of_another_boot_or_start_are_dead_of_another_machine_unknown() -> None:
    mine = reader.this_process()
    assert reader.is_alive(mine)
    assert not reader.is_alive(dataclasses.replace(mine, boot_id="another"))
    assert reader.is_alive(dataclasses.replace(mine, hostname="another"))
    if mine.started is not None:
        assert not reader.is_alive(dataclasses.replace(mine, started=mine.started - 1))


def test_a_process_that_ended_and_was_not_waited_for_is_dead() -> None:
    with subprocess.Popen(["true"]) as child:
        who = dataclasses.replace(reader.this_process(), pid=child.pid, started=reader._started(child.pid) or 1)
        until = time.monotonic() + 10
        while reader.is_alive(who):
            assert time.monotonic() < until
            time.sleep(0.01)
        os.kill(child.pid, 0)  # its number is still taken


def test_only_run_ids_name_runs(tmp_path: Path) -> None:
    for name in ("notes", ".20261122T101530Z-3f2a91.partial", "20261122T101530Z-3F2A91"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        with pytest.raises(UsageError):
            reader.read_run(tmp_path, name)
    (tmp_path / "runs" / "20261122T101530Z-3f2a91").write_text("a file")
    assert reader.read_runs(tmp_path) == ()
    assert reader.next_number(tmp_path) == 1


def test_a_run_that_is_read_while_it_is_written_is_never_damaged(tmp_path: Path) -> None:
    with Journal.create(tmp_path, project="p", issue=None, text="t", root=Path("/")) as journal:
        for number in range(20):
            journal.backup(f"b{number}")
            run = reader.read_run(tmp_path, journal.run_id)
            assert run.backup == f"b{number}" and run.warnings == () and not run.interrupted
