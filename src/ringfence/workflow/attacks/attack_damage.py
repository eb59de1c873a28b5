"""What is done where everything else has failed: the harm for real, whether verification finds it, the way back.

The way back is chosen as a person would: rows by ``repair``, rights by ``roles apply``, all else by ``restore``, a lost
server by ``up`` before that, lost backups from the mirror. It counts only where production then holds exactly the rows
and objects of the first baseline.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence

import psycopg

from ringfence import clock, process
from ringfence.attack.model import Damage, Outcome, Trial
from ringfence.errors import IdentityError, RestoreError, RingfenceError
from ringfence.integrity import observe
from ringfence.integrity.compare import differing
from ringfence.integrity.model import Comparison, State
from ringfence.integrity.travel import compare_restored
from ringfence.redact import one_line
from ringfence.workflow.attacks.attack_stage import Stage
from ringfence.workflow.backups import backup, mirror, rebuild, restore
from ringfence.workflow.comparison import verify
from ringfence.workflow.progress import Quiet
from ringfence.workflow.repairs import repair
from ringfence.workflow.rights import roles
from ringfence.workflow.servers import environments

_END_TIMEOUT_S = 20.0
_SEQUENCES = "sequence-value"
_OF_SERVER = {"role", "setting", "prepared-transaction"}
_SERVER_KINDS = (
    *("cluster-role", "cluster-membership", "cluster-parameter-acl", "cluster-prepared-transaction"),
    *("cluster-server-setting", "cluster-file-setting", "cluster-hba", "cluster-subscription", "cluster-tablespace"),
)
_QUIET = Quiet()


def by_verification(stage: Stage, damage: Damage) -> Trial:
    """Do the harm, look for it, put it right. Whatever goes wrong on the way is told as ``through`` or ``unknown``."""
    try:
        _harm(stage, damage)
    except (RingfenceError, psycopg.Error, OSError) as error:
        return _trial("unknown", f"the harm could not be done: {error}")
    trial = _found_and_put_right(stage, damage)
    if damage.undo:
        _run(stage, damage, damage.undo)
    return trial


def _found_and_put_right(stage: Stage, damage: Damage) -> Trial:
    try:
        found, comparison = _look(stage, damage)
        if found is None:
            return _trial("through", "verification found nothing")
        how = _put_right(stage, damage, comparison)
        _require_as_first(stage)
    except (RingfenceError, psycopg.Error, OSError) as error:
        return _trial("through", f"found, but not put right: {error}")
    return _trial("stopped", f"found ({found}), put right by {how}")


def _harm(stage: Stage, damage: Damage) -> None:
    if damage.special is None:
        _run(stage, damage, damage.sql)
        return
    with stage.own():
        pass
    engine = stage.project.engine("production")
    pid = engine.status().pid
    if damage.special == "server ended":
        _kill(pid)
    elif damage.special == "files lost":
        engine.stop()
        _remove(stage)
    else:
        for path in stage.project.paths.backups.iterdir():
            path.unlink()


def _run(stage: Stage, damage: Damage, statements: Sequence[str]) -> None:
    with stage.own(damage.database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _kill(pid: int | None) -> None:
    if pid is None:
        raise IdentityError("the throw-away production has no process to end")
    os.kill(pid, signal.SIGKILL)
    until = clock.monotonic_s() + _END_TIMEOUT_S
    while process.is_alive(pid):
        if clock.monotonic_s() > until:
            raise OSError(f"process {pid} does not end")
        clock.pause(0.05)


def _remove(stage: Stage) -> None:
    """Only what this process made: the place the server named when it was new, below a name of the scratch project."""
    engine = stage.project.engine("production")
    status = engine.status()
    if status.data_directory is None or status.data_directory.resolve() != stage.data:
        raise IdentityError(f"{stage.data} is not the throw-away production's data any more; nothing was removed")
    shutil.rmtree(stage.data)


def _look(stage: Stage, damage: Damage) -> tuple[str | None, Comparison | None]:
    """What the tool says without being told where to look; None where it says that all is well."""
    if damage.special == "backups removed":
        return next((e.problem for e in stage.project.store.entries() if e.problem), None), None
    verified = verify.verify(stage.project, None, progress=_QUIET)
    if verified.passed:
        return None, verified.comparison
    reasons = verified.comparison.reasons or (verified.comparison.verdict,)
    return one_line(reasons[0]), verified.comparison


def _put_right(stage: Stage, damage: Damage, comparison: Comparison | None) -> str:
    project = stage.project
    if comparison is None:
        for entry in project.store.entries():
            mirror.mend(project, entry.id, _QUIET)
        backup.verify_backup(project, None, _QUIET)
        return "backup mend, from the mirror"
    newest = project.store.get(None).id
    if damage.special is not None:
        lost = damage.special == "files lost"
        environments.up(project, ("production",), _QUIET, accept_new_identity=lost)
        if not lost and verify.verify(project, newest, progress=_QUIET).passed:
            return "up, and production then verified"
        return f"up, and {_restore(stage, newest)}"
    rows = any(t.verdict != "unchanged" for t in comparison.tables)
    kinds = {difference.kind for difference in comparison.other} - {"sequence"}
    if not kinds:
        return _by_rows(stage, newest) or _restore(stage, newest)
    by_rights = None if rows else _by_rights(stage, newest)
    if by_rights is None and not rows and kinds <= _OF_SERVER:
        raise RestoreError("roles and settings of the server are a person's to put right; the report names them")
    return by_rights or _restore(stage, newest)


def _by_rows(stage: Stage, backup_id: str) -> str | None:
    request = repair.Request(evidence=False)
    try:
        done = repair.repair_now(stage.project, backup_id, request, agree=lambda _: True, progress=_QUIET)
    except RingfenceError:
        return None
    return "repair" if done.applied is not None and done.verified is not None and done.verified.passed else None


def _by_rights(stage: Stage, backup_id: str) -> str | None:
    try:
        if not roles.apply(stage.project).statements:
            return None
    except RingfenceError:
        return None
    return "roles apply" if verify.verify(stage.project, backup_id, progress=_QUIET).passed else None


def _restore(stage: Stage, backup_id: str) -> str:
    restore.restore(stage.project, backup_id, backup_first=False, progress=_QUIET)
    return "restore"


def _require_as_first(stage: Stage) -> None:
    """Refuse (6) unless production holds the rows and objects it had before the first harm, row for row, and passes the
    verification against its newest baseline, which also judges how far sequences may have moved.
    A server that was lost and made anew has passwords of its own."""
    project, before = stage.project, rebuild.baseline_of(stage.first)
    with observe.open_snapshot(project.target("production")) as snapshot:
        after = observe.observe(snapshot, before.seeds, workers=project.workers)
    anew = before.identity.system_identifier != after.identity.system_identifier
    told = _server_changes(before.state, after.state, anew=anew)
    moved = {**before.state, _SEQUENCES: after.state.get(_SEQUENCES, {})}
    told += [f"rows of {table.name}" for table in differing(before, after)]
    told += compare_restored(moved, after.state, same_major=True)
    verified = verify.verify(project, None, progress=_QUIET)
    told += [] if verified.passed else verified.comparison.reasons
    if told:
        raise RestoreError(f"production is not as it was at first: {'; '.join(told[:5])}")


def _server_changes(before: State, after: State, *, anew: bool) -> list[str]:
    """Roles, memberships and settings of the server that are not as they were: no restore of a database has them."""
    changes = []
    for kind in _SERVER_KINDS:
        old, new = before.get(kind, {}), after.get(kind, {})
        for name in sorted(old.keys() | new.keys()):
            pair = [
                {a: v for a, v in (s.get(name) or {}).items() if not (anew and a == "password")} for s in (old, new)
            ]
            if name not in old or name not in new or pair[0] != pair[1]:
                changes.append(f"{kind.removeprefix('cluster-')} {name}")
    return changes


def _trial(outcome: Outcome, said: str) -> Trial:
    return Trial(layer="verification", outcome=outcome, said=one_line(said)[:300])
