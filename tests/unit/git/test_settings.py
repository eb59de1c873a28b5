"""Settings of a repository: what an agent changes in them is noticed before git could act on it (F98)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ringfence.errors import GitError
from ringfence.git.model import Remote
from ringfence.git.settings import GitSettings, changed_settings, parse_config, programs_in_work_tree

# ── pure ──


def test_a_listing_is_read_with_its_scopes_and_without_our_own_overrides() -> None:
    listing = b"global\0user.name\nAda\0local\0core.bare\0local\0alias.x\na\nb\0command\0core.fsmonitor\nfalse\0"
    assert parse_config(listing) == [
        ("global", "user.name", "Ada"),
        ("local", "core.bare", ""),
        ("local", "alias.x", "a\nb"),
    ]


@pytest.mark.parametrize(
    "key",
    [
        "user.name",
        "branch.main.remote",
        "branch.a/b.merge",
        "color.ui",
        "advice.x",
        "pull.rebase",
        "init.defaultbranch",
    ],
)
def test_harmless_settings_may_change(key: str) -> None:
    assert changed_settings(GitSettings(digests={}), GitSettings(digests={f"local {key}": "1"})) == []


@pytest.mark.parametrize(
    "key",
    [
        *("core.hookspath", "core.fsmonitor", "core.sshcommand", "core.pager", "core.worktree", "core.attributesfile"),
        *(
            "diff.external",
            "diff.x.textconv",
            "filter.x.clean",
            "filter.x.process",
            "credential.helper",
            "include.path",
        ),
        *("remote.origin.url", "remote.origin.pushurl", "url.x.insteadof", "url.x.pushinsteadof", "http.proxy"),
        *("gpg.program", "alias.st", "init.templatedir", "protocol.ext.allow", "usery.x", "remote.branch.main.url"),
    ],
)
def test_settings_that_run_programs_or_redirect_a_push_are_named(key: str) -> None:
    one, other = GitSettings(digests={f"local {key}": "1"}), GitSettings(digests={f"local {key}": "2"})
    assert changed_settings(one, other) == [f"local {key}"]
    assert changed_settings(one, GitSettings(digests={})) == [f"local {key}"]
    assert changed_settings(one, one) == []


def test_a_file_is_never_harmless_by_its_name() -> None:
    assert changed_settings(GitSettings(digests={}), GitSettings(digests={"file user.name": "1"})) == ["file user.name"]


def test_a_fingerprint_survives_a_journal() -> None:
    for identity in (None, ("Ada", "ada@example.org")):
        known = GitSettings(digests={"local a.b": "1"}, identity=identity)
        assert GitSettings.from_json(json.loads(json.dumps(known.to_json()))) == known


@pytest.mark.parametrize(
    ("key", "value", "inside"),
    [
        ("filter.nb.clean", "./tools/clean %f", True),
        ("filter.nb.clean", "tools/clean", True),
        ("filter.nb.clean", "sh tools/clean", True),
        ("filter.nb.clean", "python3 -m nbstripout", True),
        ("filter.nb.process", "/usr/bin/node tools/clean", True),
        ("core.sshcommand", "TREE/tools/clean -i key", True),
        ("filter.nb.clean", "python3 -I -m nbstripout", False),
        ("filter.lfs.process", "git-lfs filter-process", False),
        ("filter.lfs.clean", "git-lfs clean -- %f", False),
        ("core.sshcommand", "ssh -i ~/.ssh/deploy", False),
        ("credential.helper", "!/usr/bin/gh auth git-credential", False),
        ("credential.https://x.helper", "store", False),
        ("filter.nb.smudge", "./tools/clean", False),
        ("alias.x", "!./tools/clean", False),
        ("filter.nb.clean", "", False),
    ],
)
def test_programs_of_the_work_tree_are_found(tmp_path: Path, key: str, value: str, inside: bool) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/clean").touch()
    (tmp_path / "clean").mkdir()
    found = programs_in_work_tree({key: (value.replace("TREE", str(tmp_path)),)}, tmp_path)
    assert bool(found) is inside


# ── in a repository ──


def everything_refuses(sandbox, trusted: GitSettings, before, named: str) -> None:
    repository = sandbox.repository()
    remote = Remote(name="origin", url=str(sandbox.remote))
    head = sandbox.git("-c", "core.fsmonitor=false", "rev-parse", "HEAD").strip()
    for action in (
        lambda: repository.state(trusted),
        lambda: repository.snapshot(trusted),
        lambda: repository.commit(before=before, after=before, message="m", trusted=trusted),
        lambda: repository.push(remote, branch="main", commit=head, trusted=trusted, timeout_s=30),
    ):
        with pytest.raises(GitError, match="changed during the run") as caught:
            action()
        assert named in str(caught.value)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "key",
    [
        *("core.fsmonitor", "core.hooksPath", "diff.external", "core.sshCommand", "core.pager", "core.editor"),
        *("filter.evil.clean", "filter.evil.process", "gpg.program", "credential.helper", "core.alternateRefsCommand"),
    ],
)
def test_a_setting_that_an_agent_made_runs_nothing_and_is_refused(sandbox, key: str) -> None:
    repository = sandbox.repository()
    trusted = repository.settings()
    before = repository.snapshot(trusted)
    program, mark = sandbox.trap("setting")
    sandbox.git("config", key, str(program))
    sandbox.write(".gitattributes", "* filter=evil diff=evil\n")
    sandbox.write("README", "changed\n")
    everything_refuses(sandbox, trusted, before, key.lower())
    assert not mark.exists()


@pytest.mark.parametrize(
    "hook", ["pre-commit", "post-commit", "pre-push", "reference-transaction", "post-index-change"]
)
def test_a_hook_that_an_agent_made_runs_nothing_and_is_refused(sandbox, hook: str) -> None:
    repository = sandbox.repository()
    trusted = repository.settings()
    before = repository.snapshot(trusted)
    program, mark = sandbox.trap("hook")
    program.rename(sandbox.tree / ".git/hooks" / hook)
    sandbox.write("work")
    everything_refuses(sandbox, trusted, before, f"file hooks/{hook}")
    assert not mark.exists()


def test_hooks_and_settings_of_the_person_run_nothing_either(sandbox) -> None:
    """They are trusted, but what they run may lie in the work tree: pre-commit runs what an agent may have changed."""
    program, mark = sandbox.trap("mine")
    for hook in ("pre-commit", "commit-msg", "post-commit", "pre-push", "reference-transaction", "post-index-change"):
        (sandbox.tree / ".git/hooks" / hook).write_bytes(program.read_bytes())
        (sandbox.tree / ".git/hooks" / hook).chmod(0o755)
    for key in ("core.fsmonitor", "diff.external", "core.pager", "core.editor", "gpg.program"):
        sandbox.git("config", key, str(program))
    sandbox.git("config", "commit.gpgSign", "true")
    mark.unlink(missing_ok=True)
    repository = sandbox.repository()
    trusted = repository.settings()
    before = repository.snapshot(trusted)
    sandbox.write("work")
    done = repository.commit(before=before, after=repository.snapshot(trusted), message="m", trusted=trusted)
    remote = repository.state(trusted).remote
    repository.push(remote, branch="main", commit=done.head, trusted=trusted, timeout_s=60)
    assert not mark.exists()


def test_a_filter_of_the_person_does_its_work(sandbox) -> None:
    program = sandbox.base / "upper.sh"
    program.write_text("#!/bin/sh\ntr a-z A-Z\n")
    program.chmod(0o755)
    sandbox.git("config", "filter.up.clean", str(program))
    sandbox.write(".gitattributes", "*.up filter=up\n")
    sandbox.git("add", "-A")
    sandbox.git("commit", "-qm", "attributes")
    repository = sandbox.repository()
    trusted = repository.settings()
    assert repository.state(trusted).programs_in_work_tree == ()
    before = repository.snapshot(trusted)
    sandbox.write("a.up", "abc\n")
    repository.commit(before=before, after=repository.snapshot(trusted), message="m", trusted=trusted)
    assert sandbox.git("show", "HEAD:a.up") == "ABC\n"


def test_an_included_file_of_the_work_tree_is_part_of_the_settings(sandbox) -> None:
    sandbox.write("git.inc", "[color]\n\tui = false\n")
    sandbox.git("config", "include.path", "../git.inc")
    repository = sandbox.repository()
    trusted = repository.settings()
    program, mark = sandbox.trap("include")
    sandbox.write("git.inc", f"[core]\n\tfsmonitor = {program}\n")
    with pytest.raises(GitError, match=r"core\.fsmonitor"):
        repository.state(trusted)
    assert not mark.exists()


def test_settings_outside_the_repository_count_too(sandbox) -> None:
    repository = sandbox.repository()
    trusted = repository.settings()
    with open(sandbox.environ["GIT_CONFIG_GLOBAL"], "a") as file:
        file.write('[url "/elsewhere"]\n\tinsteadOf = /\n')
    with pytest.raises(GitError, match=r"global url\./elsewhere\.insteadof"):
        repository.state(trusted)


def test_attributes_and_submodule_settings_are_watched(sandbox) -> None:
    repository = sandbox.repository()
    trusted = repository.settings()
    git = sandbox.tree / ".git"
    (git / "info/attributes").write_text("* filter=x\n")
    (git / "modules/lib/hooks").mkdir(parents=True)
    (git / "modules/lib/config").write_text("[core]\n")
    (git / "modules/lib/hooks/post-checkout").touch()
    changed = changed_settings(trusted, repository.settings())
    assert changed == ["file info/attributes", "file modules/lib/config", "file modules/lib/hooks/post-checkout"]


def test_another_repository_in_place_of_this_one_is_refused(sandbox) -> None:
    repository = sandbox.repository()
    trusted = repository.settings()
    (sandbox.tree / ".git").rename(sandbox.base / "elsewhere")
    (sandbox.tree / ".git").write_text(f"gitdir: {sandbox.base / 'elsewhere'}\n")
    moved = sandbox.repository()
    with pytest.raises(GitError, match="changed during the run"):
        moved.snapshot(trusted)


def test_what_agents_do_every_day_is_no_change(sandbox) -> None:
    repository = sandbox.repository()
    trusted = repository.settings()
    sandbox.git("config", "user.email", "agent@example.org")
    sandbox.git("branch", "-q", "--track", "topic", "origin/main")
    sandbox.git("worktree", "add", "-q", str(sandbox.base / "side"), "topic")
    sandbox.write("f")
    sandbox.git("add", "-A")
    sandbox.git("commit", "-qm", "x")
    sandbox.git("gc", "-q")
    assert changed_settings(trusted, repository.settings()) == []


def test_broken_settings_are_an_error_of_git(sandbox) -> None:
    repository = sandbox.repository()
    trusted = repository.settings()
    (sandbox.tree / ".git/config").write_text("[core\n")
    with pytest.raises(GitError, match="bad config line"):
        repository.state(trusted)
