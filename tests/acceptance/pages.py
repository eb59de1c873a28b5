"""Pages of the documentation that tests execute."""

from __future__ import annotations

import re
from pathlib import Path

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(page: str, language: str) -> list[str]:
    """The lines of all blocks of a language in a page, in their order."""
    text = (HOW_TO / page).read_text("utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.M | re.S)
    return [line for block in found for line in block.splitlines() if line]


def sections(page: str) -> list[tuple[str, str]]:
    """The blocks of a page that are commands (sh) or settings (toml), each with its language, in their order."""
    return re.findall(r"^```(sh|toml)\n(.*?)^```$", (HOW_TO / page).read_text("utf-8"), flags=re.M | re.S)
