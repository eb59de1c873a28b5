"""Bytes from one connection to another and back, many pairs in one loop. Standard library only.

A small loop over `selectors` and not asyncio: it is ready sooner, and a query through it takes less time.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable

_CHUNK_BYTES = 1 << 16
_MOST_WAITING_BYTES = 1 << 20


class _Side:
    """One connection of a pair: what waits to be sent to it, and whether it has said everything."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self.waiting = bytearray()
        self.heard_all = False
        self.told_all = False
        self.watched = 0
        self.dropped = False
        self.other: _Side = self


class Relay:
    """Owns the loop, the listeners and every pair."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._joined: list[tuple[socket.socket, socket.socket]] = []
        self.watch(self._wake_out, self._take_joined)

    def watch(self, source: socket.socket, act: Callable[[], None]) -> None:
        """Call ``act`` whenever there is something to read."""
        source.setblocking(False)
        self._selector.register(source, selectors.EVENT_READ, act)

    def join(self, one: socket.socket, other: socket.socket) -> None:
        """Connect two connections with each other, from any thread."""
        self._joined.append((one, other))
        with contextlib.suppress(OSError):
            self._wake_in.send(b"j")

    def run(self, is_over: Callable[[], bool]) -> None:
        """Work until it is over."""
        while not is_over():
            for key, events in self._selector.select():
                if isinstance(key.data, _Side):
                    self._serve(key.data, events)
                else:
                    key.data()

    def _take_joined(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_out.recv(4096)
        while self._joined:
            one, other = (_Side(connection) for connection in self._joined.pop())
            one.other, other.other = other, one
            self._attend(one)
            self._attend(other)

    def _serve(self, side: _Side, events: int) -> None:
        if side.dropped:
            return  # by its other side, in the same round
        try:
            if events & selectors.EVENT_WRITE and side.watched & selectors.EVENT_WRITE:
                self._send(side)
            if events & selectors.EVENT_READ and side.watched & selectors.EVENT_READ:
                self._read(side)
        except BlockingIOError:
            return
        except OSError:
            self._drop(side)
            return
        other = side.other
        if side.told_all and other.told_all and not side.waiting and not other.waiting:
            self._drop(side)
            return
        self._attend(side)
        self._attend(other)

    def _read(self, side: _Side) -> None:
        data = side.connection.recv(_CHUNK_BYTES)
        other = side.other
        if not data:
            side.heard_all = True
            self._finish(other)
        elif other.waiting:
            other.waiting += data
        else:
            sent = self._try_to_send(other, data)
            other.waiting += data[sent:]

    def _send(self, side: _Side) -> None:
        del side.waiting[: self._try_to_send(side, side.waiting)]
        self._finish(side)

    @staticmethod
    def _try_to_send(side: _Side, data: bytes | bytearray) -> int:
        try:
            return side.connection.send(data)
        except BlockingIOError:
            return 0

    @staticmethod
    def _finish(side: _Side) -> None:
        """Say that no more will come, once everything was sent."""
        if side.other.heard_all and not side.waiting and not side.told_all:
            side.told_all = True
            with contextlib.suppress(OSError):
                side.connection.shutdown(socket.SHUT_WR)

    def _attend(self, side: _Side) -> None:
        """Wait for what can happen next on one side."""
        wanted = 0
        if not side.heard_all and len(side.other.waiting) < _MOST_WAITING_BYTES:
            wanted |= selectors.EVENT_READ
        if side.waiting:
            wanted |= selectors.EVENT_WRITE
        if wanted == side.watched:
            return
        if not side.watched:
            self._selector.register(side.connection, wanted, side)
        elif wanted:
            self._selector.modify(side.connection, wanted, side)
        else:
            self._selector.unregister(side.connection)
        side.watched = wanted

    def _drop(self, side: _Side) -> None:
        for one in (side, side.other):
            if one.watched:
                self._selector.unregister(one.connection)
                one.watched = 0
            one.dropped = True
            one.connection.close()
