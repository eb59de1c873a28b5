"""What two values of `ringfence.toml` together must not say. Pure, and tolerant of values that are wrong by themselves.

It works on the plain document, not on the models, so that these mistakes are reported in the same go as wrong types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.config.names import TableName, parse_table_name
from ringfence.postgres.url import read_url
from ringfence.redact import one_line

_PORTS = (("production", "web_port"), ("production", "db_port"), ("test", "web_port"), ("test", "db_port"))
_DATABASES = (("production", "database"), ("test", "database"))
_ROLES = (("production", "admin_role"), ("production", "app_role"), ("test", "role"))
_ENGINE_OF_KEY = {"container": "docker", "volume": "docker", "image": "docker", "url": "server"}
_ENGINES = ("embedded", "docker", "server")
_DOCKER_NAMES = tuple((where, key) for key in ("container", "volume") for where in ("production", "test"))


@dataclass(frozen=True, kw_only=True, order=True)
class Mistake:
    """One thing that is wrong in the file: the key as a person would point at it, and what is wrong.

    ``misleads`` says that with it test would be production, or that nobody can tell where one of them leads.
    """

    key: str
    text: str
    misleads: bool = False


def across(document: Mapping[str, Any], root: Path) -> list[Mistake]:
    """Every mistake that shows only when values are compared. ``document`` has its defaults filled in."""
    return [
        *_alike(document, _ports_here(document), int, "every port of both environments must be another one"),
        *_alike(document, _DATABASES, str, "the test database must have a name of its own"),
        *_alike(document, _ROLES, str, "the three roles must differ"),
        *_alike(document, _DOCKER_NAMES[:2], str, "each environment has a container of its own"),
        *_alike(document, _DOCKER_NAMES[2:], str, "each environment has a volume of its own"),
        *_urls(document),
        *_keys_of_other_engines(document),
        *_backup_directory(document, root),
        *_tables_twice(document),
        *_clients_of_nothing(document),
        *_agents_twice(document),
        *_instructions_twice(document),
        *_presets_without_sandbox(document),
        *_push_without_commit(document),
        *_ports_of_production(document),
    ]


def section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section, or an empty one where it is missing or something else."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _alike(document: Mapping[str, Any], places: tuple[tuple[str, str], ...], kind: type, why: str) -> Iterator[Mistake]:
    first: dict[Any, str] = {}
    for where, key in places:
        value = section(document, where).get(key)
        if type(value) is not kind:
            continue
        place = f"{where}.{key}"
        if value in first:
            shown = one_line(value) if isinstance(value, str) else value
            across_both = where != first[value].partition(".")[0]
            yield Mistake(key=place, text=f"{shown} is also {first[value]}; {why}", misleads=across_both)
        else:
            first[value] = place


def _ports_here(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Ports that are taken on this machine; a server that exists already has its own, on whichever machine."""
    elsewhere = [w for w in ("production", "test") if section(document, w).get("engine") == "server"]
    return tuple((where, key) for where, key in _PORTS if key != "db_port" or where not in elsewhere)


def _urls(document: Mapping[str, Any]) -> Iterator[Mistake]:
    for where, role in (("production", "admin_role"), ("test", "role")):
        values = section(document, where)
        if values.get("engine") != "server":
            continue
        url = values.get("url")
        if url is None:
            yield Mistake(key=f"{where}.url", text='engine "server" needs it: postgresql://role@host:port/database')
        if not isinstance(url, str):
            continue
        try:
            address = read_url(url)
        except ValueError:
            continue  # said by the model
        said = {"db_port": address.port, "database": address.database, role: address.user}
        for key, value in said.items():
            if value is not None and key in values and values[key] != value:
                shown = one_line(str(value))
                yield Mistake(key=f"{where}.{key}", text=f"{one_line(str(values[key]))!r}, but the url says {shown!r}")


def _keys_of_other_engines(document: Mapping[str, Any]) -> Iterator[Mistake]:
    for where in ("production", "test"):
        values = section(document, where)
        chosen = values.get("engine")
        if chosen not in _ENGINES:
            continue  # wrong: that is said already
        for key, engine in _ENGINE_OF_KEY.items():
            if key in values and engine != chosen:
                yield Mistake(
                    key=f"{where}.{key}", text=f'belongs to engine "{engine}"; this environment is "{chosen}"'
                )


def _backup_directory(document: Mapping[str, Any], root: Path) -> Iterator[Mistake]:
    value = section(document, "backup").get("directory")
    if isinstance(value, str) and value.startswith("/") and root.is_relative_to(value):
        yield Mistake(
            key="backup.directory",
            text=f"{one_line(value)!r} holds the project itself; backups need a directory of their own",
        )
    mirror = section(document, "backup").get("mirror")
    if isinstance(mirror, str) and mirror.startswith("/") and Path(mirror).is_relative_to(root):
        yield Mistake(
            key="backup.mirror",
            text=f"{one_line(mirror)!r} lies in the project, where agents may write; a second place is elsewhere",
        )


def _tables_twice(document: Mapping[str, Any]) -> Iterator[Mistake]:
    verify = section(document, "verify")
    for key in ("watch", "rules"):
        first: dict[TableName, str] = {}
        for text in _texts(verify.get(key)):
            try:
                table = parse_table_name(text)
            except ValueError:
                continue  # said by the model
            if table in first:
                yield Mistake(
                    key=f"verify.{key}",
                    text=f"{one_line(text)!r} and {one_line(first[table])!r} are the same table {table}",
                )
            first[table] = text


def _clients_of_nothing(document: Mapping[str, Any]) -> Iterator[Mistake]:
    verify = section(document, "verify")
    if verify.get("live_clients") and verify.get("live") is not True:
        yield Mistake(key="verify.live_clients", text="says where the application writes from; it needs live = true")


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list | dict) else []


def _agents_twice(document: Mapping[str, Any]) -> Iterator[Mistake]:
    agents = section(document, "workflow").get("agents")
    first: dict[str, str] = {}
    for index, agent in enumerate(agents if isinstance(agents, list) else []):
        name = agent.get("name") if isinstance(agent, dict) else None
        if not isinstance(name, str):
            continue
        place = f"workflow.agents[{index}].name"
        # Names become file names, and on some file systems Build and build are one file.
        if name.casefold() in first:
            yield Mistake(key=place, text=f"{one_line(name)!r} is also the name of {first[name.casefold()]}")
        else:
            first[name.casefold()] = f"workflow.agents[{index}]"


def _instructions_twice(document: Mapping[str, Any]) -> Iterator[Mistake]:
    agents = section(document, "workflow").get("agents")
    for index, agent in enumerate(agents if isinstance(agents, list) else []):
        if isinstance(agent, dict) and {"instructions", "instructions_file"} <= agent.keys():
            yield Mistake(
                key=f"workflow.agents[{index}].instructions_file",
                text="the instructions are given as a text, too; one of the two",
            )


def _presets_without_sandbox(document: Mapping[str, Any]) -> Iterator[Mistake]:
    agents = section(document, "workflow").get("agents")
    if section(document, "sandbox").get("mode") != "none" or not isinstance(agents, list):
        return
    for index, agent in enumerate(agents):
        if isinstance(agent, dict) and isinstance(agent.get("preset"), str):
            yield Mistake(
                key=f"workflow.agents[{index}].preset",
                text='starts an agent that asks nobody, and sandbox.mode is "none"; write its command yourself instead',
            )


def _push_without_commit(document: Mapping[str, Any]) -> Iterator[Mistake]:
    git = section(document, "git")
    if git.get("push") is True and git.get("commit") is False:
        yield Mistake(key="git.push", text="true needs git.commit = true; without a commit there is nothing to push")


def _ports_of_production(document: Mapping[str, Any]) -> Iterator[Mistake]:
    ports = section(document, "sandbox").get("allow_ports")
    for key in ("db_port", "web_port"):
        port = section(document, "production").get(key)
        if isinstance(ports, list) and type(port) is int and port in ports:
            yield Mistake(key="sandbox.allow_ports", text=f"{port} is production.{key}; agents must not reach it")
