"""The probes of a sandbox as people and programs get to see them (pure)."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence.redact import one_line
from ringfence.report.schema import SCHEMA
from ringfence.sandbox.model import LAYER_TEXT, Attempt, Proof
from ringfence.sandbox.probe import Chosen


def document(chosen: Chosen) -> dict[str, Any]:
    """``{"sandbox": {"layer", "holds", "attempts": […]}, "rejected": […]}``."""
    return {
        "schema": SCHEMA,
        "sandbox": _proof(chosen.proof),
        "rejected": [_proof(proof) for proof in chosen.rejected if proof is not chosen.proof],
    }


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "layer": proof.layer,
        "holds": proof.holds,
        "problem": proof.problem,
        "gaps": list(proof.gaps),
        "attempts": [attempt.to_json() for attempt in proof.attempts],
    }


def text(chosen: Chosen) -> RenderableType:
    """Every attempt of the layer that holds, or of the best that does not."""
    proof = chosen.proof
    parts: list[RenderableType] = [
        Text.assemble(_outcome(a), f"  {one_line(a.name)}  ", (one_line(a.detail)[:60], "dim")) for a in proof.attempts
    ]
    heading = ("THE SANDBOX HOLDS", "bold green") if proof.holds else ("THE SANDBOX DOES NOT HOLD", "bold red")
    tail = proof.summary() if proof.holds else LAYER_TEXT[proof.layer]
    parts.append(Text.assemble(heading, f"  {tail}"))
    parts += [Text(f"  - {one_line(reason)}") for reason in proof.failures()]
    parts += [Text(f"  gap: {gap}", style="yellow") for gap in proof.gaps]
    for other in chosen.rejected:
        if other is not proof:
            parts.append(Text(f"  {LAYER_TEXT[other.layer]}: {'; '.join(other.failures()[:3])}", style="dim"))
    return Group(*parts)


def _outcome(attempt: Attempt) -> Text:
    if attempt.good:
        return Text("works   " if attempt.control else "denied  ", style="green")
    if attempt.control:
        return Text("DOES NOT WORK", style="bold red")
    return Text("NOT TRIED" if attempt.reached is None else "GOT THROUGH", style="bold red")
