"""Servers for this room: the newest major by default, all others among the long tests.

What is different on an older server says so: ``@pytest.mark.parametrize("server", outer(MAJORS), indirect=True)``.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.postgres.conftest import MAJORS, Server
from tests.thin import some


@pytest.fixture(params=some(MAJORS, keep=1) or [0], ids=lambda major: f"pg{major}")
def server(request: pytest.FixtureRequest, servers: Mapping[int, Server]) -> Server:
    """Each running cluster in turn, those but the newest in the long run only."""
    return servers[request.param]
