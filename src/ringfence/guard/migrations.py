"""Migration tools and ORMs: they work on whatever database their environment names; it must be the test database."""

from __future__ import annotations

import re

from ringfence.guard import environment, programs
from ringfence.guard.address import TEST, Place, production_in, url_place, urls_in, use_test, worst
from ringfence.guard.clients import libpq_place
from ringfence.guard.expansion import known
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.guard.shell import Call, Shell


class Tool:
    """``works`` matches the subcommands that open a database; None: all but ``safe``. ``settings`` are its files."""

    __slots__ = ("framework", "safe", "settings", "works")

    def __init__(self, framework: str, works: str | None, safe: str = r"(?!)", settings: tuple[str, ...] = ()) -> None:
        self.framework = framework
        self.works = works
        self.safe = safe
        self.settings = settings


_HELP = r"help|version|completion|init"
_ALEMBIC = Tool(
    "python",
    r"(upgrade|downgrade|current|stamp|check|ensure_version)\b|revision .*--autogenerate|migrate\b",
    settings=("alembic.ini",),
)
_KNEX = ("knexfile.js", "knexfile.ts", "knexfile.cjs", "knexfile.mjs")
_DRIZZLE = ("drizzle.config.ts", "drizzle.config.js", "drizzle.config.mjs", "drizzle.config.json")
TOOLS: dict[str, Tool] = {
    "prisma": Tool("prisma", None, rf"format|validate|generate|{_HELP}", ("prisma/schema.prisma", "prisma.config.ts")),
    "drizzle-kit": Tool("drizzle", None, rf"generate|check|up|drop|export|{_HELP}", _DRIZZLE),
    "alembic": _ALEMBIC,
    "flask": Tool("python", r"db (upgrade|downgrade|current|stamp|check|migrate)|db revision .*--autogenerate|shell"),
    "django": Tool(
        "python",
        r"(migrate|flush|loaddata|dumpdata|dbshell|inspectdb|createsuperuser|changepassword|shell\w*|reset_db|sqlflush"
        r"|clearsessions|showmigrations|delete_\w+|remove_stale_contenttypes|createcachetable|sqlsequencereset)\b",
    ),
    "rails": Tool("rails", r"db:\S+|db\b|dbconsole|console|c\b|runner|r\b|data:\S+", settings=("config/database.yml",)),
    "rake": Tool("rails", r"db:\S+|data:\S+", settings=("config/database.yml",)),
    "artisan": Tool("laravel", r"migrate\S*|db\b|db:\S+|tinker|schema:\S+|model:prune|queue:\S*"),
    "sequelize-cli": Tool("node", r"db:\S+", settings=("config/config.json",)),
    "sequelize": Tool("node", r"db:\S+", settings=("config/config.json",)),
    "knex": Tool("node", None, rf"migrate:make|seed:make|{_HELP}", _KNEX),
    "typeorm": Tool("node", None, rf"migration:create|entity:create|{_HELP}", ("ormconfig.json", "src/data-source.ts")),
    "typeorm-ts-node-commonjs": Tool("node", None, rf"migration:create|{_HELP}", ("src/data-source.ts",)),
    "mikro-orm": Tool("node", None, _HELP, ("mikro-orm.config.ts", "src/mikro-orm.config.ts")),
    "atlas": Tool("none", None, rf"migrate (hash|lint|new|validate)|{_HELP}|license|login", ("atlas.hcl",)),
    "flyway": Tool("none", None, _HELP, ("flyway.conf", "conf/flyway.conf", "flyway.toml")),
    "liquibase": Tool("none", None, _HELP, ("liquibase.properties",)),
    "supabase": Tool("none", None, rf"status|migration new|gen\b|{_HELP}"),
    "dbmate": Tool("dotenv", None, rf"new|n\b|{_HELP}"),
    "goose": Tool("dotenv", None, rf"create|fix|validate|{_HELP}"),
    "migrate": Tool("none", None, rf"create|{_HELP}"),
    "sqlx": Tool("dotenv", None, rf"migrate add|{_HELP}"),
    "diesel": Tool("dotenv", None, rf"migration generate|setup --help|{_HELP}"),
    "sqitch": Tool("none", None, rf"add|init|plan|tag|rework|{_HELP}", ("sqitch.conf",)),
    "aerich": Tool("python", None, _HELP, ("pyproject.toml", "aerich.ini")),
    "pgloader": Tool("none", None, _HELP),
    "pgroll": Tool("none", None, _HELP),
    "tern": Tool("none", None, rf"new|{_HELP}", ("tern.conf",)),
    "hasura": Tool("dotenv", None, _HELP, ("config.yaml",)),
    **{
        name: Tool("node", None, rf"create|{_HELP}")
        for name in ("node-pg-migrate", "db-migrate", "graphile-migrate", "postgrator", "pg-migrate")
    },
    **{name: Tool("dotenv", None, rf"new|generate|{_HELP}") for name in ("sea-orm-cli", "sea-orm", "refinery", "yoyo")},
}
_MIX = r"(ecto\.(?!gen\b)\S+|run\b|phx\.server)"
TOOLS["mix"] = Tool("none", _MIX)


def judge(shell: Shell, call: Call, name: str) -> str:
    """Refuse a tool unless it works on no database or on the test database."""
    tool = TOOLS[name]
    words = [a for a in call.argv[1:] if not a.startswith("-")]
    command = " ".join(a for a in call.argv[1:])
    subcommand = " ".join(words)
    if any(a in ("--help", "-h", "--version", "-v", "-V", "-version") for a in call.argv[1:]) and not _works(
        tool, words
    ):
        return UNKNOWN
    if name == "supabase":
        return _supabase(shell, call, subcommand)
    if UNKNOWN in subcommand.split(" ")[0]:
        raise Refused(f"what {name} does cannot be seen before it runs", "write it out")
    if tool.works is not None:
        working = re.search(rf"(?:^|\s)(?:{tool.works})", command) is not None
        if not working:
            return programs.ordinary(shell, call, framework=tool.framework)
        if name == "alembic" and "--sql" in call.argv:
            return _general(shell, call, tool)
    elif not words or re.match(rf"(?:{tool.safe})(?:\s|$)", subcommand):
        return _general(shell, call, tool)
    stated = stated_places(shell, call)
    if stated is not None:
        if stated.verdict != TEST:
            raise Refused(f"{name} would work on {stated.said}, not the test database", use_test(shell.policy))
        return UNKNOWN
    environment.judge(shell, _with_trailing(call), tool.framework, needs_database=True, settings=tool.settings)
    return UNKNOWN


def _works(tool: Tool, words: list[str]) -> bool:
    # A help option ends every tool but those that read options after the subcommand as their own.
    return tool.framework == "laravel" and any(w.startswith("-v") for w in words)


def _general(shell: Shell, call: Call, tool: Tool) -> str:
    for argument in call.argv[1:]:
        named = production_in(shell.policy, argument)
        if named:
            raise Refused(f"{call.name} is given production ({named})", use_test(shell.policy))
    return UNKNOWN


def _supabase(shell: Shell, call: Call, subcommand: str) -> str:
    safe = re.match(rf"(?:{TOOLS['supabase'].safe})(?:\s|$)", subcommand) and "--linked" not in call.argv
    if safe or not subcommand:
        return UNKNOWN
    raise Refused(
        f"supabase {subcommand.split(' ')[0]} works on a linked project or a stack of its own, whatever its URL says",
        f"work on the test database with psql: {shell.policy.test_url}",
    )


def stated_places(shell: Shell, call: Call) -> Place | None:
    """The database that the command line itself names; None where it names none."""
    found: list[Place] = []
    for number, argument in enumerate(call.argv[1:], 1):
        before = call.argv[number - 1]
        value = argument.split("=", 1)[1] if re.match(r"--?[\w-]+=", argument) else argument
        for url in urls_in(value):
            place = url_place(shell.policy, url)
            found += [place] if place is not None else []
        if re.search(r"(^|\s)(host|port|dbname)=", value) and "://" not in value:
            found.append(libpq_place(shell.policy, call.env, [], [], [value]))
        elif not known(value) and re.search(r"(?i)url|database|^-d$|^-u$|dsn|conn", before + " " + argument):
            found.append(Place("unseen", value))
        elif production_in(shell.policy, value):
            found.append(Place("production", value))
    return worst(found)


def _with_trailing(call: Call) -> Call:
    """Rails and make take assignments as operands: ``db:drop RAILS_ENV=production``."""
    for argument in call.argv[1:]:
        name, equals, value = argument.partition("=")
        if equals and re.fullmatch(r"[A-Za-z_]\w*", name):
            call.env = {**call.env, name: (value,)}
    return call
