"""Scripts of package.json, programs of a project's own environment, make: what they run is judged."""

from __future__ import annotations

import json
import os
import re

from ringfence.guard import environment, makefile, programs
from ringfence.guard.address import refuse_production, use_test
from ringfence.guard.expansion import known, plain
from ringfence.guard.shell import after_options, quoted
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.guard.shell import Call, Shell


def package_runner(shell: Shell, call: Call) -> str:
    """npm, yarn, pnpm, bun, npx and others: scripts of package.json, or a program of the project."""
    words = list(call.marked[1:])
    name = call.name
    value_options = (
        "-w",
        "--workspace",
        "-C",
        "--prefix",
        "--filter",
        "-p",
        "--package",
        "--cwd",
        "--dir",
        "-F",
        "--shell",
    )
    while words and plain(words[0]).startswith("-"):
        option = plain(words.pop(0))
        if option in ("-c", "--call") and words:
            return shell.run_text(plain(words[0]), call.scope.copy(), what=f"what {name} runs")
        if option in value_options and words:
            words.pop(0)
    if not words:
        return UNKNOWN
    verb = plain(words[0])
    if name in ("npx", "bunx", "pnpx") or verb in ("exec", "dlx", "x"):
        rest = words if name in ("npx", "bunx", "pnpx") else words[1:]
        rest = after_options(rest, ["-p", "--package"], 0)
        if rest:
            rest[0] = re.sub(r"(?<=.)@[\w.^~-]+$", "", rest[0])
            return shell.call(call.named(rest[0].rsplit("/", 1)[-1] if rest[0].startswith("@") else rest[0], rest[1:]))
        return UNKNOWN
    own = {
        "install",
        "i",
        "ci",
        "add",
        "remove",
        "rm",
        "uninstall",
        "update",
        "up",
        "upgrade",
        "outdated",
        "audit",
        "ls",
        "list",
        "why",
        "view",
        "info",
        "pack",
        "link",
        "init",
        "create",
        "config",
        "cache",
        "dedupe",
        "prune",
        "login",
        "version",
        "help",
        "root",
        "bin",
        "fund",
        "search",
        "set",
        "import",
        "rebuild",
        "doctor",
        "explain",
        "pkg",
        "store",
    }
    if verb in ("publish", "unpublish", "deprecate", "dist-tag"):
        raise Refused(f"{name} {verb} reaches the registry", "a person publishes")
    if verb in own:
        refuse_production(shell.policy, *call.argv[1:])
        return UNKNOWN
    scripted = words[1:] if verb in ("run", "run-script", "task", "rum", "urn") else words
    target = next((plain(w) for w in scripted if not plain(w).startswith("-")), "")
    return package_script(shell, call, target, scripted)


def package_script(shell: Shell, call: Call, target: str, words: list[str]) -> str:
    """A script of package.json with those that run before and after it."""
    scripts = _scripts(shell, call)
    extra = words[words.index("--") + 1 :] if "--" in words else [w for w in words[1:] if plain(w) != target]
    found = False
    for name in (f"pre{target}", target, f"post{target}"):
        text = scripts.get(name)
        if isinstance(text, str):
            found = found or name == target
            scope = call.inner_scope()
            line = text + "".join(" " + quoted(plain(w)) for w in extra) if name == target else text
            shell.run_text(line, scope, what=f"the script {name} of package.json")
    if not found and call.name in ("yarn", "pnpm", "bun") and target and not scripts:
        return shell.call(call.named(target, list(words[1:])))
    return programs.ordinary(shell, call) if not found else UNKNOWN


def _scripts(shell: Shell, call: Call) -> dict[str, object]:
    text = environment.nearest(shell, call, "package.json")
    if text is None:
        return {}
    if not known(text):
        raise Refused(
            "package.json is changed by the same command, so its scripts are not seen", "run it in a second step"
        )
    try:
        document = json.loads(text)
        scripts = document.get("scripts", {}) if isinstance(document, dict) else {}
        return scripts if isinstance(scripts, dict) else {}
    except (ValueError, RecursionError):
        raise Refused("package.json cannot be read", "mend it first") from None


def tool_runner(shell: Shell, call: Call) -> str:
    """poetry run, uv run, bundle exec, dotenv and others."""
    words = list(call.marked[1:])
    plains = [plain(w) for w in words]
    for number, word in enumerate(plains):
        if (
            word in ("-e", "-f", "--env-file", "--file")
            and number + 1 < len(words)
            and call.name in ("dotenv", "dotenvx", "env-cmd", "uv", "pipenv")
        ):
            env_file(shell, call, plains[number + 1])
        elif word.startswith("--env-file="):
            env_file(shell, call, word.partition("=")[2])
    starts = {
        "poetry": "run",
        "uv": "run",
        "pdm": "run",
        "pipenv": "run",
        "hatch": "run",
        "rye": "run",
        "bundle": "exec",
        "conda": "run",
        "mise": "exec",
        "dotenvx": "run",
        "pixi": "run",
        "devbox": "run",
        "nix": "develop",
    }
    start = starts.get(call.name, "")
    if start:
        if start not in plains:
            return programs.ordinary(shell, call, framework="python")
        words = words[plains.index(start) + 1 :]
    if call.name in ("env-cmd", "dotenv") or start:
        words = after_options(
            words, ["-e", "-f", "--env-file", "-n", "-p", "--with", "--python", "--group", "--extra", "--directory"], 0
        )
        if words and plain(words[0]) == "--":
            words = words[1:]
    return shell.call(call.replaced(words)) if words else UNKNOWN


def env_file(shell: Shell, call: Call, name: str) -> None:
    text = shell.content(name, call.scope)
    if not known(text):
        if shell.exists(call.scope.path(name)) or not known(name):
            raise Refused(f"{name} cannot be read before it is used", use_test(shell.policy))
        return
    call.env = {**{k: (v,) for k, v in environment.dotenv(text).items()}, **call.env}


def make(shell: Shell, call: Call) -> str:
    """make, just and task: the recipes of the targets, as far as they can be read."""
    directory, targets, env, file = call.scope.cwd, [], dict(call.env), ""
    words = list(call.argv[1:])
    while words:
        word = words.pop(0)
        if word in ("-C", "--directory") and words:
            directory = call.scope.path(words.pop(0))
        elif word in ("-f", "--file", "--makefile") and words:
            file = words.pop(0)
        elif word in ("-j", "-l", "-I", "-W", "-o") and words and words[0].isdigit():
            words.pop(0)
        elif re.match(r"[A-Za-z_]\w*[:?+]?=", word):
            name, _, value = word.partition("=")
            env[name.rstrip(":?+")] = (value,)
        elif not word.startswith("-"):
            targets.append(word)
    call.env = env
    for name in [file] if file else ["GNUmakefile", "makefile", "Makefile"]:
        text = shell.content(os.path.join(directory, name), call.scope)
        if known(text):
            for line in makefile.recipes(text, targets, env):
                scope = call.inner_scope()
                scope.cwd = directory
                shell.run_text(line, scope, what=f"what make {' '.join(targets)} runs")
            break
    return programs.ordinary(shell, call)
