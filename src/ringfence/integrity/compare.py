"""The verdict: a database before and after, table by table, and everything else about it. Pure.

Every finding has one sentence. Something that changed outweighs what could not be checked, and that outweighs what is
allowed; both ``changed`` and ``unknown`` are a HALT.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ringfence.integrity import live_rules
from ringfence.integrity.live_rules import Attribution
from ringfence.integrity.model import (
    Comparison,
    Observation,
    OtherChange,
    Proof,
    RowChanges,
    TableComparison,
    TableDigest,
    TableName,
    TableRule,
    TableVerdict,
    Verdict,
)
from ringfence.integrity.state_diff import (
    NO_SETTINGS,
    SEQUENCE_STEPS_ALLOWED,
    Difference,
    StateDifferences,
    diff_states,
)
from ringfence.redact import one_line
from ringfence.wording import counted

EXACT = TableRule(rule="exact")


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A table with the sentence about it; None where there is nothing to say."""

    comparison: TableComparison
    reason: str | None


def differing(before: Observation, after: Observation) -> tuple[TableName, ...]:
    """The tables whose digest or existence differs, sorted: the caller compares the rows of those first.

    All of them when the digests were made with different seeds or by different algorithms.
    """
    old, new = _digests(before), _digests(after)
    if not _comparable(before, after):
        return tuple(sorted(old.keys() | new.keys()))
    return tuple(sorted(t for t in old.keys() | new.keys() if not _same(old.get(t), new.get(t))))


def compare(
    before: Observation,
    after: Observation,
    *,
    rules: Mapping[TableName, TableRule],
    changes: Mapping[TableName, RowChanges | None],
    proof: Proof,
    proof_reasons: tuple[str, ...] = (),
    live: Attribution | None = None,
    own_settings: Mapping[str, str] = NO_SETTINGS,
) -> Comparison:
    """The verdict on ``after`` with ``before`` as its baseline.

    A table without a rule is exact. ``changes`` holds, for tables that `differing` named, how many rows were inserted,
    updated and deleted; a table without an entry, or with None, was not compared row by row. ``live`` is who wrote
    what, where the application goes on writing: then rules allow what it did, and nothing else. ``own_settings`` are
    the settings that this tool gives the server. Rules are about rows: a table that was created or dropped is a change
    whatever its rule, because nobody agreed to lose it.
    """
    comparable = _comparable(before, after)
    old, new = _digests(before), _digests(after)
    tables = [
        _judge_table(
            table,
            old.get(table),
            new.get(table),
            rule=rules.get(table, EXACT),
            changes=changes.get(table),
            comparable=comparable,
            live=live,
        )
        for table in sorted(old.keys() | new.keys())
    ]
    identity, unknown = _identity_differences(before, after)
    if comparable:
        limited = not before.identity.superuser and not after.identity.superuser
        steps = SEQUENCE_STEPS_ALLOWED + (live.steps if live is not None else 0)
        state = diff_states(before.state, after.state, limited=limited, steps=steps, own=own_settings)
    else:
        said = "the baseline was taken with other seeds or by another algorithm: its digests say nothing about this one"
        state = StateDifferences(differences=(), unknown=(said,))
    other = sorted([*identity, *state.differences], key=lambda d: (d.change.kind, d.change.object, d.reason))
    unknown = [*unknown, *state.unknown, *(live.definitions if live is not None else ())]
    return Comparison(
        verdict=_verdict(tables, other, unknown),
        proof=proof,
        tables=tuple(t.comparison for t in tables),
        other=tuple(d.change for d in other),
        reasons=(*_reasons(tables, other, unknown), *state.hidden, *_hidden_settings(before, after)),
        proof_reasons=proof_reasons,
    )


def _hidden_settings(before: Observation, after: Observation) -> tuple[str, ...]:
    """Settings that only some roles see are not there for others, which no comparison shows."""
    if before.identity.data_directory is None and after.identity.data_directory is None:
        return ("not compared: settings that only members of pg_read_all_settings see",)
    return ()


def _digests(observation: Observation) -> dict[TableName, TableDigest]:
    return {digest.table: digest for digest in observation.tables}


def _comparable(before: Observation, after: Observation) -> bool:
    return (before.seeds, before.algorithm) == (after.seeds, after.algorithm)


def _same(old: TableDigest | None, new: TableDigest | None) -> bool:
    return old is not None and new is not None and (old.rows, old.fingerprint) == (new.rows, new.fingerprint)


def _judge_table(
    table: TableName,
    old: TableDigest | None,
    new: TableDigest | None,
    *,
    rule: TableRule,
    changes: RowChanges | None,
    comparable: bool,
    live: Attribution | None,
) -> _Judged:
    verdict, said = _table_verdict(old, new, rule=rule, changes=changes, comparable=comparable)
    if comparable and live is not None and old is not None and new is not None and said is not None:
        verdict, said = live_rules.judge(table, old, new, rule=rule, changes=changes, live=live, plain=(verdict, said))
    comparison = TableComparison(
        table=table,
        rule=rule,
        rows_before=old.rows if old else None,
        rows_after=new.rows if new else None,
        changes=None if verdict == "unchanged" else changes,
        verdict=verdict,
    )
    return _Judged(comparison=comparison, reason=f"table {table_text(table)}: {said}" if said else None)


def _table_verdict(
    old: TableDigest | None,
    new: TableDigest | None,
    *,
    rule: TableRule,
    changes: RowChanges | None,
    comparable: bool,
) -> tuple[TableVerdict, str | None]:
    """The verdict on one table and the words for it, without its name."""
    if old is None or new is None:
        is_gone = new is None
        digest = old or new
        assert digest is not None
        rows = counted(digest.rows, "row")
        return "changed", f"dropped (it had {rows})" if is_gone else f"created (it has {rows})"
    if not comparable:
        return "unknown", f"cannot be compared with this baseline ({_totals(old, new)})"
    if _same(old, new):
        return "unchanged", None
    said = f"{_what_changed(changes)} ({_totals(old, new)})"
    if rule.rule == "ignore":
        return "allowed", f"{said}; ignored: {one_line(rule.reason or 'no reason given')}"
    if rule.rule == "append-only":
        return _append_only(old, new, changes, said)
    if rule.rule == "live":
        return "unknown", f"{said}; who did it was not looked at"
    return "changed", said


def _append_only(old: TableDigest, new: TableDigest, changes: RowChanges | None, said: str) -> tuple[TableVerdict, str]:
    """Rows may have been added, nothing else. Counts that contradict each other prove nothing."""
    if changes is None:
        if new.rows <= old.rows:
            return "changed", f"{said}; it may only grow"
        return "unknown", f"{said}; it may only grow; rows not compared"
    if changes.updated or changes.deleted or not changes.inserted:
        return "changed", f"{said}; it may only grow"
    if old.rows + changes.inserted != new.rows:
        return "unknown", f"{said}; the number of rows inserted does not add up"
    return "allowed", f"{said}; it may grow"


def _what_changed(changes: RowChanges | None) -> str:
    """``2 rows updated, 1 row deleted``"""
    if changes is None:
        return "rows differ"
    counts = ((changes.inserted, "inserted"), (changes.updated, "updated"), (changes.deleted, "deleted"))
    return ", ".join(f"{counted(n, 'row')} {word}" for n, word in counts if n) or "rows differ"


def _totals(old: TableDigest, new: TableDigest) -> str:
    if old.rows == new.rows:
        return f"{counted(old.rows, 'row')} before and after"
    return f"{counted(old.rows, 'row')} before, {new.rows:,} after"


def table_text(table: TableName) -> str:
    """``"film"``, or ``"sales"."film"`` outside the schema public: always quoted, always on one line."""
    parts = [table.name] if table.schema == "public" else [table.schema, table.name]
    return ".".join('"' + one_line(part).replace('"', '""') + '"' for part in parts)


def _identity_differences(before: Observation, after: Observation) -> tuple[list[Difference], list[str]]:
    """Another server, database or timeline, or a server that went back in time: traces of a swap at file level."""
    old, new = before.identity, after.identity
    pairs = (
        ("system identifier", old.system_identifier, new.system_identifier),
        ("database oid", str(old.database_oid), str(new.database_oid)),
        ("timeline", str(old.timeline), str(new.timeline)),
    )
    found = [_identity_difference(name, was, now) for name, was, now in pairs if was != now]
    if old.system_identifier != new.system_identifier:
        return found, []
    positions = parse_lsn(before.wal_position), parse_lsn(after.wal_position)
    if positions[0] is None or positions[1] is None:
        shown = one_line(f"{before.wal_position!r} and {after.wal_position!r}")
        return found, [f"server: the positions in the WAL cannot be compared: {shown}"]
    if positions[1] < positions[0]:
        found.append(_identity_difference("position in the WAL", before.wal_position, after.wal_position))
    return found, []


def _identity_difference(name: str, was: str, now: str) -> Difference:
    change = OtherChange(kind="setting", object=f"server: {name}", before=one_line(was), after=one_line(now))
    return Difference(change=change, reason=f"server: {name} was {one_line(was)}, now {one_line(now)}")


def parse_lsn(position: str) -> int | None:
    """The byte position of ``16/B374D848``; None for anything that is none."""
    high, slash, low = position.partition("/")
    try:
        return (int(high, 16) << 32) + int(low, 16) if slash else None
    except ValueError:
        return None


def _verdict(tables: Sequence[_Judged], other: Sequence[Difference], unknown: Sequence[str]) -> Verdict:
    verdicts = {t.comparison.verdict for t in tables}
    if "changed" in verdicts or any(not d.change.allowed for d in other):
        return "changed"
    if "unknown" in verdicts or unknown:
        return "unknown"
    return "allowed" if "allowed" in verdicts or other else "unchanged"


def _reasons(tables: Sequence[_Judged], other: Sequence[Difference], unknown: Sequence[str]) -> tuple[str, ...]:
    """One sentence a finding: what changed, what is unknown, what is allowed; tables first in each."""

    def of_tables(verdict: TableVerdict) -> Iterator[str]:
        return (t.reason for t in tables if t.comparison.verdict == verdict and t.reason)

    def of_others(*, allowed: bool) -> Iterator[str]:
        return (d.reason for d in other if d.change.allowed == allowed)

    return (
        *of_tables("changed"),
        *of_others(allowed=False),
        *of_tables("unknown"),
        *unknown,
        *of_tables("allowed"),
        *of_others(allowed=True),
    )


def table_json(table: TableComparison) -> dict[str, Any]:
    """One entry of ``tables`` in what ``verify --json`` prints; counts are null where rows were not compared."""
    changes = table.changes
    if changes is None and table.verdict == "unchanged":
        changes = RowChanges(inserted=0, updated=0, deleted=0)
    return {
        "schema": table.table.schema,
        "name": table.table.name,
        "rule": table.rule.rule,
        "rows_before": table.rows_before,
        "rows_after": table.rows_after,
        "inserted": changes.inserted if changes else None,
        "updated": changes.updated if changes else None,
        "deleted": changes.deleted if changes else None,
        "verdict": table.verdict,
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """What ``verify --json`` prints, but for the baseline's id, which the caller knows."""
    return {
        "verdict": comparison.verdict,
        "proof": comparison.proof,
        "tables": [table_json(t) for t in comparison.tables],
        "other": [{"kind": c.kind, "object": c.object, "before": c.before, "after": c.after} for c in comparison.other],
        "reasons": list(comparison.reasons),
        "proof_reasons": list(comparison.proof_reasons),
    }
