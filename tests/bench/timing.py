"""Both sides of a comparison in turn, and the line that says how long they took."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

ROWS = int(os.environ.get("RINGFENCE_BENCH_ROWS", "10000000"))
RUNS = int(os.environ.get("RINGFENCE_BENCH_RUNS", "3"))

Times = tuple[list[float], list[float]]
"""Seconds of the one side and of the other."""


def in_turn(one: Callable[[], object], other: Callable[[], object]) -> Times:
    """A warm-up of each, then A B A B …."""
    one(), other()
    times: Times = ([], [])
    for _ in range(RUNS):
        for which, act in enumerate((one, other)):
            started = time.perf_counter()
            act()
            times[which].append(time.perf_counter() - started)
    return times


def program(command: list[str], where: Path) -> None:
    """Run a whole program; its output is thrown away, its failure is not."""
    subprocess.run(command, cwd=where, check=True, capture_output=True)


def head() -> None:
    """The head of a table of `row`."""
    print("| what | median | min to max | beside | median | ratio of medians | goal |")
    print("|---|---|---|---|---|---|---|")


def row(what: str, times: Times, beside: str, goal: str = "") -> None:
    """One line of the table; what takes less than a second with more places."""
    one, other = (statistics.median(t) for t in times)
    places = 2 if max(*times[0], other) >= 1 else 3
    spread = f"{min(times[0]):.{places}f} to {max(times[0]):.{places}f} s"
    ratio = f"{one / other:.2f}" if one / other >= 0.1 else f"{one / other:.3f}"
    print(
        f"| {what} | {one:.{places}f} s | {spread} | {beside} | {other:.{places}f} s | **{ratio}** | {goal} |",
        flush=True,
    )
