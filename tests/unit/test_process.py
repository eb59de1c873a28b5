"""Programs are started, limited, read and ended: real processes throughout."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cases.drivers import python_as

from ringfence import process
from ringfence.errors import InternalError
from ringfence.process import CAPTURE_LIMIT_BYTES, Completed, ProgramError, run

PYTHON = sys.executable
SH = "/bin/sh"
IS_ROOT = os.geteuid() == 0


def python(script: str, **options: object) -> Completed:
    return run([PYTHON, "-c", textwrap.dedent(script)], **{"timeout_s": 30, **options})  # type: ignore[arg-type]


def is_running(pid: int) -> bool:
    """Alive and no zombie: what was killed may wait for init to collect it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(true: Callable[[], object], timeout_s: float = 15) -> None:
    until = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.02)


def pids_in(path: Path, count: int) -> list[int]:
    wait_until(lambda: path.exists() and len(path.read_text().split()) >= count)
    return [int(word) for word in path.read_text().split()]


# --- what comes back --------------------------------------------------------------------------------------------------


def test_a_program_is_run_to_its_end() -> None:
    done = run([SH, "-c", "echo out; echo err >&2; exit 3"], timeout_s=10, check=False)
    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert done.argv == (SH, "-c", "echo out; echo err >&2; exit 3")
    assert 0 <= done.seconds < 10


def test_a_failure_raises_with_its_status_and_the_last_lines() -> None:
    with pytest.raises(ProgramError) as caught:
        run([SH, "-c", "for n in 1 2 3 4 5 6 7 8; do echo line $n; echo; done >&2; exit 2"], timeout_s=10)
    assert caught.value.program_exit_code == 2
    assert caught.value.message == ("sh ended with exit status 2: line 3 | line 4 | line 5 | line 6 | line 7 | line 8")


def test_what_went_wrong_first_is_told_first() -> None:
    script = "echo start; echo 'x: ERROR: function f() does not exist'; for n in 1 2 3 4 5 6 7 8; do echo $n; done"
    with pytest.raises(ProgramError) as caught:
        run([SH, "-c", f"({script}) >&2; exit 1"], timeout_s=10)
    assert caught.value.message == (
        "sh ended with exit status 1: x: ERROR: function f() does not exist | … | 5 | 6 | 7 | 8"
    )


def test_standard_output_is_told_where_there_is_no_error_output() -> None:
    with pytest.raises(ProgramError, match=r"^sh ended with exit status 1: said on stdout$"):
        run([SH, "-c", "echo said on stdout; exit 1"], timeout_s=10)
    with pytest.raises(ProgramError, match=r"^sh ended with exit status 1$"):
        run([SH, "-c", "exit 1"], timeout_s=10)


def test_a_signal_is_told_as_one() -> None:
    with pytest.raises(ProgramError, match=r"^sh was killed by signal 9$") as caught:
        run([SH, "-c", "kill -9 $$"], timeout_s=10)
    assert caught.value.program_exit_code == -9


def test_output_that_is_no_text_is_no_error() -> None:
    assert run(["/usr/bin/printf", r"a\377b"], timeout_s=10).stdout == "a\N{REPLACEMENT CHARACTER}b"


# --- the environment --------------------------------------------------------------------------------------------------


def test_nothing_of_the_callers_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOSTADDR", "PGPASSWORD", "LD_PRELOAD_X", "PYTHONPATH", "SECRET"):
        monkeypatch.setenv(name, "caller")
    seen = dict(line.split("=", 1) for line in run(["/usr/bin/env"], timeout_s=10).stdout.splitlines())
    assert seen == process.clean_environment()
    assert seen["PATH"] == process.SYSTEM_PATH and seen["HOME"] == "/nonexistent"


def test_extra_variables_go_before_the_clean_ones() -> None:
    environment = process.clean_environment({"HOME": "/srv", "PGPASSFILE": "/x"})
    seen = dict(line.split("=", 1) for line in run(["/usr/bin/env"], timeout_s=10, env=environment).stdout.splitlines())
    assert (seen["HOME"], seen["PGPASSFILE"], seen["LC_ALL"]) == ("/srv", "/x", "C.UTF-8")


def test_the_working_directory_is_the_given_one(tmp_path: Path) -> None:
    assert run(["/bin/pwd"], timeout_s=10, cwd=tmp_path).stdout == f"{tmp_path}\n"


def test_no_terminal_and_no_input_by_default() -> None:
    assert python("import sys; print(repr(sys.stdin.read()), sys.stdin.isatty())").stdout == "'' False\n"


def test_no_open_file_of_the_callers_is_inherited(tmp_path: Path) -> None:
    with socket.socket() as secret:
        os.set_inheritable(secret.fileno(), True)
        listed = python("import os; print(*sorted(int(n) for n in os.listdir('/proc/self/fd')))").stdout.split()
    assert str(secret.fileno()) not in listed[:3]
    assert [int(n) for n in listed[:3]] == [0, 1, 2] and len(listed) <= 4  # the fourth is the listing's own


# --- what cannot be started -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["true", "./true", "bin/true", ""])
def test_a_relative_program_is_refused(program: str) -> None:
    with pytest.raises(InternalError, match="program path is not absolute"):
        run([program], timeout_s=5)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ProgramError, match=r"^cannot start /nonexistent/pg_dump: No such file or directory$"):
        run(["/nonexistent/pg_dump"], timeout_s=5)


def test_a_program_that_is_none_is_named(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no program")
    with pytest.raises(ProgramError, match=r"^cannot start .*/text: Permission denied$"):
        run([text], timeout_s=5)
    text.chmod(0o755)
    with pytest.raises(ProgramError, match=r"^cannot start .*/text: Exec format error$"):
        run([text], timeout_s=5)
    with pytest.raises(ProgramError, match="Permission denied"):
        run([tmp_path], timeout_s=5)


def test_a_missing_working_directory_is_named_and_not_the_program(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"^cannot start /bin/sh in .*/gone: No such file or directory$"):
        run([SH, "-c", "true"], timeout_s=5, cwd=tmp_path / "gone")


# --- ending -----------------------------------------------------------------------------------------------------------


def test_the_time_limit_ends_the_program_and_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = time.monotonic()
    with pytest.raises(ProgramError, match=r"^sh did not end within 0.50 s; it was stopped$"):
        run([SH, "-c", f"sleep 600 & echo $! >> {pids}; echo $$ >> {pids}; sleep 600"], timeout_s=0.5)
    assert time.monotonic() - started < 4
    assert len(pids_in(pids, 2)) == 2
    wait_until(lambda: not any(is_running(pid) for pid in pids_in(pids, 2)))


def test_a_descendant_that_ignores_the_signal_is_ended_too(tmp_path: Path) -> None:
    """The program itself ends at SIGTERM; what it started does not. It is in the group, and goes with it."""
    pids = tmp_path / "pids"
    stubborn = f"(trap '' TERM; echo start >/dev/null; while :; do sleep 1; done) & echo $! >> {pids}; sleep 600"
    with pytest.raises(ProgramError, match="did not end within"):
        run([SH, "-c", stubborn], timeout_s=0.5)
    try:
        wait_until(lambda: not any(is_running(pid) for pid in pids_in(pids, 1)), timeout_s=3)
    finally:
        for pid in pids_in(pids, 1):
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)


def test_a_program_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"""
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open({str(pids)!r}, "w").write(str(os.getpid()))
        time.sleep(600)
        """
    with pytest.raises(ProgramError, match="did not end within"):
        python(script, timeout_s=1)
    assert not is_running(pids_in(pids, 1)[0])


def test_an_exception_of_the_tick_ends_the_program(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def tick() -> None:
        if pids.exists() and pids.read_text():
            raise ValueError("the caller has seen enough")

    started = time.monotonic()
    with pytest.raises(ValueError, match="seen enough"):
        run([SH, "-c", f"echo $$ > {pids}; sleep 600"], timeout_s=60, on_tick=tick)
    assert time.monotonic() - started < 5
    assert not is_running(pids_in(pids, 1)[0])


def test_the_tick_comes_about_ten_times_a_second() -> None:
    ticks: list[float] = []
    run([SH, "-c", "sleep 1"], timeout_s=10, on_tick=lambda: ticks.append(time.monotonic()))
    assert 5 <= len(ticks) <= 12


def test_the_time_limit_holds_while_ticking() -> None:
    ticks: list[int] = []
    with pytest.raises(ProgramError, match=r"did not end within 0.60 s"):
        run([SH, "-c", "sleep 600"], timeout_s=0.6, on_tick=lambda: ticks.append(1))
    assert ticks


def interrupted(tmp_path: Path, child: str) -> tuple[subprocess.Popen[bytes], int]:
    """A process of its own that waits in `run` for a child; with its child's number."""
    pids = tmp_path / "pids"
    script = f"""
        import sys
        from ringfence.process import run
        try:
            run([{SH!r}, "-c", {child!r}.format(pids={str(pids)!r})], timeout_s=600)
        except KeyboardInterrupt:
            sys.exit(130)
        """
    driver = subprocess.Popen([PYTHON, "-c", textwrap.dedent(script)])
    return driver, pids_in(pids, 1)[0]


def test_interrupting_the_tool_ends_the_program(tmp_path: Path) -> None:
    driver, child = interrupted(tmp_path, "echo $$ > {pids}; sleep 600")
    driver.send_signal(signal.SIGINT)
    assert driver.wait(20) == 130
    assert not is_running(child)


def test_interrupting_twice_does_not_leave_a_stubborn_program(tmp_path: Path) -> None:
    """Who presses Ctrl-C again while the tool waits for a program that ignores SIGTERM wants it gone now."""
    driver, child = interrupted(tmp_path, "trap '' TERM; echo $$ > {pids}; while :; do sleep 1; done")
    driver.send_signal(signal.SIGINT)
    time.sleep(0.7)
    started = time.monotonic()
    driver.send_signal(signal.SIGINT)
    driver.wait(20)
    try:
        assert not is_running(child)
        assert time.monotonic() - started < 3
    finally:
        if is_running(child):
            os.killpg(child, signal.SIGKILL)


def test_a_daemon_that_keeps_the_pipe_open_is_not_waited_for(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = time.monotonic()
    done = run([SH, "-c", f"echo said; sleep 600 2>/dev/null & echo $! > {pids}"], timeout_s=60)
    try:
        assert done.stdout == "said\n"
        assert time.monotonic() - started < 8
        assert is_running(pids_in(pids, 1)[0])
    finally:
        os.kill(pids_in(pids, 1)[0], signal.SIGKILL)


# --- much input and output --------------------------------------------------------------------------------------------


def test_a_program_that_prints_200_megabytes_costs_few(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from ringfence.process import run, CAPTURE_LIMIT_BYTES
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        noise = "import sys; b = b'x' * (1 << 20); [sys.stdout.buffer.write(b) for _ in range(200)]; print('END')"
        done = run([sys.executable, "-c", noise], timeout_s=60)
        assert len(done.stdout) == CAPTURE_LIMIT_BYTES, len(done.stdout)
        assert done.stdout.endswith("xEND\\n")
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
        """
    assert int(python(script, env=dict(os.environ)).stdout) < 20  # MiB


def test_input_and_output_of_any_size_do_not_block_each_other() -> None:
    data = os.urandom(1 << 20) * 30
    script = """
        import hashlib, sys
        digest = hashlib.sha256()
        while chunk := sys.stdin.buffer.read(1 << 16):
            digest.update(chunk)
            sys.stdout.buffer.write(chunk)   # more than any pipe holds, before the input has ended
            sys.stderr.buffer.write(chunk)
        sys.stderr.buffer.write(b"\\n" + digest.hexdigest().encode())
        """
    import hashlib

    done = python(script, stdin=data)
    assert done.stderr.rpartition("\n")[2] == hashlib.sha256(data).hexdigest()
    assert len(done.stdout) > CAPTURE_LIMIT_BYTES // 4


def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    assert run(["/bin/true"], timeout_s=10, stdin=b"x" * (5 << 20)).exit_code == 0
    with pytest.raises(ProgramError, match=r"exit status 1$"):
        run(["/bin/false"], timeout_s=10, stdin=b"x" * (5 << 20))


def test_the_time_limit_holds_for_a_program_that_does_not_read() -> None:
    with pytest.raises(ProgramError, match="did not end within"):
        run([SH, "-c", "sleep 600"], timeout_s=0.4, stdin=b"x" * (5 << 20))


def test_every_byte_goes_to_a_file_where_one_is_given(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb") as file:
        done = run([SH, "-c", "head -c 3000000 /dev/zero; echo err >&2"], timeout_s=10, stdout_to=file)
    assert path.stat().st_size == 3_000_000 > 2 * CAPTURE_LIMIT_BYTES
    assert (done.stdout, done.stderr) == ("", "err\n")


# --- another account --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
def test_a_program_runs_as_another_account_with_nothing_of_roots(tmp_path: Path) -> None:
    nobody = process.account("nobody")
    assert nobody is not None
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    done = run(
        [SH, "-c", f"id -u; id -g; id -G; cat {secret}"], timeout_s=10, run_as=nobody, cwd=Path("/"), check=False
    )
    assert done.stdout.split() == [str(nobody.uid), str(nobody.gid), str(nobody.gid)]
    assert done.exit_code == 1 and "Permission denied" in done.stderr


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
def test_without_root_becoming_somebody_else_is_an_error() -> None:
    script = """
        from ringfence import process
        try:
            process.run(["/bin/true"], timeout_s=5, run_as=process.account("daemon"))
        except process.ProgramError as error:
            print(error.message)
        """
    assert python_as("nobody", script).stdout == "cannot start /bin/true: Operation not permitted\n"


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
def test_a_program_of_another_account_is_ended_too(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    pids = Path("/tmp") / f"ringfence-test-{os.getpid()}-pids"
    try:
        with pytest.raises(ProgramError, match="did not end within"):
            run(
                [SH, "-c", f"echo $$ > {pids}; sleep 600"], timeout_s=1, run_as=process.account("nobody"), cwd=Path("/")
            )
        assert not is_running(pids_in(pids, 1)[0])
    finally:
        pids.unlink(missing_ok=True)


def test_an_unknown_account_is_none() -> None:
    assert process.account("no-such-account") is None


# --- looking at processes ---------------------------------------------------------------------------------------------


def test_a_process_is_alive_until_it_is_gone() -> None:
    child = subprocess.Popen(["/bin/sleep", "600"])
    assert process.is_alive(child.pid)
    assert process.working_directory(child.pid) == Path.cwd()
    assert process.describe(child.pid) == f"{child.pid} (/bin/sleep 600)"
    child.kill()
    child.wait()
    assert not process.is_alive(child.pid)
    assert process.working_directory(child.pid) is None
    assert process.describe(child.pid) == str(child.pid)


def test_a_process_that_ended_and_was_not_collected_is_not_alive() -> None:
    """Where nobody collects orphans (a container whose first process is no init) they stay in the table for ever."""
    child = subprocess.Popen(["/bin/true"])
    try:
        wait_until(lambda: not is_running(child.pid))
        assert Path(f"/proc/{child.pid}").exists()
        assert not process.is_alive(child.pid)
    finally:
        child.wait()


def test_the_words_of_a_process_are_made_harmless() -> None:
    """Anybody on the machine chooses them, and they are printed in messages."""
    words = ["plain", "\x1b]0;forged\x07", "a\nVERIFY OK", "postgresql://app:hunter2hunter@h/db"]
    child = subprocess.Popen([SH, "-c", "read line", *words], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: "read line" in process.describe(child.pid))  # its words appear a moment after it does
        words_said = r"/bin/sh -c read line plain \x1b]0;forged\x07 a\nVERIFY OK postgresql://app:****@h/db"
        assert process.describe(child.pid) == f"{child.pid} ({words_said})"
    finally:
        child.communicate()


# --- the long-running kind --------------------------------------------------------------------------------------------


def test_a_stream_joins_both_outputs_in_a_session_of_its_own(tmp_path: Path) -> None:
    child = process.stream(
        [SH, "-c", "echo out; echo err >&2; ps -o sid= $$"], env=dict(os.environ), cwd=tmp_path, stdin=None
    )
    assert child.stdout is not None
    with child.stdout as pipe:
        lines = pipe.read().split()
    assert child.wait(10) == 0
    assert lines[:2] == [b"out", b"err"] and int(lines[2]) == child.pid != os.getsid(0)


def test_a_stream_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="cannot start /nonexistent/agent: No such file"):
        process.stream(["/nonexistent/agent"], env={}, cwd=tmp_path, stdin=None)
