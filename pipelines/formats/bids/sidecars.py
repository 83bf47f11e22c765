"""JSON files of BIDS: read as they are, null kept, and joined by the inheritance principle.

BIDS 1.10, "The inheritance principle": a JSON file in a folder above is about every file below whose name has its
suffix and all of its entities; the nearer to the file, the stronger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import FormatError

from ..files.pointers import refuse_pointer

if TYPE_CHECKING:
    from .tree import BidsFile

__all__ = ["applicable", "inherited", "parse_object", "read_json"]

MOST_BYTES = 64 << 20
"""No sidecar comes near it; a larger file is something else."""


def read_json(path: Path) -> dict[str, Any]:
    """Read an object of JSON: integers and floats as written, null as None.

    Raises
    ------
    FormatError
        When the file is no JSON object, a key is there twice, or a number is none that JSON has (NaN, Infinity).
    TruncatedError
        When it only points to the data.
    """
    refuse_pointer(path)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise FormatError(
            "too large for a sidecar", subject=str(path), expected=f"at most {MOST_BYTES} bytes", found=f"{size} bytes"
        )
    return parse_object(path.read_bytes(), subject=str(path))


def parse_object(data: bytes, *, subject: str) -> dict[str, Any]:
    """Read an object of JSON from bytes; see :func:`read_json`."""

    def refuse(text: str) -> float:
        raise FormatError("not a JSON number", subject=subject, found=text)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = sorted({key for key in keys if keys.count(key) > 1})
            raise FormatError("a key is there twice", subject=subject, place=", ".join(twice))
        return made

    try:
        content = json.loads(data.decode("utf-8-sig"), parse_constant=refuse, object_pairs_hook=once)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise FormatError("not JSON", subject=subject, found=str(error)) from None
    if not isinstance(content, dict):
        raise FormatError("not a JSON object", subject=subject, found=type(content).__name__)
    return content


def applicable(file: BidsFile, candidates: Sequence[BidsFile]) -> list[BidsFile]:
    """Return the JSON files about a file, the weakest first.

    Parameters
    ----------
    file : BidsFile
        A data file.
    candidates : sequence of BidsFile
        Files of the same tree.

    Raises
    ------
    FormatError
        When two of one folder are equally specific, so that none is the stronger.
    """
    assert file.name is not None
    folders = [file.folder[:depth] for depth in range(len(file.folder) + 1)]
    found: dict[tuple[int, int], BidsFile] = {}
    for other in candidates:
        if (
            other.name is None
            or other.name.extension != ".json"
            or other.folder not in folders
            or not other.name.applies_to(file.name)
        ):
            continue
        rank = (len(other.folder), len(other.name.entities))
        if rank in found:
            raise FormatError(
                "two sidecars of one folder are about the same file",
                subject=file.path,
                expected="one of them more specific than the other",
                found=f"{found[rank].path}, {other.path}",
            )
        found[rank] = other
    return [found[rank] for rank in sorted(found)]


def inherited(root: Path, sidecars: Sequence[BidsFile]) -> Mapping[str, Any]:
    """Join the objects of sidecars, the weakest first; null overrides too."""
    joined: dict[str, Any] = {}
    for sidecar in sidecars:
        joined.update(read_json(root / sidecar.path))
    return joined
