"""What a person sees: progress on a terminal, plain lines elsewhere, one JSON object on stdout where asked for.

With ``--json`` everything but the object goes to standard error. Colour is for terminals only, and never where
``NO_COLOR`` is set (Rich honours it).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.status import Status
from rich.text import Text

from ringfence import clock
from ringfence.cli.live import RunView
from ringfence.errors import RingfenceError
from ringfence.report import schema

SAY_AGAIN_S = 10.0
_LOG_WIDTH = 120
"""Columns where there is no terminal: wide enough that no table of the product is broken in a log."""


class _Screen(RichConsole):
    """Rich, where what cannot be shown is lost and stops nothing: a run is verified although its reader has gone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = _LOG_WIDTH

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*objects, **options)
        except OSError:
            self.on_broken_pipe()

    def write_plain(self, text: str) -> None:
        """Text as it is: a hundred times as fast, for programs that print megabytes."""
        try:
            self.file.write(text)
            self.file.flush()
        except OSError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """From here on into nothing; Rich would end the process."""
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self.file.fileno())
        os.close(nothing)


class Console:
    """Implements the workflow's Progress. ``as_json`` keeps stdout for the one object."""

    def __init__(self, *, as_json: bool, data_on_stdout: bool = False) -> None:
        self.as_json = as_json
        self.data_on_stdout = data_on_stdout
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal that has no ✓ must not end a run
        self._out = _Screen(highlight=False, soft_wrap=True)
        self._err = _Screen(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._view: RunView | None = None
        self._said_at: dict[str, float] = {}

    @property
    def people(self) -> _Screen:
        """Where text for people goes."""
        return self._err if self.as_json or self.data_on_stdout else self._out

    @contextlib.contextmanager
    def working(self, label: str) -> Iterator[None]:
        """Show on a terminal that something is going on for as long as the block runs."""
        if not self.people.is_terminal:
            yield
            return
        with self.people.status(Text(label)) as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None

    @contextlib.contextmanager
    def following(self, label: str) -> Iterator[None]:
        """On a terminal, show what a run does now, for how long, and the agent's last lines, while the block runs.

        Elsewhere everything is printed as it comes.
        """
        if not self.people.is_terminal or self.people.is_dumb_terminal:
            yield
            return
        view = RunView(self.people, label)
        with view.shown():
            self._view = view
            try:
                yield
            finally:
                self._view = None

    def say(self, text: str) -> None:
        """One line about something that was done or begins."""
        if self._view is not None:
            self._view.begin(text)
        self.people.print(Text(f"  {text}", style="dim"))

    def advance(self, label: str, done: float, total: float) -> None:
        """On a terminal the moving line; elsewhere a plain line every `SAY_AGAIN_S` seconds."""
        share = f" {100 * min(done / total, 1):.0f} %" if total else ""
        if self._view is not None:
            self._view.share(share)
            return
        if self._status is not None:
            self._status.update(Text(f"{label}{share}"))
            return
        now = clock.monotonic_s()
        kind = label.split(" ")[0]
        since = self._said_at.setdefault(kind, now)
        if now - since >= SAY_AGAIN_S:
            self._said_at[kind] = now
            self.people.print(Text(f"  {label}{share}"))

    def agent(self, text: str) -> None:
        """An agent's output; it has no control characters any more, and no markup is read out of it."""
        if self._view is not None:
            self._view.feed(text)
            return
        self.people.write_plain(text)

    def show(self, content: RenderableType = "") -> None:
        """A part of a result for people."""
        self.people.print(content)

    @property
    def can_ask(self) -> bool:
        """Whether a person is there who could answer."""
        return sys.stdin.isatty() and self._err.is_terminal

    def ask(self, question: str) -> bool:
        """Whether a person at a terminal says yes; no where none is there. Only the whole word counts."""
        if not self.can_ask:
            return False
        moving = self._status
        if moving is not None:
            moving.stop()
        try:
            self._err.print(Text.assemble((f"{question} ", "bold"), "Type yes to agree: "), end="")
            return sys.stdin.readline().strip().lower() == "yes"
        finally:
            if moving is not None:
                moving.start()

    def data(self, text: str) -> None:
        """A piece of what the command is there to print, for another program to read."""
        self._out.write_plain(text)

    def result(self, document: Mapping[str, Any]) -> None:
        """The one object on stdout, where ``--json`` was given."""
        if self.as_json:
            self._out.write_plain(json.dumps(document, ensure_ascii=False) + "\n")

    def error(self, problem: RingfenceError) -> None:
        """A failure: for people on standard error, as an object on stdout where ``--json`` was given."""
        for number, line in enumerate(problem.message.split("\n")):
            self._err.print(Text.assemble(("ERROR: " if number == 0 else "       ", "bold red"), line))
        if problem.hint:
            self._err.print(Text.assemble(("HINT: ", "bold yellow"), problem.hint))
        self.result(schema.error(problem))
