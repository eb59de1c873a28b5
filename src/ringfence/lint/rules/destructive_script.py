"""``destructive-script``: a script that destroys a database without saying which."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ringfence.lint.addresses import to_production
from ringfence.lint.model import UNKNOWN, Code, Command, Facts, Hit, Rule

# What the words of a command must hold, in this order, for it to destroy: from public reports and the tools' manuals.
_DESTROYS: tuple[tuple[str, ...], ...] = (
    ("prisma", "migrate", "reset"), ("prisma", "db", "push", "--force-reset"),
    ("prisma", "db", "push", "--accept-data-loss"),
    ("drizzle-kit", "push", "--force"), ("drizzle-kit", "drop"), ("supabase", "db", "reset"), ("alembic", "downgrade"),
    ("typeorm", "schema:drop"), ("sequelize", "db:drop"), ("sequelize-cli", "db:drop"), ("knex", "migrate:rollback"),
    ("rails", "db:drop"), ("rails", "db:reset"), ("rake", "db:drop"), ("rake", "db:reset"), ("rails", "db:purge"),
    ("manage.py", "flush"), ("manage.py", "reset_db"), ("mix", "ecto.drop"), ("mix", "ecto.reset"), ("dropdb",),
    ("migrate", "down"), ("goose", "reset"), ("dbmate", "drop"), ("flyway", "clean"), ("liquibase", "drop-all"),
    ("mikro-orm", "schema:drop"), ("artisan", "migrate:fresh"), ("artisan", "db:wipe"), ("sqlx", "database", "drop"),
    ("sqlx", "database", "reset"), ("diesel", "database", "reset"),
)  # fmt: skip
_SQL = re.compile(
    r"\b(drop\s+(database|schema|table|owned)|truncate\b|delete\s+from\b(?![^;]*\bwhere\b))", re.IGNORECASE
)
_CLIENTS = frozenset({"psql", "pgcli", "usql"})
_RUNNERS = re.compile(r"^(npx|pnpm|yarn|bunx?|npm|exec|run|dlx|poetry|uv|pipenv|bundle|python3?|php|sudo|time|dotenv)$")
_URL_FLAGS = re.compile(
    r"^(--?(url|db-url|database-url|database_url|dsn|schema|config|x|d|h|p|host|port|dbname|db))(=|$)", re.IGNORECASE
)
_URL_VARIABLES = re.compile(r"(DATABASE_URL|DB_URL|POSTGRES_URL|PGHOST|PGPORT|PGDATABASE|PGSERVICE|DIRECT_URL)$")
_DOWN = ("compose", "down")


def check(code: Code, facts: Facts) -> Iterator[Hit]:
    """Scripts of every kind: shell, package.json, make, workflows, and what instructions tell agents to run."""
    for command in code.commands:
        what = _destroys(command)
        if what is None:
            continue
        target = _target(command, facts)
        if target == "test":
            continue
        whose = "production" if target == "production" else "whatever database the environment happens to name"
        yield Hit(
            place=command.place,
            text=" ".join(command.words)[:120].replace(UNKNOWN, "$"),
            message=f"{what} destroys {whose}",
            fix=f'name the test database in the command: DATABASE_URL="$TEST_DATABASE_URL" {command.words[0]} …, '
            f"or -h 127.0.0.1 -p {facts.test.db_port} -d {facts.test.database}",
            severity="critical" if target == "production" else None,
        )


def _destroys(command: Command) -> str | None:
    words = [
        w.rpartition("/")[2] if i == 0 or _RUNNERS.match(command.words[0]) else w for i, w in enumerate(command.words)
    ]
    for pattern in _DESTROYS:
        at = 0
        for word in words:
            if at < len(pattern) and (word == pattern[at] or word.startswith(f"{pattern[at]}@")):
                at += 1
        first = next((w for w in words if not _RUNNERS.match(w) and not w.startswith("-")), "")
        if at == len(pattern) and first.partition("@")[0] == pattern[0]:
            return " ".join(pattern)
    if words and words[0] in _CLIENTS and (found := _SQL.search(" ".join(command.words[1:]))):
        return f"{words[0]} with {found[0].upper()}"
    compose = [w for w in words if w in (*_DOWN, "docker-compose")]
    volumes = any(w in ("-v", "--volumes") for w in words)
    if volumes and "down" in words and (compose[:1] == ["docker-compose"] or tuple(compose) == _DOWN):
        return "compose down with its volumes"
    return "docker volume rm" if words[:3] in (["docker", "volume", "rm"], ["docker", "volume", "prune"]) else None


def _target(command: Command, facts: Facts) -> str | None:
    """``production``, ``test`` where the command itself says so, None where it says nothing."""
    said = [*command.words[1:], *(f"{k}={v}" for k, v in command.assignments)]
    whole = " ".join(said)
    production, test = facts.production, facts.test
    if to_production(whole, facts) or re.search(
        rf"(?<![\w-])({re.escape(production.container)}|{re.escape(production.volume)})(?![\w-])", whole
    ):
        return "production"
    values = _named_values(command)
    if values & {str(production.db_port), production.database}:
        return "production"
    if values & {str(test.db_port), test.database} or re.search(rf"(?<!\d):{test.db_port}(?!\d)", whole):
        return "test"
    if re.search(rf"(?<![\w-])({re.escape(test.container)}|{re.escape(test.volume)})(?![\w-])", whole):
        return "test"
    named = [v for k, v in command.assignments if _URL_VARIABLES.search(k)]
    named += [w for w in command.words[1:] if UNKNOWN in w]
    return "test" if any(re.search(r"TEST|E2E", v) for v in named) else None


def _named_values(command: Command) -> set[str]:
    """The values of flags that name a target, and what a client is told without a flag."""
    found = set()
    words = command.words
    for flag, value in zip(words, (*words[1:], ""), strict=True):
        if _URL_FLAGS.match(flag):
            found.add(flag.partition("=")[2] or value)
        if re.fullmatch(r"-p\d+", flag):
            found.add(flag[2:])
    if words[0].rpartition("/")[2] in (*_CLIENTS, "dropdb"):
        found |= {w for w in words[1:] if not w.startswith("-") and re.fullmatch(r"[\w-]+", w)}
    found |= {v for k, v in command.assignments if _URL_VARIABLES.search(k)}
    return found


RULE = Rule(
    name="destructive-script",
    severity="high",
    summary="a script runs a destructive command on an unnamed target",
    why="the target is whatever .env or the shell names at that moment; public reports begin with these lines",
    check=check,
)
