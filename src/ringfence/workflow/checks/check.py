"""``check``: the strategy's two lists and every proof of separation, each line with what was seen.

Where another room has something to look at, it is a function ``Project -> lines`` in one of the tuples below, with
the name under which its failure is reported: `SEPARATION` is looked at in every check, `BEFORE` and `AFTER` only in
theirs, by a run too; `ROOMS` by the command alone, because a run has a step of its own for them. A function yields
`checklist.Line`, made by ``holds``, ``fails``, ``unknown`` or ``not_yet``. It may raise: what could not be looked at is
a finding. `of_findings` makes a line of a room's own findings. What mends a finding without asking anybody is in
`FIXES`, by the name of the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import psycopg

from ringfence.engines.model import EnvironmentName
from ringfence.errors import IdentityError, RingfenceError
from ringfence.findings import Finding, at_least
from ringfence.journal import reader
from ringfence.journal.log import OpenStep
from ringfence.wording import counted
from ringfence.workflow import instructions
from ringfence.workflow.backups import backup
from ringfence.workflow.checks import check_after, check_before, check_reach, check_secrets, check_separation, checklist
from ringfence.workflow.checks.checklist import Line
from ringfence.workflow.comparison import verify
from ringfence.workflow.comparison.verify import Verified
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.rights import roles

Moment = Literal["before", "after"]
Look = Callable[[Project], Iterable[Line]]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing to look at. ``name`` stands for its lines where it could not be looked at all."""

    name: str
    text: str
    look: Look


SEPARATION: tuple[Check, ...] = (
    Check(name="separation/servers", text="test and production are two servers", look=check_separation.servers),
    Check(name="separation/ports", text="their ports differ", look=check_separation.ports),
    Check(name="separation/proven", text="both are stamped and on record", look=check_separation.marks),
    Check(name="separation/login", text="production refuses test's password", look=check_separation.logins),
    Check(name="separation/foreign", text="nothing leads out of the test database", look=check_separation.ways_out),
    Check(name="separation/reach", text="the test server cannot reach production", look=check_reach.reach),
)
BEFORE: tuple[Check, ...] = (
    Check(name="before/running", text="both servers are running", look=check_before.running),
    Check(name="before/recent-backup", text="a recent backup is there", look=check_before.recent_backup),
    Check(name="before/test-has-tables", text="the test database has tables", look=check_before.test_has_tables),
    Check(name="before/private-places", text="private places are closed", look=check_before.private_places),
)
AFTER: tuple[Check, ...] = (
    Check(name="after/test-changed", text="the test database reflects changes", look=check_after.test_reflects_changes),
    Check(name="after/rotation", text="backup rotation is maintained", look=check_after.rotation_kept),
    Check(name="after/published", text="commit and push were successful", look=check_after.published),
)


def _roles(project: Project) -> Iterable[Line]:
    audited = roles.audit(project)
    yield of_findings("roles/audit", "the app role has no way around its rights", audited.findings)


def _instructions(project: Project) -> Iterable[Line]:
    yield of_findings("agents/instructions", "agents are told what they may do", instructions.check(project.settings))


def _secrets(project: Project) -> Iterable[Line]:
    found = check_secrets.scan(project)
    hidden = sum(f.severity == "info" for f in found)
    seen = (f"{hidden} that the sandbox hides",) if hidden else ()
    yield of_findings("secrets/reach", "no credential that agents can read opens production", found, *seen)


ROOMS: tuple[Check, ...] = (
    Check(name="roles/audit", text="the app role has no way around its rights", look=_roles),
    Check(name="agents/instructions", text="agents are told what they may do", look=_instructions),
    Check(name="secrets/reach", text="no credential that agents can read opens production", look=_secrets),
)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Every line that was looked at, and what was mended before."""

    moments: tuple[Moment, ...]
    lines: tuple[Line, ...]
    fixed: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong or could not be looked at."""
        return tuple(f for line in self.lines for f in line.findings)

    @property
    def passed(self) -> bool:
        """Whether there is nothing but remarks."""
        return not at_least(self.findings, "low")


def check(
    project: Project,
    moments: Sequence[Moment],
    *,
    progress: Progress,
    fix: bool = False,
    verified: Verified | None = None,
) -> Checked:
    """Look at everything of these moments. It raises nothing that it can tell.

    With ``fix`` what can be mended without asking is mended first and then looked at anew. ``verified`` is a
    verification that was just made; without it production is verified against the last run's baseline, or the newest.
    """
    checks = (
        *(BEFORE if "before" in moments else ()),
        *SEPARATION,
        *ROOMS,
        *((_production(progress, verified), *AFTER) if "after" in moments else ()),
    )
    lines = _look(project, checks, progress)
    if not fix:
        return Checked(moments=tuple(moments), lines=lines)
    fixed = _mend(project, lines, progress)
    return Checked(moments=tuple(moments), lines=_look(project, checks, progress) if fixed else lines, fixed=fixed)


def look(project: Project, moment: Moment, *, progress: Progress, verified: Verified | None = None) -> tuple[Line, ...]:
    """One of the two lists alone, for a run that has looked at separation already."""
    if moment == "before":
        return _look(project, BEFORE, progress)
    return _look(project, (_production(progress, verified), *AFTER), progress)


def require_separation(project: Project, *, progress: Progress) -> tuple[Line, ...]:
    """The proofs of separation before anything is written. Refuses (7) where one of them is critically wrong."""
    lines = _look(project, SEPARATION, progress)
    critical = [f for line in lines for f in line.findings if f.severity == "critical"]
    if critical:
        raise IdentityError(
            "\n".join(dict.fromkeys(f.message for f in critical)),
            hint="; ".join(dict.fromkeys(f.fix for f in critical if f.fix)) or None,
        )
    return lines


def note(step: OpenStep, lines: Iterable[Line]) -> None:
    """Record lines in a run's journal: how many hold, then each with what was seen, what does not hold first."""
    lines = list(lines)
    wrong = [line.name for line in lines if line.outcome in ("fails", "unknown")]
    hold = f"{len(lines) - len(wrong)} of {counted(len(lines), 'line holds', 'lines hold')}"
    step.note(f"{hold}; not: {', '.join(wrong)}" if wrong else hold)
    for line in sorted(lines, key=lambda one: one.outcome in ("holds", "open")):
        step.note(f"{line.outcome}: {line.text} ({'; '.join(line.evidence)})")


def of_findings(name: str, text: str, found: Sequence[Finding], *evidence: str) -> Line:
    """A line that holds when a room that was asked found nothing worse than remarks."""
    bad = at_least(found, "low")
    named = dict.fromkeys(f"{f.rule}: {f.message}" for f in (bad or found))
    seen = (*evidence, *list(named)[:10]) or ("it was looked at; nothing found",)
    return Line(name=name, text=text, outcome="fails" if bad else "holds", evidence=seen, findings=tuple(found))


def _look(project: Project, checks: Iterable[Check], progress: Progress) -> tuple[Line, ...]:
    lines: list[Line] = []
    for one in checks:
        progress.advance(f"checking that {one.text}", 0, 0)
        try:
            lines += one.look(project)
        except RingfenceError as error:
            lines.append(_not_looked_at(one, error.message, error.hint))
        except (psycopg.Error, OSError) as error:
            lines.append(_not_looked_at(one, str(error), None))
    return tuple(lines)


def _not_looked_at(one: Check, why: str, hint: str | None) -> Line:
    return checklist.unknown(one.name, one.text, why, about=one.name, fix=hint or "remove the cause and look again")


def _production(progress: Progress, verified: Verified | None) -> Check:
    def look(project: Project) -> Iterable[Line]:
        if verified is not None:
            yield check_after.production_unchanged(verified)
            return
        runs = reader.read_runs(project.paths.state_directory)
        known = {e.id for e in project.store.entries() if e.problem is None}
        last = next((r.backup for r in runs if r.backup in known), None)
        yield check_after.production_unchanged(verify.verify(project, last, progress=progress))

    return Check(name="after/production-unchanged", text="production is unchanged", look=look)


# ── what can be mended without asking ──


def _start(environment: EnvironmentName) -> Callable[[Project, Progress], str]:
    def fix(project: Project, progress: Progress) -> str:
        project.engine(environment).start()
        return f"started {environment}"

    return fix


def _back_up(project: Project, progress: Progress) -> str:
    made = backup.create_backup(project, issue=None, progress=progress, needed=backup.needed_baselines(project))
    return f"made backup {made.entry.id}"


def _rotate(project: Project, progress: Progress) -> str:
    with project.store.writing():
        done = project.store.rotate(keep=project.settings.backup.keep, needed=backup.needed_baselines(project))
    return f"removed {', '.join(done.remove)}"


def _close(project: Project, progress: Progress) -> str:
    return f"closed {', '.join(map(str, check_before.close_places(project)))}"


FIXES: Mapping[str, Callable[[Project, Progress], str]] = {
    "before/production-running": _start("production"),
    "before/test-running": _start("test"),
    "before/recent-backup": _back_up,
    "before/private-places": _close,
    "after/rotation": _rotate,
}


def _mend(project: Project, lines: Iterable[Line], progress: Progress) -> tuple[str, ...]:
    wrong = {line.name for line in lines if line.outcome == "fails"}
    fixed = []
    for name, fix in FIXES.items():
        if name in wrong:
            try:
                fixed.append(fix(project, progress))
            except (RingfenceError, OSError) as error:
                progress.say(f"{name} could not be fixed: {error}")
    return tuple(fixed)
