"""The command ``ringfence``, and the only place where an error becomes an exit status."""

from __future__ import annotations

import os
import sys
import traceback

import click
import typer
from typer.main import get_command

import ringfence
from ringfence.cli.commands import backup, demo, environments, init, reseed, run, runs, verify
from ringfence.cli.console import Console
from ringfence.errors import InternalError, RingfenceError, UsageError

INTERRUPTED = 130

app = typer.Typer(
    name="ringfence",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Coding agents work next to your production database. Ringfence makes sure that it is still the same "
    "database when they are done: it takes a proven backup before they start, gives them a fresh test database, "
    "compares production with its baseline when they stop, and lets nothing be committed or pushed when it differs.",
    epilog="Begin with 'ringfence demo', or in your own project with 'ringfence init' and 'ringfence up'.",
)
for room in (demo, init, environments, backup, reseed, verify, run, runs):
    room.register(app)


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"ringfence {ringfence.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line and leave with its exit status."""
    os.umask(0o077)
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command; every failure is shown and becomes the exit status of its class."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    console = Console(as_json="--json" in own)
    try:
        code = get_command(app).main(args=arguments, prog_name="ringfence", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.Exit as leaving:
        return leaving.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return UsageError.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f"'{context.command_path} --help' shows what it takes" if context else "'ringfence --help' shows it"
        message = error.format_message()
        problem: RingfenceError = UsageError(message[:1].lower() + message[1:].rstrip("."), hint=hint)
    except (KeyboardInterrupt, click.Abort):
        console.error(_InterruptedError("interrupted"))
        return INTERRUPTED
    except RingfenceError as error:
        problem = error
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # the last resort: a fault of ours must not look like a verdict
        if os.environ.get("RINGFENCE_TRACEBACK"):
            traceback.print_exc()
        problem = InternalError(
            f"{type(error).__name__}: {error}",
            hint="this is a fault in ringfence; RINGFENCE_TRACEBACK=1 shows where. Nothing is reported as verified",
        )
    console.error(problem)
    return problem.exit_code


class _InterruptedError(RingfenceError):
    exit_code = INTERRUPTED
