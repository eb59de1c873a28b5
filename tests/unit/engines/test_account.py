"""Which account a server runs under, and where that account can get to."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.engines import account as accounts
from ringfence.errors import EngineError, IdentityError
from ringfence.postgres.programs import Programs
from ringfence.process import Account

IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root runs servers under other accounts")
OTHER = Account(name="other", uid=4711, gid=4712)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every account can get to; pytest's own are closed."""
    path = Path(tempfile.mkdtemp(prefix="ringfence-test-account-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def info(bits: int, uid: int = 0, gid: int = 0) -> os.stat_result:
    return os.stat_result((bits, 0, 0, 0, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("bits", "uid", "gid", "may"),
    [
        (0o755, 0, 0, True),
        (0o701, 0, 0, True),
        (0o700, 0, 0, False),
        (0o774, 0, 0, False),
        (0o700, 4711, 0, True),
        (0o677, 4711, 0, False),  # the owner's bits count for the owner, whatever others may
        (0o710, 0, 4712, True),
        (0o701, 0, 4712, False),
    ],
)
def test_mode_bits(bits: int, uid: int, gid: int, may: bool) -> None:
    assert accounts.can_enter(info(bits, uid, gid), OTHER) is may


def test_every_directory_above_counts(open_place: Path) -> None:
    place = open_place / "a" / "b" / "c"
    place.mkdir(parents=True)
    for part in (place, place.parent, place.parent.parent):
        part.chmod(0o755)
    assert accounts.is_reachable(place, OTHER) and accounts.is_reachable(place / "not" / "yet", OTHER)
    (open_place / "a").chmod(0o700)
    assert not accounts.is_reachable(place, OTHER) and not accounts.is_reachable(place / "not" / "yet", OTHER)
    assert accounts.is_reachable(place, None)


def test_where_a_link_leads_counts(open_place: Path) -> None:
    """XDG_DATA_HOME may be a link to another disk; what stands above its end is not what stands above the link."""
    closed = open_place / "closed"
    (closed / "data").mkdir(parents=True, mode=0o755)
    closed.chmod(0o700)
    (open_place / "link").symlink_to(closed / "data")
    assert not accounts.is_reachable(open_place / "link" / "production", OTHER)


@as_root
def test_production_and_test_run_under_different_accounts() -> None:
    one, other = accounts.server_account("production"), accounts.server_account("test")
    assert one is not None and other is not None
    assert 0 not in (one.uid, other.uid) and one.uid != other.uid


@pytest.mark.skipif(IS_ROOT, reason="root does not run servers itself")
def test_an_ordinary_user_runs_them_himself() -> None:
    assert accounts.server_account("production") is None


@as_root
def test_a_machine_without_any_account_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_CANDIDATES", {"production": ("no-such-account", "root"), "test": ()})
    for environment in ("production", "test"):
        with pytest.raises(EngineError, match="refuses to run as root"):
            accounts.server_account(environment)  # type: ignore[arg-type]


def test_a_base_is_made_for_its_owner_alone_and_taken_as_it_is(tmp_path: Path) -> None:
    base = tmp_path / "x" / "production"
    assert accounts.make_base(base, None) == base
    assert (mode(base), mode(base.parent)) == (0o700, 0o700)
    (base / "data").mkdir()
    assert accounts.make_base(base, None) == base and (base / "data").is_dir()


@pytest.mark.parametrize("what", ["file", "dangling"])
def test_a_base_that_is_no_directory_is_named(tmp_path: Path, what: str) -> None:
    base = tmp_path / "production"
    if what == "file":
        base.write_text("x")
    else:
        base.symlink_to(tmp_path / "gone")
    with pytest.raises(EngineError, match="which is no directory"):
        accounts.make_base(base, None)


@as_root
def test_a_base_of_somebody_else_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "production"
    base.mkdir()
    (base / "data").mkdir()
    os.chown(base, 4711, 4711)
    with pytest.raises(IdentityError, match="belongs to user id 4711, but the server would run as user id 0"):
        accounts.make_base(base, None)


@as_root
def test_a_base_that_was_not_yet_given_away_is_given_now(open_place: Path) -> None:
    """Killed between making the directory and giving it to the server's account."""
    base = open_place / "production"
    base.mkdir(mode=0o700)
    assert accounts.make_base(base, OTHER) == base
    assert (base.stat().st_uid, mode(base)) == (OTHER.uid, 0o700)


@as_root
def test_programs_of_the_system_that_cannot_be_reached_are_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    programs = Programs(directory=tmp_path / "bin", major=18, minor=0, source="system")
    with pytest.raises(EngineError, match="account other cannot reach") as caught:
        accounts.reachable_programs(programs, OTHER)
    assert "chmod o\\+x" in str(caught.value.hint) or "chmod o+x" in str(caught.value.hint)
    assert accounts.reachable_programs(programs, None) == programs
