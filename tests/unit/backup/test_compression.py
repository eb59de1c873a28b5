"""Which compression a pg_dump can do, asked of real ones."""

from __future__ import annotations

import pytest

from ringfence.backup.compression import Compression, require
from ringfence.errors import BackupError
from ringfence.postgres.programs import Programs, find_programs


@pytest.mark.parametrize(
    ("text", "since_16", "before"),
    [
        ("gzip:2", "--compress=gzip:2", "--compress=2"),
        ("gzip", "--compress=gzip", "--compress=6"),
        ("none", "--compress=none", "--compress=0"),
        ("zstd", "--compress=zstd", None),
        ("zstd:19", "--compress=zstd:19", None),
        ("lz4", "--compress=lz4", None),
    ],
)
def test_each_major_is_told_in_its_own_words(text: str, since_16: str, before: str | None) -> None:
    compression = Compression.parse(text)
    assert str(compression) == text
    assert compression.option(18) == compression.option(16) == since_16
    if before is not None:
        assert compression.option(15) == before
        return
    with pytest.raises(BackupError, match=r"pg_dump 15 cannot compress with (zstd|lz4); it knows gzip only") as caught:
        compression.option(15)
    assert "PostgreSQL 16 or newer" in str(caught.value.hint) and caught.value.exit_code == 5


@pytest.mark.postgres
@pytest.mark.parametrize("programs", find_programs(), ids=lambda p: f"{p.major}-{p.source}")
def test_a_build_says_itself_what_it_lacks(programs: Programs) -> None:
    for text in ("gzip", "gzip:9", "none"):
        require(programs, Compression.parse(text), where="production")
    for text in ("zstd", "lz4:1"):
        try:
            require(programs, Compression.parse(text), where="production")
        except BackupError as error:
            assert "cannot compress with" in error.message and "[backup] compression" in str(error.hint)
