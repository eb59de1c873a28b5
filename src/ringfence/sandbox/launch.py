"""Puts a command into a sandbox: the words to start it, the gate through which listeners come out, the forwarder."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ringfence import process
from ringfence.sandbox import bubblewrap, entrance, forwarder, policy
from ringfence.sandbox.entrance import Orders
from ringfence.sandbox.forwarder import Plan
from ringfence.sandbox.machine import kind_of, listening_sockets, resolver, visible_entries
from ringfence.sandbox.model import Layer, Mount, Wanted
from ringfence.sandbox.policy import NotPossibleError

PROXY_PORT = 3128
BEGIN_TIMEOUT_S = 20.0
_ALIASES = "127.77.0."
_MOST_ALIASES = 200
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts")
_LOCAL = ("localhost", "127.0.0.1", "::1", ".localhost")
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(kw_only=True)
class Enclosed:
    """A command as it has to be started, and what to do once it was. ``pass_fds`` must reach it.

    ``processes`` says that the processes inside are a namespace of their own, whose end is the end of all of them.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    pass_fds: tuple[int, ...]
    processes: bool
    _gate: socket.socket | None = None
    _inner: socket.socket | None = None
    _control: socket.socket | None = None
    _plan: Plan | None = None
    _told: bytearray = field(default_factory=bytearray)
    _heard: bytearray = field(default_factory=bytearray)

    def begin(self) -> str | None:
        """Let the command start: take its listeners, have them served. Why it cannot, or None.

        To be called once, right after the start.
        """
        if self._inner is not None:
            self._inner.close()
        if self._gate is None:
            return None
        self._gate.settimeout(BEGIN_TIMEOUT_S)
        try:
            numbers = array.array("i")
            data, extra, _, _ = self._gate.recvmsg(65536, socket.CMSG_SPACE(250 * numbers.itemsize))
            if data != b"l":
                self._told += data
                return self._why_not()
            for level, kind, content in extra:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
            problem = self._serve(list(numbers))
            if problem is None:
                self._gate.send(b"g")
            return problem
        except OSError as error:
            return f"the sandbox does not answer: {error.strerror or error}"

    def ended(self) -> entrance.Ended | None:
        """How the command ended, as seen from inside; None where nobody told. To be called after its end."""
        if self._gate is None:
            return None
        self._gate.settimeout(1.0)
        with contextlib.suppress(OSError):
            while data := self._gate.recv(65536):
                self._told += data
        try:
            found: entrance.Ended = json.loads(self._told)
        except ValueError:
            return None
        return found

    def refused(self) -> tuple[str, ...]:
        """The destinations that the forwarder has refused so far."""
        if self._control is not None:
            self._control.setblocking(False)
            with contextlib.suppress(OSError):
                while data := self._control.recv(65536):
                    self._heard += data
        lines = bytes(self._heard).splitlines()
        return tuple(str(json.loads(line)["refused"]) for line in lines if line.startswith(b"{"))

    def _serve(self, numbers: list[int]) -> str | None:
        try:
            if self._control is None or self._plan is None:
                return None
            return _hand_over(self._control, self._plan, numbers)
        finally:
            for number in numbers:
                os.close(number)

    def _why_not(self) -> str:
        told = self.ended()
        return (told["error"] if told else None) or "the sandbox could not be set up; what it printed says why"


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """A layer and what is wanted of it. Commands enter it one at a time or side by side."""

    layer: Layer
    wanted: Wanted

    @contextlib.contextmanager
    def enter(self, command: Sequence[str], *, environment: Mapping[str, str], directory: Path) -> Iterator[Enclosed]:
        """A command made ready to be started in this sandbox, in ``directory``, which must be visible there.

        When the block ends the forwarder ends. Raises NotPossibleError where this machine cannot make the sandbox.
        """
        if self.layer == "none":
            yield Enclosed(command=tuple(command), environment=environment, pass_fds=(), processes=False)
            return
        with contextlib.ExitStack() as stack:
            if self.layer == "bwrap-net":
                yield self._own_network(stack, command, environment, directory)
            else:
                yield self._shared_network(stack, command, environment, directory)

    def _own_network(
        self, stack: contextlib.ExitStack, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> Enclosed:
        outer, inner = socket.socketpair()
        stack.enter_context(outer)
        stack.enter_context(inner)
        listen: list[tuple[str, int]] = [f.inside for f in self.wanted.forwards]
        routes: list[tuple[str, int] | None] = [f.outside for f in self.wanted.forwards]
        names = self._aliases()
        for (host, port), address in names.items():
            listen.append((address, port))
            routes.append((host, port))
        listen.append(("127.0.0.1", PROXY_PORT))
        routes.append(None)
        known = {host: address for (host, _), address in names.items()} | dict.fromkeys(self.wanted.names, "127.0.0.1")
        hosts = stack.enter_context(_hosts_file(known))
        orders = self._orders(gate=inner.fileno(), listen=listen, init=True)
        copies = self._copies(stack)
        line = self._bubblewrap_line(own_network=True, directory=directory, hosts=hosts, copies=copies)
        return Enclosed(
            command=(*line, *entrance_line(orders), *command),
            environment=_through_proxy(environment, PROXY_PORT),
            pass_fds=(inner.fileno(),),
            processes=True,
            _gate=outer,
            _inner=inner,
            _control=stack.enter_context(_forwarder()),
            _plan=self._plan(routes),
        )

    def _shared_network(
        self, stack: contextlib.ExitStack, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> Enclosed:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = int(listener.getsockname()[1])
        control = stack.enter_context(_forwarder())
        problem = _hand_over(control, self._plan([None]), [listener.fileno()])
        if problem is not None:
            raise NotPossibleError(problem)
        ports = sorted({port, *(f.outside[1] for f in self.wanted.forwards)})
        environment = _through_proxy(environment, port)
        if self.layer == "bwrap":
            outer, inner = socket.socketpair()
            stack.enter_context(outer)
            stack.enter_context(inner)
            orders = self._orders(gate=inner.fileno(), init=True, tcp_connect=ports)
            copies = self._copies(stack)
            line = self._bubblewrap_line(own_network=False, directory=directory, hosts=None, copies=copies)
            return Enclosed(
                command=(*line, *entrance_line(orders), *command),
                environment=environment,
                pass_fds=(inner.fileno(),),
                processes=True,
                _gate=outer,
                _inner=inner,
                _control=None,
            )
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="ringfence-agent-"))
        allowed = policy.landlock_paths(self.places(), visible_entries)
        orders = self._orders(
            gate=None,
            init=False,
            tcp_connect=ports,
            names=[*allowed.names, str(Path(entrance.__file__).resolve().parents[2])],
            read=[*allowed.read, "/proc", "/dev"],
            write=[*allowed.write, *_DEVICES, "/dev/shm", scratch],
            unix=False,
            directory=str(directory),
        )
        return Enclosed(
            command=(*entrance_line(orders), *command),
            environment={**environment, "TMPDIR": scratch, "HOME": self._home_of_links(scratch)},
            pass_fds=(),
            processes=False,
            _control=control,
        )

    def _home_of_links(self, scratch: str) -> str:
        """A home directory whose entries lead to what is allowed of the real ones, where none can be laid over them."""
        home = Path(scratch) / "home"
        home.mkdir()
        for path in (*self.wanted.read, *self.wanted.write):
            for real in self.wanted.homes:
                if path.is_relative_to(real) and path != real and path.exists():
                    link = home / path.relative_to(real)
                    link.parent.mkdir(parents=True, exist_ok=True)
                    with contextlib.suppress(FileExistsError):
                        link.symlink_to(path)
        for path in self.wanted.copy:
            with contextlib.suppress(OSError):
                (home / path.name).write_bytes(path.read_bytes())
        return str(home)

    def places(self) -> tuple[Mount, ...]:
        """What a command sees of the file system of this machine at this moment. Raises NotPossibleError."""
        made = policy.mounts(self.wanted, kind_of, listening_sockets())
        return policy.with_targets(made, {m.path: os.readlink(m.path) for m in made if m.kind == "link"})

    def _copies(self, stack: contextlib.ExitStack) -> list[Mount]:
        """A copy of each file of which the command gets one, shown in its place."""
        made = []
        for path in self.wanted.copy:
            with contextlib.suppress(OSError):
                data = path.read_bytes()
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringfence-copy-")))
                (directory / path.name).write_bytes(data)
                made.append(Mount(kind="write", path=path, source=(directory / path.name).resolve()))
        return made

    def _bubblewrap_line(
        self, *, own_network: bool, directory: Path, hosts: Path | None, copies: Sequence[Mount]
    ) -> list[str]:
        program = bubblewrap.find()
        if program is None:
            raise NotPossibleError("bubblewrap is not installed (the package is called bubblewrap)")
        made = [*self.places(), *copies]
        if hosts is not None and Path("/etc/hosts").is_file():
            made.append(Mount(kind="read", path=Path("/etc/hosts"), source=hosts))
        elif not own_network:
            made += [m for m in resolver() if not any(m.path == other.path for other in made)]
        root = os.geteuid() == 0
        return bubblewrap.agent_line(program, made, own_network=own_network, root=root, directory=directory)

    def _aliases(self) -> dict[tuple[str, int], str]:
        """An address of the loopback for every host that is named in full, for programs that know no proxy.

        Only root can listen on their ports: without it bubblewrap's namespaces are nested, and the network belongs to
        the outer one, in which nobody inside has a right.
        """
        if os.geteuid() != 0:
            return {}
        exact = [pair for pair in self.wanted.hosts if not pair[0].startswith("*.") and not _looks_numeric(pair[0])]
        numbers = {host: n for n, host in enumerate(dict.fromkeys(host for host, _ in exact[:_MOST_ALIASES]), 1)}
        return {(host, port): f"{_ALIASES}{numbers[host]}" for host, port in exact if host in numbers}

    def _plan(self, routes: list[tuple[str, int] | None]) -> Plan:
        return {
            "routes": routes,
            "allow": list(self.wanted.hosts),
            "upstream": self.wanted.upstream_proxy,
            "direct": list(self.wanted.no_proxy),
        }

    def _orders(
        self,
        *,
        gate: int | None,
        init: bool,
        listen: Sequence[tuple[str, int]] = (),
        tcp_connect: list[int] | None = None,
        names: Sequence[str] = (),
        read: Sequence[str] = (),
        write: Sequence[str] = (),
        unix: bool = True,
        directory: str | None = None,
    ) -> Orders:
        return {
            "gate": gate,
            "listen": list(listen),
            "init": init,
            "landlock": self.layer != "bwrap-net",
            "tcp_connect": tcp_connect,
            "names": list(names),
            "read": list(read),
            "write": list(write),
            "unix": unix,
            "account": None,
            "directory": directory,
        }


def entrance_line(orders: Orders) -> tuple[str, ...]:
    """The words that start the entrance with these orders."""
    own = str(Path(entrance.__file__).resolve())
    return (str(Path(sys.executable).resolve()), "-I", "-S", own, json.dumps(orders))


def _looks_numeric(host: str) -> bool:
    return host.replace(".", "").isdigit() or ":" in host


def _through_proxy(environment: Mapping[str, str], port: int) -> dict[str, str]:
    """The environment with the forwarder as its proxy; the machine's own is out of reach inside."""
    drop = {name for variable in _PROXY_VARIABLES for name in (variable, variable.lower())}
    kept = {name: value for name, value in environment.items() if name not in drop}
    url = f"http://127.0.0.1:{port}"
    local = ",".join(_LOCAL)
    proxied = {"HTTPS_PROXY": url, "https_proxy": url, "NO_PROXY": local, "no_proxy": local, "NODE_USE_ENV_PROXY": "1"}
    return {**kept, **proxied, "TMPDIR": "/tmp", "RINGFENCE_SANDBOX": "1"}


@contextlib.contextmanager
def _hosts_file(names: Mapping[str, str]) -> Iterator[Path | None]:
    if not names:
        yield None
        return
    lines = ["127.0.0.1 localhost", "::1 localhost", *(f"{address} {host}" for host, address in names.items())]
    with tempfile.NamedTemporaryFile("w", prefix="ringfence-hosts-") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        yield Path(file.name).resolve()


@contextlib.contextmanager
def _forwarder() -> Iterator[socket.socket]:
    """A running forwarder; the socket on which it waits for its plan."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    own = str(Path(forwarder.__file__).resolve())
    with near:
        with far:
            child = process.stream(
                [sys.executable, "-I", "-S", own, str(far.fileno())],
                env=process.clean_environment(),
                cwd=Path("/"),
                stdin=None,
                pass_fds=[far.fileno()],
            )
        try:
            yield near
        finally:
            near.close()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()


def _hand_over(control: socket.socket, plan: Plan, numbers: Sequence[int]) -> str | None:
    """Give the forwarder its plan and its listeners; why it does not serve them, or None."""
    control.settimeout(BEGIN_TIMEOUT_S)
    try:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", numbers))] if numbers else []
        control.sendmsg([json.dumps(plan).encode()], rights)
        return None if control.recv(64) == b"r" else "the forwarder ended"
    except OSError as error:
        return f"the forwarder does not answer: {error.strerror or error}"
