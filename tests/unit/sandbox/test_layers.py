"""What a program in each layer sees, can change, and leaves behind."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

Stage = Any


def test_the_exit_status_and_the_output_come_through(stage: Stage, layer: str) -> None:
    done = stage.sh(layer, "echo hello; exit 5")
    assert (done.code, done.out) == (5, "hello\n")


def test_a_program_that_is_not_there_is_said(stage: Stage, layer: str) -> None:
    done = stage.run(layer, "/no/such/program")
    assert done.code == 127
    assert "cannot start /no/such/program" in (done.ended["error"] if done.ended else done.out)


def test_the_work_tree_can_be_worked_in(stage: Stage, layer: str) -> None:
    done = stage.sh(layer, "echo x > .agents/new && mv .agents/new .agents/moved && cat .agents/moved")
    assert done.out == "x\n" and (stage.worktree / ".agents/moved").read_text() == "x\n"


def test_new_files_at_the_top_of_the_work_tree(stage: Stage, full_layer: str) -> None:
    done = stage.sh(full_layer, "echo x > new && git init -q sub && mkdir -p a/b && rm -r a && ln -s new link")
    assert done.code == 0, done.out
    assert (stage.worktree / "new").exists() and (stage.worktree / "link").is_symlink()


@pytest.mark.parametrize("path", ["home/.ssh/id_ed25519", "home/.pgpass", "tree/.backups/one.dump", "outside.txt"])
def test_what_is_hidden_cannot_be_read_written_or_linked(stage: Stage, layer: str, path: str) -> None:
    target = stage.base / path
    before = target.read_text()
    done = stage.sh(
        layer,
        f"cat {target}; echo x > {target}; rm -f {target}; ln {target} .agents/hard && cat .agents/hard;"
        f" ln -s {target} .agents/soft && cat .agents/soft; cat /proc/self/root{target} /proc/1/root{target}",
    )
    assert before.strip() not in done.out
    assert target.read_text() == before


@pytest.mark.parametrize("path", ["ringfence.toml", ".claude/settings.json"])
def test_what_is_protected_is_read_and_not_changed(stage: Stage, layer: str, path: str) -> None:
    target = stage.worktree / path
    before = target.read_text()
    tries = f"echo x >> {path}; rm -f {path}; mv {path} y; echo z > .agents/z; mv .agents/z {path}; ln -sf /etc {path}"
    done = stage.sh(layer, f"cat {path}; {tries}")
    assert done.out.startswith(before)
    assert target.read_text() == before and not target.is_symlink()


def test_the_directories_above_what_is_protected_cannot_be_exchanged(stage: Stage, full_layer: str) -> None:
    script = "for d in .git .claude .git/hooks .backups; do mv $d moved && mkdir -p $d; rmdir $d; done"
    stage.sh(
        full_layer, script + "; echo x > .git/hooks/p; echo '[core]' > .git/config; git config core.pager sh; ls -a"
    )
    assert (stage.worktree / ".git/config").read_text() == "[core]\n"
    assert list((stage.worktree / ".git/hooks").iterdir()) == []
    assert (stage.worktree / ".backups/one.dump").exists()
    assert list(stage.worktree.rglob("one.dump")) == [stage.worktree / ".backups/one.dump"]


def test_the_host_renames_over_a_protected_file_and_nothing_else_opens(stage: Stage, full_layer: str) -> None:
    """An editor outside does that. The mask of a single file is then gone, so what must stay hidden is not one."""
    script = "echo ready; while ! [ -e .agents/go ]; do sleep 0.05; done; cat .backups/one.dump; ls -A .backups $HOME"

    def exchange() -> None:
        time.sleep(1)
        for name in (".backups/one.dump",):
            aside = stage.worktree / f"{name}.new"
            aside.write_text("production's new rows\n")
            aside.replace(stage.worktree / name)
        (stage.home / ".pgpass.new").write_text("a new password\n")
        (stage.home / ".pgpass.new").replace(stage.home / ".pgpass")
        (stage.worktree / ".agents/go").touch()

    thread = threading.Thread(target=exchange)
    thread.start()
    done = stage.sh(full_layer, script)
    thread.join()
    assert "rows" not in done.out and ".pgpass" not in done.out


def test_writes_outside_do_not_arrive(stage: Stage, layer: str) -> None:
    stage.sh(
        layer, f"echo x > {stage.base}/new; echo x > $HOME/new; echo x > /tmp/ringfence-test-new; mkdir {stage.base}/d"
    )
    assert not (stage.base / "new").exists() and not (stage.home / "new").exists()
    assert not Path("/tmp/ringfence-test-new").exists() and not (stage.base / "d").exists()


def test_nothing_outlives_the_command(stage: Stage, full_layer: str) -> None:
    late = "(setsid sh -c 'sleep 1; echo late > late' &) ; (trap '' TERM HUP INT; sleep 50 &) ; exit 3"
    done = stage.sh(full_layer, late)
    assert done.code == 3 and done.ended is not None
    assert done.ended["late"] >= 2
    time.sleep(1.3)
    assert not (stage.worktree / "late").exists()


def test_a_signal_is_told_as_such(stage: Stage, full_layer: str) -> None:
    done = stage.sh(full_layer, "kill -9 $$")
    assert done.code == 137 and done.ended is not None and done.ended["signal"] == 9


def test_process_one_cannot_be_traced_stopped_or_ended(stage: Stage, full_layer: str) -> None:
    script = "kill -9 1; kill -STOP 1; for n in 0 1 2 3 4 5 6 7 8 9; do (: > /proc/1/fd/$n) && echo written; done;"
    done = stage.sh(full_layer, script + "cat /proc/1/environ; readlink /proc/1/fd/3; sleep 0.2; echo alive; exit 4")
    assert done.code == 4 and done.out.endswith("alive\n")
    assert "written" not in done.out and "socket:" not in done.out and "/environ: Permission denied" in done.out
    assert done.ended is not None and done.ended["exit_status"] == 4


def test_two_sandboxes_do_not_see_each_other(stage: Stage) -> None:
    from tests.unit.sandbox.conftest import FULL

    if "bwrap-net" not in FULL:
        pytest.skip("no sandbox: bubblewrap is not installed")
    done = stage.python("bwrap-net", "import os; print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[:3])")
    assert done.out.startswith("[1, 2")


def test_listening_sockets_in_the_work_tree_are_masked(stage: Stage, full_layer: str) -> None:
    path = stage.worktree / "a socket of db"  # as every path in a directory with a space in its name
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        done = stage.python(full_layer, f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})")
    assert "ConnectionRefusedError" in done.out


def test_a_sandbox_leaves_nothing_behind(stage: Stage, layer: str) -> None:
    before = {p for p in Path("/tmp").iterdir() if p.name.startswith(("ringfence-agent-", "ringfence-hosts-"))}
    tree = sorted(p.relative_to(stage.base) for p in stage.base.rglob("*"))
    stage.sh(layer, "exit 0")
    assert sorted(p.relative_to(stage.base) for p in stage.base.rglob("*")) == tree
    after = {p for p in Path("/tmp").iterdir() if p.name.startswith(("ringfence-agent-", "ringfence-hosts-"))}
    assert after <= before or os.environ.get("PYTEST_XDIST_WORKER")


def test_a_copy_can_be_written_and_the_original_stays(stage: Stage, layer: str) -> None:
    """Agents write their settings at every start; commands in them would run outside, later."""
    original = stage.home / ".claude.json"
    original.write_text('{"mcpServers": {}}')
    stage.want(copy=(original,))
    done = stage.sh(layer, "cat ~/.claude.json && echo '{\"evil\": 1}' > ~/.claude.json && cat ~/.claude.json")
    assert done.out.replace("\n", "") == '{"mcpServers": {}}{"evil": 1}', done.out
    assert original.read_text() == '{"mcpServers": {}}'


def test_a_program_of_the_tool_in_the_work_tree_cannot_be_changed(stage: Stage, full_layer: str) -> None:
    module = stage.worktree / ".venv/lib/tool.py"
    module.parent.mkdir(parents=True)
    module.write_text("safe")
    stage.want(protect=(*stage.wanted.protect, stage.worktree / ".venv"))
    stage.sh(full_layer, "echo evil > .venv/lib/tool.py; rm -rf .venv; mv .venv x; cp -r /etc/ssl .venv/lib/")
    assert module.read_text() == "safe" and len(list(module.parent.iterdir())) == 1
