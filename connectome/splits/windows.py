"""Windows against a split: the part that each one lies in, and the proof that none touches another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import LeakError, UsageError
from .groups import some

if TYPE_CHECKING:
    from .split import Split

__all__ = ["assert_disjoint", "part_of_windows"]

COLUMNS = ("record", "start_s", "stop_s")


def part_of_windows(split: Split, windows: pd.DataFrame) -> pd.Series[Any]:
    """Return the part in which each window lies wholly.

    Parameters
    ----------
    split : Split
        Parts of records or of stretches.
    windows : pandas.DataFrame
        Columns ``record``, ``start_s``, ``stop_s``: half-open windows in seconds on the record's clock, as the index
        of the split has it. Give a window all that is read for it, history and filter length included.

    Returns
    -------
    pandas.Series of str
        On the index of ``windows``; missing where a window touches a guard gap, another part or what lies outside,
        or its record is not in the split.

    Raises
    ------
    UsageError
        When a column is missing, or a window has no finite start before a finite stop.
    """
    found = _positions(split, windows)
    names = np.array([entry.part for entry in split.entries] + [None], dtype=object)
    return pd.Series(names[found], index=windows.index, dtype="str", name="part")


def assert_disjoint(split: Split, windows: pd.DataFrame) -> dict[str, int]:
    """Prove that every window lies wholly in the part that it is used for.

    Together with a proved split this means that windows of different parts share no sample, no record that must not
    be shared, and are a guard gap apart.

    Parameters
    ----------
    split : Split
        Parts of records or of stretches.
    windows : pandas.DataFrame
        Columns ``record``, ``start_s``, ``stop_s`` (as for :func:`part_of_windows`) and ``part``.

    Returns
    -------
    dict of str to int
        How many windows each part has.

    Raises
    ------
    LeakError
        When a window is not wholly inside its part; the first ones are named with the stretches they may use.
    UsageError
        When the table is malformed or names a part that the split does not have.
    """
    if "part" not in windows.columns:
        raise UsageError("the table of windows does not say what each is used for", subject="windows", place="part")
    used = windows["part"].to_numpy(dtype=object)
    strange = sorted({str(part) for part in pd.unique(windows["part"])} - set(split.parts))
    if strange:
        raise UsageError(
            "the split has no such part", subject="windows", expected=some(split.parts), found=some(strange)
        )
    lies_in = part_of_windows(split, windows).to_numpy(dtype=object)
    wrong = np.flatnonzero(used != lies_in)
    if wrong.size:
        table = windows.iloc[wrong[:5]]
        offenders = [
            f"{record} [{start!r}, {stop!r}) s used for {part}: {_why(split, record, float(start), float(stop), part)}"
            for record, start, stop, part in zip(*(table[name].tolist() for name in (*COLUMNS, "part")), strict=True)
        ]
        raise LeakError(
            f"{wrong.size} of {len(windows)} windows leave their part",
            subject=split.name,
            expected="every window wholly inside a stretch of its part",
            found="; ".join(offenders) + ("; ..." if wrong.size > len(offenders) else ""),
        )
    return {part: int((used == part).sum()) for part in split.parts}


def _positions(split: Split, windows: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return for each window the number of the entry that holds it; -1 for none.

    One sorted search over all records at once: a window's start is ranked among all starts of stretches, and
    (record, rank) orders stretches and windows alike, exactly.
    """
    start, stop = _times(windows)
    low = np.array([-np.inf if entry.start_s is None else entry.start_s for entry in split.entries])
    high = np.array([np.inf if entry.stop_s is None else entry.stop_s for entry in split.entries])
    codes = {record: code for code, record in enumerate(sorted({entry.record for entry in split.entries}))}
    held = np.array([codes[entry.record] for entry in split.entries], dtype=np.int64)
    asked = windows["record"].map(codes).fillna(-1).to_numpy(dtype=np.int64)
    starts = np.unique(low)
    ranks = len(starts) + 1
    keys = held * ranks + np.searchsorted(starts, low, side="right")
    order = np.argsort(keys, kind="stable")
    found = np.searchsorted(keys[order], asked * ranks + np.searchsorted(starts, start, side="right"), side="right") - 1
    position = order[np.maximum(found, 0)] if order.size else np.zeros(len(windows), dtype=np.int64)
    if not order.size:
        return np.full(len(windows), -1, dtype=np.int64)
    inside = (found >= 0) & (asked >= 0) & (held[position] == asked) & (stop <= high[position])
    return np.where(inside, position, -1)


def _times(windows: pd.DataFrame) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    lost = [name for name in COLUMNS if name not in windows.columns]
    if lost:
        raise UsageError(
            "the table of windows lacks columns", subject="windows", expected=", ".join(COLUMNS), found=some(lost)
        )
    start = windows["start_s"].to_numpy(dtype=np.float64, na_value=np.nan)
    stop = windows["stop_s"].to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.flatnonzero(~(np.isfinite(start) & np.isfinite(stop) & (start < stop)))
    if wrong.size:
        row = int(wrong[0])
        raise UsageError(
            f"{wrong.size} windows have no finite start before a finite stop",
            subject="windows",
            place=f"row {row}",
            found=f"[{start[row]!r}, {stop[row]!r})",
        )
    return start, stop


def _why(split: Split, record: str, start: float, stop: float, part: str) -> str:
    entries = [entry for entry in split.entries if entry.record == record]
    if not entries:
        return "the record is not in the split"
    if entries[0].start_s is None:
        return f"the record is in {entries[0].part}"
    cut = ((entry.part, entry.start_s, entry.stop_s) for entry in entries)
    touched = {name for name, low, high in cut if low is not None and high is not None and low < stop and start < high}
    others = sorted(touched - {part})
    return f"it touches {some(others)}" if others else "it touches a guard gap or leaves the record"
