"""What a run recorded before its agents, for whoever ends it: this process, or ``post`` after a kill."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence import files
from ringfence.errors import HaltError
from ringfence.git.model import Remote, Snapshot
from ringfence.git.settings import GitSettings

_NAME = "context.json"


@dataclass(frozen=True, kw_only=True)
class GitContext:
    """The repository before the agents: its settings, its work tree, where it is pushed to."""

    settings: GitSettings
    snapshot: Snapshot
    remote: Remote | None
    branch: str


@dataclass(frozen=True, kw_only=True)
class Context:
    """``config_sha256`` is of ringfence.toml as it was loaded; ``git`` is None where nothing is to be committed."""

    config_sha256: str
    git: GitContext | None
    push: bool


def write(directory: Path, context: Context) -> None:
    """Keep the context beside the run's journal."""
    git = context.git
    document: dict[str, Any] = {
        "config_sha256": context.config_sha256,
        "push": context.push,
        "git": None
        if git is None
        else {
            "settings": git.settings.to_json(),
            "snapshot": git.snapshot.to_json(),
            "remote": git.remote.to_json() if git.remote else None,
            "branch": git.branch,
        },
    }
    files.write_atomic(directory / _NAME, json.dumps(document).encode() + b"\n")


def read(directory: Path) -> Context | None:
    """The context of a run; None where the run ended before it was written. Raises HaltError (3) for a damaged one."""
    path = directory / _NAME
    try:
        document = json.loads(path.read_bytes())
        git = document["git"]
        return Context(
            config_sha256=document["config_sha256"],
            push=document["push"],
            git=None
            if git is None
            else GitContext(
                settings=GitSettings.from_json(git["settings"]),
                snapshot=Snapshot.from_json(git["snapshot"]),
                remote=Remote.from_json(git["remote"]) if git["remote"] else None,
                branch=git["branch"],
            ),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HaltError(
            f"what the run recorded before its agents cannot be read: {error}", hint=f"look at {path}"
        ) from error
