"""What a run shows on a terminal while it goes on: what is done now, for how long, and the agent's last lines."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from ringfence import clock

LINES = 8
_TICK_S = 0.25


class RunView:
    """The moving part of the screen. Lines that stay are printed above it by whoever prints.

    It is only a view: a terminal that went away ends it, and nothing else.
    """

    def __init__(self, screen: Console, label: str) -> None:
        self._screen = screen
        self._lock = threading.Lock()
        self._label, self._share, self._since_s = label, "", clock.monotonic_s()
        self._began_s = self._since_s
        self._lines: deque[str] = deque(maxlen=LINES)
        self._spinner = Spinner("dots")
        self._over = threading.Event()

    def begin(self, label: str) -> None:
        """Something else is done now; the last lines were of what was before it."""
        with self._lock:
            self._label, self._share, self._since_s = label, "", clock.monotonic_s()
            self._lines.clear()

    def share(self, text: str) -> None:
        """How far it is."""
        with self._lock:
            self._share = text

    def feed(self, text: str) -> None:
        """An agent's output, whole lines, with no control characters in it."""
        lines = [line.rstrip() for line in text[-20_000:].split("\n") if line.strip()]
        with self._lock:
            self._lines.extend(lines[-LINES:])

    def __rich__(self) -> Group:
        with self._lock:
            now = clock.monotonic_s()
            spent, whole = _watch_text(now - self._since_s), _watch_text(now - self._began_s)
            self._spinner.update(text=Text.assemble(self._label, self._share, (f"  {spent}, run {whole}", "dim")))
            lines = [Text(f"  │ {line.expandtabs(4)}", style="dim") for line in self._lines]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(self._spinner, *lines)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Keep it on the screen for as long as the block runs; then it is gone from there."""
        live = Live(self, console=self._screen, auto_refresh=False, transient=True)
        ticking = threading.Thread(target=self._tick, args=(live,), daemon=True)
        with contextlib.suppress(OSError):
            live.start()
        ticking.start()
        try:
            yield
        finally:
            self._over.set()
            ticking.join(2)
            with contextlib.suppress(OSError):
                live.stop()

    def _tick(self, live: Live) -> None:
        with contextlib.suppress(OSError):
            while not self._over.wait(_TICK_S):
                live.refresh()


def _watch_text(seconds: float) -> str:
    """``0:07``, ``12:40``, ``75:00``: minutes and seconds, as a watch shows them."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
