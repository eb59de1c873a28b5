"""Which issue a run belongs to; names that must never become one (F77)."""

from __future__ import annotations

import pytest

from ringfence.errors import UsageError
from ringfence.workflow.issue import check_issue_name, find_issue


@pytest.mark.parametrize(
    "text",
    [
        *("#7", "gh issue #7", "issue 7", "issue #7", "gh issue view 7", "gh issue view 7 --comments", "Issue: #7"),
        *(
            "fixes #7, please",
            "(#7)",
            "`#7`",
            "fix the login (issue 7).",
            "#7.",
            "issue number 7",
            "ISSUE 7",
            "#7's cause",
        ),
        *("https://github.com/o/r/issues/7", "see https://github.com/o/r/issues/7?x=1#issuecomment-99 now"),
        *("https://gitlab.example/group/sub/project/-/issues/7", "<https://github.com/o/r/issues/7>, now"),
        *("https://github.com/o/r/issues/7.", "#7 and issue 7 and https://github.com/o/r/issues/7", "C# and #7"),
        *("#7 with the colour #777777", "PR #8 was for #7", "https://github.com/o/r/pull/9 closes #7"),
    ],
)
def test_seven_is_found(text: str) -> None:
    assert find_issue(None, text.split(" ")).issue == "7"


@pytest.mark.parametrize(
    "text",
    [
        *("", "fix the login", "C#7", "foo#7", "o/r#7", "##7", "# 7", "#0", "#007", "#7a", "#7-8x", "7", "&#39;"),
        *("#777777", "#123456", "color: #777", "make the border #777;", "change background to #333", "grey is #777"),
        *("https://github.com/o/r/pull/7", "https://github.com/o/r/pull/7#issuecomment-7", "PR #7", "pull request #7"),
        *(
            "https://github.com/o/r/issues",
            "https://github.com/o/r/issues/7-seven",
            "https://x/page/#7",
            "merge request #7",
        ),
        *("https://github.com/o/r/blob/main/a.py#L7", "tissue 7", "issue7", "issue-7", "reissue 7", "issue 7%", "#7.5"),
        *("an issue with 7 rows", "the issue is 7 days old", "issue \u0667", "#\u0667", "issues of 7"),
    ],
)
def test_nothing_is_found(text: str) -> None:
    found = find_issue(None, [text])
    assert (found.issue, found.source) == (None, "nowhere")


def test_a_large_number_after_the_word_issue_is_an_issue() -> None:
    assert find_issue(None, ["issue #777777"]).issue == "777777"


def test_the_words_of_a_command_line_are_read_together() -> None:
    assert find_issue(None, ["gh", "issue", "view", "12"]).issue == "12"


@pytest.mark.parametrize(
    "text",
    ["#7 and #8", "issue 7, #8", "https://github.com/a/b/issues/7 https://github.com/c/d/issues/7", "issues #7 and #8"],
)
def test_two_issues_are_not_guessed_between(text: str) -> None:
    with pytest.raises(UsageError, match="more than one issue: ") as caught:
        find_issue(None, [text])
    assert "--issue" in (caught.value.hint or "")
    assert caught.value.exit_code == 2
    assert find_issue("9", [text]).issue == "9"


@pytest.mark.parametrize(
    ("option", "issue"), [("7", "7"), ("#7", "7"), ("PROJ-12", "PROJ-12"), ("https://github.com/O/r/issues/7", "7")]
)
def test_the_option_decides(option: str, issue: str) -> None:
    found = find_issue(option, ["fix #5"])
    assert (found.issue, found.source) == (issue, "--issue")


def test_a_url_also_names_the_repository() -> None:
    assert find_issue(None, ["https://github.com/O/R/issues/7"]).repository == "github.com/o/r"
    assert find_issue("https://gl.example/a/b/c/-/issues/7/", []).repository == "gl.example/a/b/c"
    assert find_issue(None, ["#7"]).repository is None


def test_the_source_says_where_it_was_found() -> None:
    assert find_issue(None, ["fix #7"]).source == "#7"
    assert find_issue(None, ["see https://github.com/o/r/issues/7#x"]).source == "https://github.com/o/r/issues/7"


F77 = ["../../x", "a/b", "a\nb", "7\n", "", "-rf", "a" * 260, "'; rm -rf ~ #", "\u00e9", "e\u0301", "a\0b"]


@pytest.mark.parametrize(
    "name",
    [
        *F77,
        ".",
        "..",
        ".hidden",
        "-",
        "a" * 81,
        "a b",
        " 7",
        "##7",
        "a:b",
        "a\\b",
        "\u0667",
        "a\u202eb",
        "\x1b[31m",
        "$(x)",
    ],
)
def test_unsafe_names_are_refused_on_one_line(name: str) -> None:
    for refuse in (check_issue_name, lambda text: find_issue(text, [])):
        with pytest.raises(UsageError, match="is not an issue") as caught:
            refuse(name)
        said = str(caught.value)
        assert said.isascii() and said.isprintable() and len(said) < 200
        assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["7", "a", "PROJ-12", "v1.2_x", "_", "a" * 80, "A-.-"])
def test_safe_names_are_themselves(name: str) -> None:
    assert check_issue_name(name) == name
