"""The SWEC-ETHZ long-term dataset in MATLAB files: one per hour of a recording, and one about the seizures.

``ID02_1h.mat``, ``ID02_2h.mat``, ... hold ``EEG``, channels by samples; ``ID02_info.mat`` holds ``fs`` and the
seizures, ``seizure_begin`` and ``seizure_end``, in seconds from the start of the first hour. Burrello et al. 2019,
doi:10.23919/DATE.2019.8715186; http://ieeg-swez.ethz.ch. The names are those of the code that reads the files
(https://github.com/jakubwieczorek/epilepsy_detection_ieeg, https://github.com/tshibei/seizure-onset-detector).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from connectome.errors import FormatError
from connectome.seizures import Seizure

from ..files.hdf5_chunks import check_chunks, read_range, steps_along
from ..files.hdf5_file import dataset, is_hdf5, open_hdf5
from ..files.mat5_stream import MatrixStream, find_matrix
from ..files.matlab import read_mat
from .streamed import BLOCK_BYTES
from .swec_parts import FASTEST_HZ, MOST_CHANNELS, checked_seizures

__all__ = ["HOUR", "INFO", "Hour", "Info", "check_hours", "read_hour", "read_info", "seizures_within"]

Array: TypeAlias = np.ndarray[Any, Any]

HOUR = re.compile(r"(?P<subject>[A-Za-z0-9]+)_(?P<number>[1-9]\d{0,4})h\.mat")
INFO = re.compile(r"(?P<subject>[A-Za-z0-9]+)_info\.mat")
SIGNAL, RATE, ONSETS, OFFSETS = "EEG", "fs", "seizure_begin", "seizure_end"
HOUR_S = 3600


@dataclass(frozen=True)
class Info:
    """What is said of a whole recording."""

    rate_hz: float
    seizures: tuple[Seizure, ...]
    """In seconds from the start of the first hour."""


@dataclass(frozen=True)
class Hour:
    """One file; reads its own samples."""

    path: Path
    number: int
    """Counted from 1."""
    n_channels: int
    n_samples: int
    dtype: np.dtype[Any]
    step: int
    stream: MatrixStream | None = None
    """None for version 7.3."""

    def read(self, low: int, high: int) -> Array:
        """Return samples ``low`` to ``high``, shape (channel, high - low)."""
        if self.stream is not None:
            return self.stream.columns(low, high)
        with open_hdf5(self.path) as file:
            stored = dataset(file, SIGNAL, subject=str(self.path))
            return np.ascontiguousarray(read_range(stored, low, high, axis=0, subject=str(self.path)).T)


def read_info(path: Path) -> Info:
    """Read rate and seizures.

    Raises
    ------
    FormatError
        When one of them is missing or makes no sense.
    """
    subject, found = str(path), read_mat(path, only=[RATE, ONSETS, OFFSETS])
    for name in (RATE, ONSETS, OFFSETS):
        value = found.get(name)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
            raise FormatError(
                "a variable is missing, or no numbers", subject=subject, place=name, expected="numbers",
                found="nothing" if value is None else type(value).__name__,
            )  # fmt: skip
    rate, onsets, offsets = (found[name].ravel().astype(np.float64) for name in (RATE, ONSETS, OFFSETS))
    if rate.size != 1 or not 0 < rate[0] <= FASTEST_HZ:
        raise FormatError(
            "not a sampling rate", subject=subject, place=RATE, expected=f"up to {FASTEST_HZ:g} Hz", found=str(rate[:5])
        )
    if onsets.shape != offsets.shape:
        raise FormatError(
            "onsets and ends differ in number", subject=subject, place=f"{ONSETS}, {OFFSETS}",
            found=f"{len(onsets)}, {len(offsets)}",
        )  # fmt: skip
    place = f"{ONSETS}, {OFFSETS}"
    return Info(float(rate[0]), checked_seizures(onsets, offsets, subject=subject, place=place))


def read_hour(path: Path, number: int) -> Hour:
    """Read what an hour's file says of its signal, without the samples.

    Raises
    ------
    FormatError, TruncatedError
        When it is not of the layout, or not all there.
    """
    subject = str(path)
    if is_hdf5(path):
        with open_hdf5(path) as file:
            stored = dataset(file, SIGNAL, subject=subject)
            check_chunks(stored, subject=subject)
            shape = _shape(tuple(reversed(stored.shape)), subject)
            step = steps_along(stored, axis=0, aim_bytes=BLOCK_BYTES)
            return Hour(path, number, *shape, stored.dtype.newbyteorder("="), step)
    matrix = find_matrix(path, SIGNAL)
    n_channels, n_samples = _shape(matrix.shape, subject)
    step = max(1, BLOCK_BYTES // (n_channels * matrix.dtype.itemsize))
    return Hour(path, number, n_channels, n_samples, matrix.dtype, step, MatrixStream(matrix))


def check_hours(hours: list[Hour], info: Info) -> None:
    """Refuse files that are not consecutive hours of one recording.

    Raises
    ------
    FormatError
        When numbers, channels or types differ, or an hour before the last is not an hour long.
    """
    first, full = hours[0], HOUR_S * info.rate_hz
    for at, hour in enumerate(hours):
        if hour.number != first.number + at:
            raise FormatError(
                "hours do not follow each other", subject=str(hour.path), expected=f"hour {first.number + at}",
                found=f"hour {hour.number}", hint="every stretch of consecutive hours is a recording of its own",
            )  # fmt: skip
        if (hour.n_channels, hour.dtype) != (first.n_channels, first.dtype):
            raise FormatError(
                "hours of one recording differ", subject=str(hour.path), place=SIGNAL,
                expected=f"{first.n_channels} channels of {first.dtype}",
                found=f"{hour.n_channels} channels of {hour.dtype}",
            )  # fmt: skip
        if hour.n_samples > full or (hour.n_samples < full and at + 1 < len(hours)):
            raise FormatError(
                "a file is not an hour long", subject=str(hour.path), place=SIGNAL,
                expected=f"{full:g} samples{' or fewer' if at + 1 == len(hours) else ''}", found=f"{hour.n_samples}",
                hint="what follows a short hour is a recording of its own",
            )  # fmt: skip


def seizures_within(info: Info, start_s: float, stop_s: float) -> list[Seizure]:
    """Return the seizures that a stretch of the recording shares time with, in seconds after its first sample.

    One that began before it or goes on after it keeps its true times, of which one then lies outside.
    """
    return [
        Seizure(item.onset_s - start_s, item.offset_s - start_s, item.label, item.source)
        for item in info.seizures
        if item.onset_s < stop_s and item.offset_s > start_s
    ]


def _shape(shape: tuple[int, ...], subject: str) -> tuple[int, int]:
    if len(shape) != 2 or not 0 < shape[0] <= MOST_CHANNELS or shape[1] < shape[0]:
        raise FormatError(
            "the signal is not laid out as channels by samples", subject=subject, place=SIGNAL,
            expected=f"1 to {MOST_CHANNELS} channels, and more samples", found=f"shape {shape}",
        )  # fmt: skip
    return int(shape[0]), int(shape[1])
