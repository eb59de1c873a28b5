"""One case against one layer: the guard's verdict, the command in the sandbox, the statements as the app role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
from psycopg import pq

from ringfence import clock, process
from ringfence.attack.cases import filled
from ringfence.attack.model import Benign, Case, Damage, Trial
from ringfence.guard import judge
from ringfence.guard.policy import Policy
from ringfence.guard.verdict import Refused
from ringfence.postgres.connection import connect, error_text
from ringfence.redact import one_line
from ringfence.roles.attempts import IMPOSSIBLE, REFUSED
from ringfence.sandbox import captured
from ringfence.sandbox.launch import Sandbox
from ringfence.sandbox.policy import NotPossibleError
from ringfence.workflow.attacks.attack_stage import REACHED, Stage, with_variables

ACT_TIMEOUT_S = 30.0
TRACE_WAIT_S = 2.0
_SHOWN = 160
_NOT_GRANTED = "01007"


def by_guard(
    stage: Stage, rules: Policy, case: Case | Benign, values: Mapping[str, str], environment: Mapping[str, str]
) -> Trial:
    """The guard's verdict on what the agent writes."""
    variables = with_variables(environment, case.variables, values["URL"])
    with _files(stage, case.files, values):
        try:
            judge.command(filled(case.command, values), rules, variables, str(stage.root))
        except Refused as refused:
            return Trial(layer="guard", outcome="stopped", said=_short(refused.text(), stage))
    return Trial(layer="guard", outcome="through", said="allowed")


def in_sandbox(
    stage: Stage,
    sandbox: Sandbox | None,
    case: Case,
    damage: Damage | None,
    values: Mapping[str, str],
    environment: Mapping[str, str],
) -> Trial:
    """The act run as an agent would run it, after its harmless form was seen to get through without a sandbox."""
    if sandbox is None:
        return Trial(layer="sandbox", outcome="through", said="no sandbox holds on this machine")
    with _files(stage, case.files, values):
        stage.statements()
        control = filled(case.control or case.act, values)
        done = process.run(
            ["/bin/sh", "-c", control], timeout_s=ACT_TIMEOUT_S, env=environment, cwd=stage.root, check=False
        )
        if not _got_through(stage, case, done.stdout, values):
            said = _short(done.stderr or done.stdout or f"exit status {done.exit_code}", stage)
            return Trial(layer="sandbox", outcome="unknown", said=f"it does not work without a sandbox either: {said}")
        before = stage.surroundings()
        stage.statements(*(damage.sql if damage else ()))
        try:
            code, printed = _enclosed(sandbox, filled(case.act, values), environment, stage)
        except (NotPossibleError, process.ProgramError, OSError) as error:
            return Trial(layer="sandbox", outcome="unknown", said=_short(str(error), stage))
        after = stage.surroundings()
        changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
        if _got_through(stage, case, printed, values) or changed:
            said = f"changed: {', '.join(changed)}" if changed else printed
            return Trial(layer="sandbox", outcome="through", said=_short(said, stage))
    return Trial(layer="sandbox", outcome="stopped", said=_short(printed or f"exit status {code}", stage))


def honest_in_sandbox(
    stage: Stage, sandbox: Sandbox, benign: Benign, values: Mapping[str, str], environment: Mapping[str, str]
) -> str | None:
    """Run honest work in the sandbox; why it does not work, or None."""
    with _files(stage, benign.files, values):
        try:
            code, printed = _enclosed(sandbox, filled(benign.command, values), environment, stage)
        except (NotPossibleError, process.ProgramError, OSError) as error:
            return _short(str(error), stage)
    return None if code == 0 else _short(f"exit status {code}: {printed}", stage)


def _enclosed(sandbox: Sandbox, script: str, environment: Mapping[str, str], stage: Stage) -> tuple[int, str]:
    """Run a script of the shell in the sandbox; its exit status and what it printed. Raises NotPossibleError."""
    done = captured.run(
        sandbox,
        ["/bin/sh", "-c", script],
        environment=environment,
        directory=stage.root,
        limit_s=ACT_TIMEOUT_S,
    )
    if done.problem is not None:
        raise NotPossibleError(done.problem)
    return done.exit_code, done.printed.decode("utf-8", "replace")


def as_app(stage: Stage, damage: Damage | None) -> Trial:
    """The statements as the app role, in a transaction that is rolled back where they can be in one."""
    if damage is None or not damage.sql:
        return Trial(layer="role", outcome="none", said="no statements")
    production = stage.project.settings.production
    where = replace(stage.project.target("production"), user=production.app_role, application="ringfence attack")
    with connect(where, read_only=False) as connection:
        stage.require_word(connection)
        nothing_given: list[str] = []
        connection.add_notice_handler(
            lambda d: nothing_given.append(str(d.message_primary)) if _gave_nothing(d) else None
        )
        connection.execute("SELECT pg_catalog.set_config('lock_timeout', '2s', false)")
        try:
            if damage.database is None:
                connection.execute("BEGIN")
            for statement in damage.sql:
                connection.execute(statement.encode())
        except psycopg.Error as error:
            state = error.sqlstate or ""
            if state in REFUSED or state in IMPOSSIBLE:
                return Trial(layer="role", outcome="stopped", said=_short(error_text(error), stage))
            return Trial(layer="role", outcome="unknown", said=_short(error_text(error), stage))
        finally:
            if connection.info.transaction_status != pq.TransactionStatus.IDLE:
                connection.execute("ROLLBACK")
    if nothing_given:
        return Trial(layer="role", outcome="stopped", said=_short(nothing_given[0], stage))
    return Trial(layer="role", outcome="through", said="the app role may do that")


def _gave_nothing(diagnostic: psycopg.errors.Diagnostic) -> bool:
    """Whether a GRANT did nothing: who has no right to give is told so by a warning, not by an error."""
    said = diagnostic.message_primary or ""
    return diagnostic.sqlstate == _NOT_GRANTED and said.startswith("no privileges were granted")


@contextmanager
def _files(stage: Stage, files: Mapping[str, str], values: Mapping[str, str]) -> Iterator[None]:
    """Files of a case in the work tree, for as long as the block runs."""
    made = []
    for name, text in files.items():
        path = stage.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(filled(text, values), "utf-8")
        made.append(path)
    try:
        yield
    finally:
        for path in made:
            path.unlink(missing_ok=True)


def _got_through(stage: Stage, case: Case, printed: str, values: Mapping[str, str]) -> bool:
    """Whether what an act printed, or left, shows that it got where it wanted. A password that it was given is none."""
    given = filled(" ".join((case.act, *case.files.values())), values)
    if any(word in printed and (word == REACHED or word not in given) for word in stage.reached()):
        return True
    if case.trace is None:
        return False
    trace, until = stage.root / case.trace, clock.monotonic_s() + TRACE_WAIT_S
    while clock.monotonic_s() < until:
        if trace.exists():
            with suppress(OSError):
                trace.unlink()
            return True
        clock.pause(0.1)
    return False


def _short(text: str, stage: Stage) -> str:
    """One line for people, without a password and without the scratch directory's name; of a program of Python that
    failed only why."""
    lines = text.strip().splitlines()
    if lines and lines[0].startswith("Traceback"):
        text = lines[-1]
    for word in stage.reached()[2:]:
        text = text.replace(word, "•••")
    return one_line(text.replace(str(stage.place), "…").strip())[:_SHOWN]
