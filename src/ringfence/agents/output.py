"""What an agent prints, made safe to show and to keep: text only, no escape sequences, no secrets. Pure, incremental.

Nothing an agent prints is ever read for a verdict; this keeps it from forging the look of one, from driving the
terminal it is shown on, and from putting a password into a file that is committed.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

from ringfence.redact import MASK

LINE_LIMIT_CHARS = 1 << 18
_SHORTEST_SECRET = 6

# A string sequence (OSC, DCS, SOS, PM, APC) that is not closed on its line is no sequence: only its introducer goes and
# the text stays visible, because otherwise an agent could hide everything that follows.
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]{0,4096}"
_CSI = r"(?:\x1b\[|\x9b)[0-?]{0,256}[ -/]{0,64}"
_SEQUENCE = re.compile(
    rf"{_STRING}(?:\x07|\x1b\\|\x9c)|{_CSI}[@-~]|\x1b[ -/]{{0,64}}[0-~]"
    r"|[\x1b\x90\x98\x9b\x9d-\x9f]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x8f\x91-\x97\x99\x9a\x9c\u202a-\u202e\u2066-\u2069]+"
)
_UNFINISHED = re.compile(rf"(?:{_STRING}\x1b?|{_CSI}|\x1b[ -/]{{0,64}})\Z")
_LONGEST_UNFINISHED = 4200
_PLAIN_BYTES = bytes([*range(0x20, 0x7F), *b"\t\n"])

# Not `redact.redact`: its URL pattern takes the square of the length of a run of letters (3 s for 40,000), which an
# agent could use to stop the tool. These take time in proportion to the text.
_URL_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)")
_CONNINFO_PASSWORD = re.compile(
    r"(\b[Pp][Aa][Ss][Ss][Ww][Oo][Rr][Dd][ \t]*=[ \t]*)(?:'(?:[^'\\\n]|\\[^\n])*'|[^\s'&]+)"
)


class OutputFilter:
    """Bytes of an agent in, safe text out, a line at a time.

    The invariant: what was given out never depends on where the chunks ended. Therefore a line is given out when it is
    complete, or when it has passed ``line_limit_chars``; then the rest of it is left out, and how much is said.
    """

    def __init__(self, secrets: Iterable[str] = (), *, line_limit_chars: int = LINE_LIMIT_CHARS) -> None:
        self._secrets = _forms(secrets)
        self._limit = line_limit_chars
        # What is cut from the end of an over-long line must hold any secret of which only the beginning has come.
        self._margin = 1024 + 2 * max((len(s) for s in self._secrets), default=0)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._raw = ""
        self._return = ""
        self._line: list[str] = []
        self._line_chars = 0
        self._left_out: int | None = None
        self.left_out_chars = 0
        """How much was left out of over-long lines so far."""

    def feed(self, data: bytes) -> str:
        """The text that has become certain with these bytes; often empty, otherwise whole lines."""
        if not (self._raw or self._return or self._decoder.getstate()[0] or data.translate(None, _PLAIN_BYTES)):
            return self._lines(data.decode("ascii"))  # nothing to remove: 22 MB/s becomes 400 MB/s
        return self._lines(self._plain(self._raw + self._decoder.decode(data), final=False))

    def finish(self) -> str:
        """The rest, when nothing more comes; ends with a line break if there is any."""
        text = self._lines(self._plain(self._raw + self._decoder.decode(b"", final=True), final=True))
        if self._line_chars or self._left_out is not None:
            text += self._end_line()
        return text

    def _plain(self, text: str, *, final: bool) -> str:
        """Without escape sequences and control characters; what is unfinished at the end waits for the rest.

        That is a sequence, or a carriage return, which may be half of a line break even with sequences in between.
        """
        unfinished = None if final else _UNFINISHED.search(text, max(0, len(text) - _LONGEST_UNFINISHED))
        cut = unfinished.start() if unfinished else len(text)
        self._raw = text[cut:]
        plain = self._return + _SEQUENCE.sub("", text[:cut])
        self._return = "\r" if plain.endswith("\r") and not final else ""
        return plain.removesuffix(self._return).replace("\r\n", "\n").replace("\r", "\n")

    def _lines(self, text: str) -> str:
        begin, end = text.find("\n") + 1, text.rfind("\n") + 1
        if end == 0:
            return self._add(text)
        given = self._add(text[: begin - 1]) + self._end_line()
        return given + self._whole_lines(text[begin:end]) + self._add(text[end:])

    def _whole_lines(self, text: str) -> str:
        if len(text) <= self._limit:
            # Also the usual case, and much faster than one line at a time.
            return mask(text, self._secrets)
        return "".join(self._add(line) + self._end_line() for line in text[:-1].split("\n"))

    def _add(self, text: str) -> str:
        """Append to the line that is not complete yet."""
        if not text:
            return ""
        if self._left_out is not None:
            self._left_out += len(text)
            return ""
        self._line.append(text)
        self._line_chars += len(text)
        if self._line_chars <= self._limit + self._margin:
            return ""
        line = "".join(self._line)
        shown = mask(line[: self._limit + self._margin], self._secrets)[: -self._margin]
        self._left_out = len(line) - self._limit
        self._line, self._line_chars = [], 0
        return shown

    def _end_line(self) -> str:
        if self._left_out is not None:
            text = f" [{self._left_out} characters of this line left out]\n"
            self.left_out_chars += self._left_out
            self._left_out = None
            return text
        line = mask("".join(self._line), self._secrets) + "\n"
        self._line, self._line_chars = [], 0
        return line


def mask(text: str, secrets: Iterable[str]) -> str:
    """Replace the secrets, and passwords in URLs and connection strings, in time proportional to the text.

    Works line by line: no match reaches over a line break. ``secrets`` are sorted, the longest first.
    """
    for secret in secrets:
        text = text.replace(secret, MASK)
    if "://" in text:
        text = _URL_PASSWORD.sub(lambda m: m[1] + MASK, text)
    if "=" in text:
        text = _CONNINFO_PASSWORD.sub(lambda m: m[1] + MASK, text)
    return text


def _forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """Every form in which a secret is likely to be printed, the longest first.

    A secret of several lines (a private key) is masked line by line. Those shorter than 6 characters are left alone,
    as in `redact.redact`: masking ``a`` would destroy the text and reveal the secret.
    """
    parts = {line.strip() for secret in secrets for line in secret.splitlines()}
    forms = {form for part in parts for form in (part, quote(part, safe=""), json.dumps(part)[1:-1])}
    return tuple(sorted((f for f in forms if len(f) >= _SHORTEST_SECRET), key=lambda f: (-len(f), f)))
