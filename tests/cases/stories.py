"""Runs that were not run, for everything that shows runs: each outcome, and names that want to be markup."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from ringfence.journal.model import Resolution, RunState, Step

T0 = dt.datetime(2026, 11, 22, 10, 15, 30, tzinfo=dt.UTC)
HOSTILE = "<script>alert('x')</script>\n\x1b[31m${7*7}{{7*7}}"


def step(name: str, at_s: float, seconds: float | None, outcome: str | None = "done", *reasons: str) -> Step:
    moment = T0 + dt.timedelta(seconds=at_s)
    return Step(name=name, started_at=moment, seconds=seconds, outcome=outcome, reasons=reasons)  # type: ignore[arg-type]


def table(name: str, before: int, after: int, verdict: str = "unchanged", **more: object) -> dict[str, object]:
    return {"schema": "public", "name": name, "rule": "exact", "rows_before": before, "rows_after": after} | {
        "inserted": 0, "updated": 0, "deleted": 0, "verdict": verdict, **more
    }  # fmt: skip


def agent(name: str, seconds: float, outcome: str = "done", **more: object) -> dict[str, object]:
    return {"name": name, "command": ["claude", "-p", "--agent", name], "outcome": outcome, "exit_code": 0} | {
        "seconds": seconds,
        "output_file": f".agents/outputs/{name}-7-112226.md",
        "output_bytes": 48211,
        "reasons": [],
        **more,
    }


PASSED = RunState(
    run_id="20261122T101530Z-3f2a91",
    number=1,
    project="inventory",
    issue="7",
    text="Let every SKU have a low-stock limit #7",
    root="/srv/shop",
    started_at=T0,
    ended_at=T0 + dt.timedelta(seconds=754),
    steps=(
        step("check", 0, 0.03),
        step("backup", 0.1, 2.4, "done", "inventory_backup_7_20261122T101530Z: 3 tables, 5,200 rows"),
        step("reseed", 2.6, 1.9, "done", "inventory_test equals the backup: it is proven"),
        step("agent scout-and-plan", 5, 161),
        step("agent build", 167, 402),
        step("agent test-and-cleanup", 570, 180),
        step("verify", 751, 0.4),
        step("commit", 751.6, 0.2),
        step("push", 752, 1.6),
    ),
    backup="inventory_backup_7_20261122T101530Z",
    backup_bytes=1_840_000,
    agents=(agent("scout-and-plan", 161), agent("build", 402), agent("test-and-cleanup", 180)),
    verdict={
        "verdict": "unchanged",
        "proof": "fingerprint",
        "tables": [table("Component", 200, 200), table("SKU", 1000, 1000), table("Transaction", 4000, 4000)]
        + [table(f"audit_{n}", 10, 10) for n in range(9)],
        "other": [],
        "reasons": [],
    },
    outcome="passed",
    exit_code=0,
    commit="9d6a82d1c0ffee0000000000000000000000abcd",
    pushed=True,
)
HALTED = replace(
    PASSED,
    run_id="20261122T113000Z-9a1c52",
    number=2,
    issue="8",
    text="Check the prices of all SKUs #8",
    outcome="halt",
    exit_code=3,
    commit=None,
    pushed=False,
    reasons=(
        'table "SKU": 25 rows updated (1,000 rows before and after)',
        "function total(integer): definition changed",
    ),
    verdict={
        "verdict": "changed",
        "proof": "wal",
        "tables": [
            table("Component", 200, 200),
            table("SKU", 1000, 1000, "changed", updated=25),
            table("Transaction", 4000, 4012, "allowed", inserted=12, rule="append-only"),
        ],
        "other": [{"kind": "schema", "object": "function total(integer)", "before": "SELECT 1", "after": "SELECT 2"}],
        "reasons": [],
    },
    agents=(
        agent("scout-and-plan", 161),
        agent("build", 402, "failed", exit_code=1, reasons=["it ended with exit status 1"]),
        agent("build", 180, attempt=2),
    ),
    changed_rows={
        "tables": [
            {
                "schema": "public",
                "name": "SKU",
                "status": "compared",
                "key": ["id"],
                "inserted": 1,
                "updated": 25,
                "deleted": 1,
                "more": 23,
                "rows": [
                    {
                        "key": {"id": 77},
                        "change": "delete",
                        "after": None,
                        "before": {"name": "Washer M4, zinc", "price": "0.12", "api_token": "****", "note": None},
                    },
                    {
                        "key": {"id": 1},
                        "change": "update",
                        "before": {"price": "12.50"},
                        "after": {"price": "13.50"},
                    },
                    {
                        "key": {"id": 2},
                        "change": "update",
                        "before": {"price": "7.00", "note": None},
                        "after": {"price": "8.00", "note": "x" * 160},
                    },
                    {"key": {"id": 1001}, "change": "insert", "before": None, "after": {"name": "", "price": "0"}},
                ],
            }
        ],
        "more_tables": 2,
    },
    refused=(
        {
            "by": "guard",
            "agent": "build",
            "times": 3,
            "what": "psql -h 127.0.0.1 -p 4546 -U inventory_admin inventory -c 'UPDATE \"SKU\" SET price = price + 1'",
            "reason": "psql would connect to production (port 4546)",
        },
        {
            "by": "sandbox",
            "agent": "build",
            "times": 1,
            "what": "db.internal.example:5432",
            "reason": "it is no address that agents may reach",
        },
    ),
)
RESOLVED = replace(
    HALTED,
    run_id="20261122T114500Z-77aa00",
    resolved=Resolution(by="ada", at=T0, reason="prices put right by hand"),
)
FAILED = replace(PASSED, run_id="20261122T120000Z-000001", outcome="failed", exit_code=8, commit=None, pushed=False,
    reasons=("agent build: failed (exit status 17); nothing was committed",))  # fmt: skip
EMPTY = RunState(run_id="20261122T121500Z-000002", project="inventory", started_at=T0, ended_at=T0, outcome="failed",
    exit_code=99, reasons=("CATASTROPHIC FAILURE: test database inventory_test has no tables",))  # fmt: skip
OPEN = RunState(run_id="20261122T123000Z-000003", project="inventory", started_at=T0, paused="post")
DAMAGED = RunState(run_id="20261122T124500Z-000004", project="inventory", damage="event 4 was changed")
HOSTILE_RUN = replace(
    HALTED,
    run_id="20261122T130000Z-bad000",
    text=HOSTILE,
    issue=None,
    reasons=(HOSTILE, "see postgresql://inventory_admin:geheim123@db/inventory"),
    agents=(agent(HOSTILE, 3, "failed", exit_code=1, reasons=[HOSTILE], command=["sh", "-c", HOSTILE]),),
    verdict={
        "verdict": "changed",
        "proof": HOSTILE,
        "tables": [table(HOSTILE, 1, 0, "changed", deleted=1), table("a\"b;'", 1, 1)],
        "other": [{"kind": "schema", "object": HOSTILE, "before": None, "after": HOSTILE}],
    },
    changed_rows={
        "tables": [
            {"name": HOSTILE, "key": [HOSTILE], "rows": [{"key": {HOSTILE: HOSTILE}, "change": HOSTILE}], "more": "x"},
            {"rows": [{"change": "update", "before": {HOSTILE: HOSTILE}, "after": {"a": [1]}}, 7], "status": HOSTILE},
            None,
        ],
        "more_tables": None,
    },
    refused=({"by": HOSTILE, "agent": HOSTILE, "what": HOSTILE * 200, "reason": HOSTILE}, {}),
)
ALL = (HOSTILE_RUN, DAMAGED, OPEN, EMPTY, FAILED, RESOLVED, HALTED, PASSED)
