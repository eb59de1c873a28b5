"""Snapshots, commits and pushes in real repositories."""

from __future__ import annotations

import http.server
import json
import os
import threading
from pathlib import Path

import pytest

from ringfence.errors import GitError
from ringfence.git.model import Committed, Remote, Snapshot
from ringfence.git.repository import discover


class Run:
    """A run as the workflow makes it: settings and snapshot before, snapshot and commit after what the test does."""

    def __init__(self, sandbox, exclude=()) -> None:
        self.repository = sandbox.repository()
        self.trusted = self.repository.settings()
        self.exclude = exclude
        self.before = self.repository.snapshot(self.trusted, exclude=exclude)

    def after(self) -> Snapshot:
        return self.repository.snapshot(self.trusted, exclude=self.exclude)

    def changes(self) -> list[tuple[str, str]]:
        return [(c.status, c.path) for c in self.repository.changes(self.before, self.after())]

    def commit(self, message: str = "work") -> Committed:
        return self.repository.commit(before=self.before, after=self.after(), message=message, trusted=self.trusted)

    def remote(self) -> Remote:
        found = self.repository.state(self.trusted).remote
        assert found is not None
        return found

    def push(self, commit: str, remote: Remote | None = None):
        return self.repository.push(
            remote or self.remote(), branch="main", commit=commit, trusted=self.trusted, timeout_s=60
        )


# ── state ──


def test_a_directory_without_a_repository_is_none(tmp_path: Path, environ) -> None:
    assert discover(tmp_path, environ) is None


def test_the_repository_is_found_from_a_directory_inside_it(sandbox) -> None:
    assert sandbox.repository(sandbox.tree / "src").top == sandbox.tree


def test_state_of_a_clean_repository(sandbox) -> None:
    repository = sandbox.repository()
    state = repository.state(repository.settings())
    assert (state.branch, state.detached, state.bare, state.dirty, state.untracked) == ("main", False, False, (), ())
    assert state.head == sandbox.git("rev-parse", "HEAD").strip()
    assert state.remote == Remote(name="origin", url=str(sandbox.remote))


def test_state_names_what_differs(sandbox) -> None:
    sandbox.write("README", "changed\n")
    sandbox.write("new", "n\n")
    sandbox.write("staged", "s\n")
    sandbox.write("ignored/x")
    sandbox.git("add", "staged")
    repository = sandbox.repository()
    state = repository.state(repository.settings())
    assert (state.staged, state.modified, state.untracked) == (("staged",), ("README",), ("new",))
    assert state.dirty == ("README", "staged")


def test_state_of_an_unborn_branch(empty) -> None:
    repository = empty.repository()
    state = repository.state(repository.settings())
    assert (state.branch, state.head, state.detached, state.remote) == ("main", None, False, None)


def test_state_of_a_detached_head_and_of_a_bare_repository(sandbox) -> None:
    sandbox.git("checkout", "-q", "--detach")
    repository = sandbox.repository()
    assert repository.state(repository.settings()).detached
    bare = sandbox.repository(sandbox.remote)
    assert bare.state(bare.settings()).bare


@pytest.mark.parametrize(
    ("name", "operation"), [("MERGE_HEAD", "merge"), ("rebase-merge", "rebase"), ("CHERRY_PICK_HEAD", "cherry-pick")]
)
def test_state_knows_what_was_begun(sandbox, name: str, operation: str) -> None:
    (sandbox.tree / ".git" / name).write_text(sandbox.git("rev-parse", "HEAD"))
    repository = sandbox.repository()
    assert repository.state(repository.settings()).operation == operation


def test_state_of_a_merge_with_conflicts(sandbox) -> None:
    sandbox.git("switch", "-qc", "other")
    sandbox.write("README", "theirs\n")
    sandbox.git("commit", "-qam", "theirs")
    sandbox.git("switch", "-q", "main")
    sandbox.write("README", "ours\n")
    sandbox.git("commit", "-qam", "ours")
    sandbox.git("merge", "other", check=False)
    repository = sandbox.repository()
    state = repository.state(repository.settings())
    assert (state.unmerged, state.operation) == (("README",), "merge")


def test_a_repository_in_a_linked_work_tree(sandbox) -> None:
    other = sandbox.base / "linked"
    sandbox.git("worktree", "add", "-qb", "side", str(other))
    repository = sandbox.repository(other)
    trusted = repository.settings()
    before = repository.snapshot(trusted)
    (other / "f").write_text("f\n")
    done = repository.commit(before=before, after=repository.snapshot(trusted), message="m", trusted=trusted)
    assert done.paths == ("f",)
    assert sandbox.git("rev-parse", "side").strip() == done.commit
    assert sandbox.git("status", "--porcelain", cwd=other) == ""


# ── snapshots ──


def test_a_snapshot_changes_neither_index_nor_work_tree(sandbox) -> None:
    sandbox.write("README", "changed\n")
    sandbox.write("staged")
    sandbox.git("add", "staged")
    index = (sandbox.tree / ".git/index").read_bytes()
    said = sandbox.git("status", "--porcelain")
    Run(sandbox)
    assert sandbox.git("status", "--porcelain") == said
    assert (sandbox.tree / ".git/index").read_bytes() == index


def test_nothing_changed_is_no_change_and_no_commit(sandbox) -> None:
    run = Run(sandbox)
    assert run.changes() == []
    done = run.commit()
    assert (done.commit, done.something_to_push) == (None, False)
    assert done.head == run.before.head


def test_every_kind_of_change_is_seen_and_committed(sandbox) -> None:
    run = Run(sandbox)
    sandbox.write("src/app.py", "print(2)\n")
    (sandbox.tree / "README").rename(sandbox.tree / "READ ME")
    sandbox.write("script", "#!/bin/sh\n").chmod(0o755)
    (sandbox.tree / "link").symlink_to("/etc/passwd")
    sandbox.write("ignored/x")
    assert run.changes() == [("A", "READ ME"), ("D", "README"), ("A", "link"), ("A", "script"), ("M", "src/app.py")]
    done = run.commit("a message\n\nwith a body")
    assert done.paths == ("READ ME", "README", "link", "script", "src/app.py")
    assert "120000" in sandbox.git("ls-tree", "HEAD", "link")
    assert "100755" in sandbox.git("ls-tree", "HEAD", "script")
    said = sandbox.git("log", "-1", "--format=%B|%an|%ae|%cn").strip()
    assert said == "a message\n\nwith a body\n|Ada|ada@example.org|Ada"
    assert sandbox.git("status", "--porcelain") == ""
    assert sandbox.git("diff-index", "HEAD") == ""


STRANGE_NAMES = [
    b"new\nline", b'quo"te', b"-rf", b"--all", b"tab\there", b" space ", b"\xff\xfe",
    "\u00e9".encode(), "e\u0301".encode(),
    b"a\\b", b":(top)x", b"*", b"HEAD", b"dir\n/in\xff", b"'; touch pwned #", b"yaml.py", b"conftest.py",
]  # fmt: skip


def test_strange_names_come_through_unchanged(sandbox) -> None:
    run = Run(sandbox)
    for name in STRANGE_NAMES:
        path = os.path.join(os.fsencode(sandbox.tree), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(name)
    done = run.commit()
    assert sorted(map(os.fsencode, done.paths)) == sorted(STRANGE_NAMES)
    assert set(map(os.fsencode, sandbox.names_at())) >= set(STRANGE_NAMES)
    assert sandbox.git("status", "--porcelain") == ""
    for name in STRANGE_NAMES:
        os.unlink(os.path.join(os.fsencode(sandbox.tree), name))
    again = Run(sandbox)  # taken after the deletion: they were deleted before this run
    assert again.changes() == []


def test_a_file_becomes_a_directory_and_back(sandbox) -> None:
    run = Run(sandbox)
    (sandbox.tree / "README").unlink()
    sandbox.write("README/inside")
    (sandbox.tree / "src/app.py").unlink()
    (sandbox.tree / "src").rmdir()
    sandbox.write("src", "a file now\n")
    run.commit()
    assert sandbox.names_at() == [".gitignore", "README/inside", "src"]
    assert sandbox.git("status", "--porcelain") == ""


def test_a_snapshot_survives_a_journal(sandbox) -> None:
    run = Run(sandbox)
    said = json.loads(json.dumps(run.before.to_json()))
    assert Snapshot.from_json(said) == run.before
    remote = Remote(name=None, url="x\udcff", more_urls=("y",))
    assert Remote.from_json(json.loads(json.dumps(remote.to_json()))) == remote


def test_excluded_directories_are_never_in_a_snapshot(sandbox) -> None:
    run = Run(sandbox, exclude=(".backups", ".agents/outputs"))
    sandbox.write(".backups/secret.dump")
    sandbox.write(".agents/outputs/a.txt")
    sandbox.write(".agents/keep")
    sandbox.write(".gitignore", "")
    assert run.commit().paths == (".agents/keep", ".gitignore")


def test_paths_are_told_from_the_top(sandbox) -> None:
    repository = sandbox.repository(sandbox.tree / "src")
    assert repository.inside(sandbox.tree / "src/.backups") == "src/.backups"
    assert repository.inside(sandbox.tree / "..b") == "..b"
    assert repository.inside(sandbox.tree) is None
    assert repository.inside(sandbox.base / "backups") is None


def test_a_repository_inside_is_skipped_and_named(sandbox) -> None:
    run = Run(sandbox)
    (sandbox.tree / "nested").mkdir()
    sandbox.git("init", "-q", cwd=sandbox.tree / "nested")
    sandbox.write("nested/file")
    sandbox.write("ok")
    after = run.after()
    assert after.skipped == ("nested",)
    assert run.commit().paths == ("ok",)


def test_many_changes_are_all_committed(sandbox) -> None:
    run = Run(sandbox)
    long = "d" * 200
    for number in range(6000):  # more than one MiB of names
        sandbox.write(f"{long}/{number:05}", f"{number}\n")
    assert len(run.commit().paths) == 6000
    assert len(sandbox.names_at()) == 6003


# ── what is the person's stays ──


def test_untracked_files_are_never_swept_up(sandbox) -> None:
    sandbox.write("notes.txt", "private\n")
    run = Run(sandbox)
    sandbox.write("work")
    assert run.commit().paths == ("work",)
    assert sandbox.git("status", "--porcelain") == "?? notes.txt\n"


def test_an_untracked_file_that_an_agent_changed_is_left_out_and_named(sandbox) -> None:
    sandbox.write("notes.txt", "private\n")
    run = Run(sandbox)
    sandbox.write("notes.txt", "private and more\n")
    done = run.commit()
    assert (done.commit, [left.path for left in done.left_out]) == (None, ["notes.txt"])
    assert "before the run" in done.left_out[0].reason


def test_staged_work_of_the_person_stays_staged(sandbox) -> None:
    sandbox.write("staged", "s\n")
    sandbox.write("README", "half\n")
    sandbox.git("add", "staged", "README")
    run = Run(sandbox)
    sandbox.write("work")
    assert run.commit().paths == ("work",)
    assert sandbox.git("status", "--porcelain") == "M  README\nA  staged\n"


def test_work_of_the_person_in_the_work_tree_stays(sandbox) -> None:
    sandbox.write("README", "mine\n")
    run = Run(sandbox)
    sandbox.write("work")
    run.commit()
    assert sandbox.git("status", "--porcelain") == " M README\n"


def test_files_staged_by_an_agent_are_committed_once(sandbox) -> None:
    run = Run(sandbox)
    sandbox.write("work", "1\n")
    sandbox.git("add", "work")
    sandbox.write("work", "2\n")
    run.commit()
    assert sandbox.git("show", "HEAD:work") == "2\n"
    assert sandbox.git("status", "--porcelain") == ""


def test_a_locked_index_is_a_note_not_a_lost_commit(sandbox) -> None:
    run = Run(sandbox)
    sandbox.write("work")
    (sandbox.tree / ".git/index.lock").touch()
    done = run.commit()
    assert done.commit is not None and "git reset" in done.notes[0]


# ── branches and commits of agents ──


def test_commits_of_agents_are_kept_and_the_rest_is_added(sandbox) -> None:
    run = Run(sandbox)
    sandbox.write("one")
    sandbox.git("add", "one")
    sandbox.git("commit", "-qm", "agent")
    theirs = sandbox.git("rev-parse", "HEAD").strip()
    sandbox.write("two")
    done = run.commit()
    assert (done.agent_commits, done.paths) == ((theirs,), ("two",))
    assert sandbox.git("rev-parse", "HEAD^").strip() == theirs
    assert sandbox.names_at("HEAD") == [".gitignore", "README", "one", "src/app.py", "two"]


def test_only_commits_of_agents_need_no_commit_but_a_push(sandbox) -> None:
    run = Run(sandbox)
    sandbox.write("one")
    sandbox.git("add", "one")
    sandbox.git("commit", "-qm", "agent")
    done = run.commit()
    assert done.commit is None and done.something_to_push
    assert done.head == sandbox.git("rev-parse", "HEAD").strip()


def test_what_an_agent_committed_and_took_back_is_taken_back(sandbox) -> None:
    run = Run(sandbox)
    sandbox.write("README", "wrong\n")
    sandbox.git("commit", "-qam", "agent")
    sandbox.write("README", "hello\n")
    assert run.commit().paths == ("README",)
    assert sandbox.git("show", "HEAD:README") == "hello\n"


def test_an_agents_commit_with_the_persons_untracked_file_is_refused(sandbox) -> None:
    sandbox.write(".env", "SECRET=1\n")
    run = Run(sandbox)
    sandbox.write("work")
    sandbox.git("add", "-A")
    sandbox.git("commit", "-qm", "everything")
    sandbox.git("rm", "-q", "--cached", ".env")
    sandbox.git("commit", "-qm", "oh")
    with pytest.raises(GitError, match=r"\.env"):
        run.commit()


def test_rewritten_history_is_refused(sandbox) -> None:
    run = Run(sandbox)
    sandbox.git("commit", "-q", "--amend", "-m", "other")
    sandbox.write("work")
    with pytest.raises(GitError, match="rewritten"):
        run.commit()


def test_a_branch_reset_to_before_is_refused(sandbox) -> None:
    sandbox.write("b")
    sandbox.git("add", "b")
    sandbox.git("commit", "-qm", "second")
    run = Run(sandbox)
    sandbox.git("reset", "-q", "--hard", "HEAD^")
    with pytest.raises(GitError, match="rewritten"):
        run.commit()


@pytest.mark.parametrize("command", [("switch", "-qc", "side"), ("checkout", "-q", "--detach")])
def test_another_branch_checked_out_is_refused(sandbox, command: tuple[str, ...]) -> None:
    run = Run(sandbox)
    sandbox.git(*command)
    sandbox.write("work")
    with pytest.raises(GitError, match="began on main"):
        run.commit()


def test_replaced_objects_do_not_hide_changes(sandbox) -> None:
    run = Run(sandbox)
    sandbox.write("work")
    sandbox.git("replace", sandbox.git("write-tree").strip(), sandbox.git("mktree").strip())
    assert run.changes() == [("A", "work")]


def test_the_first_commit_of_a_repository(empty) -> None:
    run = Run(empty)
    empty.write("first")
    done = run.commit()
    assert empty.names_at() == ["first"]
    assert empty.git("rev-list", "--count", "HEAD").strip() == "1"
    assert done.something_to_push
    assert empty.git("status", "--porcelain") == ""


def test_a_person_without_a_name_commits_as_ringfence(sandbox) -> None:
    Path(sandbox.environ["GIT_CONFIG_GLOBAL"]).write_text("[user]\n\tuseConfigOnly = true\n")
    run = Run(sandbox)
    sandbox.write("work")
    run.commit()
    assert sandbox.git("log", "-1", "--format=%an <%ae> %cn").strip() == "Ringfence <ringfence@localhost> Ringfence"


def test_an_agent_cannot_give_the_person_another_name(sandbox) -> None:
    run = Run(sandbox)
    sandbox.git("config", "user.name", "Mallory")
    sandbox.git("config", "user.email", "m@example.org")
    sandbox.write("work")
    run.commit()
    assert sandbox.git("log", "-1", "--format=%an").strip() == "Ada"


# ── submodules ──


@pytest.fixture
def with_submodule(sandbox):
    library = sandbox.base / "library"
    library.mkdir()
    sandbox.git("init", "-q", cwd=library)
    (library / "lib.py").write_text("1\n")
    sandbox.git("add", "-A", cwd=library)
    sandbox.git("commit", "-qm", "library", cwd=library)
    sandbox.git("submodule", "--quiet", "add", str(library), "lib")
    sandbox.git("commit", "-qm", "submodule")
    return sandbox


def test_a_submodule_is_left_to_itself(with_submodule) -> None:
    sandbox = with_submodule
    run = Run(sandbox)
    sandbox.write("lib/lib.py", "2\n")
    sandbox.git("commit", "-qam", "inside", cwd=sandbox.tree / "lib")
    sandbox.write("work")
    assert run.changes() == [("M", "lib"), ("A", "work")]
    done = run.commit()
    assert (done.paths, [left.path for left in done.left_out]) == (("work",), ["lib"])


def test_a_submodule_that_is_not_checked_out_is_no_change(with_submodule) -> None:
    sandbox = with_submodule
    sandbox.git("submodule", "--quiet", "deinit", "-f", "lib")
    run = Run(sandbox)
    sandbox.write("work")
    assert run.changes() == [("A", "work")]


def test_no_program_of_a_submodules_settings_runs(with_submodule) -> None:
    sandbox = with_submodule
    program, mark = sandbox.trap("submodule")
    repository = sandbox.repository()
    for key in ("core.fsmonitor", "filter.evil.clean"):
        sandbox.git("config", key, str(program), cwd=sandbox.tree / "lib")
    attributes = sandbox.tree / ".git/modules/lib/info/attributes"
    attributes.write_text("* filter=evil\n")
    sandbox.write("lib/lib.py", "3\n")
    mark.unlink(missing_ok=True)
    trusted = repository.settings()
    repository.state(trusted)
    repository.snapshot(trusted)
    assert not mark.exists()
    sandbox.git("status")
    assert mark.exists(), "the trap itself does not work"


# ── push ──


def test_a_push_arrives_and_is_read_back(sandbox) -> None:
    run = Run(sandbox)
    sandbox.write("work")
    done = run.commit()
    pushed = run.push(done.head)
    assert pushed.commit == done.commit
    assert sandbox.git("rev-parse", "main", cwd=sandbox.remote).strip() == done.commit
    assert sandbox.git("status", "-sb").startswith("## main...origin/main\n")


def test_a_rejected_push_keeps_the_commit_and_says_gits_words(sandbox) -> None:
    other = sandbox.base / "other"
    sandbox.git("clone", "-q", str(sandbox.remote), str(other), cwd=sandbox.base)
    (other / "theirs").write_text("t\n")
    sandbox.git("add", "-A", cwd=other)
    sandbox.git("commit", "-qm", "theirs", cwd=other)
    sandbox.git("push", "-q", cwd=other)
    run = Run(sandbox)
    sandbox.write("work")
    done = run.commit()
    with pytest.raises(GitError, match=r"rejected.*fetch first") as caught:
        run.push(done.head)
    assert done.commit[:12] in (caught.value.hint or "")
    assert caught.value.exit_code == 2
    assert sandbox.git("rev-parse", "HEAD").strip() == done.commit


def test_a_push_to_nowhere_fails_without_asking(sandbox) -> None:
    run = Run(sandbox)
    gone = Remote(name=None, url=str(sandbox.base / "gone"))
    with pytest.raises(GitError, match="does not appear to be a git repository"):
        run.push(run.before.head, gone)


def test_a_remote_that_wants_a_password_is_not_waited_for(sandbox) -> None:
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    run = Run(sandbox)
    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(GitError, match=r"could not read Username.*prompts disabled"):
                run.push(run.before.head, Remote(name=None, url=f"http://127.0.0.1:{server.server_port}/x.git"))
        finally:
            server.shutdown()
            thread.join()


def test_a_password_in_a_url_is_not_shown(sandbox) -> None:
    run = Run(sandbox)
    remote = Remote(name=None, url="http://me:topsecret@127.0.0.1:1/x.git")
    with pytest.raises(GitError) as caught:
        run.push(run.before.head, remote)
    assert "topsecret" not in str(caught.value) + str(caught.value.hint)


def test_a_url_that_looks_like_an_option_is_a_url(sandbox) -> None:
    run = Run(sandbox)
    program, mark = sandbox.trap("receive-pack")
    with pytest.raises(GitError):
        run.push(run.before.head, Remote(name=None, url=f"--receive-pack={program}"))
    assert not mark.exists()


def test_the_first_push_of_an_empty_remote(empty) -> None:
    empty.git("init", "-q", "--bare", str(empty.remote), cwd=empty.base)
    empty.git("remote", "add", "up", str(empty.remote))
    run = Run(empty)
    empty.write("first")
    done = run.commit()
    assert run.push(done.head).commit == done.commit
    assert run.repository.remote_head(run.remote(), branch="main", timeout_s=30) == done.commit
    assert run.repository.remote_head(run.remote(), branch="none", timeout_s=30) is None


def test_a_shallow_clone_commits_and_pushes(sandbox) -> None:
    sandbox.git("commit", "-q", "--allow-empty", "-m", "second")
    sandbox.git("push", "-q")
    shallow = sandbox.base / "shallow"
    sandbox.git("clone", "-q", "--depth=1", f"file://{sandbox.remote}", str(shallow), cwd=sandbox.base)
    repository = sandbox.repository(shallow)
    trusted = repository.settings()
    before = repository.snapshot(trusted)
    (shallow / "f").write_text("f\n")
    done = repository.commit(before=before, after=repository.snapshot(trusted), message="m", trusted=trusted)
    remote = repository.state(trusted).remote
    assert repository.push(remote, branch="main", commit=done.head, trusted=trusted, timeout_s=60).commit == done.commit
