"""Python as rules see it: strings folded, environment variables and their fallbacks, calls."""

from __future__ import annotations

import ast
import re

from tree_sitter import Node

from ringfence.lint.folding import MOST_DEPTH, Folder, once
from ringfence.lint.model import UNKNOWN, Call, Code, Fallback, Use
from ringfence.lint.trees import captures, comment, first_error, joined, parse, place, text_of

_QUERY = """
(string) @text (concatenated_string) @text (integer) @number (comment) @comment (call) @call
(boolean_operator operator: "or") @fallback (assignment left: (identifier)) @constant
(import_statement name: (_) @import) (import_from_statement module_name: (_) @import)
"""
_GETS = frozenset({"os.environ.get", "environ.get", "os.getenv", "getenv"})
_INDEXED = re.compile(r"(?:os\.)?environ\[\s*['\"](?P<name>\w+)['\"]\s*\]")


def read(path: str, source: bytes) -> Code:
    """A file of Python."""
    root = parse("python", source)
    if root.has_error:
        return Code(
            path=path, language="python", source=source, problem="it has a syntax error", problem_line=first_error(root)
        )
    found = captures("python", _QUERY, root)
    reader = _Reader(_constants(found.get("constant", [])))
    calls = [reader.call(n) for n in found.get("call", [])]
    gets = [f for n in found.get("call", []) if (f := reader.get_with_default(n))]
    ors = [f for n in found.get("fallback", []) if (f := reader.fallback(n))]
    return Code(
        path=path,
        language="python",
        source=source,
        texts=tuple(reader.texts(found.get("text", []))),
        numbers=tuple(reader.numbers(found.get("number", []))),
        calls=tuple(calls),
        fallbacks=(*ors, *gets),
        comments=tuple(comment(n, source) for n in found.get("comment", [])),
        imports=frozenset(text_of(n).partition(" ")[0] for n in found.get("import", [])),
    )


class _Reader(Folder):
    """The nodes of this language's grammar."""

    def outermost(self, node: Node) -> Node:
        return _outermost(node)

    def is_prose(self, node: Node) -> bool:
        return _is_docstring(node)

    def is_literal(self, node: Node) -> bool:
        return node.type == "string" and not _interpolates(node)

    def use(self, node: Node) -> Use:
        return _use(node)

    def fold(self, node: Node, names: list[str] | None = None, depth: int = 0) -> tuple[str, ...]:
        """Every text that an expression may be; parts that are not known are `UNKNOWN`."""
        kind = node.type
        if depth > MOST_DEPTH:
            return (UNKNOWN,)
        if kind == "string":
            return self._string(node, names, depth)
        if kind == "concatenated_string":
            return joined([self.fold(c, names, depth + 1) for c in node.named_children if c.type == "string"])
        if kind == "integer":
            return (text_of(node).replace("_", ""),)
        if kind == "parenthesized_expression" and node.named_children:
            return self.fold(node.named_children[0], names, depth + 1)
        if kind == "identifier":
            return self.constant(text_of(node), names, depth)
        if kind in ("binary_operator", "boolean_operator"):
            return self._binary(node, names, depth)
        if kind == "conditional_expression" and len(node.named_children) == 3:
            sides = (node.named_children[0], node.named_children[2])
            return tuple(dict.fromkeys(v for s in sides for v in self.fold(s, names, depth + 1)))
        if kind == "call":
            return self._folded_call(node, names, depth)
        return (UNKNOWN,)

    def _string(self, node: Node, names: list[str] | None, depth: int) -> tuple[str, ...]:
        if not _interpolates(node):
            return (_plain(node),)
        parts: list[tuple[str, ...]] = []
        for child in node.named_children:
            if child.type == "interpolation":
                parts.append(
                    self.fold(child.named_children[0], names, depth + 1) if child.named_children else (UNKNOWN,)
                )
            elif child.type == "string_content":
                parts.append((text_of(child).replace("{{", "{").replace("}}", "}"),))
        return joined(parts)

    def _folded_call(self, node: Node, names: list[str] | None, depth: int) -> tuple[str, ...]:
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        given = _given(arguments)
        if function is None:
            return (UNKNOWN,)
        if text_of(function) == "str" and len(given) == 1:
            return self.fold(given[0], names, depth + 1)
        if text_of(function) in _GETS and len(given) == 2:
            return (UNKNOWN, *self.fold(given[1], names, depth + 1))
        if function.type == "attribute" and text_of(function).endswith(".format"):
            whole = function.child_by_field_name("object")
            if whole is not None:
                return tuple(re.sub(r"\{[^{}]*\}", UNKNOWN, v) for v in self.fold(whole, names, depth + 1))
        return (UNKNOWN,)

    def _binary(self, node: Node, names: list[str] | None, depth: int) -> tuple[str, ...]:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = node.child_by_field_name("operator")
        if left is None or right is None or operator is None:
            return (UNKNOWN,)
        if operator.type == "%":
            return tuple(re.sub(r"%\(?\w*\)?[sd]", UNKNOWN, v) for v in self.fold(left, names, depth + 1))
        sides = [self.fold(s, names, depth + 1) for s in (left, right)]
        if operator.type == "+":
            return joined(sides)
        return tuple(dict.fromkeys((*sides[0], *sides[1]))) if operator.type == "or" else (UNKNOWN,)

    def call(self, node: Node) -> Call:
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        keywords = [
            (text_of(key), self.fold(value))
            for c in (arguments.named_children if arguments else ())
            if c.type == "keyword_argument"
            and (key := c.child_by_field_name("name"))
            and (value := c.child_by_field_name("value"))
        ]
        return Call(
            name=re.sub(r"\s+", "", text_of(function))[-200:] if function else "",
            place=place(node),
            arguments=tuple(self.fold(a) for a in _given(arguments)[:4]),
            keywords=tuple(keywords),
        )

    def get_with_default(self, node: Node) -> Fallback | None:
        """``os.environ.get(A, os.environ.get(B, "text"))``; only the outermost."""
        if _env_get(node) is None or (node.parent and node.parent.parent and _env_get(node.parent.parent)):
            return None
        variables, defaults = self._env_chain(node)
        if len(variables) < 2 and not defaults:
            return None
        return Fallback(variables=tuple(variables), defaults=tuple(defaults), place=place(node), use=_use(node))

    def fallback(self, node: Node) -> Fallback | None:
        """``os.environ.get(A) or os.environ[B] or "text"``."""
        if node.parent is not None and node.parent.type == "boolean_operator":
            return None
        variables, defaults = self._env_chain(node)
        if not variables:
            return None
        return Fallback(variables=tuple(variables), defaults=tuple(defaults), place=place(node), use=_use(node))

    def _env_chain(self, node: Node) -> tuple[list[str], list[str]]:
        if node.type in ("boolean_operator", "parenthesized_expression"):
            chains = [self._env_chain(c) for c in node.named_children]
            return [v for c in chains for v in c[0]], [d for c in chains for d in c[1]]
        indexed = _INDEXED.fullmatch(text_of(node))
        if indexed:
            return [indexed["name"]], []
        got = _env_get(node)
        if got is not None:
            rest = self._env_chain(got[1]) if got[1] is not None else ([], [])
            return [got[0], *rest[0]], rest[1]
        return [], [v for v in self.fold(node) if v.strip(UNKNOWN)]


def _env_get(node: Node) -> tuple[str, Node | None] | None:
    if node.type != "call":
        return None
    function = node.child_by_field_name("function")
    given = _given(node.child_by_field_name("arguments"))
    if function is None or text_of(function) not in _GETS or not given or given[0].type != "string":
        return None
    return _plain(given[0]), given[1] if len(given) > 1 else None


def _given(arguments: Node | None) -> list[Node]:
    if arguments is None or arguments.type != "argument_list":
        return []
    return [c for c in arguments.named_children if c.type not in ("keyword_argument", "comment")]


def _constants(nodes: list[Node]) -> dict[str, Node]:
    named = ((n.child_by_field_name("left"), n.child_by_field_name("right")) for n in nodes)
    return once([(text_of(name), value) for name, value in named if name and value])


def _outermost(node: Node) -> Node:
    while (parent := node.parent) is not None:
        joins = parent.type == "binary_operator" and any(c.type in ("+", "%") for c in parent.children)
        if not (joins or parent.type in ("interpolation", "string", "concatenated_string", "parenthesized_expression")):
            return node
        node = parent
    return node


def _use(node: Node) -> Use:
    while (parent := node.parent) is not None:
        kind = parent.type
        if kind in ("assignment", "keyword_argument", "pair", "default_parameter"):
            key = parent.child_by_field_name("left") or parent.child_by_field_name("name")
            key = key or parent.child_by_field_name("key")
            if key is None or key.start_byte == node.start_byte:
                return Use()
            return Use(key=text_of(key).strip("'\"").rpartition(".")[2])
        if kind == "argument_list":
            call = parent.parent
            function = call.child_by_field_name("function") if call else None
            number = next((i for i, c in enumerate(_given(parent)) if c.start_byte == node.start_byte), -1)
            return Use(call=re.sub(r"\s+", "", text_of(function))[-200:] if function else "", argument=number)
        if kind not in ("binary_operator", "boolean_operator", "conditional_expression", "parenthesized_expression"):
            return Use()
        node = parent
    return Use()


def _is_docstring(node: Node) -> bool:
    parent = node.parent
    return parent is not None and parent.type == "expression_statement"


def _interpolates(node: Node) -> bool:
    return any(c.type == "interpolation" for c in node.named_children)


def _plain(node: Node) -> str:
    try:
        value = ast.literal_eval(text_of(node))
    except (ValueError, SyntaxError, MemoryError):  # an f-string without a value in it
        return "".join(text_of(c) for c in node.named_children if c.type == "string_content")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
