"""What follows from ``docker inspect``."""

from __future__ import annotations

from typing import Any

from ringfence.engines import containers
from ringfence.engines.containers import Mount
from ringfence.engines.model import Listening


def document(**other: Any) -> dict[str, Any]:
    """What the engine prints of a container, as far as it is read."""
    return {
        "Id": "abc",
        "Name": "/shop-db",
        "State": {"Status": "running", "ExitCode": 0, "Pid": 17},
        "Config": {"Env": ["PGDATA=/data/pg", "EMPTY=", "A=b=c"], "Image": "postgres:18"},
        "HostConfig": {"PortBindings": {"5432/tcp": [{"HostIp": "", "HostPort": "4546"}]}, "NetworkMode": "shop"},
        "NetworkSettings": {
            "Ports": {
                "5432/tcp": [{"HostIp": "0.0.0.0", "HostPort": "4546"}, {"HostIp": "::", "HostPort": "4546"}],
                "5433/udp": [{"HostIp": "0.0.0.0", "HostPort": "4547"}],
                "80/tcp": None,
            },
            "Networks": {"shop": {"NetworkID": "n1"}},
        },
        "Mounts": [
            {"Type": "volume", "Name": "v", "Source": "/volumes/v/_data", "Destination": "/data"},
            {"Type": "bind", "Source": "/srv/wal", "Destination": "/data/pg/pg_wal"},
        ],
        **other,
    }


def test_a_running_container() -> None:
    found = containers.read(document())
    assert (found.name, found.running, found.pid, found.data_directory) == ("shop-db", True, 17, "/data/pg")
    assert found.environment == {"PGDATA": "/data/pg", "EMPTY": "", "A": "b=c"}
    assert found.listening() == (Listening(host="0.0.0.0", port=4546), Listening(host="::", port=4546))
    assert found.port_published_at(4546) == 5432
    assert found.port_published_at(4547) is None, "UDP does not lead to a PostgreSQL server"


def test_one_that_does_not_run_says_what_it_was_told_to_publish() -> None:
    found = containers.read(document(State={"Status": "exited", "ExitCode": 1, "Pid": 0}))
    assert (found.running, found.pid, found.exit_code) == (False, None, 1)
    assert found.listening() == (Listening(host="0.0.0.0", port=4546),), "no address means all of them"


def test_what_is_mounted_deepest_holds_a_path() -> None:
    found = containers.read(document())
    assert found.mount_of("/data/pg") == Mount(volume="v", source="/volumes/v/_data", destination="/data")
    wal = found.mount_of("/data/pg/pg_wal/0001")
    assert wal is not None and (wal.source, wal.volume) == ("/srv/wal", None)
    assert found.mount_of("/database") is None, "a name that only begins alike is another directory"


def test_who_uses_the_same_storage() -> None:
    mine = Mount(volume="v", source="/volumes/v/_data", destination="/data")
    users = [
        ("by its name", {"Type": "volume", "Name": "v", "Source": "", "Destination": "/x"}),
        ("its directory", {"Type": "bind", "Source": "/volumes/v/_data", "Destination": "/x"}),
        ("one below", {"Type": "bind", "Source": "/volumes/v/_data/pg", "Destination": "/x"}),
        ("one above", {"Type": "bind", "Source": "/", "Destination": "/x"}),
        ("another volume", {"Type": "volume", "Name": "w", "Source": "/volumes/w/_data", "Destination": "/data"}),
        ("a name alike", {"Type": "bind", "Source": "/volumes/v/_database", "Destination": "/x"}),
    ]
    everything = [containers.read(document(Name=f"/{name}", Mounts=[mount])) for name, mount in users]
    assert containers.users_of(mine, everything) == ("by its name", "its directory", "one above", "one below")


def test_networks_have_members() -> None:
    one, other = containers.read(document()), containers.read(document(Name="/guest", Id="def"))
    fact = containers.as_fact(one, [one, other], {"n1": True})
    assert [(n.name, n.internal, n.members) for n in fact.networks] == [("shop", True, ("guest", "shop-db"))]
    assert fact.mounts == ("/srv/wal:/data/pg/pg_wal", "v:/data")
