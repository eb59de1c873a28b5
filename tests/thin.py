"""Long lists of cases: a few of them in the default suite, all of them in `make test-long`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def some(values: Iterable[Any], *, keep: int) -> list[Any]:
    """The values as parameters; those after the first ``keep`` are long."""
    return [v if number < keep else pytest.param(v, marks=pytest.mark.long) for number, v in enumerate(values)]


def outer(majors: Iterable[int]) -> list[Any]:
    """The newest and the oldest major; those between are long."""
    known = tuple(majors)
    ends = {known[0], known[-1]} if known else set()
    return [m if m in ends else pytest.param(m, marks=pytest.mark.long) for m in known]
