"""Recordings of one person beside each other in time, so that what is near a seizure may lie in another recording.

Where each recording says when it began (``recorded_at``), the seizures of all can be put on the clock of any. Dates are
often shifted to protect people, for CHB-MIT by the same time for all recordings of a case; where they were made up for
each recording alone, recordings overlap, and that is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from connectome.errors import UsageError

if TYPE_CHECKING:
    from connectome.seizures import Seizure

__all__ = ["Neighbour", "began_at", "refuse_overlaps", "seizures_elsewhere"]

BEGAN, FIRST = "recorded_at", "first_sample_after_start_s"
ROUNDING_S = 1.0
"""Files state when they began to the second."""


@dataclass(frozen=True)
class Neighbour:
    """A recording in time."""

    record: str
    began: datetime
    """Of its first sample."""
    length_s: float
    """From its first sample to its last, gaps included."""
    seizures: Sequence[Seizure] = ()

    def after_s(self, other: Neighbour) -> float:
        """Return how many seconds after another it began."""
        return (self.began - other.began).total_seconds()


def began_at(attrs: Mapping[str, Any]) -> datetime | None:
    """Return when the first sample of a series was taken, in UTC where the zone is known; None where nobody says.

    Raises
    ------
    UsageError
        When what is stated is no date and time.
    """
    text = str(attrs.get(BEGAN) or "")
    if not text:
        return None
    try:
        began = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError("not a date and time", subject=BEGAN, expected="2011-05-17T04:00:13", found=text) from error
    began = began if began.tzinfo is None else began.astimezone(UTC)
    return began + timedelta(seconds=float(attrs.get(FIRST, 0.0)))


def refuse_overlaps(neighbours: Iterable[Neighbour], *, subject: str) -> None:
    """Refuse recordings of one person that overlap, or of which only some say in which zone of time they began.

    Raises
    ------
    UsageError
        When their times cannot be right.
    """
    found = list(neighbours)
    if len({item.began.tzinfo is None for item in found}) > 1:
        raise UsageError(
            "some recordings of one person have a zone of time and others none", subject=subject, place=BEGAN,
            hint="read them with across=False",
        )  # fmt: skip
    for one, other in pairwise(sorted(found, key=lambda item: (item.began, item.record))):
        if other.after_s(one) < one.length_s - ROUNDING_S:
            raise UsageError(
                "recordings of one person overlap in time: when they began is made up",
                subject=subject, place=BEGAN, expected=f"{other.record} after the end of {one.record}",
                found=f"{other.after_s(one):g} s after its start, and it lasts {one.length_s:g} s",
                hint="read them with across=False",
            )  # fmt: skip


def seizures_elsewhere(here: Neighbour, neighbours: Iterable[Neighbour]) -> list[Seizure]:
    """Return the seizures of other recordings on the clock of one; negative times lie before its first sample.

    None of them is in this recording, though clocks are rounded: what would reach into it is cut at its ends. A seizure
    whose end is unknown lasts to the end of its recording here.
    """
    found = []
    for other in neighbours:
        if other.record == here.record:
            continue
        shift = other.after_s(here)
        low, high = (-math.inf, 0.0) if shift < 0 else (here.length_s, math.inf)
        for item in other.seizures:
            end = other.length_s if math.isnan(item.offset_s) else item.offset_s
            onset, end = max(item.onset_s + shift, low), min(end + shift, high)
            if onset < end:
                found.append(replace(item, onset_s=onset, offset_s=end))
    return found
