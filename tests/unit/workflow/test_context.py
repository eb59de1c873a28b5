"""What a run recorded before its agents comes back as it was, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import HaltError
from ringfence.workflow import context
from ringfence.workflow.context import Context


def test_a_run_that_commits_nothing(tmp_path: Path) -> None:
    recorded = Context(config_sha256="ab", git=None, push=False)
    context.write(tmp_path, recorded)
    assert context.read(tmp_path) == recorded


def test_nothing_was_recorded(tmp_path: Path) -> None:
    assert context.read(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"config_sha256": "x"}', b"\xff"])
def test_a_damaged_record_is_a_halt(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "context.json").write_bytes(content)
    with pytest.raises(HaltError):
        context.read(tmp_path)
