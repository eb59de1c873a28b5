"""Where a comment goes, and what a comment is made of (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from ringfence.errors import RingfenceError

PUBLIC_HOST = "github.com"
_NAME = r"(?!\.)[A-Za-z0-9_.-]{1,100}"
_SLUG = re.compile(rf"(?P<owner>{_NAME})/(?P<name>{_NAME})")
_URL = re.compile(
    rf"(?:[a-z+]+://)?(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9.-]+)(?::\d+)?[:/](?P<owner>{_NAME})/(?P<name>{_NAME}?)(?:\.git)?/?",
    re.IGNORECASE,
)


class NotifyError(RingfenceError):
    """A comment could not be written. ``final`` says that trying again would not help (no such issue, no right)."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One issue of one repository; ``host`` is ``github.com`` or that of a GitHub Enterprise server."""

    host: str
    owner: str
    repository: str
    number: int

    @property
    def slug(self) -> str:
        """``owner/repository``."""
        return f"{self.owner}/{self.repository}"

    def __str__(self) -> str:
        return f"{self.slug}#{self.number}"


class Channel(Protocol):
    """A way to GitHub: its REST API with a token, or the program ``gh`` with its own. Both raise `NotifyError`."""

    def create(self, issue: Issue, body: str) -> int:
        """Write a new comment and return its id."""

    def edit(self, issue: Issue, comment: int, body: str) -> None:
        """Replace the text of a comment."""


def repository_of(text: str) -> tuple[str, str, str] | None:
    """Host, owner and name out of ``owner/name`` or a remote's address; None where it is neither.

    Known are ``https://host/owner/name.git``, ``ssh://git@host/owner/name`` and ``git@host:owner/name``. A path of
    this machine, or a URL with more or fewer parts, is no repository on GitHub.
    """
    if slug := _SLUG.fullmatch(text):
        return PUBLIC_HOST, slug["owner"], slug["name"].removesuffix(".git")
    url = _URL.fullmatch(text)
    if url is None or not ("://" in text or "@" in text or text.lower().startswith(url["host"].lower() + "/")):
        return None
    if "." not in url["host"] and url["host"] != "localhost":
        return None
    return url["host"].lower(), url["owner"], url["name"]
