"""What `ringfence init` writes: the settings file, the lines for `.gitignore`, and the scripts the seed names. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ringfence.config.model import ENGINES, ENGINES_PLANNED, Production, Test
from ringfence.config.names import DEFAULT_IMAGE, SEED_PROJECT, SEED_TABLES, ProjectNames, checked_project, names_for
from ringfence.errors import UsageError
from ringfence.redact import one_line

_ENGINES_HINT = f"the engines are {', '.join(ENGINES)}"
_AGENTS = ("scout-and-plan", "build", "test-and-cleanup")

_SCRIPTS = (
    ("backup-production.sh", "backup create", "Take a proven backup of production and record its baseline."),
    ("reseed-test-database.sh", "reseed", "Make the test database anew from a backup (99: it was unexpectedly empty)."),
    ("verify-production-integrity.sh", "verify", "Compare production with its baseline (3: it differs)."),
)


def initial_config(
    project: str = SEED_PROJECT, *, engine: str = "embedded", image: str = DEFAULT_IMAGE, push: bool = True
) -> str:
    """The text of a new `ringfence.toml`. It loads without a mistake.

    ``image`` is for the engine docker. ``push`` is false for a repository without a remote. No agent is active: which
    program an agent is, is not guessed.
    Raises `UsageError` for a project name or an engine that cannot be.
    """
    try:
        checked_project(project)
    except ValueError as error:
        raise UsageError(f"project name {error}", hint="use small letters, digits, - and _") from None
    if engine in ENGINES_PLANNED:
        raise UsageError(f'engine "{engine}" is not built yet in this version', hint=_ENGINES_HINT)
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {one_line(engine)!r}", hint=_ENGINES_HINT)
    names = names_for(project)
    seed = project == SEED_PROJECT
    return "\n\n".join(
        (
            _head(project),
            _production(names, engine, image),
            _test(names, engine, image),
            _backup(project),
            _diff(),
            _verify(SEED_TABLES if seed else ()),
            _workflow(),
            _git(push),
        )
    )


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


def _head(project: str) -> str:
    return f"""\
# Settings of Ringfence, which keeps coding agents away from the production database of this project and proves that it
# did not change. Passwords never stand here: 'ringfence up' keeps them in a pgpass file outside the work tree.
project = "{project}\""""


def _production(names: ProjectNames, engine: str, image: str) -> str:
    values = Production()
    docker = _docker(names.production_container, names.production_volume, image)
    return f"""\
[production]                     # the environment that is protected
engine = "{engine}"{" " * (22 - len(engine))}# embedded | docker
web_port = {values.web_port}
db_port = {values.db_port}
{docker if engine == "docker" else ""}database = "{names.database}"
admin_role = "{names.admin_role}"   # migrations and restores
app_role = "{names.app_role}"       # the running application: no DELETE"""


def _test(names: ProjectNames, engine: str, image: str) -> str:
    values = Test()
    docker = _docker(names.test_container, names.test_volume, image)
    return f"""\
[test]                           # the environment that agents use and every run makes anew
engine = "{engine}"
web_port = {values.web_port}
db_port = {values.db_port}
{docker if engine == "docker" else ""}database = "{names.test_database}"
role = "{names.test_role}\""""


def _docker(container: str, volume: str, image: str) -> str:
    return f'container = "{container}"\nvolume = "{volume}"\nimage = "{image}"\n'


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
# command = ["claude", "-p", "--agent", "{name}"]
# timeout_minutes = 60"""
        for name in _AGENTS
    )
    return f"""\
[workflow]
name = "orchestrate3"
# Variables of your environment that agents may see besides the ones of the test environment, by name.
pass_environment = []

# The agents, in the order in which they run; each gets its prompt on standard input. 'ringfence run' needs one.
{agents}"""


def _git(push: bool) -> str:
    return f"""\
[git]                            # only after production was found unchanged
commit = true
push = {str(push).lower()}

[github]                         # comments on the issue of a run, where one is named and a token or gh is there
comment = true
# repository = "owner/name"      # the remote's, when left out
"""
