"""The layout of the Flavell laboratory's recordings, and whether the arrays of a file fit each other.

Datasets, their axes and their indices: ``gcamp`` traces ``(time, roi)``, one stamp per frame, stretches of frames and
reversals as ``(2, n)`` first and last frames, counted from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, series

from ..files.hdf5_file import dataset, open_hdf5, read_array
from .celegans_record import taken

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = [
    "BODY_ANGLES",
    "DERIVED_PLACES",
    "RAW",
    "REVERSALS",
    "SPLITS",
    "STAMPS",
    "behaviour_series",
    "check_file",
    "check_recording",
    "is_flavell",
]

Array = np.ndarray[Any, Any]

RAW = "gcamp/trace_array_original"
STAMPS = "timing/timestamp_confocal"
SPLITS = "gcamp/idx_splits"
REVERSALS = "behavior/reversal_events"
BODY_ANGLES = ("body_angle", "body_angle_absolute", "body_angle_all")
DERIVED_PLACES = ("gcamp/trace_array", "gcamp/traces_array_F_F20")


def is_flavell(file: h5py.File) -> bool:
    """Tell whether a file has the groups of this layout."""
    return "gcamp" in file and "timing" in file


def behaviour_series(rows: Sequence[tuple[str, Array]], units: Sequence[str], stamps: Array) -> xr.Dataset:
    """Return what is given once per frame, (name, values of shape (time,)), as one series."""
    signal = np.stack([values for _, values in rows])
    return series(
        signal,
        channel=[name for name, _ in rows],
        units="mixed",
        long_name="Behaviour, as given per frame of the recording; see channel_unit",
        time_s=stamps,
        valid=taken(signal),
        channels={"channel_unit": column("channel", units, "Unit of the channel")},
    )


def check_recording(path: Path) -> None:
    """Check that the arrays of a recording fit each other, without reading the traces.

    Raises
    ------
    FormatError
        When a dataset is missing or its shape contradicts another; every contradiction is listed in ``found``.
    """
    with open_hdf5(path) as file:
        check_file(file, subject=str(path))


def check_file(file: h5py.File, *, subject: str) -> None:
    """Check an open file as :func:`check_recording` does."""
    raw = dataset(file, RAW, subject=subject)
    stamps = dataset(file, STAMPS, subject=subject)
    if raw.ndim != 2 or raw.dtype.kind != "f":
        raise FormatError(
            "the raw traces are not a matrix of numbers",
            subject=subject,
            place=f"/{RAW}",
            expected="(time, roi), floating point",
            found=f"shape {raw.shape}, {raw.dtype}",
        )
    n_frames, n_rois = raw.shape
    problems: list[tuple[str, str, str]] = []

    def demand(place: str, good: bool, expected: str, found: str) -> None:
        if not good:
            problems.append((f"/{place}", expected, found))

    demand(STAMPS, stamps.shape == (n_frames,), f"{n_frames} stamps, one per frame", f"shape {stamps.shape}")
    for place in DERIVED_PLACES:
        if place in file:
            shape = dataset(file, place, subject=subject).shape
            demand(place, shape == raw.shape, f"shape {raw.shape} of the raw traces", f"shape {shape}")
    for name in BODY_ANGLES:
        if f"behavior/{name}" in file:
            shape = dataset(file, f"behavior/{name}", subject=subject).shape
            demand(
                f"behavior/{name}", len(shape) == 2 and shape[0] == n_frames, f"({n_frames}, segment)", f"shape {shape}"
            )
    if SPLITS in file:
        demand(SPLITS, *_judge_splits(read_array(file, SPLITS, subject=subject), n_frames))
    if REVERSALS in file:
        frames = read_array(file, REVERSALS, subject=subject)
        good = frames.ndim == 2 and frames.shape[0] == 2
        inside = good and (not frames.size or (frames.min() >= 1 and frames.max() <= n_frames))
        found = f"shape {frames.shape}" + (f", frames {frames.min()} to {frames.max()}" if frames.size else "")
        demand(REVERSALS, bool(inside), f"(2, n) frames from 1 to {n_frames}", found)
    if stamps.shape == (n_frames,):
        values = read_array(file, STAMPS, subject=subject)
        rising = bool(np.isfinite(values).all() and (np.diff(values) >= 0).all())
        demand(STAMPS, rising, "finite stamps that never go back", "others")
    if problems:
        place, expected, _ = problems[0]
        raise FormatError(
            f"arrays contradict each other ({n_frames} frames, {n_rois} ROIs)",
            subject=subject,
            place=place,
            expected=expected,
            found="; ".join(f"{where}: {what}" for where, _, what in problems),
            hint="frames that cannot be placed in time are not read; look for a later release of the file",
        )


def _judge_splits(splits: Array, n_frames: int) -> tuple[bool, str, str]:
    """Judge ranges of frames recorded in one go: (2, n), first and last frame, counted from 1."""
    expected = f"(2, n) first and last frames of continuous stretches within 1 to {n_frames}"
    if splits.ndim != 2 or splits.shape[0] != 2 or splits.shape[1] == 0 or splits.dtype.kind not in "iu":
        return False, expected, f"shape {splits.shape}, {splits.dtype}"
    first, last = splits
    if splits.shape[1] == n_frames > 1:
        return False, expected, f"shape {splits.shape}: a stretch for every single frame"
    ordered = (first <= last).all() and (first[1:] > last[:-1]).all() and first[0] >= 1 and last[-1] <= n_frames
    return bool(ordered), expected, f"{splits.T.tolist()[:4]}"
