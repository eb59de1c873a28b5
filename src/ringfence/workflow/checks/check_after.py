"""The strategy's list after a run: production as it was, the test database changed, rotation kept, work pushed."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ringfence.backup.retention import rotate
from ringfence.errors import RingfenceError
from ringfence.git import repository as repositories
from ringfence.integrity import observe
from ringfence.integrity.compare import differing
from ringfence.journal import reader
from ringfence.journal.model import RunState
from ringfence.postgres import identity
from ringfence.redact import one_line, quote_ident
from ringfence.wording import counted
from ringfence.workflow import context, proven
from ringfence.workflow.backups import backup, rebuild
from ringfence.workflow.checks import checklist
from ringfence.workflow.checks.checklist import Line
from ringfence.workflow.comparison.verify import Verified
from ringfence.workflow.project import Project

_REMOTE_TIMEOUT_S = 30
_NO_RUN = "no run yet"


def production_unchanged(verified: Verified) -> Line:
    """Every count, every row and the catalog of production, as the verification found them (pure)."""
    name, text = "after/production-unchanged", "production is unchanged: counts, rows and everything else"
    comparison = verified.comparison
    rows = sum(t.rows_after or 0 for t in comparison.tables)
    seen = (
        f"verdict {comparison.verdict} by {comparison.proof} against {verified.baseline or 'no baseline'}",
        f"{counted(len(comparison.tables), 'table')}, {counted(rows, 'row')}",
        *comparison.reasons,
    )
    if verified.passed:
        return checklist.holds(name, text, *seen)
    if comparison.verdict == "unknown":
        return checklist.unknown(
            name,
            text,
            "; ".join(comparison.reasons) or "no reason was given",
            about="production",
            severity="critical",
            fix="'ringfence verify' looks again; do not commit or push before it passes",
        )
    return checklist.fails(
        name,
        text,
        "production differs from its baseline",
        severity="critical",
        about="production",
        fix="do not commit or push; 'ringfence verify' says what differs, 'ringfence report' which agents ran",
        evidence=seen,
    )


def test_reflects_changes(project: Project) -> Iterable[Line]:
    """What the agents changed in the test database, by comparison with the backup it was made from."""
    name, text = "after/test-changed", "the test database reflects changes from agents"
    target = project.target("test")
    with proven.session("test", target) as connection:
        proven.require_test_server(project, connection)
        stamp = identity.read_stamp(connection, target.database)
    if stamp.baseline is None:
        yield checklist.not_yet(name, text, f"{one_line(target.database)} was not made from a backup yet")
        return
    before = rebuild.baseline_of(project.store.get(stamp.baseline))
    with observe.open_snapshot(target) as snapshot:
        after = observe.observe(snapshot, before.seeds, workers=project.workers)
    changed = differing(before, after)
    if not changed:
        yield checklist.not_yet(name, text, f"every row is as in {stamp.baseline}: no agent has written to it since")
        return
    tables = ", ".join(quote_ident(t.name) for t in changed[:10])
    more = f" and {len(changed) - 10} more" if len(changed) > 10 else ""
    yield checklist.holds(
        name, text, f"{counted(len(changed), 'table differs', 'tables differ')} from {stamp.baseline}: {tables}{more}"
    )


def rotation_kept(project: Project) -> Iterable[Line]:
    """No more backups than the settings say, but for those that a run or a HALT still needs."""
    keep = project.settings.backup.keep
    name, text = "after/rotation", f"backup rotation is maintained (at most {keep})"
    entries = project.store.entries()
    decided = rotate(entries, keep=keep, needed=backup.needed_baselines(project))
    sound = [e for e in entries if e.problem is None]
    seen = [counted(len(sound), "sound backup"), *(f"{one_line(k.id)}: {one_line(k.reason)}" for k in decided.kept)]
    seen += [f"no backup, left alone: {one_line(f)}" for f in project.store.foreign()]
    if not decided.remove:
        yield checklist.holds(name, text, *seen)
        return
    message = f"{len(decided.remove)} more than {keep} are kept: {', '.join(decided.remove)}"
    yield checklist.fails(
        name,
        text,
        message,
        severity="low",
        about=str(project.paths.backups),
        fix="the next 'ringfence backup create' removes them; --fix does it now",
        evidence=seen,
    )


def published(project: Project) -> Iterable[Line]:
    """The last run's work is committed, and the remote repository has the commit."""
    name, text = "after/published", "commit and push were successful"
    git = project.settings.git
    runs = reader.read_runs(project.paths.state_directory)
    if not git.commit:
        yield checklist.not_yet(name, text, "[git] commit is false in ringfence.toml")
    elif not runs:
        yield checklist.not_yet(name, text, _NO_RUN)
    else:
        yield _published(project, name, text, runs[0], wanted=git.push)


def _published(project: Project, name: str, text: str, run: RunState, *, wanted: bool) -> Line:
    how = run.outcome or ("waits for " + run.paused if run.paused else "not ended")
    if run.commit is None:
        if run.outcome in (None, "passed"):
            return checklist.not_yet(name, text, f"run {run.run_id} ({how}) had nothing to commit")
        return checklist.not_yet(name, text, f"run {run.run_id} ended as {how}, so nothing was to be committed")
    seen = f"run {run.run_id} ({how}): commit {run.commit[:12]}"
    if not run.pushed:
        recorded = context.read(project.paths.runs / run.run_id)
        if not wanted or (recorded is not None and not recorded.push):
            return checklist.holds(name, text, f"{seen}; a push was not wanted")
        return checklist.fails(
            name,
            text,
            f"commit {run.commit[:12]} was not pushed",
            severity="medium",
            about=run.run_id,
            fix="push it when the cause is gone: 'ringfence report' says why it was not",
            evidence=(seen, *run.reasons),
        )
    return _in_remote(project, name, text, run, seen)


def _in_remote(project: Project, name: str, text: str, run: RunState, seen: str) -> Line:
    """Ask the remote repository itself."""
    try:
        recorded = context.read(project.paths.runs / run.run_id)
        found = repositories.discover(project.settings.root, os.environ)
        if recorded is None or recorded.git is None or recorded.git.remote is None or found is None:
            raise RingfenceError("what was recorded about the repository is gone")
        git = recorded.git
        assert git.remote is not None
        head = found.remote_head(git.remote, branch=git.branch, timeout_s=_REMOTE_TIMEOUT_S)
    except RingfenceError as error:
        return checklist.unknown(
            name, text, error.message, about=run.run_id, severity="medium", fix="'git ls-remote' shows the branch"
        )
    if head is None:
        return checklist.fails(
            name,
            text,
            f"the remote has no branch {one_line(git.branch)} any more",
            severity="medium",
            about=run.run_id,
            fix="find out who removed it, and push again",
            evidence=(seen,),
        )
    if head != run.commit:
        # Others push too. The journal says that the remote had the commit right after the push.
        return checklist.holds(name, text, f"{seen}; pushed, and {one_line(git.branch)} has moved on to {head[:12]}")
    return checklist.holds(name, text, f"{seen} is what {one_line(git.branch)} has in the remote repository")
