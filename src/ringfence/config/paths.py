"""Where a project's files lie outside the work tree, by the rules of the XDG Base Directory Specification. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ringfence.config.model import Settings
from ringfence.errors import ConfigError
from ringfence.redact import one_line

_OWN_DIRECTORY = "ringfence"


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Every place the project uses. Nothing is made or looked at here; all of them are absolute.

    ``config_directory`` holds the passwords, ``state_directory`` runs and copies of manifests, ``data_directory`` the
    servers that the tool owns. Only ``backups`` may lie in the work tree.
    """

    config_directory: Path
    state_directory: Path
    data_directory: Path
    backups: Path

    @property
    def pgpass(self) -> Path:
        """The password file, in libpq's format."""
        return self.config_directory / "pgpass"

    @property
    def seal_key(self) -> Path:
        """The key that manifests are sealed with: needed where backups are to be believed without the state."""
        return self.config_directory / "seal.key"

    @property
    def mirror_key(self) -> Path:
        """The key that the mirror is encrypted with; without it nobody can read the mirror, its owner included."""
        return self.config_directory / "mirror.key"

    @property
    def runs(self) -> Path:
        """One directory per run."""
        return self.state_directory / "runs"

    @property
    def manifests(self) -> Path:
        """Copies of manifests, which show that somebody changed the ones beside the backups."""
        return self.state_directory / "manifests"

    @property
    def identities(self) -> Path:
        """Which servers and databases were taken for production and test; agents must not be able to change it."""
        return self.state_directory / "identities.json"

    @property
    def guard_policy(self) -> Path:
        """What the guard judges by; beside the state, so that a sandbox can show it and hide the state."""
        state = self.state_directory
        return state.parent.with_name("ringfence-guard") / state.name / "policy.json"

    @property
    def lock_file(self) -> Path:
        """Held by the one run of the project."""
        return self.state_directory / "lock"

    def data(self, environment: Literal["production", "test"]) -> Path:
        """The data directory of an embedded server."""
        return self.data_directory / environment


def paths_for(settings: Settings, environ: Mapping[str, str]) -> Paths:
    """The places of a project for the user whose environment this is.

    Raises `ConfigError` where HOME is needed and missing, and where a place that agents must not reach would lie in the
    work tree, which they may write.
    """
    places = {
        "XDG_CONFIG_HOME": _base(environ, "XDG_CONFIG_HOME", ".config"),
        "XDG_STATE_HOME": _base(environ, "XDG_STATE_HOME", ".local/state"),
        "XDG_DATA_HOME": _base(environ, "XDG_DATA_HOME", ".local/share"),
    }
    own = {name: base / _OWN_DIRECTORY / settings.project for name, base in places.items()}
    for name, path in own.items():
        if path.is_relative_to(settings.root):
            raise ConfigError(
                f"{one_line(str(path))} lies in the work tree {one_line(str(settings.root))}, where agents may write",
                hint=f"set {name} to a directory outside, or keep the project in a directory of its own",
            )
    return Paths(
        config_directory=own["XDG_CONFIG_HOME"],
        state_directory=own["XDG_STATE_HOME"],
        data_directory=own["XDG_DATA_HOME"],
        backups=settings.backup_directory,
    )


def _base(environ: Mapping[str, str], name: str, default: str) -> Path:
    given = environ.get(name, "")
    # The specification: "All paths set in these environment variables must be absolute. If an implementation encounters
    # a relative path in any of these variables it should consider the path invalid and ignore it."
    if given.startswith("/"):
        return Path(given)
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        said = "is not set" if not home else f"is {one_line(home)!r}, which is not an absolute path"
        raise ConfigError(f"the environment variable HOME {said}", hint=f"set HOME, or {name} to an absolute path")
    return Path(home) / default
