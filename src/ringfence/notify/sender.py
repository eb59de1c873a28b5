"""Comments are written beside the run, in a thread of their own: a slow or dead GitHub holds nothing up.

One comment is kept up to date; only its newest text matters, so texts that were never sent are replaced by later ones.
An alarm is a comment of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from ringfence import clock
from ringfence.notify.model import Channel, Issue, NotifyError

BETWEEN_EDITS_S = 2.0
_TRIES = 3


class Sender:
    """Owns the thread. ``comment`` is the id of the comment to keep up to date; None makes a new one.

    ``on_comment`` is called, in the thread, with the id of a comment that was made, so that a later process can go on
    with it.
    """

    def __init__(
        self,
        channel: Channel,
        issue: Issue,
        *,
        comment: int | None = None,
        on_comment: Callable[[int], None] = lambda _: None,
        between_edits_s: float = BETWEEN_EDITS_S,
    ) -> None:
        self._channel, self._issue, self._comment, self._on_comment = channel, issue, comment, on_comment
        self._between_s = between_edits_s
        self._changed = threading.Condition()
        self._progress: str | None = None
        self._shown: str | None = None
        self._alarms: deque[str] = deque()
        self._failed = 0
        self._gave_up = self._closing = False
        self._problems: list[str] = []
        self._thread = threading.Thread(target=self._work, name="ringfence-notify", daemon=True)
        self._thread.start()

    def update(self, body: str) -> None:
        """The text that the comment should have from now on. Returns at once."""
        with self._changed:
            self._progress = body
            self._changed.notify()

    def alarm(self, body: str) -> None:
        """A comment of its own. Returns at once."""
        with self._changed:
            self._alarms.append(body)
            self._changed.notify()

    def close(self, timeout_s: float = 15.0) -> tuple[str, ...]:
        """Wait a bounded time until everything is written; what could not be written, in words, once each."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        with self._changed:
            if self._thread.is_alive():
                self._problems.append(f"{self._issue}: no answer within {clock.seconds_text(timeout_s)}")
                self._gave_up = True
            return tuple(dict.fromkeys(self._problems))

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._closing or self._has_work()):
                    self._changed.wait()
                if self._gave_up or not self._has_work():
                    if self._closing or self._gave_up:
                        return
                    continue
                alarm = self._alarms[0] if self._alarms else None
                body = self._progress
            try:
                if alarm is not None:
                    self._channel.create(self._issue, alarm)
                    self._alarms.popleft()
                elif body is not None:
                    self._show(body)
                self._failed = 0
            except NotifyError as error:
                self._count(error)
            except Exception as error:  # a fault here must not be silent, and must not end more than the comments
                self._count(NotifyError(f"{type(error).__name__}: {error}", final=True))
            self._rest()

    def _has_work(self) -> bool:
        return bool(self._alarms) or self._progress != self._shown

    def _show(self, body: str) -> None:
        if self._comment is None:
            self._comment = self._channel.create(self._issue, body)
            self._on_comment(self._comment)
        else:
            self._channel.edit(self._issue, self._comment, body)
        self._shown = body

    def _count(self, error: NotifyError) -> None:
        with self._changed:
            self._failed += 1
            self._problems.append(f"{self._issue}: {error.message}")
            self._gave_up = error.final or self._failed >= _TRIES

    def _rest(self) -> None:
        # GitHub limits how often content is made; a run that ends does not wait for it.
        with self._changed:
            if not self._closing and not self._alarms:
                self._changed.wait_for(lambda: self._closing or bool(self._alarms), self._between_s)
            elif self._failed:
                self._changed.wait(0.2)
