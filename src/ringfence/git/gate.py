"""The ``pre-push`` hook: nobody pushes by hand what was not verified, while a HALT or an unfinished run stands.

A hook is a courtesy: ``git push --no-verify`` goes around it. The workflow's own push does not depend on it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from ringfence import files

COMMAND = "ringfence status --require-clear"
SCRIPT = f"""\
#!/bin/sh
# Installed by 'ringfence init': nothing is pushed while a HALT or an unfinished run stands.
if ! command -v ringfence >/dev/null 2>&1; then
    echo "ringfence is not on PATH, so nobody can say whether production was verified; push refused" >&2
    exit 1
fi
exec {COMMAND} >&2
"""
Installed = Literal["written", "current", "kept"]


def install(hooks: Path) -> Installed:
    """Put the hook among a repository's hooks. A hook of somebody else is kept, whatever it does.

    ``current`` where it calls the gate already (as a line of a longer hook, say).
    """
    path = hooks / "pre-push"
    if os.path.lexists(path):
        try:
            return "current" if COMMAND in path.read_text("utf-8", "replace") else "kept"
        except OSError:
            return "kept"
    hooks.mkdir(mode=0o755, exist_ok=True)
    files.write_atomic(path, SCRIPT.encode(), mode=0o755)
    return "written"
