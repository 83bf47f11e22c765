"""Where a record begins and ends in time, and which records share one time axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from ..errors import UsageError
from .groups import components, duplicates, groups_of, records_of, some

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["TIME_COLUMNS", "Extent", "extents_of", "strands_of"]

TIME_COLUMNS = (("start_s", "stop_s"), ("duration_s",), ("n_samples", "sampling_frequency_hz"))
"""Columns that give an extent; the first set that the index has is used. The last two start at 0 s."""


class Extent(NamedTuple):
    """A half-open stretch of time in seconds."""

    start_s: float
    stop_s: float


def extents_of(index: pd.DataFrame, *, needed: Collection[str]) -> dict[str, Extent]:
    """Return the extents that the index gives, each on the record's own clock.

    Parameters
    ----------
    index : pandas.DataFrame
        One row per record.
    needed : collection of str
        Records that must have one; others may go without.

    Raises
    ------
    UsageError
        When the index has no columns for it, or a needed record has no finite start before a finite stop; such
        records are named.
    """
    records = records_of(index)
    names = next((names for names in TIME_COLUMNS if set(names) <= set(index.columns)), None)
    if names is None:
        if not needed:
            return {}
        raise UsageError(
            "the index does not say how long its records are",
            subject="index",
            expected=" or ".join(" and ".join(names) for names in TIME_COLUMNS),
            found=some(map(str, index.columns)),
        )
    values = [pd.to_numeric(index[name], errors="coerce").astype("float64").tolist() for name in names]
    if names == ("start_s", "stop_s"):
        pairs = list(zip(*values, strict=True))
    elif names == ("duration_s",):
        pairs = [(0.0, duration) for duration in values[0]]
    else:
        pairs = [(0.0, n / rate if rate > 0 else math.nan) for n, rate in zip(*values, strict=True)]
    extents = {
        record: Extent(start, stop)
        for record, (start, stop) in zip(records, pairs, strict=True)
        if -math.inf < start < stop < math.inf
    }
    wrong = sorted(set(needed) - set(extents))
    if wrong:
        raise UsageError(
            f"{len(wrong)} of {len(records)} records have no extent in time",
            subject="index",
            place=" and ".join(names),
            expected="a finite start before a finite stop",
            found="none for " + some(wrong),
            hint="leave out records without a clock in seconds, or split by groups",
        )
    return extents


def strands_of(index: pd.DataFrame, *, clock: str | None) -> dict[str, str]:
    """Return for each record the strand it is of, named by its least record.

    Records of one strand share a time axis: they were taken on one clock (they have the same value in the column
    ``clock``; without one they stand alone), or hold identical content.

    Raises
    ------
    UsageError
        When there is no such column.
    """
    records = records_of(index)
    ties = [list(same) for same in duplicates(index)]
    if clock is not None:
        holders: dict[str, list[str]] = {}
        for record, label in groups_of(index, (clock,), missing="own-group").items():
            holders.setdefault(label, []).append(record)
        ties += holders.values()
    return components(records, ties)
