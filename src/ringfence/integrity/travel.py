"""What of a state must be the same in a restored copy on another server: the proof of a backup, apart from its rows.

A restore does not carry everything along, and rightly: roles and settings belong to the server, the built-in objects to
its major version. And the same expression may be printed in other words after a restore (``CHECK (a IN ('x'))`` on a
varchar gains casts), so texts of definitions are not compared, only that the objects are there and how they are set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ringfence.integrity.model import Attributes, State
from ringfence.integrity.state_diff import differing_attributes
from ringfence.integrity.state_rules import CLUSTER, UNREADABLE, describe, kind_of, parent_of, why_unreadable
from ringfence.redact import one_line

_SEQUENCE_VALUE = "sequence-value"
_STAY = frozenset({"system", "system-acl", "language"})
_BUILT_IN_SCHEMAS = ("pg_catalog.", "information_schema.", "pg_toast.")
_WORDS_OR_PLACE = frozenset(
    {"definition", "partition_key", "partition_bound", "aggregate", "tables", "collversion", "extversion", "location"}
    | {"collencoding"}  # "any" becomes the database's own
    | {"tablespace", "version"}
)
"""Words that a restore may change, and where and in which version something is on this server."""

_INHERITANCE = frozenset(
    {"conislocal", "dimensions", "inherited_from", "inherited_only", "parent", "position", "relispopulated"}
)
"""What follows from inheritance and partitions, which a restore builds up in another order."""

_NOT_IN_A_DUMP = frozenset({"trigger_count", "triggers_not_enabled", "statistics_targets"})
_LEFT_OUT = _WORDS_OR_PLACE | _INHERITANCE | _NOT_IN_A_DUMP
_EXPRESSIONS = frozenset({"default", "using", "check", "typdefault"})
_ACROSS_MAJORS: Mapping[str, frozenset[str]] = {
    "column": frozenset({"type"}),
    "sequence-value": frozenset({"last_value", "is_called"}),
    "large-object": frozenset({"bytes", "digest"}),
}
_RANGE_CONSTRUCTOR = re.compile(r"AS \$function\$(?:multi)?range_constructor[0-3]\$function\$")
_NEEDLESS_QUOTES = re.compile(r'"([a-z_][a-z0-9_$]*)"')


def travelling(state: State) -> State:
    """The part of a state that a dump carries into a copy on a server of the same major.

    Left out: the server's own kinds, built-in objects and what was planted among them (no dump holds it), members of
    extensions (CREATE EXTENSION makes them), invalid indexes, copies on partitions of their parents' constraints and
    triggers, NOT NULL as a constraint of its own (18+; the column says it). Of expressions only that there is one.
    """
    extension_relations = {name for name, attributes in state.get("relation", {}).items() if "extension" in attributes}
    return {
        kind: {
            _NEEDLESS_QUOTES.sub(r"\1", name): _travelling_attributes(attributes)
            for name, attributes in objects.items()
            if name == UNREADABLE or _travels(kind, name, attributes, extension_relations)
        }
        for kind, objects in state.items()
        if not kind.startswith(CLUSTER) and kind not in _STAY
    }


def compare_restored(before: State, after: State, *, same_major: bool, ownership: bool = True) -> tuple[str, ...]:
    """How a restored copy differs from the original, one sentence each; empty when it does not.

    Both are whole states, as `read_state` gave them under one seed. Across majors only the sets of objects, the types
    of columns, sequence values and large objects count. ``ownership=False`` leaves owners and rights out, for a copy
    on a server that does not have the original's roles.
    """
    one, other = travelling(before), travelling(after)
    return tuple(
        sentence
        for kind in sorted(one.keys() | other.keys())
        for sentence in _kind_differences(kind, one.get(kind, {}), other.get(kind, {}), same_major, ownership)
    )


def settle_sequences(
    state: State, bounds: tuple[Mapping[str, Attributes], Mapping[str, Attributes]] | None, copy: State
) -> State:
    """The state with each sequence at the value that the copy has, where the dump may have found it there.

    A dump reads a sequence at some moment between its beginning and its end, for which ``bounds`` has the values; on an
    idle server both are the same and nothing is settled.
    """
    values, copied = dict(state.get(_SEQUENCE_VALUE, {})), copy.get(_SEQUENCE_VALUE, {})
    first, last = bounds or ({}, {})
    for name in values:
        begin, end, found = first.get(name), last.get(name), copied.get(name)
        if begin is None or end is None or found is None or begin == end:
            continue
        low, high = sorted((begin.get("last_value", 0), end.get("last_value", 0)))
        if low <= found.get("last_value", 0) <= high:
            values[name] = found
    return {**state, _SEQUENCE_VALUE: values}


def _travels(kind: str, name: str, attributes: Attributes, extension_relations: set[str]) -> bool:
    if name.startswith(_BUILT_IN_SCHEMAS) or (kind != "extension" and "extension" in attributes):
        return False
    if parent_of(name) in extension_relations or attributes.get("table") in extension_relations:
        return False
    match kind:
        case "constraint":
            return "parent" not in attributes and attributes.get("contype") != "n"
        case "trigger":
            return "from_parent" not in attributes
        case "index":
            return bool(attributes.get("indisvalid") or attributes.get("partitioned"))
        case _:
            return True


def _travelling_attributes(attributes: Attributes) -> Attributes:
    left_out = _LEFT_OUT
    if _RANGE_CONSTRUCTOR.search(str(attributes.get("definition"))):
        # They come with their range type, and no dump carries their owner: it is whoever creates the type.
        left_out |= {"owner", "acl"}
    if attributes.get("typtype") == "m":
        left_out |= {"owner", "acl"}  # before version 17 no dump carries them for a multirange type
    return {
        name: True if name in _EXPRESSIONS else sorted(value) if name == "reloptions" else value
        for name, value in attributes.items()
        if name not in left_out
    }


def _kind_differences(
    kind: str, before: Mapping[str, Attributes], after: Mapping[str, Attributes], same_major: bool, ownership: bool
) -> Iterator[str]:
    for where, objects in (("the original", before), ("the copy", after)):
        if reason := why_unreadable(objects):
            yield f"{kind_of(kind).label}: cannot be compared, unreadable in {where}: {one_line(reason)}"
            return
    for name in sorted(before.keys() | after.keys()):
        shown = one_line(describe(kind, name, before.get(name) or after.get(name) or {}))
        if name not in after:
            yield f"missing {shown}"
        elif name not in before:
            yield f"unexpected {shown}"
        else:
            old = _counted(kind, before[name], same_major, ownership)
            new = _counted(kind, after[name], same_major, ownership)
            yield from (f"{shown}: {d.label} is {d.after}, was {d.before}" for d in differing_attributes(old, new))


def _counted(kind: str, attributes: Attributes, same_major: bool, ownership: bool) -> Attributes:
    if not same_major:
        counted = _ACROSS_MAJORS.get(kind, frozenset())
        return {name: value for name, value in attributes.items() if name in counted}
    if kind == "extension":
        # No dump carries the owner of an extension: it is whoever creates it.
        attributes = {name: value for name, value in attributes.items() if name != "owner"}
    if not ownership:
        return {name: value for name, value in attributes.items() if name not in ("owner", "acl")}
    return attributes
