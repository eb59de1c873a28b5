"""``backup list`` as a person reads it: a table where there is room for it, else a paragraph for every backup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from ringfence import files
from ringfence.backup.model import Entry, Kept
from ringfence.redact import one_line
from ringfence.report.text import columns
from ringfence.wording import counted

_BESIDE_THE_ID = 45
"""Time, size and number of tables, with the space between."""
_REASON_ROOM = 40
"""A reason in a narrower column is harder to read than one below its backup."""


def backups(
    entries: Sequence[Entry],
    reasons: Sequence[Kept],
    foreign: Sequence[str],
    directory: str,
    mirrored: frozenset[str] | None = None,
    mirror_problem: str | None = None,
) -> RenderableType:
    """All backups with the reason each stays, and what else lies in both places."""
    if not entries and not mirrored:
        return Text(f"no backup in {directory}; 'ringfence backup create' makes one")
    told = {k.id: k.reason for k in reasons}
    lacking = frozenset[str]()
    if mirrored is not None and not mirror_problem:
        lacking = frozenset(e.id for e in entries if e.problem is None and e.id not in mirrored)
    rest = [Text(f"no backup, left alone: {one_line(name)}", style="yellow") for name in foreign]
    if mirrored is not None and not mirror_problem:
        there = sum(e.id in mirrored for e in entries)
        rest.append(Text(f"in the mirror: {there} of {len(entries)}", style="dim"))
        if lacking:
            rest.append(Text("the next backup copies what is not in the mirror", style="dim"))
    for name in sorted((mirrored or frozenset()) - {e.id for e in entries}):
        rest.append(Text(f"only in the mirror: {one_line(name)}; 'ringfence backup mend' brings it back"))
    if mirror_problem:
        rest.append(Text(f"the mirror cannot be looked at: {one_line(mirror_problem)}", style="red"))
    below = [Padding(line, (0, 0, 0, 2), expand=False) for line in rest]
    return Group(_Listing(entries=entries, told=told, lacking=lacking), *below)


@dataclass(frozen=True, kw_only=True)
class _Listing:
    """The backups themselves, laid out for the width that there is."""

    entries: Sequence[Entry]
    told: Mapping[str, str]
    lacking: frozenset[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widest = max((len(one_line(e.id)) for e in self.entries), default=0)
        if widest + _BESIDE_THE_ID + _REASON_ROOM <= options.max_width:
            yield self._table()
        else:
            yield from self._paragraphs()

    def _table(self) -> RenderableType:
        table = columns("backup", "made (UTC)", "size", "tables", "", right=(2, 3))
        for entry in self.entries:
            made, size, tables = _facts(entry)
            table.add_row(one_line(entry.id), made, size, tables, self._reason(entry))
        return table

    def _paragraphs(self) -> Iterator[RenderableType]:
        for entry in self.entries:
            yield Text(one_line(entry.id))
            made, size, tables = _facts(entry)
            if made:
                yield Text(f"  {made} UTC, {size}, {counted(int(tables), 'table')}")
            yield Padding(self._reason(entry), (0, 0, 0, 2), expand=False)

    def _reason(self, entry: Entry) -> Text:
        """Why it stays, or what is wrong with it; and that it is in one place only."""
        if entry.problem:
            return Text(one_line(entry.problem), style="red")
        text = Text("proven; " if entry.is_proven else "", style="dim").append(self.told.get(entry.id, "goes next"))
        return text.append("; NOT in the mirror", style="yellow") if entry.id in self.lacking else text


def _facts(entry: Entry) -> tuple[str, str, str]:
    """When it was made, how large it is, and of how many tables; empty where the manifest cannot be read."""
    manifest = entry.manifest
    if manifest is None:
        return "", "", ""
    tables = len(manifest.baseline.get("tables", []))
    return manifest.created_at.strftime("%Y-%m-%d %H:%M:%S"), files.bytes_text(manifest.size_bytes), str(tables)
