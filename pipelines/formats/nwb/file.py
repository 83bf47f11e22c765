"""What every reader of NWB files needs: typed objects, links, clocks, ragged columns. By h5py alone.

NWB is HDF5 in which objects say in ``neurodata_type`` what they are (NWB Schema 2.x, nwb-schema.readthedocs.io; HDMF
Common: a ragged column ``x`` has its ends in ``x_index``). Links inside the file are followed only where a type asks
for one, so nothing is seen twice; links out of the file are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import h5py
import numpy as np

from connectome.errors import FormatError, UnsafeError

from ..files.hdf5_file import check_inside

__all__ = ["Clock", "clock_of", "is_nwb", "numbers", "objects", "ragged", "scalar", "texts", "type_of"]

Array = np.ndarray[Any, Any]

_DEEPEST = 32
_MOST_BYTES = 16 << 30


@dataclass(frozen=True)
class Clock:
    """When the samples of a TimeSeries were taken: by stamps, by a rate, or not said."""

    stamps: Array | None = None
    rate_hz: Fraction | None = None
    start_s: float = 0.0

    def arguments(self) -> dict[str, Any]:
        """Return the clock as :func:`connectome.schema.series` takes it; frames counted from 0 where none is said."""
        if self.stamps is not None:
            return {"time_s": self.stamps}
        if self.rate_hz is not None:
            return {"rate_hz": self.rate_hz, "start_s": self.start_s}
        return {"frame_start": 0}


def is_nwb(file: h5py.File) -> bool:
    """Tell whether an open HDF5 file says that it is an NWB file."""
    return type_of(file) == "NWBFile"


def type_of(item: h5py.Group | h5py.Dataset) -> str:
    """Return the ``neurodata_type`` of an object, ``""`` where it has none."""
    return _text(item.attrs.get("neurodata_type", ""))


def objects(group: h5py.Group, *, subject: str, depth: int = 0) -> Iterator[h5py.Group]:
    """Yield every typed group below a group, outer before inner, sorted by name; links are not followed.

    Raises
    ------
    UnsafeError
        When a link leads out of the file.
    FormatError
        When groups are nested too deeply.
    """
    if depth > _DEEPEST:
        raise FormatError("groups are nested too deeply", subject=subject, place=group.name)
    for name in sorted(group):
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise UnsafeError(
                "a link leads to another file", subject=subject, place=f"{group.name}/{name}", found=link.filename
            )
        child = group[name] if isinstance(link, h5py.HardLink) else None
        if isinstance(child, h5py.Group):
            if type_of(child):
                yield child
            yield from objects(child, subject=subject, depth=depth + 1)


def child(group: h5py.Group, name: str, *, subject: str) -> h5py.Group | h5py.Dataset | None:
    """Return a member of a group, through a link inside the file if need be; None where there is none."""
    link = group.get(name, getlink=True) if name in group else None
    if isinstance(link, h5py.ExternalLink):
        raise UnsafeError(
            "a link leads to another file", subject=subject, place=f"{group.name}/{name}", found=link.filename
        )
    found = group.get(name)
    return check_inside(found, place=found.name, subject=subject) if isinstance(found, h5py.Dataset) else found


def numbers(group: h5py.Group, name: str, *, subject: str) -> Array:
    """Return a member as numbers in the machine's byte order, in the dtype of the file; compound types as they are."""
    found = child(group, name, subject=subject)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "biufV" or found.shape is None:
        raise FormatError(
            "not numbers", subject=subject, place=f"{group.name}/{name}", expected="a dataset of numbers",
            found="nothing" if found is None else str(getattr(found, "dtype", "a group")),
        )  # fmt: skip
    if found.size * found.dtype.itemsize > _MOST_BYTES:
        raise FormatError(
            "a dataset claims to be larger than any recording",
            subject=subject,
            place=found.name,
            expected=f"at most {_MOST_BYTES} bytes",
            found=f"shape {found.shape} of {found.dtype}",
        )
    values = np.asarray(found[()])
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def texts(group: h5py.Group, name: str, *, subject: str) -> list[str]:
    """Return a member as texts; numbers are written out, and NaN is no text."""
    found = child(group, name, subject=subject)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "OSUbiuf":
        raise FormatError("not texts", subject=subject, place=f"{group.name}/{name}", expected="a dataset of texts")
    return [_text(value) for value in np.atleast_1d(found[()]).ravel().tolist()]


def scalar(group: h5py.Group, name: str, *, subject: str) -> str | list[str]:
    """Return a member of the file's description as text, or texts; ``""`` where there is none."""
    if not isinstance(child(group, name, subject=subject), h5py.Dataset):
        return ""
    values = texts(group, name, subject=subject)
    return values[0] if len(values) == 1 else values


def ragged(group: h5py.Group, name: str, *, subject: str, length: int) -> list[slice]:
    """Return where the cells of a ragged column lie, by the ends in ``{name}_index``; one each where it has none."""
    index = f"{name}_index"
    if index not in group:
        return [slice(row, row + 1) for row in range(length)]
    ends = numbers(group, index, subject=subject).astype(np.int64)
    starts = np.concatenate([[0], ends[:-1]]) if ends.size else ends
    if ends.ndim != 1 or (ends < starts).any() or (ends.size and ends[-1] != length):
        raise FormatError(
            "the ends of a ragged column do not fit it", subject=subject, place=f"{group.name}/{index}",
            expected=f"rising numbers up to {length}", found=str(ends[-3:].tolist()),
        )  # fmt: skip
    return [slice(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def clock_of(group: h5py.Group, *, subject: str) -> Clock:
    """Return the clock of a TimeSeries: ``timestamps``, or ``starting_time`` with its attribute ``rate``.

    A rate is the decimal number that the file's float is written as: 3.3 Hz is 33/10.
    """
    if "timestamps" in group:
        stamps = numbers(group, "timestamps", subject=subject).astype(np.float64)
        if stamps.ndim != 1 or not np.isfinite(stamps).all() or (np.diff(stamps) < 0).any():
            raise FormatError(
                "not stamps", subject=subject, place=f"{group.name}/timestamps",
                expected="finite stamps that never go back",
            )  # fmt: skip
        return Clock(stamps=stamps)
    start = child(group, "starting_time", subject=subject)
    if not isinstance(start, h5py.Dataset) or "rate" not in start.attrs:
        return Clock()
    rate = Fraction(str(np.asarray(start.attrs["rate"]).ravel()[0]))
    if rate <= 0:
        raise FormatError("not a sampling rate", subject=subject, place=f"{start.name}.rate", found=str(rate))
    return Clock(rate_hz=rate, start_s=float(np.asarray(start[()]).ravel()[0]))


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> Any:
    """Return an attribute as text, number or list of these; None where there is none."""
    if name not in item.attrs:
        return None
    value = item.attrs[name]
    if isinstance(value, (bytes, str)):
        return _text(value)
    found = [_text(one) if isinstance(one, (bytes, str)) else one for one in np.atleast_1d(value).tolist()]
    return found if np.ndim(value) else found[0]


def column_names(group: h5py.Group) -> Sequence[str]:
    """Return the columns of a DynamicTable in the file's order."""
    named = attribute(group, "colnames")
    listed = [named] if isinstance(named, str) else list(named or ())
    return [name for name in listed if name in group]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return "" if isinstance(value, float) and np.isnan(value) else str(value)
