"""Shell words: quotes, expansions, here-documents (pure).

No module of the guard uses dataclasses, enumerations or typing at run time: importing them takes longer than all that
the guard does (docs/design.md, "The guard").
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

MOST_NESTED = 40

_PLAIN = re.compile(r"[^\s'\"\\$`;&|<>()#*?\[{}~!=]+")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IN_QUOTES = re.compile(r"[^\"\\$`]+")
_SPECIAL = "@*#?$!-0123456789"
_ANSI = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b"}

MARKS = {"*": "\ue000", "?": "\ue001", "[": "\ue002", "{": "\ue003", "}": "\ue004"}
"""Unquoted pattern signs and braces are kept apart from quoted ones; no command may hold these characters itself."""

UNKNOWN = "\ue00f"
DESCRIPTOR = UNKNOWN + "/dev/fd/"
"""Stands in a value for text that only running the command would show. `DESCRIPTOR` begins the name that stands for
``<(…)``; what those commands print follows it."""


class SyntaxProblem(Exception):  # noqa: N818
    """The text is not a shell command that can be understood."""


class Node:
    """A part of a command.

    ``kind`` is list, pipe, subshell, group, choice, for, case, function, simple or nothing. ``parts`` are nodes (of a
    list: pairs of "does not always run" and node); ``words`` belong to for, case and simple.
    """

    __slots__ = ("assignments", "kind", "name", "parts", "redirections", "words")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = ""
        self.parts: list[Any] = []
        self.words: list[Word] = []
        self.assignments: list[tuple[str, bool, Word]] = []
        self.redirections: list[Redirection] = []


class Word:
    """A word before expansion: pieces ``(kind, content, quoted)``; kinds: text, variable, command, process, unknown."""

    __slots__ = ("pieces", "source")

    def __init__(self, pieces: list[tuple[str, Any, bool]], source: str) -> None:
        self.pieces = pieces
        self.source = source

    def literal(self) -> str | None:
        """The word where it holds nothing to expand."""
        if all(kind == "text" for kind, _, _ in self.pieces):
            return "".join(content for _, content, _ in self.pieces)
        return None


class Redirection:
    """``operator`` as written; ``word`` is the file, the here-string, or the whole content of a here-document."""

    __slots__ = ("operator", "word")

    def __init__(self, operator: str, word: Word) -> None:
        self.operator = operator
        self.word = word


class Words:
    """The half of the parser that reads words; `syntax.Parser` is the other."""

    def __init__(self, text: str, depth: int) -> None:
        self.text = text
        self.at = 0
        self.depth = depth
        self.heredocs: list[tuple[Redirection, str, bool, bool]] = []
        if "\0" in text or (max(text, default="") >= "\ue000" and re.search("[\ue000-\ue00f]", text)):
            raise SyntaxProblem("the text holds characters that no command needs")

    def another(self, text: str) -> Self:
        """A parser of the same kind for text inside of this one."""
        return type(self)(text, self.depth + 1)

    def list_of_commands(self, ends: tuple[str, ...]) -> Node:
        """The commands inside of a word; the other half knows how."""
        raise NotImplementedError

    # ── words ──

    def word(self, *, empty: bool = False) -> Word:
        start = self.at
        pieces: list[tuple[str, Any, bool]] = []
        text = self.text
        while self.at < len(text):
            sign = text[self.at]
            if sign in " \t\n;|&)" or (sign in "<>" and not text.startswith("(", self.at + 1)):
                break
            if sign == "(":
                # Only after an unquoted pattern sign, as in +(a|b); anything else is no word.
                raise SyntaxProblem("unexpected (")
            self.piece(sign, pieces)
        if self.at == start and not empty:
            raise SyntaxProblem(f"unexpected {text[self.at : self.at + 10]!r}")
        return Word(pieces, text[start : self.at])

    def piece(self, sign: str, pieces: list[tuple[str, Any, bool]]) -> None:
        text = self.text
        if sign == "'":
            end = text.find("'", self.at + 1)
            if end < 0:
                raise SyntaxProblem("a single quote is not closed")
            pieces.append(("text", text[self.at + 1 : end], True))
            self.at = end + 1
        elif sign == '"':
            self.double_quoted(pieces)
        elif sign == "\\":
            pieces.append(("text", text[self.at + 1 : self.at + 2], True))
            self.at += 2
        elif sign == "$":
            self.dollar(pieces, quoted=False)
        elif sign == "`":
            self.backquoted(pieces, quoted=False)
        elif sign in "<>":
            self.at += 2
            pieces.append(("process", self.inner_list(), False))
        elif sign in MARKS:
            pieces.append(("text", MARKS[sign], False))
            self.at += 1
        else:
            plain = _PLAIN.match(text, self.at)
            end = plain.end() if plain else self.at + 1
            pieces.append(("text", text[self.at : end], False))
            self.at = end

    def double_quoted(self, pieces: list[tuple[str, Any, bool]], *, closing: str = '"') -> None:
        """Text in which only $, backquotes and backslashes mean anything; a here-document has no ``closing``."""
        text = self.text
        self.at += len(closing)
        pieces.append(("text", "", True))
        while True:
            if self.at >= len(text):
                if not closing:
                    return
                raise SyntaxProblem("a double quote is not closed")
            sign = text[self.at]
            if sign == closing:
                self.at += 1
                return
            if sign == "\\":
                following = text[self.at + 1 : self.at + 2]
                escapes = "$`\\" + closing
                pieces.append(("text", following if following and following in escapes else "\\" + following, True))
                self.at += 2
            elif sign == "$":
                self.dollar(pieces, quoted=True)
            elif sign == "`":
                self.backquoted(pieces, quoted=True)
            else:
                run = _IN_QUOTES.match(text, self.at)
                end = run.end() if run else self.at + 1
                pieces.append(("text", text[self.at : end], True))
                self.at = end

    def dollar(self, pieces: list[tuple[str, Any, bool]], *, quoted: bool) -> None:
        text, after = self.text, self.text[self.at + 1 : self.at + 2]
        name = NAME.match(text, self.at + 1)
        if text.startswith("$((", self.at):
            end = text.find("))", self.at)
            if end > 0 and "$(" not in text[self.at + 3 : end] and "`" not in text[self.at + 3 : end]:
                pieces.append(("unknown", "", quoted))
                self.at = end + 2
                return
        if after == "(":
            self.at += 2
            pieces.append(("command", self.inner_list(), quoted))
        elif after == "{":
            self.braced(pieces, quoted=quoted)
        elif name:
            pieces.append(("variable", name[0], quoted))
            self.at = name.end()
        elif after and after in _SPECIAL:
            pieces.append(("variable", after, quoted))
            self.at += 2
        elif after == "'" and not quoted:
            self.ansi(pieces)
        elif after == '"' and not quoted:
            self.at += 1
        else:
            pieces.append(("text", "$", quoted))
            self.at += 1

    def braced(self, pieces: list[tuple[str, Any, bool]], *, quoted: bool) -> None:
        """``${…}``: kept as text up to its closing brace; commands inside of it are found there too."""
        start, open_ = self.at + 2, 1
        at = start
        while at < len(self.text):
            sign = self.text[at]
            if sign == "\\":
                at += 1
            elif sign == "{":
                open_ += 1
            elif sign == "}":
                open_ -= 1
                if not open_:
                    break
            at += 1
        else:
            raise SyntaxProblem("${ is not closed")
        inside = self.text[start:at]
        if "$(" in inside or "`" in inside:
            rest = re.compile(r"[^$`]*").sub("", inside, count=1)
            inner = self.another(f'"{rest}"' if '"' not in rest else rest)
            for piece in inner.word().pieces:
                if piece[0] == "command":
                    pieces.append(piece)
            pieces.append(("unknown", "", quoted))
        else:
            pieces.append(("variable", inside, quoted))
        self.at = at + 1

    def ansi(self, pieces: list[tuple[str, Any, bool]]) -> None:
        """``$'…'`` with its escapes."""
        found = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.S).match(self.text, self.at)
        if found is None:
            raise SyntaxProblem("$' is not closed")

        def one(match: re.Match[str]) -> str:
            code = match[1]
            if code[0] == "x" and len(code) > 1:
                return chr(int(code[1:], 16))
            if code[0] in "uU" and len(code) > 1:
                return chr(min(int(code[1:], 16), 0x10FFFF))
            if code[0] in "01234567":
                return chr(int(code, 8) & 255)
            return _ANSI.get(code, code if code in "\\'\"?" else "\\" + code)

        escapes = r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|U[0-9A-Fa-f]{1,8}|[0-7]{1,3}|.)"
        pieces.append(("text", re.sub(escapes, one, found[1], flags=re.S), True))
        self.at = found.end()

    def backquoted(self, pieces: list[tuple[str, Any, bool]], *, quoted: bool) -> None:
        found = re.compile(r"`((?:[^`\\]|\\.)*)`", re.S).match(self.text, self.at)
        if found is None:
            raise SyntaxProblem("a backquote is not closed")
        inside = re.sub(r"\\([`\\$])", r"\1", found[1])
        inner = self.another(inside)
        pieces.append(("command", inner.list_of_commands(()), quoted))
        if inner.at < len(inner.text):
            raise SyntaxProblem("a command in backquotes cannot be read")
        self.at = found.end()

    def inner_list(self) -> Node:
        """The commands of ``$( … )`` or ``<( … )``; the opening is taken already."""
        found = self.list_of_commands((")",))
        self.take_word(")")
        return found

    # ── small things ──

    def skip_blank(self, *, newlines: bool = False) -> None:
        text = self.text
        while self.at < len(text):
            sign = text[self.at]
            if sign in " \t":
                self.at += 1
            elif sign == "\n" and newlines:
                self.take("\n")
            elif sign == "#" and (self.at == 0 or text[self.at - 1] in " \t\n;&|()`"):
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            else:
                return

    def take(self, sign: str) -> None:
        self.at += len(sign)
        if sign == "\n" and self.heredocs:
            self.read_heredocs()

    def read_heredocs(self) -> None:
        waiting, self.heredocs = self.heredocs, []
        for redirection, delimiter, quoted, tabs in waiting:
            lines = []
            while True:
                if self.at >= len(self.text):
                    raise SyntaxProblem(f"the here-document up to {delimiter!r} is not closed")
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = min(end + 1, len(self.text))
                line = line.lstrip("\t") if tabs else line
                if line == delimiter:
                    break
                lines.append(line + "\n")
            redirection.word = _heredoc("".join(lines), quoted=quoted, parser=self)

    def keyword(self) -> str:
        """The word that stands here, where it is a plain one."""
        found = re.compile(r"[A-Za-z]+(?=[\s;&|()<>]|$)|[{}!](?=[\s;&|)]|$)|\[\[(?=\s)|\]\](?=[\s;&|)]|$)").match(
            self.text, self.at
        )
        return found[0] if found else ""

    def closes(self, ends: tuple[str, ...]) -> bool:
        if self.text.startswith(")", self.at):
            return True
        return self.keyword() in ends

    def take_word(self, word: str) -> None:
        self.skip_blank(newlines=True)
        if not self.text.startswith(word, self.at):
            raise SyntaxProblem(f"{word} is missing")
        self.at += len(word)


def _heredoc(text: str, *, quoted: bool, parser: Words) -> Word:
    pieces: list[tuple[str, Any, bool]] = [("text", text, True)]
    if not quoted and re.search(r"[$`\\]", text):
        pieces = []
        parser.another(text).double_quoted(pieces, closing="")
    return Word(pieces, text)
