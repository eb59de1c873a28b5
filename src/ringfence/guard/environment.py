"""Which database a program would find: its environment, the ``.env`` files its framework reads, its settings files."""

from __future__ import annotations

import os
import re

from ringfence.guard.address import (
    OTHER,
    PRODUCTION,
    TEST,
    UNNAMED,
    UNSEEN,
    Place,
    place_of,
    production_in,
    url_place,
    urls_in,
    use_test,
    worst,
)
from ringfence.guard.expansion import known, parameter
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.guard.expansion import Values
    from ringfence.guard.policy import Policy
    from ringfence.guard.shell import Call, Shell

_LINE = re.compile(
    r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.]*)[ \t]*[=:][ \t]*"
    r"(\"(?:[^\"\\]|\\.)*\"|'[^']*'|`[^`]*`|[^\n#]*(?:(?<=\S)#[^\n#]*)*)",
    re.MULTILINE,
)
_URL_NAME = re.compile(
    r"(?:\w+_)?(?:DATABASE|DB|POSTGRES(?:QL)?|PG|DIRECT|SHADOW_DATABASE|DATASOURCE|SQLALCHEMY_DATABASE|JDBC|FLYWAY|GOOSE"
    r"|SQLALCHEMY)_?(?:PRISMA_|NON_POOLING_|DIRECT_)?(?:URL|URI|DSN|DBSTRING|CONNECTION|CONNECTION_STRING)(?:_\w+)?"
)
_PARTS_NAME = re.compile(
    r"(?P<group>(?:\w+_)?(?:DB|DATABASE|POSTGRES|POSTGRESQL|TYPEORM|SQL|RDS))_(?P<part>HOST(?:NAME)?|PORT|NAME|DATABASE|DB)"
)
_ASIDE = re.compile(r"PROD|LIVE", re.IGNORECASE)
_LIBPQ = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE")
_WEB = re.compile(
    r"(?:\w+_)?(?:TEST|PLAYWRIGHT_TEST|E2E|CYPRESS|PLAYWRIGHT)_?(?:BASE_?)?_?(?:URL|HOST)|BASE_?URL", re.I
)


def dotenv(text: str) -> dict[str, str]:
    """The variables of a ``.env`` file; references to other variables stay as written."""
    found = {}
    for name, value in _LINE.findall(text):
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'`":
            value = value[1:-1]
        else:
            value = re.sub(r"\s+#.*", "", value)
        found[name] = value
    return found


def stacks(framework: str, call: Call) -> list[list[str]]:
    """The ``.env`` files a program reads, in lists of which each is one way to read them; the first file wins."""
    mode = _mode(framework, call)
    local = [] if mode == "test" else [".env.local"]
    if framework == "next" or framework == "rails":
        return [[f".env.{mode}.local", *local, f".env.{mode}", ".env"]]
    if framework == "vite":
        return [[f".env.{mode}.local", f".env.{mode}", ".env.local", ".env"]]
    if framework == "laravel":
        return [[f".env.{mode}"]] if mode and os.path.exists(call.scope.path(f".env.{mode}")) else [[".env"]]
    if framework == "prisma":
        return [[".env", "prisma/.env"], ["prisma/.env", ".env"]]
    if framework in ("drizzle", "node"):
        return [[".env"], [".env.local"]]
    return [[".env"]]


def _mode(framework: str, call: Call) -> str:
    argv = call.argv
    for number, word in enumerate(argv):
        named = re.fullmatch(r"--(?:mode|env|environment)(?:=(.*))?", word)
        if named:
            return named[1] or (argv[number + 1] if number + 1 < len(argv) else "")
    for name in ("RAILS_ENV", "NODE_ENV", "APP_ENV"):
        if call.env.get(name) and name.startswith({"rails": "RAILS", "laravel": "APP"}.get(framework, "NODE")):
            return call.env[name][-1]
    if framework == "next":
        return "development" if "dev" in argv else "production"
    if framework == "vite":
        return "test" if "vitest" in argv[0] else "production" if "build" in argv else "development"
    return "" if framework == "laravel" else "development"


def merged(shell: Shell, call: Call, files: Sequence[str]) -> dict[str, Values]:
    """The environment after these files were read: what is set already is kept."""
    found: dict[str, Values] = dict(call.env)
    for name in files:
        text = nearest(shell, call, name)
        if text is None:
            continue
        if not known(text):
            found.setdefault("DATABASE_URL", (text[:2048],))
            continue
        for key, value in dotenv(text).items():
            if key in found:
                continue
            found[key] = _expanded(value, found) if "$" in value else (value,)
    return found


def _expanded(value: str, variables: dict[str, Values]) -> Values:
    pieces = re.split(r"\$(?:\{([^}]*)\}|(\w+))", value)
    made: Values = (pieces[0],)
    for number in range(1, len(pieces), 3):
        values = parameter(pieces[number] or pieces[number + 1] or "?", lambda name: variables.get(name))
        made = tuple(m + v + pieces[number + 2] for m in made for v in values[:4])[:16]
    return made


def nearest(shell: Shell, call: Call, name: str) -> str | None:
    """A file in the working directory or above it, up to the work tree's root."""
    here, root = call.scope.cwd, shell.policy.root
    if not known(here):
        here = root
    while True:
        path = os.path.join(here, name)
        text = call.scope.written.get(path)
        if text is None and shell.exists(path):
            text = shell.content(path, call.scope)
        if text is not None:
            return text
        if here == root or len(here) <= 1 or not here.startswith(root):
            return None
        here = os.path.dirname(here)


def places(policy: Policy, variables: dict[str, Values]) -> list[tuple[str, Place]]:
    """Every database that the variables name, with the variable."""
    found: list[tuple[str, Place]] = []
    groups: dict[str, dict[str, Values]] = {}
    for name, values in variables.items():
        for value in values:
            urls = urls_in(value)
            if urls:
                found += [(name, place) for url in urls for place in [url_place(policy, url)] if place is not None]
            elif not known(value) and (_URL_NAME.fullmatch(name.upper()) or name in _LIBPQ):
                found.append((name, Place(UNSEEN, f"{name} is set to something that cannot be seen")))
        part = _PARTS_NAME.fullmatch(name)
        if part:
            groups.setdefault(part["group"], {})[part["part"]] = values
    for group, parts in groups.items():
        ports = parts.get("PORT")
        hosts = parts.get("HOST") or parts.get("HOSTNAME") or ("",)
        if ports and any(ports):
            databases = parts.get("NAME") or parts.get("DATABASE") or parts.get("DB") or ()
            found.append((f"{group}_PORT", place_of(policy, hosts, ports, databases)))
    if any(variables.get(name, ("",)) != ("",) for name in _LIBPQ):
        from ringfence.guard.clients import libpq_place

        found.append(("PG*", libpq_place(policy, variables, [], [], [])))
    return found


def judge(shell: Shell, call: Call, framework: str, *, needs_database: bool, settings: Sequence[str] = ()) -> None:
    """Refuse a program that would reach production, or needs a database and names none that is the test database."""
    policy = shell.policy
    proven = False
    for files in stacks(framework, call):
        variables = merged(shell, call, files)
        found = places(policy, variables)
        main = [(n, p) for n, p in found if not _ASIDE.search(n)] or found
        bad = worst(p for _, p in main if p.verdict != TEST and p.verdict != UNNAMED)
        if bad is not None:
            names = ", ".join(dict.fromkeys(n for n, p in main if p is bad))
            raise _refusal(policy, call, bad, names)
        proven = proven or any(p.verdict == TEST and not n.startswith("TEST_") for n, p in main)
    said = settings_place(shell, call, settings)
    if said is not None and (said.verdict != TEST and not proven):
        raise _refusal(policy, call, said, "its settings")
    if needs_database and not proven and said is None:
        raise Refused(
            f"{call.name} works on a database, and which one is not named",
            f"write: DATABASE_URL={policy.test_url} {call.line}",
        )


def _refusal(policy: Policy, call: Call, place: Place, names: str) -> Refused:
    if place.verdict == PRODUCTION:
        return Refused(
            f"{call.name or 'the program'} would reach production: {names} is {place.said}", use_test(policy)
        )
    if place.verdict == OTHER:
        return Refused(
            f"{call.name or 'the program'} would reach {place.said} ({names}), not proven to be the test database",
            use_test(policy),
        )
    return Refused(f"{names}: what database it is cannot be seen before it runs", use_test(policy))


def settings_place(shell: Shell, call: Call, names: Sequence[str]) -> Place | None:
    """What a tool's own settings files name, where they name a database at all."""
    found: list[Place] = []
    for name in names:
        text = nearest(shell, call, name)
        if text is None:
            continue
        live = re.sub(r"(?m)^\s*(?:#|//|;|--).*$", "", text)
        for url in urls_in(live):
            place = url_place(shell.policy, url)
            if place is not None and UNKNOWN not in url and "$" not in url and "%(" not in url:
                found.append(place)
        named = production_in(shell.policy, live)
        if named is not None:
            found.append(Place(PRODUCTION, f"{named} in {name}"))
    return worst(found)


def judge_web(shell: Shell, call: Call, settings: Sequence[str]) -> None:
    """Refuse a browser test that would be aimed at production's web application."""
    for files in stacks("node", call):
        for name, values in merged(shell, call, files).items():
            if _WEB.fullmatch(name):
                for value in values:
                    if production_in(shell.policy, value):
                        raise Refused(f"{name} is {value[:100]}, which is production", use_test(shell.policy))
                    if not known(value):
                        raise Refused(f"{name} cannot be seen before it runs", use_test(shell.policy))
    place = settings_place(shell, call, settings)
    if place is not None and place.verdict == PRODUCTION:
        raise Refused(f"the tests would be aimed at production: {place.said}", use_test(shell.policy))
