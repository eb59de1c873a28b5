"""Tools of an agent that are not its shell: editors, and whatever a server of tools (MCP) offers."""

from __future__ import annotations

import re

from ringfence.guard import paths
from ringfence.guard.address import TEST, production_in, url_place, urls_in, use_test
from ringfence.guard.verdict import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.guard.answer import Asked
    from ringfence.guard.policy import Policy

_DATABASE_TOOL = re.compile(
    r"(?i)postgres|(?:^|_)pg(?:_|$)|psql|(?:^|_)sql|database|(?:^|_)db(?:_|$)|supabase|neon|prisma|timescale|rds|cloudsql"
)


def judge(asked: Asked, policy: Policy, cwd: str) -> None:
    """Refuse to write what protects production, and tools that reach a database which nobody has named."""
    for name in asked.files:
        paths.check_written(policy, name, cwd)
    if asked.files or (not asked.tool.startswith(("mcp__", "mcp_", "MCP:")) and "__" not in asked.tool):
        return
    for text in asked.texts:
        named = production_in(policy, text)
        if named:
            raise Refused(f"{asked.tool} is given production ({named})", use_test(policy))
        place = paths.text_names(policy, text)
        if place:
            raise Refused(f"{asked.tool} is given {place}, which protects production")
    if _DATABASE_TOOL.search(asked.tool) and asked.tool not in policy.allow_tools:
        places = [url_place(policy, url) for text in asked.texts for url in urls_in(text)]
        if not places or any(p is None or p.verdict != TEST for p in places):
            raise Refused(
                f"{asked.tool} works on a database, and which one is not named",
                f"use psql with {policy.test_url}; a person may allow the tool: [guard] allow_tools in ringfence.toml",
            )
