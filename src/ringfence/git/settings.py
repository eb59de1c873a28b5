"""The settings of a repository: what they were before the agents, and which could run programs or redirect a push.

Everything in effect counts, included files too, because a setting may include a file of the work tree. Values are kept
as digests: some hold tokens.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.redact import one_line

FALLBACK_IDENTITY = ("Ringfence", "ringfence@localhost")
Entries = Mapping[str, tuple[str, ...]]

# GitSettings that neither run a program nor say where a push goes, and that tools and agents set in passing.
_HARMLESS = re.compile(
    r"(?:user|branch|color|column|advice)\..*|init\.defaultbranch|rerere\.enabled"
    r"|pull\.(?:rebase|ff)|lfs\.(?:repositoryformatversion|.*\.access|.*\.locksverify)",
    re.S,
)
_RUNS_PROGRAM = re.compile(
    r"core\.(?:sshcommand|askpass|gitproxy)|credential(?:\..*)?\.helper|filter\..*\.(?:clean|process)", re.S
)
_INTERPRETER = re.compile(
    r"(?:ba|da|z|k|fi)?sh|python[0-9.]*|node|deno|bun|perl|ruby|php|env|npx|npm|pnpm|yarn|make|uv|uvx"
)
_NOT_SETTINGS = frozenset({"objects", "refs", "logs", "lfs"})
_READ_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class GitSettings:
    """A fingerprint of everything that tells git what to do in a repository, for one moment.

    ``digests`` maps what a person would look at (``local core.hookspath``, ``file hooks/pre-commit``) to a SHA-256.
    ``identity`` is the user's name and e-mail address at that moment, or None where the user has none.
    """

    digests: Mapping[str, str]
    identity: tuple[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """The form in a journal."""
        return {"digests": dict(self.digests), "identity": list(self.identity) if self.identity else None}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> GitSettings:
        """What `to_json` wrote."""
        identity = said["identity"]
        return cls(digests=dict(said["digests"]), identity=(identity[0], identity[1]) if identity else None)


def changed_settings(before: GitSettings, after: GitSettings) -> list[str]:
    """The settings and files that differ and are not known to be harmless, sorted. Pure."""
    names = {*before.digests, *after.digests}
    differing = (name for name in names if before.digests.get(name) != after.digests.get(name))
    return sorted(name for name in differing if not _is_harmless(name))


def _is_harmless(name: str) -> bool:
    kind, _, rest = name.partition(" ")
    return kind != "file" and _HARMLESS.fullmatch(rest) is not None


def parse_config(listing: bytes) -> list[tuple[str, str, str]]:
    """``git config --list --show-scope -z`` as (scope, key, value), in order. Pure."""
    fields = [os.fsdecode(item) for item in listing.split(b"\0")[:-1]]
    entries = []
    for scope, entry in zip(fields[::2], fields[1::2], strict=True):
        key, _, value = entry.partition("\n")
        if scope != "command":  # these are given by this program itself
            entries.append((scope, key, value))
    return entries


def by_key(entries: list[tuple[str, str, str]]) -> Entries:
    """Every value of a key, the one that counts last. Pure."""
    found: dict[str, tuple[str, ...]] = {}
    for _, key, value in entries:
        found[key] = (*found.get(key, ()), value)
    return found


def fingerprint(entries: list[tuple[str, str, str]], git_directory: Path, common_directory: Path) -> GitSettings:
    """The fingerprint from a listing and from the files in the repository's directories."""
    digests: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for scope, key, value in entries:
        values.setdefault(f"{scope} {key}", []).append(value)
    for name, all_values in values.items():
        digests[name] = hashlib.sha256("\0".join(all_values).encode("utf-8", "surrogateescape")).hexdigest()
    for directory in dict.fromkeys((git_directory, common_directory)):
        digests[f"file {directory}"] = "the repository"
        for path in _files_that_matter(directory):
            digests[f"file {os.path.relpath(path, directory)}"] = _digest(path)
    effective = by_key(entries)
    name, email = (effective.get(f"user.{part}", ("",))[-1].strip() for part in ("name", "email"))
    return GitSettings(digests=digests, identity=(name, email) if name and email else None)


def _files_that_matter(directory: Path) -> Iterator[Path]:
    """Hooks, attributes and, of submodules and other work trees, also the settings: git run there would read them."""
    top = str(directory)
    for where, directories, names in os.walk(top):
        directories[:] = [d for d in directories if d not in _NOT_SETTINGS]
        inside = os.path.relpath(where, top)
        last = os.path.basename(where)
        for name in names:
            is_hook = last == "hooks" and not name.endswith(".sample")
            is_attributes = last == "info" and name == "attributes"
            # The repository's own settings are compared by value, so that harmless ones may change.
            is_settings = inside != "." and name in ("config", "config.worktree")
            if is_hook or is_attributes or is_settings:
                yield Path(where, name)
        for name in directories:
            if last == "hooks" or (os.path.islink(os.path.join(where, name)) and name in ("hooks", "info", "modules")):
                yield Path(where, name)


def _digest(path: Path) -> str:
    try:
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            content = os.fsencode(os.readlink(path))
        elif stat.S_ISREG(info.st_mode):
            with open(path, "rb") as file:
                content = file.read(_READ_LIMIT_BYTES)
        else:
            content = b""
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return hashlib.sha256(f"{info.st_mode:o} {info.st_size}\n".encode() + content).hexdigest()


def programs_in_work_tree(effective: Entries, top: Path) -> list[str]:
    """GitSettings by which git, in what this room does with it, runs a file of the work tree: an agent could change it.

    ``filter.nb.clean = ./tools/clean`` and ``python -m nbstripout`` (Python looks in the current directory first) are
    such; ``git-lfs clean`` is not. Pure but for the names it resolves.
    """
    return sorted(
        f"{one_line(key)} = {one_line(value)}"
        for key, values in effective.items()
        if _RUNS_PROGRAM.fullmatch(key)
        for value in values
        if _runs_from(value, top)
    )


def _runs_from(command: str, top: Path) -> bool:
    try:
        words = shlex.split(command.removeprefix("!"))
    except ValueError:
        words = command.split()
    if not words:
        return False
    program = words[0]
    if "/" in program and not program.startswith("~") and _is_inside(program, top):
        return True
    if not _INTERPRETER.fullmatch(os.path.basename(program)):
        return False
    isolated = any(word in ("-I", "-P") or re.fullmatch(r"-[a-zA-Z]*[IP][a-zA-Z]*", word) for word in words[1:])
    if "-m" in words and not isolated:
        return True
    return any(_is_inside(word, top) and os.path.lexists(top / word) for word in words[1:] if not word.startswith("-"))


def _is_inside(word: str, top: Path) -> bool:
    lexical = Path(os.path.normpath(top / word))
    return lexical.is_relative_to(top) or Path(os.path.realpath(lexical)).is_relative_to(top)
