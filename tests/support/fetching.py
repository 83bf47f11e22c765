"""Files as careful publishers list them, and what a fetch leaves behind."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from connectome.pipelines.fetch import Fetched, fetch
from connectome.pipelines.jobs import RemoteFile


def generated(n_bytes: int, seed: int = 0) -> bytes:
    """Bytes without a pattern, the same at every run."""
    return random.Random(seed).randbytes(n_bytes)


BODY = generated(300_000)


def listed(url: str, body: bytes = BODY, path: str = "lab/worm.bin", **changes: object) -> RemoteFile:
    """A file as a careful publisher lists it."""
    fields: dict = {"size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} | changes
    return RemoteFile(path, url, **fields)


def files_below(folder: Path) -> list[str]:
    """Relative paths of all files of a folder."""
    return sorted(str(item.relative_to(folder)) for item in folder.rglob("*") if item.is_file())


def fetch_one(remote: RemoteFile, cache: Path, **options: object) -> Fetched:
    """Fetch a single file."""
    return fetch([remote], cache, **options)
