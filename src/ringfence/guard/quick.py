"""The commands with nothing to say: plain words of programs that only look, decided without reading shell (pure)."""

from __future__ import annotations

_LOOKS = frozenset(
    """
    ls cat head tail wc grep rg cut sort uniq diff stat file du tree pwd date which whoami id uname basename dirname
    realpath echo true false sleep nl jq sed
    """.split()  # noqa: SIM905
)
_GIT_LOOKS = frozenset(
    """
    status diff log show branch blame ls-files rev-parse describe shortlog add commit
    """.split()  # noqa: SIM905
)
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-/,:@%+=")
_WATCHED = (
    "ringfence/",
    "pgpass",
    "/proc",
    "/.",
    "..",
    ".ssh",
    ".aws",
    ".kube",
    ".netrc",
    "-o",
    "--ext",
    "--exec",
    "--output",
    "-i",
    "--in-place",
    "/dev",
    ".docker",
    ".config",
    "w ",
    "--textconv",
    "-C",
    "-c",
)


def nothing_to_say(command: str) -> bool:
    """Whether a command is certainly harmless. False only means that it has to be looked at."""
    if len(command) > 500 or not _LETTERS.issuperset(command):
        return False
    words = command.split()
    if not words or any(mark in command for mark in _WATCHED) or "=" in words[0]:
        return False
    if words[0] == "git":
        return len(words) > 1 and words[1] in _GIT_LOOKS
    if words[0] == "sed":
        return len(words) > 2 and words[1] == "-n" and words[2].replace(",", "").rstrip("p").isdigit()
    return words[0] in _LOOKS and not any(word.startswith("/") and "/." in word for word in words)
