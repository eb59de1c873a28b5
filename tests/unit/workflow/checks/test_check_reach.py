"""What is made of what the test server could reach. The trying itself is in tests/postgres/workflow/test_check.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.workflow.checks import check_reach

DOOR = ("127.0.0.1", 4546)
DENIED = 'could not connect to the publisher: connection to server at "127.0.0.1", port 4546 failed: Permission denied'
REACHED = DENIED.replace("Permission denied", "fe_sendauth: no password supplied")
BUSY = DENIED.replace("Permission denied", "FATAL:  sorry, too many clients already")


@pytest.mark.parametrize(
    ("words", "said", "outcome"),
    [
        (DENIED, {"tcp0": "closed"}, "holds"),
        (DENIED, "no program can be started", "holds"),
        (REACHED, {"tcp0": "closed"}, "fails"),
        (BUSY, {"tcp0": "closed"}, "fails"),
        (DENIED, {"tcp0": "open"}, "fails"),
        (None, {"tcp0": "closed"}, "holds"),
        (None, {"tcp0": "untried"}, "unknown"),
        (None, "no program can be started", "unknown"),
        (None, {}, "unknown"),
    ],
)
def test_the_network_is_closed_only_when_it_was_tried(words, said, outcome):
    line = check_reach._network({DOOR: words}, said, "contained by: x", "fix it")
    assert line.outcome == outcome and bool(line.findings) is (outcome != "holds")
    assert "127.0.0.1:4546" in line.evidence[0] or outcome == "unknown" or "127.0.0.1:4546" in str(line.evidence)


def test_why_nothing_was_opened_is_said_in_a_few_words():
    said = f'subscription "ringfence_reach" {DENIED}\n\tIs the server running on that host?'
    assert check_reach._reason(said) == "Permission denied"
    unknown = 'could not connect to the publisher: could not translate host name "db" to address'
    assert check_reach._reason(unknown) == 'could not translate host name "db" to address'


@pytest.mark.parametrize(
    ("server", "program", "outcome"),
    [
        ("unseen", "unseen", "holds"),
        ("refused", "refused", "holds"),
        ("readable", "refused", "fails"),
        ("refused", "readable", "fails"),
        ("untried (out of memory)", "refused", "unknown"),
    ],
)
def test_files_are_closed_only_when_both_say_so(server, program, outcome):
    place = Path("/p")
    line = check_reach._files([place], {"/p": server}, {"file0": program}, "contained by: x", "fix it")
    assert line.outcome == outcome


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"signal": "refused"}, "holds"),
        ({"signal": "untried"}, "holds"),
        ({"signal": "allowed"}, "fails"),
        ({"signal": "refused", "docker": "/run/docker.sock"}, "fails"),
        ({}, "unknown"),
        ("no program can be started", "unknown"),
    ],
)
def test_processes_are_out_of_reach_only_when_a_program_said_so(said, outcome):
    assert check_reach._processes(7, said, "contained by: x", "fix it").outcome == outcome
