"""The git program: found once outside the work tree, run with everything off by which a repository starts programs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ringfence import process
from ringfence.errors import GitError
from ringfence.redact import one_line, redact

LOCAL_TIMEOUT_S = 120.0

# Hooks, the file system monitor, pagers, external diffs, signing programs, background work, and everything that enters
# submodules: git started there gets these settings too, but would run the filters of the submodule's own.
_OVERRIDES = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.editor=false",
    "core.safecrlf=false",
    "diff.external=",
    "diff.ignoreSubmodules=dirty",
    "status.submoduleSummary=false",
    "submodule.recurse=false",
    "push.recurseSubmodules=no",
    "push.gpgSign=false",
    "push.followTags=false",
    "commit.gpgSign=false",
    "i18n.commitEncoding=UTF-8",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.addEmbeddedRepo=false",
)
_PASSED = ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "TMPDIR")
_PASSED_FOR_IDENTITY = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
_PASSED_TO_NETWORK = (
    *(
        "USER",
        "LOGNAME",
        "SSH_AUTH_SOCK",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
        "GIT_ASKPASS",
        "SSH_ASKPASS",
    ),
    *("GH_TOKEN", "GITHUB_TOKEN", "GH_CONFIG_DIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "KRB5CCNAME"),
    *("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
)


@dataclass(frozen=True, kw_only=True)
class Output:
    """How a call of git ended: every byte of its output, and the end of what it said."""

    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def line(self) -> str:
        """The output as one name: decoded like a path, without the newline that git adds."""
        return os.fsdecode(self.stdout.removesuffix(b"\n"))

    @property
    def items(self) -> list[str]:
        """The output of ``-z``: names that end in NUL."""
        return [os.fsdecode(item) for item in self.stdout.split(b"\0")[:-1]]

    @property
    def said(self) -> str:
        """The end of git's own words on one line, without secrets."""
        lines = [line.strip() for line in self.stderr.strip().splitlines() if line.strip()]
        return redact(" | ".join(one_line(line) for line in lines[-8:]))


@dataclass(frozen=True, kw_only=True)
class Git:
    """git with the caller's identity, and nothing else of the caller's environment.

    ``environment`` is for calls that stay on this machine, ``network`` what a push needs besides (keys, proxies).
    """

    path: Path
    environment: Mapping[str, str] = field(repr=False)
    network: Mapping[str, str] = field(repr=False)

    def run(
        self,
        *arguments: str,
        cwd: Path,
        stdin: bytes | None = None,
        extra: Mapping[str, str] | None = None,
        network: bool = False,
        expected: Sequence[int] | None = (0,),
        timeout_s: float = LOCAL_TIMEOUT_S,
    ) -> Output:
        """One call. ``extra`` is added to the environment; an exit status outside ``expected`` raises `GitError`."""
        overrides = [word for setting in _OVERRIDES for word in ("-c", setting)]
        environment = {**self.environment, **(self.network if network else {}), **(extra or {})}
        with tempfile.TemporaryFile() as out:
            try:
                done = process.run(
                    [self.path, "--no-pager", *overrides, *arguments],
                    timeout_s=timeout_s,
                    env=environment,
                    cwd=cwd,
                    stdin=stdin,
                    stdout_to=out,
                    check=False,
                )
            except process.ProgramError as error:
                raise GitError(f"git {arguments[0]}: {error}") from error
            out.seek(0)
            output = Output(exit_code=done.exit_code, stdout=out.read(), stderr=done.stderr)
        if expected is not None and output.exit_code not in expected:
            raise GitError(f"git {arguments[0]} failed: {output.said or f'exit status {output.exit_code}'}")
        return output


def git_for(work_tree: Path, environ: Mapping[str, str]) -> Git:
    """git from the system's directories, never from the caller's PATH nor from inside the work tree.

    Raises `GitError` where there is none.
    """
    found = shutil.which("git", path=process.SYSTEM_PATH)
    if found is None:
        raise GitError(f"there is no git in {process.SYSTEM_PATH}", hint="install git, or set commit = false in [git]")
    if Path(os.path.realpath(found)).is_relative_to(os.path.realpath(work_tree)):
        raise GitError(f"{found} lies in the work tree, where agents may write", hint="install git for the system")
    passed = {name: environ[name] for name in (*_PASSED, *_PASSED_FOR_IDENTITY) if name in environ}
    return Git(
        path=Path(found),
        environment={
            **process.clean_environment(passed),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_EDITOR": "false",
            "GCM_INTERACTIVE": "never",
        },
        network={name: environ[name] for name in _PASSED_TO_NETWORK if name in environ},
    )
