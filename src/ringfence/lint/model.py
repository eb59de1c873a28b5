"""What is known of the environments, what a file holds as far as rules care, and what a rule finds (pure).

Rules do not see syntax trees. Each language has a front end that folds a file into the same few things: texts with
what they are used for, numbers, calls, and values that fall back from one variable to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from ringfence.findings import Severity

Language = Literal["typescript", "javascript", "python", "shell", "yaml", "json", "dotenv", "toml", "markdown", "make"]

UNKNOWN = "\0"
"""Stands in a text for a part that only the running program knows."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One environment as a file could name it. ``hosts`` are names besides those of this machine."""

    web_port: int
    db_port: int
    database: str
    container: str
    volume: str
    hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What ringfence.toml says: which addresses are production's, and which are the test environment's."""

    production: Side
    test: Side

    @property
    def production_ports(self) -> tuple[int, int]:
        """Web and database."""
        return self.production.web_port, self.production.db_port


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something stands; ``line`` and ``column`` count from 1, ``start`` and ``end`` are bytes from 0."""

    line: int
    column: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a value is used for: the ``key`` it is given to (property, keyword, variable, setting), or the ``call`` it
    is an argument of, with the argument's number from 0."""

    key: str = ""
    call: str = ""
    argument: int = -1


@dataclass(frozen=True, kw_only=True)
class Text:
    """A string as the program would see it. ``values`` are all that it may be (each side of a ``||`` or ``?:``), with
    `UNKNOWN` for parts that are not known. ``constants`` are the values of named constants in it, which are reported
    where they are defined. ``literal`` says that the source holds it as one literal, which can be rewritten."""

    values: tuple[str, ...]
    place: Place
    use: Use = Use()
    constants: tuple[str, ...] = ()
    literal: bool = False


@dataclass(frozen=True, kw_only=True)
class Number:
    """A whole number in the source."""

    value: int
    place: Place
    use: Use = Use()


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call by the name it is written with (``page.goto``); ``arguments`` as far as they are texts."""

    name: str
    place: Place
    arguments: tuple[tuple[str, ...], ...] = ()
    keywords: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def last(self) -> str:
        """The method or function: ``goto`` of ``page.goto``."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """``A || B``: environment variables in the order in which they are tried, and the texts that come last."""

    variables: tuple[str, ...]
    defaults: tuple[str, ...]
    place: Place
    use: Use = Use()


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command of a script: its words as far as they are known, and the assignments before it."""

    words: tuple[str, ...]
    assignments: tuple[tuple[str, str], ...]
    place: Place


@dataclass(frozen=True, kw_only=True)
class Comment:
    """A comment, for suppressions. ``alone`` says that nothing else stands on its line."""

    text: str
    line: int
    alone: bool


@dataclass(frozen=True, kw_only=True)
class Code:
    """One file. ``variables`` are the environment variables that it reads. ``problem`` says why it could not be read
    or parsed; then there is nothing else in it that counts."""

    path: str
    language: Language
    source: bytes
    texts: tuple[Text, ...] = ()
    numbers: tuple[Number, ...] = ()
    calls: tuple[Call, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    commands: tuple[Command, ...] = ()
    comments: tuple[Comment, ...] = ()
    imports: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    document: object = None
    problem: str | None = None
    problem_line: int = 1

    @property
    def lines(self) -> list[str]:
        """The source by lines."""
        return self.source.decode("utf-8", "replace").split("\n")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A mechanical fix: these bytes are replaced."""

    start: int
    end: int
    replacement: bytes


@dataclass(frozen=True, kw_only=True)
class Hit:
    """What a rule found at a place. ``text`` is what offends, ``fix`` what to write instead."""

    place: Place
    text: str
    message: str
    fix: str
    severity: Severity | None = None
    edit: Edit | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. ``check`` gets a file and the facts; files that are none of its business give nothing."""

    name: str
    severity: Severity
    summary: str
    why: str
    check: Callable[[Code, Facts], Iterator[Hit]] = field(repr=False)


def fresh(text: Text, offends: Callable[[str], bool]) -> str | None:
    """The first value of a text that offends, unless one of its constants does by itself: that is reported where it
    is defined."""
    if any(offends(constant) for constant in text.constants):
        return None
    return next((value for value in text.values if offends(value)), None)
