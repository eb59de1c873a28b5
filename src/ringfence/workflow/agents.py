"""The configured agents, one after the other, on the test database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from ringfence import clock
from ringfence.agents import record
from ringfence.agents.environment import AgentEnvironment, agent_environment
from ringfence.agents.handover import Handover
from ringfence.agents.model import AgentResult, AgentSpec
from ringfence.agents.prompt import agent_prompt
from ringfence.agents.record import OutputFile
from ringfence.agents.runner import run_agent
from ringfence.config.presets import PRESETS
from ringfence.errors import ConfigError
from ringfence.journal.log import Journal
from ringfence.postgres import target
from ringfence.sandbox.launch import Sandbox
from ringfence.workflow import access, canary, enclosure
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project


def require_agents(project: Project) -> None:
    """Refuse (2) to run without agents: a run that does nothing would look like one that was safe."""
    if not project.settings.workflow.agents:
        raise ConfigError(
            f"{project.settings.found_at.name}: no agents are configured",
            hint="add [[workflow.agents]] with name and command; 'ringfence init' wrote examples as comments",
        )


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
    project: Project, journal: Journal, *, text: str, progress: Progress, environ: Mapping[str, str] = os.environ
) -> tuple[AgentResult, ...]:
    """Run the agents in order; the first that does not end well is the last.

    Every agent is on record before the next begins. Nothing here decides about production: the verification follows
    whatever happened.
    """
    sandbox = _enclose(project, journal, progress, environ)
    try_hooks(project, journal, sandbox, environ)
    results: list[AgentResult] = []
    previous: list[tuple[str, str, str | None]] = []
    started = clock.monotonic_s()
    for agent in project.settings.workflow.agents:
        spec = AgentSpec(name=agent.name, command=agent.command, timeout_s=agent.timeout_s)
        progress.say(f"agent {spec.name}, at most {clock.seconds_text(spec.timeout_s)}")
        with journal.step(f"agent {spec.name}") as step:
            result = _run_one(project, journal, spec, text, previous, progress, environ, sandbox)
            results.append(result)
            journal.agent(result.to_json())
            for reason in result.reasons:
                step.note(reason)
            if not result.ok:
                step.finish("failed", f"{spec.name}: {result.outcome}")
        record.write_timing(
            project.settings.root,
            issue=journal.state.issue,
            run_id=journal.run_id,
            results=results,
            total_seconds=clock.monotonic_s() - started,
        )
        if not result.ok:
            break
        if result.output_file:
            previous.append((spec.name, result.output_file, result.returned))
    return tuple(results)


def _run_one(
    project: Project,
    journal: Journal,
    spec: AgentSpec,
    text: str,
    previous: list[tuple[str, str, str | None]],
    progress: Progress,
    environ: Mapping[str, str],
    sandbox: Sandbox | None,
) -> AgentResult:
    issue, test = journal.state.issue, access.for_agents(project)
    environment = environment_of(project, spec.name, environ, run_id=journal.run_id, issue=issue)
    for dropped in environment.dropped:
        progress.say(f"{spec.name}: {dropped.name} is not passed on: {dropped.reason}")
    secrets = (*environment.secrets(), *(e.password for e in target.read_passfile(project.paths.pgpass)))
    output = OutputFile.create(
        project.settings.root,
        agent=spec.name,
        issue=issue,
        run_id=journal.run_id,
        command=spec.command,
        started_at=clock.utc_now(),
        secrets=secrets,
    )
    handed_over = Handover()

    def on_text(text: str) -> None:
        handed_over.feed(text)
        progress.agent(text)

    result = run_agent(
        spec,
        enclosure=sandbox,
        environment=environment.variables,
        prompt=agent_prompt(text, issue=issue, agent=spec.name, previous=previous, access=test),
        worktree=project.settings.root,
        output=output,
        on_text=on_text,
        secrets=secrets,
    )
    return replace(result, returned=handed_over.said)
