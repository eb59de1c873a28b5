"""A repository as the workflow uses it: its state, snapshots of the work tree, one commit and one push.

Whatever reads the work tree, commits or pushes takes the settings recorded before the agents and refuses if they
changed, before git does anything by which a setting could start a program (``git add`` and ``git status`` run filters).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringfence.errors import GitError
from ringfence.git import settings as git_settings
from ringfence.git.model import Change, Committed, Pushed, Remote, Snapshot, State
from ringfence.git.program import Git, Output, git_for
from ringfence.git.settings import FALLBACK_IDENTITY, GitSettings, changed_settings
from ringfence.git.state import divide, index_info, parse_diff, parse_status, remote_of, submodules
from ringfence.redact import one_line, redact

_SNAPSHOT_TIMEOUT_S = 900.0
_OPERATIONS = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}


@dataclass(frozen=True, kw_only=True)
class Repository:
    """The repository that holds a project. Made by `discover`; ``top`` is the top of its work tree."""

    git: Git
    top: Path
    git_directory: Path
    common_directory: Path
    bare: bool

    def settings(self) -> GitSettings:
        """The settings as they are now: taken before the agents start, they are what later calls trust."""
        return git_settings.fingerprint(self._entries(), self.git_directory, self.common_directory)

    def state(self, trusted: GitSettings) -> State:
        """What the repository is in. Raises `GitError` where the settings are no longer the trusted ones."""
        self._refuse_changed_settings(trusted)
        effective = git_settings.by_key(self._entries())
        if self.bare:
            return State(top=self.top, bare=True)
        listing = self._run("status", "--porcelain=v2", "-z", "--no-renames", "--ignore-submodules=dirty").stdout
        status = parse_status(listing)
        branch = self._branch()
        return State(
            top=self.top,
            branch=branch,
            head=self._head(),
            operation=self._operation(),
            staged=status.staged,
            modified=status.modified,
            unmerged=status.unmerged,
            untracked=status.untracked,
            remote=remote_of(effective, branch),
            programs_in_work_tree=tuple(git_settings.programs_in_work_tree(effective, self.top)),
            uploads_lfs_by_hook=self._has_lfs_hook(effective),
        )

    def snapshot(self, trusted: GitSettings, *, exclude: Sequence[str] = ()) -> Snapshot:
        """The whole work tree as a tree object, made beside the real index, which stays as it is.

        Ignored files are left out, and so are ``exclude`` (paths from ``top``: backups and outputs must never be
        committed, whatever an agent made of `.gitignore`). Objects of untracked files that are never committed stay in
        the repository until git's own clean-up. Raises `GitError`.
        """
        self._refuse_changed_settings(trusted)
        with self._index_beside() as extra:
            links = submodules(self._run("ls-files", "-s", "-z", extra=extra).stdout)
            others = self._run("ls-files", "-o", "-z", "--exclude-standard", extra=extra).items
            nested = [path.rstrip("/") for path in others if path.endswith("/")]
            # To look into a submodule git starts another git there, which runs filters that the submodule's own
            # settings name; only the commit it stands on is wanted, so that is read by hand.
            # git add fails on an excluded path that is also ignored; what is ignored needs no exclusion.
            ignored = self._ignored(exclude)
            unwanted = [path for path in exclude if path not in ignored]
            without = [f":(exclude,top,literal){path}" for path in (*unwanted, *links, *nested)]
            words = b"".join(os.fsencode(word) + b"\0" for word in (":(top)", *without))
            self._run(
                *("add", "--all", "--pathspec-from-file=-", "--pathspec-file-nul"),
                stdin=words,
                extra=extra,
                timeout_s=_SNAPSHOT_TIMEOUT_S,
            )
            self._run("update-index", "-z", "--index-info", stdin=self._submodule_heads(links), extra=extra)
            tree = self._run("write-tree", extra=extra).line
        return Snapshot(tree=tree, branch=self._branch(), head=self._head(), skipped=tuple(nested))

    def changes(self, before: Snapshot, after: Snapshot) -> list[Change]:
        """What differs between two snapshots; a rename is a deletion and an addition."""
        return self._difference(before.tree, after.tree)

    def commit(self, *, before: Snapshot, after: Snapshot, message: str, trusted: GitSettings) -> Committed:
        """Commit what changed between two snapshots, exactly that, on top of HEAD.

        Files that were there before the run and are in no commit are left out even if an agent changed them, and so are
        submodules. What else is staged stays staged. Commits that agents made on the same branch are kept; another
        branch, rewritten history, or one of the person's uncommitted files in an agent's commit is refused.
        Raises `GitError`; then nothing was committed.
        """
        self._refuse_changed_settings(trusted)
        head = self._refuse_moved_branch(before)
        empty = self._run("mktree", stdin=b"").line
        base_tree, head_tree = before.head or empty, head or empty
        own = frozenset(c.path for c in self._difference(base_tree, before.tree) if c.status == "A")
        agent_commits = self._refuse_swept_up(before.head, head, own)
        touched = {c.path for c in self.changes(before, after)}
        touched |= {c.path for c in self._difference(base_tree, head_tree)}
        wanted, left_out = divide(self._difference(head_tree, after.tree), touched=frozenset(touched), own=own)
        if not wanted:
            return Committed(head=head, commit=None, left_out=tuple(left_out), agent_commits=agent_commits)
        commit = self._write_commit(head, wanted, message, trusted)
        return Committed(
            head=commit,
            commit=commit,
            paths=tuple(change.path for change in wanted),
            left_out=tuple(left_out),
            agent_commits=agent_commits,
            notes=self._align_index(wanted),
        )

    def push(self, remote: Remote, *, branch: str, commit: str, trusted: GitSettings, timeout_s: float) -> Pushed:
        """Push one commit to ``refs/heads/<branch>`` of the remote that was recorded before the agents, never by force.

        Afterwards the remote must show that commit. Raises `GitError` with git's own words; the commit stays.
        """
        self._refuse_changed_settings(trusted)
        kept = f"commit {commit[:12]} is kept on branch {one_line(branch)}; push it yourself when the cause is gone"
        reference = f"refs/heads/{branch}"
        shown = one_line(redact(remote.url))
        done = self._run(
            *("push", "--porcelain", "--no-verify", "--no-signed", "--recurse-submodules=no"),
            *("--", remote.url, f"{commit}:{reference}"),
            network=True,
            expected=None,
            timeout_s=timeout_s,
        )
        if done.exit_code != 0:
            raise GitError(f"push of {one_line(branch)} to {shown} failed: {_push_words(done)}", hint=kept)
        there = self.remote_head(remote, branch=branch, timeout_s=timeout_s)
        if there != commit:
            raise GitError(f"after the push {shown} has {there or 'no commit'} on {one_line(branch)}", hint=kept)
        self._follow(remote, branch, commit)
        return Pushed(commit=commit, branch=branch, url=shown)

    def remote_head(self, remote: Remote, *, branch: str, timeout_s: float) -> str | None:
        """The commit that a branch has in the remote repository at this moment, or None. Raises `GitError`."""
        reference = f"refs/heads/{branch}"
        listed = self._run("ls-remote", "--", remote.url, reference, network=True, timeout_s=timeout_s)
        for line in os.fsdecode(listed.stdout).splitlines():
            commit, _, name = line.partition("\t")
            if name == reference:
                return commit
        return None

    def hooks_directory(self) -> Path:
        """Where hooks lie: ``core.hooksPath`` or the repository's own."""
        return self._hooks(git_settings.by_key(self._entries()))

    def files(self, *, below: Path) -> list[str]:
        """What git tracks and what it would track below a directory, by paths from there; nothing is run for it."""
        place = os.path.relpath(below, self.top)
        done = self._run("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", place)
        paths = (os.path.relpath(self.top / item, below) for item in done.items)
        return sorted({p for p in paths if os.path.lexists(below / p)})

    def inside(self, path: Path) -> str | None:
        """An absolute path as ``exclude`` of `snapshot` takes it; None where it lies outside the work tree."""
        relative = os.path.relpath(path, self.top)
        return None if relative == "." or relative.split(os.sep)[0] == ".." else relative

    # ── reading ──

    def _run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        extra: Mapping[str, str] | None = None,
        network: bool = False,
        expected: Sequence[int] | None = (0,),
        timeout_s: float = 120.0,
    ) -> Output:
        return self.git.run(
            *arguments,
            cwd=self.top,
            stdin=stdin,
            extra=extra,
            network=network,
            expected=expected,
            timeout_s=timeout_s,
        )

    def _entries(self) -> list[tuple[str, str, str]]:
        return git_settings.parse_config(self._run("config", "--list", "--show-scope", "--includes", "-z").stdout)

    def _refuse_changed_settings(self, trusted: GitSettings) -> None:
        changed = changed_settings(trusted, self.settings())
        if changed:
            raise GitError(
                f"settings of the git repository changed during the run: {', '.join(one_line(c) for c in changed)}",
                hint="look at them with 'git config --list --show-origin' and in .git/hooks; undo what you did not do",
            )

    def _branch(self) -> str | None:
        done = self._run("symbolic-ref", "-q", "HEAD", expected=(0, 1))
        return done.line.removeprefix("refs/heads/") if done.exit_code == 0 else None

    def _head(self) -> str | None:
        done = self._run("rev-parse", "-q", "--verify", "HEAD^{commit}", expected=(0, 1))
        return done.line if done.exit_code == 0 else None

    def _operation(self) -> str | None:
        for name, operation in _OPERATIONS.items():
            if os.path.lexists(self.git_directory / name):
                return operation
        return None

    def _hooks(self, effective: git_settings.Entries) -> Path:
        directory = effective.get("core.hookspath", ("",))[-1]
        return self.top / directory if directory else self.common_directory / "hooks"

    def _has_lfs_hook(self, effective: git_settings.Entries) -> bool:
        try:
            with open(self._hooks(effective) / "pre-push", "rb") as file:
                text = file.read(1 << 16)
        except OSError:
            return False
        return b"git lfs" in text or b"git-lfs" in text

    def _difference(self, old: str, new: str) -> list[Change]:
        arguments = (
            "diff-tree",
            "-r",
            "-z",
            "--no-renames",
            "--no-abbrev",
            "--no-ext-diff",
            "--ignore-submodules=none",
        )
        return parse_diff(self._run(*arguments, old, new).stdout)

    @contextlib.contextmanager
    def _index_beside(self, *, empty: bool = False) -> Iterator[dict[str, str]]:
        """An index of one's own. A copy of the real one keeps what it knows of files, and of sparse checkouts."""
        with tempfile.TemporaryDirectory(prefix="ringfence-index-") as directory:
            index = Path(directory, "index")
            if not empty:
                with contextlib.suppress(FileNotFoundError):
                    # With its time: git takes a file younger than the index for one it has to read again.
                    shutil.copy2(self.git_directory / "index", index)
            yield {"GIT_INDEX_FILE": str(index)}

    def _ignored(self, paths: Sequence[str]) -> frozenset[str]:
        """Which of these paths git ignores by `.gitignore` and its like."""
        if not paths:
            return frozenset()
        words = b"".join(os.fsencode(path) + b"\0" for path in paths)
        done = self._run("check-ignore", "--no-index", "-z", "--stdin", stdin=words, expected=(0, 1))
        return frozenset(done.items)

    def _submodule_heads(self, paths: Sequence[str]) -> bytes:
        lines = b""
        for path in paths:
            where = self.top / path / ".git"
            if not where.exists():
                continue  # not checked out: it stays at the commit that the index has
            done = self._run(f"--git-dir={where}", "rev-parse", "-q", "--verify", "HEAD^{commit}", expected=None)
            if done.exit_code == 0:
                lines += f"160000 {done.line}\t".encode() + os.fsencode(path) + b"\0"
        return lines

    # ── committing ──

    def _refuse_moved_branch(self, before: Snapshot) -> str | None:
        branch, head = self._branch(), self._head()
        if branch is None or branch != before.branch:
            was, now = (one_line(b) if b else "no branch" for b in (before.branch, branch))
            raise GitError(
                f"the run began on {was} and now {now} is checked out", hint="switch back and commit yourself"
            )
        if before.head is not None and head != before.head:
            same_line = (
                head is not None
                and self._run("merge-base", "--is-ancestor", before.head, head, expected=(0, 1)).exit_code == 0
            )
            if not same_line:
                raise GitError(
                    f"the history of {one_line(branch)} was rewritten during the run: "
                    f"{before.head[:12]} is not part of {head[:12] if head else 'it'}",
                    hint=f"look at 'git reflog {one_line(branch)}'; the commit it was on is {before.head}",
                )
        return head

    def _refuse_swept_up(self, base: str | None, head: str | None, own: frozenset[str]) -> tuple[str, ...]:
        if head is None or head == base:
            return ()
        span = [head] if base is None else [head, f"^{base}"]
        commits = os.fsdecode(self._run("rev-list", *span).stdout).split()
        arguments = (
            "diff-tree",
            "--stdin",
            "-r",
            "-m",
            "--root",
            "-z",
            "--name-only",
            "--no-commit-id",
            "--no-renames",
        )
        paths = self._run(*arguments, stdin="".join(f"{c}\n" for c in commits).encode()).items
        swept = sorted(own.intersection(paths))
        if swept:
            raise GitError(
                "a commit made during the run holds files that were there before it and in no commit: "
                f"{', '.join(one_line(p) for p in swept[:5])}",
                hint="look at what they hold; take them out of the commit, or push it yourself",
            )
        return tuple(commits)

    def _write_commit(self, head: str | None, wanted: Sequence[Change], message: str, trusted: GitSettings) -> str:
        with self._index_beside(empty=True) as extra:
            self._run("read-tree", head if head else "--empty", extra=extra)
            self._run("update-index", "-z", "--index-info", stdin=index_info(wanted), extra=extra)
            tree = self._run("write-tree", extra=extra).line
        name, email = trusted.identity or FALLBACK_IDENTITY
        identity = {
            **{f"GIT_{who}_NAME": name for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": email for who in ("AUTHOR", "COMMITTER")},
        }
        identity = {key: self.git.environment.get(key, value) for key, value in identity.items()}
        parents = ["-p", head] if head else []
        text = (message.replace("\0", "").strip() + "\n").encode("utf-8", "replace")
        commit = self._run("commit-tree", "--no-gpg-sign", *parents, tree, stdin=text, extra=identity).line
        # Only if the branch is still where it was: nobody's commit is lost to a race.
        expected = head or "0" * len(commit)
        branch = self._run("symbolic-ref", "HEAD").line
        self._run("update-ref", "--create-reflog", "-m", "ringfence: commit", branch, commit, expected, extra=identity)
        if self._head() != commit:
            raise GitError(f"HEAD is not on commit {commit[:12]} that was just made", hint="see 'git reflog'")
        return commit

    def _align_index(self, wanted: Sequence[Change]) -> tuple[str, ...]:
        """Bring the real index in line for the committed paths; a note where that cannot be done."""
        done = self._run("update-index", "-z", "--index-info", stdin=index_info(wanted), expected=None)
        if done.exit_code != 0:
            return (
                f"the index still has the old state of what was committed ({done.said}); 'git reset' sets it right",
            )
        self._run("update-index", "-q", "--refresh", "--ignore-submodules", expected=None)
        return ()

    def _follow(self, remote: Remote, branch: str, commit: str) -> None:
        """Let ``origin/main`` show what was pushed, where it exists: a push to a URL does not."""
        if remote.name is None:
            return
        tracking = f"refs/remotes/{remote.name}/{branch}"
        if self._run("rev-parse", "-q", "--verify", tracking, expected=(0, 1)).exit_code == 0:
            self._run("update-ref", "-m", "ringfence: push", tracking, commit, expected=None)


def discover(root: Path, environ: Mapping[str, str]) -> Repository | None:
    """The repository that holds a directory, or None. Raises `GitError` where git is missing or does not trust it."""
    git = git_for(root, environ)
    found = git.run("rev-parse", "--is-bare-repository", cwd=root, expected=None)
    if found.exit_code != 0:
        if "not a git repository" in found.stderr:
            return None
        hint = "'git config --global --add safe.directory' trusts it" if "dubious ownership" in found.stderr else None
        raise GitError(f"git does not read the repository of {root}: {found.said}", hint=hint)
    bare = found.line == "true"
    directory = Path(git.run("rev-parse", "--absolute-git-dir", cwd=root).line)
    common = Path(os.path.normpath(root / git.run("rev-parse", "--git-common-dir", cwd=root).line))
    if bare:
        return Repository(git=git, top=directory, git_directory=directory, common_directory=common, bare=True)
    top = Path(git.run("rev-parse", "--show-toplevel", cwd=root).line)
    return Repository(git=git, top=top, git_directory=directory, common_directory=common, bare=False)


def _push_words(done: Output) -> str:
    refused = [line[1:].strip() for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith("!")]
    words = [one_line(" ".join(line.split())) for line in refused]
    return redact(" | ".join([*words, done.said] if done.said else words)) or f"exit status {done.exit_code}"
