"""Seizures of a recording: when they began and ended, as far as the source says, and the group ``seizure`` of a record.

A record without that group says nothing about seizures; one with an empty group says that there was none. Where a
source says which time it speaks of, the attribute ``observed_s`` of the group has it, as pairs of start and stop in
seconds after the first sample, ``null`` where there is no bound; without it, the source speaks of the whole recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import SchemaError
from connectome.intervals import Intervals, as_intervals, merged

from .vocabulary import SEIZURE, is_seizure

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["GROUP", "OBSERVED", "Seizure", "intervals_of", "observed_of", "seizure_table", "seizures_of"]

GROUP = "seizure"
"""Path of the table in a record."""
OBSERVED = "observed_s"
"""Attribute of the table: the annotated time."""


@dataclass(frozen=True)
class Seizure:
    """One seizure."""

    onset_s: float
    """Seconds after the first sample of the recording."""
    offset_s: float = math.nan
    """Its end; NaN where the source does not say."""
    label: str = SEIZURE
    """Code of SzCORE."""
    source: str = ""
    """Where it is said: ``summary``, ``.seizures``, ``events.tsv``, ``annotation``."""


def seizure_table(
    seizures: Iterable[Seizure], *, observed: Sequence[tuple[float, float]] | Intervals | None = None, **attrs: object
) -> xr.Dataset:
    """Make the group ``seizure``.

    Parameters
    ----------
    seizures : iterable of Seizure
        None of them says that there was none.
    observed : pairs of (start, stop), optional
        The annotated time in seconds after the first sample, infinite where there is no bound; by default the source
        speaks of all time.
    **attrs
        Further attributes, among them what decides: ``rule``.

    Returns
    -------
    xarray.Dataset
        Columns ``onset_s`` and ``offset_s`` (float64, seconds), ``label`` and ``source``, sorted by onset.

    Raises
    ------
    SchemaError
        When an onset is no number, an end does not come after its onset, a code is not one of a seizure, or a stretch
        of annotated time does not end after it begins.
    """
    rows = sorted(seizures, key=lambda item: (item.onset_s, item.offset_s))
    for item in rows:
        if not math.isfinite(item.onset_s) or item.offset_s <= item.onset_s or math.isinf(item.offset_s):
            raise SchemaError(
                "a seizure does not end after it begins", subject=GROUP, expected="onset_s < offset_s, or no end",
                found=f"{item.onset_s} to {item.offset_s} s",
            )  # fmt: skip
        if not is_seizure(item.label):
            raise SchemaError("not a code of a seizure", subject=GROUP, expected="sz, sz_foc_ia, ...", found=item.label)
    if observed is not None:
        pairs = as_intervals(observed)
        # Written so that NaN fails too.
        if not bool((pairs[:, 0] < pairs[:, 1]).all()):
            raise SchemaError(
                "annotated time does not end after it begins", subject=GROUP, expected="start < stop",
                found=str(pairs.tolist()[:5]),
            )  # fmt: skip
        bounds = merged(pairs).tolist()
        attrs[OBSERVED] = [[bound if math.isfinite(bound) else None for bound in pair] for pair in bounds]
    onsets, offsets = (np.array([getattr(item, key) for item in rows], dtype=np.float64) for key in _TIMES)
    return schema.table(
        {
            "onset_s": schema.column("row", onsets, "Onset after the first sample", "s"),
            "offset_s": schema.column("row", offsets, "End after the first sample, where it is known", "s"),
            "label": schema.column("row", [item.label for item in rows], "Kind of seizure, code of SzCORE"),
            "source": schema.column("row", [item.source for item in rows], "Where it is said"),
        },
        **attrs,
    )


_TIMES = ("onset_s", "offset_s")


def seizures_of(table: xr.Dataset) -> list[Seizure]:
    """Return the seizures of a group ``seizure``."""
    onsets, offsets = (table[key].values.astype(np.float64).tolist() for key in _TIMES)
    texts = (schema.decode(table[key].variable).tolist() for key in ("label", "source"))
    return [Seizure(*row) for row in zip(onsets, offsets, *texts, strict=True)]


def observed_of(attrs: Mapping[str, Any]) -> Intervals | None:
    """Return the annotated time by the attributes of a group ``seizure``; None where it is the whole recording.

    Raises
    ------
    SchemaError
        When the attribute is not pairs of numbers.
    """
    if OBSERVED not in attrs:
        return None
    stated = attrs[OBSERVED]
    try:
        pairs = [(-math.inf if low is None else low, math.inf if high is None else high) for low, high in stated]
        return as_intervals(pairs)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            "not stretches of annotated time", subject=GROUP, place=OBSERVED, expected="pairs of start and stop",
            found=repr(stated)[:200],
        ) from error  # fmt: skip


def intervals_of(seizures: Sequence[Seizure]) -> Intervals:
    """Return onset and end as float64 of shape (seizure, 2); NaN where an end is unknown."""
    return as_intervals([(item.onset_s, item.offset_s) for item in seizures])
