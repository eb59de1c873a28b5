"""Containers and clusters: docker, podman, compose, kubectl. Production's are left alone, test's are free."""

from __future__ import annotations

import re

from ringfence.guard import clients, environment, paths
from ringfence.guard.address import production_in, use_test
from ringfence.guard.expansion import known
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.guard.policy import Policy
    from ringfence.guard.shell import Call, Shell

_LOOKS = frozenset(
    """
    ps logs images version info stats top port events history search help config ls list context
    """.split()  # noqa: SIM905
)
_GROUPS = {"container", "volume", "image", "network", "system", "compose", "context", "buildx", "builder"}
_ENDS = {"rm", "remove", "stop", "kill", "restart", "pause", "down", "prune", "update", "rename", "create", "unpause"}
_VALUE_OPTIONS = frozenset(
    """
    -H --host -c --context --config -l --log-level -f --file -p --project-name --profile --env-file
    --project-directory --ansi --parallel --progress --tlscacert --tlscert --tlskey
    """.split()  # noqa: SIM905
)
_EXEC_VALUES = {"-e", "--env", "-u", "--user", "-w", "--workdir", "--env-file", "--detach-keys", "--index"}
_RUN_ONLY = {
    "-v",
    "--volume",
    "-p",
    "--publish",
    "--name",
    "--network",
    "--net",
    "--mount",
    "-l",
    "--label",
    "--entrypoint",
    "-m",
    "--memory",
    "--cpus",
    "-h",
    "--hostname",
    "--restart",
    "--add-host",
    "--platform",
    "--volumes-from",
    "--link",
    "--pid",
    "--ipc",
    "--shm-size",
    "--tmpfs",
    "--cap-add",
    "--security-opt",
    "--ulimit",
    "--device",
    "--gpus",
    "--log-driver",
    "--health-cmd",
    "--pull",
    "--cidfile",
    "--dns",
    "--expose",
    "--userns",
    "--cap-drop",
    "--log-opt",
    "--stop-signal",
}
_COMPOSE_FILES = (
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
)


def docker(shell: Shell, call: Call) -> str:
    """docker, podman and nerdctl; ``docker compose`` too."""
    globals_, words = _split(call.argv[1:])
    if not words or "--help" in call.argv:
        return UNKNOWN
    group = words[0] if words[0] in _GROUPS and len(words) > 1 else ""
    if group == "compose":
        return compose(shell, call, call.argv[call.argv.index("compose") + 1 :])
    verb, rest = (words[1], words[2:]) if group else (words[0], words[1:])
    if verb in _LOOKS:
        return UNKNOWN
    remote = next((g for g in globals_ if g.startswith(("-H", "--host", "--context", "-c"))), None)
    if remote or any(v and not v.startswith("unix://") for v in call.env.get("DOCKER_HOST", ())):
        raise Refused("another docker engine than this machine's is addressed", "work on this machine")
    _refuse_production(shell.policy, call, (*globals_, *rest))
    if verb == "prune":
        _prune(call, group, rest)
    if verb == "exec":
        return _inside(shell, call, _after_options(rest, _EXEC_VALUES))
    if verb in ("run", "create"):
        return _run(shell, call, rest)
    if verb in _ENDS or (group == "volume" and verb not in ("create", "inspect")):
        for word in rest:
            if not known(word) or re.fullmatch(r"[0-9a-f]{4,64}", word):
                raise Refused(
                    f"what {call.name} {verb} would end cannot be seen ({word.replace(UNKNOWN, '…')})",
                    "name the container or volume",
                )
    return UNKNOWN


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Options before the command, and the rest."""
    found: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in _VALUE_OPTIONS and rest:
            option += "=" + rest.pop(0)
        found.append(option)
    return found, rest


def _after_options(words: list[str], with_value: set[str]) -> list[str]:
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--":
            break
        if option in with_value and rest:
            rest.pop(0)
    return rest


def _refuse_production(policy: Policy, call: Call, words: tuple[str, ...]) -> None:
    for word in words:
        named = production_in(policy, word)
        if named:
            raise Refused(
                f"{call.name} is pointed at production ({named})", f"use {policy.test.container or 'the test database'}"
            )


def _prune(call: Call, group: str, rest: list[str]) -> None:
    if group == "volume" or "--volumes" in rest or group in ("container", ""):
        raise Refused(f"{call.line} may take what belongs to production", "remove by name what you made")
    if group == "system":
        raise Refused(f"{call.line} may take stopped containers of production", "remove by name what you made")


def _inside(shell: Shell, call: Call, words: list[str]) -> str:
    """A command inside of a container that is not production's."""
    if not words:
        return UNKNOWN
    container, command = words[0], words[1:]
    if not known(container) or re.fullmatch(r"[0-9a-f]{4,64}", container):
        raise Refused(f"which container that is cannot be seen ({container.replace(UNKNOWN, '…')})", "name it")
    return inside_container(shell, call, container, command)


def inside_container(shell: Shell, call: Call, container: str, command: list[str]) -> str:
    """Judge a command in a container: in test's its own server is meant, elsewhere one must be named."""
    policy = shell.policy
    inner = dict(call.env)
    for name in list(inner):
        if name.startswith("PG") or environment.places(policy, {name: inner[name]}):
            del inner[name]
    if container == policy.test.container and policy.test.container:
        # Inside, the server is the local socket and port 5432, and nothing else is.
        name = command[0].rsplit("/", 1)[-1] if command else ""
        if name in clients.PROGRAMS and not any(re.match(r"(-h|--ho|-p|--po)", w) for w in command[1:]):
            inner["PGHOST"] = (policy.test.hosts[0],)
            inner["PGPORT"] = (str(policy.test.db_port),)
        elif name in clients.PROGRAMS:
            for word in command[1:]:
                if production_in(policy, word):
                    raise Refused(f"{name} in {container} is pointed at production", use_test(policy))
    return shell.call(call.replaced(command, env=inner)) if command else UNKNOWN


def _run(shell: Shell, call: Call, rest: list[str]) -> str:
    """``docker run``: no mount of what is protected, and the command inside is judged."""
    policy = shell.policy
    for number, word in enumerate(rest):
        value = word.split("=", 1)[1] if word.startswith("--") and "=" in word else word
        option = rest[number - 1] if number else ""
        if option in ("-v", "--volume", "--mount") or word.startswith(("--volume=", "--mount=", "-v/")):
            source = re.search(r"(?:source|src)=([^,]+)", value)
            path = source[1] if source else value.removeprefix("-v").split(":")[0]
            if path.startswith(("/", ".", "~", UNKNOWN)):
                paths.check_written(policy, path, call.scope.cwd, above=not path.startswith("."))
        if word in ("--privileged",) or (option == "--pid" and word == "host"):
            raise Refused(f"a container with {word} reaches the whole machine", "run it without")
        if option == "--env-file" or word.startswith("--env-file="):
            for value_ in environment.dotenv(shell.content(value, call.scope)).values():
                if production_in(policy, value_):
                    raise Refused(f"{value} names production", use_test(policy))
    words = _after_options(rest, _EXEC_VALUES | _RUN_ONLY)
    name = words[1].rsplit("/", 1)[-1] if len(words) > 1 else ""
    if name in clients.PROGRAMS or name in ("sh", "bash"):
        return inside_container(shell, call, words[0], words[1:])
    return UNKNOWN


def compose(shell: Shell, call: Call, arguments: list[str]) -> str:
    """Compose: judged by what the services that it touches are."""
    options, words = _split(arguments)
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb in _LOOKS or verb in ("", "pull", "build", "push"):
        return UNKNOWN
    files = [o.partition("=")[2] for o in options if o.startswith(("-f", "--file"))]
    files = files or [f for v in call.env.get("COMPOSE_FILE", ()) if v for f in v.split(":")]
    _refuse_production(shell.policy, call, (*options, *rest))
    texts = _texts(shell, call, files)
    services = {name: block for text in texts for name, block in _services(text).items()}
    named = [w for w in rest if w in services]
    removes = verb == "down" and any(re.fullmatch(r"-[a-z]*v[a-z]*|--volumes", w) for w in rest)
    for file, text in zip(files, texts, strict=False):
        if re.search(r"prod(uction)?\b", file.lower()) and not named and not text:
            raise Refused(f"{file} is of production, by its name", "use the compose file of the test environment")
    looked = [services[n] for n in named] if named and verb != "down" else texts
    for text in looked:
        where = production_in(shell.policy, text)
        if where:
            raise Refused(f"compose {verb} would act on production ({where})", "name the service of the test database")
    if removes and not any(texts):
        raise Refused("compose down -v removes volumes, and which ones cannot be seen", "name the compose file with -f")
    if verb in ("exec", "run"):
        inner = _after_options(rest, _EXEC_VALUES | _RUN_ONLY)
        block = services.get(inner[0], "") if inner else ""
        test = shell.policy.test
        ours = bool(test.container and test.container in block) or bool(re.search(rf"\b{test.db_port}:", block))
        container = test.container if ours and test.container else (inner[0] if inner else "")
        return inside_container(shell, call, container, inner[1:])
    return UNKNOWN


def _texts(shell: Shell, call: Call, files: list[str]) -> list[str]:
    if files:
        found = []
        for file in files:
            text = shell.content(file, call.scope)
            found.append(text if known(text) else "")
            if (
                not known(text)
                and not re.search(r"test|dev|ci\b", file.lower())
                and shell.exists(call.scope.path(file))
            ):
                raise Refused(f"{file} cannot be read", "name a compose file that can")
            if not known(file):
                raise Refused("which compose file that is cannot be seen", "name it")
        return found
    here = call.scope.cwd
    while known(here):
        texts = [shell.content(f"{here}/{name}", call.scope) for name in _COMPOSE_FILES]
        texts = [t for t in texts if known(t)]
        if texts or here == "/":
            return texts
        here = here.rsplit("/", 1)[0] or "/"
    return []


def _services(text: str) -> dict[str, str]:
    """The blocks of the services in a compose file, by indentation; enough to tell one from the other."""
    found: dict[str, str] = {}
    section = re.search(r"(?m)^services:[ \t]*\n((?:[ \t]+.*\n|[ \t]*\n|#.*\n)*)", text + "\n")
    if section is None:
        return found
    indent = re.match(r"\s*?([ \t]+)\S", section[1])
    if indent is None:
        return found
    name = ""
    for line in section[1].splitlines():
        heading = re.fullmatch(rf"{indent[1]}([\w.-]+|\"[^\"]+\"):.*", line)
        if heading:
            name = heading[1].strip('"')
            found[name] = ""
        if name:
            found[name] += line + "\n"
    return found


def kubectl(shell: Shell, call: Call) -> str:
    """Clusters hold nothing of the test environment: looking is allowed, everything else is not."""
    words = [a for a in call.argv[1:] if not a.startswith("-")]
    looks = {
        "version",
        "api-resources",
        "explain",
        "completion",
        "help",
        "kustomize",
        "config",
        "logs",
        "describe",
        "top",
    }
    if (
        not words
        or words[0] in looks
        or "--dry-run=client" in call.argv
        or (words[0] == "get" and "secret" not in call.line)
    ):
        return UNKNOWN
    if call.name == "helm" and words[0] in ("template", "lint", "list", "status", "history", "repo", "search", "show"):
        return UNKNOWN
    raise Refused(
        f"{call.name} {words[0]} acts on a cluster, which is not the test environment", use_test(shell.policy)
    )
