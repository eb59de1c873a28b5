"""The data directory of a server on this machine, as its own file tells it from a directory of the same name."""

from __future__ import annotations

from pathlib import Path

from ringfence.engines.model import Place, Storage
from ringfence.postgres.identity import Identity


def storage_of(identity: Identity, local: bool, unknown: list[str]) -> tuple[Storage, ...]:
    """The server's data directory with device and inode, where it can be shown to be the one; else why not."""
    if identity.data_directory is None:
        unknown.append("the role may not see where the server keeps its data")
        return ()
    if not local:
        unknown.append(f"the data directory {identity.data_directory} is on another machine")
        return ()
    directory = Path(identity.data_directory)
    try:
        # That a directory of this name is here does not make it the server's: a tunnel ends at a loopback address, too.
        with (directory / "global" / "pg_control").open("rb") as file:
            here = str(int.from_bytes(file.read(8), "little"))
        info = directory.stat()
    except OSError as error:
        unknown.append(f"{directory} cannot be looked at: {error.strerror}")
        return ()
    if here != identity.system_identifier:
        unknown.append(f"{directory} on this machine is another server's (system {here})")
        return ()
    return (Storage(path=str(directory.resolve()), device=info.st_dev, inode=info.st_ino),)


def place_of(identity: Identity) -> Place | None:
    """Where a server on this machine keeps its data; None where that is not to be seen."""
    found = storage_of(identity, True, [])
    return Place(name=found[0].path, device=found[0].device, inode=found[0].inode) if found else None
