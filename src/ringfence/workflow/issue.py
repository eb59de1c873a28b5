"""Which issue a run belongs to: from ``--issue``, or from the words of the task. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ringfence.errors import UsageError
from ringfence.redact import one_line

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")
_URL = re.compile(r"https?://[^\s<>\"'`]+", re.IGNORECASE)
_ISSUE_URL = re.compile(
    r"https?://(?P<where>[^/\s]+(?:/[^/\s?#]+){2,}?)(?:/-)?/issues/(?P<number>[1-9][0-9]{0,17})(?![\w-])", re.IGNORECASE
)
_WORDS = re.compile(
    r"(?<![\w/#-])(?:gh[ \t]+)?issue(?:[ \t]+(?:view|comment|edit|develop|close|reopen|number|no\.?))?"
    r"[ \t]*(?:(?::[ \t]*|[ \t])\#?|\#)(?P<number>[1-9][0-9]{0,17})(?![\w%]|[.,]\d|-\w)",
    re.IGNORECASE,
)
# A number of six digits or more after a bare # is a colour (#777777) unless the word issue stands before it.
_HASH = re.compile(r"(?<![\w/#&.-])#(?P<number>[1-9][0-9]{0,4})(?![\w%#]|[.,]\d|-\w)")
_NOT_AN_ISSUE = re.compile(
    r"(?:\b(?:pr|prs|pull|pull request|mr|merge request)"
    r"|\b(?:[\w-]*colou?r|background|border|fill|stroke|hex|css|shade|gr[ae]y|rgb)(?:[ \t]+(?:to|of|is|as|with))?"
    r"[ \t]*[:=]?)[ \t]*[\"'(]?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class IssueReference:
    """An issue, or None, and where that comes from. ``repository`` is ``github.com/o/r`` where a URL named it."""

    issue: str | None
    source: str
    repository: str | None = None


def find_issue(option: str | None, text: Sequence[str]) -> IssueReference:
    """The issue of a run: the option decides; without it, the one issue that the words of the task name.

    Known are ``#7``, ``issue 7``, ``gh issue #7``, ``gh issue view 7`` and URLs of GitHub and GitLab. Pull requests,
    colours and ``C#7`` are none. Raises `UsageError` where the text names two, or the option is not a name.
    """
    if option is not None:
        return _from_option(option)
    found = list(dict.fromkeys(_in_text(" ".join(text))))
    named = {(r.issue, r.repository) for r in found if r.repository is not None}
    # "#7" beside the URL of issue 7 says the same thing twice.
    distinct = [r for r in found if r.repository or not any(issue == r.issue for issue, _ in named)]
    if not distinct:
        return IssueReference(issue=None, source="nowhere")
    if len({(r.issue, r.repository) for r in distinct}) > 1:
        raise UsageError(
            f"the text names more than one issue: {', '.join(r.source for r in distinct)}",
            hint="say which one the run belongs to with --issue",
        )
    return distinct[0]


def check_issue_name(text: str) -> str:
    """The name itself if it is safe in a file name, a database and a comment: ``[A-Za-z0-9._-]{1,80}``, not -x or .x.

    An allow-list and ASCII only, so that no shell, path, terminal or Unicode form can make another name of it.
    """
    if _NAME.fullmatch(text):
        return text
    shown = one_line(text if len(text) <= 100 else text[:97] + "...").encode("ascii", "backslashreplace").decode()
    raise UsageError(
        f"'{shown}' is not an issue",
        hint="use 1 to 80 of the characters A-Z a-z 0-9 . _ - that do not begin with . or -, as in --issue 7",
    )


def _from_option(option: str) -> IssueReference:
    url = _ISSUE_URL.match(option)
    if url and "\n" not in option:
        return IssueReference(issue=url["number"], source="--issue", repository=url["where"].lower())
    return IssueReference(issue=check_issue_name(option.removeprefix("#")), source="--issue")


def _in_text(text: str) -> Iterator[IssueReference]:
    for url in _URL.finditer(text):
        match = _ISSUE_URL.match(url[0])
        if match:
            yield IssueReference(issue=match["number"], source=one_line(match[0]), repository=match["where"].lower())
    # Whatever else a URL holds (#L7, /pull/7#issuecomment-1) is not a word of the task.
    rest = _URL.sub(" ", text)
    for match in _WORDS.finditer(rest):
        yield IssueReference(issue=match["number"], source=f"#{match['number']}")
    for match in _HASH.finditer(rest):
        if not _NOT_AN_ISSUE.search(rest[: match.start()]):
            yield IssueReference(issue=match["number"], source=f"#{match['number']}")
