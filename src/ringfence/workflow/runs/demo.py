"""``demo``: the whole story on two real databases in a scratch directory, with a good agent and three bad ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ringfence import clock
from ringfence.errors import AgentError, InternalError
from ringfence.git.program import Git
from ringfence.journal.model import RunState
from ringfence.postgres import queries
from ringfence.postgres.connection import connect
from ringfence.sandbox.model import LAYER_TEXT
from ringfence.sandbox.probe import Chosen
from ringfence.workflow.enclosures import enclosure
from ringfence.workflow.progress import Progress, Quiet
from ringfence.workflow.project import Project, open_project
from ringfence.workflow.runs import agents, run
from ringfence.workflow.servers import scratch

_TASKS = ("Let every SKU have a low-stock limit #7", "Tidy up, and check the prices #8", "Check the prices #9")
_SCENES = ("good", "vandal", "late", "bad")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What happened in the demo: the runs, where the remote branch stood, the counts a naive check sees.

    ``stopped`` is the run of the bad agents in the sandbox; None where no sandbox holds on this machine, for the reason
    in ``no_sandbox``. ``bad`` is the run of one of them without a sandbox. ``kept`` is the project of the scratch
    directory where that was to be kept; its servers are stopped.
    """

    servers: str
    sandbox: str
    no_sandbox: str | None
    good: RunState
    stopped: RunState | None
    bad: RunState
    remote_after_good: str
    remote_after_bad: str
    counts_before: Mapping[str, int]
    counts_after: Mapping[str, int]
    seconds: float
    directory: Path | None
    kept: Project | None


def demo(*, keep: bool, progress: Progress) -> Told:
    """Play it and check that it went as it must. Raises InternalError (70) when it did not."""
    started = clock.monotonic_s()
    with scratch.directory("demo", keep=keep) as place:
        project, git = _stage(place, progress)
        try:
            counts_before = _counts(project)
            chosen = _sandbox(project)
            held = chosen.proof.holds
            progress.say("1. a good agent works on the test database and writes code")
            good = _act(_configured(project, place, ["good"], held=held), _TASKS[0], progress)
            remote_after_good = _remote_head(git, place)
            stopped = None
            if held:
                progress.say("2. three bad agents, in the sandbox")
                stopped = _act(_configured(project, place, ["vandal", "late", "bad"], held=True), _TASKS[1], progress)
                progress.say("3. the last of them once more, with the sandbox switched off")
            else:
                progress.say("2. a bad agent finds production's password and changes 25 prices")
            bad = _act(_configured(project, place, ["bad"], held=False), _TASKS[2], progress)
            told = Told(
                servers=f"PostgreSQL {project.programs[0].major}.{project.programs[0].minor}",
                sandbox=LAYER_TEXT[chosen.proof.layer] if held else LAYER_TEXT["none"],
                no_sandbox=None if held else "; ".join(chosen.proof.failures()[:2]),
                good=good,
                stopped=stopped,
                bad=bad,
                remote_after_good=remote_after_good,
                remote_after_bad=_remote_head(git, place),
                counts_before=counts_before,
                counts_after=_counts(project),
                seconds=clock.monotonic_s() - started,
                directory=place if keep else None,
                kept=project if keep else None,
            )
            _require_as_promised(told)
            return told
        finally:
            scratch.stop(project, keep=keep)


def _stage(place: Path, progress: Progress) -> tuple[Project, Git]:
    """The agents of the story beside the work tree, and two servers with sample data."""
    (place / "agents").mkdir()
    for scene in _SCENES:
        script = resources.files("ringfence.workflow").joinpath("scenes", f"{scene}.sh").read_text("utf-8")
        (place / "agents" / f"{scene}.sh").write_text(script, "utf-8")
    progress.say("starting two PostgreSQL servers and loading sample data")
    return scratch.project(place, ignored=["scene-*.toml"])


def _configured(project: Project, place: Path, scenes: Sequence[str], *, held: bool) -> Project:
    """The same project with these agents, in the sandbox or without: a settings file of its own beside the first."""
    text = project.settings.found_at.read_text("utf-8")
    sandbox = f'[sandbox]\nallow_read = ["{place / "agents"}"]\n'
    text = text.replace("[sandbox]\n", sandbox).replace('mode = "auto"', f'mode = "{"auto" if held else "none"}"')
    server = project.engine("production").status()
    passfile, port = str(project.paths.pgpass), str(server.port)
    words = {"vandal": [str(server.pid)], "bad": [passfile, port, "inventory_admin", "inventory"]}
    for scene in scenes:
        command = ["sh", str(place / "agents" / f"{scene}.sh"), *words.get(scene, [])]
        listed = ", ".join(f'"{word}"' for word in command)
        text += f'\n[[workflow.agents]]\nname = "{scene}"\ncommand = [{listed}]\ntimeout_minutes = 1\n'
    path = project.settings.root / f"scene-{'-'.join(scenes)}-{'held' if held else 'free'}.toml"
    path.write_text(text, "utf-8")
    return open_project(path, start=project.settings.root, environ=project.environ)


def _sandbox(project: Project) -> Chosen:
    """The layer that holds on this machine, or why none does."""
    environment = agents.environment_of(project, "probe", project.environ, run_id="demo", issue=None).variables
    return enclosure.find(project, enclosure.layers_of("auto"), environment, project.environ)


def _act(project: Project, task: str, progress: Progress) -> RunState:
    return run.run(
        project,
        issue=task.rpartition("#")[2],
        text=task,
        fresh_start=False,
        push=True,
        allow_dirty=False,
        progress=_Indented(progress),
    )


def _remote_head(git: Git, place: Path) -> str:
    return git.run("rev-parse", scratch.BRANCH, cwd=place / "remote.git").line


def _counts(project: Project) -> dict[str, int]:
    with connect(project.target("production")) as connection:
        rows = connection.execute(queries.load("ringfence.workflow", "demo_counts")).fetchall()
    return {str(name): int(count) for name, count in rows}


def _require_as_promised(told: Told) -> None:
    good = told.good.outcome == "passed" and told.good.pushed and told.good.commit == told.remote_after_good
    bad = told.bad.outcome == "halt" and told.bad.exit_code == 3 and told.remote_after_bad == told.remote_after_good
    if not good or not bad:
        raise InternalError(
            f"the demo did not go as it must: good agent {told.good.outcome} {told.good.reasons}, "
            f"bad agent {told.bad.outcome} {told.bad.reasons}"
        )
    stopped = told.stopped
    if stopped is not None and (stopped.exit_code != AgentError.exit_code or not _is_unchanged(stopped)):
        raise InternalError(f"the demo did not go as it must: in the sandbox {stopped.outcome} {stopped.reasons}")


def _is_unchanged(state: RunState) -> bool:
    return state.verdict is not None and state.verdict.get("verdict") == "unchanged"


class _Indented(Quiet):
    """Only what the agents say, so that the story fits a screen."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def agent(self, text: str) -> None:
        for line in text.splitlines():
            self._progress.say(f"   agent: {line}")
