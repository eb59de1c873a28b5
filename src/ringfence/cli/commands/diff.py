"""``diff``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ringfence import clock, files
from ringfence.cli.options import Config, Json, begin, exits
from ringfence.config.names import ColumnName, parse_column_name
from ringfence.errors import UsageError
from ringfence.redact import one_line
from ringfence.report import diff_page, diff_text, documents
from ringfence.report.diff_view import useless
from ringfence.workflow.comparison import diff as work


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "0  shown, whether rows differ or not ('ringfence verify' gives the verdict)",
            "2  usage or configuration",
            "3  production could not be read, so nothing is known",
            "4  another process is making databases on the test server",
            "5  there is no sound backup to compare with",
            "6  the reference could not be made from the backup",
            "7  the test server is not provably this project's",
        )
    )(diff)


def diff(
    backup: Annotated[
        str | None, typer.Option("--backup", metavar="ID", help="The baseline; the newest when left out.")
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option("--table", metavar="T", help="Only this table, as in SQL; may be given several times."),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="COLUMN",
            help="Show **** for this column (COLUMN, TABLE.COLUMN or SCHEMA.TABLE.COLUMN), besides diff.mask.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Rows shown of each table; all are counted.")
    ] = work.DEFAULT_LIMIT,
    full: Annotated[
        bool, typer.Option("--full", help="Read every row to learn which tables differ, whatever the WAL says.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write one self-contained page (readable by you only)."),
    ] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Show the rows of production that differ from the baseline, by key, with their old and new values.

    Rows are compared inside both servers with the reference on the test server; nothing is written to production.
    """
    session = begin(as_json=json, config=config)
    given = _masks(mask or [])
    masks = (*session.project.settings.diff.mask, *given)
    with session.console.working("comparing rows with the baseline"):
        result = work.diff(
            session.project, backup, tables=table or [], limit=limit, full=full, progress=session.console
        )
    wrong = useless(given, result)
    if wrong:
        raise UsageError(f"--mask {wrong[0]}: no table has such a column", hint="nothing was shown; check the name")
    if html is not None:
        page = diff_page.page(result, masks, project=session.project.name, now=clock.utc_now())
        _write(html, page)
    session.console.show(diff_text.diffed(result, masks))
    if html is not None:
        session.console.show(f"written: {html}")
    session.end(documents.diffed(result, masks))


def _masks(texts: list[str]) -> tuple[ColumnName, ...]:
    found = []
    for text in texts:
        try:
            found.append(parse_column_name(text))
        except ValueError as error:
            raise UsageError(f"--mask {one_line(text)!r}: {error}") from None
    return tuple(found)


def _write(path: Path, page: str) -> None:
    """Readable by its owner only: it holds rows of production."""
    try:
        files.write_atomic(path, page.encode("utf-8", "replace"), mode=0o600)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}", hint="nothing was shown") from error
