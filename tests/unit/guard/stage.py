"""A project as the guard sees it: the work tree, a home, a policy, and the environments of the cases."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ringfence.guard import judge
from ringfence.guard.policy import VERSION, Policy
from ringfence.guard.verdict import Refused

OWN_CASES = Path(__file__).parents[2] / "cases" / "commands.toml"
SHARED_CASES = Path(__file__).parents[4] / "shared" / "cases" / "commands.toml"
TEST_URL = "postgresql://inventory_test@127.0.0.1:2346/inventory_test"
PRODUCTION_URL = "postgresql://inventory_app@127.0.0.1:4546/inventory"
_SERVICES = """\
[prod]
host=127.0.0.1
port=4546
dbname=inventory
[test]
host=127.0.0.1
port=2346
dbname=inventory_test
"""


def cases(path: Path) -> list[dict[str, Any]]:
    """The cases of a file, each with command, env, verdict, why, and optionally files."""
    return list(tomllib.loads(path.read_text())["case"])


class Stage:
    """Runs cases in a work tree of their own."""

    def __init__(self, base: Path) -> None:
        self.root = base / "shop"
        self.home = base / "home"
        self.services = base / "services.conf"
        for directory in (self.root / ".backups", self.root / ".git" / "hooks", self.home):
            directory.mkdir(parents=True)
        self.services.write_text(_SERVICES)
        self.document = self._policy()
        self.policy = Policy(self.document)

    def _policy(self) -> dict[str, Any]:
        hosts = ["127.0.0.1", "localhost", "::1"]
        own = [".config/ringfence", ".local/state/ringfence"]
        own += [".local/share/ringfence/inventory/production", ".pgpass", ".aws/credentials", ".ssh", ".netrc"]
        guarded = ["ringfence.toml", ".claude/settings.json", ".claude/settings.local.json", ".claude/hooks", ".codex"]
        guarded += [".cursor/hooks.json", ".gemini/settings.json", ".github/hooks", ".git/hooks", ".git/config"]
        return {
            "version": VERSION,
            "project": "inventory",
            "root": str(self.root),
            "production": {
                "hosts": hosts,
                "db_port": 4546,
                "web_port": 4545,
                "database": "inventory",
                "roles": ["inventory_admin", "inventory_app"],
                "container": "inventory-db-prod",
                "volume": "inventory_data_prod",
            },
            "test": {
                "hosts": hosts,
                "db_port": 2346,
                "web_port": 2345,
                "database": "inventory_test",
                "roles": ["inventory_test"],
                "container": "inventory-db-test",
                "volume": "inventory_data_test",
            },
            "backups": str(self.root / ".backups"),
            "private": [str(self.home / name) for name in own],
            "guarded": [str(self.root / name) for name in guarded] + [str(self.home / ".claude/settings.json")],
            "allow_tools": [],
        }

    def environment(self, kind: str) -> dict[str, str]:
        """The variables that a case begins with; ``dotenv-…`` writes a .env file."""
        variables = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "USER": "agent"}
        if kind in ("test", "prod"):
            variables["DATABASE_URL"] = TEST_URL if kind == "test" else PRODUCTION_URL
        if kind == "service":
            variables["PGSERVICEFILE"] = str(self.services)
        return variables

    def verdict(self, command: str, *, env: str = "none", files: Mapping[str, str] | None = None) -> tuple[str, str]:
        """``allow`` or ``deny``, and the reason of a refusal."""
        written = dict(files or {})
        if env.startswith("dotenv"):
            written[".env"] = f"DATABASE_URL={TEST_URL if env.endswith('test') else PRODUCTION_URL}\n"
        made = []
        for name, text in written.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            made.append(path)
        try:
            judge.command(command, self.policy, self.environment(env), str(self.root))
        except Refused as refused:
            return "deny", refused.text()
        finally:
            for path in made:
                path.unlink()
        return "allow", ""
