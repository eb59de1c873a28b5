"""Which rule looks at which program, and the one function that judges a whole command."""

from __future__ import annotations

import os
import re

from ringfence.guard import clients, containers, interpreters, migrations, packages, paths, programs, remote, runners
from ringfence.guard.expansion import known
from ringfence.guard.shell import Call, Scope, Shell
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.guard.policy import Policy

MOST_CHARACTERS = 1 << 20

RULES: dict[str, Callable[[Shell, Call], str]] = {
    **dict.fromkeys(programs.READERS, programs.reader),
    **dict.fromkeys(programs._WRITERS, programs.writer),
    **dict.fromkeys(("sed", "gsed"), programs.sed),
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), programs.awk),
    **dict.fromkeys(("find", "gfind"), programs.find),
    **dict.fromkeys(("kill", "pkill", "killall", "fuser", "skill"), programs.killer),
    **dict.fromkeys(
        (
            "systemctl",
            "service",
            "brew-services",
            "rc-service",
            "launchctl",
            "reboot",
            "shutdown",
            "halt",
            "poweroff",
            "pg_ctlcluster",
            "pg_dropcluster",
        ),
        programs.service,
    ),
    **dict.fromkeys(
        (
            "pg_ctl",
            "postgres",
            "postmaster",
            "initdb",
            "pg_resetwal",
            "pg_rewind",
            "pg_upgrade",
            "pg_checksums",
            "pg_controldata",
            "pg_waldump",
            "pg_createcluster",
            "pg_archivecleanup",
        ),
        programs.server_program,
    ),
    **dict.fromkeys(("playwright", "cypress"), programs.web_tests),
    **dict.fromkeys(clients.PROGRAMS, clients.judge),
    **dict.fromkeys(("docker", "podman", "nerdctl"), containers.docker),
    **dict.fromkeys(("docker-compose", "podman-compose"), lambda s, c: containers.compose(s, c, c.argv[1:])),
    **dict.fromkeys(("kubectl", "helm", "k9s", "kubectx", "oc", "k"), containers.kubectl),
    **dict.fromkeys(("gh", "hub", "glab"), remote.github),
    **dict.fromkeys(("ssh", "scp", "sftp", "rsync", "mosh", "autossh", "sshpass", "telnet-ssl"), remote.ssh),
    **dict.fromkeys(remote.CLOUDS, remote.cloud),
    **dict.fromkeys(remote.INFRASTRUCTURE, remote.infrastructure),
    **dict.fromkeys(
        (
            "curl",
            "wget",
            "http",
            "https",
            "xh",
            "httpie",
            "nc",
            "ncat",
            "netcat",
            "socat",
            "telnet",
            "ab",
            "wrk",
            "k6",
            "hey",
            "lynx",
            "w3m",
            "aria2c",
        ),
        remote.web,
    ),
    **dict.fromkeys(("npm", "yarn", "pnpm", "npx", "bunx", "pnpx"), packages.package_runner),
    **dict.fromkeys(
        (
            "poetry",
            "uv",
            "pdm",
            "pipenv",
            "hatch",
            "rye",
            "bundle",
            "dotenv",
            "dotenvx",
            "env-cmd",
            "conda",
            "mise",
            "pixi",
            "devbox",
        ),
        packages.tool_runner,
    ),
    **dict.fromkeys(
        (
            "concurrently",
            "watch",
            "flock",
            "su",
            "runuser",
            "script",
            "tmux",
            "screen",
            "at",
            "batch",
            "crontab",
            "start-server-and-test",
            "npm-run-all",
            "run-s",
            "run-p",
        ),
        runners.text_runner,
    ),
    **dict.fromkeys(("make", "gmake"), packages.make),
    **dict.fromkeys(runners.SHELLS, runners.shell_program),
    **dict.fromkeys(interpreters.INTERPRETERS, interpreters.interpreter),
    **dict.fromkeys(runners.WRAPPERS, runners.wrapper),
    **dict.fromkeys(("xargs", "gxargs", "parallel"), runners.xargs),
    "git": remote.git,
    "ringfence": remote.ringfence,
    "env": runners.env_command,
}


def program(shell: Shell, call: Call) -> str:
    """Judge one program that would start; returns what it would print, as far as that is known."""
    if not call.argv or not call.argv[0]:
        return ""
    if not known(call.name) or call.marked[0] != call.argv[0] or (not known(call.argv[0]) and "/" not in call.argv[0]):
        raise Refused(f"which program that is cannot be seen before it runs: {call.line}", "write its name out")
    name = call.name.rstrip("0123456789.-")
    if call.name not in RULES and name in RULES:  # python3.12, psql-17
        call.name = name
    rule = RULES.get(call.name)
    if call.name == "test" or rule is None:
        if call.name in migrations.TOOLS:
            return migrations.judge(shell, call, call.name)
        if "/" in call.argv[0]:
            return _own_program(shell, call)
        return programs.ordinary(shell, call, framework=programs.FRAMEWORKS.get(call.name, "node"))
    return rule(shell, call)


def _own_program(shell: Shell, call: Call) -> str:
    """A program named by its path: a script of the work tree is read."""
    if call.name.endswith("manage.py"):
        return migrations.judge(shell, call.named("django", call.marked[1:]), "django")
    text = shell.content(call.argv[0], call.scope)
    path = call.scope.path(call.argv[0])
    if known(text) and (text.startswith("#!") or path in call.scope.written or call.name.endswith(".sh")):
        first = text.split("\n", 1)[0]
        if not first.startswith("#!") or re.search(r"\b(ba|z|da|k)?sh\b", first):
            scope = call.inner_scope()
            scope.arguments = [(a,) for a in call.argv[1:]]
            return shell.run_text(text, scope, what=call.argv[0])
        return interpreters.code(shell, call, text, call.argv[0], "python" if "python" in first else "node")
    if path in call.scope.written and not known(text):
        raise Refused(
            f"{call.argv[0]} is written by the same command, so it cannot be read before it runs",
            "run it in a second step",
        )
    return programs.ordinary(shell, call)


def command(text: str, policy: Policy, environ: Mapping[str, str], cwd: str) -> None:
    """Judge a command line that an agent wants to run in a directory. Raises `Refused`."""
    if len(text) > MOST_CHARACTERS:
        raise Refused(f"the command has {len(text)} characters, more than can be looked at", "do it in smaller steps")
    shell = Shell(policy, program)
    scope = Scope({name: (value,) for name, value in environ.items() if UNKNOWN not in value}, os.path.normpath(cwd))
    shell.run_text(text, scope)


def file(name: str, policy: Policy, cwd: str) -> None:
    """Judge a file that an agent wants to write with a tool of its own. Raises `Refused`."""
    paths.check_written(policy, name, cwd)
