"""Shell source → a tree of commands (pure). Only what decides where a command leads is kept.

What is not understood is a `SyntaxProblem`, and the guard refuses it.
"""

from __future__ import annotations

import re

from ringfence.guard.words import MOST_NESTED, NAME, Node, Redirection, SyntaxProblem, Word, Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[[^\]\s]*\])?(\+?=)")
_REDIRECTION = re.compile(r"(\d+|\{[A-Za-z_]\w*\})?(&>>|&>|<<<|<<-|<<|<>|<&|>&|>>|>\||<|>)")
_OPERATOR = re.compile(r"&&|\|\||;;&|;;|;&|\|&|[;&|()\n]")
_ENDS = {"then", "elif", "else", "fi", "do", "done", "esac", "}"}


def parse(text: str) -> Node:
    """The tree of a whole command line or script. Raises `SyntaxProblem`."""
    parser = Parser(text.replace("\\\n", "").replace("\r\n", "\n"), 0)
    tree = parser.list_of_commands(())
    if parser.at < len(parser.text):
        raise SyntaxProblem(f"unexpected {parser.text[parser.at : parser.at + 10]!r}")
    if parser.heredocs:
        raise SyntaxProblem("a here-document has no content")
    return tree


class Parser(Words):
    """Lists, pipelines and commands; the words are the business of the base."""

    # ── lists and pipelines ──

    def list_of_commands(self, ends: tuple[str, ...]) -> Node:
        """Commands up to one of the closing words, which is not taken."""
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise SyntaxProblem("nested too deeply")
        found = Node("list")
        sometimes = False
        while True:
            self.skip_blank(newlines=True)
            if self.at >= len(self.text) or self.closes(ends):
                break
            if self.text.startswith((";;", ";&"), self.at):
                break
            found.parts.append((sometimes, self.pipeline()))
            self.skip_blank()
            operator = _OPERATOR.match(self.text, self.at)
            sign = operator[0] if operator else ""
            if sign in ("&&", "||", ";", "&", "\n"):
                self.take(sign)
                sometimes = sign in ("&&", "||")
            elif sign in (")", ";;", ";&", ";;&") or self.at >= len(self.text) or self.closes(ends):
                break
            else:
                raise SyntaxProblem(f"unexpected {self.text[self.at : self.at + 10]!r}")
        self.depth -= 1
        return found

    def pipeline(self) -> Node:
        pipe = Node("pipe")
        while True:
            self.skip_blank(newlines=bool(pipe.parts))
            while self.keyword() in ("!", "time", "coproc"):
                self.at += len(self.keyword())
                self.skip_blank()
            pipe.parts.append(self.command())
            self.skip_blank()
            if self.text.startswith("||", self.at) or not self.text.startswith("|", self.at):
                break
            self.at += 2 if self.text.startswith("|&", self.at) else 1
        return pipe.parts[0] if len(pipe.parts) == 1 else pipe

    def command(self) -> Node:
        word = self.keyword()
        if self.text.startswith("((", self.at) and self.arithmetic():
            return Node("nothing")
        if self.text.startswith("(", self.at):
            return self.with_redirections(self.enclosed("subshell", "(", ")"))
        compound = {
            "{": lambda: self.enclosed("group", "{", "}"),
            "if": self.if_command,
            "while": self.loop,
            "until": self.loop,
            "for": self.for_command,
            "select": self.for_command,
            "case": self.case_command,
            "function": self.function,
        }.get(word)
        if compound is not None:
            return self.with_redirections(compound())
        if word == "[[":
            return self.with_redirections(self.condition())
        if word in _ENDS:
            raise SyntaxProblem(f"unexpected {word!r}")
        defined = re.compile(r"([^\s()$`'\"=;&|<>]+)[ \t]*\([ \t]*\)").match(self.text, self.at)
        if defined:
            self.at = defined.end()
            return self.body_of(defined[1])
        return self.simple()

    def enclosed(self, kind: str, begin: str, end: str) -> Node:
        self.at += len(begin)
        node = Node(kind)
        node.parts = [self.list_of_commands((end,))]
        self.take_word(end)
        return node

    def if_command(self) -> Node:
        node = Node("choice")
        self.at += 2
        while True:
            node.parts.append(self.list_of_commands(("then",)))
            self.take_word("then")
            node.parts.append(self.list_of_commands(("elif", "else", "fi")))
            if self.keyword() != "elif":
                break
            self.take_word("elif")
        if self.keyword() == "else":
            self.take_word("else")
            node.parts.append(self.list_of_commands(("fi",)))
        self.take_word("fi")
        return node

    def loop(self) -> Node:
        self.at += 5
        node = Node("choice")
        node.parts = [self.list_of_commands(("do",))]
        self.take_word("do")
        node.parts.append(self.list_of_commands(("done",)))
        self.take_word("done")
        return node

    def for_command(self) -> Node:
        self.at += len(self.keyword())
        self.skip_blank()
        node = Node("for")
        if self.text.startswith("((", self.at):
            if not self.arithmetic():
                raise SyntaxProblem("a for loop that cannot be read")
        else:
            name = NAME.match(self.text, self.at)
            if name is None:
                raise SyntaxProblem("a for loop without a variable")
            node.name, self.at = name[0], name.end()
            self.skip_blank(newlines=True)
            if self.keyword() == "in":
                self.at += 2
                node.words = self.words_of_line()
        self.skip_blank()
        if self.text.startswith(";", self.at):
            self.at += 1
        self.skip_blank(newlines=True)
        closing = "}" if self.keyword() == "{" else "done"
        self.take_word("{" if closing == "}" else "do")
        node.parts = [self.list_of_commands((closing,))]
        self.take_word(closing)
        return node

    def words_of_line(self) -> list[Word]:
        words: list[Word] = []
        while True:
            self.skip_blank()
            if self.at >= len(self.text) or self.text[self.at] in ";\n&|)":
                return words
            words.append(self.word())

    def case_command(self) -> Node:
        self.at += 4
        self.skip_blank()
        node = Node("case")
        node.words = [self.word()]
        self.skip_blank(newlines=True)
        self.take_word("in")
        while True:
            self.skip_blank(newlines=True)
            if self.keyword() == "esac":
                self.take_word("esac")
                return node
            if self.text.startswith("(", self.at):
                self.at += 1
            while not self.text.startswith(")", self.at):
                self.skip_blank()
                self.word()
                self.skip_blank()
                if self.text.startswith("|", self.at):
                    self.at += 1
                elif not self.text.startswith(")", self.at):
                    raise SyntaxProblem("a case that cannot be read")
            self.at += 1
            node.parts.append(self.list_of_commands(("esac",)))
            ending = re.compile(r";;&|;;|;&").match(self.text, self.at)
            if ending:
                self.at = ending.end()

    def function(self) -> Node:
        self.at += len("function")
        self.skip_blank()
        name = re.compile(r"[^\s(){};&|<>]+").match(self.text, self.at)
        if name is None:
            raise SyntaxProblem("a function without a name")
        self.at = name.end()
        parentheses = re.compile(r"[ \t]*\([ \t]*\)").match(self.text, self.at)
        if parentheses:
            self.at = parentheses.end()
        return self.body_of(name[0])

    def body_of(self, name: str) -> Node:
        self.skip_blank(newlines=True)
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise SyntaxProblem("nested too deeply")
        node = Node("function")
        node.name, node.parts = name, [self.command()]
        self.depth -= 1
        return node

    def condition(self) -> Node:
        """``[[ … ]]``: its words are only expanded."""
        self.at += 2
        node = Node("simple")
        node.words = [Word([("text", "[[", False)], "[[")]
        while True:
            self.skip_blank(newlines=True)
            if self.at >= len(self.text):
                raise SyntaxProblem("[[ is not closed")
            if self.keyword() == "]]":
                self.at += 2
                return node
            if self.text[self.at] in "()|&<>;":
                self.at += 1
                continue
            node.words.append(self.word())

    def arithmetic(self) -> bool:
        """Take ``(( … ))`` where that is what stands here."""
        end = self.text.find("))", self.at)
        inside = self.text[self.at + 2 : end]
        if end < 0 or "\n" in inside or "`" in inside or "$(" in inside:
            return False
        if inside.count("(") != inside.count(")"):
            return False
        self.at = end + 2
        return True

    def with_redirections(self, node: Node) -> Node:
        while True:
            self.skip_blank()
            found = self.redirection()
            if found is None:
                return node
            node.redirections.append(found)

    def simple(self) -> Node:
        node = Node("simple")
        start = self.at
        while True:
            self.skip_blank()
            if self.at >= len(self.text) or self.text[self.at] in ";|)\n":
                break
            found = self.redirection()
            if found is not None:
                node.redirections.append(found)
                continue
            if self.text[self.at] in "&(":
                break
            assignment = None if node.words else _ASSIGNMENT.match(self.text, self.at)
            if assignment:
                self.at = assignment.end()
                node.assignments.append((assignment[1], assignment[2] == "+=", self.value()))
                continue
            node.words.append(self.word())
        if self.at == start:
            raise SyntaxProblem(f"unexpected {self.text[self.at : self.at + 10]!r}")
        return node

    def value(self) -> Word:
        """The right side of an assignment; of an array its elements, each a possible value."""
        if not self.text.startswith("(", self.at):
            return self.word(empty=True)
        start = self.at
        self.at += 1
        pieces: list[tuple[str, Any, bool]] = []
        while True:
            self.skip_blank(newlines=True)
            if self.at >= len(self.text):
                raise SyntaxProblem("an array is not closed")
            if self.text[self.at] == ")":
                self.at += 1
                return Word(pieces, self.text[start : self.at])
            if pieces:
                pieces.append(("text", " ", False))
            pieces += self.word().pieces

    def redirection(self) -> Redirection | None:
        found = _REDIRECTION.match(self.text, self.at)
        if found is None or self.text.startswith(("<(", ">("), self.at):
            return None
        self.at = found.end()
        self.skip_blank()
        operator = found[2]
        redirection = Redirection(operator, self.word())
        if operator in ("<<", "<<-"):
            quoted = any(q for _, _, q in redirection.word.pieces) or "\\" in redirection.word.source
            delimiter = redirection.word.source
            for sign in ("\\", "'", '"'):
                delimiter = delimiter.replace(sign, "")
            self.heredocs.append((redirection, delimiter, quoted, operator == "<<-"))
        return redirection
