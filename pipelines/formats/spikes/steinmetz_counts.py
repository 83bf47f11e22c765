"""The format ``steinmetz-counts``: a course excerpt of Steinmetz et al. 2019, spikes of visual cortex as 10 ms counts.

An RDS list, or an NPZ archive made of it: per trial a matrix of counts (unit, bin) and the times of its bins, the
contrasts left and right, the feedback, and the mouse and day (Steinmetz, Zatka-Haas, Carandini & Harris, Nature
576:266, 2019, doi:10.1038/s41586-019-1787-x). Times of spikes cannot be had from counts, so the record has a series in
which every trial is a segment. A unit has no identity beyond its file: the same column of two sessions is two cells.
"""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import ConnectomeError, FormatError
from connectome.schema import column, record, table

from ..files.npz_arrays import read_npz
from ..files.one_path import only_path
from ..files.rds_file import RValue, read_rds
from .spike_counts import count_series, unsigned, whole

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]

PER_TRIAL = ("contrast_left", "contrast_right", "feedback_type")
TEXTS = ("mouse_name", "date_exp")
IN_RDS = (*PER_TRIAL, *TEXTS, "spks", "time")
IN_NPZ = (*PER_TRIAL, *TEXTS, "counts", "bin_time")
MOST_BYTES = 1 << 31
_ABOUT = {
    "contrast_left": "Contrast of the grating on the left",
    "contrast_right": "Contrast of the grating on the right",
    "feedback_type": "Feedback: 1 reward, -1 noise",
}


@dataclass(frozen=True)
class _Session:
    counts: Array
    """Shape (trial, unit, bin)."""
    bin_time: Array
    """Shape (trial, bin), float64."""
    trials: dict[str, Array]
    texts: dict[str, str]


def sniff(path: Path) -> bool:
    """Tell whether a file holds the values of such a session."""
    if path.name.lower().endswith(".npz"):
        try:
            with zipfile.ZipFile(path) as archive:
                return {f"{name}.npy" for name in IN_NPZ} <= set(archive.namelist())
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            return False
    try:
        return set(IN_RDS) <= set(read_rds(path).names)
    except ConnectomeError:
        return False


def read(paths: list[Path]) -> xr.DataTree:
    """Read one session.

    Parameters
    ----------
    paths : list of pathlib.Path
        One ``.rds`` or ``.npz``; both forms of a session give the same counts and times.

    Returns
    -------
    xarray.DataTree
        ``spike_counts``, a series of integers (channel = unit as the file orders them, time = bins of all trials one
        after another with the file's stamps; a trial is a segment), and ``trials`` (``start_time``, ``stop_time``,
        contrasts, feedback, ``first_bin``, ``n_bins``).

    Raises
    ------
    FormatError
        When a value is missing, trials differ in number or in units, a count is not one, or times do not rise.
    UnsafeError
        When the file holds code of R or a pickle, or unpacks to too much.
    """
    path = only_path(paths, expected="SESSION.rds")
    subject = str(path)
    session = _from_npz(path) if _is_zip(path) else _from_rds(path)
    n_trials, n_units, n_bins = session.counts.shape
    for name, values in session.trials.items():
        if values.shape != (n_trials,):
            raise _differ(subject, name, n_trials, values.shape)
    if session.bin_time.shape != (n_trials, n_bins):
        raise _differ(subject, "times of bins", (n_trials, n_bins), session.bin_time.shape)
    if n_bins < 2 or not n_trials or not n_units:
        raise FormatError("no trials with bins", subject=subject, found=f"shape {session.counts.shape}")
    counts = np.ascontiguousarray(session.counts.transpose(1, 0, 2).reshape(n_units, -1))
    bin_s = float(np.median(np.diff(session.bin_time, axis=1)))
    series = count_series(
        counts, session.bin_time.reshape(-1), bin_s=bin_s, subject=subject, place="times of bins",
        stamp="as the source gives it; it does not say which edge", segments=[
            (first, first + n_bins) for first in range(0, n_trials * n_bins, n_bins)
        ],
    )  # fmt: skip
    columns = {
        "start_time": column(
            "row", session.bin_time[:, 0], "First bin of the trial, at the onset of the stimulus", "s"
        ),
        "stop_time": column(
            "row", session.bin_time[:, -1] + bin_s, "Last bin of the trial plus the width of a bin", "s"
        ),
        **{name: column("row", values, _ABOUT[name], "1") for name, values in session.trials.items()},
        "first_bin": column("row", np.arange(n_trials) * n_bins, "First sample of spike_counts in the trial", "1"),
        "n_bins": column("row", np.full(n_trials, n_bins), "Samples of spike_counts in the trial", "1"),
    }
    mouse, day = session.texts["mouse_name"], session.texts["date_exp"]
    return record(
        {"spike_counts": series, "trials": table(columns)}, species="Mus musculus", subject=mouse, session_date=day,
        session_id=f"{mouse}_{day}", n_spikes=int(counts.sum(dtype=np.uint64)),
    )  # fmt: skip


def _is_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"PK"


def _from_npz(path: Path) -> _Session:
    subject = str(path)
    arrays = read_npz(path, subject=subject, kinds="biufU", most_bytes=MOST_BYTES)
    _require(set(arrays), IN_NPZ, subject)
    if arrays["counts"].ndim != 3:
        raise _differ(subject, "counts", "(trial, unit, bin)", arrays["counts"].shape)
    texts = {}
    for name in TEXTS:
        if arrays[name].dtype.kind != "U" or arrays[name].shape != ():
            raise _differ(subject, name, "one text", f"{arrays[name].dtype} {arrays[name].shape}")
        try:
            # NumPy itself ends in a SystemError on code points that do not exist.
            texts[name] = arrays[name].tobytes().decode(f"utf-32-{sys.byteorder[0]}e").rstrip("\0")
        except UnicodeDecodeError:
            raise FormatError("a text that is none", subject=subject, place=name) from None
    return _Session(
        counts=unsigned(arrays["counts"], subject=subject, place="counts"),
        bin_time=_numbers(arrays["bin_time"], subject, "bin_time"),
        trials={name: _trial_values(arrays[name], subject, name) for name in PER_TRIAL},
        texts=texts,
    )


def _from_rds(path: Path) -> _Session:
    subject = str(path)
    members = read_rds(path).members()
    _require(set(members), IN_RDS, subject)
    texts = {}
    for name in TEXTS:
        held = members[name]
        if held.kind != "text" or len(held.values) != 1 or held.values[0] is None:
            raise _differ(subject, name, "one text", held.kind)
        texts[name] = str(held.values[0])
    per_trial = {name: _trial_values(_array(members[name], subject, name), subject, name) for name in PER_TRIAL}
    for name in ("spks", "time"):
        if members[name].kind != "list" or not members[name].values:
            raise _differ(subject, name, "a list with an item per trial", members[name].kind)
    matrices = [_array(item, subject, f"spks[[{at}]]") for at, item in enumerate(members["spks"].values, start=1)]
    stamps = [
        _array(item, subject, f"time[[{at}]]").reshape(-1) for at, item in enumerate(members["time"].values, start=1)
    ]
    for name, items, n_axes in (("spks", matrices, 2), ("time", stamps, 1)):
        for at, item in enumerate(items, start=1):
            if item.ndim != n_axes or item.shape != items[0].shape:
                raise _differ(subject, f"{name}[[{at}]]", items[0].shape, item.shape)
    return _Session(
        counts=unsigned(np.stack(matrices), subject=subject, place="spks"),
        bin_time=_numbers(np.stack(stamps), subject, "time"),
        trials=per_trial,
        texts=texts,
    )


def _array(value: RValue, subject: str, place: str) -> Array:
    """Return numbers in their shape; R lists matrices by columns."""
    if value.kind not in {"real", "integer"}:
        raise _differ(subject, place, "numbers", value.kind)
    values: Array = value.values
    if value.kind == "integer":
        # NA is the smallest integer.
        values = np.where(values == np.iinfo(np.int32).min, np.nan, values.astype(np.float64))
    dim = value.attributes.get("dim")
    if dim is None:
        return values
    shape = dim.values.tolist() if dim.kind == "integer" else []
    if not shape or min(shape) < 0 or int(np.prod(shape, dtype=object)) != values.size:
        raise _differ(subject, f"{place}, dim", f"{values.size} numbers", str(shape))
    return values.reshape(shape, order="F")


def _trial_values(values: Array, subject: str, name: str) -> Array:
    numbers = _numbers(values, subject, name, keep=True)
    flat = numbers.reshape(-1) if numbers.ndim == 2 and numbers.shape[1] == 1 else numbers
    return whole(flat) if name == "feedback_type" else flat


def _numbers(values: Array, subject: str, place: str, *, keep: bool = False) -> Array:
    if values.dtype.kind not in "iuf":
        raise _differ(subject, place, "numbers", values.dtype)
    return values if keep else values.astype(np.float64)


def _require(found: set[str], needed: tuple[str, ...], subject: str) -> None:
    missing = [name for name in needed if name not in found]
    if missing:
        raise FormatError(
            "not an excerpt of Steinmetz et al. 2019", subject=subject, expected=", ".join(needed),
            found=", ".join(sorted(found))[:200] or "no named values",
        )  # fmt: skip


def _differ(subject: str, place: str, expected: object, found: object) -> FormatError:
    return FormatError(
        "a value that does not fit the others", subject=subject, place=place, expected=str(expected), found=str(found)
    )
