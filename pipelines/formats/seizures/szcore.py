"""Tables of seizures as SzCORE wants them: ``onset duration eventType confidence channels dateTime recordingDuration``.

One row ``bckg`` over the whole file says that there was no seizure. Dan et al. 2025, doi:10.1111/epi.18113,
https://eslweb.epfl.ch/epilepsybenchmarks/framework/bids-seizure-annotations/.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import FormatError
from connectome.intervals import as_intervals, merged, without
from connectome.schema import warning
from connectome.seizures import BACKGROUND, SZCORE_LABELS, Seizure, is_seizure

from ..bids.tsv import MISSING, Rows, read_rows

if TYPE_CHECKING:
    from connectome.intervals import Intervals

    from ..tables.text_rows import Note

__all__ = ["COLUMN", "SzcoreTable", "is_szcore", "parse_szcore", "read_szcore"]

COLUMN = "eventType"
SOURCE = "events.tsv"
UNJUDGED = "impd"
SLACK_S = 1.0
"""Lengths that differ by less are the same, rounded."""


@dataclass(frozen=True)
class SzcoreTable:
    """What such a table says."""

    seizures: tuple[Seizure, ...]
    recording_s: float | None
    """Length of the recording, where it is stated."""
    started_at: str
    """Date and time of its start, as written; ``""`` where it is not stated."""
    warnings: tuple[Note, ...] = ()
    unjudged: tuple[tuple[float, float], ...] = ()
    """Stretches in which the signal cannot be judged, from start to stop."""

    @property
    def observed(self) -> Intervals | None:
        """Stretches of time in which it says which seizures there are; None where that is all time."""
        stated = self.recording_s is not None and self.recording_s > 0
        if not stated and not self.unjudged:
            return None
        whole = (0.0, float(self.recording_s or 0.0)) if stated else (-math.inf, math.inf)
        return without(as_intervals([whole]), merged(self.unjudged))


def is_szcore(rows: Rows) -> bool:
    """Tell whether a table of events is one of SzCORE: by its column, and a code that SzCORE has."""
    return bool(rows) and COLUMN in rows[0] and any(row[COLUMN] in SZCORE_LABELS for row in rows)


def read_szcore(path: Path) -> SzcoreTable:
    """Read such a table.

    Raises
    ------
    FormatError
        When the column ``eventType`` is missing, or a seizure has no onset or a negative duration.
    """
    return parse_szcore(read_rows(path), subject=str(path))


def parse_szcore(rows: Rows, *, subject: str) -> SzcoreTable:
    """Read rows of such a table; see :func:`read_szcore`."""
    missing = [key for key in ("onset", "duration", COLUMN) if rows and key not in rows[0]]
    if missing:
        raise FormatError("columns are missing", subject=subject, expected="onset, duration, eventType")
    seizures: list[Seizure] = []
    unknown: dict[str, None] = {}
    for number, row in enumerate(rows, start=2):
        code = row[COLUMN]
        if code not in MISSING and code not in SZCORE_LABELS:
            unknown[code] = None
        if not is_seizure(code):
            continue
        onset, duration = _number(row["onset"]), _number(row["duration"])
        if onset is None or (duration is not None and duration <= 0):
            raise FormatError(
                "a seizure has no time", subject=subject, place=f"line {number}",
                expected="onset, and duration above 0", found=f"{row['onset']}, {row['duration']}",
            )  # fmt: skip
        seizures.append(Seizure(onset, math.nan if duration is None else onset + duration, code, SOURCE))
    lengths = {length for row in rows if (length := _number(row.get("recordingDuration", ""))) is not None}
    dates = {row["dateTime"] for row in rows if row.get("dateTime", "n/a") not in MISSING}
    warnings: list[Note] = []
    for code, found in (("several-durations", lengths), ("several-dates", dates)):
        if len(found) > 1:
            warnings.append(warning(code, "events.tsv", ", ".join(map(str, sorted(found)))))
    whole = next(iter(lengths)) if len(lengths) == 1 else None
    quiet = merged(_spans(rows, BACKGROUND))
    covered = float((quiet[:, 1] - quiet[:, 0]).sum())
    if not seizures and whole is not None and covered < whole - SLACK_S:
        message = f"no seizure is stated, and {BACKGROUND} covers {covered:g} s of {whole:g} s"
        warnings.append(warning("background-in-part", "events.tsv", message))
    if unknown:
        message = f"codes that SzCORE does not have: {', '.join(unknown)}"
        warnings.append(warning("unknown-event-types", "events.tsv", message))
    return SzcoreTable(
        tuple(seizures),
        whole,
        dates.pop() if len(dates) == 1 else "",
        tuple(warnings),
        tuple(_spans(rows, UNJUDGED)),
    )


def _spans(rows: Rows, code: str) -> list[tuple[float, float]]:
    times = [(_number(row["onset"]), _number(row["duration"])) for row in rows if row[COLUMN] == code]
    return [(onset, onset + duration) for onset, duration in times if onset is not None and duration and duration > 0]


def _number(text: str) -> float | None:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
