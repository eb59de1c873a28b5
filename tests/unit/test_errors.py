"""One class, one exit status: the table of DESIGN section 4."""

from __future__ import annotations

import pytest

from ringfence import errors
from ringfence.errors import RingfenceError

EXIT_CODES = {
    "RingfenceError": 70,
    "InternalError": 70,
    "UsageError": 2,
    "ConfigError": 2,
    "EngineError": 2,
    "GitError": 2,
    "HaltError": 3,
    "BusyError": 4,
    "BackupError": 5,
    "RestoreError": 6,
    "IdentityError": 7,
    "AgentError": 8,
    "EmptyTestDatabaseError": 99,
}


def test_every_class_has_its_exit_status() -> None:
    found = {n: c.exit_code for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, RingfenceError)}
    assert found == EXIT_CODES


def test_no_error_leaves_with_success() -> None:
    def all_below(kind: type[RingfenceError]) -> list[type[RingfenceError]]:
        return [kind, *(k for below in kind.__subclasses__() for k in all_below(below))]

    assert all(1 <= kind.exit_code <= 130 for kind in all_below(RingfenceError))


@pytest.mark.parametrize("hint", [None, "do this"])
def test_an_error_carries_its_message_and_hint(hint: str | None) -> None:
    error = errors.BackupError("dump x is damaged", hint=hint)
    assert (str(error), error.message, error.hint, error.args) == (
        "dump x is damaged",
        "dump x is damaged",
        hint,
        ("dump x is damaged",),
    )
