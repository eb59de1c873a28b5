"""The whole workflow: before, agents, after. Whatever happens to the agents, production is looked at afterwards."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ringfence.agents.model import AgentResult
from ringfence.errors import AgentError, EndedBySignal, RingfenceError, UsageError
from ringfence.journal import reader
from ringfence.journal.log import Journal
from ringfence.journal.model import RunState
from ringfence.workflow import context, hold
from ringfence.workflow.comparison.verify import Verified
from ringfence.workflow.context import Context
from ringfence.workflow.hold import Held
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.runs import after, before, notices, publish, refusals
from ringfence.workflow.runs import agents as agent_work
from ringfence.workflow.runs.after import Ended
from ringfence.workflow.runs.retry import Retry

INTERRUPTED = 130


def run(
    project: Project,
    *,
    issue: str | None,
    text: str,
    fresh_start: bool,
    push: bool,
    allow_dirty: bool,
    progress: Progress,
    repository: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> RunState:
    """One protected run. The state says how it ended, with the exit status; what kept it from starting is raised.

    Raises ConfigError or GitError (2), BusyError (4), BackupError (5), RestoreError (6), IdentityError (7) and
    EmptyTestDatabaseError (99): in all these cases no agent was started.
    """
    agent_work.require_agents(project)
    with hold.only_run(project, "a run") as held:
        hold.require_clear(project)
        recorded = Context(
            config_sha256=project.settings.sha256,
            git=publish.prepare(project, push=push, allow_dirty=allow_dirty),
            push=push,
        )
        with Journal.create(
            project.paths.state_directory, project=project.name, issue=issue, text=text, root=project.settings.root
        ) as journal:
            context.write(journal.directory, recorded)
            with notices.following(project, journal, repository=repository, progress=progress, environ=environ):
                before.before(project, journal, fresh_start=fresh_start, progress=progress)
                results, broken_off = _agents(project, journal, text, progress, Retry(recorded=recorded, held=held))
                return _end(project, journal, recorded, results, broken_off, progress, held)


def _agents(
    project: Project, journal: Journal, text: str, progress: Progress, retry: Retry
) -> tuple[Sequence[AgentResult], BaseException | None]:
    """The agents; an error or Ctrl-C does not get past this, because the verification must follow."""
    try:
        return agent_work.run_agents(project, journal, text=text, progress=progress, retry=retry), None
    except (Exception, KeyboardInterrupt) as error:
        return (), error


def _end(
    project: Project,
    journal: Journal,
    recorded: Context,
    results: Sequence[AgentResult],
    broken_off: BaseException | None,
    progress: Progress,
    held: Held,
) -> RunState:
    verified = after.verify_run(project, journal, recorded, progress, held)
    if not verified.passed:
        return after.halt(journal, verified)
    if isinstance(broken_off, KeyboardInterrupt):
        code = broken_off.exit_code if isinstance(broken_off, EndedBySignal) else INTERRUPTED
        journal.end("failed", exit_code=code, reasons=["interrupted; production was then found unchanged"])
        return journal.state
    if broken_off is not None:
        code = broken_off.exit_code if isinstance(broken_off, RingfenceError) else RingfenceError.exit_code
        journal.end("failed", exit_code=code, reasons=[f"{type(broken_off).__name__}: {broken_off}"])
        return journal.state
    failed = [r for r in results if not r.ok]
    if failed:
        reasons = [f"agent {r.name}: {r.outcome}{_because(r)}; nothing was committed" for r in failed]
        journal.end("failed", exit_code=AgentError.exit_code, reasons=reasons)
        return journal.state
    return _publish(project, journal, recorded, verified, progress)


def _publish(project: Project, journal: Journal, recorded: Context, verified: Verified, progress: Progress) -> RunState:
    if recorded.git is not None:
        try:
            publish.publish(project, journal, recorded.git, verified, push=recorded.push, progress=progress)
        except RingfenceError as error:
            reasons = [error.message, *([error.hint] if error.hint else [])]
            journal.end("failed", exit_code=error.exit_code, reasons=reasons)
            return journal.state
    after.checklist(project, journal, verified, progress)
    journal.end("passed", exit_code=0)
    return journal.state


def _because(result: AgentResult) -> str:
    if result.reasons:
        return f" ({result.reasons[0]})"
    return f" (exit status {result.exit_code})" if result.exit_code else ""


def pre(
    project: Project,
    *,
    issue: str | None,
    text: str,
    fresh_start: bool,
    progress: Progress,
    repository: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> RunState:
    """The first half, for an orchestrator of one's own: backup and reseed; the run then waits for `post`.

    Raises what `run` raises before its agents.
    """
    with hold.only_run(project, "pre"):
        hold.require_clear(project)
        with Journal.create(
            project.paths.state_directory, project=project.name, issue=issue, text=text, root=project.settings.root
        ) as journal:
            context.write(journal.directory, Context(config_sha256=project.settings.sha256, git=None, push=False))
            with notices.following(project, journal, repository=repository, progress=progress, environ=environ):
                before.before(project, journal, fresh_start=fresh_start, progress=progress, try_hooks=True)
                refusals.begin(project)
                journal.pause("post")
            return journal.state


def post(project: Project, *, progress: Progress, environ: Mapping[str, str] = os.environ) -> Ended:
    """The second half: verification of the run that waits for it, or was interrupted. Nothing is committed here.

    Raises UsageError (2) where no run is unfinished, and BackupError (5) for a run that was interrupted before it had a
    baseline: no agent had started then, and the run is closed.
    """
    with hold.only_run(project, "post") as held:
        waiting = [r for r in reader.read_runs(project.paths.state_directory) if r.is_open]
        if not waiting:
            raise UsageError(
                "no run is unfinished", hint="'ringfence pre' begins one; 'ringfence verify' looks at any time"
            )
        with (
            Journal.reopen(project.paths.state_directory, waiting[0].run_id) as journal,
            notices.following(project, journal, repository=None, progress=progress, environ=environ),
        ):
            return after.finish(project, journal, was=waiting[0], progress=progress, held=held)
