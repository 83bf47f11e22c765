"""Canonical JSON and SHA-256: the two things every digest is made of."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "canonical_json", "file_sha256", "is_version_text", "json_digest", "loaded_digest", "loaded_json", "plain",
    "version_text",
]  # fmt: skip


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
    return loaded_json(plain(value))


def json_digest(value: Any) -> str:
    """Return the SHA-256 (hex) of a value's canonical JSON in UTF-8."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def loaded_json(document: Any) -> str:
    """Return :func:`canonical_json` of what :func:`json.loads` or :func:`plain` gave: no walk over its values."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def loaded_digest(document: Any) -> str:
    """Return :func:`json_digest` of what :func:`json.loads` or :func:`plain` gave."""
    return hashlib.sha256(loaded_json(document).encode()).hexdigest()


def version_text(document: Mapping[str, Any]) -> bytes:
    """Return readable JSON: sorted keys, one value a line, indented by one blank for each level."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def is_version_text(data: bytes, document: Mapping[str, Any]) -> bool:
    """Tell whether ``data`` is :func:`version_text` of a document, to the byte.

    The encoder of indented JSON is written in Python and takes seconds for a thousand records. So the text without its
    line breaks is compared with that of the encoder in C, and the breaks and blanks with the depth of every line.
    """
    compact = json.dumps(document, sort_keys=True, separators=(",", ": "), ensure_ascii=False, allow_nan=False)
    if not data.endswith(b"\n") or not data.startswith(b"{"):
        return False
    # Line breaks inside values are written as \\n, so every one in the text is layout.
    lines = data[:-1].split(b"\n")
    bare = [line.lstrip(b" ") for line in lines]
    if b"".join(bare) != compact.encode():
        return False
    depth = 0
    for line, inner in zip(lines, bare, strict=True):
        closes = inner[:1] in (b"}", b"]")
        if not inner or len(line) - len(inner) != depth - closes:
            return False
        depth += (inner[-1:] in (b"{", b"[")) - closes
    return True


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
