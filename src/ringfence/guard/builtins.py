"""The commands that a shell carries out itself: directories, variables, nested text, output that is known."""

from __future__ import annotations

import re

from ringfence.guard import paths
from ringfence.guard.expansion import known, unknown_about
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.guard.shell import Call, Shell

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[[^\]]*\])?(\+?)=(.*)", re.S)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "a": "\a", "e": "\x1b"}


def _quiet(shell: Shell, call: Call) -> str:
    return ""


def _cd(shell: Shell, call: Call) -> str:
    names = [a for a in call.argv[1:] if not re.fullmatch(r"-[LPe@]*|--|[+-]\d+", a)]
    scope = call.scope
    before = scope.cwd
    if call.name == "popd" or "-" in call.argv[1:]:
        scope.cwd = UNKNOWN + scope.cwd
    elif names:
        scope.cwd = scope.path(names[0]) if known(names[0]) else unknown_about(names[0])
    else:
        scope.cwd = shell.home(scope)
    if scope.maybe and scope.cwd != before:
        # It may not have happened: neither directory is certain.
        scope.variables["OLDPWD"] = (before,)
    return ""


def _export(shell: Shell, call: Call) -> str:
    options = "".join(a for a in call.argv[1:] if a.startswith(("-", "+")))
    exported = call.argv[0] == "export" or "x" in options
    for argument in call.argv[1:]:
        found = _ASSIGNMENT.fullmatch(argument)
        if found:
            call.scope.assign(found[1], (found[3],), added=bool(found[2]))
        if exported and "n" not in options:
            call.scope.exported.add(found[1] if found else argument)
    return ""


def _unset(shell: Shell, call: Call) -> str:
    for name in call.argv[1:]:
        if call.scope.maybe and name in call.scope.variables:
            call.scope.variables[name] = (*call.scope.variables[name], "")
        else:
            call.scope.variables.pop(name, None)
        call.scope.functions.pop(name, None)
    return ""


def _set(shell: Shell, call: Call) -> str:
    words = call.argv[1:]
    for number, word in enumerate(words):
        if word == "--":
            call.scope.arguments = [(one,) for one in words[number + 1 :]]
            break
        if re.fullmatch(r"-[a-zA-Z]*a[a-zA-Z]*", word) or (word == "allexport" and words[number - 1] == "-o"):
            call.scope.all_exported = True
        elif re.fullmatch(r"\+[a-zA-Z]*a[a-zA-Z]*", word) and not call.scope.maybe:
            call.scope.all_exported = False
    return ""


def _eval(shell: Shell, call: Call) -> str:
    return shell.run_text(" ".join(call.argv[1:]), call.scope, what="what eval runs")


def _source(shell: Shell, call: Call) -> str:
    names = [a for a in call.argv[1:] if a != "--"]
    if not names:
        return ""
    paths.check_read(shell.policy, names[0], call.scope.cwd)
    text = shell.content(names[0], call.scope)
    if known(text):
        return shell.run_text(text, call.scope, what="what source reads")
    if re.search(r"(activate|nvm\.sh|\.bashrc|\.profile|\.zshrc|\.bash_profile|cargo/env|common\.sh)$", names[0]):
        return ""
    path = call.scope.path(names[0])
    if known(path) and path not in call.scope.written and not shell.exists(path):
        return ""
    raise Refused(f"{names[0].replace(UNKNOWN, '…')} cannot be read before it runs", "write its commands out")


def _trap(shell: Shell, call: Call) -> str:
    words = [a for a in call.argv[1:] if a not in ("--",)]
    if len(words) > 1 and words[0] not in ("-", "", "-p", "-l"):
        shell.run_text(words[0], call.scope.copy(), what="what trap runs")
    return ""


def _alias(shell: Shell, call: Call) -> str:
    for argument in call.argv[1:]:
        _, equals, body = argument.partition("=")
        if equals:
            shell.run_text(body, call.scope.copy(), what="what the alias runs")
    return ""


def _read(shell: Shell, call: Call) -> str:
    names, skip = [], False
    for word in call.argv[1:]:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = len(word) == 2 and word[1] in "dinNptuOC"
        else:
            names.append(word)
    given = call.stdin or ""
    lines = [line for line in given.split("\n") if line] if given and known(given) else []
    if call.argv[0] == "read" and len(names) == 1 and 0 < len(lines) <= 8:
        call.scope.assign(names[0], tuple(lines))
        return ""
    for name in names or ["REPLY", "MAPFILE"]:
        call.scope.assign(name, (unknown_about(given[:4096]),))
    return ""


def _shift(shell: Shell, call: Call) -> str:
    count = int(call.argv[1]) if len(call.argv) > 1 and call.argv[1].isdigit() else 1
    call.scope.arguments = call.scope.arguments[count:]
    return ""


def _command(shell: Shell, call: Call) -> str:
    """``command``, ``builtin`` and ``exec`` run what follows."""
    words = call.marked[1:]
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-v", "-V"):
            return UNKNOWN if "/" in " ".join(words) else (words[0] if words else "")
        if option == "-a" and words:
            words.pop(0)
    return shell.call(call.replaced(words)) if words else ""


def _hash(shell: Shell, call: Call) -> str:
    if any(a.startswith("-") and ("p" in a or "f" in a) for a in call.argv[1:]):
        raise Refused(f"{call.argv[0]} -p gives a program another name", "call the program by its own name")
    return ""


def _pwd(shell: Shell, call: Call) -> str:
    return call.scope.cwd + "\n"


def _echo(shell: Shell, call: Call) -> str:
    words = call.argv[1:]
    ending, escapes = "\n", False
    while words and re.fullmatch(r"-[neE]+", words[0]):
        option = words.pop(0)
        ending = "" if "n" in option else ending
        escapes = escapes or "e" in option
    text = " ".join(words)
    return (unescaped(text) if escapes else text) + ending


def _printf(shell: Shell, call: Call) -> str:
    words = call.argv[1:]
    if words[:1] == ["-v"] and len(words) > 2:
        call.scope.assign(words[1], (formatted(words[2], words[3:]),))
        return ""
    words = words[1:] if words[:1] == ["--"] else words
    return formatted(words[0], words[1:]) if words else ""


def unescaped(text: str) -> str:
    """Backslash escapes as echo -e and printf read them."""

    def one(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8) & 255)
        return _ESCAPES.get(code, "\\" + code)

    return re.sub(r"\\(x[0-9A-Fa-f]{1,2}|0?[0-7]{1,3}|.)", one, text, flags=re.S)


def formatted(form: str, words: list[str]) -> str:
    """What printf prints for the forms %s, %d, %b, %q, %c and %%; unknown for others."""
    if re.search(r"%[^sdbiqc%]", form) or form.endswith("%"):
        return unknown_about(form, *words)
    pieces = re.split(r"(%[sdbiqc])", unescaped(form))
    places = sum(1 for piece in pieces if re.fullmatch("%[sdbiqc]", piece))
    rest, output = list(words), ""
    while True:
        for piece in pieces:
            if re.fullmatch("%[sdbiqc]", piece):
                word = rest.pop(0) if rest else ""
                output += unescaped(word) if piece == "%b" else word[:1] if piece == "%c" else word
            else:
                output += piece.replace("%%", "%")
        if not rest or not places or len(output) > 1 << 20:
            return output


TABLE: dict[str, Callable[[Shell, Call], str]] = {
    **dict.fromkeys(
        (
            ":",
            "true",
            "false",
            "test",
            "[",
            "[[",
            "return",
            "exit",
            "break",
            "continue",
            "let",
            "getopts",
            "type",
            "ulimit",
            "umask",
            "wait",
            "jobs",
            "bg",
            "fg",
            "disown",
            "complete",
            "shopt",
            "dirs",
            "times",
            "history",
            "help",
            "caller",
            "suspend",
            "logout",
            "compgen",
            "bind",
            "unalias",
        ),
        _quiet,
    ),
    **dict.fromkeys(("cd", "pushd", "popd"), _cd),
    **dict.fromkeys(("export", "declare", "typeset", "local", "readonly"), _export),
    **dict.fromkeys(("command", "builtin", "exec"), _command),
    **dict.fromkeys(("hash", "enable"), _hash),
    **dict.fromkeys(("source", "."), _source),
    **dict.fromkeys(("read", "mapfile", "readarray"), _read),
    "unset": _unset,
    "set": _set,
    "eval": _eval,
    "trap": _trap,
    "alias": _alias,
    "shift": _shift,
    "pwd": _pwd,
    "echo": _echo,
    "printf": _printf,
}
