"""A stored recording as MNE-Python's ``RawArray``: physical float64 in SI units, with what the record knows about it.

MNE-Python has one rate, one clock without gaps and SI units. So a series is chosen, gaps of known length become zeros
under ``BAD_ACQ_SKIP`` (which MNE-Python's filters, epochs and writer leave out), cuts of unknown length
become ``BAD boundary`` and ``EDGE boundary`` as :func:`mne.concatenate_raws` writes them, and samples that were never
taken ``BAD_not_taken``.

Gramfort et al. 2013, doi:10.3389/fnins.2013.00267.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from . import schema
from .errors import MissingExtraError, NotFoundError, UsageError
from .schema.series import rate_hz

if TYPE_CHECKING:
    import mne
    import xarray as xr

__all__ = ["raw_array", "remarks"]

TO_SI = {
    "V": 1.0, "mV": 1e-3, "uV": 1e-6, "nV": 1e-9, "T": 1.0, "pT": 1e-12, "fT": 1e-15, "T/m": 1.0, "fT/cm": 1e-13,
    "S": 1.0, "uS": 1e-6, "degC": 1.0, "1": 1.0, "A m": 1.0, "rad": 1.0,
}  # fmt: skip
VOLTAGES = {"V", "mV", "uV", "nV"}
KINDS = {
    "eeg": "eeg", "ecog": "ecog", "seeg": "seeg", "dbs": "dbs", "eog": "eog", "veog": "eog", "heog": "eog",
    "ecg": "ecg", "emg": "emg", "bio": "bio", "mag": "mag", "megmag": "mag", "grad": "grad", "meggradplanar": "grad",
    "ref_meg": "ref_meg", "megrefmag": "ref_meg", "stim": "stim", "trig": "stim", "resp": "resp", "gsr": "gsr",
    "temp": "temperature", "misc": "misc",
}  # fmt: skip
"""Kinds of channels, of files and of BIDS, to MNE-Python's types."""
TO_METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
HEAD_FRAMES = {"head", "captrak"}
"""Frames that are MNE-Python's head frame; positions in others stay in the record."""
PLACED = {"eeg", "ecog", "seeg", "dbs"}


def raw_array(
    tree: xr.DataTree, *, group: str | None = None, tables: Sequence[str] = ("annotation",)
) -> mne.io.RawArray:
    """Return a series of a record with its annotations, bad channels and electrode positions.

    Parameters
    ----------
    tree : xarray.DataTree
        A record.
    group : str, optional
        Path of the series; needed where there are several, because a ``RawArray`` has one rate.
    tables : sequence of str
        Tables with ``onset_s``, ``duration_s`` and ``description`` (or ``text``) that become annotations, where the
        record has them. The kind of a marker, where there is one, goes before its text: ``Stimulus/S 1``.

    Returns
    -------
    mne.io.RawArray
        Volts, tesla, ... Channels of a unit that is not known or has no SI form are of the type ``misc`` and keep
        their numbers; channels of a voltage whose kind is not stated are ``eeg``.

    Raises
    ------
    UsageError
        When there are several series and none was chosen, or the series has no rate.
    NotFoundError
        When there is no such series.
    MissingExtraError
        When MNE-Python is not installed.
    """
    mne = _mne()
    path, data = choose(tree, group)
    rate = _rate(path, data)
    units, kinds = _units(data), _types(data)
    factors = np.array([TO_SI.get(unit, 1.0) for unit in units])
    values = data["signal"].values.astype(np.float64)
    if "gain" in data:
        values = values * data["gain"].values[:, None] + data["offset"].values[:, None]
    values *= factors[:, None]
    values, marks = _on_one_clock(data, values, rate)
    names = [str(name) for name in data["channel"].values]
    info = mne.create_info(names, float(rate), kinds)
    raw = mne.io.RawArray(values, info, first_samp=int(data.attrs.get("first_sample_number", 0)), verbose="error")
    start = _start(data)
    if start is not None:
        raw.set_meas_date(start)
    if "status" in data:
        raw.info["bads"] = [
            name for name, word in zip(names, schema.decode(data["status"]), strict=True) if word == "bad"
        ]
    _place(mne, raw, data, kinds)
    marks += _marks(tree, tables)
    if marks:
        onset, duration, text = (list(column) for column in zip(*marks, strict=True))
        # Without a date of their own onsets count from the first sample, as in the record; what lies outside is kept
        # in the record only, because MNE-Python has no place for it.
        lasts = values.shape[1] / float(rate)
        kept = [at for at, begin in enumerate(onset) if 0 <= begin <= lasts]
        raw.set_annotations(
            mne.Annotations(*([column[at] for at in kept] for column in (onset, duration, text)), orig_time=None),
            emit_warning=False,
        )
    return raw


def remarks(tree: xr.DataTree, *, group: str | None = None) -> list[str]:
    """Say what of a series MNE-Python has no place for."""
    path, data = choose(tree, group)
    said = []
    if data["signal"].dtype.kind in "iu":
        said.append(
            f"{path}: physical float64 in SI units; the stored {data['signal'].dtype} and its scale are not kept"
        )
    units = _units(data)
    unknown = [str(name) for name, unit in zip(data["channel"].values, units, strict=True) if unit not in TO_SI]
    if unknown:
        said.append(f"{path}: channels of unknown unit are misc and keep their numbers: {', '.join(unknown)}")
    if "x" in data and not _placeable(data):
        said.append(f"{path}: positions are not in the head frame and are left out")
    if {"mag", "grad", "ref_meg"} & set(_types(data)):
        said.append(f"{path}: sensors of magnetic fields lose their orientation")
    return said


def choose(tree: xr.DataTree, group: str | None) -> tuple[str, xr.Dataset]:
    """Return the series that is meant; see :func:`raw_array`."""
    found = {path.strip("/"): data for path, data in schema.groups(tree) if schema.kind_of(data) == "series"}
    if group is not None:
        if group.strip("/") not in found:
            raise NotFoundError("no such series in the record", subject=group, expected=", ".join(found) or "none")
        return group.strip("/"), found[group.strip("/")]
    if len(found) != 1:
        raise UsageError(
            "MNE-Python has one rate at a time: which series is meant",
            subject="group",
            expected=f"one of {', '.join(found)}" if found else "a record with a series",
        )
    return next(iter(found.items()))


def _mne() -> Any:
    try:
        import mne
    except ModuleNotFoundError as error:
        raise MissingExtraError("this needs MNE-Python", subject="mne", hint='pip install "connectome[eeg]"') from error
    return mne


def _rate(path: str, data: xr.Dataset) -> Fraction:
    if "segment_rate_hz_numerator" in data.attrs:
        return Fraction(data.attrs["segment_rate_hz_numerator"], data.attrs["segment_rate_hz_denominator"])
    rate = rate_hz(data)
    if rate is None:
        raise UsageError(
            "MNE-Python needs a sampling rate", subject=path, expected="an exact rate", found="time stamps"
        )
    return rate


def _units(data: xr.Dataset) -> list[str]:
    if "channel_unit" in data:
        return [str(unit) for unit in data["channel_unit"].values]
    return [str(data["signal"].attrs.get("units", ""))] * int(data.sizes["channel"])


def _types(data: xr.Dataset) -> list[str]:
    stated = [str(kind) for kind in data["kind"].values] if "kind" in data else [""] * int(data.sizes["channel"])
    types = []
    for kind, unit in zip(stated, _units(data), strict=True):
        chosen = KINDS.get(kind.lower(), "misc") if kind else "eeg" if unit in VOLTAGES else "misc"
        types.append(chosen if unit in TO_SI or chosen == "stim" else "misc")
    return types


def _on_one_clock(
    data: xr.Dataset, values: np.ndarray[Any, Any], rate: Fraction
) -> tuple[np.ndarray[Any, Any], list[tuple[float, float, str]]]:
    """Fill gaps of known length; return the samples and what marks gaps, cuts and samples that were not taken."""
    marks: list[tuple[float, float, str]] = []
    at = np.arange(values.shape[1])
    if "segment_start" in data and "time" in data.coords:
        stamps = data["time"].values
        begin = float(stamps[0])
        pieces = zip(data["segment_start"].values.tolist(), data["segment_stop"].values.tolist(), strict=True)
        at = np.concatenate(
            [round((float(stamps[start]) - begin) * float(rate)) + np.arange(stop - start) for start, stop in pieces]
        )
        filled = np.zeros((values.shape[0], int(at[-1]) + 1))
        filled[:, at] = values
        values = filled
        jumps = np.flatnonzero(np.diff(at) > 1)
        marks += [
            (float(at[jump] + 1) / float(rate), float(at[jump + 1] - at[jump] - 1) / float(rate), "BAD_ACQ_SKIP")
            for jump in jumps
        ]
    elif "segment_start" in data:
        for cut in data["segment_start"].values.tolist():
            if cut:
                marks += [(cut / float(rate), 0.0, f"{kind} boundary") for kind in ("BAD", "EDGE")]
    if "valid" in data:
        valid = data["valid"].values
        taken = valid if valid.ndim == 1 else valid.any(axis=0)
        edges = np.flatnonzero(np.diff(np.concatenate([[True], taken, [True]]).astype(np.int8))).reshape(-1, 2)
        marks += [
            (float(at[start]) / float(rate), float(stop - start) / float(rate), "BAD_not_taken")
            for start, stop in edges
        ]
    return values, marks


def _start(data: xr.Dataset) -> datetime | None:
    """Return when the first sample was taken; a time without a zone counts as UTC, as MNE-Python's readers do."""
    try:
        start = datetime.fromisoformat(str(data.attrs["recorded_at"]))
    except (KeyError, ValueError):
        return None
    start = start if start.tzinfo is not None else start.replace(tzinfo=UTC)
    return start + timedelta(seconds=float(data.attrs.get("first_sample_after_start_s", 0.0)))


def _placeable(data: xr.Dataset) -> bool:
    attrs = data["x"].attrs
    return attrs.get("units") in TO_METRES and str(attrs.get("frame", "")).lower() in HEAD_FRAMES


def _place(mne: Any, raw: Any, data: xr.Dataset, kinds: Sequence[str]) -> None:
    if not {"x", "y", "z"} <= set(data.variables) or not _placeable(data):
        return
    places = np.stack([data[axis].values for axis in "xyz"], axis=1) * TO_METRES[data["x"].attrs["units"]]
    known = {
        name: place
        for name, place, kind in zip(raw.ch_names, places, kinds, strict=True)
        if kind in PLACED and np.isfinite(place).all()
    }
    if known:
        montage = mne.channels.make_dig_montage(ch_pos=known, coord_frame="head")
        raw.set_montage(montage, on_missing="ignore", verbose="error")


def _marks(tree: xr.DataTree, tables: Sequence[str]) -> list[tuple[float, float, str]]:
    groups = {path.strip("/"): data for path, data in schema.groups(tree)}
    found: list[tuple[float, float, str]] = []
    for name in tables:
        table = groups.get(name)
        if table is None or "onset_s" not in table or not {"description", "text"} & set(table.variables):
            continue
        texts = table["description" if "description" in table else "text"].values
        kinds = table["kind"].values if "kind" in table else [""] * len(texts)
        for onset, lasts, text, kind in zip(
            table["onset_s"].values, table["duration_s"].values, texts, kinds, strict=True
        ):
            if math.isfinite(onset):
                duration = float(lasts) if math.isfinite(lasts) else 0.0
                found.append((float(onset), duration, f"{kind}/{text}" if kind else str(text)))
    return found
