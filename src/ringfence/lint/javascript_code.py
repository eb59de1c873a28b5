"""TypeScript and JavaScript as rules see them: strings folded, environment variables and their fallbacks, calls."""

from __future__ import annotations

import re

from tree_sitter import Node

from ringfence.lint.folding import MOST_DEPTH, Folder, once
from ringfence.lint.model import UNKNOWN, Call, Code, Fallback, Language, Use
from ringfence.lint.trees import captures, comment, first_error, joined, parse, place, text_of

_QUERY = """
(string) @text (template_string) @text (number) @number (comment) @comment (call_expression) @call
(binary_expression operator: ["||" "??"]) @fallback (variable_declarator) @constant
(import_statement source: (string) @import)
(member_expression object: (member_expression property: (property_identifier) @e) property: (property_identifier) @env
  (#eq? @e "env"))
(subscript_expression object: (member_expression property: (property_identifier) @i) index: (string) @index
  (#eq? @i "env"))
(call_expression function: (identifier) @require arguments: (arguments (string) @required) (#eq? @require "require"))
"""
_ENVIRONMENT = re.compile(
    r"(?:process|import\.meta|Bun)\.env(?:\.(?P<dot>[A-Za-z_]\w*)|\[['\"](?P<index>[A-Za-z_]\w*)['\"]\])!?"
    r"|Deno\.env\.get\(['\"](?P<deno>[A-Za-z_]\w*)['\"]\)"
)
_WRAPPERS = frozenset({"parenthesized_expression", "as_expression", "satisfies_expression", "non_null_expression"})
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "v": "\v"}


def read(path: str, source: bytes, language: Language) -> Code:
    """A file of TypeScript (with or without JSX) or JavaScript."""
    name = "javascript" if language == "javascript" else "tsx" if path.endswith("x") else "typescript"
    root = parse(name, source)
    if root.has_error:
        return Code(
            path=path, language=language, source=source, problem="it has a syntax error", problem_line=first_error(root)
        )
    found = captures(name, _QUERY, root)
    reader = _Reader(_constants(found.get("constant", [])))
    return Code(
        path=path,
        language=language,
        source=source,
        texts=tuple(reader.texts(found.get("text", []))),
        numbers=tuple(reader.numbers(found.get("number", []))),
        calls=tuple(reader.call(n) for n in found.get("call", [])),
        fallbacks=tuple(f for n in found.get("fallback", []) if (f := reader.fallback(n))),
        comments=tuple(comment(n, source, before=b" \t{") for n in found.get("comment", [])),
        variables=frozenset(text_of(n).strip("'\"") for n in (*found.get("env", ()), *found.get("index", ()))),
        imports=frozenset(text_of(n)[1:-1] for n in (*found.get("import", ()), *found.get("required", ()))),
    )


class _Reader(Folder):
    """The nodes of this language's grammar."""

    def outermost(self, node: Node) -> Node:
        return _outermost(node)

    def is_prose(self, node: Node) -> bool:
        return _is_import(node)

    def is_literal(self, node: Node) -> bool:
        return node.type == "string" or (node.type == "template_string" and node.named_child_count <= 1)

    def use(self, node: Node) -> Use:
        return _use(node)

    def fold(self, node: Node, names: list[str] | None = None, depth: int = 0) -> tuple[str, ...]:
        """Every text that an expression may be; parts that are not known are `UNKNOWN`."""
        kind = node.type
        if depth > MOST_DEPTH:
            return (UNKNOWN,)
        if kind == "string":
            return ("".join(_fragment(c) for c in node.named_children),)
        if kind == "template_string":
            parts = [self._part(c, names, depth) for c in node.named_children]
            return joined(parts)
        if kind == "number":
            return (text_of(node).replace("_", ""),)
        if kind in _WRAPPERS and node.named_children:
            return self.fold(node.named_children[0], names, depth + 1)
        if kind == "identifier":
            return self.constant(text_of(node), names, depth)
        if kind == "binary_expression":
            return self._binary(node, names, depth)
        if kind == "ternary_expression":
            sides = (node.child_by_field_name("consequence"), node.child_by_field_name("alternative"))
            return tuple(dict.fromkeys(v for s in sides if s for v in self.fold(s, names, depth + 1)))
        if kind == "call_expression":
            inner = node.child_by_field_name("arguments")
            function = node.child_by_field_name("function")
            if inner and function and text_of(function) in ("String", "encodeURI") and inner.named_children:
                return self.fold(inner.named_children[0], names, depth + 1)
        return (UNKNOWN,)

    def _part(self, node: Node, names: list[str] | None, depth: int) -> tuple[str, ...]:
        if node.type == "template_substitution":
            return self.fold(node.named_children[0], names, depth + 1) if node.named_children else (UNKNOWN,)
        return (_fragment(node),)

    def _binary(self, node: Node, names: list[str] | None, depth: int) -> tuple[str, ...]:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = node.child_by_field_name("operator")
        if left is None or right is None or operator is None:
            return (UNKNOWN,)
        sides = [self.fold(s, names, depth + 1) for s in (left, right)]
        if operator.type == "+":
            return joined(sides)
        if operator.type in ("||", "??"):
            return tuple(dict.fromkeys((*sides[0], *sides[1])))
        return (UNKNOWN,)

    def call(self, node: Node) -> Call:
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        given = [c for c in arguments.named_children if c.type != "comment"] if arguments else []
        keywords: list[tuple[str, tuple[str, ...]]] = []
        for one in given:
            if one.type == "object":
                keywords += [
                    (text_of(key).strip("'\""), self.fold(value))
                    for pair in one.named_children
                    if pair.type == "pair"
                    and (key := pair.child_by_field_name("key"))
                    and (value := pair.child_by_field_name("value"))
                ]
        return Call(
            name=re.sub(r"\s+", "", text_of(function))[-200:].replace("?.", ".") if function else "",
            place=place(node),
            arguments=tuple(self.fold(a) for a in given[:4]),
            keywords=tuple(keywords),
        )

    def fallback(self, node: Node) -> Fallback | None:
        """A chain of ``||`` or ``??`` that begins with an environment variable; the outermost one only."""
        if node.parent is not None and _is_fallback(node.parent):
            return None
        variables: list[str] = []
        defaults: list[str] = []
        for part in _chain(node):
            match = _ENVIRONMENT.fullmatch(text_of(part))
            if match:
                variables.append(match["dot"] or match["index"] or match["deno"])
            else:
                defaults += [v for v in self.fold(part) if v.strip(UNKNOWN)]
        if not variables:
            return None
        return Fallback(variables=tuple(variables), defaults=tuple(defaults), place=place(node), use=_use(node))


def _constants(nodes: list[Node]) -> dict[str, Node]:
    named = ((n.child_by_field_name("name"), n.child_by_field_name("value")) for n in nodes)
    return once([(text_of(name), value) for name, value in named if name and value and name.type == "identifier"])


def _outermost(node: Node) -> Node:
    """The whole concatenation or template that a piece belongs to."""
    while (parent := node.parent) is not None:
        joins = parent.type == "binary_expression" and any(c.type == "+" for c in parent.children)
        if not (joins or parent.type in ("template_substitution", "template_string", "parenthesized_expression")):
            return node
        node = parent
    return node


def _use(node: Node) -> Use:
    while (parent := node.parent) is not None:
        kind = parent.type
        if kind in ("pair", "assignment_expression", "variable_declarator", "public_field_definition", "jsx_attribute"):
            key = parent.child_by_field_name("key") or parent.child_by_field_name("left")
            key = (
                key
                or parent.child_by_field_name("name")
                or (parent.named_children[0] if kind == "jsx_attribute" else None)
            )
            if key is None or key.start_byte == node.start_byte:
                return Use()
            return Use(key=text_of(key).strip("'\"`").rpartition(".")[2])
        if kind == "arguments":
            call = parent.parent
            function = call.child_by_field_name("function") if call else None
            given = [c for c in parent.named_children if c.type != "comment"]
            number = next((i for i, c in enumerate(given) if c.start_byte == node.start_byte), -1)
            return Use(call=re.sub(r"\s+", "", text_of(function))[-200:] if function else "", argument=number)
        if kind in ("binary_expression", "ternary_expression", "template_substitution", "template_string", *_WRAPPERS):
            node = parent
            continue
        return Use()
    return Use()


def _is_import(node: Node) -> bool:
    parent = node.parent
    return parent is not None and parent.type in ("import_statement", "export_statement")


def _is_fallback(node: Node) -> bool:
    return node.type == "binary_expression" and any(c.type in ("||", "??") for c in node.children)


def _chain(node: Node) -> list[Node]:
    if node.type == "parenthesized_expression" and node.named_children:
        return _chain(node.named_children[0])
    if not _is_fallback(node):
        return [node]
    sides = (node.child_by_field_name("left"), node.child_by_field_name("right"))
    return [part for side in sides if side is not None for part in _chain(side)]


def _fragment(node: Node) -> str:
    text = text_of(node)
    if node.type != "escape_sequence":
        return text
    code = re.fullmatch(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\})", text)
    if code:
        number = int(code[1] or code[2] or code[3], 16)
        return chr(number) if number < 0x110000 else ""
    return _ESCAPES.get(text[1:], text[1:])
