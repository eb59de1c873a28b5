"""``ringfence-guard``: answers an agent's hook. It never fails open: it leaves with 0 or 2, whatever happens.

Exit 0 with the agent's own form of a refusal is what agents obey most reliably; exit 2 with a reason on standard error
is for whatever goes wrong here. Exit 1, a signal, a traceback would let the call through in most of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from ringfence.guard import answer, policy, quick, refusals
from ringfence.guard.verdict import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_BYTES = 8 << 20
PATIENCE_S = 6
_USAGE = "usage: ringfence-guard --agent claude|codex|cursor|gemini|copilot [--project NAME] < event.json"


def main() -> None:
    """The command. Leaves the process at once, so that nothing can change the exit status on the way out."""
    code = 2
    try:
        code = run(sys.argv[1:], os.environ)
    except BaseException as error:  # nothing that can happen may mean yes
        code = _broken(f"{type(error).__name__}: {error}")
    finally:
        os._exit(0 if code == 0 else 2)


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Judge the event on standard input and print the answer; the exit status."""
    try:
        agent, project = _options(arguments)
    except ValueError as error:
        return _broken(f"{error}; {_USAGE}")
    if arguments and arguments[0] in ("-h", "--help"):
        return _broken(_USAGE)
    _set_alarm()
    try:
        judge(_event(), agent, project, environ)
        said = answer.allow(agent)
    except Refused as refused:
        said = answer.deny(agent, f"ringfence: {refused.text()}")
        return _print(said, refusal=refused.text())
    except policy.PolicyError as error:
        reason = f"{error}; a person runs 'ringfence agents sync' to write it. Until then nothing is allowed"
        return _print(answer.deny(agent, f"ringfence: {reason}"), refusal=reason)
    except RecursionError:
        reason = "the command is nested too deeply to be followed"
        return _print(answer.deny(agent, f"ringfence: {reason}"), refusal=reason)
    except Exception as error:
        reason = f"the guard failed ({type(error).__name__}: {error}), so the call is refused"
        return _print(answer.deny(agent, f"ringfence: {reason}"), refusal=reason)
    return _print(said, refusal="")


def judge(event: object, agent: str, project: str, environ: Mapping[str, str]) -> None:
    """Judge one event. Raises `Refused`, or `PolicyError` where there is nothing to judge by."""
    asked = answer.understood(event)
    cwd = asked.cwd or os.getcwd()
    rules = policy.read(policy.place(environ, project or policy.project_at(cwd)))
    if asked.command is not None and quick.nothing_to_say(asked.command):
        return
    try:
        if asked.command is not None:
            from ringfence.guard import judge as judges

            judges.command(asked.command, rules, environ, cwd)
        else:
            from ringfence.guard import tools

            tools.judge(asked, rules, cwd)
    except Refused as refused:
        refusals.remember(rules.root, asked, refused.reason, agent=agent, environ=environ)
        raise


def _options(arguments: Sequence[str]) -> tuple[str, str]:
    agent = project = ""
    words = list(arguments)
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name in ("-h", "--help"):
            return "claude", ""
        if name not in ("--agent", "--project"):
            raise ValueError(f"there is no option {name}")
        if not equals:
            if not words:
                raise ValueError(f"{name} needs a value")
            value = words.pop(0)
        if name == "--agent":
            agent = value
        else:
            project = value
    if agent not in answer.AGENTS:
        raise ValueError(f"there is no agent {agent!r}")
    return agent, project


def _event() -> object:
    data = b""
    while len(data) <= MOST_BYTES:
        part = os.read(0, 1 << 16)
        if not part:
            break
        data += part
    if len(data) > MOST_BYTES:
        raise Refused(f"the event is larger than {MOST_BYTES >> 20} MiB, more than can be looked at")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the event is not JSON: {type(error).__name__}") from None


def _set_alarm() -> None:
    """Answer before the agent gives up waiting: a time-out would let the call through."""
    import signal

    def late(number: int, frame: object) -> None:
        raise TimeoutError(f"no verdict within {PATIENCE_S} s")

    signal.signal(signal.SIGALRM, late)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.alarm(PATIENCE_S)


def _print(text: str, *, refusal: str) -> int:
    """Print an answer; where that is impossible, say it by the exit status."""
    data = text.encode()
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        return _broken(refusal or "the answer could not be printed")
    return 0


def _broken(reason: str) -> int:
    """A refusal by exit status, with the reason on standard error (without one, some agents take it for yes)."""
    with contextlib.suppress(OSError):
        os.write(2, f"ringfence: refused: {reason}\n".encode(errors="replace"))
    return 2


if __name__ == "__main__":
    main()
