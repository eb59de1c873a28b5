"""The second half of a run: production against its baseline, and whether the run's own protection still stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ringfence.agents import leftovers
from ringfence.config import load as config
from ringfence.errors import BackupError, HaltError, RingfenceError
from ringfence.journal.log import Journal
from ringfence.journal.model import RunState
from ringfence.workflow import context
from ringfence.workflow.checks import check
from ringfence.workflow.comparison import changed_rows, verify
from ringfence.workflow.comparison.verify import Verified
from ringfence.workflow.context import Context
from ringfence.workflow.hold import Held
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.runs import publish, refusals


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A run that `post` finished."""

    run: RunState
    verified: Verified


def verify_run(
    project: Project, journal: Journal, recorded: Context | None, progress: Progress, held: Held
) -> Verified:
    """Verify production against the run's own baseline, as a step of its journal. It never raises what it can tell.

    Where the configuration, the repository's settings or the processes of an agent are not as they must be, the
    verdict is ``unknown`` even if every row is equal: what looked was not what was meant to look.
    """
    state = journal.state
    with journal.step("verify") as step:
        progress.say("comparing production with its baseline")
        noted, lost = held.renew()
        if noted is not None:
            step.note(noted)
        late = not leftovers.end_run(state.run_id)
        refusals.keep(project, journal, None, (), again=False)
        try:
            verified = verify.verify(project, state.backup, progress=progress, rows_shown=changed_rows.READ_ROWS)
        except RingfenceError as error:
            verified = verify.not_possible(state.backup or "", f"the baseline cannot be used: {error.message}")
        wrong = broken(project, journal, recorded)
        wrong += (lost,) if lost is not None else ()
        wrong += ("a process of an agent of this run is still there and may be writing",) if late else ()
        if wrong:
            verified = replace(verified, comparison=verify.with_notes(verified.comparison, wrong, unknown=True))
        journal.verdict(verify.as_json(verified))
        if not verified.passed and verified.rows:
            journal.changed_rows(_rows(project, verified))
        if not verified.passed:
            step.finish("halt", *verified.comparison.reasons)
    progress.say(f"production: {verified.comparison.verdict}")
    return verified


def _rows(project: Project, verified: Verified) -> dict[str, Any]:
    """The rows for the journal: of tables in which nothing but an allowed change was found, none."""
    wrong = {t.table for t in verified.comparison.tables if t.verdict not in ("unchanged", "allowed")}
    found = [one for one in verified.rows if one.table in wrong]
    rules = {one.table: project.rule(one.table).rule for one in found}
    return changed_rows.document(
        found,
        masks=project.settings.diff.mask,
        growing=frozenset(table for table, rule in rules.items() if rule == "append-only"),
        live=frozenset(table for table, rule in rules.items() if rule == "live"),
    )


def broken(project: Project, journal: Journal, recorded: Context | None) -> tuple[str, ...]:
    """What of the run's own protection is no longer as it was before the agents; empty where all of it stands."""
    reasons: list[str] = []
    if recorded is None:
        reasons.append("what was recorded before the agents is gone")
    elif recorded.config_sha256 != project.settings.sha256 or not config.is_unchanged(project.settings):
        reasons.append(f"{project.settings.found_at.name} was changed during the run")
    if recorded is not None and recorded.git is not None:
        try:
            changed = publish.settings_changed(project, recorded.git)
        except RingfenceError as error:
            changed = (error.message,)
        reasons += [f"git setting changed during the run: {c}" for c in changed]
    for agent in journal.state.agents:
        if agent.get("all_ended") is False:
            reasons.append(f"agent {agent.get('name')}: a process of it may still be running and writing")
    return tuple(reasons)


def checklist(project: Project, journal: Journal, verified: Verified, progress: Progress) -> None:
    """The strategy's list after a run, as a step of its journal. What it finds changes nothing about the verdict."""
    with journal.step("checklist") as step:
        check.note(step, check.look(project, "after", progress=progress, verified=verified))


def halt(journal: Journal, verified: Verified) -> RunState:
    """End the run as a HALT, which latches until a person resolves it."""
    journal.end("halt", exit_code=HaltError.exit_code, reasons=verified.comparison.reasons)
    return journal.state


def finish(project: Project, journal: Journal, *, was: RunState, progress: Progress, held: Held) -> Ended:
    """Verify and end a run that waited for it or was interrupted. Raises BackupError (5) where it has no baseline."""
    if was.backup is None:
        reason = "interrupted before it had a baseline; no agent had started"
        journal.end("failed", exit_code=BackupError.exit_code, reasons=[reason])
        raise BackupError(f"run {was.run_id} was {reason}", hint="it is closed now; a new run can start")
    recorded = context.read(journal.directory)
    verified = verify_run(project, journal, recorded, progress, held)
    if not verified.passed:
        return Ended(run=halt(journal, verified), verified=verified)
    checklist(project, journal, verified, progress)
    if was.paused is not None:
        journal.end("passed", exit_code=0)
    else:
        where = f" in step {was.steps[-1].name}" if was.steps else ""
        found, left = verified.comparison.verdict, _what_became_of_it(project, recorded, was)
        journal.end("failed", exit_code=0, reasons=[f"interrupted{where}; production was then found {found}; {left}"])
    return Ended(run=journal.state, verified=verified)


def _what_became_of_it(project: Project, recorded: Context | None, was: RunState) -> str:
    """Whether the interrupted run left a commit: it may have been made a moment before the journal could say so."""
    if recorded is None or recorded.git is None:
        return "nothing was committed"
    if was.pushed:
        return f"commit {(was.commit or '?')[:12]} had been pushed"
    try:
        head = publish.branch_head(project, recorded.git)
    except RingfenceError as error:
        return f"whether something was committed could not be read: {error.message}"
    if head is None or head == recorded.git.snapshot.head:
        return "nothing was committed"
    pushing = any(step.name == "push" for step in was.steps)
    whether = "whether it was pushed is not known" if pushing else "it was not pushed"
    return f"the branch stands at commit {head[:12]}, which was made during the run; {whether}"
