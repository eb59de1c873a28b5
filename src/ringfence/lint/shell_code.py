"""Shell as rules see it: commands with their words and the assignments before them."""

from __future__ import annotations

import re
from dataclasses import replace

from tree_sitter import Node

from ringfence.lint.model import UNKNOWN, Code, Command, Place, Text, Use
from ringfence.lint.trees import captures, comment, first_error, joined, parse, place, text_of

_QUERY = "(command) @command (variable_assignment) @assignment (comment) @comment"


def read(path: str, source: bytes) -> Code:
    """A shell script."""
    root = parse("shell", source)
    if root.has_error:
        return Code(
            path=path, language="shell", source=source, problem="it has a syntax error", problem_line=first_error(root)
        )
    found = captures("shell", _QUERY, root)
    variables = _variables(found.get("assignment", []))
    commands = [c for n in found.get("command", []) if (c := _command(n, variables))]
    return Code(
        path=path,
        language="shell",
        source=source,
        texts=tuple(_assigned(n, variables) for n in found.get("assignment", []))
        + tuple(Text(values=(" ".join(c.words),), place=c.place) for c in commands),
        commands=tuple(commands),
        comments=tuple(comment(n, source) for n in found.get("comment", [])),
    )


def commands_in(script: str, at: Place) -> tuple[Command, ...]:
    """The commands of a line of shell inside another file (a script of package.json, a step of a workflow).

    Their place is that of the text; with a syntax error in it there are none, for the text may be no shell at all.
    """
    root = parse("shell", script.encode())
    if root.has_error:
        return ()
    found = captures("shell", _QUERY, root)
    variables = _variables(found.get("assignment", []))
    commands = [c for n in found.get("command", []) if (c := _command(n, variables))]
    first = at.line
    return tuple(replace(c, place=replace(at, line=first + c.place.line - 1)) for c in commands)


def _variables(nodes: list[Node]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        if node.parent is not None and node.parent.type == "command":
            continue  # for that command alone
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is not None:
            earlier = found.get(text_of(name), ())
            found[text_of(name)] = tuple(dict.fromkeys((*earlier, *(_word(value, found) if value else ("",)))))[:8]
    return found


def _command(node: Node, variables: dict[str, tuple[str, ...]]) -> Command | None:
    words, assignments = [], []
    for child in node.named_children:
        if child.type == "variable_assignment":
            name, value = child.child_by_field_name("name"), child.child_by_field_name("value")
            if name is not None:
                assignments.append((text_of(name), _word(value, variables)[0] if value else ""))
        elif child.type not in ("file_redirect", "heredoc_redirect", "herestring_redirect", "comment"):
            words.append(_word(child, variables)[0])
    return Command(words=tuple(words), assignments=tuple(assignments), place=place(node)) if words else None


def _word(node: Node, variables: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    kind = node.type
    if kind in ("word", "string_content", "number"):
        return (text_of(node).replace("\\", "") if kind == "word" else text_of(node),)
    if kind == "raw_string":
        return (text_of(node)[1:-1],)
    if kind in ("string", "concatenation", "command_name"):
        return joined([_word(c, variables) for c in node.named_children]) or ("",)
    if kind in ("simple_expansion", "expansion"):
        name = re.match(r"\$\{?(\w+)", text_of(node))
        if name and name[1] in variables:
            return variables[name[1]]
        default = re.fullmatch(r"\$\{\w+:?-([^}]*)\}", text_of(node))
        # What a variable holds is not known; its name is, and says what was meant.
        said = f"{UNKNOWN}{name[1]}{UNKNOWN}" if name else UNKNOWN
        return (said, default[1]) if default else (said,)
    return (UNKNOWN,)


def _assigned(node: Node, variables: dict[str, tuple[str, ...]]) -> Text:
    name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
    return Text(
        values=_word(value, variables) if value else ("",),
        place=place(node),
        use=Use(key=text_of(name) if name else ""),
    )
