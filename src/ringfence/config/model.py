"""The settings as `ringfence.toml` may hold them: one frozen model per section.

What a single value may be is in `values`, what two values together must not say in `checks`. The defaults are the
protection strategy's; names that depend on the project are filled in by `load` before these models see them. The text
below a key is its page in docs/reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ringfence.config.names import SEED_PROJECT, TableName, checked_project, names_for
from ringfence.config.presets import PresetName
from ringfence.config.values import (
    EXACT,
    LIVE,
    AtLeastOne,
    Client,
    Command,
    Compression,
    Database,
    Directory,
    DockerName,
    DumpFormat,
    Endpoint,
    EngineName,
    Exclusion,
    FileInTree,
    HookedAgent,
    Host,
    Image,
    Instructions,
    Jobs,
    MaskedColumn,
    Minutes,
    Mirror,
    PathText,
    Port,
    Reason,
    Repository,
    Retries,
    Rights,
    Role,
    Rows,
    Rule,
    SafeName,
    SandboxMode,
    SettingName,
    Table,
    TableRule,
    Url,
    Variable,
)

_SEED = names_for(SEED_PROJECT)


class _Section(BaseModel):
    # hide_input_in_errors: a value may hold a secret, and pydantic's own text would show it. (use_attribute_docstrings
    # would read this file and parse it at every start of the command; cli/reference.py does when it is asked to.)
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Production(_Section):
    """The environment that is protected."""

    engine: EngineName = "embedded"
    """Where the server runs: made by Ringfence, in a container, or one that exists already."""
    web_port: Port = 4545
    """Where the running application answers; tests must never name it."""
    db_port: Port = 4546
    """Where the server listens, for the engines `embedded` and `docker`."""
    database: Database = _SEED.database
    """The database that is protected."""
    admin_role: Role = _SEED.admin_role
    """Migrations, backups, restores. The application never uses it."""
    app_role: Role = _SEED.app_role
    """The running application: SELECT, INSERT, UPDATE, and no way to DELETE."""
    container: DockerName | None = None
    """The container's name, for the engine `docker`."""
    volume: DockerName | None = None
    """The volume that holds the data, for the engine `docker`. `down` never removes it."""
    image: Image | None = None
    """The image that a new container is made from."""
    url: Url | None = None
    """`postgresql://role@host:port/database`, for the engine `server`. No password: it stands in the pgpass file."""


class Test(_Section):
    """The environment that agents may use and that every run makes anew."""

    __test__ = False  # not for pytest

    engine: EngineName = "embedded"
    """As for production; the two may differ."""
    web_port: Port = 2345
    """Where agents and tests run the application."""
    db_port: Port = 2346
    """Where the test server listens."""
    database: Database = _SEED.test_database
    """The database that agents work on. Every reseed makes it anew."""
    role: Role = _SEED.test_role
    """The superuser of the test server, for agents and tests. It exists nowhere else."""
    container: DockerName | None = None
    """The container's name, for the engine `docker`."""
    volume: DockerName | None = None
    """The volume that holds the data, for the engine `docker`."""
    image: Image | None = None
    """The image that a new container is made from."""
    url: Url | None = None
    """A test server that exists already, for the engine `server`."""


class Backup(_Section):
    """Where backups lie and how many are kept. A relative directory is relative to the project's root."""

    directory: Directory = ".backups"
    """Where backups lie. It is hidden from agents and never committed."""
    format: DumpFormat = "custom"
    """How a dump lies on disk: `custom` is one file that one session writes, `directory` has a file for each table and
    is written by several sessions at once. Both are restored by several."""
    jobs: Jobs | None = None
    """How many sessions write a `directory` dump, and how many a restore of either format takes. Without it half of the
    processors dump (one with `load = "gentle"`), and one more restore."""
    compression: Compression = "gzip:2"
    """`gzip`, `lz4`, `zstd` with a level or without (`zstd:3`), or `none`. `lz4` and `zstd` need PostgreSQL 16 or
    newer, built with them; a backup is refused before it begins where a program that must write or read it is not."""
    keep: AtLeastOne = 5
    """How many sound backups stay. The newest proven one, pinned ones and baselines of open runs stay besides."""
    mirror: Mirror | None = None
    """A second place: a directory elsewhere, or `s3://bucket/prefix`."""
    mirror_endpoint: Endpoint | None = None
    """The address of an S3-compatible store that is not Amazon's."""
    mirror_encrypt: bool = False
    """Encrypt what goes to the mirror, with a key in the project's configuration directory."""


class Verify(_Section):
    """Which tables are shown by name, what may happen to a table, and how much of production reading may take. All
    tables are compared in any case."""

    load: Literal["normal", "gentle"] = "normal"
    """`gentle` reads with one session and pauses, for a production that is busy."""
    watch: Annotated[tuple[Table, ...], Field(strict=False)] = ()
    """Tables that are always shown by name, written as in SQL."""
    rules: dict[Table, Rule] = Field(default_factory=dict)
    """What may happen to a table during a run: `exact`, `append-only`, or `ignore` with a reason."""
    live: bool = False
    """The application goes on writing during runs: tables without a rule of their own may be inserted into and updated
    by the application, and by nobody else. It needs the triggers of `ringfence live apply`."""
    live_clients: Annotated[tuple[Client, ...], Field(strict=False)] = ()
    """With `live`: the addresses and networks that the application connects from (`"10.0.0.0/24"`, `"local"` for a
    socket file); from anywhere, when left out."""

    def rule_for(self, schema: str, name: str) -> TableRule:
        """The rule for a table: one with its schema goes before one without, and without any it is `exact`, or `live`
        where the application goes on writing."""
        for key in (TableName(schema=schema, name=name), TableName(schema=None, name=name)):
            if key in self.rules:
                return self.rules[key]
        return LIVE if self.live else EXACT

    def is_watched(self, schema: str, name: str) -> bool:
        """Whether the table is shown by name."""
        return TableName(schema=schema, name=name) in self.watch or TableName(schema=None, name=name) in self.watch


class Diff(_Section):
    """What ``diff`` must not show: columns by name, ``password`` for every table or ``"Customer".email`` for one."""

    mask: Annotated[tuple[MaskedColumn, ...], Field(strict=False)] = ()
    """Columns whose values are never shown."""


class Agent(_Section):
    """One program of the workflow; its prompt comes on standard input."""

    name: SafeName
    """Part of file names and of the journal."""
    preset: PresetName | None = None
    """An agent that is known: `claude`, `codex`, `gemini`, `cursor-agent` or `copilot`. It fills in `command`, and lets
    that agent see and reach what it needs. It needs a sandbox: known agents are started without asking anybody."""
    command: Command
    """The program and its arguments; no shell reads it. The task comes on standard input. Left out with `preset`; given
    with it, it is used (`["claude", "-p", "--agent", "build"]`)."""
    timeout_minutes: Minutes = 60.0
    """After this the agent and all it started are ended, and production is verified."""
    retries: Retries = 0
    """How often the agent is started again when it has failed or run out of time, 0 to 5. Only where production is
    shown to be unchanged and nothing of the failed attempt is left. The test database is made anew before, so what
    agents before it did to that database is gone, too; the work tree stays as the failed attempt left it."""
    instructions: Instructions | None = None
    """What only this agent is told, before the task."""
    instructions_file: FileInTree | None = None
    """A file in the project that holds the instructions, by its path from the root. It is read before the first agent
    starts. Instead of `instructions`."""

    @property
    def timeout_s(self) -> float:
        """The time limit in seconds."""
        return self.timeout_minutes * 60


class Workflow(_Section):
    """The agents, in the order in which they run, and the variables of the caller that they may see."""

    name: SafeName = "orchestrate3"
    """The name of the workflow in messages."""
    agents: Annotated[tuple[Agent, ...], Field(strict=False)] = ()
    """The agents, in order."""
    pass_environment: Annotated[tuple[Variable, ...], Field(strict=False)] = ()
    """Variables of yours that agents may see, by name, besides those of the test environment."""


class Sandbox(_Section):
    """What holds the agents in, and what it lets through besides the test environment.

    ``auto`` takes the strongest layer that holds on this machine and refuses to run agents where none does; ``none`` is
    only ever written by a person. Paths are absolute, or begin with ``~/``.
    """

    mode: SandboxMode = "auto"
    """`auto` is the strongest that holds here; `none` lets agents run as you."""
    allow_hosts: Annotated[tuple[Host, ...], Field(strict=False)] = ()
    """Hosts that agents reach over https besides their model's: `api.example.com`, `*.example.com`."""
    allow_ports: Annotated[tuple[Port, ...], Field(strict=False)] = ()
    """Other services of the test environment on this machine."""
    allow_read: Annotated[tuple[PathText, ...], Field(strict=False)] = ()
    """What agents may read besides the work tree, the system and their own settings."""
    allow_write: Annotated[tuple[PathText, ...], Field(strict=False)] = ()
    """Where else agents may write."""
    hide: Annotated[tuple[PathText, ...], Field(strict=False)] = ()
    """What agents must not see, although it would be shown."""


class Git(_Section):
    """What happens to the agents' work after production was found unchanged."""

    commit: bool = True
    """Commit what the agents changed, after production was found unchanged."""
    push: bool = True
    """Push that commit."""


class Guard(_Section):
    """The hook in the agents. ``required`` names agents without whose hook no run starts; ``allow_tools`` tools of MCP
    servers that may work on a database (``mcp__postgres__query``)."""

    required: Annotated[tuple[HookedAgent, ...], Field(strict=False)] = ()
    """Agents without whose hook no run starts."""
    allow_tools: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Tools of MCP servers that may work on a database, by their full name."""


class Github(_Section):
    """Comments on the issue of a run. The token comes from the environment or from ``gh``, never from a file here."""

    comment: bool = True
    """Tell the issue of a run how it goes, where a token or `gh` is there."""
    repository: Repository | None = None
    """`"owner/name"`; the remote's, when left out."""


class Roles(_Section):
    """What the app role may do in production beyond the strategy's grants, and what a person has judged.

    ``tables`` narrows the rights on single tables, ``accept`` turns a finding (``rule object``) into a remark, with the
    reason. ``max_rows`` bounds the rows of one statement of the app, at the level strict.
    """

    level: Literal["standard", "strict"] = "standard"
    """`strict` adds column rights, no TEMP, bounded values and a history of overwritten rows."""
    max_rows: Rows | None = None
    """The most rows one statement of the application may change, at the level strict."""
    max_value_bytes: Rows = 50_000_000
    """The longest value the application may write, at the level strict."""
    member_of: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Roles that the app role may be a member of."""
    superusers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Superusers that are meant to be there besides the admin role."""
    guards: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Schemas and functions of your own that guard data and are not touched."""
    tables: dict[Table, Rights] = Field(default_factory=dict)
    """Narrower rights on single tables."""
    accept: dict[str, Reason] = Field(default_factory=dict)
    """Findings of the audit that a person has judged (`rule object`), each with the reason."""
    settings: dict[SettingName, str] = Field(default_factory=lambda: {"idle_in_transaction_session_timeout": "10min"})
    """Settings of the app role; others it has are reset."""


class Lint(_Section):
    """Files that `ringfence lint` does not look at, by pattern, each with the reason."""

    exclude: dict[str, Exclusion] = Field(default_factory=dict)
    """Patterns of files that are not looked at, each with the reason."""


class Document(_Section):
    """The whole file. Production and test must be there: which database is protected is not guessed."""

    project: Annotated[str, AfterValidator(checked_project)]
    """The project's name: databases, roles, backups and directories are named after it."""
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
