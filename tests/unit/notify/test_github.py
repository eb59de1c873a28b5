"""Both ways to GitHub against a server that speaks its API: REST over HTTP, and the real ``gh`` over TLS."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cases.github_server import TOKEN, GitHub, github

from ringfence.notify.github import Gh, Rest, channel_for
from ringfence.notify.model import Issue, NotifyError

ISSUE = Issue(host="github.com", owner="acme", repository="shop", number=7)


@pytest.fixture
def hub() -> Iterator[GitHub]:
    with github() as served:
        yield served


def rest(hub: GitHub, token: str = TOKEN) -> Rest:
    found = channel_for("github.com", {"GITHUB_TOKEN": token, "GITHUB_API_URL": hub.url})
    assert isinstance(found, Rest)
    return found


def test_a_comment_is_made_and_edited_in_place(hub: GitHub) -> None:
    channel = rest(hub)
    comment = channel.create(ISSUE, "started")
    channel.edit(ISSUE, comment, "passed")
    assert hub.comments == {comment: "passed"}
    assert hub.places == {comment: "acme/shop#7"}


def test_a_wrong_token_is_final_and_is_not_shown(hub: GitHub) -> None:
    with pytest.raises(NotifyError, match="answered 401: Bad credentials") as failed:
        rest(hub, "ghp_anotherOneThatIsWrong").create(ISSUE, "x")
    assert failed.value.final
    assert "ghp_anotherOneThatIsWrong" not in str(failed.value)
    assert TOKEN not in repr(rest(hub))


def test_an_unknown_repository_is_final_a_server_error_is_not(hub: GitHub) -> None:
    with pytest.raises(NotifyError, match="answered 404") as failed:
        rest(hub).create(replace(ISSUE, repository="other"), "x")
    assert failed.value.final
    hub.fail = [502]
    with pytest.raises(NotifyError, match="answered 502") as failed:
        rest(hub).create(ISSUE, "x")
    assert not failed.value.final


def test_a_server_that_is_not_there_can_be_tried_again() -> None:
    channel = Rest(url="http://127.0.0.1:9", token=TOKEN)
    with pytest.raises(NotifyError, match="cannot be reached") as failed:
        channel.create(ISSUE, "x")
    assert not failed.value.final


def test_a_token_is_sent_over_https_only_but_for_this_machine() -> None:
    with pytest.raises(NotifyError, match="https only"):
        channel_for("github.com", {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": "http://api.example.com"})


def test_a_token_for_github_goes_to_no_other_host(tmp_path: Path) -> None:
    with pytest.raises(NotifyError, match="neither GH_ENTERPRISE_TOKEN nor the program gh"):
        channel_for("git.example.com", {"GITHUB_TOKEN": TOKEN}, search=str(tmp_path))
    found = channel_for("git.example.com", {"GH_ENTERPRISE_TOKEN": TOKEN}, search=str(tmp_path))
    assert isinstance(found, Rest)
    assert found.url == "https://git.example.com/api/v3"


def test_without_token_and_program_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotifyError, match="neither GH_TOKEN nor the program gh") as failed:
        channel_for("github.com", {}, search=str(tmp_path))
    assert failed.value.final


# ── gh ──


@pytest.fixture
def gh(tmp_path: Path) -> Iterator[tuple[Gh, GitHub, Issue]]:
    """The program as Debian ships it, led to a server of our own that it trusts for this test."""
    if shutil.which("gh") is None or shutil.which("openssl") is None:
        pytest.skip("no gh or no openssl on this machine")
    if os.geteuid() != 0:
        pytest.skip("only root can serve https on its own port, and gh takes no other")
    host = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
    certificate = tmp_path / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={host}"),
            *("-addext", f"subjectAltName=IP:{host}", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    certificate.write_bytes((tmp_path / "key.pem").read_bytes() + (tmp_path / "cert.pem").read_bytes())
    with github(certificate, address=(host, 443)) as hub:
        environ = {
            "HOME": str(tmp_path),
            "GH_CONFIG_DIR": str(tmp_path / "gh"),
            "SSL_CERT_FILE": str(tmp_path / "cert.pem"),
        }
        found = channel_for(host, environ)
        assert isinstance(found, Gh)
        channel = replace(found, environment={**found.environment, "GH_ENTERPRISE_TOKEN": TOKEN})
        yield channel, hub, replace(ISSUE, host=host)


def test_gh_makes_a_comment_and_edits_it(gh: tuple[Gh, GitHub, Issue]) -> None:
    channel, hub, issue = gh
    comment = channel.create(issue, "started\n@nobody `x`")
    channel.edit(issue, comment, "passed")
    assert hub.comments == {comment: "passed"}
    assert [method for method, _ in hub.requests] == ["POST", "PATCH"]


def test_gh_failures_are_told_apart(gh: tuple[Gh, GitHub, Issue]) -> None:
    channel, hub, issue = gh
    with pytest.raises(NotifyError, match="404") as failed:
        channel.create(replace(issue, repository="other"), "x")
    assert failed.value.final
    hub.fail = [502, 502, 502]
    with pytest.raises(NotifyError, match="502") as failed:
        channel.create(issue, "x")
    assert not failed.value.final


def test_gh_gets_nothing_of_the_environment_but_what_it_needs() -> None:
    if shutil.which("gh") is None:
        pytest.skip("no gh on this machine")
    found = channel_for("github.com", {"HOME": "/root", "PGPASSWORD": "x", "DATABASE_URL": "y"} | {"LD_PRELOAD": "z"})
    assert isinstance(found, Gh)
    assert dict(found.environment) == {"HOME": "/root"}
    assert found.program.is_absolute() and os.access(found.program, os.X_OK)
