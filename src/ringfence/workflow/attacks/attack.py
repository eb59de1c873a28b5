"""``attack``: every known way to destroy production through every layer, on throw-away twins made for it.

Each layer stands alone: what the guard refuses is run in the sandbox all the same, what the sandbox holds is tried as
the app role, and what it would have done is then done for real and must be found and put back.
"""

from __future__ import annotations

from dataclasses import dataclass

from ringfence import clock
from ringfence.attack import cases as known
from ringfence.attack import model
from ringfence.attack.cases import Cases
from ringfence.attack.model import Refusal, Result, Score, Trial
from ringfence.findings import Finding
from ringfence.sandbox import decoys
from ringfence.sandbox.decoys import Decoys
from ringfence.sandbox.launch import Sandbox
from ringfence.sandbox.model import LAYER_TEXT, LAYERS
from ringfence.workflow.attacks import attack_damage, attack_stage, attack_tries
from ringfence.workflow.attacks.attack_stage import Stage
from ringfence.workflow.comparison import verify
from ringfence.workflow.enclosures import enclosure
from ringfence.workflow.progress import Progress, Quiet


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """Every case with what stopped it, what honest agents were refused, and the score."""

    results: tuple[Result, ...]
    refusals: tuple[Refusal, ...]
    findings: tuple[Finding, ...]
    score: Score
    sandbox: str
    servers: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether everything was stopped or put right, everything could be tried, and nothing honest was refused."""
        return self.score.passed and not any(model.is_failure(f) for f in self.findings)


def attack(*, quick: bool, progress: Progress, given: Cases | None = None) -> Attacked:
    """Try all cases (``quick``: one of each kind), or those that are ``given``. Nothing of the caller's is touched.

    Raises EngineError (2) where no server can be made here.
    """
    started = clock.monotonic_s()
    every = given or known.load()
    chosen = every.quick() if quick else every
    progress.say("making two PostgreSQL servers with sample data, a backup, a mirror and a repository")
    with attack_stage.standing() as stage:
        environment = stage.environment
        found = enclosure.find(stage.project, LAYERS, environment, stage.project.environ)
        holds = found.sandbox if found.proof.holds else None
        progress.say(
            f"the sandbox: {LAYER_TEXT[found.proof.layer] if holds else '; '.join(found.proof.failures()[:3])}"
        )
        with decoys.standing(stage.root) as standing:
            before = _before(stage, chosen, holds, standing, progress)
            refusals = _honest(stage, chosen, holds, standing, progress)
        before = _still_unchanged(stage, before)
        after = _damage(stage, chosen, progress)
        programs = stage.project.programs[0]
    results = tuple(Result(case=c, trials=(*before[c.id], after[c.damage])) for c in chosen.cases)
    return Attacked(
        results=results,
        refusals=refusals,
        findings=model.findings(results, refusals),
        score=model.score(results, len(chosen.benign), refusals),
        sandbox=LAYER_TEXT[found.proof.layer] if holds else LAYER_TEXT["none"],
        servers=f"PostgreSQL {programs.major}.{programs.minor}",
        seconds=clock.monotonic_s() - started,
    )


def _before(
    stage: Stage, chosen: Cases, sandbox: Sandbox | None, standing: Decoys, progress: Progress
) -> dict[str, tuple[Trial, ...]]:
    """Guard, sandbox and role, each case on its own. None of them changes production, unless it gets through."""
    rules, environment = attack_stage.guard_rules(stage), stage.environment
    tried: dict[str, tuple[Trial, ...]] = {}
    for number, case in enumerate(chosen.cases):
        progress.advance("guard, sandbox, role", number, len(chosen.cases))
        damage = chosen.damages[case.damage] if case.damage else None
        values = stage.values(damage, standing)
        tried[case.id] = (
            attack_tries.by_guard(stage, rules, case, values, environment),
            attack_tries.in_sandbox(stage, sandbox, case, damage, values, environment),
            attack_tries.as_app(stage, damage),
        )
    return tried


def _still_unchanged(stage: Stage, tried: dict[str, tuple[Trial, ...]]) -> dict[str, tuple[Trial, ...]]:
    """Production verified after all that was to be held: where it changed, no case is known to have been held."""
    verified = verify.verify(stage.project, stage.first.id, progress=Quiet())
    if verified.passed:
        return tried
    said = f"production was changed by one of the cases: {'; '.join(verified.comparison.reasons)[:160]}"
    doubt = Trial(layer="sandbox", outcome="unknown", said=said)
    return {name: (trials[0], doubt, *trials[2:]) for name, trials in tried.items()}


def _honest(
    stage: Stage, chosen: Cases, sandbox: Sandbox | None, standing: Decoys, progress: Progress
) -> tuple[Refusal, ...]:
    """What an honest agent does, before the guard and in the sandbox."""
    rules, environment, values = attack_stage.guard_rules(stage), stage.environment, stage.values(None, standing)
    refusals = []
    for number, benign in enumerate(chosen.benign):
        progress.advance("honest work", number, len(chosen.benign))
        trial = attack_tries.by_guard(stage, rules, benign, values, environment)
        if trial.outcome == "stopped":
            refusals.append(Refusal(command=benign.command, layer="guard", said=trial.said))
        if benign.runs and sandbox is not None:
            said = attack_tries.honest_in_sandbox(stage, sandbox, benign, values, environment)
            refusals += [Refusal(command=benign.command, layer="sandbox", said=said)] if said else []
    return tuple(refusals)


def _is_special(chosen: Cases, name: str) -> bool:
    """What takes the server or the backups away comes after everything else; the rest in the order of the file."""
    return chosen.damages[name].special is not None


def _damage(stage: Stage, chosen: Cases, progress: Progress) -> dict[str | None, Trial]:
    """Each damage once, for real; cases that come to the same share it. The later ones begin where it was put right."""
    done: dict[str | None, Trial] = {
        None: Trial(layer="verification", outcome="none", said="production is not touched")
    }
    wanted = {c.damage for c in chosen.cases}
    needed = sorted((d.id for d in chosen.damages.values() if d.id in wanted), key=lambda i: _is_special(chosen, i))
    for number, name in enumerate(needed):
        progress.advance("harm, verify, put right", number, len(needed))
        done[name] = attack_damage.by_verification(stage, chosen.damages[name])
    return done
