"""Recipes of a Makefile as shell text, with the variables that are plain (pure)."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.guard.expansion import Values

_VARIABLE = re.compile(r"^(?:export\s+)?([A-Za-z_]\w*)\s*(\?=|:=|::=|=|\+=)\s*(.*)$")
_RULE = re.compile(r"^([^\s:#=][^:#=]*?)\s*::?(?!=)\s*([^=;]*)(?:;(.*))?$")
_REFERENCE = re.compile(r"\$(?:\(([^()$]*)\)|\{([^{}$]*)\})")
MOST_TARGETS = 60


def recipes(text: str, targets: Sequence[str], environment: dict[str, Values]) -> list[str]:
    """The lines that make would run for these targets (or the first one) and all that they need."""
    variables, rules, order = _read(text)
    wanted = list(targets) or order[:1]
    variables |= {name: values[0] for name, values in environment.items() if len(values) == 1}
    found: list[str] = []
    seen: set[str] = set()
    while wanted and len(seen) < MOST_TARGETS:
        target = wanted.pop(0)
        if target in seen or target not in rules:
            continue
        seen.add(target)
        needs, lines = rules[target]
        wanted += _expanded(needs, variables, target).split()
        exported = "".join(f"export {n}={_quoted(v)}\n" for n, v in variables.items() if f"export {n}" in text)
        found += [exported + _expanded(line, variables, target) for line in lines]
    return found


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _read(text: str) -> tuple[dict[str, str], dict[str, tuple[str, list[str]]], list[str]]:
    variables: dict[str, str] = {}
    rules: dict[str, tuple[str, list[str]]] = {}
    order: list[str] = []
    current: list[str] = []
    for line in text.replace("\\\n", " ").split("\n"):
        if line.startswith("\t"):
            command = line.strip()
            for name in current:
                rules[name][1].append(re.sub(r"^[@+-]+\s*", "", command))
            continue
        variable = _VARIABLE.match(line)
        if variable:
            name, operator, value = variable[1], variable[2], variable[3].split(" #")[0].strip()
            if operator == "+=":
                variables[name] = f"{variables.get(name, '')} {value}".strip()
            elif operator != "?=" or name not in variables:
                variables[name] = value
            continue
        rule = _RULE.match(line)
        if rule:
            current = rule[1].split()
            for name in current:
                before = rules.setdefault(name, ("", []))
                rules[name] = (f"{before[0]} {rule[2]}".strip(), before[1])
                if rule[3]:
                    rules[name][1].append(rule[3].strip())
                if not name.startswith(".") and name not in order:
                    order.append(name)
        elif line.strip() and not line.startswith("#"):
            current = []
    return variables, rules, order


def _expanded(text: str, variables: dict[str, str], target: str) -> str:
    """``$(NAME)`` by its value, ``$$`` by ``$``; functions of make become a variable that the shell does not know."""
    text = text.replace("$@", target).replace("$<", "prerequisite").replace("$^", "prerequisites").replace("$*", "stem")
    for _ in range(8):

        def one(found: re.Match[str]) -> str:
            name = found[1] or found[2] or ""
            if name in ("MAKE", "SHELL", "CURDIR"):
                return {"MAKE": "make", "SHELL": "sh", "CURDIR": "."}[name]
            return variables.get(name, "") if re.fullmatch(r"\w+", name) else "make-function"

        changed = _REFERENCE.sub(one, text.replace("$$", "\x01")).replace("\x01", "$$")
        if changed == text:
            break
        text = changed
    return text.replace("$$", "$")
