"""Reads the cases. They are data: what an agent writes, what that comes to, what it damages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from ringfence.attack.model import Benign, Case, Damage

FILES = ("damages", "incidents", "clients", "tools", "surroundings", "benign")
STATEMENTS = "attack.sql"
"""The file in the work tree that holds the statements of a case."""

BY_PSQL = f'psql -X -q -w -t -A -v ON_ERROR_STOP=1 "@URL@" -f {STATEMENTS}'
"""What a case does that says nothing else: whatever its program is called, it opens a session and sends statements."""

_PLACE = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True, kw_only=True)
class Cases:
    """All there is to try."""

    cases: tuple[Case, ...]
    damages: Mapping[str, Damage]
    benign: tuple[Benign, ...]

    def quick(self) -> Cases:
        """One case of each kind; all honest work before the guard, and three pieces of it in the sandbox."""
        benign = tuple(replace(b, runs=b.runs and b.quick) for b in self.benign)
        return replace(self, cases=tuple(c for c in self.cases if c.quick), benign=benign)


def load() -> Cases:
    """The cases that come with the product. Raises ValueError for what is not one."""
    folder = resources.files("ringfence.attack").joinpath("cases")
    return parse([tomllib.loads(folder.joinpath(f"{name}.toml").read_text("utf-8")) for name in FILES])


def parse(documents: Sequence[Mapping[str, Any]]) -> Cases:
    """Cases from what the files say. Raises ValueError for a damage that is not there and an id that is there twice."""
    damages = {str(d["id"]): _damage(d) for document in documents for d in document.get("damage", ())}
    cases = tuple(_case(c) for document in documents for c in document.get("case", ()))
    benign = tuple(Benign(**b) for document in documents for b in document.get("benign", ()))
    for case in cases:
        if case.damage is not None and case.damage not in damages:
            raise ValueError(f"case {case.id}: there is no damage {case.damage!r}")
        if case.control is None and STATEMENTS not in " ".join((case.act, *case.files.values())):
            raise ValueError(f"case {case.id}: nothing shows that it gets through without a sandbox")
    ids = [case.id for case in cases]
    if len(set(ids)) != len(ids):
        raise ValueError(f"ids are there twice: {sorted({i for i in ids if ids.count(i) > 1})}")
    return Cases(cases=cases, damages=damages, benign=benign)


def filled(text: str, values: Mapping[str, str]) -> str:
    """``@NAME@`` replaced by its value. Raises ValueError for a name that has none."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise ValueError(f"there is no value for @{found[1]}@")
        return values[found[1]]

    return _PLACE.sub(value, text)


def _damage(given: Mapping[str, Any]) -> Damage:
    made = Damage(**{**given, "sql": tuple(given.get("sql", ())), "undo": tuple(given.get("undo", ()))})
    if bool(made.sql) == (made.special is not None):
        raise ValueError(f"damage {made.id}: either statements or something special")
    return made


def _case(given: Mapping[str, Any]) -> Case:
    return Case(**{"act": BY_PSQL, **given})
