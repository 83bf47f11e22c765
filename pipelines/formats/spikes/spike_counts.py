"""Counts of spikes per bin, as some laboratories publish instead of times: kept as counts, never turned into times.

Counts are a ``series``: one channel per unit, one sample per bin, the source's own stamps as the clock. When in its
bin a spike came is not known, so an ``events`` group would have to make times up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import series

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

__all__ = ["count_series", "unsigned", "whole"]

Array = np.ndarray[Any, Any]


def unsigned(values: Array, *, subject: str, place: str) -> Array:
    """Return counts in an integer dtype: the source's own, or the narrowest unsigned one that holds its floats exactly.

    Raises
    ------
    FormatError
        When a count is negative, fractional or not a number.
    """
    if values.dtype.kind not in "iuf":
        raise FormatError("counts are not numbers", subject=subject, place=place, found=str(values.dtype))
    # A comparison with NaN is false.
    good = (values >= 0) & (values < 2.0**53)
    if values.dtype.kind == "f":
        good &= values == np.floor(values)
    if not good.all():
        at = np.argwhere(~good)[0]
        raise FormatError(
            "a count that cannot be", subject=subject, place=f"{place}, index {tuple(at.tolist())}",
            expected="whole numbers from 0 up", found=str(values[tuple(at)]),
        )  # fmt: skip
    if values.dtype.kind != "f":
        return values
    largest = int(values.max()) if values.size else 0
    return values.astype(np.min_scalar_type(largest))


def whole(values: Array) -> Array:
    """Return floats that are all whole in the narrowest signed integer dtype; others as they are."""
    if values.dtype.kind != "f" or not np.isfinite(values).all() or not (values == np.floor(values)).all():
        return values
    largest = float(np.abs(values).max()) if values.size else 0.0
    return values.astype(next((kind for kind in (np.int8, np.int16, np.int32) if largest <= np.iinfo(kind).max), float))


def count_series(
    counts: Array,
    time_s: Array,
    *,
    bin_s: float,
    stamp: str,
    subject: str,
    place: str,
    segments: Sequence[tuple[int, int]] | None = None,
) -> xr.Dataset:
    """Make the series of counts.

    Parameters
    ----------
    counts : numpy.ndarray
        Shape (unit, bin), integers.
    time_s : numpy.ndarray
        Shape (bin,), float64: the source's stamps.
    bin_s : float
        Width of a bin in seconds, by the source's own steps.
    stamp : str
        What is known of where in its bin a stamp lies.
    subject, place : str
        File and place of the stamps, for errors.
    segments : sequence of (start, stop), optional
        Ranges of bins that follow one another without a gap.

    Raises
    ------
    FormatError
        When stamps are no numbers, go back, or are not one per bin.
    """
    if time_s.shape != counts.shape[1:]:
        raise FormatError(
            "not one time per bin", subject=subject, place=place, expected=f"{counts.shape[1]} times",
            found=f"shape {time_s.shape}",
        )  # fmt: skip
    rises = np.diff(time_s, prepend=-np.inf) > 0
    if not np.isfinite(time_s).all() or not rises.all():
        at = int(np.flatnonzero(~(np.isfinite(time_s) & rises))[0])
        raise FormatError(
            "times of bins are no numbers or do not rise", subject=subject, place=f"{place}, bin {at}",
            expected="rising seconds", found=f"{time_s[at]} after {time_s[at - 1] if at else 'nothing'}",
        )  # fmt: skip
    return series(
        counts, channel=[str(unit) for unit in range(len(counts))], units="1", long_name="Spikes per bin",
        time_s=time_s, segments=segments, bin_s=bin_s, stamp=stamp,
    )  # fmt: skip
