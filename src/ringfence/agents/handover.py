"""What an agent hands to the next one: the line ``AGENT_RETURN: …`` in what it printed. Pure.

It is a report of a program that may have been told anything, so it is one bounded line, and the prompt says so.
"""

from __future__ import annotations

import re

from ringfence.redact import one_line

WORD = "AGENT_RETURN:"
LIMIT_CHARS = 2000

# Agents write Markdown: the line may be a quotation, an item of a list, emphasized, or code.
_LINE = re.compile(r"^[ \t>*_`#-]{0,20}AGENT_RETURN:[*_`]{0,4}(.*)$", re.MULTILINE)


class Handover:
    """Listens to an agent's filtered output, which comes in whole lines; the last such line counts."""

    def __init__(self) -> None:
        self._said: str | None = None

    def feed(self, text: str) -> None:
        """The next lines of the output."""
        if WORD not in text:
            return
        for match in _LINE.finditer(text):
            said = one_line(match[1][: 2 * LIMIT_CHARS].strip().strip("`*_").strip())[:LIMIT_CHARS]
            if said:
                self._said = said

    @property
    def said(self) -> str | None:
        """What stands after the word: a summary, or a path in the work tree; None where there was no such line."""
        return self._said
