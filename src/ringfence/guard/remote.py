"""What leaves this machine or belongs to people: git's remotes and settings, GitHub, ssh, clouds, ringfence itself."""

from __future__ import annotations

import re

from ringfence.guard import paths
from ringfence.guard.address import production_in, use_test
from ringfence.guard.expansion import known, plain
from ringfence.guard.shell import quoted
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.guard.shell import Call, Shell

_GIT_VALUES = {"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--super-prefix", "--config-env"}
_GIT_OWN_SETTINGS = re.compile(r"(user|color|advice|init|pull|rebase|merge|diff|column|help|log|format|branch)\.", re.I)
_PUSHES = {"push", "send-pack", "http-push", "svn", "p4", "send-email", "remote-https", "remote-ssh", "imap-send"}
_GIT_VERBS = frozenset(
    """
    add commit status diff log show branch checkout switch restore merge rebase reset stash tag fetch pull clone init
    rm mv clean config remote worktree blame grep bisect cherry-pick revert apply am format-patch rev-parse
    ls-files push describe submodule reflog shortlog rev-list cat-file ls-tree gc fsck notes sparse-checkout lfs
    difftool mergetool archive
    """.split()  # noqa: SIM905
)
_WORKFLOW = "commit your work; the workflow pushes it after production was found unchanged"

_RINGFENCE_LOOKS = {"status", "verify", "runs", "report", "lint", "check", "diff", "reseed", "guard", "audit"}
_PEOPLE = "that is for people; 'ringfence status' shows how things are"

_CLOUD_LOOKS = re.compile(
    r"(^|[\s-])(describe\S*|list\S*|ls|version|help|show|info|whoami|get-caller-identity|status|logs?|search|lookup)(\s|$)"
)
CLOUDS = frozenset(
    """
    aws gcloud az gsutil bq doctl linode-cli hcloud oci ibmcloud heroku fly flyctl railway render vercel netlify
    neonctl neon planetscale pscale turso wrangler eksctl cf scalingo koyeb northflank aiven avn tsh teleport vault
    doppler op infisical tailscale cloudflared firebase amplify sst serverless sls cdk copilot ansible-playbook
    ansible nomad consul rancher oc
    """.split()  # noqa: SIM905
)
INFRASTRUCTURE = {"terraform", "tofu", "terragrunt", "pulumi", "cdktf"}
_PLANS = frozenset(
    """
    plan fmt validate init version graph providers get help preview whoami about test hclfmt
    """.split()  # noqa: SIM905
)


def git(shell: Shell, call: Call) -> str:
    """git: everything but pushing, settings that run programs, and removing what git ignores."""
    words = list(call.argv[1:])
    while words and words[0].startswith("-"):
        option = words.pop(0)
        setting = option[2:] if option.startswith("-c") and len(option) > 2 else ""
        if option in _GIT_VALUES and words:
            value = words.pop(0)
            setting = value if option in ("-c", "--config-env") else setting
        if re.match(r"(?i)alias\.|core\.(hookspath|fsmonitor|sshcommand|editor)|url\.|remote\.", setting) or re.match(
            r"(?i)core\.pager=(?!(cat|less|more|)$)", setting
        ):
            raise Refused(f"git -c {setting.partition('=')[0]} changes what git runs or where it pushes")
    for name in call.env:
        if name.startswith("GIT_CONFIG") and call.scope.variables.get(name) != call.env[name]:
            raise Refused(f"{name} changes what git runs or where it pushes", "leave it out")
    if not words:
        return UNKNOWN
    verb, rest = words[0], words[1:]
    if "--help" in rest or rest == ["-h"]:
        return UNKNOWN
    if not known(verb):
        raise Refused("which git command that is cannot be seen", "write it out")
    alias = _alias(shell, call, verb)
    if alias is not None:
        text = alias[1:] if alias.startswith("!") else f"git {alias}"
        return shell.run_text(" ".join([text, *map(quoted, rest)]), call.scope.copy(), what=f"the alias {verb} of git")
    _git_verb(shell, call, verb, rest)
    _git_runs(shell, call, verb, rest)
    return UNKNOWN


def _git_verb(shell: Shell, call: Call, verb: str, rest: list[str]) -> None:
    if verb in _PUSHES or (verb == "lfs" and rest[:1] == ["push"]) or (verb == "subtree" and "push" in rest):
        raise Refused(f"git {verb} reaches the remote repository", _WORKFLOW)
    if verb == "clean" and _cleans_ignored(rest):
        raise Refused("git clean -x removes ignored files, the backups among them", "git clean -fd leaves them")
    if verb == "stash" and any(r in ("-a", "--all") for r in rest):
        raise Refused("git stash --all takes ignored files, the backups among them", "git stash -u leaves them")
    if verb == "config":
        _git_config(rest)
    if verb == "remote" and rest[:1] and rest[0] in ("add", "set-url", "rename", "remove", "rm"):
        raise Refused(f"git remote {rest[0]} changes where the work is pushed to", "leave the remotes as they are")
    if verb in ("rm", "mv", "restore", "checkout"):
        for word in rest if verb in ("rm", "mv") else rest[rest.index("--") + 1 :] if "--" in rest else []:
            if not word.startswith("-") and word != ".":
                paths.check_written(shell.policy, word, call.scope.cwd)


def _alias(shell: Shell, call: Call, verb: str) -> str | None:
    """What a verb stands for in the settings of the repository or of the user."""
    if verb in _GIT_VERBS:
        return None
    for place in (f"{shell.policy.root}/.git/config", f"{shell.home(call.scope)}/.gitconfig"):
        text = shell.content(place, call.scope)
        section = re.search(r"(?ms)^\[alias\]\s*$(.*?)(?=^\[|\Z)", text)
        found = re.search(rf"(?m)^\s*{re.escape(verb)}\s*=\s*(.*)$", section[1]) if section else None
        if found:
            return found[1].strip().strip('"')
    return None


def _cleans_ignored(words: list[str]) -> bool:
    short = "".join(w[1:] for w in words if re.fullmatch(r"-[a-zA-Z]+", w))
    dry = "n" in short or "--dry-run" in words
    return ("x" in short or "X" in short) and not dry


def _git_config(words: list[str]) -> None:
    names = [w for w in words if not w.startswith("-") and w not in ("set", "unset", "get", "list")]
    reads = {
        "get",
        "list",
        "--get",
        "--get-all",
        "-l",
        "--list",
        "--get-regexp",
        "--show-origin",
        "get-all",
        "--get-urlmatch",
    }
    if reads & set(words) or (
        len(names) < 2 and not {"--unset", "--unset-all", "unset", "-e", "--edit", "edit"} & set(words)
    ):
        return
    if not names or not _GIT_OWN_SETTINGS.match(names[0]):
        raise Refused(
            f"git config {names[0] if names else '--edit'} changes the repository's settings, and that is a HALT",
            "leave them as they are",
        )


def _git_runs(shell: Shell, call: Call, verb: str, words: list[str]) -> None:
    """Commands inside of git commands."""
    texts: list[str] = []
    if verb == "submodule" and "foreach" in words:
        texts.append(" ".join(w for w in words[words.index("foreach") + 1 :] if w != "--recursive"))
    if verb == "bisect" and words[:1] == ["run"]:
        shell.call(call.replaced(words[1:]))
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else ""
        if verb in ("rebase", "difftool", "filter-branch") and word in ("-x", "--exec", "--extcmd", "--tree-filter"):
            texts.append(following)
        if re.match(r"--(exec|extcmd|upload-pack|receive-pack)=", word):
            texts.append(word.partition("=")[2])
    for text in texts:
        shell.run_text(text, call.scope.copy(), what=f"what git {verb} runs")


def github(shell: Shell, call: Call) -> str:
    """gh and hub: looking and commenting are allowed."""
    words = [a for a in call.argv[1:] if not a.startswith("-")]
    if not words or "--help" in call.argv:
        return UNKNOWN
    verb = words[1] if len(words) > 1 else ""
    if verb in ("view", "list", "status", "diff", "checks", "comment", "watch", "download") and words[0] != "secret":
        return UNKNOWN
    if words[0] in ("search", "status", "version", "help", "browse") or (
        words[0] == "issue" and verb in ("create", "edit")
    ):
        return UNKNOWN
    if words[0] == "api":
        methods = [call.argv[i + 1].upper() for i, a in enumerate(call.argv[:-1]) if a in ("-X", "--method")]
        sends = any(re.match(r"-[fF]|--(raw-)?field|--input|-X|--method=", a) for a in call.argv[1:])
        if methods == ["GET"] or not sends:
            return UNKNOWN
    raise Refused(f"{call.name} {' '.join(words[:2])} changes the remote repository or shows credentials", _WORKFLOW)


def ssh(shell: Shell, call: Call) -> str:
    """Another machine is not the test environment."""
    words = [a for a in call.argv[1:] if not a.startswith("-")]
    if call.argv[1:] and call.argv[1] in ("-V", "--version", "--help"):
        return UNKNOWN
    if call.name in ("ssh", "autossh", "mosh") and any(re.search(r"@?(github|gitlab)\.com$", w) for w in words[:1]):
        return UNKNOWN
    away = any(re.match(r"(?:[\w.-]+@)?[\w.-]+:", w) or "://" in w for w in words)
    if call.name in ("scp", "rsync", "sftp") and not away:
        for word in call.marked[-1:]:
            paths.check_written(shell.policy, word, call.scope.cwd, above="--delete" in call.line)
            paths.check_into(shell.policy, word, call.scope.cwd)
        for word in words[:-1]:
            paths.check_read(shell.policy, word, call.scope.cwd)
        return UNKNOWN
    raise Refused(f"{call.name} leads to another machine, which is not proven to be test", use_test(shell.policy))


def cloud(shell: Shell, call: Call) -> str:
    """Command lines of clouds and platforms: looking is allowed."""
    rest = " ".join(a for a in call.argv[1:] if known(a))
    secrets = re.search(r"secret|credential|token|password|env pull|config:get|ssh|connect|proxy|psql|exec|run\b", rest)
    if call.argv[1:] in (["--version"], ["--help"], []) or (_CLOUD_LOOKS.search(rest) and not secrets):
        return UNKNOWN
    raise Refused(f"{call.name} acts on infrastructure, where production may be", "a person does that")


def infrastructure(shell: Shell, call: Call) -> str:
    """Terraform and its like: plans are allowed."""
    words = [a for a in call.argv[1:] if not a.startswith("-")]
    if not words or words[0] in _PLANS or "-help" in call.argv or "--help" in call.argv:
        return UNKNOWN
    raise Refused(
        f"{call.name} {words[0]} changes or shows infrastructure, where production may be", "a person does that"
    )


def ringfence(shell: Shell, call: Call) -> str:
    """Ringfence's own commands: an agent may look, and reset the test database."""
    words = [a for a in call.argv[1:] if not a.startswith("-")]
    if not words or any(a in ("--help", "-h", "--version") for a in call.argv[1:]):
        return UNKNOWN
    pair = " ".join(words[:2])
    if words[0] in _RINGFENCE_LOOKS or pair in ("backup list", "backup verify", "agents check", "roles audit"):
        return UNKNOWN
    raise Refused(f"ringfence {pair if words[0] in ('backup', 'agents', 'roles') else words[0]}: {_PEOPLE}")


def web(shell: Shell, call: Call) -> str:
    """curl, wget and other clients: not to production's application, not through a socket of an engine."""
    for word in call.argv[1:]:
        named = production_in(shell.policy, word)
        if named:
            raise Refused(f"{call.name} reaches production ({named})", use_test(shell.policy))
        if "docker.sock" in word or "containerd.sock" in word:
            raise Refused(f"{call.name} reaches the docker engine through its socket", "use docker by its own commands")
    words = call.marked[1:]
    for number, word in enumerate(words):
        value = plain(word)
        if value in ("-o", "--output", "-O", "--output-document", "-T", "--upload-file", "-c") and number + 1 < len(
            words
        ):
            paths.check_written(shell.policy, words[number + 1], call.scope.cwd)
        elif value.startswith(("-d@", "@", "--data=@", "file://")):
            paths.check_read(shell.policy, value.split("@")[-1].removeprefix("file://"), call.scope.cwd)
    address = next((w for w in call.argv[1:] if "://" in w or re.match(r"[\w.-]+:\d+", w)), "")
    if not known(address) and call.name in ("nc", "ncat", "socat", "telnet"):
        raise Refused(f"where {call.name} connects cannot be seen", "write the address out")
    return UNKNOWN
