"""Named moments at which a test can end the tool or its child: ``RINGFENCE_CRASH_AT=restore.before_swap``.

At that moment the process stops itself (SIGSTOP); whoever set the variable then kills it, its child, or both, with
SIGKILL. Nothing else ever reads the variable, and a point that is not named costs one comparison.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "RINGFENCE_CRASH_AT"


def crashpoint(name: str) -> None:
    """Stop here when a test asked for this point."""
    if os.environ.get(VARIABLE) == name:
        del os.environ[VARIABLE]  # once: a process that is continued goes on to its end
        os.kill(os.getpid(), signal.SIGSTOP)
