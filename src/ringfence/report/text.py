"""Results as a person reads them on a terminal (pure: objects in, Rich renderables out).

Names come from a database or an agent: they are put on one line and never read as markup.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ringfence import clock, files
from ringfence.config.model import Verify
from ringfence.engines.model import EngineStatus
from ringfence.integrity.model import TableComparison
from ringfence.lint.offers import Offer
from ringfence.postgres.target import find_password
from ringfence.redact import one_line, quote_ident
from ringfence.wording import counted
from ringfence.workflow.backups.backup import Created
from ringfence.workflow.backups.reseed import Reseeded
from ringfence.workflow.comparison.verify import Verified
from ringfence.workflow.project import Project
from ringfence.workflow.servers.overview import Overview
from ringfence.workflow.servers.setup import Written

_MOST_REASONS = 20
_VERDICTS = {
    "unchanged": ("PRODUCTION UNCHANGED", "bold green"),
    "allowed": ("PRODUCTION CHANGED AS ALLOWED", "bold green"),
    "changed": ("HALT: PRODUCTION CHANGED", "bold red"),
    "unknown": ("HALT: NOT SHOWN TO BE UNCHANGED", "bold red"),
}
_PROOFS = {"wal": "write-ahead log", "fingerprint": "fingerprint"}
_STATES = {"running": "green", "stopped": "yellow", "absent": "dim"}


def columns(*headings: str, right: Sequence[int] = ()) -> Table:
    """An unframed table; the columns in ``right`` are aligned to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number in right else "left", overflow="fold", no_wrap=number == 0)
    return table


def indented(content: RenderableType) -> RenderableType:
    """A part below a heading."""
    return Padding(content, (0, 0, 0, 2))


def environments(found: Sequence[EngineStatus]) -> RenderableType:
    """The two servers."""
    table = columns("environment", "engine", "state", "address", "PostgreSQL", "process")
    for status in found:
        state = Text(status.state, style=_STATES[status.state])
        address = f"{status.host}:{status.port}"
        table.add_row(
            status.environment, status.engine, state, address, status.server_version or "", str(status.pid or "")
        )
    notes = [Text(f"  {s.environment}: {s.note}", style="yellow") for s in found if s.note]
    return Group(table, *notes)


def connecting(project: Project) -> RenderableType:
    """How to connect, without a password in sight."""
    production, test = project.target("production"), project.target("test")
    application = f"-U {project.settings.production.app_role} {production.database}"
    program = "psql" if shutil.which("psql") or not project.programs else str(project.programs[0].path("psql"))
    psql = f"PGPASSFILE={project.paths.pgpass} {program}"
    app = project.settings.production.app_role
    known = find_password(project.paths.pgpass, host=production.host, port=production.port, user=app)
    lines = (
        f"the application connects with: {psql} -h {production.host} -p {production.port} {application}"
        if known is not None
        else f"the application connects as before: the password of {one_line(app)} is not known here, nor changed",
        f"tests connect with: {psql} -h {test.host} -p {test.port} -U {test.user} {test.database}",
    )
    return Group(*(Text(line, style="dim") for line in lines))


def initialised(result: Written) -> RenderableType:
    """What ``init`` wrote, and what comes next."""
    lines: list[RenderableType] = [Text(f"written: {name}") for name in result.written]
    lines += [Text(f"kept as it is: {name}", style="yellow") for name in result.kept]
    lines += [Text(note) for note in result.adopted]
    if result.adopted:
        lines.append(Text("Next: look at ringfence.toml; 'ringfence up' shows what it found and asks; then name your"))
    else:
        lines.append(Text("Next: 'ringfence up' starts both databases; load your data into production; then name your"))
    lines.append(Text("agents under [[workflow.agents]] in ringfence.toml, commit, and 'ringfence run \"the task\"'."))
    return Group(*lines)


def test_offers(found: Sequence[Offer], written: Sequence[str], *, asked: bool) -> RenderableType:
    """What the test set-up lacks, as diffs; ``asked`` says that it was to be written."""
    lines: list[RenderableType] = []
    for offer in found:
        lines.append(Text(f"{one_line(offer.path)}: {offer.why}", style="yellow"))
        for line in offer.diff().splitlines():
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
            lines.append(Text(f"  {one_line(line)}", style=style))
    lines += [Text(f"written: {one_line(path)}") for path in written]
    if asked and not found:
        lines.append(Text("the test set-up lacks nothing that is looked for"))
    elif not asked and any(offer.after is not None for offer in found):
        lines.append(Text("'ringfence init --apply-tests' writes these changes"))
    return Group(*lines)


test_offers.__test__ = False  # type: ignore[attr-defined]  # its name begins with "test"; pytest must not run it


def created(result: Created, project: Project) -> RenderableType:
    """A new backup."""
    manifest, rows = result.manifest, sum(t.rows for t in result.observation.tables)
    lines: list[RenderableType] = [
        Text.assemble(("BACKUP MADE", "bold green"), f"  {manifest.id}"),
        Text(
            f"  {files.bytes_text(manifest.size_bytes)}, {counted(len(result.observation.tables), 'table')}, "
            f"{counted(rows, 'row')}, {clock.seconds_text(result.seconds)}; read back in full"
        ),
    ]
    watched = [t for t in result.observation.tables if project.settings.verify.is_watched(t.table.schema, t.table.name)]
    if watched:
        told = ", ".join(f"{quote_ident(t.table.name)} {t.rows:,}" for t in watched)
        lines.append(Text(f"  baseline: {told}"))
    lines.append(Text(f"  kept: {len(result.kept)}, removed: {', '.join(result.removed) or 'none'}", style="dim"))
    return Group(*lines)


def reseeded(result: Reseeded) -> RenderableType:
    """A test database made anew."""
    return Group(
        Text.assemble(("TEST DATABASE RESEEDED", "bold green"), f"  {result.database} from {result.backup}"),
        Text(
            f"  {counted(result.tables, 'table')}, {counted(result.rows, 'row')}, equal row for row; "
            f"{clock.seconds_text(result.seconds)}"
            + (" (from the reference that stood)" if result.reference_reused else "")
        ),
    )


def verified(result: Verified, settings: Verify) -> RenderableType:
    """The verdict, what it is made of, and for a HALT what to do."""
    comparison = result.comparison
    heading, style = _VERDICTS[comparison.verdict]
    parts: list[RenderableType] = [
        Text.assemble((heading, style), f"  against {result.baseline}, {clock.seconds_text(result.seconds)}")
    ]
    for reason in comparison.reasons[:_MOST_REASONS]:
        parts.append(Text(f"  - {one_line(reason)}"))
    if len(comparison.reasons) > _MOST_REASONS:
        parts.append(Text(f"  - and {len(comparison.reasons) - _MOST_REASONS} more; --json has them all"))
    shown = [
        t for t in comparison.tables if t.verdict != "unchanged" or settings.is_watched(t.table.schema, t.table.name)
    ]
    if shown:
        parts.append(indented(_tables(shown)))
    quiet = len(comparison.tables) - len(shown)
    if quiet:
        parts.append(Text(f"  {quiet} {'other ' if shown else ''}tables unchanged, every row compared", style="dim"))
    for said in comparison.proof_reasons:
        parts.append(Text(f"  proof by {_PROOFS[comparison.proof]}: {one_line(said)}", style="dim"))
    if not result.passed:
        parts.append(
            Text("Do not commit or push. Stop the agents; look at what they ran; backups: 'ringfence backup list'.")
        )
    return Group(*parts)


def _tables(found: Sequence[TableComparison]) -> Table:
    table = columns("table", "rule", "before", "after", "inserted", "updated", "deleted", "", right=(2, 3, 4, 5, 6))
    for one in found:
        schema = "" if one.table.schema == "public" else f"{quote_ident(one.table.schema)}."
        bad = one.verdict in ("changed", "unknown")
        changes = one.changes
        counts = (
            [f"{n:,}" if n else "" for n in (changes.inserted, changes.updated, changes.deleted)] if changes else []
        )
        table.add_row(
            f"{schema}{quote_ident(one.table.name)}",
            one.rule.rule,
            "" if one.rows_before is None else f"{one.rows_before:,}",
            "" if one.rows_after is None else f"{one.rows_after:,}",
            *(counts or ["", "", ""]),
            Text(one.verdict, style="red" if bad else "green"),
        )
    return table


def overview(found: Overview) -> RenderableType:
    """``status`` on one screen."""
    parts: list[RenderableType] = [environments(found.environments), Text("")]
    last = found.last_run
    if last is None:
        parts.append(Text("runs: none yet"))
    else:
        how = last.outcome or ("interrupted" if last.interrupted else last.paused or "going on")
        style = {"passed": "green", "halt": "bold red", "failed": "red"}.get(how, "yellow")
        parts.append(Text.assemble(f"last run: {last.run_id}  ", (how, style)))
    good = [e for e in found.backups if e.problem is None]
    newest = f", newest {good[0].id}" if good else ""
    parts.append(Text(f"backups: {len(good)}{newest}"))
    parts += [Text(f"  {one_line(e.id)}: {e.problem}", style="red") for e in found.backups if e.problem]
    if found.running:
        parts.append(Text(f"a run is going on: {found.running}", style="yellow"))
    if found.obstacle:
        label = "HALT" if found.halted else "unfinished"
        parts.append(Text.assemble((f"{label}: ", "bold red"), found.obstacle.reason))
        parts.append(Text.assemble(("HINT: ", "bold yellow"), found.obstacle.hint))
    return Group(*parts)
