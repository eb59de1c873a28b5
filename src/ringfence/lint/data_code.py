"""Files without a program in them as rules see them: JSON, YAML, .env, instructions for agents, make, TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

import yaml

from ringfence.lint import javascript_code, shell_code
from ringfence.lint.model import Code, Command, Comment, Language, Place, Text, Use

_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[\w+-]*)")
_SHELLS = frozenset({"sh", "bash", "shell", "zsh", "console", "shell-session"})
_MOST_NODES = 50_000


def read_json(path: str, source: bytes) -> Code:
    """JSON, also with comments and trailing commas, as configurations of tools have them."""
    # An object literal of JavaScript in parentheses; the one byte before it is taken off again.
    code = javascript_code.read("data.js", b"(" + source + b"\n)", "javascript")
    if code.problem:
        return Code(path=path, language="json", source=source, problem="it is no JSON", problem_line=code.problem_line)
    texts = tuple(replace(t, place=_one_byte_back(t.place)) for t in code.texts)
    commands: tuple[Command, ...] = ()
    if PurePosixPath(path).name == "package.json":
        scripts = _scripts(source)
        commands = tuple(
            c for t in texts if t.use.key in scripts and t.values[0] == scripts[t.use.key]
            for c in shell_code.commands_in(t.values[0], t.place)
        )  # fmt: skip
    numbers = tuple(replace(n, place=_one_byte_back(n.place)) for n in code.numbers)
    return Code(
        path=path, language="json", source=source, texts=texts, numbers=numbers, comments=code.comments,
        commands=commands,
    )  # fmt: skip


def read_yaml(path: str, source: bytes) -> Code:
    """YAML; steps of workflows (``run:``) are commands, and the document is kept for rules that look at its shape."""
    text = source.decode("utf-8", "replace")
    try:
        roots = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        return Code(
            path=path, language="yaml", source=source, problem="it is no YAML",
            problem_line=mark.line + 1 if mark else 1,
        )  # fmt: skip
    texts = [t for root in roots if root is not None for t in _scalars(root, text)]
    commands = [
        c
        for t in texts
        if t.use.key in ("run", "script", "command", "entrypoint", "before_script")
        for c in shell_code.commands_in(t.values[0], t.place)
    ]
    return Code(
        path=path, language="yaml", source=source, texts=tuple(texts), commands=tuple(commands),
        comments=tuple(_hash_comments(text)), document=roots[0] if roots else None,
    )  # fmt: skip


def read_dotenv(path: str, source: bytes) -> Code:
    """``.env`` files: variables with their values. A line that is neither is no error there."""
    texts, text, at = [], source.decode("utf-8", "replace"), 0
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r"\s*(?:export\s+)?(?P<key>[A-Za-z_][\w.]*)\s*=\s*(?P<value>.*?)\s*$", line)
        if match:
            value = match["value"]
            quoted = re.match(r"(['\"`])(.*?)\1", value)
            value = quoted[2] if quoted else re.split(r"\s#", value, maxsplit=1)[0].strip()
            start = at + len(line[: match.start("value")].encode())
            place = Place(line=number, column=match.start("key") + 1, start=start, end=start + len(value.encode()))
            texts.append(Text(values=(value,), place=place, use=Use(key=match["key"])))
        at += len(line.encode()) + 1
    return Code(path=path, language="dotenv", source=source, texts=tuple(texts), comments=tuple(_hash_comments(text)))


def read_markdown(path: str, source: bytes) -> Code:
    """Instructions for agents: the commands in their blocks of shell. What is said around them is prose."""
    commands: list[Command] = []
    text, fence, block = source.decode("utf-8", "replace"), "", list[str]()
    began = 0
    comments = []
    for number, line in enumerate(text.split("\n"), 1):
        mark = _FENCE.match(line)
        if not fence and mark:
            fence, block, began = (mark["fence"] if mark["info"] in _SHELLS else "skip"), [], number + 1
            closing = mark["fence"][:3]
        elif fence and mark and mark["fence"].startswith(closing) and not mark["info"]:
            if fence != "skip":
                at = Place(line=began, column=1, start=0, end=0)
                commands += shell_code.commands_in("\n".join(block), at)
            fence = ""
        elif fence:
            block.append(re.sub(r"^\s*\$ ", "", line))
        note = re.search(r"<!--(.*?)-->", line)
        if note:
            comments.append(Comment(text=note[1], line=number, alone=line.strip().startswith("<!--")))
    return Code(
        path=path, language="markdown", source=source, commands=tuple(commands), comments=tuple(comments),
        texts=tuple(Text(values=(" ".join(c.words),), place=c.place) for c in commands),
    )  # fmt: skip


def read_make(path: str, source: bytes) -> Code:
    """A Makefile or justfile: each line of a recipe is a command of its own."""
    commands: list[Command] = []
    text, at = source.decode("utf-8", "replace"), 0
    for number, line in enumerate(text.split("\n"), 1):
        if line[:1] in ("\t", " ") and line.strip() and not line.lstrip().startswith("#"):
            words = line.strip().lstrip("@-+").replace("$(", "${").replace(")", "}") if "$(" in line else line.strip()
            place = Place(line=number, column=len(line) - len(line.lstrip()) + 1, start=at, end=at + len(line.encode()))
            commands += shell_code.commands_in(words.lstrip("@-+"), place)
        at += len(line.encode()) + 1
    return Code(
        path=path, language="make", source=source, commands=tuple(commands), comments=tuple(_hash_comments(text))
    )


def read_toml(path: str, source: bytes) -> Code:
    """``pyproject.toml``: its values by their keys, line by line, once the whole is known to be TOML."""
    text = source.decode("utf-8", "replace")
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        said = re.search(r"line (\d+)", str(error))
        return Code(
            path=path, language="toml", source=source, problem="it is no TOML", problem_line=int(said[1]) if said else 1
        )
    texts, at = [], 0
    for number, line in enumerate(text.split("\n"), 1):
        key = re.match(r"\s*([\w.\"-]+)\s*=", line)
        for quoted in re.finditer(r"\"([^\"\\]*)\"|'([^']*)'", line):
            start = at + len(line[: quoted.start()].encode())
            place = Place(line=number, column=quoted.start() + 1, start=start, end=start + len(quoted[0].encode()))
            value = quoted[1] if quoted[1] is not None else quoted[2]
            texts.append(Text(values=(value,), place=place, use=Use(key=key[1].strip('"') if key else "")))
        at += len(line.encode()) + 1
    return Code(path=path, language="toml", source=source, texts=tuple(texts), comments=tuple(_hash_comments(text)))


READERS = {
    "json": read_json,
    "yaml": read_yaml,
    "dotenv": read_dotenv,
    "markdown": read_markdown,
    "make": read_make,
    "toml": read_toml,
}
assert all(name in Language.__args__ for name in READERS)  # type: ignore[attr-defined]


def _scripts(source: bytes) -> dict[str, str]:
    code = yaml.safe_load(source.decode("utf-8", "replace").replace("\t", " ")) if source.strip() else None
    scripts = code.get("scripts") if isinstance(code, dict) else None
    return {str(k): str(v) for k, v in scripts.items()} if isinstance(scripts, dict) else {}


def _one_byte_back(place: Place) -> Place:
    column = place.column - 1 if place.line == 1 else place.column
    return replace(place, column=column, start=place.start - 1, end=place.end - 1)


def _scalars(root: yaml.Node, text: str) -> Iterator[Text]:
    """Every scalar with the key it stands under; an alias is looked at once, where it is defined."""
    waiting: list[tuple[yaml.Node, str]] = [(root, "")]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_NODES:
        node, key = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            yield Text(values=(str(node.value),), place=mark_place(node), use=Use(key=key))
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(child, key) for child in reversed(node.value)]
        elif isinstance(node, yaml.MappingNode):
            for name, value in reversed(node.value):
                waiting.append((value, str(name.value) if isinstance(name, yaml.ScalarNode) else ""))


def mark_place(node: yaml.Node) -> Place:
    """Where a node of YAML stands; bytes are characters here, so nothing of YAML is rewritten by them."""
    start, end = node.start_mark, node.end_mark
    # A block scalar (|) begins on the line after its mark.
    offset = 1 if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else 0
    return Place(line=start.line + 1 + offset, column=start.column + 1, start=start.index, end=end.index)


def _hash_comments(text: str) -> Iterator[Comment]:
    for number, line in enumerate(text.split("\n"), 1):
        match = re.search(r"(?:^|\s)#(.*)$", line)
        if match:
            yield Comment(text=match[1], line=number, alone=line.lstrip().startswith("#"))
