"""The objects behind ``--json`` (pure): stable keys, versioned by ``schema``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ringfence import clock
from ringfence.backup.model import Entry, Kept, Manifest
from ringfence.config.names import ColumnName
from ringfence.engines.model import EngineStatus
from ringfence.journal.model import RunState
from ringfence.report import diff_view
from ringfence.report.schema import SCHEMA
from ringfence.workflow.backups.backup import Created
from ringfence.workflow.backups.reseed import Reseeded
from ringfence.workflow.comparison import verify
from ringfence.workflow.comparison.diff import Diffed
from ringfence.workflow.comparison.verify import Verified
from ringfence.workflow.repairs.repair import Repaired
from ringfence.workflow.runs.after import Ended
from ringfence.workflow.servers.overview import Overview


def backup(manifest: Manifest, directory: str) -> dict[str, Any]:
    """One backup."""
    return {
        "id": manifest.id,
        "file": f"{directory}/{manifest.file}",
        "manifest": f"{directory}/{manifest.id}.manifest.json",
        "issue": manifest.issue,
        "created_at": clock.iso(manifest.created_at),
        "sequence": manifest.sequence,
        "bytes": manifest.size_bytes,
        "sha256": manifest.sha256,
        "server_version": manifest.server_version,
        "tables": list(manifest.baseline.get("tables", [])),
    }


def created(result: Created, directory: str) -> dict[str, Any]:
    """``backup create``."""
    return {
        "schema": SCHEMA,
        "backup": backup(result.manifest, directory),
        "removed": list(result.removed),
        "kept": kept(result.kept),
        "mirror_problem": result.mirror_problem,
        "seconds": round(result.seconds, 3),
    }


def kept(entries: Sequence[Kept]) -> list[dict[str, str]]:
    """Backups that stay, each with its reason."""
    return [{"id": k.id, "reason": k.reason} for k in entries]


def backups(
    entries: Sequence[Entry],
    reasons: Sequence[Kept],
    foreign: Sequence[str],
    directory: str,
    mirrored: frozenset[str] = frozenset(),
    mirror_problem: str | None = None,
) -> dict[str, Any]:
    """``backup list``."""
    told = {k.id: k.reason for k in reasons}
    return {
        "schema": SCHEMA,
        "backups": [
            (backup(e.manifest, directory) if e.manifest else {"id": e.id})
            | {
                "problem": e.problem,
                "reason": told.get(e.id),
                "proven": e.is_proven,
                "proven_by": e.marks.proven_by,
                "mirrored": e.id in mirrored,
                "pinned": e.marks.pinned_at is not None,
            }
            for e in entries
        ],
        "foreign": list(foreign),
        "only_in_the_mirror": sorted(mirrored - {e.id for e in entries}),
        "mirror_problem": mirror_problem,
    }


def reseeded(result: Reseeded) -> dict[str, Any]:
    """``reseed``."""
    return {
        "schema": SCHEMA,
        "backup": result.backup,
        "database": result.database,
        "tables": result.tables,
        "rows": result.rows,
        "proven": True,
        "reference_reused": result.reference_reused,
        "seconds": round(result.seconds, 3),
    }


def verified(result: Verified) -> dict[str, Any]:
    """``verify`` and ``post``."""
    return {"schema": SCHEMA, **verify.as_json(result)}


def run(state: RunState) -> dict[str, Any]:
    """``run``, ``pre`` and ``report``: the run as the journal knows it."""
    return {"schema": SCHEMA, "run": state.to_json()}


def runs(states: Sequence[RunState]) -> dict[str, Any]:
    """``runs``, newest first."""
    return {"schema": SCHEMA, "runs": [s.to_json() for s in states]}


def ended(result: Ended) -> dict[str, Any]:
    """``post``: the verdict as ``verify`` gives it, and the run it ended."""
    return {**verified(result.verified), "run": result.run.to_json()}


def overview(found: Overview) -> dict[str, Any]:
    """``status``."""
    return {
        "schema": SCHEMA,
        "project": found.project,
        "environments": [environment(s) for s in found.environments],
        "last_run": found.last_run.to_json() if found.last_run else None,
        "halt": found.halted,
        "in_the_way": found.obstacle.reason if found.obstacle else None,
        "running": found.running,
        "backups": [
            {"id": e.id, "created_at": clock.iso(e.manifest.created_at) if e.manifest else None, "problem": e.problem}
            for e in found.backups
        ],
    }


def environment(status: EngineStatus) -> dict[str, Any]:
    """One environment in ``up``, ``down`` and ``status``."""
    return {
        "environment": status.environment,
        "engine": status.engine,
        "state": status.state,
        "host": status.host,
        "port": status.port,
        "pid": status.pid,
        "server_version": status.server_version,
        "data_directory": str(status.data_directory) if status.data_directory else None,
        "container": status.container,
        "volume": status.volume,
        "note": status.note,
    }


def environments(found: Sequence[EngineStatus], changes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """``up`` and ``down``: how the environments are now, and what was done."""
    return {
        "schema": SCHEMA,
        "environments": [environment(s) | {"changes": list(changes.get(s.environment, ()))} for s in found],
    }


def diffed(result: Diffed, masks: Sequence[ColumnName]) -> dict[str, Any]:
    """``diff``: each table's rows up to the limit, how many more there are, and what differs besides rows."""
    return {
        "schema": SCHEMA,
        "baseline": result.backup,
        "tables": [
            {
                "schema": t.table.schema,
                "name": t.table.name,
                "status": t.status,
                "rule": result.rules[t.table].rule,
                "key": list(t.key),
                "columns": {
                    "dropped": list(t.column_changes.dropped),
                    "added": list(t.column_changes.added),
                    "changed": list(t.column_changes.changed),
                },
                "inserted": t.counts.inserted,
                "updated": t.counts.updated,
                "deleted": t.counts.deleted,
                "rows": [diff_view.json_row(row, t, masks) for row in t.rows],
                "more": t.more,
            }
            for t in result.tables
        ],
        "other": None
        if result.other is None
        else [{"kind": o.kind, "object": o.object, "before": o.before, "after": o.after} for o in result.other],
        "compared": result.compared,
        "seconds": round(result.seconds, 3),
    }


def repaired(result: Repaired, script: str | None) -> dict[str, Any]:
    """``repair``: what is or was done to each table, what is not repaired, and the verification that followed."""
    plan = result.plan
    return {
        "schema": SCHEMA,
        "baseline": result.backup,
        "applied": result.applied is not None,
        "tables": [
            {
                "schema": t.facts.name.schema,
                "name": t.facts.name.name,
                "set_back": t.count("change back", "replace"),
                "put_back": t.count("put back"),
                "removed": t.count("remove"),
                "staying": len(t.staying),
            }
            for t in plan.tables
        ],
        "sequences": [
            {"schema": s.schema, "name": s.name, "was": s.was, "becomes": s.last_value} for s in plan.sequences
        ],
        "overwritten": result.applied.overwritten if result.applied else 0,
        "not_repaired": list(plan.remains),
        "definitions": list(plan.definitions),
        "evidence": str(result.evidence.dump_path) if result.evidence else None,
        "sql": script,
        "verified": verify.as_json(result.verified) if result.verified else None,
        "seconds": round(result.seconds, 3),
    }
