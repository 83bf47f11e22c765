"""Where events and seizures reach beyond the recording that they are said to be of: kept, and told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from connectome.schema import warning
from connectome.seizures import GROUP as SEIZURE_GROUP
from connectome.seizures import observed_of

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["past_end"]

PAST = {"events": ("events-past-end", "events lie"), SEIZURE_GROUP: ("seizures-past-end", "seizures reach")}
"""Group to the code of its warning and what its rows do."""
SLACK_S = 1.0
"""Lengths in tables are rounded, or count the steps between samples."""


def past_end(groups: Mapping[str, xr.Dataset]) -> list[Note]:
    """Compare events, seizures and the annotated time with the length of their recording.

    Parameters
    ----------
    groups : mapping of str to xarray.Dataset
        Of a record; ``recording`` says how long it is.

    Returns
    -------
    list of dict
        Warnings; none where nobody says how long the recording is.
    """
    facts = groups["recording"]
    if "duration_s" not in facts:
        return []
    length = float(facts["duration_s"].values[0])
    measured = str(facts["stated_by"].values[0]) == "signal"
    last = length + (1.0 / float(facts["sampling_frequency_hz"].values[0]) if measured else SLACK_S)
    notes: list[Note] = []
    for name in PAST:
        if name not in groups:
            continue
        times = np.fmax.reduce([groups[name][key].values for key in ("onset_s", "offset_s") if key in groups[name]])
        late = times[times > last]
        if late.size:
            code, what = PAST[name]
            message = f"{late.size} of {times.size} {what} past the end ({length:g} s), up to {late.max():g} s"
            notes.append(warning(code, name, message))
    observed = observed_of(groups[SEIZURE_GROUP].attrs) if SEIZURE_GROUP in groups else None
    end = float(observed[-1, 1]) if observed is not None and len(observed) else math.inf
    if math.isfinite(end) and abs(end - length) > SLACK_S:
        message = f"the annotated time ends at {end:g} s, the recording at {length:g} s"
        notes.append(warning("annotated-time-differs", SEIZURE_GROUP, message))
    return notes
