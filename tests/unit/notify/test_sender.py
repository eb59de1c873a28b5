"""Comments beside the run: in place, the newest text, never holding anything up."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.cases.github_server import TOKEN, GitHub, github

from ringfence.notify.github import Rest
from ringfence.notify.model import Issue
from ringfence.notify.sender import Sender

ISSUE = Issue(host="github.com", owner="acme", repository="shop", number=7)


@pytest.fixture
def hub() -> Iterator[GitHub]:
    with github() as served:
        yield served


def sender(hub: GitHub, **options: object) -> Sender:
    return Sender(Rest(url=hub.url, token=TOKEN), ISSUE, **{"between_edits_s": 0.05, **options})  # type: ignore[arg-type]


def test_one_comment_is_kept_up_to_date_and_an_alarm_is_its_own(hub: GitHub) -> None:
    made: list[int] = []
    at_work = sender(hub, on_comment=made.append)
    at_work.update("started")
    while not made:
        time.sleep(0.01)
    at_work.update("agents")
    at_work.alarm("HALT")
    at_work.update("halted")
    assert at_work.close() == ()
    assert sorted(hub.comments.values()) == ["HALT", "halted"]
    assert hub.comments[made[0]] == "halted"


def test_a_resumed_run_goes_on_with_its_comment(hub: GitHub) -> None:
    first = sender(hub)
    first.update("interrupted")
    first.close()
    (comment,) = hub.comments
    second = sender(hub, comment=comment)
    second.update("finished")
    assert second.close() == ()
    assert hub.comments == {comment: "finished"}


def test_texts_that_were_never_sent_are_replaced_by_later_ones(hub: GitHub) -> None:
    hub.hang_s = 0.1
    at_work = sender(hub)
    for number in range(50):
        at_work.update(f"step {number}")
    assert at_work.close() == ()
    assert list(hub.comments.values()) == ["step 49"]
    assert len(hub.requests) < 10


def test_a_slow_server_does_not_hold_up_the_run_or_its_end(hub: GitHub) -> None:
    hub.hang_s = 3
    at_work = sender(hub)
    started = time.monotonic()
    at_work.update("started")
    assert time.monotonic() - started < 0.5
    (problem,) = at_work.close(timeout_s=0.3)
    assert "no answer within 0.30 s" in problem
    assert time.monotonic() - started < 2


def test_a_server_error_is_tried_again_a_refusal_is_not(hub: GitHub) -> None:
    hub.fail = [502, 502]
    at_work = sender(hub)
    at_work.update("x")
    assert "502" in at_work.close()[0]
    assert list(hub.comments.values()) == ["x"]

    hub.known = frozenset()
    hub.requests.clear()
    refused = sender(hub)
    refused.update("x")
    assert "404" in refused.close()[0]
    assert len(hub.requests) == 1


def test_after_three_failures_it_gives_up_and_says_so_once(hub: GitHub) -> None:
    hub.fail = [502] * 50
    at_work = sender(hub)
    at_work.update("x")
    (problem,) = at_work.close()
    assert "acme/shop#7" in problem
    assert len(hub.requests) == 3
