"""What the guard judges by, made from the settings. Only commands that a person runs write it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ringfence import files
from ringfence.config.model import Settings
from ringfence.config.names import names_for
from ringfence.config.paths import Paths
from ringfence.guard import policy
from ringfence.workflow.project import Project

_LOCAL_HOSTS = ["127.0.0.1", "localhost", "::1"]
_GUARDED_IN_TREE = (
    "ringfence.toml",
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".claude/hooks",
    ".codex",
    ".cursor/hooks.json",
    ".cursor/hooks",
    ".gemini/settings.json",
    ".github/hooks",
    ".git/hooks",
    ".git/config",
)
_GUARDED_AT_HOME = (
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".codex/hooks.json",
    ".codex/config.toml",
    ".cursor/hooks.json",
    ".gemini/settings.json",
    ".config/git",
    ".gitconfig",
)
_PRIVATE_AT_HOME = (
    ".pgpass",
    ".aws/credentials",
    ".config/gcloud",
    ".azure",
    ".kube/config",
    ".docker/config.json",
    ".config/gh/hosts.yml",
    ".netrc",
    ".ssh",
    ".git-credentials",
    ".terraform.d/credentials.tfrc.json",
)


def write_policy(project: Project, environ: Mapping[str, str] = os.environ) -> Path:
    """Put the snapshot of the settings where the guard reads it, whole or not at all; not writable for anybody."""
    place = project.paths.guard_policy
    files.ensure_private_directory(place.parent)
    document = policy_document(project.settings, project.paths, environ)
    problem = policy.problem_of(document)
    assert problem is None, problem
    text = json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"
    if not place.is_file() or place.read_bytes() != text:
        files.write_atomic(place, text, mode=0o444)
    return place


def policy_document(settings: Settings, paths: Paths, environ: Mapping[str, str]) -> dict[str, Any]:
    """The snapshot: plain types only, every path absolute and with its links followed."""
    names, production, test = names_for(settings.project), settings.production, settings.test
    home = Path(environ.get("HOME", "/nonexistent"))
    root = os.path.realpath(settings.root)
    # The places of all projects: one agent has no business in the others' either.
    private = [paths.config_directory.parent, paths.state_directory.parent, paths.data("production")]
    private += [home / name for name in _PRIVATE_AT_HOME]
    guarded = [paths.guard_policy.parent.parent, *(Path(root) / name for name in _GUARDED_IN_TREE)]
    guarded += [home / name for name in _GUARDED_AT_HOME]
    return {
        "version": policy.VERSION,
        "project": settings.project,
        "root": root,
        "config_sha256": settings.sha256,
        "production": {
            "hosts": _hosts(production.url),
            "db_port": production.db_port,
            "web_port": production.web_port,
            "database": production.database,
            "roles": [production.admin_role, production.app_role],
            "container": production.container or names.production_container,
            "volume": production.volume or names.production_volume,
        },
        "test": {
            "hosts": _test_hosts(settings),
            "db_port": test.db_port,
            "web_port": test.web_port,
            "database": test.database,
            "roles": [test.role],
            "container": test.container or names.test_container,
            "volume": test.volume or names.test_volume,
        },
        "backups": os.path.realpath(paths.backups),
        "private": sorted({os.path.realpath(p) for p in private} | {str(p) for p in private}),
        "guarded": sorted({os.path.realpath(p) for p in guarded} | {str(p) for p in guarded}),
        "allow_tools": list(settings.guard.allow_tools),
    }


def _test_hosts(settings: Settings) -> list[str]:
    """The test server's own, and in a sandbox the loopback, where it is then, too, unless production could be there."""
    found = _hosts(settings.test.url)
    if settings.sandbox.mode != "none" and settings.test.db_port != settings.production.db_port:
        found += [host for host in _LOCAL_HOSTS if host not in found]
    return found


def _hosts(url: str | None) -> list[str]:
    """The hosts that an environment's server has, as a client would write them."""
    if url is None:
        return list(_LOCAL_HOSTS)
    address = url.split("://", 1)[-1].split("/", 1)[0].rsplit("@", 1)[-1]
    host = address.rsplit(":", 1)[0] if not address.endswith("]") else address
    return list(_LOCAL_HOSTS) if host in ("", *_LOCAL_HOSTS) else [host.lower()]
