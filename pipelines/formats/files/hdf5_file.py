"""HDF5 files that came from elsewhere: opened, listed and read without following what leads out of the file.

Whatever goes wrong becomes a :class:`~connectome.errors.FormatError` that names the file and the object. External
links, external storage and virtual datasets are refused, because they would read other files of this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError

from .elsewhere import FileElsewhere, Guarded

__all__ = ["HDF5_SIGNATURE", "dataset", "dataset_paths", "is_hdf5", "open_hdf5", "read_array"]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""First bytes of a superblock (HDF5 File Format Specification 3.0, section II.A)."""

_USER_BLOCKS = (0, 512, 1024, 2048)
"""Where a superblock may start; JLD2 and MATLAB 7.3 write a user block of 512 bytes."""

_FAILURES = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, NotImplementedError)
"""What h5py raises on damaged files, by experience with cut and overwritten ones."""


def is_hdf5(path: Path | FileElsewhere) -> bool:
    """Tell whether a file has the signature of HDF5 where it may stand."""
    with path.open("rb") as stream:
        head = stream.read(_USER_BLOCKS[-1] + len(HDF5_SIGNATURE))
    return any(head[at : at + len(HDF5_SIGNATURE)] == HDF5_SIGNATURE for at in _USER_BLOCKS)


@contextmanager
def open_hdf5(path: Path | FileElsewhere) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises
    ------
    TruncatedError
        When the file is shorter than its superblock says.
    FormatError
        When it is not HDF5, or when reading inside the block fails.
    FetchError
        When a file that lies elsewhere cannot be read there.
    """
    if not is_hdf5(path):
        raise FormatError(
            "not an HDF5 file",
            subject=str(path),
            place="first bytes",
            expected="the signature 89 48 44 46 0D 0A 1A 0A",
            found=_describe_head(path),
        )
    guarded = None if isinstance(path, Path) else Guarded(path.open("rb"))
    try:
        file = h5py.File(path if guarded is None else guarded, "r")
    except _FAILURES as error:
        if guarded is not None:
            guarded.check()
        kind = TruncatedError if "truncated" in str(error) else FormatError
        raise kind("the HDF5 file cannot be opened", subject=str(path), found=str(error)) from error
    with file:
        try:
            yield file
            if guarded is not None:
                guarded.check()
        except Exception as error:
            if guarded is not None:
                # What HDF5 makes of bytes that did not come is no fault of the file.
                guarded.check()
            if isinstance(error, FormatError) or not isinstance(error, _FAILURES):
                raise
            raise FormatError("the HDF5 file is damaged", subject=str(path), found=str(error)) from error


def dataset_paths(file: h5py.File, *, subject: str) -> list[str]:
    """Return the path of every dataset of a file, sorted, without the leading slash.

    Raises
    ------
    UnsafeError
        When a link leads out of the file.
    FormatError
        When groups are nested deeper than 32 levels or contain each other.
    """
    found: list[str] = []

    def walk(group: h5py.Group, prefix: str, depth: int) -> None:
        if depth > 32:
            raise FormatError(
                "groups are nested too deeply", subject=subject, place=prefix, expected="32 levels or fewer"
            )
        for name in sorted(group):
            place = f"{prefix}{name}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise UnsafeError(
                    "a link leads to another file", subject=subject, place=f"/{place}", found=link.filename
                )
            child = group[name]
            if isinstance(child, h5py.Group):
                walk(child, f"{place}/", depth + 1)
            elif isinstance(child, h5py.Dataset):
                found.append(place)

    walk(file, "", 0)
    return found


def dataset(file: h5py.File, place: str, *, subject: str) -> h5py.Dataset:
    """Return a dataset by path; raise :class:`~connectome.errors.FormatError` when it is not there."""
    try:
        link = file.get(place, getlink=True)
    except KeyError:
        link = None
    if isinstance(link, h5py.ExternalLink):
        raise UnsafeError("a link leads to another file", subject=subject, place=f"/{place}", found=link.filename)
    found = file.get(place) if link is not None else None
    if not isinstance(found, h5py.Dataset):
        raise FormatError(
            "a dataset is missing",
            subject=subject,
            place=f"/{place}",
            expected="a dataset",
            found="nothing" if found is None else "a group",
        )
    return check_inside(found, place=f"/{place}", subject=subject)


def check_inside(found: h5py.Dataset, *, place: str, subject: str) -> h5py.Dataset:
    """Return a dataset whose bytes lie in its own file; refuse external storage and virtual datasets."""
    if found.is_virtual or found.external:
        raise UnsafeError("a dataset takes its values from other files", subject=subject, place=place)
    return found


def read_array(file: h5py.File, place: str, *, subject: str) -> np.ndarray[Any, Any]:
    """Return a numeric dataset as an array in the machine's byte order, otherwise as stored."""
    stored = dataset(file, place, subject=subject)
    if stored.dtype.kind not in "biufS" or stored.shape is None:
        raise FormatError(
            "a dataset does not hold numbers",
            subject=subject,
            place=f"/{place}",
            expected="numbers",
            found=str(stored.dtype),
        )
    if stored.size * stored.dtype.itemsize > _MOST_BYTES:
        raise FormatError(
            "a dataset claims to be larger than any recording",
            subject=subject,
            place=f"/{place}",
            expected=f"at most {_MOST_BYTES} bytes",
            found=f"shape {stored.shape} of {stored.dtype}",
        )
    values = np.asarray(stored[()])
    return values.astype(values.dtype.newbyteorder("="), copy=False)


# A header of a few bytes can claim petabytes of fill values; whole-brain traces are a thousandth of this.
_MOST_BYTES = 16 << 30


def _describe_head(path: Path | FileElsewhere) -> str:
    with path.open("rb") as stream:
        head = stream.read(20)
    if not head:
        return "an empty file"
    if head.startswith(b"MATLAB 5.0"):
        return "a MATLAB 5.0 MAT-file (format mat-celegans)"
    return head[:8].hex(" ")
