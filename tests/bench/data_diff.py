"""``diff`` beside data-diff, on the same two databases: production, and its reference on the test server.

data-diff is no dependency: its last release (0.11.2) asks for packages that do not install any more. Where an
environment has it (``pip install --no-deps data-diff`` and the few packages that its library needs), name that
environment's Python in ``RINGFENCE_BENCH_DATA_DIFF``; the line is left out, and said to be, where it is not given.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from urllib.parse import quote

from tests.bench.timing import in_turn, row

from ringfence.postgres.connection import connect
from ringfence.postgres.target import Target, find_password
from ringfence.workflow.backups import testserver
from ringfence.workflow.project import Project

PYTHON = os.environ.get("RINGFENCE_BENCH_DATA_DIFF", "")
SCRIPT = """
import sys
from data_diff import connect_to_table, diff_tables
columns = ("bid", "abalance", "filler")
one, two = (connect_to_table(url, "accounts", "aid", extra_columns=columns, thread_count=2) for url in sys.argv[1:3])
found = list(diff_tables(one, two, extra_columns=columns))
assert len(found) == 2, found  # the old row and the new one
"""


def rows_beside_data_diff(project: Project, ways: Mapping[str, Callable[[], None]]) -> None:
    """One changed row found by our diff in ``ways``, and by data-diff with two threads for each database."""
    if not PYTHON:
        print("data-diff: not measured, RINGFENCE_BENCH_DATA_DIFF names no Python that has it")
        return
    with connect(project.engine("test").target("postgres"), read_only=False) as admin:
        reference = testserver.own(admin, project, "reference")[0]
    urls = [_url(project.target("production")), _url(project.engine("test").target(reference))]

    def theirs() -> None:
        subprocess.run([PYTHON, "-c", SCRIPT, *urls], check=True, capture_output=True)

    for what, ours in ways.items():
        row(what, in_turn(ours, theirs), "`data-diff`, two threads", "at most 0.125")


def _url(target: Target) -> str:
    """What data-diff wants: the password stands in it. Both servers are scratch servers on this machine."""
    assert target.passfile is not None
    password = find_password(target.passfile, host=target.host, port=target.port, user=target.user)
    assert password is not None
    return f"postgresql://{target.user}:{quote(password, safe='')}@{target.host}:{target.port}/{target.database}"
