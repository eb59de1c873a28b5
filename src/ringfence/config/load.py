"""Finding `ringfence.toml`, reading it, and saying everything that is wrong with it in one go."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ringfence.config import mistakes
from ringfence.config.checks import Mistake, across, section
from ringfence.config.model import Document, Production, Settings, Test
from ringfence.config.names import DEFAULT_IMAGE, SEED_PROJECT, SEED_TABLES, checked_project, names_for
from ringfence.config.presets import PRESETS
from ringfence.errors import ConfigError, IdentityError
from ringfence.postgres.url import read_url
from ringfence.redact import one_line

FILE_NAME = "ringfence.toml"
_LIMIT_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"
_POSITION = re.compile(
    r"^(?P<what>.*?) \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)$", re.S
)


def load(path: Path | None, *, start: Path) -> Settings:
    """The settings of a project: from ``path``, or from the nearest `ringfence.toml` at or above ``start``.

    Raises `ConfigError` with every mistake, one a line; `IdentityError` where all that is wrong is that the file leads
    test to production, or hides where one of them is.
    """
    found = find(start) if path is None else start / path
    return parse(_read(found), found)


def find(start: Path) -> Path:
    """The nearest `ringfence.toml` at or above a directory, as git finds its repository. Raises `ConfigError`."""
    here = Path(os.path.realpath(start))
    for directory in (here, *here.parents):
        candidate = directory / FILE_NAME
        if os.path.lexists(candidate):
            return candidate
    raise ConfigError(
        f"there is no {FILE_NAME} in {here} or above it",
        hint="make one with 'ringfence init', or name one with --config",
    )


def parse(data: bytes, found_at: Path) -> Settings:
    """Settings from the bytes of a file. Raises `ConfigError` or `IdentityError` with every mistake, one a line.

    ``found_at`` is the name under which the file was found. Where that is a symbolic link, the project is where the
    link stands, and the file behind it is recorded.
    """
    root = Path(os.path.realpath(found_at.parent))
    name = found_at.name
    document = _document(data, name)
    _fill_in(document)
    wrong: list[Mistake] = []
    valid: Document | None = None
    try:
        valid = Document.model_validate(document)
    except ValidationError as error:
        wrong += mistakes.found(error)
    wrong += across(document, root)
    if wrong or valid is None:
        raise _refused(wrong, name, root)
    return Settings(
        root=root,
        found_at=root / name,
        path=Path(os.path.realpath(found_at)),
        sha256=hashlib.sha256(data).hexdigest(),
        project=valid.project,
        production=valid.production,
        test=valid.test,
        backup=valid.backup,
        verify=valid.verify,
        diff=valid.diff,
        workflow=valid.workflow,
        sandbox=valid.sandbox,
        git=valid.git,
        github=valid.github,
        lint=valid.lint,
        roles=valid.roles,
        guard=valid.guard,
    )


def is_unchanged(settings: Settings) -> bool:
    """Whether the file still holds what it held when it was loaded, under the same name and behind the same link."""
    try:
        now = _read(settings.found_at)
    except ConfigError:
        return False
    same_file = Path(os.path.realpath(settings.found_at)) == settings.path
    return same_file and hashlib.sha256(now).hexdigest() == settings.sha256


def _read(path: Path) -> bytes:
    try:
        # O_NONBLOCK: a named pipe in its place must not hang the command.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{path} is not a file")
            data = file.read(_LIMIT_BYTES + 1)
    except OSError as error:
        hint = "make one with 'ringfence init'" if isinstance(error, FileNotFoundError) else None
        raise ConfigError(f"cannot read {path}: {error.strerror or error}", hint=hint) from error
    if len(data) > _LIMIT_BYTES:
        raise ConfigError(f"{path} is larger than 1 MiB; that is not a settings file")
    return data


def _document(data: bytes, name: str) -> dict[str, Any]:
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{name}: byte {error.start + 1} is not UTF-8", hint="save the file with the encoding UTF-8"
        ) from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {_syntax(str(error), text)}", hint="the format is TOML, https://toml.io") from None
    except RecursionError:
        raise ConfigError(f"{name}: values are nested too deeply") from None
    if not document:
        raise ConfigError(f"{name}: the file is empty", hint="remove it, then write a new one with 'ringfence init'")
    return document


def _syntax(said: str, text: str) -> str:
    """``line 7, column 15: the key db_port stands there twice``, from what tomllib says."""
    position = _POSITION.match(said)
    if position is None:
        return one_line(said)
    what = position["what"]
    if position["line"] is None:
        return f"at its end: {one_line(what[:1].lower() + what[1:])}"
    number = int(position["line"])
    if what == "Cannot overwrite a value":
        # tomllib does not say which key; the line does. Nothing right of the = is shown: it may be a secret.
        line = text.split("\n")[number - 1] if number <= text.count("\n") + 1 else ""
        key = line.partition("=")[0].strip() if "=" in line else ""
        what = f"the key {one_line(key)} stands there twice" if key else "a key stands there twice"
    elif twice := re.fullmatch(r"Cannot declare \((?P<names>.*?),?\) twice", what):
        section_name = ".".join(name.strip("' ") for name in twice["names"].split(","))
        what = f"the section [{section_name}] stands there twice"
    return f"line {number}, column {position['column']}: {one_line(what[:1].lower() + what[1:])}"


def _fill_in(document: dict[str, Any]) -> None:
    """Put in the defaults that depend on other values, where the values they depend on are sound."""
    project = document.get("project")
    if isinstance(project, str):
        try:
            names = names_for(checked_project(project))
        except ValueError:
            return
        production = {"database": names.database, "admin_role": names.admin_role, "app_role": names.app_role}
        test = {"database": names.test_database, "role": names.test_role}
        if section(document, "production").get("engine") == "docker":
            production |= {"container": names.production_container, "volume": names.production_volume}
            production |= {"image": DEFAULT_IMAGE}
        if section(document, "test").get("engine") == "docker":
            test |= {"container": names.test_container, "volume": names.test_volume, "image": DEFAULT_IMAGE}
        production |= _of_url(section(document, "production"), "admin_role")
        test |= _of_url(section(document, "test"), "role")
        _default(document, "production", {**_defaults(Production), **production})
        _default(document, "test", {**_defaults(Test), **test})
        if project == SEED_PROJECT:
            document.setdefault("verify", {})
            _default(document, "verify", {"watch": list(SEED_TABLES)})
    _fill_in_presets(document)
    git = section(document, "git")
    if git.get("commit") is False and "push" not in git:
        document["git"] = {**git, "push": False}


def _fill_in_presets(document: dict[str, Any]) -> None:
    workflow = section(document, "workflow")
    agents = workflow.get("agents")
    if isinstance(agents, list):
        document["workflow"] = {**workflow, "agents": [_with_command(agent) for agent in agents]}


def _with_command(agent: Any) -> Any:
    preset = PRESETS.get(str(agent.get("preset"))) if isinstance(agent, dict) else None
    return {"command": list(preset.command), **agent} if preset is not None else agent


def _of_url(values: Mapping[str, Any], role: str) -> dict[str, Any]:
    """What the url of an existing server says, for the keys that were left out."""
    url = values.get("url")
    if values.get("engine") != "server" or not isinstance(url, str):
        return {}
    try:
        address = read_url(url)
    except ValueError:
        return {}  # said by the model
    said = {"db_port": address.port, "database": address.database, role: address.user}
    return {key: value for key, value in said.items() if value is not None}


def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    return {name: field.default for name, field in model.model_fields.items() if field.default is not None}


def _default(document: dict[str, Any], where: str, values: dict[str, Any]) -> None:
    if isinstance(document.get(where), dict):
        document[where] = {**values, **document[where]}


def _refused(wrong: Sequence[Mistake], name: str, root: Path) -> ConfigError | IdentityError:
    lines = list(dict.fromkeys(f"{name}: {m.key}: {m.text}" for m in wrong))
    if wrong and all(m.misleads for m in wrong):
        return IdentityError(
            "\n".join(lines), hint=f"nobody was connected to; name one server for each environment in {root / name}"
        )
    return ConfigError("\n".join(lines), hint=f"the file is in {root}")
