"""What is read for every trial of a version: the table, the moment, and how far before and after it.

:class:`~connectome.splits.TrialSplit` divides rows of record, start and stop. Here they are read from the records, so
that a split of trials can be stored, and made again when records are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NotFoundError, UsageError
from .groups import some
from .plan import columns

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..store import Version

__all__ = ["REPEAT", "TrialTable", "TrialWindows", "read_trials"]

Array = np.ndarray[Any, Any]
REPEAT = "repeat"
"""Column that counts the presentations of one value in a record, from 0, in order of time."""


@dataclass(frozen=True, kw_only=True)
class TrialWindows:
    """Which trials there are, and what is read for each.

    Parameters
    ----------
    table : str
        Path of the table in every record: ``"trials"``, ``"stimulus/natural_scenes"``.
    align : str
        Column of the moments, in seconds.
    before_s, after_s : float
        What is read around each moment. A decimal counts as written: 0.02 is two hundredths.
    until : str, optional
        Instead of ``after_s``, a column with the end of each trial.
    history_s : float
        Seconds before ``before_s`` that a model looks at as well; they belong to the trial.
    columns : sequence of str
        Columns that a plan goes by or a proof counts.
    repeats_of : str, optional
        A column whose presentations are counted: adds the column ``"repeat"``.
    """

    table: str = "trials"
    align: str = "start_time"
    before_s: float = 0.0
    after_s: float | None = None
    until: str | None = None
    history_s: float = 0.0
    columns: Sequence[str] = ()
    repeats_of: str | None = None

    def __post_init__(self) -> None:
        if (self.after_s is None) == (self.until is None):
            raise UsageError(
                "where a trial ends is needed, once", subject="after_s", expected="after_s or until",
                found=f"after_s {self.after_s!r}, until {self.until!r}",
            )  # fmt: skip
        numbers = {"before_s": self.before_s, "history_s": self.history_s}
        if self.after_s is not None:
            numbers["after_s"] = self.after_s
        for name, value in numbers.items():
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not np.isfinite(value):
                raise UsageError("not a time", subject=name, expected="finite seconds", found=repr(value))
            object.__setattr__(self, name, float(value))
        if self.history_s < 0 or (self.after_s is not None and self.before_s + self.after_s <= 0):
            raise UsageError("a window of no length", subject="before_s", found=str(numbers))
        object.__setattr__(self, "table", self.table.strip("/"))
        object.__setattr__(self, "columns", columns(self.columns, what="columns") if self.columns else ())

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "columns": list(self.columns)}


@dataclass(frozen=True)
class TrialTable:
    """The trials of a version."""

    frame: pd.DataFrame
    """One row per trial: ``record``, ``start_s``, ``stop_s`` (all that is read), ``row``, and the columns."""
    left_out: Mapping[str, int]
    """Record to rows without a moment, an end or a value of a column."""
    without: tuple[str, ...]
    """Records that do not have the table."""
    longest_s: float
    """The longest window, history not included."""


def read_trials(version: Version, windows: TrialWindows) -> TrialTable:
    """Read the trials of all records.

    Parameters
    ----------
    version : Version
        An opened version.
    windows : TrialWindows
        What is read for each trial.

    Returns
    -------
    TrialTable
        Starts and ends are the doubles nearest to the exact sums of what the table and the plan say, as loaders
        compute them.

    Raises
    ------
    NotFoundError
        When no record has the table, or a table lacks a column.
    UsageError
        When moments are no numbers, or no trial is left.
    """
    import pandas as pd

    frames, left_out, without, longest = [], {}, [], 0.0
    for record, receipt in version.manifest.records.items():
        if f"/{windows.table}" not in receipt.facts:
            without.append(record)
            continue
        group = version.open(record)[windows.table].to_dataset()
        own, n_lost, span_s = _of_record(group, windows, record=record)
        frames.append(own)
        longest = max(longest, span_s)
        if n_lost:
            left_out[record] = n_lost
    if not frames:
        raise NotFoundError(
            "no record has the table", subject=version.spec, place=windows.table, found=some(version.manifest.records)
        )
    frame = pd.concat(frames, ignore_index=True)
    if not len(frame):
        raise UsageError("no trial is left", subject=version.spec, place=windows.table, found=str(left_out))
    return TrialTable(frame, left_out, tuple(without), longest)


def _of_record(group: xr.Dataset, windows: TrialWindows, *, record: str) -> tuple[pd.DataFrame, int, float]:
    import pandas as pd

    # Here, not above: the schema package is heavier than a plan that is read from JSON needs.
    from ..schema import decode
    from ..spikes import exact_seconds

    wanted = [name for name in windows.columns if name != REPEAT or windows.repeats_of is None]
    needed = [windows.align, *([windows.until] if windows.until else []), *wanted]
    needed += [windows.repeats_of] if windows.repeats_of else []
    lost = [name for name in needed if name not in group.variables or group[name].dims != ("row",)]
    if lost:
        raise NotFoundError(
            "the table has no such column", subject=record, place=f"{windows.table}/{', '.join(lost)}",
            expected=", ".join(map(str, group.variables)),
        )  # fmt: skip
    values = {name: decode(group[name].variable) for name in dict.fromkeys(needed)}
    moments = [name for name in (windows.align, windows.until) if name]
    for name in moments:
        if values[name].dtype.kind not in "iuf":
            raise UsageError("moments are numbers", subject=record, place=f"{windows.table}/{name}")
    kept = np.logical_and.reduce([_known(values[name]) for name in values])
    row = np.flatnonzero(kept)
    onset = values[windows.align][row].astype(np.float64).tolist()
    before, history = (exact_seconds(value, subject="before_s") for value in (windows.before_s, windows.history_s))
    starts = [exact_seconds(at, subject="onset") - before for at in onset]
    if windows.until:
        stops = [exact_seconds(at, subject="end") for at in values[windows.until][row].astype(np.float64).tolist()]
    else:
        span = before + exact_seconds(windows.after_s or 0.0, subject="after_s")
        stops = [at + span for at in starts]
    frame = pd.DataFrame(
        {
            "record": pd.Series([record] * len(row), dtype="str"),
            "start_s": np.array([float(at - history) for at in starts], dtype=np.float64),
            "stop_s": np.array([float(at) for at in stops], dtype=np.float64),
            "row": row.astype(np.int64),
            **{name: values[name][row] for name in wanted},
        }
    )
    if windows.repeats_of:
        order = np.lexsort((row, np.array(onset)))
        shown = pd.Series(values[windows.repeats_of][row][order])
        counted = np.empty(len(row), dtype=np.int64)
        counted[order] = shown.groupby(shown).cumcount().to_numpy()
        frame[REPEAT] = counted
    longest = max((float(stop - start) for start, stop in zip(starts, stops, strict=True)), default=0.0)
    return frame, int(len(kept) - len(row)), longest


def _known(values: Array) -> Array:
    if values.dtype.kind == "O":
        return np.array([value != "" for value in values.tolist()], dtype=bool)
    return np.isfinite(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
