"""The keys behind --json; programs depend on them."""

from __future__ import annotations

import datetime as dt

from ringfence.backup.model import Kept, Manifest
from ringfence.errors import RingfenceError, UsageError
from ringfence.integrity.model import Comparison
from ringfence.journal.model import RunState
from ringfence.report import documents, schema
from ringfence.workflow.comparison.verify import Verified

MANIFEST = Manifest(
    id="inventory_backup_7_20261122T101530Z",
    sequence=3,
    project="inventory",
    database="inventory",
    issue="7",
    created_at=dt.datetime(2026, 11, 22, 10, 15, 30, tzinfo=dt.UTC),
    file="inventory_backup_7_20261122T101530Z.dump",
    size_bytes=2048,
    sha256="0" * 64,
    server_version="18.4",
    server_version_num=180004,
    program_version="18.4",
    baseline={"tables": [{"schema": "public", "name": "SKU", "rows": 5, "fingerprint": "ab"}]},
)


def test_a_backup_has_the_keys_of_the_contract() -> None:
    found = documents.backup(MANIFEST, "/srv/shop/.backups")
    wanted = {"id", "file", "manifest", "issue", "created_at", "bytes", "sha256", "server_version", "tables"}
    assert wanted <= found.keys()
    assert found["tables"] == [{"schema": "public", "name": "SKU", "rows": 5, "fingerprint": "ab"}]
    assert found["file"] == "/srv/shop/.backups/inventory_backup_7_20261122T101530Z.dump"


def test_kept_backups_have_reasons() -> None:
    assert documents.kept([Kept(id="a", reason="newest")]) == [{"id": "a", "reason": "newest"}]


def test_a_verdict_has_the_keys_of_the_contract() -> None:
    comparison = Comparison(verdict="unchanged", proof="fingerprint", tables=(), other=(), reasons=())
    found = documents.verified(Verified(baseline="b", comparison=comparison, seconds=0.5))
    assert {"schema", "verdict", "proof", "baseline", "tables", "other", "reasons"} <= found.keys()


def test_an_error_has_its_exit_status() -> None:
    found = schema.error(UsageError("no such thing", hint="look again"))
    assert found["error"] == {"code": 2, "message": "no such thing", "hint": "look again"}
    assert schema.error(RingfenceError("x"))["error"]["code"] == 70


def test_every_document_names_its_schema() -> None:
    state = RunState(run_id="20261122T101530Z-3f2a91")
    for document in (documents.run(state), documents.runs([state]), schema.error(UsageError("x"))):
        assert document["schema"] == 1
