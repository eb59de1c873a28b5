"""The repository before and after the agents: looked at, and after "unchanged" committed and pushed."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ringfence import clock
from ringfence.errors import GitError
from ringfence.git import repository as repositories
from ringfence.git.model import Committed
from ringfence.git.repository import Repository
from ringfence.git.settings import changed_settings
from ringfence.git.state import problems_before_run
from ringfence.journal.log import Journal
from ringfence.redact import one_line
from ringfence.wording import counted
from ringfence.workflow.comparison.verify import Verified
from ringfence.workflow.context import GitContext
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project

PUSH_TIMEOUT_S = 120
_OWN_PLACES = (".agents/outputs", ".agents/timing")


@dataclass(frozen=True, kw_only=True)
class Published:
    """What became of the agents' work."""

    commit: str | None
    pushed: bool
    paths: int
    notes: tuple[str, ...]


def prepare(project: Project, *, push: bool, allow_dirty: bool) -> GitContext | None:
    """Look at the repository before a run; None where the project commits nothing.

    Raises GitError (2) with everything that is in the way.
    """
    if not project.settings.git.commit:
        return None
    found = _repository(project)
    if found is None:
        raise GitError(
            f"{project.settings.root} is in no git repository, and [git] commit is true",
            hint="'git init' and a first commit, or commit = false and push = false under [git] in ringfence.toml",
        )
    trusted = found.settings()
    state = found.state(trusted)
    problems = problems_before_run(state, commit=True, push=push, allow_dirty=allow_dirty)
    if problems:
        raise GitError("\n".join(p.text for p in problems), hint="; ".join(dict.fromkeys(p.hint for p in problems)))
    if state.branch is None:
        raise GitError("no branch is checked out")
    return GitContext(
        settings=trusted,
        snapshot=found.snapshot(trusted, exclude=_excluded(project, found)),
        remote=state.remote if push else None,
        branch=state.branch,
    )


def settings_changed(project: Project, context: GitContext) -> tuple[str, ...]:
    """Settings and hooks of the repository that are no longer as they were before the agents.

    Nothing of git that could run them has been called when this says so.
    """
    found = _repository(project)
    if found is None:
        return ("the repository is gone",)
    return tuple(changed_settings(context.settings, found.settings()))


def branch_head(project: Project, context: GitContext) -> str | None:
    """The commit that the work tree stands on at this moment. Raises GitError (2)."""
    found = _repository(project)
    return None if found is None else found.state(context.settings).head


def publish(
    project: Project, journal: Journal, context: GitContext, verified: Verified, *, push: bool, progress: Progress
) -> Published:
    """Commit what changed during the run, and push it. Raises GitError (2); a commit that was made is kept."""
    found = _repository(project)
    if found is None:
        raise GitError(f"{project.settings.root} is in no git repository any more")
    notes: list[str] = []
    with journal.step("commit") as step:
        after = found.snapshot(context.settings, exclude=_excluded(project, found))
        made = found.commit(
            before=context.snapshot, after=after, message=_message(journal, verified), trusted=context.settings
        )
        notes += _notes(made)
        for note in notes:
            step.note(note)
        journal.published(commit=made.head if made.something_to_push else None, pushed=False)
        if made.commit:
            progress.say(f"committed {counted(len(made.paths), 'file')} as {made.commit[:12]}")
        elif not made.something_to_push:
            step.finish("skipped", "the agents changed no file that git tracks or would track")
    pushed = False
    if push and made.something_to_push and context.remote is not None and made.head is not None:
        with journal.step("push"):
            sent = found.push(
                context.remote,
                branch=context.branch,
                commit=made.head,
                trusted=context.settings,
                timeout_s=PUSH_TIMEOUT_S,
            )
            journal.published(commit=made.head, pushed=True)
            pushed = True
            progress.say(f"pushed to {sent.url}")
    commit = made.head if made.something_to_push else None
    return Published(commit=commit, pushed=pushed, paths=len(made.paths), notes=tuple(notes))


def _repository(project: Project) -> Repository | None:
    return repositories.discover(project.settings.root, os.environ)


def _excluded(project: Project, found: Repository) -> tuple[str, ...]:
    """Backups and outputs are never committed, whatever an agent made of .gitignore."""
    places = [project.paths.backups, *(project.settings.root / p for p in _OWN_PLACES)]
    return tuple(str(p.relative_to(found.top)) for p in places if p.is_relative_to(found.top) and p != found.top)


def _notes(made: Committed) -> list[str]:
    notes = list(made.notes)
    notes += [f"not committed: {one_line(left.path)} ({left.reason})" for left in made.left_out]
    if made.agent_commits:
        notes.append(f"part of it: {counted(len(made.agent_commits), 'commit')} made by agents")
    return notes


def _message(journal: Journal, verified: Verified) -> str:
    state = journal.state
    first = " ".join(state.text.split()) or "Work of agents"
    subject = f"{first[:60]}{'…' if len(first) > 60 else ''}"
    if state.issue and f"#{state.issue}" not in subject:
        subject += f" (#{state.issue})"
    last = {str(a["name"]): a for a in state.agents}  # of an agent that was started again, the attempt that counts
    agents = ", ".join(f"{name} ({clock.seconds_text(_seconds(a))})" for name, a in last.items())
    return (
        f"{one_line(subject)}\n\n"
        f"Agents: {one_line(agents)}\n"
        f"Production: {verified.comparison.verdict} against baseline {verified.baseline}\n"
        f"Run: {state.run_id}\n"
    )


def _seconds(agent: object) -> float:
    value = agent.get("seconds") if isinstance(agent, dict) else None
    return float(value) if isinstance(value, int | float) else 0.0
