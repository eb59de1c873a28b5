"""The baseline as it stands in a manifest: an observation as JSON, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ringfence.errors import BackupError
from ringfence.integrity import ranges
from ringfence.integrity.expression import ALGORITHM
from ringfence.integrity.model import Observation, Seeds, TableDigest, TableName, WalMark
from ringfence.postgres.identity import Identity


def to_json(observation: Observation) -> dict[str, Any]:
    """Only JSON scalars, lists and objects. The seeds are hexadecimal: JSON numbers lose bits in some readers."""
    return {
        "algorithm": observation.algorithm,
        "seeds": [f"{observation.seeds.first:016x}", f"{observation.seeds.second:016x}"],
        "identity": dataclasses.asdict(observation.identity),
        "wal_position": observation.wal_position,
        "locale": dict(observation.locale),
        "tables": [
            {"schema": d.table.schema, "name": d.table.name, "rows": d.rows, "fingerprint": d.fingerprint}
            for d in observation.tables
        ],
        "state": observation.state,
        "sequence_bounds": observation.sequence_bounds,
        "ranges": [ranges.to_json(r) for r in observation.ranges],
        "mark": dataclasses.asdict(observation.mark) if observation.mark else None,
    }


def from_json(document: Mapping[str, Any]) -> Observation:
    """Read what `to_json` wrote. Raises BackupError (5) for anything else, another algorithm included."""
    algorithm = document.get("algorithm")
    if algorithm != ALGORITHM:
        raise BackupError(
            f"the baseline was taken by fingerprint algorithm {algorithm!r}; this version has {ALGORITHM}",
            hint="make a new backup with this version",
        )
    try:
        return Observation(
            identity=Identity(**document["identity"]),
            seeds=Seeds(first=int(document["seeds"][0], 16), second=int(document["seeds"][1], 16)),
            algorithm=algorithm,
            wal_position=document["wal_position"],
            locale=document["locale"],
            tables=tuple(
                TableDigest(
                    table=TableName(schema=t["schema"], name=t["name"]),
                    rows=int(t["rows"]),
                    fingerprint=t["fingerprint"],
                )
                for t in document["tables"]
            ),
            state=document["state"],
            sequence_bounds=tuple(document["sequence_bounds"]) if document["sequence_bounds"] else None,
            # Baselines of earlier versions have neither, and are compared by the whole fingerprint.
            ranges=tuple(ranges.from_json(r) for r in document.get("ranges", ())),
            mark=_mark(document.get("mark")),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BackupError(f"the baseline in the manifest is damaged: {error!r}") from error


def _mark(document: Mapping[str, Any] | None) -> WalMark | None:
    return WalMark(**{**document, "unsettled": tuple(document["unsettled"])}) if document else None
