"""What folding expressions has in common in every language with a grammar: whole texts, and constants by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from tree_sitter import Node

from ringfence.lint.model import UNKNOWN, Number, Text, Use
from ringfence.lint.trees import place, text_of

MOST_DEPTH = 40


class Folder(ABC):
    """Folds the expressions of one file, with the constants that it defines. A language says what its nodes mean."""

    def __init__(self, constants: Mapping[str, Node]) -> None:
        self._constants = constants
        self._known: dict[str, tuple[str, ...]] = {}

    @abstractmethod
    def fold(self, node: Node, names: list[str] | None = None, depth: int = 0) -> tuple[str, ...]:
        """Every text that an expression may be; parts that are not known are `UNKNOWN`. ``names`` collects the
        constants in it."""

    @abstractmethod
    def outermost(self, node: Node) -> Node:
        """The whole concatenation or template that a piece belongs to."""

    @abstractmethod
    def is_prose(self, node: Node) -> bool:
        """Whether a string is no value of the program: a docstring, the module of an import."""

    @abstractmethod
    def is_literal(self, node: Node) -> bool:
        """Whether the source holds it as one literal."""

    @abstractmethod
    def use(self, node: Node) -> Use:
        """What a value is used for."""

    def texts(self, nodes: list[Node]) -> list[Text]:
        """The whole texts that these pieces are part of, each once."""
        found, seen = [], set()
        for node in nodes:
            top = self.outermost(node)
            if top.id in seen or self.is_prose(top):
                continue
            seen.add(top.id)
            names: list[str] = []
            values = self.fold(top, names)
            if any(v.strip(UNKNOWN) for v in values):
                found.append(
                    Text(
                        values=values,
                        place=place(top),
                        use=self.use(top),
                        constants=tuple(v for n in names for v in self._known.get(n, ())),
                        literal=self.is_literal(top),
                    )
                )
        return found

    def numbers(self, nodes: list[Node]) -> list[Number]:
        """Whole numbers of at most nine digits: everything that could be a port."""
        found = []
        for node in nodes:
            text = text_of(node).replace("_", "")
            if text.isdigit() and len(text) <= 9:
                found.append(Number(value=int(text), place=place(node), use=self.use(node)))
        return found

    def constant(self, name: str, names: list[str] | None, depth: int) -> tuple[str, ...]:
        """What a name stands for in this file; one that is defined by itself is not known."""
        if name not in self._known:
            self._known[name] = (UNKNOWN,)
            value = self._constants.get(name)
            if value is not None:
                self._known[name] = self.fold(value, None, depth + 1)
        if names is not None:
            names.append(name)
        return self._known[name]


def once(pairs: list[tuple[str, Node]]) -> dict[str, Node]:
    """What names are given once and for all; a name that is given twice is no constant."""
    found: dict[str, Node] = {}
    twice = set()
    for name, value in pairs:
        if name in found:
            twice.add(name)
        found[name] = value
    return {n: v for n, v in found.items() if n not in twice}
