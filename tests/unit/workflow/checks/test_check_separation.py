"""Ports of servers that are elsewhere. What live servers show is in tests/postgres/workflow/test_check."""

from __future__ import annotations

from pathlib import Path

from tests.unit.workflow.enclosures.test_access import HOST, project

from ringfence.workflow.checks import check_separation


def test_two_machines_may_have_the_same_port(tmp_path: Path) -> None:
    """As two databases of a cloud have; one machine with one port for both is one server."""
    (line,) = check_separation.ports(project(tmp_path, ""))
    assert (line.outcome, line.evidence) == ("holds", ("production 4545, test 2345",))
    (line,) = check_separation.ports(project(tmp_path, "", host=HOST))
    assert line.outcome == "fails" and "a port is used twice" in line.evidence[0]
