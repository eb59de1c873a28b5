"""Before an agent that failed is started again: is that safe, and is its test database in order?

It is safe where production is shown to be unchanged, nothing of the failed attempt is left running, and the
configuration, the repository's settings and the lock on production are as they were. What the attempt did to the test
database goes with the database: it is made anew from the run's backup. The work tree stays as the attempt left it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ringfence.agents import leftovers
from ringfence.agents.model import AgentResult
from ringfence.errors import RingfenceError
from ringfence.journal.log import Journal
from ringfence.workflow.backups import reseed
from ringfence.workflow.comparison import verify
from ringfence.workflow.context import Context
from ringfence.workflow.hold import Held
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.runs import after


@dataclass(frozen=True, kw_only=True)
class Retry:
    """What is needed to prepare a second attempt: the run as it began, and its lock."""

    recorded: Context
    held: Held

    def prepare(self, project: Project, journal: Journal, failed: AgentResult, progress: Progress) -> bool:
        """Whether the agent may be started again; a step of the journal that says why, or why not.

        Raises nothing that it can tell: where it says no, the run ends as it would have without another attempt, with
        the verification that decides.
        """
        backup = journal.state.backup
        with journal.step(f"retry {failed.name}") as step:
            if failed.outcome == "not-started":
                step.finish("skipped", "it could not be started, and would not be the next time")
                return False
            reasons = self._unsafe(project, journal, failed, backup, progress)
            if reasons:
                step.finish("skipped", "it is not started again", *reasons)
                return False
            step.note("production is unchanged, and nothing of the failed attempt is left")
            progress.say(f"{failed.name} failed; production is unchanged, the test database is made anew for it")
            try:
                made = reseed.reseed(project, backup, fresh_start=False, progress=progress)
            except RingfenceError as error:
                step.finish("failed", f"the test database could not be made anew: {error.message}")
                return False
            step.note(f"{made.database} equals {made.backup} again")
            return True

    def _unsafe(
        self, project: Project, journal: Journal, failed: AgentResult, backup: str | None, progress: Progress
    ) -> tuple[str, ...]:
        """Why another attempt is not safe; nothing where it is."""
        if not failed.all_ended or not leftovers.end_run(journal.run_id):
            return ("a process of it may still be there and writing",)
        noted, lost = self.held.renew()
        if noted is not None or lost is not None:
            return (lost or noted or "",)
        broken = after.broken(project, journal, self.recorded)
        if broken:
            return broken
        try:
            verified = verify.verify(project, backup, progress=progress)
        except RingfenceError as error:
            return (f"production could not be compared with its baseline: {error.message}",)
        return () if verified.passed else verified.comparison.reasons
