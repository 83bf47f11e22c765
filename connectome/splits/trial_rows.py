"""The rows of a table of trials: record, start and stop of each, and the values that are kept together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError
from .groups import some

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["by_record", "trials_of", "values_of"]


def trials_of(index: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Return record, start and stop of every row."""
    lost = [name for name in ("record", "start_s", "stop_s") if name not in index.columns]
    if lost or not len(index):
        raise UsageError(
            "not a table of trials",
            subject="trials",
            expected="rows with record, start_s, stop_s",
            found=f"without {some(lost)}" if lost else "no row",
        )
    start, stop = (index[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("start_s", "stop_s"))
    wrong = np.flatnonzero(~(np.isfinite(start) & np.isfinite(stop) & (start < stop)))
    if wrong.size:
        raise UsageError(
            f"{wrong.size} trials have no finite start before a finite stop",
            subject="trials",
            place=f"row {wrong[0]}",
            found=f"[{start[wrong[0]]!r}, {stop[wrong[0]]!r})",
        )
    return list(zip(map(str, index["record"].tolist()), start.tolist(), stop.tolist(), strict=True))


def by_record(trials: Sequence[tuple[str, float, float]]) -> dict[str, list[int]]:
    """Return record to positions of its trials, by name of the record."""
    found: dict[str, list[int]] = {}
    for at, (record, _, _) in enumerate(trials):
        found.setdefault(record, []).append(at)
    return dict(sorted(found.items()))


def values_of(index: pd.DataFrame, by: Sequence[str]) -> list[str]:
    """Return the value of every trial, several columns as one; refuse missing ones."""
    lost = [name for name in by if name not in index.columns]
    if lost:
        raise UsageError("the trials have no such column", subject="trials", place=some(lost))
    missing = index[list(by)].isna().to_numpy().any(axis=1) | (index[list(by)] == "").to_numpy().any(axis=1)
    if missing.any():
        raise UsageError(
            f"{int(missing.sum())} trials have no value",
            subject="trials",
            place=" and ".join(by),
            hint="leave them out of the table: they are then in no part",
        )
    rows = zip(*(index[name].tolist() for name in by), strict=True)
    return [", ".join(f"{name}={value}" for name, value in zip(by, row, strict=True)) for row in rows]
