"""A writer of R's serialization (XDR, version 3), enough for tests: vectors, lists, attributes, and what is refused."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

HEADER = b"X\n" + struct.pack(">iii", 3, 0x00040103, 0x00030500) + struct.pack(">i", 5) + b"UTF-8"
NULL = struct.pack(">i", 254)
_DTYPES = {"f": (14, ">f8"), "i": (13, ">i4"), "b": (10, ">i4"), "c": (15, ">c16"), "u": (24, "u1")}


def rds(value: Any) -> bytes:
    """Return the whole uncompressed file of a value."""
    return HEADER + item(value)


def item(value: Any, attributes: Mapping[str, Any] | None = None) -> bytes:
    """Return a value: an array, text, a list of texts, a list, a dict, None, or bytes that are taken as they are."""
    if value is None:
        return NULL
    if isinstance(value, bytes):
        return value
    given = dict(attributes or {})
    if isinstance(value, dict):
        given["names"] = list(value)
        value = list(value.values())
    elif isinstance(value, np.ndarray) and value.ndim > 1:
        given["dim"] = np.array(value.shape, dtype=np.int32)
    flags = 0x200 if given else 0
    tail = pairs(given) if given else b""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, np.ndarray):
        kind, dtype = _DTYPES[value.dtype.kind]
        return struct.pack(">ii", kind | flags, value.size) + value.astype(dtype).tobytes(order="F") + tail
    if value and all(isinstance(part, str) for part in value):
        return struct.pack(">ii", 16 | flags, len(value)) + b"".join(map(chars, value)) + tail
    return struct.pack(">ii", 19 | flags, len(value)) + b"".join(map(item, value)) + tail


def chars(text: str) -> bytes:
    """Return a text of UTF-8."""
    raw = text.encode()
    return struct.pack(">ii", 9 | (8 << 12), len(raw)) + raw


def symbol(name: str) -> bytes:
    """Return a name."""
    return struct.pack(">i", 1) + chars(name)


def pairs(named: Mapping[str, Any]) -> bytes:
    """Return a pairlist with tags."""
    parts = (struct.pack(">i", 0x402) + symbol(name) + item(value) for name, value in named.items())
    return b"".join(parts) + NULL


def compact(name: str, state: bytes, attributes: bytes = NULL) -> bytes:
    """Return a vector in compact form (ALTREP)."""
    node = struct.pack(">i", 2)
    info = node + symbol(name) + node + symbol("base") + node + item(np.array([13], dtype=np.int32)) + NULL
    return struct.pack(">i", 238) + info + state + attributes
