"""``init``: the files a project needs, written once and never over somebody's work."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ringfence import files
from ringfence.config import template
from ringfence.config.load import FILE_NAME, parse
from ringfence.config.model import Production, Settings, Test
from ringfence.config.template import Place
from ringfence.config.values import HookedAgent
from ringfence.engines.compose import Service, compose_text
from ringfence.engines.model import EnvironmentName
from ringfence.errors import ConfigError
from ringfence.git import gate
from ringfence.git import repository as repositories
from ringfence.workflow import instructions


@dataclass(frozen=True, kw_only=True)
class Written:
    """What ``init`` did, by path from the project's root."""

    root: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]


def initialise(
    root: Path,
    *,
    project: str,
    production: Place | None = None,
    test: Place | None = None,
    force: bool,
    agents: Collection[HookedAgent] = (),
) -> Written:
    """Write ringfence.toml, the lines of .gitignore, the scripts of the strategy, and compose files for docker; then
    the sections and hooks of the agents that are in use here or among ``agents``.

    A ringfence.toml that is there is an error without ``force``; scripts that are there are kept; .gitignore only gets
    lines that it lacks. Raises ConfigError or UsageError (2).
    """
    text = template.initial_config(project, production=production, test=test)
    settings = root / FILE_NAME
    if os.path.lexists(settings) and not force:
        raise ConfigError(f"{settings} is there already", hint="edit it, or write a new one with --force")
    written, kept = [FILE_NAME], []
    files.write_atomic(settings, text.encode(), mode=0o644)
    if _extend_gitignore(root / ".gitignore"):
        written.append(".gitignore")
    others = {name: (script, 0o755) for name, script in template.seed_scripts().items()}
    if "claude" in instructions.agents_in_use(parse(text.encode(), settings), agents):
        others[template.ORCHESTRATE_FILE] = (template.orchestrate_command(), 0o644)
    others |= {name: (content, 0o644) for name, content in compose_files(parse(text.encode(), settings)).items()}
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
    return Written(root=root, written=tuple(written), kept=tuple(kept))


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
