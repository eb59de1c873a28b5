"""Rows that differ as one page of HTML (pure): complete in itself, no script, every name and value escaped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from ringfence.config.names import ColumnName
from ringfence.integrity.compare import table_text
from ringfence.redact import one_line
from ringfence.report.diff_text import counts_text, status_text
from ringfence.report.diff_view import column_notes, cut, shown_rows
from ringfence.workflow.comparison.diff import Diffed

WIDTH = 2000
"""How much of a value is shown; a page that a phone cannot open shows nothing."""

_WORDS = {"insert": "inserted", "update": "changed", "delete": "deleted"}


def page(result: Diffed, masks: Sequence[ColumnName], *, project: str, now: dt.datetime) -> str:
    """The whole page."""
    rows = sum(t.counts.inserted + t.counts.updated + t.counts.deleted for t in result.tables)
    heading = (
        "No row differs" if not rows else f"{rows:,} row{' differs' if rows == 1 else 's differ'} from the baseline"
    )
    return _template().render(
        title=f"{heading} · {project}",
        heading=heading,
        subheading=f"{project}: production on {now:%Y-%m-%d %H:%M:%S} UTC beside backup {result.backup}; "
        f"{result.compared:,} {'table' if result.compared == 1 else 'tables'} compared",
        words=_WORDS,
        tables=[
            {
                "name": table_text(t.table),
                "counts": counts_text(t.counts),
                "key": ", ".join(one_line(c) for c in t.key),
                "status": status_text(t, result.rules.get(t.table)),
                "notes": column_notes(t),
                "rows": shown_rows(t, masks, width=WIDTH),
                "more": f"{t.more:,}" if t.more else "",
            }
            for t in result.tables
        ],
        others=[
            {
                "kind": o.kind,
                "object": one_line(o.object),
                "before": cut(one_line(o.before), WIDTH) if o.before is not None else "absent",
                "after": cut(one_line(o.after), WIDTH) if o.after is not None else "absent",
            }
            for o in result.other or ()
        ],
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("ringfence.report"), autoescape=select_autoescape(["html.j2"]), undefined=StrictUndefined
    )
    return environment.get_template("diff.html.j2")
