"""One command of a person's, run as an agent would be run; and the probes, for a person to see."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence

from ringfence import process
from ringfence.errors import ConfigError, IdentityError
from ringfence.sandbox.model import LAYERS, Layer
from ringfence.sandbox.policy import NotPossibleError
from ringfence.sandbox.probe import Chosen
from ringfence.workflow.enclosures import enclosure
from ringfence.workflow.project import Project
from ringfence.workflow.runs import agents

_NAME = "sandbox"


def probe(project: Project, layer: Layer | None, environ: Mapping[str, str] = os.environ) -> Chosen:
    """Try the layers that the project's mode allows (or one), and say which holds. Raises IdentityError (7)."""
    environment = agents.environment_of(project, _NAME, environ, run_id=_NAME, issue=None).variables
    return enclosure.find(project, _layers(project, layer), environment, environ)


def run(
    project: Project, command: Sequence[str], layer: Layer | None, environ: Mapping[str, str] = os.environ
) -> tuple[Chosen, int]:
    """Run a command in the sandbox, on the caller's terminal; its exit status (128 + number for a signal).

    Raises IdentityError (7) where no layer holds: the command is then not started.
    """
    chosen = probe(project, layer, environ)
    if chosen.sandbox is None:
        raise IdentityError(
            f"no sandbox holds on this machine: {'; '.join(chosen.proof.failures()[:3])}",
            hint="'ringfence sandbox --probe' shows every attempt",
        )
    environment = agents.environment_of(project, _NAME, environ, run_id=_NAME, issue=None).variables
    root = project.settings.root
    try:
        with chosen.sandbox.enter(command, environment=environment, directory=root) as enclosed:
            child = process.attach(enclosed.command, env=enclosed.environment, cwd=root, pass_fds=enclosed.pass_fds)
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
            try:
                problem = enclosed.begin()
                code = child.wait()
            finally:
                signal.signal(signal.SIGINT, before)
                if child.poll() is None:
                    child.kill()
                    child.wait()
            for destination in enclosed.refused():
                print(f"ringfence: refused a connection to {destination}", file=sys.stderr)
    except NotPossibleError as error:
        raise IdentityError(str(error)) from error
    if problem is not None:
        raise IdentityError(problem, hint="'ringfence sandbox --probe' shows what this machine can do")
    return chosen, code if code >= 0 else 128 - code


def _layers(project: Project, layer: Layer | None) -> tuple[Layer, ...]:
    if layer is not None:
        return (layer,)
    mode = project.settings.sandbox.mode
    if mode == "none":
        raise ConfigError(
            f'{project.settings.found_at.name}: [sandbox] mode is "none": agents run without a sandbox',
            hint=f"set it to auto, or name a layer with --layer ({', '.join(LAYERS)})",
        )
    return enclosure.layers_of(mode)
