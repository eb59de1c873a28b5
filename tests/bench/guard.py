"""How fast the guard answers, beside a Python that does nothing. Runs alone too: ``python -P tests/bench/guard.py``."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ringfence.config.load import parse
from ringfence.config.paths import paths_for
from ringfence.config.template import initial_config
from ringfence.workflow.guard import policy_document

RUNS = int(os.environ.get("RINGFENCE_BENCH_GUARD_RUNS", "60"))
COMMANDS = (
    ("`ls -la src` (nothing to say)", "ls -la src", "at most 3"),
    ("`git status --short` (nothing to say)", "git status --short", "at most 3"),
    ("`npm run build` (allowed)", "npm run build", "at most 6"),
    ("`psql -p 4546 -c 'select 1'` (refused)", "psql -p 4546 -c 'select 1'", "at most 6"),
    ('`bash -c "psql -p 4546 inventory"` (refused)', 'bash -c "psql -p 4546 inventory"', "at most 6"),
    ("`npx prisma migrate reset --force` (refused)", "npx prisma migrate reset --force", "at most 6"),
)


def measure() -> None:
    """Print one line of the table per command; every process is started anew, in turn with the one beside it."""
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as place:
        root = Path(place) / "shop"
        root.mkdir()
        environment = {"HOME": place, "PATH": "/usr/bin:/bin"}
        settings = parse(initial_config().encode(), root / "ringfence.toml")
        paths = paths_for(settings, environment)
        paths.guard_policy.parent.mkdir(parents=True)
        paths.guard_policy.write_text(json.dumps(policy_document(settings, paths, environment)))
        guard = [str(Path(sys.executable).with_name("ringfence-guard")), "--agent", "claude", "--project", "inventory"]
        beside = [sys.executable, "-IS", "-c", "pass"]
        for label, command, goal in COMMANDS:
            given = {"command": command}
            event = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": given, "cwd": str(root)}
            data = json.dumps(event).encode()
            one, other = _in_turn((guard, data), (beside, b""), environment)
            ratio = statistics.median(one) / statistics.median(other)
            spread = f"{min(one) * 1e3:.0f} to {max(one) * 1e3:.0f} ms"
            median, least = statistics.median(one) * 1e3, statistics.median(other) * 1e3
            print(
                f"| guard: {label} | {median:.1f} ms | {spread} | `python3 -IS -c pass` | {least:.1f} ms "
                f"| **{ratio:.2f}** | {goal} |",
                flush=True,
            )


def _in_turn(
    one: tuple[list[str], bytes], other: tuple[list[str], bytes], environment: dict[str, str]
) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(RUNS + 2):
        for which, (line, data) in enumerate((one, other)):
            started = time.perf_counter()
            subprocess.run(line, input=data, env=environment, capture_output=True, check=True)
            if number > 1:  # the first ones warm the cache
                times[which].append(time.perf_counter() - started)
    return times


if __name__ == "__main__":
    measure()
