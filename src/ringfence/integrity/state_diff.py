"""The differences between two states, as changes for the verdict and as sentences for people. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ringfence.integrity.model import Attributes, OtherChange, State
from ringfence.integrity.state_rules import (
    LABELS,
    OPAQUE,
    PHRASES,
    SERVER_CONFIGURATION,
    WORDS,
    describe,
    kind_of,
    parent_of,
    why_unreadable,
)
from ringfence.redact import one_line, redact

PREPARED = "cluster-prepared-transaction"
SEQUENCE_VALUE = "sequence-value"
SEQUENCE_STEPS_ALLOWED = 1000
FILE_SETTING = "cluster-file-setting"
_SETTINGS = (FILE_SETTING, "cluster-server-setting")
NO_SETTINGS: Mapping[str, str] = {}
_WIDTH = 120
_CONTEXT = 24


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs, and the sentence that says so."""

    change: OtherChange
    reason: str


@dataclass(frozen=True, kw_only=True)
class StateDifferences:
    """Everything that differs between two states, in a fixed order, and the kinds that could not be compared.

    ``hidden`` are kinds that the role may read neither then nor now: that is known, and makes no verdict unknown.
    """

    differences: tuple[Difference, ...]
    unknown: tuple[str, ...]
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AttributeDifference:
    """One attribute of an object that differs, in words. ``phrase`` is set where a whole saying fits better."""

    label: str
    before: str
    after: str
    phrase: str | None = None


def diff_states(
    before: State,
    after: State,
    *,
    limited: bool = False,
    steps: int = SEQUENCE_STEPS_ALLOWED,
    own: Mapping[str, str] = NO_SETTINGS,
) -> StateDifferences:
    """Compare two states of one database, read under the same seed.

    What goes with an object that was created or dropped as a whole (a table's columns, an extension's functions) is
    not listed again. A kind that is unreadable or missing on either side is unknown, never equal. With ``limited``
    (both states were read by a role that is no superuser) the server's configuration may be hidden on both sides. A
    sequence may have moved by so many ``steps``. ``own`` are the settings this tool itself gives the server: that one
    of them is now what it must be is allowed, and said.
    """
    differences: list[Difference] = []
    unknown: list[str] = []
    hidden: list[str] = []
    whole = _whole_objects(before, after)
    for kind in sorted(before.keys() | after.keys()):
        reason = _why_unknown(kind, before, after)
        if reason and limited and is_hidden(kind, before) and is_hidden(kind, after):
            hidden.append(f"not compared: {kind_of(kind).label}: {one_line(why_unreadable(before[kind]) or '')}")
        elif reason:
            unknown.append(reason)
        elif kind == SEQUENCE_VALUE:
            differences.extend(_sequence_differences(before, after, steps))
        else:
            found = _object_differences(kind, before[kind], after[kind], whole)
            differences.extend(_explained(found, own, after) if kind in _SETTINGS else found)
    differences.sort(key=lambda d: (d.change.kind, d.change.object, d.reason))
    return StateDifferences(differences=tuple(differences), unknown=tuple(unknown), hidden=tuple(hidden))


def _explained(found: Iterable[Difference], own: Mapping[str, str], after: State) -> Iterator[Difference]:
    """Settings that an upgrade of this tool changed: the last line about one in the files is the tool's own."""
    lines = after.get(FILE_SETTING, {})
    for difference in found:
        name = difference.change.object.rpartition(" ")[2]
        if name in own and name in lines and lines[name].get("value", "") == own[name]:
            said = f"{difference.reason}; that is what this version of ringfence gives its own server"
            yield Difference(change=replace(difference.change, allowed=True), reason=said)
        else:
            yield difference


def is_hidden(kind: str, state: State) -> bool:
    """Whether a state lacks something that a role which is no superuser may be without."""
    return kind in SERVER_CONFIGURATION and kind in state and why_unreadable(state[kind]) is not None


def differing_attributes(before: Attributes, after: Attributes) -> tuple[AttributeDifference, ...]:
    """The attributes that differ between two forms of one object, sorted by their label."""
    found = [
        _attribute_difference(name, before.get(name), after.get(name))
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    ]
    return tuple(sorted(found, key=lambda d: (d.label, d.before, d.after)))


def excerpts(before: str, after: str) -> tuple[str, str]:
    """Two long texts cut to the part that differs, with a little of what surrounds it."""
    if max(len(before), len(after)) <= _WIDTH:
        return before, after
    same = _common(before, after)
    tail = _common(before[same:][::-1], after[same:][::-1])
    start = max(0, same - _CONTEXT)
    return _cut(before, start, len(before) - tail), _cut(after, start, len(after) - tail)


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _cut(text: str, start: int, end: int) -> str:
    stop = min(len(text), end + _CONTEXT, start + _WIDTH)
    return ("…" if start else "") + text[start:stop] + ("…" if stop < len(text) else "")


def _why_unknown(kind: str, before: State, after: State) -> str | None:
    for where, state in (("the baseline", before), ("the database now", after)):
        if kind not in state:
            return f"{kind_of(kind).label}: not recorded in {where}"
        if reason := why_unreadable(state[kind]):
            return f"{kind_of(kind).label}: unreadable in {where}: {one_line(reason)}"
    return None


def _whole_objects(before: State, after: State) -> frozenset[str]:
    """Tables, types and extensions that exist on one side only; extensions with a prefix that no name has."""
    found: set[str] = set()
    for kind in ("relation", "type"):
        found |= before.get(kind, {}).keys() ^ after.get(kind, {}).keys()
    found |= {f"extension {name}" for name in before.get("extension", {}).keys() ^ after.get("extension", {}).keys()}
    return frozenset(found)


def _goes_with(kind: str, name: str, attributes: Attributes, whole: frozenset[str]) -> bool:
    """Whether an object came or went only as a part of another one that is listed."""
    if not whole:
        return False
    if f"extension {attributes.get('extension')}" in whole:
        return True
    match kind:
        case "column" | "constraint" | "trigger" | "rule" | "policy":
            return parent_of(name) in whole
        case "index":
            return attributes.get("table") in whole
        case "sequence":
            return parent_of(str(attributes.get("owned_by", ""))) in whole
        case _:
            return False


def _object_differences(
    kind: str, before: Mapping[str, Attributes], after: Mapping[str, Attributes], whole: frozenset[str]
) -> Iterator[Difference]:
    heading = kind_of(kind).heading
    # A column that came or went moves those behind it, which says nothing more.
    moved = {parent_of(n) for n in before.keys() ^ after.keys()} if kind == "column" else set()
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if kind == PREPARED:
            yield _prepared(name, old, new)
            continue
        shown = one_line(describe(kind, name, new or old or {}))
        if old is None or new is None:
            if not _goes_with(kind, name, new or old or {}, whole):
                change = OtherChange(kind=heading, object=shown, before=_summary(old), after=_summary(new))
                yield Difference(change=change, reason=_came_or_went(kind, shown, change, new))
        elif old != new:
            found = differing_attributes(old, new)
            if [d.label for d in found] == ["position"] and parent_of(name) in moved:
                continue
            change = OtherChange(
                kind=heading,
                object=shown,
                before="; ".join(f"{d.label}: {d.before}" for d in found),
                after="; ".join(f"{d.label}: {d.after}" for d in found),
            )
            said = "; ".join(d.phrase or f"{d.label} was {d.before}, now {d.after}" for d in found)
            yield Difference(change=change, reason=f"{shown}: {said}")


def _came_or_went(kind: str, shown: str, change: OtherChange, new: Attributes | None) -> str:
    """The sentence about an object that exists on one side only; of a new role also what it may do."""
    if kind_of(kind).fact:
        return f"{shown}: now {change.after}" if new is not None else f"{shown}: removed, was {change.before}"
    if new is None:
        return f"{shown} dropped"
    may = [PHRASES[name, True] for name, value in sorted(new.items()) if value is True and (name, True) in PHRASES]
    return f"{shown} created" + (f": {'; '.join(may)}" if may else "")


def _prepared(name: str, old: Attributes | None, new: Attributes | None) -> Difference:
    """A prepared transaction is a finding whenever it is there: it can be committed after the verification."""
    shown = one_line(describe(PREPARED, name, {}))
    change = OtherChange(kind=kind_of(PREPARED).heading, object=shown, before=_summary(old), after=_summary(new))
    if new is None:
        return Difference(change=change, reason=f"{shown} is gone: it was committed or rolled back")
    owner, database = one_line(str(new.get("owner"))), one_line(str(new.get("database")))
    said = f"{shown} of {owner} in database {database} can still be committed"
    return Difference(change=change, reason=said + (", and could at the baseline" if old is not None else ""))


def _sequence_differences(before: State, after: State, steps: int) -> Iterator[Difference]:
    """Sequences that exist on both sides; others are listed with their parameters."""
    old_values, new_values = before[SEQUENCE_VALUE], after[SEQUENCE_VALUE]
    for name in old_values.keys() & new_values.keys():
        old, new = old_values[name], new_values[name]
        if old == new:
            continue
        increment = int(after.get("sequence", {}).get(name, {}).get("seqincrement", 0))
        allowed, why = judge_sequence(old, new, increment=increment, most=steps)
        shown = one_line(describe(SEQUENCE_VALUE, name, {}))
        change = OtherChange(
            kind="sequence", object=shown, before=_value_text(old), after=_value_text(new), allowed=allowed
        )
        yield Difference(change=change, reason=f"{shown} {why}: was {_value_text(old)}, now {_value_text(new)}")


def judge_sequence(
    before: Attributes, after: Attributes, *, increment: int, most: int = SEQUENCE_STEPS_ALLOWED
) -> tuple[bool, str]:
    """Whether a sequence's value may have moved so by use alone, and how to say it.

    An insert that was rolled back has used a number all the same, so a step forward proves nothing. A step back, a
    value between two steps or more than ``most`` steps was made by somebody. ``increment`` is 0 where it is not known.
    """
    distance = int(after["last_value"]) - int(before["last_value"])
    was_called, is_called = "is_called" in before, "is_called" in after
    if was_called and not is_called:
        return False, "was set back to a value that is not used yet"
    if not is_called:
        return False, "was set to another value that is not used yet"
    if increment == 0:
        return False, "was moved"
    if distance * increment < 0:
        return False, "went back"
    if distance % increment:
        return False, "was set to a value between two steps"
    steps = distance // increment + (0 if was_called else 1)
    if steps > most:
        return False, f"jumped by {steps} steps, more than the {most} that use may explain"
    return True, f"advanced by {steps} {'step' if steps == 1 else 'steps'}"


def _value_text(value: Attributes) -> str:
    return f"{value['last_value']}" if "is_called" in value else f"{value['last_value']} (not used yet)"


def _attribute_difference(name: str, before: Any, after: Any) -> AttributeDifference:
    label = LABELS.get(name, name.replace("_", " "))
    if isinstance(before or after, list):
        old, new = _list_texts(before or [], after or [])
    else:
        old, new = excerpts(_value(name, before, beside=after), _value(name, after, beside=before))
    phrase = PHRASES.get((name, bool(after)))
    if name in OPAQUE:
        phrase = f"{label} {'removed' if after is None else 'set' if before is None else 'changed'}"
    return AttributeDifference(label=label, before=old, after=new, phrase=phrase)


def _list_texts(before: Any, after: Any) -> tuple[str, str]:
    """Of two lists the members that only one has; both whole when they differ in order or number alone."""
    one = [_value("", v) for v in (before if isinstance(before, list) else [before])]
    other = [_value("", v) for v in (after if isinstance(after, list) else [after])]
    gone, new = [v for v in one if v not in other], [v for v in other if v not in one]
    if not gone and not new:
        gone, new = one, other
    return excerpts(", ".join(gone) or "none", ", ".join(new) or "none")


def _value(name: str, value: Any, beside: Any = None) -> str:
    """A value for people, on one line, without secrets. Absent means ``no`` beside a yes, otherwise ``none``."""
    if value is None:
        return "no" if beside is True else "none"
    if value is True:
        return "yes"
    text = WORDS.get(name, {}).get(value, value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return one_line(redact(text))


def _summary(attributes: Attributes | None) -> str | None:
    """A whole object in a few words: its definition where it has one, otherwise its attributes."""
    if attributes is None:
        return None
    if "definition" in attributes:
        return excerpts(_value("definition", attributes["definition"]), "")[0]
    parts = []
    for name in sorted(attributes):
        label = LABELS.get(name, name.replace("_", " "))
        value = attributes[name]
        text = ", ".join(_value("", v) for v in value) if isinstance(value, list) else _value(name, value)
        parts.append(f"{label}: {text}")
    return excerpts("; ".join(parts), "")[0]
