"""What two servers must show to be apart, decided from facts."""

from __future__ import annotations

import dataclasses

import pytest

from ringfence.engines.model import Container, Evidence, Network, Storage
from ringfence.postgres.identity import Identity
from ringfence.workflow.checks import checklist

PRODUCTION = Identity(
    system_identifier="7000000000000000001",
    database_oid=16384,
    database="shop",
    server_version_num=180004,
    server_version="18.4",
    timeline=1,
    data_directory="/data/production",
    in_recovery=False,
    superuser=True,
)
TEST = dataclasses.replace(PRODUCTION, system_identifier="7000000000000000002", database="shop_test")


def place(path: str, inode: int | None = 1, *, volume: str | None = None) -> Storage:
    return Storage(path=path, device=None if inode is None else 8, inode=inode, volume=volume)


def evidence(
    environment: str, *storage: Storage, machine: str | None = "here", unknown: tuple[str, ...] = ()
) -> Evidence:
    return Evidence(
        environment=environment,  # type: ignore[arg-type]
        kind="embedded",
        machine=machine,
        listens=(),
        storage=storage,
        unknown=unknown,
    )


def container(name: str, network: str = "n1", **changes: object) -> Container:
    made = Container(
        id=f"{name}-0123456789ab",
        name=name,
        image="postgres",
        running=True,
        privileged=False,
        pid_mode="",
        ipc_mode="private",
        network_mode="bridge",
        networks=(Network(id=network, name=network, internal=True, members=(name,)),),
        mounts=(f"{name}_data:/var/lib/postgresql/data",),
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def test_two_servers_hold_with_what_was_seen():
    line = checklist.servers(PRODUCTION, TEST, share_a_lock=False)
    assert (line.outcome, line.findings) == ("holds", ())
    assert PRODUCTION.system_identifier in line.evidence[0] and "not seen" in line.evidence[2]


@pytest.mark.parametrize(
    ("test", "shared", "words"),
    [(TEST, True, "leads into production's server"), (PRODUCTION, False, "copy of production's files")],
)
def test_one_server_or_a_copy_is_critical(test, shared, words):
    line = checklist.servers(PRODUCTION, test, share_a_lock=shared)
    assert line.outcome == "fails" and words in line.findings[0].message
    assert line.findings[0].severity == "critical" and line.findings[0].rule == "separation/servers"


@pytest.mark.parametrize(
    ("production", "test", "severity"),
    [
        ((4545, 4546), (2345, 2346), None),
        ((4545, 4546), (4547, 2346), "low"),
        ((4545, 4546), (2345, 4546), "high"),
        ((99, 100), (198, 200), "low"),
        ((4599,), (4600,), None),
    ],
)
def test_ports_come_from_two_ranges(production, test, severity):
    line = checklist.ports(production, test)
    assert [f.severity for f in line.findings] == ([severity] if severity else [])
    assert (line.outcome == "holds") is (severity is None)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (place("/a", 1), place("/b", 2), False),
        (place("/a", 1), place("/b", 1), True),
        (place("/a", 1), place("/a/b", 2), True),
        (place("/a/b", 1), place("/a", 2), True),
        (place("/a", 1), place("/ab", 2), False),
        (place("/v/_data", 1, volume="v1"), place("/w/_data", 2, volume="v2"), False),
        (place("/x", None, volume="v1"), place("/y", None, volume="v1"), True),
        (place("/data", 1, volume="v1"), place("/data", 2, volume="v2"), False),
    ],
)
def test_no_directory_or_volume_is_shared(one, other, shared):
    line = checklist.storage(evidence("production", one), evidence("test", other), two_systems=True)
    assert (line.outcome == "fails") is shared, line
    assert [f.severity for f in line.findings] == (["critical"] if shared else [])


def test_equal_numbers_on_two_machines_mean_nothing():
    line = checklist.storage(
        evidence("production", place("/a")), evidence("test", place("/a"), machine="there"), two_systems=True
    )
    assert line.outcome == "holds"


@pytest.mark.parametrize(
    "test", [evidence("test"), evidence("test", place("/c", None)), evidence("test", place("/b", 2), unknown=("why",))]
)
def test_what_cannot_be_seen_needs_two_system_identifiers(test):
    production = evidence("production", place("/a"))
    assert checklist.storage(production, test, two_systems=True).outcome == "holds"
    line = checklist.storage(production, test, two_systems=False)
    assert line.outcome == "unknown" and line.findings[0].severity == "high"


@pytest.mark.parametrize(
    ("production", "test", "words"),
    [
        (container("p"), container("p"), "both are the container"),
        (container("p"), container("t"), "both are in network n1"),
        (container("p"), container("t", "n2", mounts=("p_data:/x",)), "both mount p_data"),
        (container("p"), container("t", "n2", pid_mode="container:p"), "uses processes, memory, network"),
        (container("p"), container("t", "n2", network_mode="container:p-0123456789ab"), "uses processes"),
        (
            container("p", volumes_from=("t",)),
            container("t", "n2"),
            "p uses processes, memory, network or volumes of t",
        ),
        (container("p"), container("t", "n2", privileged=True), "privileged"),
        (container("p"), container("t", "n2", network_mode="host"), "network namespace"),
        (None, container("t", mounts=("/var/run/docker.sock:/var/run/docker.sock",)), "Docker socket"),
    ],
)
def test_containers_that_lead_into_each_other(production, test, words):
    one, other = (
        dataclasses.replace(evidence(e), container=c) for e, c in (("production", production), ("test", test))
    )
    line = checklist.containers(one, other)
    assert line is not None and line.outcome == "fails" and words in line.findings[0].message, line


def test_containers_of_their_own():
    one, other = (
        dataclasses.replace(evidence(e), container=c)
        for e, c in (("production", container("p")), ("test", container("t", "n2")))
    )
    line = checklist.containers(one, other)
    assert line is not None and line.outcome == "holds"
    assert checklist.containers(evidence("production"), evidence("test")) is None


def test_what_could_not_be_looked_at_does_not_hold():
    line = checklist.unknown("a/b", "text", "no power", about="it", fix="plug it in")
    assert line.outcome == "unknown" and "no power" in line.findings[0].message
    assert line.to_json().keys() == {"name", "text", "outcome", "evidence"}


def test_names_are_on_one_line():
    line = checklist.database_names(dataclasses.replace(PRODUCTION, database="a\nb"), "a\nb")
    assert line.outcome == "fails" and "\n" not in line.findings[0].message
