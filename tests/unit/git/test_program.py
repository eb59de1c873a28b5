"""The git program itself: where it comes from, what it is given, what it says when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence import process
from ringfence.errors import GitError
from ringfence.git.program import Output, git_for


def test_git_of_the_work_tree_or_the_callers_path_is_not_taken(tmp_path: Path, environ, monkeypatch) -> None:
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    git = git_for(tmp_path, {**environ, "PATH": str(fake.parent)})
    assert git.path != fake
    monkeypatch.setattr(process, "SYSTEM_PATH", str(fake.parent))
    with pytest.raises(GitError, match="lies in the work tree"):
        git_for(tmp_path, environ)
    monkeypatch.setattr(process, "SYSTEM_PATH", str(tmp_path / "empty"))
    with pytest.raises(GitError, match="there is no git"):
        git_for(tmp_path, environ)


def test_only_what_git_needs_of_the_environment_is_passed(tmp_path: Path, environ) -> None:
    names = ("GIT_DIR", "GIT_EXTERNAL_DIFF", "GIT_CONFIG_COUNT", "LD_PRELOAD", "PGPASSWORD", "GIT_CONFIG_PARAMETERS")
    dangerous = dict.fromkeys(names, "/x")
    git = git_for(tmp_path, {**environ, **dangerous, "SSH_AUTH_SOCK": "/run/agent", "GH_TOKEN": "secret"})
    assert not dangerous.keys() & {*git.environment, *git.network}
    assert git.environment["HOME"] == environ["HOME"]
    assert git.environment["GIT_TERMINAL_PROMPT"] == "0"
    assert git.network == {"SSH_AUTH_SOCK": "/run/agent", "GH_TOKEN": "secret"}
    assert "secret" not in repr(git)


def test_output_is_bytes_to_the_end(tmp_path: Path, environ) -> None:
    git = git_for(tmp_path, environ)
    git.run("init", "-q", cwd=tmp_path)
    data = b"\xff\0" * (1 << 20)
    blob = git.run("hash-object", "-w", "--stdin", cwd=tmp_path, stdin=data).line
    assert git.run("cat-file", "blob", blob, cwd=tmp_path).stdout == data


def test_a_failure_says_which_command_and_gits_words(tmp_path: Path, environ) -> None:
    git = git_for(tmp_path, environ)
    with pytest.raises(GitError, match=r"^git rev-parse failed: .*not a git repository"):
        git.run("rev-parse", "--git-dir", cwd=tmp_path)
    with pytest.raises(GitError, match=r"git status: .*did not end within"):
        git.run("status", cwd=tmp_path, timeout_s=0)
    with pytest.raises(GitError, match="cannot start"):
        git.run("status", cwd=tmp_path / "missing")


def test_gits_words_are_one_line_without_secrets() -> None:
    output = Output(exit_code=1, stdout=b"", stderr="fatal: https://me:secret@host\n\x1b[31mred\n\n")
    assert output.said == "fatal: https://me:****@host | \\x1b[31mred"
