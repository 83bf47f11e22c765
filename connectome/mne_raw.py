"""A stored recording as MNE-Python's ``RawArray``: physical float64 in SI units, with what the record knows about it.

MNE-Python has one rate, one clock without gaps and SI units. So a series is chosen, gaps of known length become zeros
under ``BAD_ACQ_SKIP`` (which MNE-Python's filters, epochs and writer leave out), cuts of unknown length
become ``BAD boundary`` and ``EDGE boundary`` as :func:`mne.concatenate_raws` writes them, and samples that were never
taken ``BAD_not_taken``.

Gramfort et al. 2013, doi:10.3389/fnins.2013.00267.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
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

__all__ = ["Described", "Scale", "complete", "describe", "raw_array", "remarks"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

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
    described = describe(tree, group=group, tables=tables)
    values = described.scale.physical(described.data["signal"].values)
    if described.pieces != ((0, 0, values.shape[1]),):
        filled = np.zeros((values.shape[0], described.n_times))
        for at, start, stop in described.pieces:
            filled[:, at : at + stop - start] = values[:, start:stop]
        values = filled
    raw = _mne().io.RawArray(values, described.info, first_samp=described.first_sample, verbose="error")
    complete(raw, described)
    return raw


@dataclass(frozen=True)
class Scale:
    """How stored samples become physical."""

    gain: Floats | None
    """Shape (channel,); None where values are stored as they are."""
    offset: Floats | None
    factor: Floats
    """To SI units, shape (channel,)."""

    def physical(self, stored: np.ndarray[Any, Any], channels: Any = slice(None)) -> Floats:
        """Return stored samples, shape (channel, time), of all or some channels as float64 in SI units."""
        values = stored.astype(np.float64)
        if self.gain is not None and self.offset is not None:
            values = values * self.gain[channels, None] + self.offset[channels, None]
        values *= self.factor[channels, None]
        return values


@dataclass(frozen=True)
class Described:
    """What MNE-Python's object of a series needs besides the samples."""

    path: str
    data: xr.Dataset
    rate_hz: Fraction
    info: mne.Info
    first_sample: int
    """Number of the first sample, where the acquisition began before it."""
    n_times: int
    """Samples on MNE-Python's clock, gaps of known length among them."""
    pieces: tuple[tuple[int, int, int], ...]
    """Where on that clock a stretch of stored samples begins, where it starts and stops; zeros lie between."""
    marks: tuple[tuple[float, float, str], ...]
    """Onset and duration in seconds after the first sample, and text."""
    scale: Scale


def describe(tree: xr.DataTree, *, group: str | None = None, tables: Sequence[str] = ("annotation",)) -> Described:
    """Return what MNE-Python is told of a series; no sample is read. See :func:`raw_array`."""
    path, data = choose(tree, group)
    rate = _rate(path, data)
    names = [str(name) for name in data["channel"].values]
    scaled = "gain" in data
    pieces = _pieces(data, rate)
    return Described(
        path=path,
        data=data,
        rate_hz=rate,
        info=_mne().create_info(names, float(rate), _types(data)),
        first_sample=int(data.attrs.get("first_sample_number", 0)),
        n_times=max(at + stop - start for at, start, stop in pieces),
        pieces=pieces,
        marks=(*_gaps(data, rate, pieces), *_marks(tree, tables)),
        scale=Scale(
            gain=np.asarray(data["gain"].values, dtype=np.float64) if scaled else None,
            offset=np.asarray(data["offset"].values, dtype=np.float64) if scaled else None,
            factor=np.array([TO_SI.get(unit, 1.0) for unit in _units(data)]),
        ),
    )


def complete(raw: mne.io.BaseRaw, described: Described) -> None:
    """Give an object its date, bad channels, electrode positions and annotations."""
    mne, data = _mne(), described.data
    start = _start(data)
    if start is not None:
        raw.set_meas_date(start)
    if "status" in data:
        words = zip(raw.ch_names, schema.decode(data["status"]), strict=True)
        raw.info["bads"] = [name for name, word in words if word == "bad"]
    _place(mne, raw, data, _types(data))
    # Without a date of their own onsets count from the first sample, as in the record; what lies outside is kept in
    # the record only, because MNE-Python has no place for it.
    lasts = described.n_times / float(described.rate_hz)
    marks = [mark for mark in described.marks if 0 <= mark[0] <= lasts]
    if described.marks:
        onset, duration, text = ([mark[at] for mark in marks] for at in range(3))
        raw.set_annotations(mne.Annotations(onset, duration, text, orig_time=None), emit_warning=False)


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


def _pieces(data: xr.Dataset, rate: Fraction) -> tuple[tuple[int, int, int], ...]:
    """Return where stretches of stored samples begin on a clock of one rate."""
    if "segment_start" not in data or "time" not in data.coords:
        return ((0, 0, int(data.sizes["time"])),)
    starts, stops = data["segment_start"].values, data["segment_stop"].values
    stamps = data["time"][np.concatenate([[0], starts])].values
    return tuple(
        (round((float(stamp) - float(stamps[0])) * float(rate)), int(start), int(stop))
        for stamp, start, stop in zip(stamps[1:], starts, stops, strict=True)
    )


def _gaps(data: xr.Dataset, rate: Fraction, pieces: Sequence[tuple[int, int, int]]) -> list[tuple[float, float, str]]:
    """Return what marks gaps, cuts and samples that were not taken."""
    marks: list[tuple[float, float, str]] = []
    if len(pieces) > 1:
        for (at, start, stop), (following, _, _) in itertools.pairwise(pieces):
            end = at + stop - start
            if following > end:
                marks.append((float(end) / float(rate), float(following - end) / float(rate), "BAD_ACQ_SKIP"))
    elif "segment_start" in data:
        for cut in data["segment_start"].values.tolist():
            if cut:
                marks += [(cut / float(rate), 0.0, f"{kind} boundary") for kind in ("BAD", "EDGE")]
    if "valid" in data:
        valid = data["valid"].values
        taken = valid if valid.ndim == 1 else valid.any(axis=0)
        edges = np.flatnonzero(np.diff(np.concatenate([[True], taken, [True]]).astype(np.int8))).reshape(-1, 2)
        for start, stop in edges.tolist():
            at, first, _ = next(piece for piece in reversed(pieces) if piece[1] <= start)
            marks.append((float(at + start - first) / float(rate), float(stop - start) / float(rate), "BAD_not_taken"))
    return marks


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
