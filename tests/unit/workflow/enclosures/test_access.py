"""What agents hold of a test server's TLS: what its url says, never a key that is somebody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import IdentityError
from ringfence.postgres.target import PassEntry, add_passwords
from ringfence.workflow import guard
from ringfence.workflow.enclosures import access, enclosure
from ringfence.workflow.project import Project, open_project

HOST = "db-test.example"


def project(base: Path, test: str, *, production: str = "", sandbox: str = "auto", host: str = "db.example") -> Project:
    """Two servers that exist; the words are the parameters of their urls. ``host`` is production's."""
    root = base / "tree"
    root.mkdir(exist_ok=True)
    urls = {
        "production": f"postgresql://adm@{host}/shop{production}",
        "test": f"postgresql://t@{HOST}/shop_t{test}",
    }
    sections = "".join(f'[{name}]\nengine = "server"\nurl = "{url}"\n' for name, url in urls.items())
    (root / "ringfence.toml").write_text(f'project = "shop"\n{sections}[sandbox]\nmode = "{sandbox}"\n')
    places = {f"XDG_{kind}_HOME": str(base / kind) for kind in ("CONFIG", "STATE", "DATA")}
    opened = open_project(None, start=root, environ={"HOME": str(base / "home"), **places})
    add_passwords(opened.paths.pgpass, [PassEntry(host=HOST, port=5432, user="t", password="pw")])
    return opened


@pytest.mark.parametrize(
    ("parameters", "host", "address", "names"),
    [
        ("", "127.0.0.1", None, ()),
        ("?sslmode=verify-ca&sslrootcert=/ca.crt", "127.0.0.1", None, ()),
        ("?sslmode=verify-full&sslrootcert=/ca.crt", HOST, "127.0.0.1", (HOST,)),
        ("?sslrootcert=system", HOST, "127.0.0.1", (HOST,)),
    ],
)
def test_where_it_is_inside_a_sandbox(
    tmp_path: Path, parameters: str, host: str, address: str | None, names: tuple[str, ...]
) -> None:
    """The loopback leads to it; only where a certificate must be for its name, that name stays."""
    opened = project(tmp_path, parameters)
    seen = access.for_agents(opened)
    assert (seen.host, seen.address, access.names(opened)) == (host, address, names)
    outside = access.for_agents(project(tmp_path, parameters, sandbox="none"))
    assert (outside.host, outside.address) == (HOST, None)


def test_a_certificate_that_is_only_found_at_home_is_the_persons(tmp_path: Path) -> None:
    home = tmp_path / "home" / ".postgresql"
    home.mkdir(parents=True)
    for name in ("root.crt", "postgresql.crt", "postgresql.key"):
        (home / name).touch()
    opened = project(tmp_path, "?sslmode=verify-ca")
    assert dict(opened.target("test").parameters)["sslkey"] == str(home / "postgresql.key")
    assert dict(access.for_agents(opened).parameters) == {"sslmode": "verify-ca", "sslrootcert": str(home / "root.crt")}
    assert access.files(opened) == (home / "root.crt",)


def test_productions_key_is_no_agents(tmp_path: Path) -> None:
    """By whatever path test's url names it."""
    (tmp_path / "key").touch()
    (tmp_path / "link").symlink_to(tmp_path / "key")
    pair = "?sslcert=/c.crt&sslkey="
    opened = project(tmp_path, f"{pair.replace('/c', '/t')}{tmp_path}/link", production=f"{pair}{tmp_path}/key")
    with pytest.raises(IdentityError, match=r"sslkey in test's url is .*, which is production's, too"):
        access.outside(opened)
    own = project(tmp_path, f"{pair.replace('/c', '/t')}{tmp_path}/own", production=f"{pair}{tmp_path}/key")
    assert dict(access.outside(own).parameters)["sslkey"] == f"{tmp_path}/own"


@pytest.mark.parametrize("place", ["home/.ssh/ca.crt", "CONFIG/ringfence/shop/ca.crt"])
def test_a_certificate_that_no_agent_may_see_is_named(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    opened = project(tmp_path, f"?sslmode=verify-full&sslrootcert={path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(IdentityError, match="which they must not see") as caught:
        enclosure.wanted(opened, {}, opened.environ)
    assert "sslrootcert" in str(caught.value.hint)


def test_the_certificate_is_all_that_is_seen_of_its_directory(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").touch()
    opened = project(tmp_path, f"?sslmode=verify-full&sslrootcert={tmp_path}/ca.crt")
    wanted = enclosure.wanted(opened, {}, opened.environ)
    assert tmp_path / "ca.crt" in wanted.read and tmp_path not in wanted.read
    assert wanted.names == (HOST,)


def test_the_guard_takes_the_loopback_for_test_where_it_is_in_a_sandbox(tmp_path: Path) -> None:
    """Unless production may be what answers there: both have one port, or there is no sandbox."""
    local = ["127.0.0.1", "localhost", "::1"]
    for host, sandbox, wanted in (
        ("db.example:6000", "auto", [HOST, *local]),
        ("db.example:6000", "none", [HOST]),
        ("db.example", "auto", [HOST]),
    ):
        opened = project(tmp_path, "", host=host, sandbox=sandbox)
        document = guard.policy_document(opened.settings, opened.paths, opened.environ)
        assert document["test"]["hosts"] == wanted
