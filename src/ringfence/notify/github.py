"""Two ways to GitHub: its REST API with a token from the environment, and the program ``gh`` with its own sign-in.

Learned from GitHub's REST reference (``POST /repos/{owner}/{repo}/issues/{n}/comments`` answers 201,
``PATCH /repos/{owner}/{repo}/issues/comments/{id}`` 200) and from ``gh help environment``. The address of the API comes
from the environment (``GITHUB_API_URL``, as in GitHub Actions) and never from a file of the repository, because the
token goes there.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ringfence import process
from ringfence.notify.model import PUBLIC_HOST, Channel, Issue, NotifyError
from ringfence.redact import one_line, redact

TIMEOUT_S = 10.0
_TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_FINAL = frozenset({400, 401, 403, 404, 410, 422})
_FOR_GH = (
    "HOME", "XDG_CONFIG_HOME", "GH_CONFIG_DIR", "GH_HOST", "GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rest:
    """GitHub's REST API. ``repr`` does not show the token."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Rest(url={self.url!r})"

    def create(self, issue: Issue, body: str) -> int:
        """Write a comment; its id."""
        answer = self._call("POST", f"/repos/{issue.slug}/issues/{issue.number}/comments", body, expected=201)
        return _id_in(answer)

    def edit(self, issue: Issue, comment: int, body: str) -> None:
        """Replace a comment's text."""
        self._call("PATCH", f"/repos/{issue.slug}/issues/comments/{comment}", body, expected=200)

    def _call(self, method: str, path: str, body: str, *, expected: int) -> Any:
        import httpx  # 0.1 s; only where a comment is written

        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "ringfence",
        }
        try:
            # No redirect is followed: a token must not go where an answer points to.
            with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
                answer = client.request(method, self.url + path, json={"body": body}, headers=headers)
        except httpx.HTTPError as error:
            raise NotifyError(f"{self.url} cannot be reached: {one_line(redact(str(error), [self.token]))}") from error
        if answer.status_code != expected:
            said = _message_in(answer.text)
            final = answer.status_code in _FINAL and "rate limit" not in said.lower()
            raise NotifyError(f"{self.url}{path} answered {answer.status_code}{said and f': {said}'}", final=final)
        return _json(answer.text)


@dataclass(frozen=True, kw_only=True)
class Gh:
    """The program ``gh``, by its absolute path, with the variables that it needs of the caller's environment."""

    program: Path
    environment: Mapping[str, str]

    def create(self, issue: Issue, body: str) -> int:
        """Write a comment; its id."""
        return _id_in(self._call("POST", issue, f"repos/{issue.slug}/issues/{issue.number}/comments", body))

    def edit(self, issue: Issue, comment: int, body: str) -> None:
        """Replace a comment's text."""
        self._call("PATCH", issue, f"repos/{issue.slug}/issues/comments/{comment}", body)

    def _call(self, method: str, issue: Issue, path: str, body: str) -> Any:
        where = ("--hostname", issue.host, "--method", method, "--input", "-", path)
        env = process.clean_environment({**self.environment, "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1"})
        try:
            done = process.run(
                [self.program, "api", *where],
                timeout_s=2 * TIMEOUT_S,
                env=env,
                stdin=json.dumps({"body": body}).encode(),
                check=False,
            )
        except process.ProgramError as error:
            raise NotifyError(error.message) from error
        if done.exit_code != 0:
            status = re.search(r"\(HTTP (\d{3})\)", done.stderr)
            final = done.exit_code == 4 or (status is not None and int(status[1]) in _FINAL)
            said = process.failure_text(done)
            raise NotifyError(redact(said, self.environment.values()), final=final)
        return _json(done.stdout)


def channel_for(host: str, environ: Mapping[str, str], *, search: str = process.SYSTEM_PATH) -> Channel:
    """The way to a host that this environment offers: a token first, then ``gh``. Raises `NotifyError` for none.

    ``GH_ENTERPRISE_TOKEN`` is for other hosts than github.com, as in ``gh``: a token for github.com goes to no other.
    """
    enterprise = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
    named = environ.get("GITHUB_API_URL", "").rstrip("/")
    wanted = _TOKENS if host == PUBLIC_HOST or named else enterprise
    token = next((environ[n] for n in wanted if environ.get(n)), None)
    if token:
        url = named or ("https://api.github.com" if host == PUBLIC_HOST else f"https://{host}/api/v3")
        return Rest(url=_checked(url), token=token)
    found = shutil.which("gh", path=search)
    if found:
        return Gh(program=Path(found).resolve(), environment={n: environ[n] for n in _FOR_GH if environ.get(n)})
    raise NotifyError(f"there is neither {wanted[0]} nor the program gh to reach {host} with", final=True)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return url
    raise NotifyError(f"GITHUB_API_URL is {one_line(redact(url))}; a token is sent over https only", final=True)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise NotifyError("the answer is no JSON") from None


def _id_in(answer: Any) -> int:
    found = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(found, int):
        raise NotifyError("the answer does not say which comment was written")
    return found


def _message_in(text: str) -> str:
    try:
        said = json.loads(text).get("message", "")
    except (ValueError, AttributeError):
        return ""
    return one_line(str(said)[:200])
