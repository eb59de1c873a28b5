"""What `ringfence init` writes: the settings file, the lines for `.gitignore`, and the scripts the seed names. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ringfence.config.model import Production, Test
from ringfence.config.names import DEFAULT_IMAGE, SEED_PROJECT, SEED_TABLES, ProjectNames, checked_project, names_for
from ringfence.config.values import ENGINES, checked_url
from ringfence.errors import UsageError
from ringfence.postgres.url import ServerAddress, read_url
from ringfence.redact import one_line

_AGENTS = ("scout-and-plan", "build", "test-and-cleanup")

_SCRIPTS = (
    ("backup-production.sh", "backup create", "Take a proven backup of production and record its baseline."),
    ("reseed-test-database.sh", "reseed", "Make the test database anew from a backup (99: it was unexpectedly empty)."),
    ("setup-database-roles.sh", "roles apply", "Make the app role of production what it is to be: no way to delete."),
    ("verify-production-integrity.sh", "verify", "Compare production with its baseline (3: it differs)."),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an environment's server runs: its engine, and the image or the url that the engine needs.

    The rest is of a container that is there already, where it differs from what the project's name leads to.
    """

    engine: str = "embedded"
    image: str = DEFAULT_IMAGE
    url: str | None = None
    container: str | None = None
    volume: str | None = None
    port: int | None = None
    database: str | None = None


def initial_config(
    project: str = SEED_PROJECT, *, production: Place | None = None, test: Place | None = None, push: bool = True
) -> str:
    """The text of a new `ringfence.toml`. It loads without a mistake.

    ``push`` is false for a repository without a remote. No agent is active: which program an agent is, is not guessed.
    Raises `UsageError` for a project name, an engine or a url that cannot be.
    """
    try:
        checked_project(project)
    except ValueError as error:
        raise UsageError(f"project name {error}", hint="use small letters, digits, - and _") from None
    production, test = production or Place(), test or Place()
    names = names_for(project)
    seed = project == SEED_PROJECT
    return "\n\n".join(
        (
            _head(project),
            _production(names, production, _url_of(production)),
            _test(names, test, _url_of(test)),
            _backup(project),
            _diff(),
            _verify(SEED_TABLES if seed else ()),
            _workflow(),
            _sandbox(),
            _roles(),
            _git(push),
        )
    )


def _url_of(place: Place) -> ServerAddress | None:
    """The url of an existing server, read. Raises `UsageError`."""
    if place.engine not in ENGINES:
        raise UsageError(f"there is no engine {one_line(place.engine)!r}", hint=f"the engines are {', '.join(ENGINES)}")
    if place.engine != "server":
        if place.url is not None:
            raise UsageError(f'a url belongs to engine "server", not to "{place.engine}"')
        return None
    if place.url is None:
        raise UsageError(
            'engine "server" needs a url', hint="--url postgresql://role@host:port/database, without a password"
        )
    try:
        return read_url(checked_url(place.url))
    except ValueError as error:
        raise UsageError(
            f"the url cannot be taken: {error}", hint="postgresql://role@host:port/database, without a password"
        ) from None


def gitignore_lines() -> tuple[str, ...]:
    """What a repository must not carry: backups hold production's data, and outputs may quote it."""
    return (".backups/", ".agents/outputs/", ".agents/timing/")


def seed_scripts() -> Mapping[str, str]:
    """The scripts the seed names, by their path from the project's root. Each hands its arguments to one command."""
    return MappingProxyType(
        {
            f"scripts/{name}": f'#!/bin/sh\n# {purpose}\nexec ringfence {command} "$@"\n'
            for name, command, purpose in _SCRIPTS
        }
    )


ORCHESTRATE_FILE = ".claude/commands/orchestrate3.md"


def orchestrate_command() -> str:
    """The strategy's command for an orchestrator that is an agent itself: a thin caller of ``pre`` and ``post``."""
    agents = " -> ".join(_AGENTS)
    return f"""\
---
description: Run the protected workflow on a task or an issue
argument-hint: "[the task, or #issue]"
allowed-tools: Bash(ringfence pre:*), Bash(ringfence post:*), Bash(ringfence status:*), Task
---
Production is protected by Ringfence. Follow these steps in order, and stop at the first that fails.

1. Run `ringfence pre "$ARGUMENTS"`. It backs production up with a baseline and makes the test database anew from it.
   Exit 0: go on. Exit 99: the test database was unexpectedly empty, a catastrophe; report it, start no agent. Any other
   exit: report what it printed, start no agent.
2. Start the agents one after the other: {agents}. Each works on the test database only, reads
   docs/agents/SHARED-CONTEXT.md first, and gets the task and the outputs of those before it in .agents/outputs/.
3. Run `ringfence post`, also when an agent failed. It compares production with its baseline.
   Exit 0: commit and push. Exit 3: HALT. Do not commit, do not push, do not try to repair anything; report what it
   printed. A person resolves it with `ringfence resolve`.

Everything in one command, with the agents in a sandbox: `ringfence run "$ARGUMENTS"`, started by a person.
"""


def _head(project: str) -> str:
    return f"""\
# Settings of Ringfence, which keeps coding agents away from the production database of this project and proves that it
# did not change. Passwords never stand here: 'ringfence up' keeps them in a pgpass file outside the work tree.
project = "{project}\""""


def _production(names: ProjectNames, place: Place, url: ServerAddress | None) -> str:
    where = _where(place, url, Production().db_port, names.production_container, names.production_volume)
    lines = [
        "[production]                     # the environment that is protected",
        f'engine = "{place.engine}"{" " * (22 - len(place.engine))}# embedded | docker | server',
        f"web_port = {Production().web_port}",
        *where,
        *([] if url and url.database else [f"database = {json.dumps(place.database or names.database)}"]),
        *([] if url and url.user else [f'admin_role = "{names.admin_role}"   # migrations and restores']),
        f'app_role = "{names.app_role}"       # the running application: no DELETE',
    ]
    return "\n".join(lines)


def _test(names: ProjectNames, place: Place, url: ServerAddress | None) -> str:
    where = _where(place, url, Test().db_port, names.test_container, names.test_volume)
    lines = [
        "[test]                           # the environment that agents use and every run makes anew",
        f'engine = "{place.engine}"',
        f"web_port = {Test().web_port}",
        *where,
        *([] if url and url.database else [f'database = "{names.test_database}"']),
        *([] if url and url.user else [f'role = "{names.test_role}"']),
    ]
    return "\n".join(lines)


def _where(place: Place, url: ServerAddress | None, port: int, container: str, volume: str) -> list[str]:
    if url is not None:
        # As TOML writes it; a url holds no control characters that would have to be escaped otherwise.
        return [f"url = {json.dumps(place.url)}   # the password: pgpass file of the project"]
    container, volume = place.container or container, place.volume or volume
    docker = [f'container = "{container}"', f'volume = "{volume}"', f'image = "{place.image}"']
    return [f"db_port = {place.port or port}", *(docker if place.engine == "docker" else [])]


def _backup(project: str) -> str:
    return f"""\
[backup]
directory = ".backups"           # {project}_backup_<issue>_<timestamp>.dump, each with its manifest
keep = 5"""


def _verify(tables: tuple[str, ...]) -> str:
    if tables:
        watch = ", ".join(f"'{t}'" for t in tables)
        rules = f"'{tables[-1]}' = \"append-only\""
    else:
        watch = ""
        rules = '# \'public."Transaction"\' = "append-only"'
    return f"""\
[verify]
# Tables shown by name, written as in SQL; all tables of the database are compared.
watch = [{watch}]
# load = "gentle"                # read production with one session that rests half of the time

[verify.rules]
# "exact" (the default), "append-only" (only new rows are normal), or {{ rule = "ignore", reason = "why" }}
{rules}"""


def _diff() -> str:
    return """\
[diff]
# Columns whose values 'diff' must not show: "password" in every table, '"Customer".email' in one.
mask = []"""


def _workflow() -> str:
    agents = "\n#\n".join(
        f"""\
# [[workflow.agents]]
# name = "{name}"
# preset = "claude"               # codex, gemini, cursor-agent, copilot; or any command = ["program", "argument"]
# timeout_minutes = 60
# retries = 0                     # 1: started again when it fails, where production is unchanged"""
        for name in _AGENTS
    )
    return f"""\
[workflow]
name = "orchestrate3"
# Variables of your environment that agents may see besides the ones of the test environment, by name.
pass_environment = []

# The agents, in the order in which they run; each gets its prompt on standard input. 'ringfence run' needs one.
# Instead of a preset, or to add to it, any command: ["claude", "-p", "--agent", "build"], ["sh", "scripts/agent.sh"].
{agents}"""


def _sandbox() -> str:
    return """\
[sandbox]
# What holds the agents in: "auto" is the strongest that works on this machine. "none" is for you to write, if you must.
mode = "auto"
# Reached over https besides the model's own API: your package registry, say, by its name.
allow_hosts = []
# allow_ports = [6379]             # other services of the test environment on this machine
# allow_read = ["~/tools"]         # agents see the work tree, the system and their own settings, and nothing else
# hide = ["/usr/local/etc/app"]"""


def _roles() -> str:
    return """\
[roles]                          # the app role of production: what 'ringfence roles apply' makes of it
level = "standard"               # SELECT, INSERT, UPDATE | "strict": by column, overwritten rows kept; docs/security.md
# max_rows = 1000                # strict: the most rows that one statement of the app may update or insert
# [roles.tables]                 # narrower rights on single tables
# 'public."Ledger"' = ["SELECT", "INSERT"]
# [roles.accept]                 # findings of 'ringfence roles audit' that are meant to be so, with the reason
# "roles/definer-function public.purge()" = "nightly job, reviewed\""""


def _git(push: bool) -> str:
    return f"""\
[git]                            # only after production was found unchanged
commit = true
push = {str(push).lower()}

[github]                         # comments on the issue of a run, where one is named and a token or gh is there
comment = true
# repository = "owner/name"      # the remote's, when left out
"""
