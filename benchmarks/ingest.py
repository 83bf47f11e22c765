"""What an ingest of all worm data costs, a second one, and how large the store is against the raw files.

The peer is the cheapest thing that reads the same bytes: hashing every raw file once.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from connectome.pipelines.ingest import ingest
from connectome.store import Repository, verify

from .stages import timed

DATASETS = ("celegans-connectomes", "celegans-activity")
DATA = Path(os.environ.get("CONNECTOME_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "worm"


def run() -> dict[str, Any]:
    """Ingest twice, serially and with two processes, and verify."""
    if not DATA.is_dir():
        return {"skipped": f"the real files are not here ({DATA.name}); set CONNECTOME_TEST_DATA"}
    return {dataset: _figures(dataset) for dataset in DATASETS}


def _figures(dataset: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(folder)
        first_s, result = timed(lambda: ingest(repository, dataset, mirror=DATA))
        second_s, again = timed(lambda: ingest(repository, dataset, mirror=DATA))
        verify_s, checked = timed(lambda: verify(repository, dataset))
        raw = [path for path in repository.raw.glob("*/*") if path.is_file() and len(path.parent.name) == 64]
        hash_s, _ = timed(lambda: [hashlib.sha256(path.read_bytes()).hexdigest() for path in raw])
        raw_bytes = sum(path.stat().st_size for path in raw)
    with tempfile.TemporaryDirectory() as folder:
        parallel_s, parallel = timed(
            lambda: ingest(Repository(folder), dataset, mirror=DATA, runner="processes", workers=2)
        )
    return {
        "records": checked.n_records,
        "raw_bytes": raw_bytes,
        "store_bytes": checked.size_bytes,
        "store_over_raw": round(checked.size_bytes / raw_bytes, 3),
        "first_s": round(first_s, 2),
        "two_processes_s": round(parallel_s, 2),
        "second_s": round(second_s, 2),
        "verify_s": round(verify_s, 2),
        "second_over_first": round(second_s / first_s, 3),
        "second_over_hashing": round(second_s / hash_s, 2),
        "second_made": len(again.added) + len(again.changed),
        "same_digest_with_two_processes": parallel.digest == result.digest,
    }
