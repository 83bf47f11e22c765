"""Data files that only a list speaks of: a mirror of sidecars with an ``annex_index.tsv`` beside them.

The list has a row per annexed file: ``path``, ``annex_key`` (or ``bytes`` and ``md5`` or ``sha256``), and, where its
maker looked into the sidecars, ``recording_duration_s`` and ``sampling_frequency``. A file of the list that is not in
the tree joins it as one that was not fetched.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from connectome.errors import FormatError, UnsafeError

from .entities import parse_name
from .tree import BidsFile, BidsTree, Pointer, annex_pointer
from .tsv import MISSING, read_rows

__all__ = ["INDEX", "Listed", "read_index", "with_listed"]

INDEX = "annex_index.tsv"
"""Name of the list at the root of a tree."""

_DIGESTS = {"md5": re.compile(r"[0-9a-f]{32}"), "sha256": re.compile(r"[0-9a-f]{64}")}


@dataclass(frozen=True)
class Listed:
    """What a row says."""

    pointer: Pointer
    duration_s: float | None = None
    rate_hz: float | None = None


def read_index(path: Path) -> dict[str, Listed]:
    """Read a list.

    Returns
    -------
    dict of str to Listed
        By path relative to the root.

    Raises
    ------
    FormatError
        When a column is missing, a path is there twice, a key is none, or a number is not one.
    UnsafeError
        When a path leads out of the tree.
    """
    found: dict[str, Listed] = {}
    rows = read_rows(path)
    if rows and not {"path", "annex_key"} <= set(rows[0]) and not {"path", "bytes"} <= set(rows[0]):
        raise FormatError("columns are missing", subject=str(path), expected="path and annex_key, or path and bytes")
    for row in rows:
        name = row["path"]
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or not name.isprintable() or str(parts) != name:
            raise UnsafeError("a path that is none of the tree", subject=str(path), found=repr(name[:200]))
        if name in found:
            raise FormatError("a file is there twice", subject=str(path), place=name)
        duration = _number(row, "recording_duration_s", path)
        found[name] = Listed(_pointer(row, path), duration, _number(row, "sampling_frequency", path))
    return found


def _pointer(row: Mapping[str, str], path: Path) -> Pointer:
    key = row.get("annex_key", "")
    size = _number(row, "bytes", path)
    digests = {name: row[name] for name in _DIGESTS if row.get(name, "") not in MISSING}
    for name, digest in digests.items():
        if not _DIGESTS[name].fullmatch(digest):
            raise FormatError("not a checksum", subject=str(path), place=row["path"], expected=name, found=digest[:80])
    if key in MISSING:
        return Pointer("git-annex", None if size is None else int(size), digests.get("sha256"), digests.get("md5"))
    pointer = annex_pointer(key)
    if pointer is None:
        raise FormatError("not a key of git-annex", subject=str(path), place=row["path"], found=key[:120])
    differing = (size is not None and pointer.size_bytes not in {None, int(size)}) or any(
        getattr(pointer, name) not in {None, digest} for name, digest in digests.items()
    )
    if differing:
        raise FormatError("a key and the columns beside it differ", subject=str(path), place=row["path"], found=key)
    return pointer


def _number(row: Mapping[str, str], key: str, path: Path) -> float | None:
    text = row.get(key, "")
    if text in MISSING:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or "_" in text:
        raise FormatError("not a number", subject=str(path), place=f"{row['path']}, {key}", found=text[:80])
    return value


def with_listed(tree: BidsTree, index: Mapping[str, Listed]) -> BidsTree:
    """Return a tree with the files of a list that are not in it, each as a file that was not fetched."""
    more = [
        BidsFile(path, 0, parse_name(PurePosixPath(path).name), row.pointer, is_listed=True)
        for path, row in index.items()
        if tree.find(path) is None
    ]
    return BidsTree(tree.root, tuple(sorted([*tree.files, *more], key=lambda file: file.path)))
