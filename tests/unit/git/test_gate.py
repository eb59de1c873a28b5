"""The pre-push hook: put in place, kept where somebody else's stands, and refusing by the status of the command."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from ringfence.git import gate


def test_it_is_written_once_and_can_be_run(tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    assert gate.install(hooks) == "written"
    path = hooks / "pre-push"
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert gate.install(hooks) == "current"
    assert path.read_text() == gate.SCRIPT


def test_somebody_elses_hook_is_kept(tmp_path: Path) -> None:
    (tmp_path / "pre-push").write_text("#!/bin/sh\nexec lint\n")
    assert gate.install(tmp_path) == "kept"
    assert (tmp_path / "pre-push").read_text() == "#!/bin/sh\nexec lint\n"
    (tmp_path / "pre-push").write_text(f"#!/bin/sh\n{gate.COMMAND} || exit 1\nexec lint\n")
    assert gate.install(tmp_path) == "current"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (tmp_path / "pre-push").symlink_to(target)
    assert gate.install(tmp_path) == "kept"
    assert not target.exists()


@pytest.mark.parametrize("status", [0, 4, 70, None])
def test_a_push_goes_through_only_when_the_command_says_so(tmp_path: Path, status: int | None) -> None:
    gate.install(tmp_path / "hooks")
    programs = tmp_path / "bin"
    programs.mkdir()
    if status is not None:
        (programs / "ringfence").write_text(f'#!/bin/sh\necho "$@"\nexit {status}\n')
        (programs / "ringfence").chmod(0o755)
    done = subprocess.run(
        [tmp_path / "hooks" / "pre-push", "origin", "git@example.com:x"],
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode == 0) == (status == 0)
    assert done.stdout == b"", "what a hook prints on standard output is nobody's"
    said = done.stderr.decode()
    assert "status --require-clear" in said if status is not None else "not on PATH" in said
    assert os.environ.get("PATH")
