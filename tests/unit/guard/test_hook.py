"""The hook as an agent calls it: each agent's own form, and never an exit status but 0 and 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cases.hook_events import EVENTS, claude
from tests.unit.guard.stage import Stage

GUARD = Path(sys.executable).with_name("ringfence-guard")
REFUSED = "psql -p 4546 inventory"


class Hook:
    """A project with a policy, and the guard as a program."""

    def __init__(self, base: Path) -> None:
        self.stage = Stage(base)
        self.environment = self.stage.environment("none")
        self.policy = self.stage.home / ".local/state/ringfence-guard/inventory/policy.json"
        self.policy.parent.mkdir(parents=True)
        self.policy.write_text(json.dumps(self.stage.document))
        self.cwd = str(self.stage.root)

    def __call__(self, event: object, *words: str, agent: str = "claude") -> subprocess.CompletedProcess[bytes]:
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        done = subprocess.run(
            [str(GUARD), "--agent", agent, *(words or ("--project", "inventory"))],
            input=data,
            env=self.environment,
            cwd=self.cwd,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode in (0, 2), done
        assert b"Traceback" not in done.stderr
        return done

    def refused(self, event: object, *words: str) -> str:
        """The reason of a refusal, in Claude's form or by exit status."""
        done = self(event, *words)
        if done.returncode == 2:
            assert done.stderr.strip()
            return done.stderr.decode()
        return str(json.loads(done.stdout)["hookSpecificOutput"]["permissionDecisionReason"])


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path)


def test_every_agent_is_answered_in_its_own_form(hook: Hook) -> None:
    for agent, event, refusal, allowed in EVENTS:
        done = hook(event(REFUSED, hook.cwd), agent=agent)
        assert done.returncode == 0, (agent, done)
        assert "production" in refusal(json.loads(done.stdout)), agent
        for harmless in ("ls -la", "npm run build"):
            done = hook(event(harmless, hook.cwd), agent=agent)
            assert (done.returncode, done.stdout, done.stderr) == (0, allowed, b""), (agent, harmless)


def test_what_is_no_event_is_refused(hook: Hook) -> None:
    deep = b'{"tool_name":"Bash","tool_input":' + b"[" * 200_000
    bad: list[object] = [b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b"{}", deep, {"tool_name": "Bash"}]
    bad += [{"tool_name": "Bash", "tool_input": {"command": 7}}, {"tool_name": 7, "tool_input": {"command": "ls"}}]
    bad += [{"toolName": "bash", "toolArgs": "{"}, {"tool_name": "Edit", "tool_input": {}}]
    for event in bad:
        assert hook.refused(event), event


def test_without_a_policy_nothing_is_allowed(hook: Hook) -> None:
    text = hook.policy.read_text()
    for broken in ("", "{", "[]", "{}", text.replace("4546", '"4546"'), text.replace('"backups"', '"backup"')):
        hook.policy.write_text(broken)
        assert "policy" in hook.refused(claude("ls", hook.cwd)), broken
    hook.policy.unlink()
    assert "missing" in hook.refused(claude("ls", hook.cwd))
    hook.environment.pop("HOME")
    assert "HOME" in hook.refused(claude("ls", hook.cwd))


def test_the_project_is_named_or_found(hook: Hook) -> None:
    assert "no ringfence.toml" in hook.refused(claude("ls", hook.cwd), "--project", "")
    (hook.stage.root / "ringfence.toml").write_text('# a\nproject = "inventory"  # b\n[test]\n')
    below = hook.stage.root / "a" / "b"
    below.mkdir(parents=True)
    assert hook(claude("ls", str(below)), "--project", "").stdout == b""
    for name in ("../x", "a/b", "other"):
        assert hook.refused(claude("ls", hook.cwd), "--project", name)


def test_a_wrong_command_line_is_refused(hook: Hook) -> None:
    for words in (["--agent", "none"], ["--agent"], ["--agent", "claude", "--nonsense"], [], ["--help"]):
        done = subprocess.run([GUARD, *words], input=b"", env=hook.environment, capture_output=True, check=False)
        assert done.returncode == 2 and done.stderr, words


def test_giant_input_is_refused_in_time(hook: Hook) -> None:
    started = time.monotonic()
    assert "larger" in hook.refused(b" " * (9 << 20))
    assert "characters" in hook.refused(claude("echo " + "x" * (2 << 20), hook.cwd))
    assert "nested" in hook.refused(claude("$(" * 5000 + ")" * 5000, hook.cwd))
    assert hook.refused(claude("(" * 5000, hook.cwd))
    assert hook.refused(claude("f() { f; f; }; f", hook.cwd))
    assert hook.refused(claude("a=x; " + "a=$a$a; " * 60 + "bash -c $a", hook.cwd))
    assert hook.refused(claude("{a,b}" * 40, hook.cwd))
    assert time.monotonic() - started < 60


def test_standard_files_that_are_closed_or_gone_do_not_open_the_door(hook: Hook) -> None:
    event = json.dumps(claude(REFUSED, hook.cwd))
    line = f"printf %s '{event}' | {GUARD} --agent claude --project inventory"
    for ending in (">&-", ">&- 2>&-", "| true", ">/dev/full", "2>&- >/dev/full"):
        script = f"set -o pipefail; {line} {ending}; exit $?"
        done = subprocess.run(["bash", "-c", script], env=hook.environment, capture_output=True, check=False)
        if ending != "| true":
            assert done.returncode == 2, (ending, done)
        else:
            assert done.returncode in (0, 2), done
    done = subprocess.run(
        ["sh", "-c", f"{GUARD} --agent claude --project inventory <&-"],
        env=hook.environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2 or b'"deny"' in done.stdout


def test_an_event_that_never_ends_is_refused_in_time(hook: Hook) -> None:
    read, write = os.pipe()
    child = subprocess.Popen(
        [str(GUARD), "--agent", "claude", "--project", "inventory"],
        stdin=read,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=hook.environment,
    )
    os.close(read)
    try:
        out, err = child.communicate(timeout=9)
    finally:
        os.close(write)
    assert child.returncode in (0, 2)
    assert b"deny" in out or err


def test_a_guard_that_fails_inside_refuses(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    from ringfence.guard import hook as module

    said: list[tuple[int, bytes]] = []
    monkeypatch.setattr(module.os, "write", lambda fd, data: said.append((fd, data)) or len(data))
    monkeypatch.setattr(module, "_set_alarm", lambda: None)
    for error in (ValueError("x"), MemoryError(), RecursionError(), TimeoutError("late"), UnicodeError("u")):

        def broken(event: object, project: str, environ: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(module, "_event", dict)
        monkeypatch.setattr(module, "judge", broken)
        said.clear()
        assert module.run(["--agent", "claude"], {}) == 0
        assert b'"permissionDecision": "deny"' in said[0][1]


def test_editors_and_servers_of_tools(hook: Hook) -> None:
    def event(tool: str, **given: object) -> dict[str, object]:
        return {"tool_name": tool, "tool_input": given, "cwd": hook.cwd, "hook_event_name": "PreToolUse"}

    refused = [
        event("Write", file_path=f"{hook.cwd}/ringfence.toml", content="x"),
        event("Edit", file_path=f"{hook.cwd}/.claude/settings.json", old_string="a", new_string="b"),
        event("Write", file_path=f"{hook.cwd}/.backups/x.dump", content=""),
        event("Write", file_path=f"{hook.cwd}/src/../.git/hooks/pre-push", content=""),
        event("apply_patch", input="*** Begin Patch\n*** Update File: ringfence.toml\n@@\n-a\n+b\n*** End Patch"),
        event("mcp__postgres__query", sql="drop table x"),
        event("mcp__db__execute_sql", url="postgresql://127.0.0.1:4546/inventory", sql="select 1"),
        event("mcp__shell__run", command="psql -p 4546"),
        event("mcp__supabase__apply_migration", name="x"),
    ]
    for one in refused:
        assert hook.refused(one), one
    url = "postgresql://inventory_test@127.0.0.1:2346/inventory_test"
    allowed = [
        event("Write", file_path=f"{hook.cwd}/src/x.py", content="psql -p 4546"),
        event("Edit", file_path=f"{hook.cwd}/docs/production-4546.md", old_string="a", new_string="4546"),
        event("Read", file_path=f"{hook.cwd}/ringfence.toml"),
        event("Grep", pattern="4546"),
        event("apply_patch", input="*** Begin Patch\n*** Add File: src/a.py\n+x\n*** End Patch"),
        event("mcp__browser__open", url="http://localhost:2345"),
        event("mcp__db__execute_sql", url=url, sql="drop table x"),
    ]
    for one in allowed:
        assert hook(one).stdout == b"", one


def test_the_subcommand_does_the_same(hook: Hook) -> None:
    ringfence = GUARD.with_name("ringfence")
    for command, expected in ((REFUSED, b"deny"), ("ls", b"")):
        done = subprocess.run(
            [str(ringfence), "guard", "--agent", "claude", "--project", "inventory"],
            input=json.dumps(claude(command, hook.cwd)).encode(),
            env=hook.environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0 and (expected in done.stdout if expected else not done.stdout)


def test_a_refusal_is_kept_for_the_run_where_one_goes_on(hook: Hook) -> None:
    kept = hook.stage.root / ".agents" / "outputs" / "guard-refusals.jsonl"
    hook.refused(claude(REFUSED, hook.cwd))
    assert not kept.exists()
    kept.parent.mkdir(parents=True)
    kept.touch()
    hook.environment["RINGFENCE_AGENT"] = "build"
    hook.refused(claude(REFUSED, hook.cwd))
    assert hook(claude("ls", hook.cwd)).returncode == 0
    (line,) = (json.loads(line) for line in kept.read_text().splitlines())
    assert (line["agent"], line["what"]) == ("build", REFUSED) and line["reason"] and line["at"].endswith("Z")
    kept.unlink()
    kept.symlink_to("/dev/full")
    assert "ringfence" in hook.refused(claude(REFUSED, hook.cwd)), "what cannot be kept is refused all the same"
