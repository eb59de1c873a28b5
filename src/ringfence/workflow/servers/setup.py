"""``init``: the files a project needs, written once and never over somebody's work."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ringfence import files
from ringfence.config import template
from ringfence.config.load import FILE_NAME, parse
from ringfence.config.model import Production, Settings, Test
from ringfence.config.names import names_for
from ringfence.config.template import Place
from ringfence.config.values import HookedAgent
from ringfence.engines.compose import Service, compose_text
from ringfence.engines.model import EnvironmentName
from ringfence.errors import ConfigError
from ringfence.git import gate
from ringfence.git import repository as repositories
from ringfence.workflow import instructions
from ringfence.workflow.servers import setup_docker


@dataclass(frozen=True, kw_only=True)
class Written:
    """What ``init`` did, by path from the project's root."""

    root: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]
    adopted: tuple[str, ...] = ()
    """What was found of a production container that is there, where one is."""


def initialise(
    root: Path,
    *,
    project: str,
    production: Place | None = None,
    test: Place | None = None,
    force: bool,
    agents: Collection[HookedAgent] = (),
    container: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Written:
    """Write ringfence.toml, the lines of .gitignore, the scripts of the strategy, and compose files for docker; then
    the sections and hooks of the agents that are in use here or among ``agents``.

    Production's ``container`` (or one of the name that the project leads to) is looked at, where it is there already.
    A ringfence.toml that is there is an error without ``force``; scripts that are there are kept; .gitignore only gets
    lines that it lacks. Raises ConfigError or UsageError (2).
    """
    production, settings = production or Place(), root / FILE_NAME
    text = template.initial_config(project, production=production, test=test)  # refuses names that cannot be
    if os.path.lexists(settings) and not force:
        raise ConfigError(f"{settings} is there already", hint="edit it, or write a new one with --force")
    adopted = None
    if production.engine == "docker":
        name = container or names_for(project).production_container
        adopted = setup_docker.look(name, production, environ, asked=container is not None)
    if adopted is not None:
        if test is not None and test.engine == "docker" and test.image == production.image:
            test = replace(test, image=adopted.place.image)  # the same major, and the same extensions
        text = template.initial_config(project, production=adopted.place, test=test)
    written, kept = [FILE_NAME], []
    files.write_atomic(settings, text.encode(), mode=0o644)
    if _extend_gitignore(root / ".gitignore"):
        written.append(".gitignore")
    others = {name: (script, 0o755) for name, script in template.seed_scripts().items()}
    if "claude" in instructions.agents_in_use(parse(text.encode(), settings), agents):
        others[template.ORCHESTRATE_FILE] = (template.orchestrate_command(), 0o644)
    composed = compose_files(parse(text.encode(), settings))
    if adopted is not None:
        composed.pop("compose.production.yaml", None)  # its owner has his own way to make it
    others |= {name: (content, 0o644) for name, content in composed.items()}
    for name, (content, mode) in others.items():
        path = root / name
        if os.path.lexists(path):
            kept.append(name)
            continue
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.parent != root:
            path.parent.chmod(0o755)
        files.write_atomic(path, content.encode(), mode=mode)
        written.append(name)
    gate_state = _install_gate(root)
    if gate_state is not None:
        (kept if gate_state == "kept" else written).append("the repository's hook pre-push")
    synced = instructions.sync(parse(text.encode(), settings), asked=agents)
    written += synced.written
    kept += [f.file or f.object for f in synced.problems]
    notes = adopted.notes if adopted else ()
    return Written(root=root, written=tuple(written), kept=tuple(kept), adopted=notes)


def _install_gate(root: Path) -> gate.Installed | None:
    """The pre-push hook; None where there is no repository."""
    found = repositories.discover(root, os.environ)
    return gate.install(found.hooks_directory()) if found is not None and not found.bare else None


def compose_files(settings: Settings) -> dict[str, str]:
    """The compose file of every environment that has the engine docker, by its name (pure)."""
    environments: tuple[tuple[EnvironmentName, Production | Test], ...] = (
        ("production", settings.production),
        ("test", settings.test),
    )
    found = {}
    for environment, chosen in environments:
        if chosen.engine == "docker" and chosen.container and chosen.volume and chosen.image:
            service = Service(
                project=settings.project,
                environment=environment,
                container=chosen.container,
                volume=chosen.volume,
                image=chosen.image,
                port=chosen.db_port,
            )
            found[service.file_name] = compose_text(service)
    return found


def _extend_gitignore(path: Path) -> bool:
    text = path.read_text("utf-8") if path.exists() else ""
    missing = [line for line in template.gitignore_lines() if line not in text.splitlines()]
    if not missing:
        return False
    gap = "" if not text or text.endswith("\n") else "\n"
    files.write_atomic(path, f"{text}{gap}{chr(10).join(missing)}\n".encode(), mode=0o644)
    return True
