"""What single values of `ringfence.toml` may be: each type checks itself and says what is wrong with a value (pure)."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator, Field

from ringfence.config.names import (
    ColumnName,
    TableName,
    checked_database,
    checked_role,
    parse_column_name,
    parse_table_name,
)
from ringfence.postgres.url import PASSWORD_ELSEWHERE, read_url
from ringfence.redact import one_line

EngineName = Literal["embedded", "docker", "server"]
RuleKind = Literal["exact", "append-only", "live", "ignore"]
SandboxMode = Literal["auto", "bwrap", "landlock", "none"]
RULE_KINDS: tuple[RuleKind, ...] = ("exact", "append-only", "ignore")
DumpFormat = Literal["custom", "directory"]
ENGINES: tuple[EngineName, ...] = ("embedded", "docker", "server")

MOST_INSTRUCTIONS = 100_000
"""In characters, and of a file in bytes."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_SETTING = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")
_MOST_JOBS = 64
_COMPRESSION_LEVELS = {"gzip": 9, "lz4": 12, "zstd": 22, "none": 0}
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
LIVE = TableRule(kind="live")
"""What `verify.live` makes of a table without a rule; it is never written for one table."""


def _port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise ValueError(f"{value} is not a port; ports are 1 to 65535")
    return value


def _at_least_one(value: int) -> int:
    if value < 1:
        raise ValueError(f"{value} is too small; at least 1 is kept")
    return value


def _jobs(value: int) -> int:
    if not 1 <= value <= _MOST_JOBS:
        raise ValueError(f"{value} is not a number of sessions; 1 to {_MOST_JOBS} are")
    return value


def _compression(value: str) -> str:
    algorithm, colon, level = value.partition(":")
    highest = _COMPRESSION_LEVELS.get(algorithm)
    if highest is None:
        known = ", ".join(_COMPRESSION_LEVELS)
        raise ValueError(f"{one_line(value[:80])!r} is no compression; there are {known}, such as zstd or zstd:3")
    if colon and not (re.fullmatch(r"[1-9][0-9]?", level) and int(level) <= highest):
        allowed = f"has the levels 1 to {highest}" if highest else "has no levels"
        raise ValueError(f"{one_line(value[:80])!r}: {algorithm} {allowed}")
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


def _retries(value: int) -> int:
    if not 0 <= value <= 5:
        raise ValueError(f"{value} is not 0 to 5; an agent that fails again and again needs a person")
    return value


def _instructions(value: str) -> str:
    if not value.strip() or "\0" in value or len(value) > MOST_INSTRUCTIONS:
        raise ValueError(f"instructions are 1 to {MOST_INSTRUCTIONS:,} characters, without the character NUL")
    return value


def _file_in_tree(value: str) -> str:
    path = PurePosixPath(value)
    if not path.parts or "\0" in value or path.is_absolute() or ".." in path.parts or value.startswith("~"):
        raise ValueError(f"{one_line(value)!r} is not the path of a file in the project, written from its root")
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
        raise ValueError(PASSWORD_ELSEWHERE)
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


def _client(value: str) -> str:
    if value == "local":
        return value
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError(
            f'{one_line(value)!r} is no address, no network without host bits (10.0.0.0/24) and not "local"'
        ) from None


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


def _repository(value: str) -> str:
    if not re.fullmatch(r"(?:[A-Za-z0-9.-]+\.[A-Za-z0-9-]+/)?[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}", value):
        raise ValueError(f'{one_line(value[:80])!r} is not a repository; it is written "owner/name"')
    return value


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


def _exclusion(value: str) -> str:
    if not value.strip():
        raise ValueError("a reason is needed: 'generated/**' = \"made by the code generator\"")
    return value.strip()


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
Directory = Annotated[str, AfterValidator(_directory)]
Jobs = Annotated[int, AfterValidator(_jobs)]
Compression = Annotated[str, AfterValidator(_compression)]
AtLeastOne = Annotated[int, AfterValidator(_at_least_one)]
Mirror = Annotated[str, AfterValidator(_mirror)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Rule = Annotated[TableRule, BeforeValidator(_rule)]
Command = Annotated[
    tuple[Annotated[str, AfterValidator(_argument)], ...], Field(strict=False), AfterValidator(_command)
]
Retries = Annotated[int, AfterValidator(_retries)]
Instructions = Annotated[str, AfterValidator(_instructions)]
FileInTree = Annotated[str, AfterValidator(_file_in_tree)]
Minutes = Annotated[float, AfterValidator(_minutes)]
Variable = Annotated[str, AfterValidator(_variable)]
Host = Annotated[str, AfterValidator(_host)]
Client = Annotated[str, AfterValidator(_client)]
PathText = Annotated[str, AfterValidator(_place)]
Repository = Annotated[str, AfterValidator(_repository)]
Rights = Annotated[tuple[str, ...], BeforeValidator(_rights)]
Reason = Annotated[str, AfterValidator(_reason)]
Exclusion = Annotated[str, AfterValidator(_exclusion)]
SettingName = Annotated[str, AfterValidator(_setting_name)]
Rows = Annotated[int, AfterValidator(_rows)]
