"""``agents sync`` and ``agents check``: sections in instruction files and hooks in settings files of the work tree."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringfence import files
from ringfence.agents import hook_settings, instructions
from ringfence.agents.hook_settings import FORMS, HookedAgent
from ringfence.agents.instructions import SHARED_CONTEXT, Facts
from ringfence.config.model import Settings
from ringfence.errors import ConfigError
from ringfence.findings import Finding, Severity, at_least
from ringfence.redact import one_line

_NAMED = ("CLAUDE.md", "AGENTS.md", "GEMINI.md", ".cursorrules", ".windsurfrules", ".clinerules")
_PLACES = (
    ".claude/agents/**/*.md",
    ".claude/CLAUDE.md",
    ".cursor/rules/**/*.mdc",
    ".gemini/agents/**/*.md",
    ".github/copilot-instructions.md",
    ".github/agents/**/*.md",
)
_PASSED_BY = {"node_modules", "vendor", "venv", "dist", "build", "target", "__pycache__"}
_MOST_BYTES = 4 << 20
_MEND = "ringfence agents sync"


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What `sync` did, by path from the project's root; ``problems`` are files that it left alone, and why."""

    written: tuple[str, ...]
    current: tuple[str, ...]
    problems: tuple[Finding, ...]


def facts(settings: Settings) -> Facts:
    """What the sections say of a project."""
    production, test = settings.production, settings.test
    return Facts(
        project=settings.project,
        production_database=production.database,
        production_port=production.db_port,
        production_web_port=production.web_port,
        test_host="127.0.0.1",
        test_port=test.db_port,
        test_database=test.database,
        test_role=test.role,
        test_web_port=test.web_port,
        backups=settings.backup.directory.rstrip("/"),
    )


def find_files(root: Path) -> list[str]:
    """Every instruction file of the work tree, by its path from the root; SHARED-CONTEXT.md is not among them.

    ``AGENTS.md`` and its like count in every directory: agents take the nearest one.
    """
    found = {str(p.relative_to(root)) for pattern in _PLACES for p in root.glob(pattern) if os.path.lexists(p)}
    for directory, names, contained in os.walk(root):
        names[:] = [n for n in names if n not in _PASSED_BY and not n.startswith(".")]
        found |= {str((Path(directory) / n).relative_to(root)) for n in contained if n in _NAMED}
        found |= {str((Path(directory) / n).relative_to(root)) for n in names if n in _NAMED}
    return sorted(found)


def agents_in_use(settings: Settings, asked: Collection[HookedAgent] = ()) -> list[HookedAgent]:
    """Agents whose hook belongs into the work tree: in use there, named in the workflow, required, or asked for."""
    programs = {Path(agent.command[0]).name for agent in settings.workflow.agents}
    return [
        name
        for name, form in FORMS.items()
        if name in asked
        or name in settings.guard.required
        or programs & set(form.programs)
        or any(os.path.lexists(settings.root / mark) for mark in form.in_use)
    ]


def guard_program(environ: Mapping[str, str]) -> str:
    """How the guard is called in settings files: by its name where a shell finds it, else by its path."""
    own = Path(sys.executable).with_name(hook_settings.GUARD)
    known = shutil.which(hook_settings.GUARD, path=environ.get("PATH"))
    return hook_settings.GUARD if known is not None or not own.exists() else str(own)


def sync(settings: Settings, *, asked: Collection[HookedAgent] = (), environ: Mapping[str, str] = os.environ) -> Synced:
    """Write every section and every hook that is missing or not as it must be. A second call changes nothing."""
    written: list[str] = []
    current: list[str] = []
    problems: list[Finding] = []
    for name, wanted, kind in _wanted(settings, asked, environ):
        try:
            before = _read(settings.root, name)
            after = wanted(before)
        except (OSError, ValueError) as error:
            problems.append(_problem(kind, name, f"was left alone: {error}"))
            continue
        if before == after:
            current.append(name)
            continue
        path = settings.root / name
        for parent in reversed([p for p in path.parents if p.is_relative_to(settings.root)]):
            if not parent.exists():
                parent.mkdir(mode=0o755)
        mode = stat.S_IMODE(path.stat().st_mode) if before is not None else 0o644
        files.write_atomic(path, after, mode=mode)
        written.append(name)
    return Synced(written=tuple(written), current=tuple(current), problems=tuple(problems))


def check(settings: Settings) -> list[Finding]:
    """What is missing, stale or edited; empty where everything stands as `sync` would write it.

    Looks at nothing but the work tree, so it says the same in CI.
    """
    found: list[Finding] = []
    for name, text in _sections(settings):
        try:
            content = _read(settings.root, name)
        except (OSError, ValueError) as error:
            found.append(_problem("instructions", name, str(error)))
            continue
        state = "missing" if content is None else instructions.state(content, text)
        if state != "current":
            found.append(_section_finding(name, state))
    found += _hook_findings(settings)
    if not found and not find_files(settings.root):
        found.append(
            Finding(
                rule="agents/no-instructions",
                severity="info",
                object="the work tree",
                message="no instruction file of an agent was found, so no section is missing",
            )
        )
    return found


def require_current(settings: Settings) -> list[Finding]:
    """Refuse (2) to let agents work whose instructions are not as they must be; returns what was only remarked."""
    found = check(settings)
    wrong = at_least(found, "low")
    if wrong:
        lines = [f"{one_line(f.file or f.object)}: {f.message}" for f in wrong]
        raise ConfigError("\n".join(lines), hint=f"'{_MEND}' mends it; then commit")
    return found


def _section_finding(name: str, state: str) -> Finding:
    messages: dict[str, tuple[Severity, str]] = {
        "missing": ("high", "has no database-safety section"),
        "stale": ("medium", "has a database-safety section of another version or other settings"),
        "edited": ("high", "has a database-safety section that somebody changed"),
        "broken": ("high", "has markers of a database-safety section that do not belong together"),
    }
    severity, message = messages[state]
    fix = _MEND if state != "broken" else f"remove the lines with 'ringfence:begin' and 'ringfence:end', then {_MEND}"
    return Finding(
        rule=f"agents/section-{state}", severity=severity, object="the section", message=message, fix=fix, file=name
    )


def _hook_findings(settings: Settings) -> Iterator[Finding]:
    for agent in agents_in_use(settings):
        name = FORMS[agent].file
        try:
            content = _read(settings.root, name)
            text = "{}" if content is None else content.decode("utf-8")
            there = hook_settings.installed(agent, text)
            wrong = hook_settings.objections(agent, text, project=settings.project) if there else []
            wrong += _switched_off(settings, agent)
        except (OSError, ValueError) as error:
            yield _problem("hook", name, str(error))
            continue
        if not there:
            yield Finding(
                rule="agents/hook-missing",
                severity="high" if agent in settings.guard.required else "info",
                object=name,
                message=f"{agent} is in use, and the guard is not among its hooks",
                fix=f"{_MEND} --agent {agent}",
            )
        for message in dict.fromkeys(wrong):
            yield Finding(
                rule="agents/hook-edited",
                severity="high",
                object="the hook of the guard",
                message=message,
                fix=f"remove the entry with ringfence-guard, then: {_MEND}",
                file=name,
            )


def _switched_off(settings: Settings, agent: HookedAgent) -> list[str]:
    """Claude Code has a second settings file in the work tree, which goes before the first."""
    if agent != "claude":
        return []
    content = _read(settings.root, ".claude/settings.local.json")
    text = "{}" if content is None else content.decode("utf-8")
    said = hook_settings.objections(agent, text, project=settings.project)
    return [f".claude/settings.local.json: {one}" for one in said if "switches" in one]


def _problem(kind: str, name: str, message: str) -> Finding:
    return Finding(
        rule=f"agents/{kind}-unreadable",
        severity="high",
        object="the file",
        message=message,
        fix="make it a plain file of the work tree that can be read, and then: " + _MEND,
        file=name,
    )


def _sections(settings: Settings) -> list[tuple[str, str]]:
    said = facts(settings)
    text = instructions.section(said)
    found = [(name, text) for name in find_files(settings.root)]
    if found or os.path.lexists(settings.root / SHARED_CONTEXT):
        found.append((SHARED_CONTEXT, instructions.shared_context(said)))
    return found


def _wanted(
    settings: Settings, asked: Collection[HookedAgent], environ: Mapping[str, str]
) -> Iterator[tuple[str, Callable[[bytes | None], bytes], str]]:
    """Every file to write: its name, what makes its new content of the old, and what it is."""
    for name, text in _sections(settings):
        yield name, _section_writer(name, text), "instructions"
    program = guard_program(environ)
    for agent in agents_in_use(settings, asked):
        line = hook_settings.command_line(agent, guard=program, project=settings.project)
        yield FORMS[agent].file, _hook_writer(agent, line, settings.project), "hook"


def _section_writer(name: str, text: str) -> Callable[[bytes | None], bytes]:
    def write(content: bytes | None) -> bytes:
        if content is None:
            content = b"# Shared context of all agents\n" if name == SHARED_CONTEXT else b""
        return instructions.placed(content, text)

    return write


def _hook_writer(agent: HookedAgent, line: str, project: str) -> Callable[[bytes | None], bytes]:
    def write(content: bytes | None) -> bytes:
        text = None if content is None else content.decode("utf-8")
        # An entry of a colleague's that differs only in where the guard lies is as good as ours.
        there = text is not None and hook_settings.installed(agent, text)
        if text is not None and there and not hook_settings.objections(agent, text, project=project):
            return content or b""
        return hook_settings.merged(agent, text, line).encode("utf-8")

    return write


def _read(root: Path, name: str) -> bytes | None:
    """A plain file of the work tree; None where there is none. Raises ValueError for a link on the way to it."""
    path = root
    for part in Path(name).parts:
        path = path / part
        if path.is_symlink():
            raise ValueError(f"{path.relative_to(root)} is a symbolic link, which is not followed")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise ValueError("it is not a plain file")
        if info.st_size > _MOST_BYTES:
            raise ValueError(f"it is larger than {_MOST_BYTES >> 20} MiB")
        return file.read()
