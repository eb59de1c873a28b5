"""A throw-away project: two embedded servers, sample data, a repository with a remote, all in one scratch directory.

Nothing of the caller's own projects is read: the settings are written here, and every place of the project (passwords,
run state, data) lies below the scratch directory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ringfence.config import template
from ringfence.engines import ports
from ringfence.git.program import Git, git_for
from ringfence.postgres import queries
from ringfence.postgres.connection import connect
from ringfence.workflow.progress import Quiet
from ringfence.workflow.project import Project, open_project
from ringfence.workflow.servers import environments

BRANCH = "main"
REMOTE = "remote.git"


@contextmanager
def directory(purpose: str, *, keep: bool) -> Iterator[Path]:
    """A scratch directory, gone at the end of the block unless it is to be kept."""
    place = Path(tempfile.mkdtemp(prefix=f"ringfence-{purpose}-")).resolve()
    # A server that runs under another account must be able to pass through; what is private inside has its own mode.
    place.chmod(0o711)
    try:
        yield place
    finally:
        if not keep:
            shutil.rmtree(place, ignore_errors=True)


def project(
    place: Path,
    *,
    ignored: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[Project, Git]:
    """The project in ``place``, both servers running, with the sample data of the demo in both databases.

    ``settings`` are replacements in the text of the settings that ``init`` writes, ``ignored`` more lines for
    ``.gitignore``. Who calls stops the servers, also when this raises: see `stop`.
    """
    root = place / "shop"
    root.mkdir()
    production, test = ports.free_port(), ports.free_port()
    text = template.initial_config()
    wanted = {"db_port = 4546": f"db_port = {production}", "db_port = 2346": f"db_port = {test}", **(settings or {})}
    for old, new in wanted.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    (root / "ringfence.toml").write_text(text, "utf-8")
    (root / ".gitignore").write_text("\n".join([*template.gitignore_lines(), *ignored]) + "\n", "utf-8")
    (root / "CHANGES.md").write_text("# Changes\n", "utf-8")
    environ = {
        **environ,
        "XDG_CONFIG_HOME": str(place / "config"),
        "XDG_STATE_HOME": str(place / "state"),
        "XDG_DATA_HOME": str(place / "data"),
    }
    git = _repository(root, place, environ)
    made = open_project(root / "ringfence.toml", start=root, environ=environ)
    try:
        environments.up(made, environments.BOTH, Quiet())
        for environment in environments.BOTH:
            with connect(made.target(environment), read_only=False) as connection:
                connection.execute(queries.load("ringfence.workflow", "demo_data"))
    except BaseException:
        stop(made)
        raise
    return made, git


def stop(made: Project, *, keep: bool = False) -> None:
    """Stop both servers. Their data go with the scratch directory, also where they had to lie elsewhere, because their
    account may not enter it; ``keep`` leaves them."""
    for environment in environments.BOTH:
        made.engine(environment).stop()
        base = made.paths.data(environment)
        if not keep and base.is_symlink():
            shutil.rmtree(base.resolve(), ignore_errors=True)


def _repository(root: Path, place: Path, environ: Mapping[str, str]) -> Git:
    git = git_for(root, environ)
    git.run("init", "--quiet", f"--initial-branch={BRANCH}", ".", cwd=root)
    git.run("init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(place / REMOTE), cwd=root)
    git.run("remote", "add", "origin", str(place / REMOTE), cwd=root)
    git.run("add", "--all", cwd=root)
    identity = ("-c", "user.name=Demo", "-c", "user.email=demo@localhost")
    git.run(*identity, "commit", "--quiet", "--no-gpg-sign", "-m", "Begin", cwd=root)
    git.run("push", "--quiet", "-u", "origin", BRANCH, cwd=root)
    return git
