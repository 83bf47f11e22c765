"""Known defects of Visual Coding - Neuropixels as data: what is wrong, who says so, and what is done about it.

Each patch has an id, a version and its evidence. It tells from the record alone whether it applies, and is a pure
function on the record's groups. Which were applied is said in the record's attribute ``patches`` and in its warnings;
the versions of all are parameters of the recipe, so that a changed patch makes new records.

Not here, because every reader of NWB needs it: one type per parameter over all stimulus tables
(``formats.nwb.tables``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ..formats.recordings.recording import warning

if TYPE_CHECKING:
    from .id_tables import IdTable

__all__ = ["PATCHES", "Patch", "Session", "apply_patches", "patch_versions"]

Groups = Mapping[str, xr.Dataset]
UNREGISTERED = -1000.0
"""What the channel table holds for a channel whose place in the brain is not known (AllenSDK, channels.csv)."""
_CONVERTER = "github.com/stephprince/mindscope-to-nwb-zarr, README (Allen Institute, 2026)"
_INVALID = "intervals/invalid_times"


@dataclass(frozen=True)
class Session:
    """A record on its way through the patches."""

    session_id: int
    groups: Groups
    attrs: Mapping[str, Any]
    channels: IdTable | None = None
    """The SDK's channels.csv, where it is given."""


@dataclass(frozen=True)
class Patch:
    """One known defect."""

    id: str
    version: str
    defect: str
    evidence: str
    place: str
    applies: Callable[[Session], bool]
    apply: Callable[[Session], tuple[Session, str]]
    """Return the mended session and what was done."""


def apply_patches(session: Session) -> tuple[Session, list[dict[str, str]]]:
    """Apply every patch whose defect the session shows, in the order of ``PATCHES``.

    Returns
    -------
    tuple of (Session, list of dict)
        The mended session, whose attribute ``patches`` names what was applied, and a warning for each.
    """
    warnings, applied = [], []
    for patch in PATCHES.values():
        if patch.applies(session):
            session, done = patch.apply(session)
            applied.append(f"{patch.id}@{patch.version}")
            warnings.append(warning(patch.id, patch.place, f"{patch.defect}: {done}"))
    return _with(session, attrs={"patches": applied} if applied else {}), warnings


def patch_versions() -> dict[str, str]:
    """Return the version of every patch by id."""
    return {name: patch.version for name, patch in PATCHES.items()}


def _with(session: Session, *, groups: Groups | None = None, attrs: Mapping[str, Any] | None = None) -> Session:
    return Session(
        session.session_id,
        {**session.groups, **(groups or {})},
        {**session.attrs, **(attrs or {})},
        session.channels,
    )


def _values(session: Session, group: str, name: str) -> np.ndarray[Any, Any] | None:
    dataset = session.groups.get(group)
    return dataset[name].values if dataset is not None and name in dataset.variables else None


def _replaced(dataset: xr.Dataset, values: Mapping[str, np.ndarray[Any, Any]]) -> xr.Dataset:
    return dataset.assign({name: (dataset[name].dims, kept, dataset[name].attrs) for name, kept in values.items()})


def _z_copies_y(session: Session) -> bool:
    y, z = _values(session, "electrodes", "y"), _values(session, "electrodes", "z")
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
    return _with(session, groups={"electrodes": _replaced(electrodes, {"z": left_right})}), done


def _unregistered(session: Session) -> dict[str, np.ndarray[Any, Any]]:
    found = {name: _values(session, "electrodes", name) for name in "xyz"}
    return {name: v for name, v in found.items() if v is not None and (v == UNREGISTERED).any()}


def _mend_unregistered(session: Session) -> tuple[Session, str]:
    wrong = _unregistered(session)
    mended = {name: np.where(v == UNREGISTERED, np.nan, v.astype(np.float64)) for name, v in wrong.items()}
    electrodes = _replaced(session.groups["electrodes"], mended)
    n_channels = int(np.logical_or.reduce([v == UNREGISTERED for v in wrong.values()]).sum())
    return _with(session, groups={"electrodes": electrodes}), f"coordinates of {n_channels} channels are missing"


def _mend_start(session: Session) -> tuple[Session, str]:
    attrs = dict(session.attrs)
    stated = str(attrs.pop("session_start_time"))
    attrs.pop("timestamps_reference_time", None)
    mended = Session(session.session_id, session.groups, {**attrs, "stated_start_time": stated}, session.channels)
    return mended, f"the day of the recording is not known; {stated} is kept as stated_start_time"


def _swapped(session: Session) -> bool:
    on_screen, p_value = _values(session, "spikes", "on_screen_rf"), _values(session, "spikes", "p_value_rf")
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
    return _with(session, groups={"spikes": swapped}), "the columns have changed places"


def _has_no_lfp(session: Session) -> bool:
    return session.session_id == _WITHOUT_LFP


_WITHOUT_LFP = 839557629


def _mend_no_lfp(session: Session) -> tuple[Session, str]:
    return _with(session, attrs={"lfp_published": False}), "none of its five probes has a file of LFP"


def _unordered(session: Session) -> bool:
    start = _values(session, _INVALID, "start_time")
    return start is not None and bool((np.diff(start) < 0).any())


def _mend_order(session: Session) -> tuple[Session, str]:
    table = session.groups[_INVALID]
    order = np.lexsort((table["stop_time"].values, table["start_time"].values))
    place = np.argsort(order, kind="stable")
    groups = {_INVALID: table.isel(row=order)}
    for name, one in session.groups.items():
        if name.startswith(f"{_INVALID}_") and "table_row" in one:
            rows = place[one["table_row"].values].astype(one["table_row"].dtype)
            groups[name] = _replaced(one, {"table_row": rows}).isel(row=np.argsort(rows, kind="stable"))
    return _with(session, groups=groups), f"{len(order)} rows are in the order of their start"


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
)  # fmt: skip

PATCHES: Mapping[str, Patch] = {patch.id: patch for patch in _ALL}
"""Id to patch, in the order in which they are applied."""
