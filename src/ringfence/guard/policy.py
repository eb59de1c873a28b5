"""What the guard judges by: a snapshot of the project's settings, written outside the work tree by a person's commands.

An agent that edits ``ringfence.toml`` changes nothing in it. It is plain JSON with plain types, because reading the
settings themselves would take ten times as long as the guard may.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VERSION = 1
DIRECTORY = "ringfence-guard"
NAME = "policy.json"
_LIMIT_BYTES = 1 << 20
_LOCAL = ("", "localhost", "127.0.0.1", "::1", "[::1]", "/tmp", "/var/run/postgresql", "/run/postgresql")
_KEYS: dict[str, type] = {
    "project": str,
    "root": str,
    "production": dict,
    "test": dict,
    "backups": str,
    "private": list,
    "guarded": list,
    "allow_tools": list,
}
_SIDE: dict[str, type] = {
    "hosts": list,
    "db_port": int,
    "web_port": int,
    "database": str,
    "roles": list,
    "container": str,
    "volume": str,
}


class PolicyError(Exception):
    """There is no snapshot, or it is not one; the guard then refuses everything."""


class Side:
    """One environment: production or test."""

    __slots__ = ("container", "database", "db_port", "hosts", "roles", "volume", "web_port")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.hosts: tuple[str, ...] = tuple(values["hosts"])
        self.db_port: int = values["db_port"]
        self.web_port: int = values["web_port"]
        self.database: str = values["database"]
        self.roles: tuple[str, ...] = tuple(values["roles"])
        self.container: str = values["container"]
        self.volume: str = values["volume"]

    def is_host(self, host: str) -> bool:
        """Whether a host is where this environment's server is, by name."""
        name = host.lower().rstrip(".")
        return name in self.hosts or (self.is_local and name in _LOCAL)

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return any(host in _LOCAL for host in self.hosts)


class Policy:
    """The snapshot. ``private`` paths are not even read, ``guarded`` ones not written; all are absolute."""

    __slots__ = ("allow_tools", "backups", "guarded", "private", "production", "project", "root", "test")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.project: str = values["project"]
        self.root: str = values["root"]
        self.production = Side(values["production"])
        self.test = Side(values["test"])
        self.backups: str = values["backups"]
        self.private: tuple[str, ...] = tuple(values["private"])
        self.guarded: tuple[str, ...] = tuple(values["guarded"])
        self.allow_tools: tuple[str, ...] = tuple(values["allow_tools"])

    @property
    def test_url(self) -> str:
        """The test database as a URL without a password: for the line an agent should write instead."""
        host = next((h for h in self.test.hosts if h and not h.startswith("/")), "127.0.0.1")
        role = self.test.roles[0] if self.test.roles else ""
        return f"postgresql://{role}@{host}:{self.test.db_port}/{self.test.database}"


def place(environ: Mapping[str, str], project: str) -> str:
    """Where the snapshot of a project lies. Raises `PolicyError` for a name that cannot be one."""
    if not project or not all(c.isalnum() or c in "_-" for c in project):
        raise PolicyError(f"{project!r} is not the name of a project")
    state = environ.get("XDG_STATE_HOME", "")
    if not state.startswith("/"):
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            raise PolicyError("neither XDG_STATE_HOME nor HOME says where the policy lies")
        state = os.path.join(home, ".local", "state")
    return os.path.join(state, DIRECTORY, project, NAME)


def project_at(directory: str) -> str:
    """The project whose ``ringfence.toml`` is the nearest at or above a directory. Raises `PolicyError`."""
    here = os.path.realpath(directory)
    while True:
        try:
            with open(os.path.join(here, "ringfence.toml"), encoding="utf-8-sig") as file:
                for line in file.read(_LIMIT_BYTES).splitlines():
                    key, _, value = line.partition("=")
                    if key.strip() == "project":
                        return value.partition("#")[0].strip().strip("\"'")
                    if line.startswith("["):
                        break
            raise PolicyError(f"{here}/ringfence.toml names no project")
        except (FileNotFoundError, NotADirectoryError):
            pass
        except (OSError, ValueError) as error:
            raise PolicyError(f"{here}/ringfence.toml cannot be read: {error}") from None
        parent = os.path.dirname(here)
        if parent == here:
            raise PolicyError(f"there is no ringfence.toml at or above {directory}")
        here = parent


def read(path: str) -> Policy:
    """The snapshot at a path. Raises `PolicyError` with what is wrong."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT_BYTES + 1)
        values = json.loads(data)
    except FileNotFoundError:
        raise PolicyError(f"the policy {path} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise PolicyError(f"the policy {path} cannot be read: {error}") from None
    problem = problem_of(values)
    if problem:
        raise PolicyError(f"the policy {path} is not one: {problem}")
    return Policy(values)


def problem_of(values: Any) -> str | None:
    """What keeps a document from being a policy."""
    if not isinstance(values, dict) or values.get("version") != VERSION:
        return f"it is not of version {VERSION}"
    for where, keys in (("", _KEYS), ("production", _SIDE), ("test", _SIDE)):
        part = values.get(where) if where else values
        for key, kind in keys.items():
            if not isinstance(part, dict) or type(part.get(key)) is not kind:
                return f"{where + '.' if where else ''}{key} is missing or of another type"
            value = part[key]
            if kind is list and not all(isinstance(one, str) for one in value):
                return f"{key} holds something else than texts"
    return None
