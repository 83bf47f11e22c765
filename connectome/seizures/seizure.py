"""Seizures of a recording: when they began and ended, as far as the source says, and the group ``seizure`` of a record.

A record without that group says nothing about seizures; one with an empty group says that there was none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from connectome import schema
from connectome.errors import SchemaError
from connectome.intervals import Intervals, as_intervals

from .vocabulary import SEIZURE, is_seizure

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["GROUP", "Seizure", "intervals_of", "seizure_table", "seizures_of"]

GROUP = "seizure"
"""Path of the table in a record."""


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


def seizure_table(seizures: Iterable[Seizure], **attrs: object) -> xr.Dataset:
    """Make the group ``seizure``.

    Parameters
    ----------
    seizures : iterable of Seizure
        None of them says that there was none.
    **attrs
        Further attributes, among them what decides: ``rule``.

    Returns
    -------
    xarray.Dataset
        Columns ``onset_s`` and ``offset_s`` (float64, seconds), ``label`` and ``source``, sorted by onset.

    Raises
    ------
    SchemaError
        When an onset is no number, an end does not come after its onset, or a code is not one of a seizure.
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


def intervals_of(seizures: Sequence[Seizure]) -> Intervals:
    """Return onset and end as float64 of shape (seizure, 2); NaN where an end is unknown."""
    return as_intervals([(item.onset_s, item.offset_s) for item in seizures])
