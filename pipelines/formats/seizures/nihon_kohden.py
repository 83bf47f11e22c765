"""The true times of marks that an EDF export of Nihon Kohden gives the start of their data record.

Such an export writes ``+75.000000`` as the text of one mark, and gives it and the mark that it belongs to the same
onset, that of the record (74.71): the number in the text is the time at which the mark was set. Measured on 564 rows of
19 subjects of ds003029 (doi:10.18112/openneuro.ds003029.v1.0.5): always later than the onset, by less than 0.5 s. Of
these subjects, eight have whole seconds only: their marks were set, or exported, to the second, and no correction makes
them better than that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectome.schema import warning

if TYPE_CHECKING:
    from ..tables.text_rows import Note

__all__ = ["RULE", "CorrectedOnsets", "correct_onsets", "is_time_mark"]

RULE = "nihon-kohden-time-mark"
"""Id of the correction in a record's column ``onset_corrected_by``."""
LATEST_S = 0.5
"""A number further off is not the time of a mark in that record."""
ROUNDING_S = 1e-6
ENOUGH = 3
"""So many whole seconds, and no other time, are no chance."""

_MARK = re.compile(r"\+(\d+\.\d{6})")


@dataclass(frozen=True)
class CorrectedOnsets:
    """Onsets in the order given."""

    onsets_s: tuple[float, ...]
    corrected_by: tuple[str, ...]
    """``RULE``, or ``""`` where the onset is the source's."""
    doubtful: tuple[str, ...] = ()
    """Time marks that were not followed, and why."""
    whole_seconds: int = 0
    """Number of time marks after the start, where all are whole seconds and they are enough to say so; else 0."""

    def notes(self, place: str) -> list[Note]:
        """Return what is in doubt as warnings of a record."""
        found: list[Note] = []
        if self.doubtful:
            message = f"not followed, being several or more than {LATEST_S:g} s off: {'; '.join(self.doubtful)}"
            found.append(warning("time-marks-doubtful", place, message))
        if self.whole_seconds:
            message = f"all {self.whole_seconds} time marks are whole seconds: onsets are known to the second"
            found.append(warning("time-marks-whole-seconds", place, message))
        return found

    @property
    def n_corrected(self) -> int:
        """How many onsets are others than the source's."""
        return sum(1 for rule in self.corrected_by if rule)


def is_time_mark(text: str) -> bool:
    """Tell whether a text is nothing but the time of another mark."""
    return _MARK.fullmatch(text.strip()) is not None


def correct_onsets(onsets_s: Sequence[float], texts: Sequence[str]) -> CorrectedOnsets:
    """Give marks the time that a time mark of the same onset states.

    Parameters
    ----------
    onsets_s : sequence of float
        As in the source; NaN is left as it is.
    texts : sequence of str
        One for each.

    Returns
    -------
    CorrectedOnsets
        Times that differ by rounding only are left as they are, and so are those of an onset that has several time
        marks with different numbers, or one that is earlier or more than half a second later.
    """
    stated: dict[float, set[float]] = {}
    for onset, text in zip(onsets_s, texts, strict=True):
        found = _MARK.fullmatch(text.strip())
        if found is not None and not math.isnan(onset):
            stated.setdefault(onset, set()).add(float(found[1]))
    doubtful = []
    true: dict[float, float] = {}
    for onset, times in stated.items():
        later = [time - onset for time in times]
        if len(times) > 1 or not -ROUNDING_S <= later[0] <= LATEST_S + ROUNDING_S:
            listed = ", ".join(f"{time:f}" for time in sorted(times))
            doubtful.append(f"{onset:g} s: {listed}")
        elif later[0] > ROUNDING_S:
            true[onset] = next(iter(times))
    onsets = tuple(true.get(onset, onset) for onset in onsets_s)
    times = {time for found in stated.values() for time in found if time > 0}
    whole = len(times) if len(times) >= ENOUGH and all(time.is_integer() for time in times) else 0
    rules = tuple(RULE if onset in true else "" for onset in onsets_s)
    return CorrectedOnsets(onsets, rules, tuple(doubtful), whole)
