"""Walks a tree of commands as a shell would, without running anything: variables, functions, pipes, files written.

Where a value depends on what would run, it is unknown; where a command may or may not run, both are kept in mind. Every
program that would start is handed to the judge, which raises `Refused`.
"""

from __future__ import annotations

import os
import stat

from ringfence.guard import address, builtins, paths
from ringfence.guard.expansion import MOST_ALTERNATIVES, fields, known, plain, text_of, unknown_about
from ringfence.guard.syntax import parse
from ringfence.guard.verdict import Refused
from ringfence.guard.words import DESCRIPTOR, UNKNOWN, Node, SyntaxProblem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.guard.expansion import Values
    from ringfence.guard.policy import Policy

MOST_CALLS = 3000
MOST_DEPTH = 24
MOST_READ_BYTES = 256 * 1024
_RUN_BY_NAME = frozenset(
    """
    PAGER MANPAGER GIT_PAGER PSQL_PAGER LESSOPEN LESSCLOSE EDITOR VISUAL GIT_EDITOR GIT_SEQUENCE_EDITOR PSQL_EDITOR
    GIT_SSH_COMMAND GIT_EXTERNAL_DIFF GIT_ASKPASS SSH_ASKPASS BROWSER PROMPT_COMMAND RSYNC_RSH
    """.split()  # noqa: SIM905
)
_UNREADABLE = "what is written there cannot be understood as a shell command"


class Scope:
    """What a shell knows at one point. A subshell gets a copy; files written are seen by all."""

    __slots__ = ("all_exported", "arguments", "cwd", "exported", "functions", "maybe", "variables", "written")

    def __init__(self, variables: Mapping[str, Values], cwd: str) -> None:
        self.variables: dict[str, Values] = dict(variables)
        self.exported: set[str] = set(variables)
        self.functions: dict[str, Node] = {}
        self.written: dict[str, str] = {}
        self.arguments: list[Values] = []
        self.cwd = cwd
        self.maybe = 0
        self.all_exported = False

    def copy(self) -> Scope:
        """The scope of a subshell."""
        other = Scope(self.variables, self.cwd)
        other.exported = set(self.exported)
        other.functions = dict(self.functions)
        other.written = self.written
        other.arguments = list(self.arguments)
        other.maybe, other.all_exported = self.maybe, self.all_exported
        return other

    def lookup(self, name: str) -> Values | None:
        """The alternatives of a variable or parameter; None where it is not set."""
        if name.isdigit():
            number = int(name)
            if number == 0:
                return ("sh",)
            return self.arguments[number - 1] if number <= len(self.arguments) else None
        if name in ("@", "*"):
            return (" ".join(one[0] if len(one) == 1 else UNKNOWN for one in self.arguments),)
        if name == "PWD":
            return (self.cwd,)
        if name in ("#", "?", "$", "!", "-", "RANDOM", "SECONDS", "BASHPID", "LINENO", "UID", "EUID"):
            return (UNKNOWN,)
        return self.variables.get(name)

    def assign(self, name: str, values: Values, *, added: bool = False) -> None:
        """Set a variable; where that may not happen, what it was stays an alternative."""
        before = self.variables.get(name)
        if added:
            values = tuple(old + new for old in before or ("",) for new in values)
        if self.maybe:
            values = (*(before if before is not None else ("",)), *values)
        # A value that doubles with every assignment would fill the memory.
        values = tuple(dict.fromkeys(v if len(v) <= MOST_READ_BYTES else unknown_about(v[:4096]) for v in values))
        self.variables[name] = values if len(values) <= MOST_ALTERNATIVES else (unknown_about(*values),)
        if self.all_exported:
            self.exported.add(name)

    def environment(self) -> dict[str, Values]:
        """What a program that starts here gets."""
        return {name: self.variables[name] for name in self.exported if name in self.variables}

    def path(self, name: str) -> str:
        """A file name as an absolute path without ``..``."""
        return os.path.normpath(os.path.join(self.cwd, name))


class Call:
    """A program about to start. ``marked`` are the arguments with pattern signs still marked, ``argv`` without."""

    __slots__ = ("argv", "env", "marked", "name", "scope", "stdin")

    def __init__(self, marked: list[str], env: dict[str, Values], stdin: str | None, scope: Scope) -> None:
        self.marked = marked
        self.argv = [plain(one) for one in marked]
        self.name = self.argv[0].rsplit("/", 1)[-1] if self.argv else ""
        self.env = env
        self.stdin = stdin
        self.scope = scope

    def replaced(self, marked: list[str], *, env: dict[str, Values] | None = None, stdin: str | None = "\0") -> Call:
        """The same start with another command, and where given another environment or input."""
        return Call(marked, self.env if env is None else env, self.stdin if stdin == "\0" else stdin, self.scope)

    def named(self, name: str, words: list[str]) -> Call:
        """The same start, of a program that is known under another name."""
        return self.replaced([name, *words])

    def inner_scope(self) -> Scope:
        """What a shell that this program starts knows: the environment only."""
        scope = self.scope.copy()
        scope.variables = dict(self.env)
        scope.exported = set(self.env)
        scope.functions = {}
        scope.maybe, scope.all_exported = 0, False
        return scope

    @property
    def line(self) -> str:
        """The command on one line, for messages."""
        return " ".join(self.argv).replace(UNKNOWN, "…")[:200]


class Shell:
    """The walk. ``judge`` looks at one program and returns what it would print, as far as that is known."""

    def __init__(self, policy: Policy, judge: Callable[[Shell, Call], str]) -> None:
        self.policy = policy
        self.judge = judge
        self.calls = 0
        self.depth = 0

    def run_text(self, text: str, scope: Scope, *, what: str = "the command") -> str:
        """Judge a command line or a script. Raises `Refused`, also for what cannot be read."""
        if UNKNOWN in text:
            raise Refused(f"{what} is put together while it runs, so it cannot be seen before", "write it out")
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise Refused(f"{what} is nested too deeply to be followed", "write it in a simpler way")
        try:
            return self.run(parse(text), scope, None)
        except SyntaxProblem as problem:
            raise Refused(f"{_UNREADABLE}: {problem}", "write it in a simpler way") from None
        finally:
            self.depth -= 1

    def run(self, node: Node, scope: Scope, stdin: str | None) -> str:
        """Judge every program in a part of the tree; returns what it would print."""
        kind = node.kind
        if kind == "simple":
            return self.simple(node, scope, stdin)
        if node.redirections:
            stdin, target = self.redirected(node, scope, stdin)
        else:
            target = None
        if kind == "list":
            output = "".join([self.sometimes(part, maybe, scope, stdin) for maybe, part in node.parts])
        elif kind == "pipe":
            output = self.pipe(node, scope, stdin)
        elif kind == "subshell":
            output = self.run(node.parts[0], scope.copy(), stdin)
        elif kind == "group":
            output = self.run(node.parts[0], scope, stdin)
        elif kind in ("choice", "case", "for"):
            output = self.repeated(node, scope, stdin)
        elif kind == "function":
            scope.functions[node.name] = node.parts[0]
            output = ""
        else:
            output = ""
        if target is not None:
            scope.written[target] = output
            return ""
        return output

    def sometimes(self, node: Node, maybe: bool, scope: Scope, stdin: str | None) -> str:
        scope.maybe += maybe
        try:
            return self.run(node, scope, stdin)
        finally:
            scope.maybe -= maybe

    def pipe(self, node: Node, scope: Scope, stdin: str | None) -> str:
        flowing = stdin
        for part in node.parts:
            flowing = self.run(part, scope.copy(), flowing)
        return flowing or ""

    def repeated(self, node: Node, scope: Scope, stdin: str | None) -> str:
        """Bodies that run never, once or often; twice shows what one round does to the next."""
        for word in node.words:
            alternatives = fields(word, scope.lookup, self.command(scope), self.home(scope))
            if node.kind == "for":
                values = tuple(self.globbed(f, scope) for one in alternatives for f in one) or ("",)
                scope.assign(
                    node.name, (*(scope.variables.get(node.name, ()) if word is not node.words[0] else ()), *values)
                )
        if node.kind == "for" and not node.words:
            scope.assign(node.name, tuple(v for one in scope.arguments for v in one) or ("",))
        output = ""
        for _ in range(2):
            for part in node.parts:
                output = output or self.sometimes(part, True, scope, stdin)
                self.sometimes(part, True, scope, stdin)
        return UNKNOWN + output if output else ""

    def globbed(self, field: str, scope: Scope) -> str:
        """A field of a for loop: where it is a pattern, what it becomes is not known."""
        shown = plain(field)
        return shown if shown == field else unknown_about(scope.path(shown))

    # ── one command ──

    def simple(self, node: Node, scope: Scope, stdin: str | None) -> str:
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise Refused("the command does more than can be looked at", "do it in smaller steps")
        command, home = self.command(scope), self.home(scope)
        stdin, target = self.redirected(node, scope, stdin) if node.redirections else (stdin, None)
        assigned = [(n, added, text_of(w, scope.lookup, command, home)) for n, added, w in node.assignments]
        choices: list[list[str]] = [[]]
        for word in node.words:
            alternatives = fields(word, scope.lookup, command, home)
            if len(alternatives) == 1:
                for choice in choices:
                    choice += alternatives[0]
                continue
            choices = [before + one for before in choices for one in alternatives]
            if len(choices) > MOST_ALTERNATIVES:
                merged = unknown_about(*(f for one in alternatives for f in one))
                choices = [[*before, merged] for before in choices[:MOST_ALTERNATIVES]]
        output = ""
        scope.maybe += len(choices) > 1
        for choice in choices:
            if choice:
                output = self.start(choice, assigned, scope, stdin)
            else:
                for name, added, values in assigned:
                    scope.assign(name, values, added=added)
        if len(choices) > 1:
            scope.maybe -= 1
            output = unknown_about(output)
        if target is not None:
            scope.written[target] = output
            return ""
        return output

    def start(
        self, marked: list[str], assigned: list[tuple[str, bool, Values]], scope: Scope, stdin: str | None
    ) -> str:
        env = scope.environment()
        for name, added, values in assigned:
            before = env.get(name, ("",))
            env[name] = tuple(b + v for b in before for v in values) if added else values
            if name in _RUN_BY_NAME:
                for value in env[name]:
                    self.run_text(value, scope.copy(), what=f"{name}")
        return self.call(Call(marked, env, stdin, scope))

    def call(self, call: Call) -> str:
        """Judge one program, function or builtin."""
        if not call.argv:
            return ""
        self.calls += 1
        self.depth += 1
        if self.calls > MOST_CALLS or self.depth > MOST_DEPTH:
            raise Refused("the command is nested too deeply to be followed", "write it in a simpler way")
        try:
            if call.name in call.scope.functions and "/" not in call.argv[0]:
                body = call.scope.functions[call.name]
                outer, call.scope.arguments = call.scope.arguments, [(one,) for one in call.argv[1:]]
                try:
                    return self.run(body, call.scope, call.stdin)
                finally:
                    call.scope.arguments = outer
            builtin = builtins.TABLE.get(call.argv[0])
            if builtin is not None:
                return builtin(self, call)
            return self.judge(self, call)
        finally:
            self.depth -= 1

    def redirected(self, node: Node, scope: Scope, stdin: str | None) -> tuple[str | None, str | None]:
        """What the command reads, and the file that its output goes to. Files it must not write are refused."""
        target = None
        for one in node.redirections:
            texts = text_of(one.word, scope.lookup, self.command(scope), self.home(scope))
            if one.operator in ("<<", "<<-", "<<<"):
                stdin = texts[0] if len(texts) == 1 else unknown_about(*texts)
                stdin += "\n" if one.operator == "<<<" else ""
                continue
            for text in texts:
                if one.operator in ("<&", ">&") and (text.isdigit() or text == "-"):
                    continue
                if text.startswith(("/dev/tcp/", "/dev/udp/")):
                    address.refuse_production(self.policy, text)
                    continue
                if one.operator.startswith("<"):
                    stdin = self.content(text, scope)
                if one.operator == "<":
                    paths.check_read(self.policy, text, scope.cwd)
                elif not text.startswith("/dev/"):
                    paths.check_written(self.policy, text, scope.cwd)
                    target = scope.path(text)
        return stdin, target

    # ── what is known of files ──

    def content(self, name: str, scope: Scope) -> str:
        """The content of a file as it will be when the command reads it; unknown where that cannot be said."""
        if name.startswith(DESCRIPTOR):
            return name[len(DESCRIPTOR) :]
        if not known(name):
            return unknown_about(name)
        path = scope.path(name)
        if path in scope.written:
            return scope.written[path]
        text = read_text(path)
        return unknown_about(path) if text is None else text

    def exists(self, path: str) -> bool:
        """Whether a file is there now."""
        return known(path) and os.path.lexists(path)

    def command(self, scope: Scope) -> Callable[[Node], str]:
        """How a command substitution is judged: in a subshell."""
        return lambda node: self.run(node, scope.copy(), None)

    def home(self, scope: Scope) -> str:
        """Where ``~`` leads."""
        return (scope.lookup("HOME") or (UNKNOWN,))[0]


def read_text(path: str) -> str | None:
    """A small plain file as text; None where it is not there, is something else, or is too large."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_size > MOST_READ_BYTES:
            return None
        return os.read(descriptor, MOST_READ_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)


def after_options(words: list[str], with_value: list[str], operands: int) -> list[str]:
    """What follows a program's options and its first operands."""
    rest = list(words)
    while rest and plain(rest[0]).startswith("-") and len(plain(rest[0])) > 1:
        option = plain(rest.pop(0))
        if option == "--":
            break
        if option in with_value and rest:
            rest.pop(0)
    return rest[operands:]


def quoted(word: str) -> str:
    """A word in single quotes, for a shell."""
    return "'" + word.replace("'", "'\\''") + "'"
