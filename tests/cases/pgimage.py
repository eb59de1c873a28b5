"""A PostgreSQL image without any registry: this machine's own programs and the libraries they load.

Its entry point does what the usual images do as far as the tool relies on it: ``POSTGRES_PASSWORD``, ``POSTGRES_USER``,
``POSTGRES_DB``, ``PGDATA``; no password asked on the socket and on the container's own loopback, SCRAM for all others; no
TCP while the cluster is made.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ringfence.postgres.programs import Programs

_TOOLS = "sh setpriv id mkdir chown chmod cat rm ls head sleep env tail grep stat"
_ENTRY = """\
#!/bin/sh
set -e
: "${PGDATA:=/var/lib/postgresql/data}" "${POSTGRES_USER:=postgres}" "${POSTGRES_DB:=$POSTGRES_USER}"
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /run/postgresql
    chown -R 999:999 "$PGDATA" /run/postgresql
    chmod 700 "$PGDATA"
    exec setpriv --reuid=999 --regid=999 --clear-groups -- "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    umask 077
    printf %s "${POSTGRES_PASSWORD:?}" > /tmp/pw
    initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=/tmp/pw --auth-host=trust --auth-local=trust --no-sync \\
        -E UTF8 --locale=C >/dev/null
    rm /tmp/pw
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    pg_ctl -D "$PGDATA" -w -s -o "-c listen_addresses= -k /run/postgresql" start >/dev/null
    [ "$POSTGRES_DB" = postgres ] || psql -X -q -h /run/postgresql -U "$POSTGRES_USER" -d postgres \\
        -c "CREATE DATABASE \\"$POSTGRES_DB\\""
    pg_ctl -D "$PGDATA" -w -s -m fast stop
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql,/tmp -c fsync=off "$@"
"""


def build(programs: Programs, image: str, environment: Mapping[str, str]) -> None:
    """Import an image of these programs into the Docker engine that ``environment`` leads to. About 3 s, 90 MB."""
    with tempfile.TemporaryDirectory(prefix="ringfence-test-image-") as place:
        root = Path(place)
        _fill(root, programs)
        path = f"{programs.directory}:/usr/bin:/bin"
        changes = (f"ENV PATH={path}", "ENV LC_ALL=C", 'ENTRYPOINT ["/entry"]', "EXPOSE 5432")
        words = [word for change in changes for word in ("--change", change)]
        with subprocess.Popen(["tar", "-C", place, "--numeric-owner", "-c", "."], stdout=subprocess.PIPE) as packed:
            subprocess.run(
                ["docker", "import", *words, "-", image],
                stdin=packed.stdout,
                stdout=subprocess.DEVNULL,
                env=dict(environment),
                check=True,
                timeout=120,
            )


def _fill(root: Path, programs: Programs) -> None:
    for name in ("etc", "tmp", "run", "proc", "sys", "dev", "usr/bin", "usr/lib", "root", "var/lib/postgresql"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "var/run").symlink_to("/run")
    for name in ("bin", "lib", "lib64", "sbin"):
        if Path("/", name).is_symlink():
            (root / name).symlink_to(os.readlink(Path("/", name)))
            (root / os.readlink(Path("/", name))).mkdir(parents=True, exist_ok=True)
    wanted = [Path(found) for found in (shutil.which(tool) for tool in _TOOLS.split()) if found]
    for tree in _trees(programs):
        shutil.copytree(tree, root / tree.relative_to("/"), symlinks=True, dirs_exist_ok=True, ignore=_needless)
        programs_of_it = (p for p in tree.rglob("*") if p.is_file() and not p.name.startswith("llvmjit"))
        wanted += [p for p in programs_of_it if p.suffix == ".so" or os.access(p, os.X_OK)]
    for file in {f.resolve() for f in wanted} | _libraries(wanted):
        _copy(root, file)
    for tool in _TOOLS.split():
        found = shutil.which(tool)
        if found and not (root / found[1:]).exists():
            shutil.copy2(found, root / found[1:])
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\npostgres:x:999:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\npasswd: files\n")
    (root / "entry").write_text(_ENTRY)
    (root / "entry").chmod(0o755)


def _trees(programs: Programs) -> list[Path]:
    """Where programs, libraries and shared files of the set lie: one directory in the wheel, several in Debian."""
    home = programs.directory.parent
    share = Path("/usr/share/postgresql", str(programs.major))
    trees = [home]
    if share.is_dir() and str(home).startswith("/usr/lib/postgresql"):
        trees.append(share)
    zones = Path("/usr/share/zoneinfo")
    return [*trees, zones] if zones.is_dir() else trees


def _needless(_: str, names: list[str]) -> set[str]:
    return {n for n in names if n.startswith("llvmjit") or n in ("bitcode", "include", "right", "posix", "man")}


def _libraries(files: list[Path]) -> set[Path]:
    found: set[Path] = set()
    for start in range(0, len(files), 50):
        done = subprocess.run(
            ["ldd", *map(str, files[start : start + 50])], capture_output=True, text=True, check=False, timeout=60
        )
        found |= {Path(p) for p in re.findall(r"(?:=> |^\t)(/[^ ]+) \(0x", done.stdout, flags=re.M)}
    return found | set(Path("/").glob("lib/*/libnss_files.so.2"))


def _copy(root: Path, file: Path) -> None:
    there = root / str(file.resolve())[1:]
    for at, source in ((there, file.resolve()), (root / str(file)[1:], file)):
        if not at.exists():
            at.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, at)
