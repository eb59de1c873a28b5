"""Programs that run other programs: wrappers, shells, interpreters, package scripts, make. What they run is judged."""

from __future__ import annotations

import re

from ringfence.guard import interpreters, packages
from ringfence.guard.address import refuse_production
from ringfence.guard.expansion import known, plain, unknown_about
from ringfence.guard.shell import after_options, quoted
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.guard.shell import Call, Scope, Shell

# Options that take a value, and how many operands come before the command.
WRAPPERS: dict[str, tuple[str, int]] = {
    "nice": ("-n --adjustment", 0),
    "ionice": ("-c -n -p --class --classdata", 0),
    "nohup": ("", 0),
    "setsid": ("", 0),
    "stdbuf": ("-i -o -e", 0),
    "timeout": ("-k -s --signal --kill-after", 1),
    "gtimeout": ("-k -s", 1),
    "sudo": ("-u -g -h -p -C -T -r -t -D -R --user --group --host --chdir", 0),
    "doas": ("-u -C", 0),
    "time": ("-f -o", 0),
    "chroot": ("--userspec --groups", 1),
    "unshare": ("-S -G -R -w", 0),
    "taskset": ("", 1),
    "chrt": ("", 1),
    "strace": ("-e -o -p -s -u -P -E -I -O -S -a -b -X", 0),
    "ltrace": ("-e -o -p -s -u -n", 0),
    "caffeinate": ("-t -w", 0),
    "gosu": ("", 1),
    "su-exec": ("", 1),
    "setpriv": ("--reuid --regid --groups", 0),
    "tini": ("-p -e", 0),
    "dumb-init": ("", 0),
    "xvfb-run": ("-n -s -e -f -p --server-args --server-num", 0),
    "dbus-run-session": ("", 0),
    "faketime": ("-f", 1),
    "systemd-run": ("-p --unit -u --property -E --setenv --slice", 0),
    "watchexec": ("-e -w -i -d -s --exts --watch --ignore", 0),
    "busybox": ("", 0),
    "toybox": ("", 0),
    "catchsegv": ("", 0),
    "proxychains": ("-f", 0),
    "proxychains4": ("-f", 0),
    "firejail": ("", 0),
    "bwrap": ("--bind --ro-bind --setenv --chdir --dev --proc --tmpfs", 0),
    "unbuffer": ("", 0),
    "direnv": ("", 2),
    "cross-env": ("", 0),
    "cross-env-shell": ("", 0),
    "entr": ("-s", 0),
    "prlimit": ("", 0),
    "linux32": ("", 0),
    "linux64": ("", 0),
    "setarch": ("", 0),
    "runcon": ("", 1),
    "chronic": ("", 0),
    "ts-node-dev": ("", 0),
    "valgrind": ("", 0),
    "perf": ("", 1),
    "hyperfine": ("-w -r -m -M -p -P --warmup --runs --export-json --export-markdown", 0),
    "coverage": ("--source --rcfile", 1),
    "nyc": ("", 0),
    "c8": ("", 0),
    "nodemon": ("-e -w --exec -x --ext --watch --delay", 0),
}
SHELLS = frozenset(("sh", "bash", "zsh", "dash", "ksh", "ash", "mksh", "fish", "rbash"))


def wrapper(shell: Shell, call: Call) -> str:
    """A program that runs the command that follows its options."""
    with_value, operands = WRAPPERS[call.name]
    words, env = after_options(call.marked[1:], with_value.split(), operands), call.env
    env = dict(env)
    while words and re.match(r"[A-Za-z_]\w*=", plain(words[0])):
        name, _, value = plain(words.pop(0)).partition("=")
        env[name] = (value,)
    if call.name == "sudo" and call.argv[1:2] and re.fullmatch(r"-[a-zA-Z]*[is][a-zA-Z]*", call.argv[1]) and not words:
        raise Refused("sudo opens a shell of another user", "run one command at a time")
    if call.name in ("direnv", "chroot", "unshare") and not words:
        return UNKNOWN
    texts = call.name in ("cross-env-shell", "nodemon", "entr", "watchexec") and len(words) == 1
    if texts or (call.name == "hyperfine" and words):
        for word in words:
            shell.run_text(plain(word), call.scope.copy(), what=f"what {call.name} runs")
        return UNKNOWN
    return shell.call(call.replaced(words, env=env)) if words else UNKNOWN


def env_command(shell: Shell, call: Call) -> str:
    """``env`` with its assignments, -i, -u and -S."""
    words, env = list(call.marked[1:]), dict(call.env)
    while words:
        word = plain(words[0])
        if word in ("-i", "-", "--ignore-environment"):
            env = {}
        elif word in ("-u", "--unset", "-C", "--chdir") and len(words) > 1:
            env.pop(plain(words.pop(1)), None)
        elif re.match(r"-u.|--unset=", word):
            env.pop(re.sub(r"^(-u|--unset=)", "", word), None)
        elif re.match(r"-[a-zA-Z]*S|--split-string", word):
            text = re.sub(r"^(-[a-zA-Z]*?S|--split-string=?)", "", word)
            if not text and len(words) > 1:
                text = plain(words.pop(1))
            rest = " ".join(quoted(plain(w)) for w in words[1:])
            scope = call.scope.copy()
            for name, values in env.items():
                scope.assign(name, values)
                scope.exported.add(name)
            return shell.run_text(f"{text} {rest}", scope, what="what env -S runs")
        elif re.match(r"[A-Za-z_]\w*=", word):
            name, _, value = word.partition("=")
            env[name] = (value,)
        elif not word.startswith("-"):
            break
        words.pop(0)
        if word == "--":
            break
    return shell.call(call.replaced(words, env=env)) if words else UNKNOWN


def xargs(shell: Shell, call: Call) -> str:
    """xargs and parallel: the command with what flows in."""
    with_value = [
        "-a",
        "-d",
        "-E",
        "-I",
        "-L",
        "-n",
        "-P",
        "-s",
        "--arg-file",
        "--delimiter",
        "--max-args",
        "--max-procs",
        "--max-lines",
        "--replace",
        "-j",
        "--jobs",
    ]
    replaced, words = "", list(call.marked[1:])
    while words and plain(words[0]).startswith("-"):
        option = plain(words.pop(0))
        if option in ("-I", "--replace") and words:
            replaced = plain(words.pop(0))
        elif option.startswith(("-I", "--replace=")):
            replaced = option.removeprefix("-I").removeprefix("--replace=")
        elif option == "-i":
            replaced = "{}"
        elif option in with_value and words:
            words.pop(0)
    if call.name == "parallel":
        replaced = replaced or "{}"
        if ":::" in words:
            at = words.index(":::")
            call.stdin, words = "\n".join(plain(w) for w in words[at + 1 :]), words[:at]
    given = call.stdin if call.stdin is not None else UNKNOWN
    items = given.split() if known(given) and len(given) < 2048 else [unknown_about(given[:8192])]
    words = words or ["echo"]
    if call.name == "parallel" and len(words) == 1:
        for item in items or [UNKNOWN]:
            shell.run_text(plain(words[0]).replace(replaced, item), call.scope.copy(), what="what parallel runs")
        return UNKNOWN
    if replaced and any(replaced in plain(w) for w in words):
        for item in items[:64]:
            changed = [plain(w).replace(replaced, item) if replaced in plain(w) else w for w in words]
            shell.call(call.replaced(changed, stdin=""))
        return UNKNOWN
    return shell.call(call.replaced([*words, *items[:256]], stdin=""))


def shell_program(shell: Shell, call: Call) -> str:
    """A nested shell: its -c text, its script, or what flows into it."""
    words = list(call.argv[1:])
    scope = call.inner_scope()
    for name in ("BASH_ENV", "ENV"):
        for value in call.env.get(name, ()):
            if value:
                shell.run_text(shell.content(value, scope), scope.copy(), what=f"{name}")
    while words and re.match(r"[-+]", words[0]):
        option = words.pop(0)
        if option in ("--version", "--help"):
            return UNKNOWN
        if option in ("--rcfile", "--init-file", "-O", "+O", "-o", "+o") and words:
            words.pop(0)
        elif re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", option):
            while words and re.match(r"-", words[0]):
                words.pop(0)
            if words:
                scope.arguments = [(w,) for w in words[2:]]
                return shell.run_text(words[0], scope, what=f"what {call.name} -c runs")
            return ""
        elif re.fullmatch(r"-[a-zA-Z]*s[a-zA-Z]*", option) or option == "--":
            break
    if words:
        scope.arguments = [(w,) for w in words[1:]]
        return script(shell, call, words[0], scope)
    if call.stdin:
        return shell.run_text(call.stdin, scope, what=f"what flows into {call.name}")
    return ""


def script(shell: Shell, call: Call, name: str, scope: Scope) -> str:
    """A shell script, read and judged as if its lines stood here."""
    path = scope.path(name)
    text = shell.content(name, scope)
    if known(text):
        first = text.split("\n", 1)[0]
        if first.startswith("#!") and not re.search(r"sh\b", first):
            return interpreters.code(shell, call, text, name, "python" if "python" in first else "node")
        return shell.run_text(text, scope, what=name)
    if known(path) and path not in scope.written and not shell.exists(path):
        return UNKNOWN
    raise Refused(f"{name.replace(UNKNOWN, '…')} cannot be read before it runs", "write its commands out")


def text_runner(shell: Shell, call: Call) -> str:
    """Programs whose operands are command lines: concurrently, watch, flock -c, su -c, script -c, tmux, at."""
    words = [w for w in call.argv[1:] if not w.startswith("-")]
    at = next((i for i, w in enumerate(call.argv) if w in ("-c", "--command")), None)
    if at is not None and at + 1 < len(call.argv):
        return shell.run_text(call.argv[at + 1], call.scope.copy(), what=f"what {call.name} runs")
    if call.name == "flock":
        rest = after_options(call.marked[1:], ["-w", "-E", "--timeout", "--wait"], 1)
        return shell.call(call.replaced(rest)) if rest else UNKNOWN
    if call.name in ("concurrently", "start-server-and-test", "npm-run-all", "run-s", "run-p"):
        for word in words:
            if re.match(r"npm:|https?://|\d+$", word):
                refuse_production(shell.policy, word)
            elif call.name == "concurrently":
                shell.run_text(word, call.scope.copy(), what=f"what {call.name} runs")
            else:
                packages.package_script(shell, call, word, [word])
        return UNKNOWN
    if call.name in ("at", "batch") and call.stdin:
        return shell.run_text(call.stdin, call.scope.copy(), what="what at runs")
    if call.name in ("tmux", "screen"):
        refuse_production(shell.policy, *call.argv[1:])
        for word in words[1:]:
            if " " in word:
                shell.run_text(word, call.scope.copy(), what=f"what {call.name} runs")
        return UNKNOWN
    if call.name == "crontab" and call.argv[1:] != ["-l"]:
        raise Refused("crontab runs commands after the run, when nobody looks", "run it now")
    line = " ".join(words[1:] if words and re.fullmatch(r"[\d.]+", words[0]) else words)
    return (
        shell.run_text(line, call.scope.copy(), what=f"what {call.name} runs")
        if line and call.name == "watch"
        else UNKNOWN
    )
