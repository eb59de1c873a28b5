"""``init``: the files a project needs, written once and never over somebody's work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ringfence import files
from ringfence.config import template
from ringfence.config.load import FILE_NAME
from ringfence.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Written:
    """What ``init`` did, by path from the project's root."""

    root: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]


def initialise(root: Path, *, project: str, engine: str, force: bool) -> Written:
    """Write ringfence.toml, the lines of .gitignore, and the scripts of the strategy.

    A ringfence.toml that is there is an error without ``force``; scripts that are there are kept; .gitignore only gets
    lines that it lacks. Raises ConfigError or UsageError (2).
    """
    text = template.initial_config(project, engine=engine)
    settings = root / FILE_NAME
    if os.path.lexists(settings) and not force:
        raise ConfigError(f"{settings} is there already", hint="edit it, or write a new one with --force")
    written, kept = [FILE_NAME], []
    files.write_atomic(settings, text.encode(), mode=0o644)
    if _extend_gitignore(root / ".gitignore"):
        written.append(".gitignore")
    for name, script in template.seed_scripts().items():
        path = root / name
        if os.path.lexists(path):
            kept.append(name)
            continue
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.parent.chmod(0o755)
        files.write_atomic(path, script.encode(), mode=0o755)
        written.append(name)
    return Written(root=root, written=tuple(written), kept=tuple(kept))


def _extend_gitignore(path: Path) -> bool:
    text = path.read_text("utf-8") if path.exists() else ""
    missing = [line for line in template.gitignore_lines() if line not in text.splitlines()]
    if not missing:
        return False
    gap = "" if not text or text.endswith("\n") else "\n"
    files.write_atomic(path, f"{text}{gap}{chr(10).join(missing)}\n".encode(), mode=0o644)
    return True
