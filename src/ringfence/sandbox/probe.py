"""Proves a layer by trying to get out of it, with the same words and environment as an agent gets."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ringfence import process
from ringfence.sandbox import attempts, captured, decoys
from ringfence.sandbox.decoys import Decoys
from ringfence.sandbox.launch import Sandbox
from ringfence.sandbox.machine import listening_sockets
from ringfence.sandbox.model import LAYERS, Attempt, Layer, Proof, Wanted
from ringfence.sandbox.policy import NotPossibleError

TIME_LIMIT_S = 40.0
_MOST_SOCKETS = 12

GAPS: dict[Layer, tuple[str, ...]] = {
    "bwrap-net": (),
    "bwrap": ("the same port numbers on other machines can be reached",),
    "landlock": (
        "the same port numbers on other machines can be reached",
        ".git/config and .git/hooks can be written (a change to them ends the run as a HALT)",
        "names of files in the work tree's hidden directories can be listed, their contents not read",
        "nothing new can be made directly in a directory that holds something hidden or protected",
    ),
    "none": (),
}


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What must be out of reach. Only what exists is tried: what is not there proves nothing.

    ``servers`` are addresses of production, its own first. ``hidden``, ``protected`` and ``immovable`` are places by a
    name for people, ``processes`` numbers by a name. ``psql`` is a command line that asks production for anything,
    ``remote`` where git would push. ``test_server`` is what must be in reach; None where it does not run.
    """

    production_port: int
    servers: tuple[tuple[str, int], ...]
    hidden: Mapping[str, Path] = field(default_factory=dict)
    backups: Mapping[str, Path] = field(default_factory=dict)
    protected: Mapping[str, Path] = field(default_factory=dict)
    immovable: Mapping[str, Path] = field(default_factory=dict)
    processes: Mapping[str, int] = field(default_factory=dict)
    psql: tuple[str, ...] = ()
    git: str | None = None
    remote: str | None = None
    test_server: tuple[str, int] | None = None
    web_port: int = 2345


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The layer that holds, with its proof, and what was found of those that were tried before it."""

    sandbox: Sandbox | None
    proof: Proof
    rejected: tuple[Proof, ...]


def choose(wanted: Wanted, targets: Targets, layers: Sequence[Layer], environment: Mapping[str, str]) -> Chosen:
    """The first layer that holds. ``sandbox`` is None where none does; the proof is then the best layer's."""
    rejected: list[Proof] = []
    for layer in layers:
        sandbox = Sandbox(layer=layer, wanted=wanted)
        proof = prove(sandbox, targets, environment)
        if proof.problem is not None:  # once more: a moment of trouble must not be the reason for a weaker layer
            proof = prove(sandbox, targets, environment)
        if proof.holds:
            return Chosen(sandbox=sandbox, proof=proof, rejected=tuple(rejected))
        rejected.append(proof)
    return Chosen(sandbox=None, proof=rejected[0], rejected=tuple(rejected))


def prove(sandbox: Sandbox, targets: Targets, environment: Mapping[str, str]) -> Proof:
    """Make every attempt in a sandbox. Nothing is raised: what could not be tried is a problem, never a pass."""
    problem = _never(sandbox, targets)
    if problem is not None:
        return Proof(layer=sandbox.layer, attempts=(), problem=problem)
    try:
        with decoys.standing(sandbox.wanted.worktree) as standing:
            found, problem = _attempt(sandbox, targets, standing, environment)
    except (OSError, NotPossibleError, process.ProgramError) as error:
        found, problem = (), str(error)
    return Proof(layer=sandbox.layer, attempts=found, problem=problem, gaps=GAPS[sandbox.layer])


def _never(sandbox: Sandbox, targets: Targets) -> str | None:
    """Why a layer is out of the question, before anything is tried."""
    if sandbox.layer not in LAYERS:
        return "there is no sandbox to prove"
    ports = {f.outside[1] for f in sandbox.wanted.forwards}
    if sandbox.layer != "bwrap-net" and ports & set(sandbox.wanted.denied_ports):
        return f"port {min(ports & set(sandbox.wanted.denied_ports))} is production's and would be reachable"
    if any(f.outside in targets.servers for f in sandbox.wanted.forwards):
        return f"port {targets.production_port} is production's and would be forwarded"
    return None


def _attempt(
    sandbox: Sandbox, targets: Targets, standing: Decoys, environment: Mapping[str, str]
) -> tuple[tuple[Attempt, ...], str | None]:
    worktree = sandbox.wanted.worktree
    described = document(sandbox, targets, standing)
    command = [str(Path(sys.executable).resolve()), "-I", "-S", str(Path(attempts.__file__).resolve())]
    done = captured.run(
        sandbox,
        [*command, json.dumps(described)],
        environment=environment,
        directory=worktree,
        limit_s=TIME_LIMIT_S,
    )
    problem = done.problem
    found, attempted, rest = _parse(done.printed)
    if problem is None and not 0 < attempted == len(found):
        problem = "not every attempt came to an end" if attempted else "the probes could not run"
    if problem is not None and rest:
        problem = f"{problem}: {rest}"
    return found, problem


def document(sandbox: Sandbox, targets: Targets, standing: Decoys) -> dict[str, Any]:
    """What `attempts` is told. Where a layer has a known gap (`GAPS`) what falls into it is left out."""
    partial = sandbox.layer == "landlock"
    sockets = [*standing.sockets, *listening_sockets()[:_MOST_SOCKETS]]
    protected = {n: p for n, p in targets.protected.items() if p.exists() and not (partial and ".git" in p.parts)}
    hidden = {n: p for n, p in targets.hidden.items() if _has_something(p)}
    if partial:  # names can be listed there; what counts is what is in the files
        hidden = {n: _first_file(p) or p for n, p in hidden.items()}
    return {
        "worktree": str(sandbox.wanted.worktree),
        "production_port": targets.production_port,
        "servers": list(targets.servers),
        "decoy_port": standing.port,
        "abstract": standing.abstract,
        "sockets": sorted({str(path) for path in sockets}),
        "unlisted": [
            ("127.0.0.1", targets.production_port),
            ("localhost", standing.port),
            ("ringfence-probe.invalid", 443),
        ],
        "hidden": {n: str(p) for n, p in hidden.items()} | {"a secret outside": str(standing.secret_file)},
        "backups": {n: str(p) for n, p in targets.backups.items() if p.exists()},
        "protected": {n: str(p) for n, p in protected.items()},
        "immovable": {} if partial else {n: str(p) for n, p in targets.immovable.items() if p.exists()},
        "secret_file": str(standing.secret_file),
        "processes": {"a process outside": standing.pid, **targets.processes},
        "psql": list(targets.psql),
        "git": targets.git,
        "remote": targets.remote,
        "test_server": targets.test_server,
        "web_port": targets.web_port,
        "own_network": sandbox.layer == "bwrap-net",
    }


def _has_something(path: Path) -> bool:
    try:
        return any(path.iterdir()) if path.is_dir() else path.stat().st_size > 0
    except OSError:
        return False


def _first_file(path: Path) -> Path | None:
    if path.is_file():
        return path
    return next((p for p in sorted(path.rglob("*")) if p.is_file() and _has_something(p)), None)


def _parse(said: bytes) -> tuple[tuple[Attempt, ...], int, str]:
    """The attempts, how many there should be, and the last line of whatever else was printed."""
    found: list[Attempt] = []
    attempted, rest = 0, ""
    for line in said.decode("utf-8", "replace").splitlines():
        try:
            document = json.loads(line)
            if "attempted" in document:
                attempted = int(document["attempted"])
            else:
                found.append(Attempt(**document))
        except (ValueError, TypeError):
            rest = line.strip() or rest
    return tuple(sorted(found, key=lambda a: (not a.control, a.name))), attempted, rest[:200]
