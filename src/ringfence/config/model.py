"""The settings as `ringfence.toml` may hold them: one frozen model per section, each value checked on its own.

What two values together must not say is in `checks`. The defaults are the seed's; names that depend on the project are
filled in by `load` before these models see them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ringfence.config.names import (
    SEED_PROJECT,
    ColumnName,
    TableName,
    checked_database,
    checked_project,
    checked_role,
    names_for,
    parse_column_name,
    parse_table_name,
)
from ringfence.postgres.url import read_url
from ringfence.redact import one_line

EngineName = Literal["embedded", "docker", "server"]
RuleKind = Literal["exact", "append-only", "ignore"]
SandboxMode = Literal["auto", "bwrap", "landlock", "none"]
RULE_KINDS: tuple[RuleKind, ...] = ("exact", "append-only", "ignore")
ENGINES: tuple[EngineName, ...] = ("embedded", "docker", "server")

_SEED = names_for(SEED_PROJECT)
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_SETTING = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")
APP_RIGHTS = ("SELECT", "INSERT", "UPDATE")
_DOCKER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}")
_IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,254}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_VARIABLES_OF_THE_TOOL = frozenset({"DATABASE_URL", "TEST_DATABASE_URL", "TEST_BASE_URL"})


@dataclass(frozen=True, kw_only=True)
class TableRule:
    """What may happen to a table during a run: nothing, only more rows, or anything for a stated reason."""

    kind: RuleKind
    reason: str | None = None


EXACT = TableRule(kind="exact")


def _port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise ValueError(f"{value} is not a port; ports are 1 to 65535")
    return value


def _at_least_one(value: int) -> int:
    if value < 1:
        raise ValueError(f"{value} is too small; at least 1 is kept")
    return value


def _directory(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError("a directory is needed, without the character NUL")
    if value.startswith("~"):
        raise ValueError(f"{one_line(value)!r}: ~ is not expanded here; write the absolute path")
    path = PurePosixPath(value)
    if path.is_absolute():
        if ".." in path.parts:
            raise ValueError(f"{one_line(value)!r}: an absolute path is written without ..")
        return value
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            raise ValueError(f"{one_line(value)!r} leads out of the project; write an absolute path if that is meant")
    if depth == 0:
        raise ValueError(f"{one_line(value)!r} is the project itself; backups need a directory of their own")
    if ".." in path.parts:
        raise ValueError(f"{one_line(value)!r} is written without ..")
    if path.parts[0] == ".git":
        raise ValueError(f"{one_line(value)!r} belongs to git")
    return value


def _mirror(value: str) -> str:
    if re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?", value):
        return value
    if not value.startswith("/") or "\0" in value or ".." in PurePosixPath(value).parts:
        raise ValueError(f"{one_line(value)!r} is neither an absolute directory nor s3://bucket/prefix")
    return value


def _endpoint(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", value):
        raise ValueError(f"{one_line(value)!r} is not http://host:port or https://host:port of an S3 service")
    return value


def checked_url(value: str) -> str:
    """A url as it may stand in the file. Raises ValueError, whose words do not repeat it."""
    # Wider than the grammar of URLs: a password may hold / or @, and libpq also takes it as a parameter.
    if re.search(r"://\S*:\S*@", value) or re.search(r"(?i)password\s*=", unquote(value)):
        raise ValueError("a password does not belong in this file; it stands in the pgpass file of the project")
    read_url(value)
    return value


def _safe_name(value: str) -> str:
    if not _SAFE_NAME.fullmatch(value):
        raise ValueError(
            f"{one_line(value[:80])!r} is not 1 to 64 characters [A-Za-z0-9._-], the first neither . nor -"
        )
    return value


def _docker_name(value: str) -> str:
    if not _DOCKER_NAME.fullmatch(value):
        raise ValueError(f"{one_line(value[:80])!r} is no name of a container or volume: [a-zA-Z0-9][a-zA-Z0-9_.-]+")
    return value


def _image(value: str) -> str:
    if not _IMAGE.fullmatch(value):
        raise ValueError(f"{one_line(value[:80])!r} is no image; write it as in postgres:18 or registry/name@sha256:…")
    return value


def _argument(value: str) -> str:
    if "\0" in value:
        raise ValueError("an argument cannot hold the character NUL")
    return value


def _command(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not value[0].strip():
        raise ValueError('the command is empty; it is a list like ["claude", "-p"]')
    return value


def _minutes(value: float) -> float:
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{value:g} is not a time limit; it is a number of minutes greater than 0")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError(f"{one_line(value[:80])!r} is not the name of an environment variable")
    if value.startswith("PG") or value in _VARIABLES_OF_THE_TOOL:
        raise ValueError(f"{value} names the test environment for agents and is not passed through")
    return value


def _table(value: Any) -> Any:
    return parse_table_name(value) if isinstance(value, str) else value


def _column(value: Any) -> Any:
    return parse_column_name(value) if isinstance(value, str) else value


def _rule(value: Any) -> TableRule:
    """``"exact"``, ``"append-only"``, ``"ignore: reason"`` or ``{rule = "ignore", reason = "…"}`` as a rule."""
    if isinstance(value, dict):
        return _rule_of_table(value)
    if not isinstance(value, str):
        raise ValueError('a rule is "exact", "append-only" or {rule = "ignore", reason = "..."}')
    kind, _, reason = value.partition(":")
    return _made_rule(kind.strip(), reason.strip())


def _rule_of_table(value: dict[str, Any]) -> TableRule:
    if "rule" not in value:
        raise ValueError(
            'a table here needs the key rule, as in {rule = "ignore", reason = "..."}; '
            "a name with a schema is written in quotes, as in 'public.film' = \"exact\""
        )
    unknown = sorted(set(value) - {"rule", "reason"})
    if unknown:
        raise ValueError(f"unknown key {one_line(unknown[0])!r} in the rule; it has rule and reason")
    kind, reason = value["rule"], value.get("reason", "")
    if not isinstance(kind, str) or not isinstance(reason, str):
        raise ValueError("rule and reason are texts in quotes")
    return _made_rule(kind, reason.strip())


def _made_rule(kind: str, reason: str) -> TableRule:
    for known in RULE_KINDS:
        if kind == known:
            if known == "ignore" and not reason:
                raise ValueError('ignore needs a reason: {rule = "ignore", reason = "..."} or "ignore: the reason"')
            return TableRule(kind=known, reason=reason or None)
    raise ValueError(f"there is no rule {one_line(kind[:40])!r}; there are exact, append-only and ignore")


def _host(value: str) -> str:
    name, _, port = value.partition(":")
    if not _HOST.fullmatch(name) or (":" in value and not (port.isdecimal() and 0 < int(port) < 65536)):
        raise ValueError(
            f"{one_line(value[:80])!r} is not a host; it is written as api.example.com, *.example.com or name:8443"
        )
    return value


def _place(value: str) -> str:
    if "\0" in value or not value.startswith(("/", "~/")) or ".." in PurePosixPath(value).parts:
        raise ValueError(f"{one_line(value[:200])!r} is not a place; write an absolute path, or one below ~/")
    return value


Port = Annotated[int, AfterValidator(_port)]
Database = Annotated[str, AfterValidator(checked_database)]
Role = Annotated[str, AfterValidator(checked_role)]
DockerName = Annotated[str, AfterValidator(_docker_name)]
Image = Annotated[str, AfterValidator(_image)]
Url = Annotated[str, AfterValidator(checked_url)]
SafeName = Annotated[str, AfterValidator(_safe_name)]
Table = Annotated[TableName, BeforeValidator(_table)]
MaskedColumn = Annotated[ColumnName, BeforeValidator(_column)]


HookedAgent = Literal["claude", "codex", "cursor", "gemini", "copilot"]


class _Section(BaseModel):
    # hide_input_in_errors: a value may hold a secret, and pydantic's own text would show it.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Production(_Section):
    """The environment that is protected."""

    engine: EngineName = "embedded"
    web_port: Port = 4545
    db_port: Port = 4546
    database: Database = _SEED.database
    admin_role: Role = _SEED.admin_role
    app_role: Role = _SEED.app_role
    container: DockerName | None = None
    volume: DockerName | None = None
    image: Image | None = None
    url: Url | None = None


class Test(_Section):
    """The environment that agents may use and that every run makes anew."""

    __test__ = False  # not for pytest

    engine: EngineName = "embedded"
    web_port: Port = 2345
    db_port: Port = 2346
    database: Database = _SEED.test_database
    role: Role = _SEED.test_role
    container: DockerName | None = None
    volume: DockerName | None = None
    image: Image | None = None
    url: Url | None = None


class Backup(_Section):
    """Where backups lie and how many are kept. A relative directory is relative to the project's root."""

    directory: Annotated[str, AfterValidator(_directory)] = ".backups"
    keep: Annotated[int, AfterValidator(_at_least_one)] = 5
    mirror: Annotated[str, AfterValidator(_mirror)] | None = None
    mirror_endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    mirror_encrypt: bool = False


class Verify(_Section):
    """Which tables are shown by name, what may happen to a table, and how much of production reading may take. All
    tables are compared in any case."""

    load: Literal["normal", "gentle"] = "normal"
    watch: Annotated[tuple[Table, ...], Field(strict=False)] = ()
    rules: dict[Table, Annotated[TableRule, BeforeValidator(_rule)]] = Field(default_factory=dict)

    def rule_for(self, schema: str, name: str) -> TableRule:
        """The rule for a table: one with its schema goes before one without, and without any it is `exact`."""
        for key in (TableName(schema=schema, name=name), TableName(schema=None, name=name)):
            if key in self.rules:
                return self.rules[key]
        return EXACT

    def is_watched(self, schema: str, name: str) -> bool:
        """Whether the table is shown by name."""
        return TableName(schema=schema, name=name) in self.watch or TableName(schema=None, name=name) in self.watch


class Diff(_Section):
    """What ``diff`` must not show: columns by name, ``password`` for every table or ``"Customer".email`` for one."""

    mask: Annotated[tuple[MaskedColumn, ...], Field(strict=False)] = ()


class Agent(_Section):
    """One program of the workflow; its prompt comes on standard input."""

    name: SafeName
    command: Annotated[
        tuple[Annotated[str, AfterValidator(_argument)], ...], Field(strict=False), AfterValidator(_command)
    ]
    timeout_minutes: Annotated[float, AfterValidator(_minutes)] = 60.0

    @property
    def timeout_s(self) -> float:
        """The time limit in seconds."""
        return self.timeout_minutes * 60


class Workflow(_Section):
    """The agents, in the order in which they run, and the variables of the caller that they may see."""

    name: SafeName = "orchestrate3"
    agents: Annotated[tuple[Agent, ...], Field(strict=False)] = ()
    pass_environment: Annotated[tuple[Annotated[str, AfterValidator(_variable)], ...], Field(strict=False)] = ()


class Sandbox(_Section):
    """What holds the agents in, and what it lets through besides the test environment.

    ``auto`` takes the strongest layer that holds on this machine and refuses to run agents where none does; ``none`` is
    only ever written by a person. Paths are absolute, or begin with ``~/``.
    """

    mode: SandboxMode = "auto"
    allow_hosts: Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], Field(strict=False)] = ()
    allow_ports: Annotated[tuple[Port, ...], Field(strict=False)] = ()
    allow_read: Annotated[tuple[Annotated[str, AfterValidator(_place)], ...], Field(strict=False)] = ()
    allow_write: Annotated[tuple[Annotated[str, AfterValidator(_place)], ...], Field(strict=False)] = ()
    hide: Annotated[tuple[Annotated[str, AfterValidator(_place)], ...], Field(strict=False)] = ()


class Git(_Section):
    """What happens to the agents' work after production was found unchanged."""

    commit: bool = True
    push: bool = True


def _repository(value: str) -> str:
    if not re.fullmatch(r"(?:[A-Za-z0-9.-]+\.[A-Za-z0-9-]+/)?[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}", value):
        raise ValueError(f'{one_line(value[:80])!r} is not a repository; it is written "owner/name"')
    return value


class Guard(_Section):
    """The hook in the agents. ``required`` names agents without whose hook no run starts; ``allow_tools`` tools of MCP
    servers that may work on a database (``mcp__postgres__query``)."""

    required: Annotated[tuple[HookedAgent, ...], Field(strict=False)] = ()
    allow_tools: Annotated[tuple[str, ...], Field(strict=False)] = ()


class Github(_Section):
    """Comments on the issue of a run. The token comes from the environment or from ``gh``, never from a file here."""

    comment: bool = True
    repository: Annotated[str, AfterValidator(_repository)] | None = None


def _rights(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise ValueError('rights are a list like ["SELECT", "INSERT"]')
    wanted = tuple(v.upper() for v in value)
    for right in wanted:
        if right not in APP_RIGHTS:
            raise ValueError(f"{one_line(right[:20])!r} is not for the app role; it may have SELECT, INSERT and UPDATE")
    return wanted


def _reason(value: str) -> str:
    if not value.strip():
        raise ValueError("a finding is accepted for a reason; it stands in every report")
    return value.strip()


def _setting_name(value: str) -> str:
    if not _SETTING.fullmatch(value):
        raise ValueError(f"{one_line(value[:80])!r} is not the name of a setting of PostgreSQL")
    return value


def _rows(value: int) -> int:
    if value < 1:
        raise ValueError(f"{value} is not a limit; it is a number of rows, at least 1")
    return value


class Roles(_Section):
    """What the app role may do in production beyond the strategy's grants, and what a person has judged.

    ``tables`` narrows the rights on single tables, ``accept`` turns a finding (``rule object``) into a remark, with the
    reason. ``max_rows`` bounds the rows of one statement of the app, at the level strict.
    """

    level: Literal["standard", "strict"] = "standard"
    max_rows: Annotated[int, AfterValidator(_rows)] | None = None
    max_value_bytes: Annotated[int, AfterValidator(_rows)] = 50_000_000
    member_of: Annotated[tuple[str, ...], Field(strict=False)] = ()
    superusers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    guards: Annotated[tuple[str, ...], Field(strict=False)] = ()
    tables: dict[Table, Annotated[tuple[str, ...], BeforeValidator(_rights)]] = Field(default_factory=dict)
    accept: dict[str, Annotated[str, AfterValidator(_reason)]] = Field(default_factory=dict)
    settings: dict[Annotated[str, AfterValidator(_setting_name)], str] = Field(
        default_factory=lambda: {"idle_in_transaction_session_timeout": "10min"}
    )


def _exclusion(value: str) -> str:
    if not value.strip():
        raise ValueError("a reason is needed: 'generated/**' = \"made by the code generator\"")
    return value.strip()


class Lint(_Section):
    """Files that `ringfence lint` does not look at, by pattern, each with the reason."""

    exclude: dict[str, Annotated[str, AfterValidator(_exclusion)]] = Field(default_factory=dict)


class Document(_Section):
    """The whole file. Production and test must be there: which database is protected is not guessed."""

    project: Annotated[str, AfterValidator(checked_project)]
    production: Production
    test: Test
    backup: Backup = Backup()
    verify: Verify = Verify()
    diff: Diff = Diff()
    workflow: Workflow = Workflow()
    sandbox: Sandbox = Sandbox()
    git: Git = Git()
    github: Github = Github()
    lint: Lint = Lint()
    roles: Roles = Roles()
    guard: Guard = Guard()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A file without mistakes, and where it was found.

    ``root`` is the directory it was found in, ``found_at`` its name there, ``path`` the file behind that name (another
    one where it is a symbolic link). ``sha256`` is of the file's bytes: an agent that changes it is noticed.
    """

    root: Path
    found_at: Path
    path: Path
    sha256: str
    project: str
    production: Production
    test: Test
    backup: Backup
    verify: Verify
    diff: Diff
    workflow: Workflow
    sandbox: Sandbox
    git: Git
    github: Github
    lint: Lint
    roles: Roles
    guard: Guard

    @property
    def backup_directory(self) -> Path:
        """Where backups lie, absolute."""
        return self.root / self.backup.directory
