"""Code of ours in a process of its own: as another account, or to be killed."""

from __future__ import annotations

import functools
import os
import site
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

import ringfence
from ringfence import process
from ringfence.process import Account, Completed

SOURCES = Path(ringfence.__file__).parent.parent
ROOT = SOURCES.parent


@functools.cache
def _reachable_python(account: Account) -> Path | None:
    """A Python of this minor version that the account can run: a virtual environment may lie below a closed home."""
    known = "import sys; print(sys.version_info[:2])"
    for python in (Path(sys.executable), *(Path(d) / "python3" for d in ("/usr/bin", "/usr/local/bin"))):
        try:
            done = process.run([python, "-c", known], timeout_s=20, run_as=account, cwd=Path("/"), check=False)
        except process.ProgramError:
            continue
        if done.stdout.strip() == str(sys.version_info[:2]):
            return python
    return None


def python_as(name: str, script: str, *, timeout_s: float = 60, extra: Mapping[str, str] | None = None) -> Completed:
    """Run Python code as another account, with the modules of this environment. Skips where that is not possible."""
    account = process.account(name)
    if os.geteuid() != 0 or account is None:
        pytest.skip(f"only root can become {name}")
    python = _reachable_python(account)
    if python is None:
        pytest.skip(f"{name} can reach no Python {sys.version_info[0]}.{sys.version_info[1]} on this machine")
    modules = os.pathsep.join([str(SOURCES), *site.getsitepackages()])
    environment = process.clean_environment({"PYTHONPATH": modules, "PYTHONDONTWRITEBYTECODE": "1", **(extra or {})})
    argv = [python, "-W", "error", "-c", textwrap.dedent(script)]
    return process.run(argv, timeout_s=timeout_s, run_as=account, cwd=Path("/"), env=environment)
