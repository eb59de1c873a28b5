"""``compose-shared``: a compose file in which production and test share a volume or a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from ringfence.lint.classify import is_compose
from ringfence.lint.data_code import mark_place
from ringfence.lint.model import Code, Facts, Hit, Place, Rule, Side


@dataclass(frozen=True, kw_only=True)
class _Service:
    name: str
    place: Place
    sides: frozenset[str]
    volumes: dict[str, Place]
    networks: dict[str, Place]


def check(code: Code, facts: Facts) -> Iterator[Hit]:
    """Services of both environments in one file, and what they share."""
    if not is_compose(code) or not isinstance(code.document, yaml.MappingNode):
        return
    root = _mapping(code.document)
    names = {kind: _own_names(root.get(kind)) for kind in ("volumes", "networks")}
    services = [_service(n, v, facts, names) for n, v in _mapping(root.get("services")).items()]
    for one in services:
        if len(one.sides) == 2:
            yield _hit(one.place, one.name, "one service is both production and test")
    for production in (s for s in services if s.sides == {"production"}):
        for test in (s for s in services if s.sides == {"test"}):
            for kind, mine, theirs in (
                ("volume", production.volumes, test.volumes),
                ("network", production.networks, test.networks),
            ):
                for shared in sorted(mine.keys() & theirs.keys()):
                    what = f"{kind} {shared}" if shared != "default" else "the file's default network"
                    yield _hit(theirs[shared], shared, f"{production.name} and {test.name} share {what}")


def _service(name: str, node: yaml.Node, facts: Facts, names: dict[str, dict[str, str]]) -> _Service:
    body = _mapping(node)
    words = " ".join(_strings(node))
    sides = {
        kind
        for kind, side in (("production", facts.production), ("test", facts.test))
        if _belongs(name, words, body, side)
    }
    networks = {names["networks"].get(k, k): p for k, p in _used(body.get("networks")).items()}
    if not networks and "network_mode" not in body:
        networks = {"default": mark_place(node)}
    volumes = {
        names["volumes"].get(source, source): place
        for text, place in _used(body.get("volumes")).items()
        if (source := text.split(":")[0]) and not text.startswith(("/etc", "/run", "/tmp"))
    }
    return _Service(name=name, place=mark_place(node), sides=frozenset(sides), volumes=volumes, networks=networks)


def _belongs(name: str, words: str, body: dict[str, yaml.Node], side: Side) -> bool:
    if re.search(rf"(?<![\w-]){re.escape(side.container)}(?![\w-])", words) or name == side.container:
        return True
    published = " ".join(_used(body.get("ports")))
    return bool(re.search(rf"(?<!\d)({side.db_port}|{side.web_port}):", published))


def _used(node: yaml.Node | None) -> dict[str, Place]:
    """What a service lists, in the short form, the long form (``source:``) or as keys."""
    if isinstance(node, yaml.MappingNode):
        return {str(k.value): mark_place(k) for k, _ in node.value if isinstance(k, yaml.ScalarNode)}
    found = {}
    for child in node.value if isinstance(node, yaml.SequenceNode) else ():
        if isinstance(child, yaml.ScalarNode):
            found[str(child.value)] = mark_place(child)
        elif isinstance(child, yaml.MappingNode):
            body = _mapping(child)
            for key in ("source", "published"):
                value = body.get(key)
                if isinstance(value, yaml.ScalarNode):
                    found[f"{value.value}:"] = mark_place(value)
    return found


def _own_names(node: yaml.Node | None) -> dict[str, str]:
    """``name:`` of a top-level volume or network by its key: two keys may mean one thing."""
    found = {}
    for key, value in _mapping(node).items():
        name = _mapping(value).get("name")
        if isinstance(name, yaml.ScalarNode):
            found[key] = str(name.value)
    return found


def _mapping(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(k.value): v for k, v in node.value if isinstance(k, yaml.ScalarNode)}


def _strings(node: yaml.Node) -> Iterator[str]:
    if isinstance(node, yaml.ScalarNode):
        yield str(node.value)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _strings(child)
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _strings(value)


def _hit(place: Place, text: str, message: str) -> Hit:
    return Hit(
        place=place,
        text=text,
        message=message,
        fix="give each environment a volume and a network of its own, as 'ringfence init --engine docker' writes them",
    )


RULE = Rule(
    name="compose-shared",
    severity="critical",
    summary="production and test share a volume or network in a compose file",
    why="'docker compose down -v' for the test environment removes what it shares with production",
    check=check,
)
