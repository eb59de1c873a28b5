"""What a word becomes: the alternatives of its value, each a list of fields, as far as they can be known (pure)."""

from __future__ import annotations

import re
from fnmatch import translate

from ringfence.guard.words import DESCRIPTOR, MARKS, UNKNOWN, Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Values = tuple[str, ...]

MOST_ALTERNATIVES = 16
_BLANK = re.compile(r"[ \t\n]+")
_PLAIN_SIGNS = {ord(mark): sign for sign, mark in MARKS.items()}
_PARAMETER = re.compile(r"(!?)([A-Za-z_]\w*|[@*#?$!0-9-]|[1-9]\d+)(\[[^\]]*\])?(.*)", re.S)
_LISTS = re.compile(r"@|[A-Za-z_]\w*\[@\]")
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
_BRACES = re.compile(f"{MARKS['{']}([^{MARKS['{']}{MARKS['}']}]*){MARKS['}']}")


def plain(field: str) -> str:
    """A field as the program gets it where no file matches its pattern."""
    return field.translate(_PLAIN_SIGNS)


def known(text: str) -> bool:
    """Whether all of a value is known."""
    return UNKNOWN not in text


def unknown_about(*texts: str) -> str:
    """A value that is not known, but what it was made from is: for whoever looks for an address in it."""
    said = UNKNOWN.join(_BLANK.sub(UNKNOWN, text[:4096]) for text in texts if text)
    return UNKNOWN + said


def fields(
    word: Word, lookup: Callable[[str], Values | None], command: Callable[[Any], str], home: str
) -> list[list[str]]:
    """The alternatives of a word after expansion and splitting; pattern signs and UNKNOWN stay marked.

    ``lookup`` gives a variable's alternatives (None: not set), ``command`` the output of a command substitution.
    """
    whole: list[tuple[list[str], str | None]] = [([], None)]
    for number, (kind, content, quoted) in enumerate(word.pieces):
        if kind == "text":
            if not quoted and content == "~" and _home_stands(word, number):
                content = home
            values: Values = (content,)
        elif kind == "variable":
            values = parameter(content, lookup)
        elif kind in ("command", "process"):
            output = command(content)
            values = (output.rstrip("\n") if kind == "command" else DESCRIPTOR + output,)
        else:
            values = (UNKNOWN,)
        split = kind in ("variable", "command") and (not quoted or bool(_LISTS.fullmatch(str(content))))
        if len(whole) * len(values) > MOST_ALTERNATIVES:
            values = (unknown_about(*values),)
        whole = [_joined(done, current, value, split) for done, current in whole for value in values]
    found = []
    for done, current in whole:
        complete = done if current is None else [*done, current]
        found.append([one for field in complete for one in _braces(field)])
    return found


def text_of(word: Word, lookup: Callable[[str], Values | None], command: Callable[[Any], str], home: str) -> Values:
    """The alternatives of a word where it is not split: an assignment, a here-document, a file after ``>``."""
    return tuple(plain(" ".join(one)) for one in fields(_unsplit(word), lookup, command, home))


def _unsplit(word: Word) -> Word:
    pieces = [(k, c, q if k == "text" else True) for k, c, q in word.pieces]
    return Word([*pieces, ("text", "", True)], word.source)


def _home_stands(word: Word, number: int) -> bool:
    """Whether the ``~`` at this place stands for the home directory; also in ``export NAME=~/x``."""
    before = word.pieces[number - 1] if number else ("text", "=", False)
    after = word.pieces[number + 1] if number + 1 < len(word.pieces) else ("text", "/", False)
    begins = before[0] == "text" and not before[2] and before[1].endswith(("=", ":"))
    return begins and after[0] == "text" and after[1].startswith("/")


def _joined(done: list[str], current: str | None, value: str, split: bool) -> tuple[list[str], str | None]:
    if not split:
        return done, (current or "") + value
    if not value:
        return done, current
    parts = _BLANK.split(value)
    joined = [*done]
    for number, part in enumerate(parts):
        if number:
            if current is not None:
                joined.append(current)
            current = part or None
        else:
            current = (current or "") + part if part or current is not None else None
    return joined, current


def _braces(field: str) -> list[str]:
    found = _BRACES.search(field)
    if found is None:
        return [field]
    if field.count(MARKS["{"]) > 6:
        return [unknown_about(field)]  # the number of words grows with every brace
    inside, before, after = found[1], field[: found.start()], field[found.end() :]
    numbers = _RANGE.fullmatch(inside)
    if "," in inside:
        choices = inside.split(",")
    elif numbers:
        low, high = sorted((int(numbers[1]), int(numbers[2])))
        choices = [str(n) for n in range(low, high + 1)] if high - low < 64 else [UNKNOWN]
    else:
        return _braces(f"{before}{{{inside}}}{after}")
    made = [one for choice in choices[:64] for one in _braces(before + choice + after)]
    return made if len(made) <= 256 else [unknown_about(field)]


def parameter(expression: str, lookup: Callable[[str], Values | None]) -> Values:
    """``$NAME`` and the forms of ``${…}``; what is not understood is unknown."""
    if expression.startswith("#") and len(expression) > 1:
        return (UNKNOWN,)
    found = _PARAMETER.fullmatch(expression)
    if found is None:
        return (UNKNOWN,)
    indirect, name, index, rest = found[1], found[2], found[3], found[4]
    values = lookup(name)
    if indirect:
        names = values or ("",)
        values = tuple(v for n in names for v in (lookup(n) or ("",) if known(n) else (UNKNOWN,)))
    if index and values is not None and index not in ("[@]", "[*]"):
        values = tuple(part for value in values for part in value.split()) or ("",)
    if not rest:
        return ("",) if values is None else values
    return _operated(values, rest, lookup)


def _operated(values: Values | None, rest: str, lookup: Callable[[str], Values | None]) -> Values:
    default = re.fullmatch(r"(:?)([-=+?])(.*)", rest, re.S)
    if default:
        missing = values is None or (bool(default[1]) and all(not v for v in values))
        other = _inner(default[3], lookup)
        if default[2] == "+":
            return ("",) if missing else other
        return other if missing else tuple(v for v in values or ())
    values = values or ("",)
    cut = re.fullmatch(r"(##?|%%?)(.*)", rest, re.S)
    if cut and "$" not in cut[2]:
        return tuple(_cut(v, cut[1], cut[2].strip("'\"")) if known(v) else v for v in values)
    replaced = re.fullmatch(r"/(/?)([^/\\]*)/?(.*)", rest, re.S)
    if replaced and not re.search(r"[*?\[$#%]", replaced[2]):
        news = _inner(replaced[3], lookup)
        return tuple(v.replace(replaced[2].strip("'\""), n, -1 if replaced[1] else 1) for v in values for n in news)
    piece = re.fullmatch(r":(\d+)(?::(\d+))?", rest)
    if piece and all(map(known, values)):
        start = int(piece[1])
        return tuple(v[start : start + int(piece[2])] if piece[2] else v[start:] for v in values)
    if rest in ("^^", ",,", "^", ","):
        changed = {"^^": "".join(values).upper, ",,": "".join(values).lower}
        if rest in changed and len(values) == 1:
            return (changed[rest](),)
        return tuple((v[:1].upper() if rest == "^" else v[:1].lower()) + v[1:] for v in values if len(rest) == 1) or (
            unknown_about(*values),
        )
    return (unknown_about(*values, rest),)


def _inner(text: str, lookup: Callable[[str], Values | None]) -> Values:
    """The word after an operator: plain text, or one variable in it."""
    bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
    if "$" not in bare:
        return (bare,)
    one = re.fullmatch(r"([^$]*)\$(?:\{(.+)\}|([A-Za-z_]\w*|\d))([^$]*)", bare, re.S)
    if one is None:
        return (unknown_about(bare),)
    return tuple(one[1] + value + one[4] for value in parameter(one[2] or one[3], lookup))


def _cut(value: str, operator: str, pattern: str) -> str:
    test = re.compile(translate(pattern))
    lengths = range(len(value) + 1) if operator in ("#", "%%") else range(len(value), -1, -1)
    for length in lengths:
        if operator[0] == "#" and test.match(value[:length]):
            return value[length:]
        if operator[0] == "%" and test.match(value[length:]):
            return value[:length]
    return value
