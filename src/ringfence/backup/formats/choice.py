"""The formats there are, by name."""

from __future__ import annotations

from collections.abc import Mapping

from ringfence.backup.formats.contract import Format
from ringfence.backup.formats.custom import CustomFormat
from ringfence.backup.formats.directory import DirectoryFormat
from ringfence.backup.model import FormatName, Manifest

CUSTOM: Format = CustomFormat()
DIRECTORY: Format = DirectoryFormat()
FORMATS: Mapping[FormatName, Format] = {f.name: f for f in (CUSTOM, DIRECTORY)}


def format_of(manifest: Manifest) -> Format:
    """The format that a backup was written in, whatever the settings say today."""
    return FORMATS[manifest.format]
