"""What the front ends with a grammar share: parsing, places, folding of alternatives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from itertools import product
from typing import Any

from tree_sitter import Language, Node, Parser, Query, QueryCursor

from ringfence.lint.model import Comment, Place

MOST_VALUES = 8
_GRAMMARS = {
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "javascript": ("tree_sitter_javascript", "language"),
    "python": ("tree_sitter_python", "language"),
    "shell": ("tree_sitter_bash", "language"),
}


@cache
def grammar(name: str) -> Language:
    """A grammar, loaded when it is first needed."""
    module, function = _GRAMMARS[name]
    return Language(getattr(import_module(module), function)())


@cache
def query(name: str, text: str) -> Query:
    """A query of a grammar, compiled once."""
    return Query(grammar(name), text)


def parse(name: str, source: bytes) -> Node:
    """The root of a syntax tree. It always exists; ``has_error`` says whether it can be believed."""
    return Parser(grammar(name)).parse(source).root_node


def captures(name: str, text: str, root: Node) -> dict[str, list[Node]]:
    """The nodes a query captures, by capture."""
    found: dict[str, list[Node]] = QueryCursor(query(name, text)).captures(root)
    return found


def text_of(node: Node) -> str:
    """The source of a node."""
    raw: Any = node.text
    return bytes(raw or b"").decode("utf-8", "replace")


def place(node: Node) -> Place:
    """Where a node begins and ends. Columns are bytes in the grammar; lines with other letters are a few off."""
    row, column = node.start_point
    return Place(line=row + 1, column=column + 1, start=node.start_byte, end=node.end_byte)


def comment(node: Node, source: bytes, *, before: bytes = b" \t\r\f\v") -> Comment:
    """A comment, on the line where it ends; ``before`` is what may stand on its line and leave it alone there."""
    start = source.rfind(b"\n", 0, node.start_byte) + 1
    alone = not source[start : node.start_byte].strip(before)
    return Comment(text=text_of(node), line=node.end_point[0] + 1, alone=alone)


def first_error(root: Node) -> int:
    """The line of the first place that the grammar does not know."""
    node, going = root, True
    while going:
        going = False
        for child in node.children:
            if child.has_error or child.is_missing:
                node, going = child, not (child.is_missing or child.type == "ERROR")
                break
    return int(node.start_point[0]) + 1


def joined(parts: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Every text that parts with alternatives can make, `MOST_VALUES` at most."""
    found: list[str] = []
    for chosen in product(*(tuple(dict.fromkeys(p)) or ("",) for p in parts)):
        found.append("".join(chosen))
        if len(found) == MOST_VALUES:
            break
    return tuple(dict.fromkeys(found))
