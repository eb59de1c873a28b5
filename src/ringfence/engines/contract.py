"""The contract of every engine: whoever works with an environment's server knows these words and nothing else.

Three engines keep it: ``embedded`` (a server of one's own), ``docker`` (a container), ``server`` (one that exists
already). They differ in what they own. What an engine says about separation are facts that were looked up, never
conclusions: what they prove is decided elsewhere, by comparing those of two environments.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ringfence.engines.model import EngineKind, EngineStatus, EnvironmentName, Evidence, Place, Started
from ringfence.postgres.identity import Identity
from ringfence.postgres.programs import ClientPrograms
from ringfence.postgres.target import Target
from ringfence.process import Account

Agree = Callable[[str], bool]
"""Asks a person whether something may be done to a server that was there before."""


def nobody(question: str) -> bool:
    """The answer where nobody can be asked."""
    return False


Recognize = Callable[[str], None]
"""Looks at the system identifier of a server that was there before; raises IdentityError (7) for a wrong one."""


def anyone(system_identifier: str) -> None:
    """Where nothing is on record there is nothing to compare with."""


class Engine(Protocol):
    """One environment's server."""

    @property
    def kind(self) -> EngineKind:
        """Which engine this is, by the name it has in ringfence.toml."""
        ...

    @property
    def environment(self) -> EnvironmentName:
        """Whose server it is."""
        ...

    def target(self, database: str = "postgres", user: str | None = None) -> Target:
        """Where the administrator (or ``user``) connects. Nothing is started and nobody connects."""
        ...

    def clients(self, server_version_num: int) -> ClientPrograms:
        """pg_dump and pg_restore that understand a server (or a dump) of this version and can reach this server.

        Raises EngineError (2) where there are none.
        """
        ...

    def status(self) -> EngineStatus:
        """How the server is at this moment; never an error because it does not run."""
        ...

    def start(self, agree: Agree = nobody, recognize: Recognize = anyone) -> Started:
        """Make what is missing of what the engine owns, start it, and prove that it is the one meant.

        A server that was there before is shown to ``recognize`` before anything is done to it. Where starting takes a
        change of it, ``agree`` is asked. A second call changes nothing.
        Raises EngineError (2) with what to do, and IdentityError (7) where nobody agreed.
        """
        ...

    def stop(self) -> bool:
        """Stop what the engine owns; data stay. False when nothing was stopped: not running, or not the engine's."""
        ...

    def place(self, identity: Identity) -> Place | None:
        """Where the server that gave this identity keeps its data; None where that cannot be seen from here.

        Raises EngineError (2) where the engine's own programs do not answer.
        """
        ...

    def evidence(self) -> Evidence:
        """The facts by which two servers are told apart from outside. What could not be seen is in ``unknown``."""
        ...


class Containment(Protocol):
    """What keeps an embedded server in. The room that has one does not know engines, and this one does not know it."""

    def line(self, *, base: Path, programs: Path, account: Account | None) -> tuple[str, ...] | str:
        """The words before the server's command, which make it run as ``account``; or why there are none."""
        ...

    def holding(self, pid: int) -> str | None:
        """What keeps a running server in; None where nothing does."""
        ...
