"""The SQL that brings definitions back which the baseline holds in full: functions, views, triggers, rules, indexes,
constraints (pure).

It is shown, not run: what a person changed on purpose and what depends on it is not for a tool to guess. Tables,
columns, types, rights and all else have no single text in the baseline; `restore` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ringfence.integrity.model import Attributes, State
from ringfence.integrity.state_rules import parent_of, why_unreadable

_FIRING = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
_CONSTRAINTS = "cfpux"
"""Check, foreign key, primary key, unique, exclusion: what ``ADD CONSTRAINT`` takes the definition of."""
_ROUTINES = {"p": "PROCEDURE", "a": "AGGREGATE"}
_VIEWS = {"v": "VIEW", "m": "MATERIALIZED VIEW"}


def mending(before: State, after: State) -> tuple[str, ...]:
    """Statements without a closing semicolon, what goes first, then what comes back in the order of what it needs."""
    gone: list[str] = []
    back: list[str] = []
    for kind, drop, make in _KINDS:
        old, new = _objects(before, kind), _objects(after, kind)
        # Foreign keys last: they need the key they refer to.
        for name in sorted(old.keys() | new.keys(), key=lambda n: ((old.get(n) or new[n]).get("contype") == "f", n)):
            was, now = old.get(name), new.get(name)
            if was == now or _is_part(was or now or {}, name, before, after):
                continue
            if kind == "index" and _is_of_constraint(was or now or {}, name, before, after):
                continue
            if was is None and now is not None:
                gone[:0] = drop(name, now)
            elif was is not None:
                back += make(name, was, now)
    return (*gone, *back)


def _objects(state: State, kind: str) -> Mapping[str, Attributes]:
    objects = state.get(kind, {})
    return {} if why_unreadable(objects) else objects


def _is_part(attributes: Attributes, name: str, before: State, after: State) -> bool:
    """What an extension or a parent has made, and what came or went with its table."""
    if attributes.get("extension") or attributes.get("from_parent") or attributes.get("parent"):
        return True
    if attributes.get("inherited_from"):
        return True
    table = attributes.get("table") or parent_of(name)
    return table is not None and not (table in before.get("relation", {}) and table in after.get("relation", {}))


def _is_of_constraint(attributes: Attributes, name: str, before: State, after: State) -> bool:
    """Whether an index comes and goes with a constraint: they have one name."""
    table = str(attributes.get("table"))
    return any(
        parent_of(constraint) == table and name.endswith(f".{_last(constraint)}")
        for state in (before, after)
        for constraint in _objects(state, "constraint")
    )


def _drop_function(name: str, now: Attributes) -> Sequence[str]:
    return [f"DROP {_ROUTINES.get(str(now.get('prokind')), 'FUNCTION')} {name}"]


def _make_function(name: str, was: Attributes, now: Attributes | None) -> Iterator[str]:
    definition = was.get("definition")
    if definition is None:
        return  # an aggregate has none
    if now is None or now.get("definition") != definition:
        yield str(definition).rstrip()
    if now is None or now.get("owner") != was.get("owner"):
        yield f"ALTER {_ROUTINES.get(str(was.get('prokind')), 'FUNCTION')} {name} OWNER TO {was['owner']}"


def _drop_relation(name: str, now: Attributes) -> Sequence[str]:
    kind = _VIEWS.get(str(now.get("relkind")))
    return [f"DROP {kind} {name}"] if kind else []


def _make_relation(name: str, was: Attributes, now: Attributes | None) -> Iterator[str]:
    kind = _VIEWS.get(str(was.get("relkind")))
    if kind is None:
        return
    names = ("definition", "reloptions", "relkind")
    if now is None or any(now.get(n) != was.get(n) for n in names):
        options = ", ".join(str(o) for o in was.get("reloptions", ()))
        head = f"CREATE {'OR REPLACE ' if kind == 'VIEW' else ''}{kind} {name}"
        if kind != "VIEW" and now is not None:
            yield f"DROP {kind} {name}"
        yield f"{head}{f' WITH ({options})' if options else ''} AS\n{str(was['definition']).rstrip().rstrip(';')}"
    if now is None or now.get("owner") != was.get("owner"):
        yield f"ALTER {kind} {name} OWNER TO {was['owner']}"


def _drop_index(name: str, now: Attributes) -> Sequence[str]:
    return [f"DROP INDEX {name}"]


def _make_index(name: str, was: Attributes, now: Attributes | None) -> Iterator[str]:
    if now is not None and now.get("definition") == was.get("definition"):
        return
    if now is not None:
        yield f"DROP INDEX {name}"
    yield str(was["definition"])


def _drop_constraint(name: str, now: Attributes) -> Sequence[str]:
    table = parent_of(name)
    return [f"ALTER TABLE {table} DROP CONSTRAINT {_last(name)}"] if _is_of_table(now) else []


def _make_constraint(name: str, was: Attributes, now: Attributes | None) -> Iterator[str]:
    if not _is_of_table(was) or (now is not None and now.get("definition") == was.get("definition")):
        return
    table = parent_of(name)
    if now is not None:
        yield f"ALTER TABLE {table} DROP CONSTRAINT {_last(name)}"
    yield f"ALTER TABLE {table} ADD CONSTRAINT {_last(name)} {was['definition']}"


def _is_of_table(attributes: Attributes) -> bool:
    return str(attributes.get("contype")) in _CONSTRAINTS


def _drop_on(word: str) -> Callable[[str, Attributes], Sequence[str]]:
    return lambda name, now: [f"DROP {word} {_last(name)} ON {parent_of(name)}"]


def _make_on(word: str, firing: str) -> Callable[[str, Attributes, Attributes | None], Iterator[str]]:
    def make(name: str, was: Attributes, now: Attributes | None) -> Iterator[str]:
        table, own = parent_of(name), _last(name)
        anew = now is None or now.get("definition") != was.get("definition")
        if anew:
            if now is not None:
                yield f"DROP {word} {own} ON {table}"
            yield str(was["definition"]).rstrip().rstrip(";")
        wanted, there = str(was.get(firing, "O")), "O" if anew or now is None else str(now.get(firing, "O"))
        if wanted != there:
            yield f"ALTER TABLE {table} {_FIRING.get(wanted, 'ENABLE')} {word} {own}"

    return make


def _last(name: str) -> str:
    """The third part of a name, quoted as it is."""
    return name[len(parent_of(name) or "") + 1 :]


_Kind = tuple[
    str, Callable[[str, Attributes], Sequence[str]], Callable[[str, Attributes, Attributes | None], Iterator[str]]
]
_KINDS: tuple[_Kind, ...] = (
    ("function", _drop_function, _make_function),
    ("relation", _drop_relation, _make_relation),
    ("constraint", _drop_constraint, _make_constraint),
    ("index", _drop_index, _make_index),
    ("rule", _drop_on("RULE"), _make_on("RULE", "ev_enabled")),
    ("trigger", _drop_on("TRIGGER"), _make_on("TRIGGER", "tgenabled")),
)
