"""Credentials within reach: in the work tree and where people keep them, and which of them the sandbox hides."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ringfence.agents import secrets
from ringfence.agents.secrets import Power, Reach, Secret
from ringfence.findings import Finding, Severity
from ringfence.redact import one_line
from ringfence.sandbox.model import Wanted
from ringfence.workflow import guard as guard_policy
from ringfence.workflow.enclosures import enclosure
from ringfence.workflow.project import Project

MOST_BYTES = 1 << 20
MOST_FILES = 50_000
_PASSED_BY = {".git", "node_modules", ".venv", "venv", "__pycache__", ".mypy_cache", ".tox", ".next", "target"}
_STATES = (".tfstate", ".tfstate.backup")
_PASSFILES = (".pgpass", "pgpass", "pgpass.conf")
_AT_HOME: tuple[tuple[str, str], ...] = (
    (".aws/credentials", "keys of AWS"),
    (".azure", "tokens of Azure"),
    (".config/gcloud", "tokens of Google Cloud"),
    (".kube/config", "access to Kubernetes clusters"),
    (".docker/config.json", "logins of container registries"),
    (".config/gh/hosts.yml", "the token of gh"),
    (".config/hub", "the token of hub"),
    (".netrc", "logins of hosts"),
    (".git-credentials", "logins of git remotes"),
    (".ssh", "keys of ssh"),
    (".fly/config.yml", "the token of Fly.io"),
    (".railway/config.json", "the token of Railway"),
    (".vercel", "the token of Vercel"),
    (".local/share/com.vercel.cli/auth.json", "the token of Vercel"),
    (".config/heroku", "the token of Heroku"),
    (".config/doctl/config.yaml", "the token of DigitalOcean"),
    (".supabase/access-token", "the token of Supabase"),
    (".config/neonctl/credentials.json", "the token of Neon"),
    (".terraform.d/credentials.tfrc.json", "the token of Terraform Cloud"),
    (".vault-token", "the token of Vault"),
    (".npmrc", "the token of npm"),
)
_SOCKETS = ("/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")
_SEVERITY: Mapping[Power, Severity] = {"production": "critical", "infrastructure": "high", "another server": "medium"}
_OPENS: Mapping[Power, str] = {
    "production": "it opens production",
    "infrastructure": "it opens infrastructure, or what production is published from",
    "another server": "it opens a database server that is not the test server",
}


def reach_of(project: Project) -> Reach:
    """How addresses of production are told from others."""
    document = guard_policy.policy_document(project.settings, project.paths, os.environ)
    production, test = document["production"], document["test"]
    return Reach(
        production_hosts=frozenset(production["hosts"]),
        production_port=production["db_port"],
        test_hosts=frozenset(test["hosts"]),
        test_port=test["db_port"],
        production_roles=frozenset(production["roles"]) - frozenset(test["roles"]),
    )


def scan(project: Project, environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Every credential that was found; those that the sandbox hides from agents are remarks. No secret is in it."""
    reach = reach_of(project)
    enclosed = None
    if project.settings.sandbox.mode != "none":
        enclosed = enclosure.wanted(project, dict(environ), environ)
    found: list[Finding] = []
    for path in _files(project.settings.root, found):
        found += _in_file(project.settings.root, path, reach, enclosed)
    home = Path(environ.get("HOME", "/nonexistent"))
    for path in (home / ".pgpass", home / ".pg_service.conf", project.paths.pgpass):
        found += _in_file(project.settings.root, path, reach, enclosed)
    for name, what in _AT_HOME:
        if _holds_something(home / name):
            found.append(
                _finding(f"~/{name}", f"{what} lie here", "infrastructure", None, _hidden(home / name, enclosed))
            )
    for name in _SOCKETS:
        if os.access(name, os.W_OK):
            # Whoever drives the engine drives every container and volume; the sandbox masks listening sockets.
            hidden = enclosed is not None
            found.append(_finding(name, "the engine's socket can be written to", "infrastructure", None, hidden))
    return found


def _files(root: Path, found: list[Finding]) -> Iterator[Path]:
    """The plain files of the work tree that may hold text, links left out; says so where there are too many."""
    count = 0
    for directory, names, contained in os.walk(root):
        names[:] = sorted(n for n in names if n not in _PASSED_BY)
        for name in sorted(contained):
            count += 1
            if count > MOST_FILES:
                found.append(
                    Finding(
                        rule="secrets/not-looked-at",
                        severity="high",
                        object=one_line(str(root)),
                        message=f"there are more than {MOST_FILES:,} files; the rest was not looked at",
                    )
                )
                return
            yield Path(directory) / name


def _in_file(base: Path, path: Path, reach: Reach, enclosed: Wanted | None) -> Iterable[Finding]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # not there, a link, or closed to us and so to agents
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return
        data = file.read(MOST_BYTES)
    shown = str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
    hidden = _hidden(path, enclosed)
    if path.name.endswith(_STATES):
        yield _finding(shown, "Terraform's state holds passwords and addresses", "infrastructure", None, hidden)
    if b"\0" in data[:4096]:
        return
    text = data.decode("utf-8", "replace")
    listed: list[Secret] = secrets.in_text(text, reach)
    if path.name in _PASSFILES:
        listed += secrets.in_passfile(text, reach)
    for one in listed:
        yield _finding(shown, one.what, one.power, one.line, hidden)


def _finding(where: str, what: str, power: Power, line: int | None, hidden: bool) -> Finding:
    if hidden:
        message = f"{what}; the sandbox hides it from agents"
    else:
        message = f"{what}: {_OPENS[power]}, and agents can read it"
    return Finding(
        rule=f"secrets/{power.replace(' ', '-')}",
        severity="info" if hidden else _SEVERITY[power],
        object=one_line(where) if line is None else f"{one_line(where)}:{line}",
        message=message,
        fix=None if hidden else "move it out of the work tree and renew it; or name it under [sandbox] hide",
        file=one_line(where) if line is not None else None,
        line=line,
    )


def _holds_something(path: Path) -> bool:
    """Whether there is a file that is not empty, or a directory with one."""
    try:
        if path.is_dir():
            return any(entry.is_file() and entry.stat().st_size for entry in path.iterdir())
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


def _hidden(path: Path, enclosed: Wanted | None) -> bool:
    """Whether the sandbox keeps agents from reading a file: by hiding it, or by never showing it."""
    if enclosed is None:
        return False
    real = path.resolve()
    if any(real.is_relative_to(hidden) for hidden in enclosed.hide):
        return True
    shown = (enclosed.worktree, *enclosed.read, *enclosed.write)
    return not any(real.is_relative_to(place) for place in shown)
