"""Before agents start: does the guard in their hooks refuse? Asked through the command line in their settings."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringfence import process
from ringfence.agents import hook_settings
from ringfence.agents.hook_settings import FORMS, HookedAgent
from ringfence.config.model import Settings
from ringfence.errors import ConfigError
from ringfence.guard import canary
from ringfence.process import Completed, ProgramError
from ringfence.redact import one_line
from ringfence.sandbox.launch import Sandbox
from ringfence.sandbox.model import Wanted

TIMEOUT_S = 10
HARMLESS = "ls"

_SCRIPT = """\
said=$(mktemp) || exit 1
out=$(printf %s "$1" | /bin/sh -c "$2" 2>"$said")
code=$?
printf '%s%s%s%s%s%s' "$3" "$code" "$3" "$out" "$3" "$(cat "$said")"
rm -f "$said"
"""
"""Gives a hook its event and prints how it answered, exit status, output and errors kept apart by a mark."""

Run = Callable[[str, bytes], Completed]
"""Runs a command line of a hook with an event on its standard input, as the agent's shell would."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One agent's hook: ``refuses`` is None where there is none to try. ``said`` is the sentence for the record."""

    agent: str
    refuses: bool | None
    said: str


def try_hooks(settings: Settings, run: Run) -> tuple[Trial, ...]:
    """Send the canary through the hook of every agent of a known kind that the workflow names or that is required.

    Agents of another kind (a shell script) have no hook, and the record says so.
    """
    trials: list[Trial] = []
    kinds: list[HookedAgent] = [*settings.guard.required]
    for agent in settings.workflow.agents:
        program = Path(agent.command[0]).name
        known = next((name for name, form in FORMS.items() if program in form.programs), None)
        if known is None:
            trials.append(
                Trial(agent=agent.name, refuses=None, said=f"{agent.name}: {one_line(program)} has no hook for a guard")
            )
        elif known not in kinds:
            kinds.append(known)
    return (*trials, *(_try(settings, kind, run) for kind in dict.fromkeys(kinds)))


def require_refusals(settings: Settings, trials: tuple[Trial, ...]) -> None:
    """Refuse (2) a run where a hook that is installed or required did not refuse the canary."""
    bad = [t for t in trials if t.refuses is False or (t.refuses is None and t.agent in settings.guard.required)]
    if bad:
        raise ConfigError(
            "\n".join(t.said for t in bad),
            hint="'ringfence agents sync' installs the guard; docs/how-to/agents.md says what each agent needs",
        )


def runner(settings: Settings, environment: Mapping[str, str], sandbox: Sandbox | None) -> Run:
    """Hooks as the agent's shell runs them: in the work tree, in its sandbox, with the environment that it gets."""

    def run(line: str, event: bytes) -> Completed:
        mark = secrets.token_hex(8)
        command = ["/bin/sh", "-c", _SCRIPT, "canary", event.decode(), line, mark]
        enclosed_in = sandbox or Sandbox(layer="none", wanted=Wanted(worktree=settings.root, homes=()))
        with enclosed_in.enter(command, environment=environment, directory=settings.root) as enclosed:
            child = process.stream(
                enclosed.command, env=enclosed.environment, cwd=settings.root, stdin=None, pass_fds=enclosed.pass_fds
            )
            timer = threading.Timer(TIMEOUT_S, child.kill)
            timer.start()
            try:
                problem = enclosed.begin()
                said = child.communicate()[0].decode("utf-8", "replace")
            finally:
                timer.cancel()
        parts = said.split(mark)
        if problem is not None or len(parts) != 4:
            raise ProgramError(problem or f"the hook did not answer within {TIMEOUT_S} s: {said[-300:]}")
        code = int(parts[1]) if parts[1].isdigit() else 1
        return Completed(argv=(line,), exit_code=code, stdout=parts[2], stderr=parts[3], seconds=0.0)

    return run


def _try(settings: Settings, agent: HookedAgent, run: Run) -> Trial:
    file = FORMS[agent].file
    try:
        text = (settings.root / file).read_text("utf-8")
        lines = hook_settings.installed(agent, text)
    except FileNotFoundError:
        lines = []
    except (OSError, ValueError) as error:
        return Trial(agent=agent, refuses=False, said=f"{agent}: {file} cannot be read: {error}")
    if not lines:
        return Trial(agent=agent, refuses=None, said=f"{agent}: the guard is not among the hooks in {file}")
    production = settings.production
    refusable = canary.refusable(production.db_port, production.database)
    for line in lines:
        try:
            refused = run(line, canary.event(agent, refusable, str(settings.root)))
            allowed = run(line, canary.event(agent, HARMLESS, str(settings.root)))
        except ProgramError as error:
            return Trial(agent=agent, refuses=False, said=f"{agent}: the hook {one_line(line)!r}: {error.message}")
        if not canary.is_refusal(agent, refused.exit_code, refused.stdout, refused.stderr):
            said = f"the hook {one_line(line)!r} let a command for production through (exit status {refused.exit_code})"
            return Trial(agent=agent, refuses=False, said=f"{agent}: {said}")
        if canary.is_refusal(agent, allowed.exit_code, allowed.stdout, allowed.stderr):
            why = one_line((allowed.stderr or allowed.stdout).strip()[:300])
            return Trial(agent=agent, refuses=False, said=f"{agent}: the guard refuses everything: {why}")
    return Trial(agent=agent, refuses=True, said=f"{agent}: the guard in {file} refused a command for production")
