"""Which windows there are, by arithmetic.

A window lies in one *range*: the overlap of a segment of a record (no gap inside) with a stretch of the split's part.
The index keeps one row per range, never one per window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from connectome.errors import NotFoundError, UsageError
from connectome.splits import held_out_of

if TYPE_CHECKING:
    from connectome.splits import Split
    from connectome.store import Version

    from .signals import SeriesInfo, SeriesReader

__all__ = ["Lengths", "PlacedWindows", "WindowIndex", "choose_split", "sample_ranges", "stretches_of"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class WindowIndex:
    """Every window of a set of ranges, found by arithmetic.

    All arrays have one entry per range.
    """

    record: Array
    """int64, position of the record."""
    begin: Array
    """int64, first sample of the range."""
    end: Array
    """int64, sample after its last one."""
    window: Array
    """int64, samples per window."""
    stride: Array
    """int64, samples from one window to the next."""
    first: Array = field(init=False, repr=False)
    """int64, one entry more: number of the range's first window; the last entry is the number of windows."""

    def __post_init__(self) -> None:
        counts = np.maximum(0, (self.end - self.begin - self.window) // self.stride + 1)
        object.__setattr__(self, "first", np.concatenate([[0], np.cumsum(counts)]))

    def __len__(self) -> int:
        return int(self.first[-1])

    @property
    def digest(self) -> str:
        """SHA-256 of all ranges, lengths and strides."""
        columns = (self.record, self.begin, self.end, self.window, self.stride)
        return hashlib.sha256(np.stack(columns).astype("<i8").tobytes()).hexdigest()

    def locate(self, indices: Array) -> tuple[Array, Array]:
        """Return the range and the first sample of windows.

        Parameters
        ----------
        indices : numpy.ndarray
            Integers from 0 to the number of windows, exclusive.

        Returns
        -------
        range, start : numpy.ndarray
            int64, of the same shape.

        Raises
        ------
        IndexError
            When there is no such window.
        """
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(f"window {indices.min()} to {indices.max()} of {len(self)}")
        which = np.searchsorted(self.first, indices, side="right") - 1
        return which, self.begin[which] + (indices - self.first[which]) * self.stride[which]

    def shifted(self, offset: float) -> WindowIndex:
        """Return the windows that begin later by a part of their stride (0 to 1), so that their borders move."""
        moved = self.begin + (offset * self.stride).astype(np.int64)
        return WindowIndex(self.record, moved, self.end, self.window, self.stride)


@dataclass(frozen=True)
class PlacedWindows(WindowIndex):
    """Windows that lie where events or labels put them, each in one range."""

    range: Array = field(kw_only=True, repr=False)
    """Shape (window,), int64: the range of every window."""
    start: Array = field(kw_only=True, repr=False)
    """Shape (window,), int64: its first sample."""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def digest(self) -> str:
        """SHA-256 of all ranges and windows."""
        placed = np.stack([self.range, self.start]).astype("<i8").tobytes()
        return hashlib.sha256(super().digest.encode() + placed).hexdigest()

    def locate(self, indices: Array) -> tuple[Array, Array]:
        """Return the range and the first sample of windows, as for other windows."""
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(f"window {indices.min()} to {indices.max()} of {len(self)}")
        return self.range[indices], self.start[indices]

    def shifted(self, offset: float) -> WindowIndex:
        """Refuse to move windows whose place has a meaning.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(
            "these windows lie where they are for a reason", subject="jitter", found=str(offset), hint="jitter=False"
        )


@dataclass(frozen=True)
class Lengths:
    """Window and stride as they were asked for."""

    window: int | None
    window_s: float | None
    stride: int | None
    stride_s: float | None

    def __post_init__(self) -> None:
        if (self.window is None) == (self.window_s is None):
            raise UsageError("the length of a window is needed, once", subject="window", expected="window or window_s")
        if self.stride is not None and self.stride_s is not None:
            raise UsageError("the stride is given twice", subject="stride", expected="stride or stride_s")
        for name in ("window", "stride"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
                raise UsageError(f"{name} counts samples", subject=name, expected="1 or more", found=repr(value))

    def of(self, info: SeriesInfo) -> tuple[int, int]:
        """Return (window, stride) in samples of one record."""
        window = self.window if self.window is not None else info.samples_per(cast("float", self.window_s))
        if self.stride is not None:
            return window, self.stride
        return window, window if self.stride_s is None else info.samples_per(self.stride_s)


def choose_split(version: Version, split: str | tuple[Split, str] | None) -> tuple[Split | None, str | None]:
    """Return the split and the part that are meant: ``"NAME/PART"``, ``"PART"``, or a split and the part's name.

    Where folds are stored, ``"NAME-FOLD/train"`` and ``"NAME-FOLD/test"`` hold one of them out.
    """
    if split is None:
        return None, None
    if not isinstance(split, str):
        found, part = split
        found.records(part)
        return found, part
    stored = version.splits
    name, slash, part = split.partition("/")
    if not slash:
        if len(stored) != 1:
            raise UsageError(
                "which split is meant" if stored else "the version has no split",
                subject=version.spec,
                expected=", ".join(f"{name}/{split}" for name in stored) or None,
                found=split,
                hint=None if stored else f"connectome split {version.dataset} --by ...",
            )
        name, part = next(iter(stored)), split
    held_out = None if name in stored else held_out_of(stored, name)
    if held_out is not None:
        held_out.records(part)
        return held_out, part
    if name not in stored:
        raise NotFoundError("no such split", subject=version.spec, expected=", ".join(stored) or "none", found=name)
    stored[name].records(part)
    return stored[name], part


def stretches_of(split: Split | None, part: str | None) -> dict[str, list[tuple[float, float]]] | None:
    """Return the part's stretches in seconds by record, NaN for whole records; None where all of each is read."""
    if split is None or part is None:
        return None
    table = split.stretches(part)
    found: dict[str, list[tuple[float, float]]] = {}
    for record, start_s, stop_s in zip(
        *(table[name].tolist() for name in ("record", "start_s", "stop_s")), strict=True
    ):
        found.setdefault(record, []).append((start_s, stop_s))
    return found


def sample_ranges(series: SeriesReader, stretches: Sequence[tuple[float, float]] | None) -> list[tuple[int, int]]:
    """Return the overlaps of a record's segments with stretches in seconds, as half-open ranges of samples."""
    info = series.info
    whole = (0, info.n_samples)
    inside = [whole] if stretches is None else [
        whole if np.isnan(start_s) else series.sample_range(start_s, stop_s) for start_s, stop_s in stretches
    ]  # fmt: skip
    overlaps = [(max(first, begin), min(last, end)) for first, last in info.segments for begin, end in inside]
    return sorted((begin, end) for begin, end in overlaps if begin < end)
