"""Whatever an agent starts and however it hides it: when it has ended, nothing of it is left and nothing is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringfence.agents import supervisor

Stage = Any
WaitUntil = Callable[[Callable[[], bool]], None]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a child subreaper (Linux)")

DAEMON = """
import os, sys, time
if os.fork():
    os.wait()
    print("left", flush=True)
    sys.exit(0)
os.setsid()
if os.fork():
    os._exit(0)
open("daemon.pid", "w").write(str(os.getpid()))
{close}
time.sleep(1.0)
open("late", "w").write("late")
time.sleep(100)
"""


@pytest.mark.parametrize("close", ["pass", "os.closerange(0, 100)"], ids=["holds the pipe", "holds nothing"])
def test_a_daemon_is_gone_and_its_late_write_did_not_happen(stage: Stage, close: str) -> None:
    began = time.monotonic()
    result = stage.python(DAEMON.format(close=close))
    assert time.monotonic() - began < 5
    assert result.outcome == "done" and result.all_ended
    assert stage.text == "left\n"
    assert not stage.living()
    time.sleep(1.2)
    assert not (stage.worktree / "late").exists()


def test_many_leftovers_are_counted(stage: Stage) -> None:
    result = stage.sh("for i in 1 2 3; do (setsid sleep 100 &) ; done; (sleep 100 &); exit 0")
    assert result.processes_ended == 4 and result.all_ended
    assert "4 processes that it had started were still running" in result.reasons[0]
    assert not stage.living()


def test_a_leftover_with_another_environment_and_closed_files_is_found(stage: Stage) -> None:
    result = stage.sh("(setsid env -i sh -c 'exec 0<&- 1>&- 2>&-; sleep 1.5; touch late' &) ; exit 0")
    assert result.all_ended and result.processes_ended >= 1
    time.sleep(1.7)
    assert not (stage.worktree / "late").exists()


def test_a_process_whose_first_thread_has_ended_is_found(stage: Stage) -> None:
    """``/proc`` shows it as a zombie, but its other threads go on."""
    script = (
        "import ctypes, os, threading, time\n"
        "if os.fork(): time.sleep(0.5); os._exit(0)\n"
        "os.setsid()\n"
        "def late():\n"
        "    time.sleep(2)\n"
        "    open('late', 'w').close()\n"
        "threading.Thread(target=late).start()\n"
        "ctypes.CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0)\n"
    )
    result = stage.python(script)
    assert result.all_ended and result.processes_ended == 1
    time.sleep(1.8)
    assert not (stage.worktree / "late").exists()


def test_a_process_that_forks_and_leaves_again_and_again_is_caught(stage: Stage) -> None:
    script = (
        "import os, time\n"
        "if os.fork(): time.sleep(0.3); os._exit(0)\n"
        "os.setsid()\n"
        "end = time.time() + 30\n"
        "while time.time() < end:\n"
        "    if os.fork(): os._exit(0)\n"
        "open('late', 'w').close()\n"
    )
    result = stage.python(script)
    assert result.all_ended
    assert not stage.living()


def test_leftovers_that_start_each_other_again_are_gone(stage: Stage) -> None:
    script = "for i in 1 2 3; do (setsid sh -c 'while :; do sh -c \"sleep 0.02\"; done' &); done; sleep 0.2; exit 0"
    result = stage.sh(script)
    assert result.all_ended and not stage.living()


def test_an_agent_out_of_time_gets_a_chance_to_end(stage: Stage) -> None:
    result = stage.sh("trap 'echo ending; exit 0' TERM; while :; do sleep 0.05; done", timeout_s=0.5, grace_s=10)
    assert (result.outcome, result.exit_code) == ("timed-out", 0)
    assert stage.text.endswith("ending\n")
    assert result.reasons[0] == "it did not end within 0.50 s"
    assert result.seconds < 5 and not stage.living()


def test_an_agent_that_ignores_sigterm_is_killed(stage: Stage) -> None:
    script = (
        "trap '' TERM; (setsid sh -c 'trap \"\" TERM; sleep 1.5; touch late; sleep 100' &); while :; do sleep 0.1; done"
    )
    result = stage.sh(script, timeout_s=0.4, grace_s=0.4)
    assert (result.outcome, result.exit_code) == ("timed-out", -9)
    assert result.all_ended and result.seconds < 5 and not stage.living()
    time.sleep(1.5)
    assert not (stage.worktree / "late").exists()


def test_an_agent_that_prints_for_ever_runs_out_of_time(stage: Stage) -> None:
    result = stage.run("yes", timeout_s=0.5, grace_s=0.5, limit_bytes=1000)
    assert result.outcome == "timed-out" and result.truncated
    assert "left out" in stage.output()


def test_time_is_kept_even_while_the_terminal_blocks(stage: Stage) -> None:
    """The tool is stuck in showing a line; the supervisor ends the agent by its own clock."""
    marks: list[bool] = []

    def stuck() -> str | None:
        if not marks:
            time.sleep(8)
            marks.append(bool(stage.living()))
        return None

    result = stage.sh("sleep 100", timeout_s=0.5, grace_s=0.5, stop=stuck)
    assert result.outcome == "timed-out"
    assert marks == [False]


def test_an_agent_that_stops_its_supervisor_still_ends(stage: Stage) -> None:
    result = stage.sh("(setsid sh -c 'sleep 2; touch late' &); kill -STOP $PPID; sleep 100", timeout_s=0.5, grace_s=0.3)
    assert result.outcome == "timed-out" and result.all_ended
    assert not stage.living()


def test_an_agent_that_keeps_stopping_its_supervisor_still_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from ringfence.agents import runner

    monkeypatch.setattr(runner, "_SUPERVISOR_LATE_S", 1.0)
    result = stage.sh("P=$PPID; trap '' TERM; while :; do kill -STOP $P; done", timeout_s=0.5, grace_s=0.3)
    assert result.outcome == "timed-out"
    assert not stage.living()


def test_an_agent_that_kills_its_supervisor_proves_nothing_and_is_ended(stage: Stage) -> None:
    result = stage.sh("(setsid sh -c 'sleep 2; touch late' &); sleep 0.2; kill -KILL $PPID; sleep 100")
    assert result.outcome == "failed" and not result.all_ended
    assert "what the agent left running is not known" in result.reasons[0]
    assert not stage.living()
    time.sleep(2)
    assert not (stage.worktree / "late").exists()


def test_an_agent_that_terminates_its_supervisor_is_ended(stage: Stage) -> None:
    result = stage.sh("(setsid sleep 100 &); sleep 0.2; kill -TERM $PPID; sleep 100")
    assert result.outcome == "failed" and result.all_ended
    assert "by somebody else than the tool" in " ".join(result.reasons)
    assert not stage.living()


TOOL = """
import os, sys
sys.path.insert(0, sys.argv[1])
import conftest, pathlib
stage = conftest.Stage(worktree=pathlib.Path(sys.argv[2]), run_id=sys.argv[3])
stage.sh("trap '' TERM INT HUP; (setsid sh -c 'sleep 2; touch late; sleep 100' &); touch ready; sleep 100")
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_tool_leaves_nothing_of_its_agent(stage: Stage, wait_until: WaitUntil, how: int) -> None:
    argv = [sys.executable, "-c", TOOL, str(Path(__file__).parent), str(stage.worktree), stage.run_id]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as tool:
        wait_until(lambda: (stage.worktree / "ready").exists())
        assert len(stage.living()) >= 3
        tool.send_signal(how)
    wait_until(lambda: not stage.living())
    time.sleep(2)
    assert not (stage.worktree / "late").exists()


def test_the_agent_does_not_get_the_control_socket_or_other_files(stage: Stage) -> None:
    secret = os.open("/etc/hostname" if os.path.exists("/etc/hostname") else "/dev/null", os.O_RDONLY)
    try:
        assert stage.sh("ls -l /proc/self/fd | grep -c -e socket -e hostname; true").ok
    finally:
        os.close(secret)
    assert stage.text == "0\n"


def test_a_signal_reaches_only_the_process_that_was_meant() -> None:
    with subprocess.Popen(["sleep", "100"]) as child:
        process = supervisor.look_at(child.pid)
        assert process is not None and process.alive and process.parent == os.getpid()
        assert process in supervisor.descendants(os.getpid())
        assert not supervisor.send(process._replace(started=process.started - 1), signal.SIGKILL)
        assert child.poll() is None
        assert supervisor.send(process, signal.SIGKILL)
        child.wait()
        assert not supervisor.send(process, signal.SIGKILL)
    assert supervisor.look_at(child.pid) is None
