"""A repair as a person reads it on a terminal (pure)."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence import clock
from ringfence.integrity.compare import table_text
from ringfence.integrity.repair_plan import TablePlan
from ringfence.redact import one_line
from ringfence.wording import counted
from ringfence.workflow.repairs.repair import Repaired
from ringfence.workflow.repairs.repair_plan import RepairPlan, counts_text

_MOST = 20


def planned(plan: RepairPlan, backup: str) -> RenderableType:
    """What is going to be done."""
    if plan.is_empty:
        parts: list[RenderableType] = [Text.assemble(("NO ROW TO REPAIR", "bold green"), f"  against {backup}")]
    else:
        parts = [Text.assemble((f"REPAIR OF {counts_text(plan)}".upper(), "bold yellow"), f"  back to {backup}")]
    parts += [Text(f"  {line}") for line in (*map(table_line, filter(_says, plan.tables)), *sequence_lines(plan))]
    return Group(*parts, *_remains(plan))


def repaired(result: Repaired) -> RenderableType:
    """What was done, and what the verification after it says."""
    plan, verified = result.plan, result.verified
    parts: list[RenderableType] = []
    if result.applied is None:
        parts.append(planned(plan, result.backup))
    else:
        parts.append(
            Text.assemble(
                ("REPAIRED", "bold green"),
                f"  {counts_text(plan)}, back to {result.backup}; committed after the fingerprints were equal; "
                f"{clock.seconds_text(result.seconds)}",
            )
        )
        parts += [Text(f"  {line}") for line in (*map(table_line, filter(_says, plan.tables)), *sequence_lines(plan))]
        if result.applied.overwritten:
            parts.append(Text(f"  {result.applied.overwritten} newer rows gave way", style="yellow"))
        parts += _remains(plan)
    if result.evidence is not None:
        parts.append(Text(f"  the damaged state is kept: {result.evidence.dump_path}", style="dim"))
    if verified is not None:
        if verified.passed:
            parts.append(Text.assemble(("VERIFIED", "bold green"), f"  {verified.comparison.verdict}"))
            parts.append(Text("If a run stands as a HALT: 'ringfence resolve RUN --reason TEXT' lets work go on."))
        else:
            parts.append(Text.assemble(("DAMAGE REMAINS", "bold red"), f"  verdict: {verified.comparison.verdict}"))
            parts += [Text(f"  - {one_line(r)}") for r in verified.comparison.reasons[:_MOST]]
            parts.append(Text("What is not rows is brought back by 'ringfence restore'."))
    return Group(*parts)


def table_line(plan: TablePlan) -> str:
    """``"SKU": 1 row set back, 2 put back, 1 removed; 3 new rows stay``"""
    words = (
        (plan.count("change back", "replace"), "set back"),
        (plan.count("put back"), "put back"),
        (plan.count("remove"), "removed"),
    )
    told = ", ".join(f"{number:,} {word}" for number, word in words if number) or "nothing to do"
    staying = len(plan.staying)
    rest = f"; {staying:,} new {'row stays' if staying == 1 else 'rows stay'} (append-only)" if staying else ""
    return f"{table_text(plan.facts.name)}: {told}{rest}"


def sequence_lines(plan: RepairPlan) -> tuple[str, ...]:
    """``sequence public.SKU_id_seq: 7 becomes 100``"""
    return tuple(
        f"sequence {one_line(s.schema)}.{one_line(s.name)}: {s.was} becomes {s.last_value}" for s in plan.sequences
    )


def _says(plan: TablePlan) -> bool:
    return bool(plan.acts or plan.staying)


def _remains(plan: RepairPlan) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(f"  not repaired: {one_line(r)}", style="red") for r in plan.remains[:_MOST]]
    if len(plan.remains) > _MOST:
        parts.append(Text(f"  and {len(plan.remains) - _MOST} more that are not repaired", style="red"))
    if plan.remains:
        parts.append(Text("  tables, columns and other objects are brought back by 'ringfence restore'", style="dim"))
    if plan.definitions:
        number = counted(len(plan.definitions), "statement")
        parts.append(
            Text(
                f"  {number} for definitions and large objects: at the end of what 'ringfence repair' prints",
                style="dim",
            )
        )
    return parts
