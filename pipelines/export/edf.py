"""A recording as EDF or BDF: the bytes that were read, or a new EDF+ around the stored integers.

A record that was read from EDF or BDF holds its header and its annotation signals byte by byte, so the file comes out
as it went in. A recording of another origin is written as EDF+ (BDF+ where 16 bits do not suffice) if its samples are
integers: they are written as they are, the scale as close as eight characters allow; :func:`remarks` says how close.
Floating-point signals are refused, because either form would round them.

Kemp and Olivan 2003, doi:10.1016/s1388-2457(03)00123-8; https://www.edfplus.info/specs/edfplus.html.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import UsageError

from ..formats.recordings.edf_header import Header, parse_header

if TYPE_CHECKING:
    import xarray as xr

HEADER, ANNOTATIONS = "edf/header", "edf/annotations"


def write(tree: xr.DataTree, destination: Path, *, group: str | None, to: str) -> list[Path]:
    """Write ``DEST.edf`` or ``DEST.bdf``; with ``group``, the series below that path only."""
    source = source_header(tree, group)
    if source is not None:
        suffix = ".bdf" if source.bdf else ".edf"
        _check_name(destination, suffix, to)
        _write_as_read(tree, source, destination)
        return [destination]
    from .edf_made import make

    made = make(tree, group)
    _check_name(destination, ".bdf" if made.bdf else ".edf", to)
    made.write(destination)
    return [destination]


def remarks(tree: xr.DataTree, *, group: str | None) -> list[str]:
    """Say in what the file differs from what was read; nothing where it is the same bytes."""
    if source_header(tree, group) is not None:
        return []
    from .edf_made import make

    return list(make(tree, group).remarks)


def source_header(tree: xr.DataTree, group: str | None) -> Header | None:
    """Return the header of the file that the record was read from, if its signals are still those of the file."""
    paths = {path.strip("/"): data for path, data in schema.groups(tree)}
    if group is not None or HEADER not in paths:
        return None
    header = parse_header(Path("header"), paths[HEADER]["byte"].values.tobytes())
    found = _series(paths)
    n_records = _n_records(header, paths)
    groups = header.rate_groups()
    if n_records is None or len(found) != len(groups):
        return None
    for data, members in zip(found, groups, strict=True):
        shape = (len(members), n_records * header.samples[members[0]])
        if data["signal"].shape != shape or data["signal"].dtype != (np.int32 if header.bdf else np.int16):
            return None
        scales = [header.scale(number) or (np.nan, np.nan) for number in members]
        stored = np.stack([data["gain"].values, data["offset"].values], axis=1)
        if not np.array_equal(stored, np.array(scales), equal_nan=True):
            return None
    return header


def _series(paths: dict[str, xr.Dataset]) -> list[xr.Dataset]:
    """Return the series that came from the file, in the order in which their rates appear there."""
    found = [data for data in paths.values() if schema.kind_of(data) == "series" and "edf_position" in data.attrs]
    return sorted(found, key=lambda data: int(data.attrs["edf_position"]))


def _n_records(header: Header, paths: dict[str, xr.Dataset]) -> int | None:
    """Return how many records there are; an unclosed file does not say, but its signals do."""
    groups, found = header.rate_groups(), _series(paths)
    if header.n_records > 0:
        return header.n_records
    if not groups and ANNOTATIONS in paths:
        # Every record of a file without signals is one of annotations.
        return int(paths[ANNOTATIONS].sizes["row"]) // header.record_bytes
    if not groups or not found:
        return None
    return int(found[0].sizes["time"]) // header.samples[groups[0][0]]


def _write_as_read(tree: xr.DataTree, header: Header, destination: Path) -> None:
    """Put header, signals and annotations together again, record by record."""
    paths = {path.strip("/"): data for path, data in schema.groups(tree)}
    n_records = _n_records(header, paths)
    assert n_records is not None
    records = np.empty((n_records, header.record_bytes), dtype=np.uint8)
    for data, members in zip(_series(paths), header.rate_groups(), strict=True):
        signal = data["signal"].values
        for row, number in enumerate(members):
            records[:, header.place_of(number)] = sample_bytes(signal[row], bdf=header.bdf).reshape(n_records, -1)
    at = 0
    numbers = [number for number in range(len(header.signals)) if header.is_annotation(number)]
    texts = paths[ANNOTATIONS]["byte"].values.reshape(n_records, -1) if numbers else np.empty((n_records, 0), np.uint8)
    for number in numbers:
        place = header.place_of(number)
        records[:, place] = texts[:, at : at + place.stop - place.start]
        at += place.stop - place.start
    with destination.open("wb") as file:
        file.write(header.raw)
        file.write(records.data)


def sample_bytes(samples: np.ndarray[Any, Any], *, bdf: bool) -> np.ndarray[Any, Any]:
    """Return integers as the file has them, little-endian of 16 or 24 bits, as uint8."""
    if not bdf:
        return np.ascontiguousarray(samples, dtype="<i2").view(np.uint8)
    return np.ascontiguousarray(samples, dtype="<i4").view(np.uint8).reshape(-1, 4)[:, :3].ravel()


def _check_name(destination: Path, suffix: str, to: str) -> None:
    if destination.suffix.lower() != suffix:
        raise UsageError("the name does not fit the file's form", subject=destination.name, expected=suffix, place=to)
