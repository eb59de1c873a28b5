"""The first half of a run: a proven backup of production, and a test database made from it."""

from __future__ import annotations

from ringfence.errors import RingfenceError
from ringfence.journal.log import Journal
from ringfence.postgres.connection import ConnectError
from ringfence.wording import counted
from ringfence.workflow import guard, instructions
from ringfence.workflow.backups import backup, reseed
from ringfence.workflow.checks import check
from ringfence.workflow.comparison import live
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.rights import roles
from ringfence.workflow.runs import agents

INTERRUPTED = 130


def before(
    project: Project, journal: Journal, *, fresh_start: bool, progress: Progress, try_hooks: bool = False
) -> None:
    """Separation, backup, reseed, each a step of the journal. On an error the run ends as failed, and it is raised.

    No agent has started then, so there is nothing to verify. ``try_hooks`` is for agents that others start: a run tries
    the hooks in its sandbox.
    """
    try:
        guard.write_policy(project)
        with journal.step("check") as step:
            # What does not answer is for backup and reseed to say, in their own way and with their own exit status.
            check.note(step, check.require_separation(project, progress=progress))
        with journal.step("roles") as step:
            try:
                audited = roles.require_no_way_around(project)
                step.note(f"{counted(len(audited.findings), 'finding')}, none critical")
                if (told := live.require(project)) is not None:
                    step.note(told)
            except ConnectError as error:
                step.finish("skipped", error.message)
        with journal.step("instructions") as step:
            for found in instructions.require_current(project.settings):
                step.note(f"{found.object}: {found.message}")
        if try_hooks:
            agents.try_hooks(project, journal, None)
        with journal.step("backup") as step:
            progress.say("backing up production")
            created = backup.create_backup(
                project,
                issue=journal.state.issue,
                progress=progress,
                needed=backup.needed_baselines(project),
            )
            journal.backup(created.entry.id, size_bytes=created.manifest.size_bytes)
            rows = sum(t.rows for t in created.observation.tables)
            named = f"{created.entry.id}: {counted(len(created.observation.tables), 'table')}, {counted(rows, 'row')}"
            step.note(named)
            progress.say(f"backup {named}")
        with journal.step("reseed") as step:
            progress.say("reseeding the test database")
            made = reseed.reseed(project, created.entry.id, fresh_start=fresh_start, progress=progress)
            step.note(f"{made.database} equals {made.backup}: the backup is proven")
            progress.say(f"{made.database} equals the backup, row for row")
        with journal.step("checklist") as step:
            check.note(step, check.look(project, "before", progress=progress))
    except RingfenceError as error:
        journal.end("failed", exit_code=error.exit_code, reasons=[error.message])
        raise
    except KeyboardInterrupt:
        journal.end("failed", exit_code=INTERRUPTED, reasons=["interrupted before the first agent"])
        raise
    except Exception as error:
        journal.end("failed", exit_code=RingfenceError.exit_code, reasons=[f"{type(error).__name__}: {error}"])
        raise
