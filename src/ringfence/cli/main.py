"""The command ``ringfence``, and the only place where an error becomes an exit status."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import typer
from typer.main import get_command

import ringfence
from ringfence.cli.console import Console
from ringfence.errors import EndedBySignal, InternalError, RingfenceError, UsageError

INTERRUPTED = 130
READER_GONE = 141

# Where each command is. Only the one that is called is loaded: all of them together take half a second.
COMMANDS: dict[str, str] = {
    "demo": "demo",
    "init": "init",
    "up": "environments",
    "down": "environments",
    "status": "environments",
    "check": "check",
    "roles": "roles",
    "backup": "backup",
    "reseed": "reseed",
    "verify": "verify",
    "live": "live",
    "diff": "diff",
    "repair": "repair",
    "restore": "restore",
    "run": "run",
    "pre": "run",
    "post": "run",
    "runs": "runs",
    "report": "runs",
    "resolve": "runs",
    "agents": "agents",
    "lint": "lint",
    "sandbox": "sandbox",
    "attack": "attack",
    "guard": "guard",
}
_HELP = (
    "Coding agents work next to your production database. Ringfence makes sure that it is still the same "
    "database when they are done: it takes a proven backup before they start, gives them a fresh test database, "
    "compares production with its baseline when they stop, and lets nothing be committed or pushed when it differs."
)
_EPILOG = "Begin with 'ringfence demo', or in your own project with 'ringfence init' and 'ringfence up'."


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """The command line with the command that is called, or with all of them where none is (help, a wrong name)."""
    called = next((a for a in arguments if not a.startswith("-")), "")
    app = typer.Typer(
        name="ringfence",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=_HELP,
        epilog=_EPILOG,
    )
    app.callback()(_root)
    for room in dict.fromkeys([COMMANDS[called]] if called in COMMANDS else COMMANDS.values()):
        import_module(f"ringfence.cli.commands.{room}").register(app)
    return app


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"ringfence {ringfence.__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line and leave with its exit status."""
    _hear_signals()
    sys.exit(run_command(sys.argv[1:]))


def _hear_signals() -> None:
    """Let both end children, staging and locks in order. A signal that the caller ignores (nohup) stays ignored."""

    def end(number: int, _: object) -> None:
        raise EndedBySignal(number)

    for sign in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(sign) is not signal.SIG_IGN:
            signal.signal(sign, end)


def run_command(arguments: list[str]) -> int:
    """Run one command; every failure is shown and becomes the exit status of its class."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    console = Console(as_json="--json" in own)
    command = get_command(app_for(arguments))
    try:
        # Not the parser's own main(): what that makes of Ctrl-C and of an exit status depends on its version.
        with command.make_context("ringfence", arguments) as context:
            code = command.invoke(context)
        return code if isinstance(code, int) else 0
    except typer.Exit as leaving:
        return leaving.exit_code
    except EndedBySignal as ended:
        problem: RingfenceError = _EndedError(ended)
    except (KeyboardInterrupt, typer.Abort):
        problem = _InterruptedError("interrupted")
    except RingfenceError as error:
        problem = error
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            return UsageError.exit_code  # the help has been shown
        problem = _usage_problem(error) or _internal_problem(error)
    console.error(problem)
    return problem.exit_code


def _usage_problem(error: Exception) -> UsageError | None:
    """What the parser of the command line says. Its classes have no public home, but all can format a message."""
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        return None
    message = str(format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "ringfence"
    return UsageError(message[:1].lower() + message[1:], hint=f"'{command} --help' shows what there is")


def _internal_problem(error: Exception) -> InternalError:
    """The last resort: a fault of ours must not look like a verdict."""
    if os.environ.get("RINGFENCE_TRACEBACK"):
        traceback.print_exception(error)
    return InternalError(
        f"{type(error).__name__}: {error}",
        hint="this is a fault in ringfence; RINGFENCE_TRACEBACK=1 shows where. Nothing is reported as verified",
    )


class _InterruptedError(RingfenceError):
    exit_code = INTERRUPTED


class _EndedError(RingfenceError):
    def __init__(self, ended: EndedBySignal) -> None:
        super().__init__(f"ended by {signal.Signals(ended.number).name}")
        self.exit_code = ended.exit_code  # type: ignore[misc]  # one class for all signals
