"""``backup create``, ``list``, ``verify``, ``pin`` and ``unpin``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence import files
from ringfence.backup.retention import rotate
from ringfence.cli.options import MISLEADS, Config, Issue, Json, begin, exits
from ringfence.report import backups, documents, text
from ringfence.report.schema import SCHEMA
from ringfence.workflow.backups import backup as work
from ringfence.workflow.backups import mirror as mirrors
from ringfence.workflow.backups import reseed as reseeding
from ringfence.workflow.issue import find_issue

Which = Annotated[str | None, typer.Argument(metavar="[ID]", help="The backup; the newest when left out.")]

Named = Annotated[str, typer.Argument(metavar="ID", help="The backup; 'ringfence backup list' shows them.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True, help="Make backups of production with their baseline; list and check them."
    )
    group.command(
        epilog=exits(
            "0  the backup is in place and was read back in full",
            "2  usage or configuration",
            "4  another backup is being made",
            "5  no backup was made; older ones are untouched",
            "7  the database is not stamped as this project's production",
        )
    )(create)
    group.command("list", epilog=exits("0  shown", "2  configuration", MISLEADS))(list_)
    group.command(
        epilog=exits(
            "0  the dump is what was written",
            "2  configuration",
            "4  with --restore: another process is making databases on the test server",
            "5  there is no such backup, or it is damaged",
            "6  its restore differs",
            "7  with --restore: the test server is not provably this project's",
        )
    )(verify)
    group.command(
        epilog=exits(
            "0  it stays until it is unpinned",
            "2  usage",
            "5  there is no such backup",
            MISLEADS,
        )
    )(pin)
    group.command(
        epilog=exits(
            "0  left to the rules again",
            "2  usage",
            "5  there is no such backup",
            MISLEADS,
        )
    )(unpin)
    group.command(
        epilog=exits(
            "0  it is whole", "2  usage", "4  a backup is being made", "5  there is nothing to mend it from", MISLEADS
        )
    )(mend)
    app.add_typer(group, name="backup")


def create(issue: Issue = None, json: Json = False, config: Config = None) -> None:
    """Dump production and take its baseline, both from one snapshot.

    The backup gets its name only when it is complete, synced, hashed and read back; only then the oldest one beyond
    the limit is removed.
    """
    session = begin(as_json=json, config=config)
    name = find_issue(issue, ()).issue
    with session.console.working("backing up production"):
        result = work.create_backup(
            session.project, issue=name, progress=session.console, needed=work.needed_baselines(session.project)
        )
    session.console.show(text.created(result, session.project))
    session.end(documents.created(result, str(session.project.paths.backups)))


def list_(json: Json = False, config: Config = None) -> None:
    """Show every backup, newest first, why it stays, and files that are no backups."""
    session = begin(as_json=json, config=config)
    store = session.project.store
    entries, foreign = store.entries(), store.foreign()
    reasons = rotate(
        entries, keep=session.project.settings.backup.keep, needed=work.needed_baselines(session.project)
    ).kept
    mirrored, problem = mirrors.mirrored(session.project)
    shown = mirrored if session.project.settings.backup.mirror else None
    session.console.show(backups.backups(entries, reasons, foreign, str(store.directory), shown, problem))
    session.end(documents.backups(entries, reasons, foreign, str(store.directory), mirrored, problem))


def verify(
    id_: Which = None,
    restore: Annotated[bool, typer.Option("--restore", help="Also restore it on the test server and compare.")] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Prove that a backup is what was written: size, SHA-256, every byte of the archive read.

    With --restore it is restored on the test server, beside the test database, and every row and object compared.
    """
    session = begin(as_json=json, config=config)
    with session.console.working("checking the backup"):
        entry = work.verify_backup(session.project, id_, session.console)
        if restore:
            reseeding.prove_backup(session.project, entry, session.console)
    size = files.bytes_text(entry.manifest.size_bytes if entry.manifest else 0)
    session.console.show(
        f"{entry.id}: {size}, SHA-256 and archive are sound{', its restore is equal' if restore else ''}"
    )
    session.end({"schema": SCHEMA, "backup": entry.id, "sound": True, "restored": restore})


def pin(
    id_: Named,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is to be kept.")] = "by hand",
    json: Json = False,
    config: Config = None,
) -> None:
    """Keep a backup whatever rotation says, until it is unpinned. It does not take the place of another one."""
    session = begin(as_json=json, config=config)
    work.pin(session.project, id_, reason=reason)
    session.console.show(f"{id_} is pinned: {reason}")
    session.end({"schema": SCHEMA, "backup": id_, "pinned": True, "reason": reason})


def unpin(id_: Named, json: Json = False, config: Config = None) -> None:
    """Leave a backup to rotation again. Nothing is removed now; the next backup's rotation decides."""
    session = begin(as_json=json, config=config)
    work.unpin(session.project, id_)
    session.console.show(f"{id_} is not pinned any more")
    session.end({"schema": SCHEMA, "backup": id_, "pinned": False})


def mend(id_: Named, json: Json = False, config: Config = None) -> None:
    """Bring back what is missing of a backup: its manifest from the run state, or all of it from the mirror.

    What stands in the way is renamed and stays. 'ringfence restore' does the same by itself.
    """
    session = begin(as_json=json, config=config)
    with session.console.working("mending the backup"):
        entry = mirrors.mend(session.project, id_, session.console)
    session.console.show(f"{entry.id} is whole")
    session.end({"schema": SCHEMA, "backup": entry.id, "sound": True})
