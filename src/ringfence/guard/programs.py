"""Ordinary programs: those that only read, those that write files, those that run other programs, and all the rest."""

from __future__ import annotations

import os
import re

from ringfence.guard import environment, paths
from ringfence.guard.address import refuse_production, use_test
from ringfence.guard.expansion import known, plain, unknown_about
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.guard.shell import Call, Shell

READERS = frozenset(
    """
    ls cat head tail less more wc grep egrep fgrep rg ag ack zgrep cut sort uniq tr nl rev tac paste join comm fold
    column diff cmp colordiff sdiff stat file du df tree pwd date cal uname hostname whoami id groups which whereis
    type basename dirname realpath readlink sha1sum sha256sum sha512sum md5sum cksum b2sum od xxd hexdump strings
    sleep seq expr bc dc yes true false printenv jq yq xmllint tput clear tty stty nproc free uptime ps pgrep lsof
    ss netstat fd fdfind bat eza exa man info apropos test mktemp getconf locale arch lscpu lsblk dmesg tokei cloc
    scc base64 base32 numfmt shuf split-path look iconv envsubst factor tsort fmt pr expand unexpand dot gitleaks
    shellcheck hadolint actionlint yamllint markdownlint glow mdcat delta difft ldd nm objdump size c++filt
    """.split()  # noqa: SIM905
)
FRAMEWORKS = {
    **dict.fromkeys(("next", "react-scripts", "gatsby", "craco"), "next"),
    **dict.fromkeys(
        ("vite", "vitest", "astro", "nuxt", "nuxi", "remix", "svelte-kit", "vinxi", "react-router"), "vite"
    ),
    **dict.fromkeys(("pytest", "tox", "nox", "django-admin", "uvicorn", "gunicorn", "celery", "hypercorn"), "python"),
    **dict.fromkeys(("rspec", "puma", "rackup", "sidekiq"), "rails"),
    **dict.fromkeys(("phpunit", "pest"), "laravel"),
}
_CHECKERS = frozenset(
    """
    ruff mypy pyright black isort flake8 pylint bandit tsc eslint prettier biome stylelint oxlint cspell knip
    depcheck pip pip3 uv pipx poetry pdm conda brew apt apt-get apk yum dnf gofmt rustfmt clippy-driver rustup nvm
    fnm volta asdf mise corepack cmake gcc g++ cc clang ld ar rustc javac kotlinc swiftc tar gzip gunzip bzip2 xz
    zstd zip unzip 7z pre-commit lefthook husky commitlint tailwindcss postcss sass esbuild swc rollup tsup
    """.split()  # noqa: SIM905
)
_WRITERS = frozenset(
    """
    rm rmdir unlink shred mv chmod chown chgrp truncate touch mkdir ln dd tee cp install patch chattr setfacl mkfifo
    mount umount losetup mkfs
    """.split()  # noqa: SIM905
)


def reader(shell: Shell, call: Call) -> str:
    """A program that only reads: everything but what is private."""
    pattern = _pattern(call)
    for word in call.marked[1:]:
        if not plain(word).startswith("-") and word is not pattern:
            paths.check_read(shell.policy, word, call.scope.cwd)
            if call.name == "yq" and any(re.match(r"-[a-zA-Z]*i|--inplace", a) for a in call.argv):
                paths.check_written(shell.policy, word, call.scope.cwd)
    if call.name in ("fd", "fdfind") and any(a in ("-x", "--exec", "-X", "--exec-batch") for a in call.argv):
        at = next(i for i, a in enumerate(call.argv) if a in ("-x", "--exec", "-X", "--exec-batch"))
        shell.call(call.replaced([*call.marked[at + 1 :], unknown_about(*call.argv[:at])], stdin=""))
    if call.name == "sort" and "-o" in call.argv[:-1]:
        paths.check_written(shell.policy, call.argv[call.argv.index("-o") + 1], call.scope.cwd)
    if call.name in ("mktemp",):
        return "/tmp/" + UNKNOWN
    if call.name == "which" or call.name == "type":
        return "/usr/bin/" + call.argv[1] if len(call.argv) == 2 else UNKNOWN
    if call.name == "basename" and len(call.argv) == 2:
        return call.argv[1].rstrip("/").rsplit("/", 1)[-1]
    if call.name == "printenv" and len(call.argv) == 2:
        values = call.env.get(call.argv[1], ("",))
        return values[0] if len(values) == 1 else unknown_about(*values)
    if call.name == "cat":
        return _cat(shell, call)
    return unknown_about(*call.argv[1:], call.stdin or "")


def _pattern(call: Call) -> str | None:
    """The operand that is a pattern or a program, not a file."""
    if call.name not in ("grep", "egrep", "fgrep", "rg", "ag", "ack", "jq", "yq"):
        return None
    if any(re.match(r"-[a-zA-Z]*[ef]$|--regexp|--file", a) for a in call.argv[1:]):
        return None
    return next((w for w in call.marked[1:] if not plain(w).startswith("-")), None)


def _cat(shell: Shell, call: Call) -> str:
    names = [a for a in call.argv[1:] if not a.startswith("-") or a == "-"]
    texts = [call.stdin or "" if n == "-" else shell.content(n, call.scope) for n in names or ["-"]]
    return "".join(texts)


def sed(shell: Shell, call: Call) -> str:
    """sed: with -i it writes; what it would write in must not lead to production."""
    words = call.marked[1:]
    in_place = any(re.match(r"-[a-zA-Z]*i|--in-place", plain(w)) for w in words)
    operands = [w for w in words if not plain(w).startswith("-")]
    if not in_place:
        for word in operands[1:]:
            paths.check_read(shell.policy, word, call.scope.cwd)
        if any(re.search(r"(^|[;}\s])[we]\s+\S|/[a-z]*[we]\b\s*\S*$", plain(w)) for w in operands[:1]):
            refuse_production(shell.policy, *call.argv[1:])
        return unknown_about(*call.argv[1:], call.stdin or "")
    for word in operands[1:] or operands:
        paths.check_written(shell.policy, word, call.scope.cwd)
        call.scope.written[call.scope.path(plain(word))] = UNKNOWN
    if not all(plain(w).endswith((".md", ".txt", ".rst")) for w in operands[1:]):
        for script in call.argv[1:]:
            new = re.search(r"s(.)(?:\\.|(?!\1).)*\1((?:\\.|(?!\1).)*)\1", script)
            refuse_production(shell.policy, new[2] if new else "", what="what sed writes")
    return ""


def awk(shell: Shell, call: Call) -> str:
    """awk can start programs."""
    text = next((a for a in call.argv[1:] if not a.startswith("-")), "")
    if re.search(r"system\s*\(|\|\s*getline|print[^|]*\|\s*\"|\|&", text):
        refuse_production(shell.policy, *call.argv[1:], call.stdin or "")
        for command in re.findall(r"system\s*\(\s*\"((?:[^\"\\]|\\.)*)\"\s*\)", text):
            shell.run_text(command.replace('\\"', '"'), call.scope.copy())
        if re.search(r"system\s*\(\s*[^\"\s)]", text):
            raise Refused("what awk starts cannot be seen", "run it as a command of its own")
    for word in call.marked[1:]:
        if not plain(word).startswith("-") and plain(word) != text:
            paths.check_read(shell.policy, word, call.scope.cwd)
            if "inplace" in call.argv:
                paths.check_written(shell.policy, word, call.scope.cwd)
    return unknown_about(*call.argv[1:], call.stdin or "")


def writer(shell: Shell, call: Call) -> str:
    """Programs that remove, move, copy or change files."""
    words = [w for w in call.marked[1:] if not plain(w).startswith("-") or w == "-"]
    options = "".join(w for w in call.argv[1:] if w.startswith("-"))
    name, scope = call.name, call.scope
    copies = name in ("cp", "install") and "l" not in options.replace("--", "") and "-s" not in options
    written = words[-1:] if copies and not any(re.match(r"-t|--target", w) for w in call.argv) else words
    if copies:
        for word in words[:-1]:
            paths.check_read(shell.policy, word, scope.cwd)
    if name == "dd":
        written = [w.partition("=")[2] for w in words if w.startswith("of=")]
        for word in words:
            if word.startswith("if="):
                paths.check_read(shell.policy, word[3:], scope.cwd)
    written = written + [plain(w).partition("=")[2] for w in call.marked[1:] if plain(w).startswith("--target")]
    above = name in ("rm", "mv", "rmdir", "shred", "mount") or (
        name in ("chmod", "chown", "chgrp", "setfacl") and "R" in options
    )
    if name in ("mkdir", "touch"):
        above = False
    for word in written:
        if name in ("rm", "shred") and word.strip("/") == UNKNOWN and "r" in options.lower():
            raise Refused("what rm -r would remove cannot be seen", "write the directory out")
        if name == "tee" and call.stdin is not None:
            scope.written[scope.path(plain(word))] = call.stdin
        elif name in ("cp", "mv", "patch", "install", "ln"):
            scope.written[scope.path(plain(word))] = _copied(shell, call, words)
        paths.check_written(shell.policy, word, scope.cwd, above=above)
    if name in ("cp", "mv", "install", "ln") and len(words) > 1:
        paths.check_into(shell.policy, words[-1], scope.cwd, *words[:-1])
    return call.stdin or "" if name == "tee" else ""


def _copied(shell: Shell, call: Call, words: list[str]) -> str:
    source = plain(words[0]) if len(words) == 2 and call.name in ("cp", "mv", "install", "ln") else ""
    return shell.content(source, call.scope) if source else UNKNOWN
    # What cannot be read (a binary, a directory) stays what it was; only its name has changed.


def find(shell: Shell, call: Call) -> str:
    """find: what it deletes or starts."""
    roots: list[str] = []
    for word in call.marked[1:]:
        if plain(word)[:1] in ("-", "(", "!") or plain(word) == "\\(":
            break
        roots.append(word)
    roots = roots or ["."]
    for root in roots:
        paths.check_read(shell.policy, root, call.scope.cwd)
    narrow = _narrowed(shell, call)
    # What comes out may be a backup or a guarded file, where the search passes by and no name test keeps them out.
    guarded = (shell.policy.backups, *shell.policy.guarded)
    passes = [] if narrow else [p for r in roots for p in guarded if paths.reached(r, call.scope.cwd, (p,), above=True)]
    output = unknown_about("found", *call.argv[1:8], *passes)
    acts = False
    for number, word in enumerate(call.argv):
        if word in ("-exec", "-execdir", "-ok", "-okdir"):
            end = next((i for i in range(number, len(call.argv)) if call.argv[i] in (";", "+", "\\;")), len(call.argv))
            command = call.argv[number + 1 : end]
            acts = acts or (bool(command) and command[0].rsplit("/", 1)[-1] in _WRITERS)
            inner = [output if c == "{}" else c.replace("{}", output) for c in command]
            shell.call(call.replaced(inner, stdin=""))
        if word in ("-fprint", "-fprintf", "-fls") and number + 1 < len(call.argv):
            paths.check_written(shell.policy, call.argv[number + 1], call.scope.cwd)
        acts = acts or word == "-delete"
    if acts and not narrow:
        for root in roots:
            paths.check_written(shell.policy, root, call.scope.cwd, above=True)
    return output


def _narrowed(shell: Shell, call: Call) -> bool:
    """Whether a name test keeps find from everything that is protected."""
    policy = shell.policy
    names = {place.rsplit("/", 1)[-1] for place in (policy.backups, *policy.guarded, *policy.private)}
    names |= {
        f"{policy.project}_backup_1_20260101T000000Z.dump",
        f"{policy.project}_backup_1_20260101T000000Z.manifest.json",
    }
    tests = [
        call.argv[i + 1]
        for i, w in enumerate(call.argv[:-1])
        if w in ("-name", "-iname") and call.argv[i - 1] not in ("!", "-not")
    ]
    if not tests or ("-o" in call.argv and len(tests) < call.argv.count("-o") + 1):
        return False
    return not any(paths.may_match(test, tuple(names)) for test in tests)


def killer(shell: Shell, call: Call) -> str:
    """kill and its like: not the servers of production."""
    for word in call.argv[1:]:
        if call.name in ("pkill", "killall") and re.search(r"postgres|postmaster|^-1$|ringfence", word):
            raise Refused(
                f"{call.line} may end the server of production",
                "'ringfence down test' is for people; end by process id what you started",
            )
        if call.name == "fuser":
            refuse_production(shell.policy, word)
        if call.name == "kill" and word.isdigit() and int(word) > 1:
            try:
                where = os.readlink(f"/proc/{word}/cwd")
            except OSError:
                continue
            if any(paths.inside(where, place) for place in shell.policy.private):
                raise Refused(f"process {word} belongs to the server of production", "end only what you started")
        if call.name == "kill" and word == "-1" and word in call.argv[2:]:
            raise Refused("kill -1 ends every process, the server of production too", "end only what you started")
        if call.name == "kill" and UNKNOWN in word:
            refuse_production(shell.policy, word.replace(UNKNOWN, " "), what="what is killed")
            if re.search("postmaster|postgres", word) or paths.text_names(shell.policy, word.replace(UNKNOWN, " ")):
                raise Refused("what is killed may be the server of production", "end only what you started")
    return ""


def service(shell: Shell, call: Call) -> str:
    """systemctl, service and others: not PostgreSQL, not containers."""
    if re.search(r"\b(status|is-active|list\S*|show|cat|info)\b", call.line):
        return UNKNOWN
    if re.search(r"postgres|docker|containerd|pgbouncer|ringfence|reboot|poweroff|halt", call.line) or call.name in (
        "pg_ctlcluster",
        "pg_dropcluster",
        "reboot",
        "shutdown",
        "poweroff",
        "halt",
        "pg_renamecluster",
        "pg_upgradecluster",
    ):
        raise Refused(f"{call.line} may stop production", "a person does that")
    return UNKNOWN


def server_program(shell: Shell, call: Call) -> str:
    """pg_ctl, postgres, initdb and others work on a data directory."""
    for word in call.marked[1:]:
        value = plain(word)
        for part in (value, value[2:], value.partition("=")[2]):
            if part and part.startswith(("/", ".", "~")):
                paths.check_written(shell.policy, part, call.scope.cwd)
    refuse_production(shell.policy, *call.argv[1:])
    named = [a for a in call.argv[1:] if a.startswith(("-D", "--pgdata"))] or call.env.get("PGDATA")
    if (
        call.name in ("pg_ctl", "pg_resetwal", "postgres", "pg_rewind", "pg_upgrade")
        and not named
        and len(call.argv) > 1
    ) and call.argv[1] not in ("--version", "--help", "-V"):
        raise Refused(f"{call.name} names no data directory", "write -D with the directory of a server that you made")
    for value in call.env.get("PGDATA", ()):
        paths.check_written(shell.policy, value, call.scope.cwd)
    return UNKNOWN


def ordinary(shell: Shell, call: Call, *, framework: str = "node") -> str:
    """Any other program: not with production among its arguments, its input or its environment."""
    policy = shell.policy
    refuse_production(policy, *call.argv[1:], what=call.name or "the command")
    for name, values in call.env.items():
        if call.scope.variables.get(name) != values:
            refuse_production(policy, *values, what=f"{name} of {call.name}")
    if call.stdin is not None and known(call.stdin) and len(call.stdin) < 65536:
        refuse_production(policy, call.stdin, what=f"what {call.name} reads")
    for word in call.marked[1:]:
        value = plain(word)
        for part in (value, value.partition("=")[2]):
            if part and not part.startswith("-"):
                paths.check_written(policy, part if part != value else word, call.scope.cwd)
    if call.name in ("tar", "unzip", "7z", "bsdtar", "cpio") and not re.match(
        r"-?[a-zA-Z]*c", call.argv[1] if call.argv[1:] else ""
    ):
        for word in call.marked[1:]:
            if not plain(word).startswith("-"):
                paths.check_into(policy, word, call.scope.cwd)
    if call.name in _CHECKERS:
        return UNKNOWN
    environment.judge(shell, call, framework, needs_database=False)
    return UNKNOWN


def checker(shell: Shell, call: Call) -> str:
    """Linters, compilers, package managers: judged like other programs, but they read no database's address."""
    return ordinary(shell, call)


def web_tests(shell: Shell, call: Call) -> str:
    """Browser tests: their base URL must not be production's."""
    names = {
        "playwright": tuple(f"playwright.config.{e}" for e in ("ts", "js", "mts", "mjs")),
        "cypress": (*tuple(f"cypress.config.{e}" for e in ("ts", "js", "mjs")), "cypress.json", "cypress.env.json"),
    }
    settings = names.get(call.name, ())
    for name in settings:
        path = call.scope.path(name)
        if path in call.scope.written and not known(call.scope.written[path]):
            raise Refused(
                f"{name} is changed by the same command, so where the tests lead is not seen", use_test(shell.policy)
            )
    environment.judge_web(shell, call, settings)
    return ordinary(shell, call)
