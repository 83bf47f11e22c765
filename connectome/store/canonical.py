"""Canonical JSON and SHA-256: the two things every digest is made of."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["canonical_json", "file_sha256", "json_digest", "plain"]


def plain(value: Any) -> Any:
    """Return a value made of JSON types only.

    NumPy scalars and arrays become numbers and lists, mappings and sequences are copied, non-finite floats become
    the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` (as Zarr v3 writes them).

    Raises
    ------
    TypeError
        When the value has no JSON form.
    """
    if isinstance(value, Mapping):
        made = {str(key): plain(item) for key, item in value.items()}
        if len(made) != len(value):
            raise TypeError(f"two keys have one JSON form: {list(value)!r}")
        return made
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufOTU" and value.dtype.char != "g":
        # Times would turn into bare numbers, and long doubles (g) have no shortest form that others read.
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def canonical_json(value: Any) -> str:
    """Return JSON text that is the same for equal values: sorted keys, no blanks, shortest float form."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def json_digest(value: Any) -> str:
    """Return the SHA-256 (hex) of a value's canonical JSON in UTF-8."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
