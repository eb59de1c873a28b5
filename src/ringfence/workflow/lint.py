"""``lint``: which files are looked at, what is known of the environments, and mechanical fixes on disk."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ringfence import files
from ringfence.config.model import Settings
from ringfence.config.names import names_for
from ringfence.errors import RingfenceError, UsageError
from ringfence.git import repository as repositories
from ringfence.lint import engine, fix
from ringfence.lint.engine import Linted
from ringfence.lint.model import Facts, Rule, Side
from ringfence.lint.rules import RULES
from ringfence.postgres.url import read_url

_SKIPPED = frozenset(
    {"node_modules", ".git", ".venv", "venv", "dist", "build", "__pycache__", ".next", "coverage"}
    | {".backups", ".agents"}
)
# Not one's own, even where git would track it.
_NEVER = frozenset({"node_modules", ".venv", "venv", "__pycache__", ".backups"})
_LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, kw_only=True)
class Result:
    """``fixed`` are the files that were changed; the findings are those that are left."""

    linted: Linted
    fixed: tuple[str, ...] = ()


def facts(settings: Settings) -> Facts:
    """What ringfence.toml says of both environments."""
    names = names_for(settings.project)
    production, test = settings.production, settings.test
    return Facts(
        production=Side(
            web_port=production.web_port,
            db_port=production.db_port,
            database=production.database,
            container=production.container or names.production_container,
            volume=production.volume or names.production_volume,
            hosts=_hosts(production.url),
        ),
        test=Side(
            web_port=test.web_port,
            db_port=test.db_port,
            database=test.database,
            container=test.container or names.test_container,
            volume=test.volume or names.test_volume,
            hosts=_hosts(test.url),
        ),
    )


def choose(only: Sequence[str], skip: Sequence[str]) -> tuple[Rule, ...]:
    """The rules that were asked for. Raises UsageError (2) for one that does not exist."""
    known = {r.name for r in RULES}
    unknown = [n for n in (*only, *skip) if n not in known]
    if unknown:
        raise UsageError(f"there is no rule {unknown[0]!r}", hint=f"there are {', '.join(sorted(known))}")
    return tuple(r for r in RULES if (not only or r.name in only) and r.name not in skip)


def lint(settings: Settings, paths: Sequence[Path], rules: Sequence[Rule], *, mend: bool) -> Result:
    """Look at the files below ``paths`` (the whole project when none is named); mend what can be without thought."""
    root = settings.root
    chosen = _chosen(root, paths, settings.lint.exclude)
    known = facts(settings)
    linted = engine.lint(root, chosen, known, rules)
    if not mend or not linted.edits:
        return Result(linted=linted)
    for path, edits in linted.edits.items():
        target = root / path
        if target.is_symlink():
            continue
        mode = target.stat().st_mode & 0o777
        files.write_atomic(target, fix.apply(target.read_bytes(), edits), mode=mode)
    return Result(linted=engine.lint(root, chosen, known, rules), fixed=tuple(linted.edits))


def _chosen(root: Path, paths: Sequence[Path], exclude: dict[str, str]) -> list[str]:
    named = [_below(root, p) for p in paths]
    everything = _listed(root) if not named or any((root / n).is_dir() for n in named) else []
    chosen = {n for n in named if not (root / n).is_dir()}
    for path in everything:
        if not named or any(n in (".", path) or path.startswith(f"{n}/") for n in named):
            chosen.add(path)
    return sorted(p for p in chosen if not any(fnmatch.fnmatch(p, pattern) for pattern in exclude))


def _below(root: Path, path: Path) -> str:
    absolute = Path(os.path.abspath(path))
    if not absolute.exists():
        raise UsageError(f"there is no {os.path.relpath(absolute)}", hint="name files or directories of the project")
    if not absolute.is_relative_to(root):
        raise UsageError(f"{path} is not in the project {root}", hint="--config names another project")
    return absolute.relative_to(root).as_posix()


def _listed(root: Path) -> list[str]:
    """What git tracks or would track; without a repository every file but what tools make."""
    found = repositories.discover(root, os.environ)
    if found is not None:
        try:
            return [p for p in found.files(below=root) if not _NEVER.intersection(p.split("/"))]
        except RingfenceError:
            pass  # a repository that git itself refuses: its files are still there
    listed = []
    for directory, names, entries in os.walk(root):
        names[:] = [n for n in names if n not in _SKIPPED]
        listed += [(Path(directory) / e).relative_to(root).as_posix() for e in entries]
    return listed


def _hosts(url: str | None) -> frozenset[str]:
    host = read_url(url).host.lower() if url else ""
    return frozenset() if host in _LOCAL or host.startswith("/") else frozenset({host})
