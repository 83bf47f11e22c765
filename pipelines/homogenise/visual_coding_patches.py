"""Known defects of Visual Coding - Neuropixels as patches.

Not here, because every reader of NWB needs it: one type per parameter over all stimulus tables
(``formats.nwb.tables``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .patches import HALF_AXES, Patch, Session, changed, replaced, values_of

__all__ = ["PATCHES"]

UNREGISTERED = -1000.0
"""What the channel table holds for a channel whose place in the brain is not known (AllenSDK, channels.csv)."""
_CONVERTER = "github.com/stephprince/mindscope-to-nwb-zarr, README (Allen Institute, 2026)"
_INVALID = "intervals/invalid_times"


def _z_copies_y(session: Session) -> bool:
    y, z = values_of(session, "electrodes", "y"), values_of(session, "electrodes", "z")
    if y is None or z is None or y.dtype.kind != "f":
        return False
    return bool(np.isfinite(y).any() and np.array_equal(y, z, equal_nan=True))


def _mend_z(session: Session) -> tuple[Session, str]:
    electrodes = session.groups["electrodes"]
    left_right = np.full(electrodes.sizes["row"], np.nan)
    done = "z is missing; channels.csv would give it"
    column = "left_right_ccf_coordinate"
    if session.channels is not None and column in session.channels.columns and "id" in electrodes:
        rows = session.channels.rows_of(electrodes["id"].values)
        known = session.channels.columns[column].astype(np.float64)
        left_right[rows >= 0] = known[rows[rows >= 0]]
        done = f"z is {column} of channels.csv, {int((rows < 0).sum())} channels are not in it"
    return changed(session, groups={"electrodes": replaced(electrodes, {"z": left_right})}), done


def _unregistered(session: Session) -> dict[str, np.ndarray[Any, Any]]:
    found = {name: values_of(session, "electrodes", name) for name in "xyz"}
    return {name: v for name, v in found.items() if v is not None and (v == UNREGISTERED).any()}


def _mend_unregistered(session: Session) -> tuple[Session, str]:
    wrong = _unregistered(session)
    mended = {name: np.where(v == UNREGISTERED, np.nan, v.astype(np.float64)) for name, v in wrong.items()}
    electrodes = replaced(session.groups["electrodes"], mended)
    n_channels = int(np.logical_or.reduce([v == UNREGISTERED for v in wrong.values()]).sum())
    return changed(session, groups={"electrodes": electrodes}), f"coordinates of {n_channels} channels are missing"


def _mend_start(session: Session) -> tuple[Session, str]:
    attrs = dict(session.attrs)
    stated = str(attrs.pop("session_start_time"))
    attrs.pop("timestamps_reference_time", None)
    mended = Session(session.session_id, session.groups, {**attrs, "stated_start_time": stated}, session.channels)
    return mended, f"the day of the recording is not known; {stated} is kept as stated_start_time"


def _swapped(session: Session) -> bool:
    on_screen, p_value = values_of(session, "spikes", "on_screen_rf"), values_of(session, "spikes", "p_value_rf")
    if on_screen is None or p_value is None:
        return False
    flags, other = _numbers(p_value), _numbers(on_screen)
    # A flag is 0 or 1; the probability of a receptive field is seldom either.
    return bool(len(flags) and np.isin(flags, (0.0, 1.0)).all() and not np.isin(other, (0.0, 1.0)).all())


def _numbers(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return what is there as numbers; booleans may be written as words."""
    if values.dtype.kind == "O":
        words = {"True": 1.0, "False": 0.0, "t": 1.0, "f": 0.0}
        return np.array([words.get(str(one), 2.0) for one in values.tolist() if str(one)])
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values.astype(np.float64)


def _mend_swapped(session: Session) -> tuple[Session, str]:
    spikes = session.groups["spikes"]
    one, other = spikes["on_screen_rf"].variable, spikes["p_value_rf"].variable
    attrs = {**one.attrs}, {**other.attrs}
    swapped = spikes.assign(
        on_screen_rf=(other.dims, other.values, attrs[0]), p_value_rf=(one.dims, one.values, attrs[1])
    )
    return changed(session, groups={"spikes": swapped}), "the columns have changed places"


def _has_no_lfp(session: Session) -> bool:
    return session.session_id == _WITHOUT_LFP


_WITHOUT_LFP = 839557629


def _mend_no_lfp(session: Session) -> tuple[Session, str]:
    return changed(session, attrs={"lfp_published": False}), "none of its five probes has a file of LFP"


def _unordered(session: Session) -> bool:
    start = values_of(session, _INVALID, "start_time")
    return start is not None and bool((np.diff(start) < 0).any())


def _mend_order(session: Session) -> tuple[Session, str]:
    table = session.groups[_INVALID]
    order = np.lexsort((table["stop_time"].values, table["start_time"].values))
    place = np.argsort(order, kind="stable")
    groups = {_INVALID: table.isel(row=order)}
    for name, one in session.groups.items():
        if name.startswith(f"{_INVALID}_") and "table_row" in one:
            rows = place[one["table_row"].values].astype(one["table_row"].dtype)
            groups[name] = replaced(one, {"table_row": rows}).isel(row=np.argsort(rows, kind="stable"))
    return changed(session, groups=groups), f"{len(order)} rows are in the order of their start"


_ALL = (
    Patch(
        "vcn-z-copies-y", "1", "electrodes/z repeats y", f"{_CONVERTER}: the left-right coordinate is in channels.csv",
        "electrodes/z", _z_copies_y, _mend_z,
    ),
    Patch(
        "vcn-unregistered", "1", "-1000 stands for channels that were not registered",
        f"AllenSDK, channels.csv; {_CONVERTER}", "electrodes", lambda session: bool(_unregistered(session)),
        _mend_unregistered,
    ),
    Patch(
        "vcn-packaging-date", "1", "session_start_time is not that of the recording",
        f"{_CONVERTER}: it is the date of packaging (session 715093703: 2019-01-19 in the file, recorded 2018-06-27)",
        "session_start_time", lambda session: "session_start_time" in session.attrs, _mend_start,
    ),
    Patch(
        "vcn-swapped-receptive-field", "1", "on_screen_rf holds p_value_rf and the other way round",
        "AllenSDK, ecephys_project_warehouse_api: the columns are swapped back there", "spikes/on_screen_rf", _swapped,
        _mend_swapped,
    ),
    Patch(
        "vcn-no-lfp", "1", "the session has no LFP", "DANDI:000022 and the SDK's cache list no LFP of 839557629", "lfp",
        _has_no_lfp, _mend_no_lfp,
    ),
    Patch(
        "vcn-invalid-times-order", "1", "invalid times are not in the order of time",
        "session 715093703: 8 rows out of order", _INVALID, _unordered, _mend_order,
    ),
    HALF_AXES,
)  # fmt: skip

PATCHES: Mapping[str, Patch] = {patch.id: patch for patch in _ALL}
"""Id to patch, in the order in which they are applied."""
