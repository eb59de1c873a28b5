"""The probes: denied in every layer, and every one of them able to fail."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ringfence.sandbox import attempts, decoys, probe
from ringfence.sandbox.launch import Sandbox
from ringfence.sandbox.model import Attempt, Forward, Proof

Stage = Any


def _targets(stage: Stage, port: int) -> probe.Targets:
    tree = stage.worktree
    return probe.Targets(
        production_port=port,
        servers=(("127.0.0.1", port), ("::1", port)),
        hidden={"the backups": tree / ".backups", "ssh": stage.home / ".ssh", "pgpass": stage.home / ".pgpass"},
        backups={"the backups": tree / ".backups"},
        protected={n: tree / n for n in ("ringfence.toml", ".git/config", ".git/hooks", ".claude/settings.json")},
        immovable={".git": tree / ".git", "the backups": tree / ".backups"},
        git="/usr/bin/git",
        remote=str(stage.base),
    )


def test_every_attempt_is_denied_in_every_layer(stage: Stage, layer: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as production:
        targets = _targets(stage, production.getsockname()[1])
        proof = probe.prove(Sandbox(layer=layer, wanted=stage.wanted), targets, stage.environment)
    assert proof.holds, proof.failures()
    assert len([a for a in proof.attempts if not a.control]) >= 50
    assert len({a.name for a in proof.attempts}) == len(proof.attempts)
    assert not list(stage.worktree.glob(".ringfence-probe*"))


def test_without_a_sandbox_the_attempts_get_through(stage: Stage) -> None:
    """An attempt that fails everywhere proves nothing: outside, each of these reaches what it tries."""
    with decoys.standing(stage.worktree) as standing:
        sandbox = Sandbox(layer="bwrap-net", wanted=stage.wanted)
        document = probe.document(sandbox, _targets(stage, standing.port), standing) | {"git": None}
        done = subprocess.run(
            [sys.executable, "-I", "-S", attempts.__file__, json.dumps(document)],
            env=stage.environment,
            capture_output=True,
            timeout=60,
            check=True,
        )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    reached = {line["name"] for line in lines if line.get("reached")}
    wanted = {
        *("abstract socket", "read a secret outside", "read the backups", "read ssh", "read pgpass"),
        *("write ringfence.toml", "replace ringfence.toml", "write .git/config", "write .git/hooks", "replace .git"),
        *("replace the backups", "write the backups", "signal a process outside", "environment of a process outside"),
        *("directory of a process outside", "files of a process outside", "trace a process outside", "privileges"),
        *("symbolic link to a secret", "hard link to a secret", "memory of a process outside"),
        *(f"socket {path}" for path in standing.sockets),
        f"tcp to production at 127.0.0.1:{standing.port}",
    }
    assert wanted <= reached, wanted - reached
    assert (stage.worktree / "ringfence.toml").read_text() == 'project = "x"\n'
    assert not list(stage.worktree.rglob("*ringfence-probe*"))


def test_a_layer_that_would_let_production_through_is_not_even_tried(stage: Stage) -> None:
    stage.want(forwards=(Forward(inside=("127.0.0.1", 4546), outside=("127.0.0.1", 4546)),), denied_ports=(4546,))
    for layer in ("bwrap-net", "bwrap", "landlock"):
        proof = probe.prove(Sandbox(layer=layer, wanted=stage.wanted), _targets(stage, 4546), stage.environment)
        assert not proof.holds and "production's" in proof.failures()[0]


def test_what_gets_through_is_named_and_the_next_layer_is_not_believed_either(stage: Stage) -> None:
    (stage.worktree / "leak").write_text("a secret that the policy forgot\n")
    targets = probe.Targets(production_port=1, servers=(("127.0.0.1", 1),), hidden={"leak": stage.worktree / "leak"})
    from tests.unit.sandbox.conftest import layers

    if not layers():
        pytest.skip("no sandbox: bubblewrap is not installed")
    chosen = probe.choose(stage.wanted, targets, layers(), stage.environment)
    assert chosen.sandbox is None and len(chosen.rejected) == len(layers())
    assert any("read leak got through" in reason for reason in chosen.proof.failures())


def test_a_sandbox_that_cannot_be_made_is_a_problem(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringfence.sandbox.bubblewrap.find", lambda: None)
    proof = probe.prove(Sandbox(layer="bwrap-net", wanted=stage.wanted), _targets(stage, 1), stage.environment)
    assert not proof.holds and proof.problem is not None and "not installed" in proof.problem


def test_a_program_in_place_of_bubblewrap_that_does_nothing_is_noticed(stage: Stage, monkeypatch: Any) -> None:
    monkeypatch.setattr("ringfence.sandbox.bubblewrap.find", lambda: Path("/bin/true"))
    proof = probe.prove(Sandbox(layer="bwrap-net", wanted=stage.wanted), _targets(stage, 1), stage.environment)
    assert not proof.holds and proof.problem is not None


def test_unknown_is_not_denied() -> None:
    denied = Attempt(name="a", control=False, reached=False, detail="")
    unknown = Attempt(name="b", control=False, reached=None, detail="RuntimeError: x")
    works = Attempt(name="c", control=True, reached=True, detail="")
    assert Proof(layer="bwrap", attempts=(denied, works)).holds
    assert not Proof(layer="bwrap", attempts=(denied, unknown)).holds
    assert not Proof(layer="bwrap", attempts=()).holds
    assert not Proof(layer="bwrap", attempts=(denied, works), problem="x").holds
