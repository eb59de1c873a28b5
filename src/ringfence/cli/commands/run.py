"""``run``, ``pre`` and ``post``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.options import MISLEADS, Config, FreshStart, Issue, Json, begin, exits
from ringfence.errors import HaltError
from ringfence.report import documents, text
from ringfence.report import runs as runs_text
from ringfence.workflow.issue import find_issue
from ringfence.workflow.runs import run as work

Task = Annotated[
    list[str] | None, typer.Argument(metavar="[TEXT…]", help="The task; an issue may be named in it (#7, a URL).")
]
_BEFORE = (
    "2   usage, configuration, or a repository that cannot be committed to or pushed from",
    "4   another run, an unfinished one, or a HALT that nobody resolved stands in the way",
    "5   no backup was made, so nothing was started",
    "6   the test database could not be made",
    "7   a database is not provably what it must be",
    "99  the test database has no tables and --fresh-start was not given",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=exits(
            "0   production is unchanged, and the work is committed and pushed",
            "3   HALT: production differs from its baseline, or its protection is broken; nothing committed",
            "8   an agent failed or ran out of time; production was verified and is unchanged",
            *_BEFORE,
        )
    )(run)
    app.command(epilog=exits("0   backed up and reseeded; the run waits for 'ringfence post'", *_BEFORE))(pre)
    app.command(
        epilog=exits(
            "0  production is unchanged, or changed only as a rule allows",
            "2  no run is unfinished",
            "3  HALT: production differs from its baseline, or that it does not could not be shown",
            "4  the run is still going on",
            "5  the run was interrupted before it had a baseline; it is closed",
            MISLEADS,
        )
    )(post)


def run(
    task: Task = None,
    issue: Issue = None,
    fresh_start: FreshStart = False,
    no_push: Annotated[bool, typer.Option("--no-push", help="Commit, but do not push.")] = False,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Start although tracked files differ from the last commit.")
    ] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """The whole workflow: backup, reseed, the configured agents, verification, commit and push.

    The agents' environment names only the test database. What they print goes to .agents/outputs/; a terminal shows the
    step, its time and the last lines of it, everything else gets all of it.
    Whatever becomes of them, production is compared with its baseline afterwards, and only 'unchanged' is committed.
    """
    session = begin(as_json=json, config=config)
    words = task or []
    reference = find_issue(issue, words)
    with session.console.following("looking at both environments"):
        state = work.run(
            session.project,
            issue=reference.issue,
            text=" ".join(words),
            fresh_start=fresh_start,
            push=session.project.settings.git.push and not no_push,
            allow_dirty=allow_dirty,
            progress=session.console,
            repository=reference.repository,
        )
    session.console.show(runs_text.run(state))
    session.write_page(state)
    session.end(documents.run(state), state.exit_code or 0)


def pre(
    task: Task = None, issue: Issue = None, fresh_start: FreshStart = False, json: Json = False, config: Config = None
) -> None:
    """The first half of a run, for an orchestrator of your own: backup and reseed.

    Then start your agents, with DATABASE_URL naming the test database, and end with 'ringfence post'.
    """
    session = begin(as_json=json, config=config)
    words = task or []
    reference = find_issue(issue, words)
    state = work.pre(
        session.project,
        issue=reference.issue,
        text=" ".join(words),
        fresh_start=fresh_start,
        progress=session.console,
        repository=reference.repository,
    )
    session.console.show(runs_text.run(state))
    session.end(documents.run(state))


def post(json: Json = False, config: Config = None) -> None:
    """The second half of a run: compare production with the run's baseline and end the run.

    It also finishes a run that was killed. Nothing is committed or pushed: that is your orchestrator's, after exit 0.
    """
    session = begin(as_json=json, config=config)
    with session.console.working("comparing production with its baseline"):
        ended = work.post(session.project, progress=session.console)
    session.console.show(text.verified(ended.verified, session.project.settings.verify))
    session.console.show(runs_text.run(ended.run))
    session.write_page(ended.run)
    session.end(documents.ended(ended), 0 if ended.verified.passed else HaltError.exit_code)
