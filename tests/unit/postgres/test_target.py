"""Targets and the password file, without a server. What libpq makes of the file is in tests/postgres/cellar."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from ringfence.errors import ConfigError
from ringfence.files import FileError
from ringfence.postgres.target import (
    PassEntry,
    Target,
    add_passwords,
    find_password,
    read_passfile,
    remove_libpq_environment,
    repeat_passwords,
)

ALPHABET = [*"ab*:\\*#'\" \t=%&@/", "é", "😀", "\u2028", "\x85", "\x0b", "\x1c", "\\\\", "::"]


def entry(password: str = "secret", *, host: str = "127.0.0.1", port: int = 4546, user: str = "app") -> PassEntry:
    return PassEntry(host=host, port=port, user=user, password=password)


@pytest.fixture
def passfile(tmp_path: Path) -> Path:
    return tmp_path / "config" / "pgpass"


@pytest.fixture
def libpq_environment() -> Iterator[None]:
    before = {n: v for n, v in os.environ.items() if n.startswith("PG")}
    yield
    for name in [n for n in os.environ if n.startswith("PG")]:
        del os.environ[name]
    os.environ.update(before)


def random_text(chance: random.Random) -> str:
    return "x" + "".join(chance.choices(ALPHABET, k=chance.randrange(12)))


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["inventory", "a\"b;'", "a b", "a\\b", "host=x", "postgresql://prod/x", "=", "é\n"])
def test_a_name_is_a_name_and_never_a_connection_string(name: str) -> None:
    target = Target(
        host="127.0.0.1", port=4546, database=name, user=name, passfile=Path("/p/pg pass'"), application=name
    )
    said = conninfo_to_dict(target.conninfo())
    assert (said["dbname"], said["user"], said["application_name"]) == (name, name, name)
    assert (said["host"], said["port"], said["passfile"]) == ("127.0.0.1", "4546", "/p/pg pass'")
    assert said["client_encoding"] == "UTF8" and "password" not in said


def test_another_database_of_the_same_server() -> None:
    one = Target(host="h", port=1, database="a", user="u", passfile=Path("/p"), application="x")
    assert one.on("b") == Target(host="h", port=1, database="b", user="u", passfile=Path("/p"), application="x")
    assert str(one) == "h:1/a as u"


# --- the environment --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("libpq_environment")
def test_no_variable_of_libpq_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGOPTIONS", "PGPASSWORD", "PGSERVICEFILE", "PGNEW"):
        os.environ[name] = "/planted"
    monkeypatch.setenv("DATABASE_URL", "kept")
    remove_libpq_environment()
    left = {n: v for n, v in os.environ.items() if n.startswith("PG")}
    assert left == {"PGSERVICEFILE": "/dev/null", "PGSYSCONFDIR": "/dev/null"}
    assert os.environ["DATABASE_URL"] == "kept"


@pytest.mark.usefixtures("libpq_environment")
def test_several_threads_may_remove_them_at_once() -> None:
    """Each session that reads tables connects from a thread of its own."""
    failed: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(2000):
                os.environ["PGHOSTADDR"] = "192.0.2.1"
                remove_libpq_environment()
        except Exception as error:
            failed.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not failed, failed[0]


# --- the password file ------------------------------------------------------------------------------------------------


def test_passwords_are_written_and_found(passfile: Path) -> None:
    add_passwords(passfile, [entry("one"), entry("two", user="admin"), entry("three", port=2346)])
    assert find_password(passfile, host="127.0.0.1", port=4546, user="admin") == "two"
    assert find_password(passfile, host="127.0.0.1", port=2346, user="app") == "three"
    assert find_password(passfile, host="localhost", port=4546, user="app") is None


def test_an_entry_is_replaced_and_all_others_stay(passfile: Path) -> None:
    add_passwords(passfile, [entry("one"), entry("two", user="admin")])
    add_passwords(passfile, [entry("new")])
    add_passwords(passfile, [entry("new")])
    assert sorted(e.password for e in read_passfile(passfile)) == ["new", "two"]


def test_passwords_go_along_to_another_port(passfile: Path) -> None:
    add_passwords(passfile, [entry("one"), entry("two", user="admin"), entry("other", port=2346)])
    repeat_passwords(passfile, from_port=4546, to_port=4547)
    found = {(e.user, e.port): e.password for e in read_passfile(passfile)}
    assert found[("app", 4547)] == found[("app", 4546)] == "one" and found[("admin", 4547)] == "two"
    assert ("app", 2346) in found and len(found) == 5
    repeat_passwords(passfile, from_port=9, to_port=10)
    assert len(read_passfile(passfile)) == 5


def test_the_file_is_for_its_owner_only(passfile: Path) -> None:
    add_passwords(passfile, [entry()])
    assert stat.S_IMODE(passfile.stat().st_mode) == 0o600
    assert stat.S_IMODE(passfile.parent.stat().st_mode) == 0o700


def test_a_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").symlink_to(tmp_path)
    with pytest.raises(FileError, match="symbolic link"):
        add_passwords(tmp_path / "config" / "pgpass", [entry()])


def test_an_absent_file_has_no_entries(passfile: Path) -> None:
    assert read_passfile(passfile) == []
    assert find_password(passfile, host="h", port=1, user="u") is None


def test_comments_and_empty_lines_are_passed_over(passfile: Path) -> None:
    passfile.parent.mkdir()
    passfile.write_text("# host:port\n\n127.0.0.1:4546:*:app:secret\n#x\n")
    assert read_passfile(passfile) == [entry()]


@pytest.mark.parametrize(
    "line", ["x", "127.0.0.1:4546:*:app", "127.0.0.1:x:*:app:pw", ":::", "127.0.0.1:4546:*:app\\:pw"]
)
def test_a_torn_line_is_named(passfile: Path, line: str) -> None:
    passfile.parent.mkdir()
    passfile.write_text(f"{entry().line()}\n{line}\n")
    with pytest.raises(ConfigError, match=r"pgpass: line 2 is not host:port:database:user:password") as caught:
        read_passfile(passfile)
    assert "pw" not in caught.value.message
    with pytest.raises(ConfigError):
        add_passwords(passfile, [entry("new")])
    assert passfile.read_text() == f"{entry().line()}\n{line}\n"


def test_a_file_of_other_bytes_is_named(passfile: Path) -> None:
    passfile.parent.mkdir()
    passfile.write_bytes(b"h:1:*:app:p\xff")
    with pytest.raises(ConfigError, match=r"pgpass is not UTF-8: invalid start byte at byte 11$"):
        read_passfile(passfile)


def test_every_name_and_password_comes_back(passfile: Path) -> None:
    chance = random.Random(5)
    wanted = {(random_text(chance), number): random_text(chance) for number in range(1, 200)}
    add_passwords(passfile, [entry(p, user=user, port=port) for (user, port), p in wanted.items()])
    assert {(e.user, e.port): e.password for e in read_passfile(passfile)} == wanted


@pytest.mark.parametrize("bad", ["a\nb", "a\0b", "\n"])
def test_what_no_line_can_hold_is_refused_and_the_file_stays(passfile: Path, bad: str) -> None:
    add_passwords(passfile, [entry("kept")])
    before = passfile.read_bytes()
    for wrong in (entry(user=bad), entry(bad)):
        with pytest.raises(ConfigError, match="cannot hold"):
            add_passwords(passfile, [wrong])
    assert passfile.read_bytes() == before


def test_many_processes_lose_no_entry(passfile: Path) -> None:
    script = """
        import sys
        from pathlib import Path
        from ringfence.postgres.target import PassEntry, add_passwords
        for port in range(1, 16):
            add_passwords(Path(sys.argv[1]), [PassEntry(host="h", port=port, user=sys.argv[2], password=sys.argv[2])])
        """
    argv = [sys.executable, "-c", textwrap.dedent(script), str(passfile)]
    children = [subprocess.Popen([*argv, f"user{n}"]) for n in range(4)]
    assert [child.wait(60) for child in children] == [0] * 4
    found = {(e.user, e.port) for e in read_passfile(passfile)}
    assert found == {(f"user{n}", port) for n in range(4) for port in range(1, 16)}
    assert not list(passfile.parent.glob("*.partial"))


def test_a_line_that_a_person_wrote_for_one_database_stays_for_that_one(tmp_path: Path) -> None:
    path = tmp_path / "private" / "pgpass"
    add_passwords(path, [])
    path.write_text("db.example:5432:the\\:shop:admin:secret\n")
    add_passwords(path, [PassEntry(host="127.0.0.1", port=1, user="u", password="p")])
    assert "db.example:5432:the\\:shop:admin:secret" in path.read_text().splitlines()


@pytest.mark.parametrize("line", ["*:5432:*:me:pw", "h:*:*:me:pw", "h:5432:*:*:pw"])
def test_a_star_of_libpq_would_give_one_servers_password_to_another(tmp_path: Path, line: str) -> None:
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"{line}\n")
    with pytest.raises(ConfigError, match=r"line 1 has a [*] for a host, port or role"):
        read_passfile(passfile)
    passfile.write_text("h:5432:*:\\*:pw\n")  # a role of that name
    assert [e.user for e in read_passfile(passfile)] == ["*"]
