"""``dotenv-fallback``: test set-up that can end up with production's variables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ringfence.lint.classify import is_set_up, is_test
from ringfence.lint.model import UNKNOWN, Code, Facts, Hit, Rule

_LOADS = frozenset(
    {"dotenv.config", "config", "load_dotenv", "dotenv.load_dotenv", "dotenv_values", "loadEnvFile"}
    | {"process.loadEnvFile", "environ.Env.read_env", "Env.read_env"}
)
_PRODUCTION_FILE = re.compile(r"(^|/)\.env(\.(prod|production|live)(\.local)?)?$|(^|/)(prod|production)\.env$")
_TEST_VARIABLE = re.compile(r"TEST|E2E", re.IGNORECASE)
_DATABASE_VARIABLE = re.compile(r"(DATABASE|POSTGRES|PG|DB).*(URL|URI|DSN|HOST|NAME)?$|^(BASE_URL|APP_URL|API_URL)$")


def check(code: Code, facts: Facts) -> Iterator[Hit]:
    """Loading a deployment's ``.env`` in test set-up; falling back from a test variable to one of the deployment."""
    if not (is_test(code) or is_set_up(code)):
        return
    yield from _loads(code)
    for fallback in code.fallbacks:
        first, *rest = fallback.variables
        others = [v for v in rest if not _TEST_VARIABLE.search(v) and _DATABASE_VARIABLE.search(v)]
        if _TEST_VARIABLE.search(first) and others:
            yield Hit(
                place=fallback.place,
                text=f"{first}, else {others[0]}",
                message=f"where {first} is not set the tests take {others[0]}, which may be the deployment's",
                fix=f"fail when {first} is not set",
            )


def _loads(code: Code) -> Iterator[Hit]:
    has_dotenv = any("dotenv" in name or "environ" in name for name in code.imports)
    for call in code.calls:
        if call.name not in _LOADS or (call.name == "config" and not has_dotenv):
            continue
        named = [v for k, values in call.keywords if k in ("path", "dotenv_path") for v in values]
        named += [v for values in call.arguments[:1] for v in values if not call.keywords]
        known = [v for v in named if v.strip(UNKNOWN)]
        if named and not known:
            continue  # a path that is made elsewhere
        bad = next((v for v in known if _PRODUCTION_FILE.search(v)), None)
        if known and bad is None:
            continue
        yield Hit(
            place=call.place,
            text=bad or f"{call.name}()",
            message="test set-up loads the deployment's .env, and with it the address of its database",
            fix="load .env.test by its name, and nothing when it is not there",
        )


RULE = Rule(
    name="dotenv-fallback",
    severity="high",
    summary="test set-up that can fall back to a production .env",
    why="a test run in a deployment's directory gets the deployment's database: drop_all did the rest",
    check=check,
)
