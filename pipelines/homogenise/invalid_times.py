"""Times in which a probe gave no valid data, taken out of what its units were observed in.

Visual Coding and Visual Behavior - Neuropixels tag every interval of ``invalid_times`` with scope, id and label:
``all_probes`` (steps of the gain, spikes are missing), ``probeA`` to ``probeF`` (the probe dropped out), ``stimulus``
and ``optotagging``, which say nothing about spikes (AllenSDK, ``EcephysSession.get_invalid_times``). The SDK keeps
zeros there and warns; here they are missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.intervals import Intervals, merged, without
from connectome.schema import warning
from connectome.schema.events import observed_sets, with_unit_observed

from .id_tables import IdTable

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["observed_by_probe"]

_ALL = "all_probes"
_INVALID, _TAGS = "intervals/invalid_times", "intervals/invalid_times_tags"


def observed_by_probe(groups: Mapping[str, xr.Dataset]) -> tuple[dict[str, xr.Dataset], list[dict[str, str]]]:
    """Take invalid times out of the observed time of the units that they concern.

    Parameters
    ----------
    groups : mapping of str to xarray.Dataset
        ``spikes`` with the column ``peak_channel_id``, ``electrodes`` with ``id`` and ``group_name``, and
        ``intervals/invalid_times`` with its tags.

    Returns
    -------
    groups : dict of str to xarray.Dataset
        The same, ``spikes`` with its new observed time where anything is invalid for any unit.
    warnings : list of dict
        What was done.
    """
    spikes, electrodes = groups.get("spikes"), groups.get("electrodes")
    invalid = groups.get(_INVALID)
    if spikes is None or invalid is None:
        return dict(groups), []
    span = np.stack([invalid["start_time"].values, invalid["stop_time"].values], axis=1)
    labels: dict[str, list[int]] = {}
    for row, tag in _tags(invalid, groups.get(_TAGS)):
        if tag == _ALL or tag.startswith("probe"):
            labels.setdefault(tag, []).append(row)
    excluded = {label: _positive(span[rows]) for label, rows in labels.items()}
    if not any(len(one) for one in excluded.values()):
        return dict(groups), []
    probe = _probes(spikes, electrodes)
    # Of a unit whose probe is not known, nothing is known while any probe was out.
    all_of_them = merged(np.concatenate(list(excluded.values())))
    out: dict[str, Intervals] = {
        name: merged(np.concatenate([excluded[label] for label in (_ALL, name) if label in excluded] or [span[:0]]))
        if name
        else all_of_them
        for name in set(probe)
    }
    sets, which = observed_sets(spikes)
    made = with_unit_observed(
        spikes, [without(sets[at], out[name]) for at, name in zip(which.tolist(), probe, strict=True)]
    )
    told = ", ".join(f"{label}: {len(one)}" for label, one in sorted(excluded.items()))
    unknown = probe.count("")
    words = f"invalid times ({told}) are not observed time of the units concerned"
    words += f"; of {unknown} units without a known probe none of them is" if unknown else ""
    return {**groups, "spikes": made}, [warning("invalid-times", _INVALID, words)]


def _tags(invalid: xr.Dataset, ragged: xr.Dataset | None) -> Iterator[tuple[int, str]]:
    """Yield row and tag: where all rows have as many tags they are columns, else a table of their own."""
    if ragged is not None:
        yield from zip(ragged["table_row"].values.tolist(), map(str, ragged["tags"].values.tolist()), strict=True)
        return
    for name in ("tags", *(f"tags_{at}" for at in range(1, 9))):
        if name in invalid.variables:
            yield from enumerate(map(str, invalid[name].values.tolist()))


def _positive(span: np.ndarray[Any, Any]) -> Intervals:
    return merged(span[np.isfinite(span).all(axis=1) & (span[:, 0] < span[:, 1])])


def _probes(spikes: xr.Dataset, electrodes: xr.Dataset | None) -> list[str]:
    """Return the name of the probe of every unit, ``""`` where it is not known."""
    if electrodes is None or "peak_channel_id" not in spikes or not {"id", "group_name"} <= set(electrodes):
        return [""] * int(spikes.sizes["unit_id"])
    rows = IdTable("electrodes", electrodes["id"].values, {}).rows_of(spikes["peak_channel_id"].values)
    names = electrodes["group_name"].values
    return ["" if row < 0 else str(names[row]) for row in rows.tolist()]
