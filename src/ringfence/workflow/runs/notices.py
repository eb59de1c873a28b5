"""Telling the issue of a run how it goes: one comment that is kept up to date, and one of its own for what a person
must see now (HALT, an empty test database, a run that was refused). It holds nothing up and decides nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringfence import clock, files
from ringfence.errors import EmptyTestDatabaseError, RingfenceError
from ringfence.git import repository as repositories
from ringfence.journal.log import Journal
from ringfence.journal.model import RunState
from ringfence.notify import body
from ringfence.notify.body import StepLine, Story
from ringfence.notify.github import channel_for
from ringfence.notify.model import Issue, NotifyError, repository_of
from ringfence.notify.sender import Sender
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project

_KEPT = "comment.json"
_HEADLINES = {
    "passed": "passed, production is unchanged",
    "halt": "HALT, production is not shown to be unchanged",
    "failed": "the run failed",
    "abandoned": "the run was given up",
}


def issue_for(project: Project, number: str | None, repository: str | None) -> Issue | None:
    """The issue on GitHub that a run belongs to; None where there is none to write to.

    ``repository`` is what a URL in the task named; without it ``[github] repository`` decides, then the remote that
    the branch is pushed to. A remote that is no repository of a server (a path, say) has no issues.
    """
    settings = project.settings.github
    if not settings.comment or number is None or not number.isdigit():
        return None
    told = repository or settings.repository
    found = repository_of(told) if told else _of_remote(project)
    if found is None:
        return None
    host, owner, name = found
    return Issue(host=host, owner=owner, repository=name, number=int(number))


def _of_remote(project: Project) -> tuple[str, str, str] | None:
    found = repositories.discover(project.settings.root, os.environ)
    if found is None:
        return None
    with contextlib.suppress(RingfenceError):
        remote = found.state(found.settings()).remote
        return repository_of(remote.url) if remote else None
    return None


@contextlib.contextmanager
def following(
    project: Project, journal: Journal, *, repository: str | None, progress: Progress, environ: Mapping[str, str]
) -> Iterator[None]:
    """Keep the run's issue informed for as long as the block runs, however it ends.

    What could not be written is said once, at the end; it never changes how the run ends.
    """
    kept = _Kept.read(journal.directory)
    try:
        issue = issue_for(project, journal.state.issue, kept.repository if kept else repository)
        if issue is None:
            yield
            return
        channel = channel_for(issue.host, environ)
    except NotifyError as error:
        progress.say(f"issue {journal.state.issue} is not told how the run goes: {error.message}")
        yield
        return
    sender = Sender(
        channel,
        issue,
        comment=kept.comment if kept else None,
        on_comment=lambda comment: _Kept.write(journal.directory, issue, comment),
    )
    journal.watch(lambda state: _tell(sender, state))
    try:
        sender.update(body.progress(story(journal.state)))
        yield
    finally:
        journal.watch(None)
        for problem in sender.close():
            progress.say(f"the issue could not be told: {problem}")


def tell_catastrophe(
    project: Project,
    error: EmptyTestDatabaseError,
    *,
    number: str | None,
    repository: str | None,
    progress: Progress,
    environ: Mapping[str, str],
) -> None:
    """A reseed outside a run found the test database empty: one comment on the issue that was named. Never raises."""
    try:
        issue = issue_for(project, number, repository)
        if issue is None:
            return
        told = Story(
            run_id="",
            headline=error.message,
            task="",
            steps=(),
            reasons=("no agent may work on it until a person has looked",),
            next_steps=(error.hint or "",),
        )
        channel_for(issue.host, environ).create(issue, body.alarm(told))
        progress.say(f"issue {issue} was told")
    except NotifyError as problem:
        progress.say(f"the issue could not be told: {problem.message}")


def _tell(sender: Sender, state: RunState) -> None:
    told = story(state)
    sender.update(body.progress(told))
    if state.outcome == "halt" or state.exit_code == EmptyTestDatabaseError.exit_code:
        sender.alarm(body.alarm(told))


def story(state: RunState) -> Story:
    """A run in words (pure)."""
    steps = [
        StepLine(
            name=step.name,
            outcome=step.outcome or "running",
            took=clock.seconds_text(step.seconds) if step.seconds is not None else "",
            note=step.reasons[0] if step.reasons else "",
        )
        for step in state.steps
    ]
    return Story(
        run_id=state.run_id,
        headline=_headline(state),
        task=state.text,
        steps=steps,
        reasons=state.reasons,
        next_steps=_next_steps(state),
    )


def _headline(state: RunState) -> str:
    if state.exit_code == EmptyTestDatabaseError.exit_code:
        return "CATASTROPHIC FAILURE, the test database has no tables"
    if state.outcome == "passed":
        how = f", commit {state.commit[:12]} {'pushed' if state.pushed else 'not pushed'}" if state.commit else ""
        return _HEADLINES["passed"] + how
    if state.outcome:
        return _HEADLINES[state.outcome]
    return f"waits for {state.paused}" if state.paused else "running"


def _next_steps(state: RunState) -> tuple[str, ...]:
    if state.exit_code == EmptyTestDatabaseError.exit_code:
        return ("first set-up: run again with --fresh-start", "otherwise: find out who wiped it before you go on")
    if state.outcome == "halt":
        return (
            f"ringfence report {state.run_id}",
            "ringfence diff",
            f"ringfence resolve {state.run_id} --reason TEXT",
        )
    return ()


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """Which comment a run keeps up to date, and in which repository, for whoever goes on with the run."""

    repository: str
    comment: int

    @classmethod
    def read(cls, directory: Path) -> _Kept | None:
        try:
            said = json.loads((directory / _KEPT).read_bytes())
            return cls(repository=str(said["repository"]), comment=int(said["comment"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @staticmethod
    def write(directory: Path, issue: Issue, comment: int) -> None:
        document = {"repository": f"https://{issue.host}/{issue.slug}", "comment": comment}
        # Best effort: without it a resumed run begins a comment of its own.
        with contextlib.suppress(OSError):
            files.write_atomic(directory / _KEPT, json.dumps(document).encode())
