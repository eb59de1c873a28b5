"""The configured agents, one after the other, on the test database."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ringfence import clock
from ringfence.agents import record
from ringfence.agents.environment import AgentEnvironment, agent_environment
from ringfence.agents.handover import Handover
from ringfence.agents.model import AgentResult, AgentSpec
from ringfence.agents.prompt import agent_prompt
from ringfence.agents.record import OutputFile
from ringfence.agents.runner import run_agent
from ringfence.config.model import Agent
from ringfence.config.presets import PRESETS
from ringfence.config.values import MOST_INSTRUCTIONS
from ringfence.errors import ConfigError
from ringfence.journal.log import Journal
from ringfence.postgres import target
from ringfence.redact import one_line
from ringfence.sandbox.launch import Sandbox
from ringfence.wording import counted
from ringfence.workflow.enclosures import access, canary, enclosure
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.runs import refusals
from ringfence.workflow.runs.retry import Retry


def require_agents(project: Project) -> None:
    """Refuse (2) to run without agents (a run that does nothing would look like one that was safe), or without what one
    of them is to be told."""
    if not project.settings.workflow.agents:
        raise ConfigError(
            f"{project.settings.found_at.name}: no agents are configured",
            hint="add [[workflow.agents]] with name and command; 'ringfence init' wrote examples as comments",
        )
    for agent in project.settings.workflow.agents:
        instructions_of(project, agent)


def environment_of(
    project: Project, agent: str, environ: Mapping[str, str], *, run_id: str, issue: str | None
) -> AgentEnvironment:
    """The variables of an agent. In a sandbox they also say who commits, because no file of the home does."""
    enclosed = project.settings.sandbox.mode != "none"
    identity = enclosure.git_identity(project.settings.root, environ) if enclosed else {}
    return agent_environment(
        {**environ, **identity},
        access.for_agents(project),
        programs_directory=access.programs_directory(project),
        pass_through=(*project.settings.workflow.pass_environment, *_of_preset(project, agent), *identity),
        agent=agent,
        run_id=run_id,
        issue=issue,
    )


def _of_preset(project: Project, name: str) -> tuple[str, ...]:
    """The variables that an agent needs because of what it is."""
    found = [PRESETS[a.preset] for a in project.settings.workflow.agents if a.name == name and a.preset is not None]
    return tuple(variable for preset in found for variable in preset.pass_environment)


def _enclose(project: Project, journal: Journal, progress: Progress, environ: Mapping[str, str]) -> Sandbox | None:
    """The sandbox of this run, proven before the first agent; on record with what was tried."""
    with journal.step("sandbox") as step:
        progress.say("trying to get out of the sandbox")
        environment = environment_of(project, "probe", environ, run_id=journal.run_id, issue=journal.state.issue)
        chosen = enclosure.choose(project, environment.variables, environ)
        if chosen is None:
            step.finish("skipped", '[sandbox] mode = "none": nothing keeps the agents from what you can reach')
            return None
        step.note(chosen.proof.summary())
        for gap in chosen.proof.gaps:
            step.note(f"gap: {gap}")
        for proof in chosen.rejected:
            step.note(f"{proof.layer} does not hold here: {', '.join(proof.failures()[:3])}")
        progress.say(chosen.proof.summary())
        return chosen.sandbox


def try_hooks(
    project: Project, journal: Journal, sandbox: Sandbox | None, environ: Mapping[str, str] = os.environ
) -> None:
    """Try the guard in the hooks of the workflow's agents, as they will call it: in the sandbox, with its environment.

    Raises ConfigError (2) where a hook that is installed or required does not refuse what it must.
    """
    with journal.step("guard") as step:
        environment = environment_of(project, "canary", environ, run_id=journal.run_id, issue=journal.state.issue)
        run = canary.runner(project.settings, environment.variables, sandbox)
        trials = canary.try_hooks(project.settings, run)
        for trial in trials:
            step.note(trial.said)
        canary.require_refusals(project.settings, trials)


def run_agents(
    project: Project,
    journal: Journal,
    *,
    text: str,
    progress: Progress,
    retry: Retry | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[AgentResult, ...]:
    """Run the agents in order; the first that does not end well is the last. How each ended, its last attempt only.

    Every attempt is on record before anything else begins. Nothing here decides about production: the verification
    follows whatever happened. ``retry`` says whether an agent that failed may be started again.
    """
    told = {agent.name: instructions_of(project, agent) for agent in project.settings.workflow.agents}
    sandbox = _enclose(project, journal, progress, environ)
    try_hooks(project, journal, sandbox, environ)
    problem = refusals.begin(project)
    if problem is not None:
        progress.say(problem)
    job = _Job(project, journal, text, progress, environ, sandbox)
    for agent in project.settings.workflow.agents:
        result = job.attempt(agent, told[agent.name])
        while not result.ok and result.attempt <= agent.retries and retry is not None:
            if not retry.prepare(project, journal, result, progress):
                break
            result = job.attempt(agent, told[agent.name])
        job.results.append(result)
        if not result.ok:
            break
    return tuple(job.results)


def instructions_of(project: Project, agent: Agent) -> str:
    """What only this agent is told. Raises ConfigError (2) for a file that is not there, or no file of the project's.

    Links are not followed: one that an agent of an earlier run has made would show the next one what it leads to.
    """
    if agent.instructions_file is None:
        return agent.instructions or ""
    root = project.settings.root.resolve()
    path = root / agent.instructions_file
    problem = None
    try:
        if path.resolve() != path:
            problem = "a symbolic link is on the way"
        elif not path.is_file():
            problem = "there is no such file"
        elif path.stat().st_size > MOST_INSTRUCTIONS:
            problem = f"it is larger than {MOST_INSTRUCTIONS:,} bytes"
        else:
            return path.read_text("utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        problem = str(error)
    raise ConfigError(
        f"the instructions of agent {agent.name} cannot be read from {one_line(agent.instructions_file)}: {problem}",
        hint="instructions_file is a text in the project, by its path from the root",
    )


class _Job:
    """The agents of one run while they run: what each of them shares, and what those before it have left."""

    def __init__(
        self,
        project: Project,
        journal: Journal,
        text: str,
        progress: Progress,
        environ: Mapping[str, str],
        sandbox: Sandbox | None,
    ) -> None:
        self._project, self._journal, self._text, self._progress = project, journal, text, progress
        self._environ, self._sandbox, self._started_s = environ, sandbox, clock.monotonic_s()
        self.results: list[AgentResult] = []
        self._attempts: list[AgentResult] = []

    def attempt(self, agent: Agent, instructions: str) -> AgentResult:
        """Run an agent once more; the attempt is a step of the journal, and on record when this returns."""
        failed = [one for one in self._attempts if one.name == agent.name]
        number = len(failed) + 1
        spec = AgentSpec(name=agent.name, command=agent.command, timeout_s=agent.timeout_s, attempt=number)
        again = f", attempt {number} of {agent.retries + 1}" if number > 1 else ""
        self._progress.say(f"agent {spec.name}{again}, at most {clock.seconds_text(spec.timeout_s)}")
        with self._journal.step(f"agent {spec.name}") as step:
            if number > 1:
                step.note(f"attempt {number} of {agent.retries + 1}")
            if instructions:
                where = agent.instructions_file or "ringfence.toml"
                digest = hashlib.sha256(instructions.encode("utf-8", "replace")).hexdigest()
                step.note(f"instructions from {one_line(where)}, SHA-256 {digest[:12]}")
            result = self._run(spec, instructions, failed)
            self._attempts.append(result)
            self._journal.agent(result.to_json())
            for reason in result.reasons:
                step.note(reason)
            if not result.ok:
                step.finish("failed", f"{spec.name}: {result.outcome}")
        self._write_timing()
        return result

    def _run(self, spec: AgentSpec, instructions: str, failed: Sequence[AgentResult]) -> AgentResult:
        project, issue = self._project, self._journal.state.issue
        environment = environment_of(project, spec.name, self._environ, run_id=self._journal.run_id, issue=issue)
        for dropped in environment.dropped:
            self._progress.say(f"{spec.name}: {dropped.name} is not passed on: {dropped.reason}")
        secrets = (*environment.secrets(), *(e.password for e in target.read_passfile(project.paths.pgpass)))
        output = OutputFile.create(
            project.settings.root,
            agent=spec.name,
            issue=issue,
            run_id=self._journal.run_id,
            command=spec.command,
            started_at=clock.utc_now(),
            secrets=secrets,
            attempt=spec.attempt,
        )
        handed_over = Handover()

        def on_text(text: str) -> None:
            handed_over.feed(text)
            self._progress.agent(text)

        prompt = agent_prompt(
            self._text,
            issue=issue,
            agent=spec.name,
            previous=[(one.name, one.output_file, one.returned) for one in self.results if one.output_file],
            access=access.for_agents(project),
            instructions=instructions,
            failed=[(one.output_file, _how(one)) for one in failed if one.output_file],
        )
        result = run_agent(
            spec,
            enclosure=self._sandbox,
            environment=environment.variables,
            prompt=prompt,
            worktree=project.settings.root,
            output=output,
            on_text=on_text,
            secrets=secrets,
        )
        result = replace(result, returned=handed_over.said)
        kept = refusals.keep(project, self._journal, result, secrets, again=True)
        if kept:
            self._progress.say(f"{spec.name}: {counted(kept, 'refusal')} on record")
        return result

    def _write_timing(self) -> None:
        record.write_timing(
            self._project.settings.root,
            issue=self._journal.state.issue,
            run_id=self._journal.run_id,
            results=self._attempts,
            total_seconds=clock.monotonic_s() - self._started_s,
        )


def _how(result: AgentResult) -> str:
    return f"{result.outcome} ({result.reasons[0]})" if result.reasons else result.outcome
