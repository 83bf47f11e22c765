"""The format ``mat-spikes``: binned spikes and kinematics in a MATLAB file, as laboratories of reaching share them.

``spikes`` (unit, bin) beside ``time`` (bin) in seconds, and every other matrix with a column per bin, such as
``handPos`` and ``handVel`` of the monkey M1 recording of Stevenson et al., J Neurophysiol 106:764 (2011), which
Benjamin et al., Front Comput Neurosci 12:56 (2018) decode. Counts stay counts (see :mod:`.spike_counts`). Units are
rows; a file the other way round is read with ``units=columns``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import record, series, warning

from ..files.matlab import is_mat, mat_variables, read_mat
from ..files.one_path import only_path
from ..files.pointers import refuse_pointer
from .spike_counts import count_series, unsigned

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]
COUNTS, TIME = "spikes", "time"
AXES = ("rows", "columns")


def sniff(path: Path) -> bool:
    """Tell whether a file has counts and the times of their bins."""
    return is_mat(path) and {COUNTS, TIME} <= set(mat_variables(path))


def read(paths: list[Path], *, units: str = "rows", species: str = "", subject: str = "") -> xr.DataTree:
    """Read one recording.

    Parameters
    ----------
    paths : list of pathlib.Path
        One MAT-file of version 5 or 7.3.
    units : str
        Whether the units are the ``"rows"`` or the ``"columns"`` of ``spikes``; the other matrices lie the same way.
    species, subject : str
        What the file does not say.

    Returns
    -------
    xarray.DataTree
        ``spike_counts`` (integers, channel = unit in the order of the file) and a series per further matrix under its
        own name, all with the stamps of ``time``. The unit of kinematics is ``unknown``: the file states none.

    Raises
    ------
    UsageError
        When ``units`` is neither.
    FormatError
        When the file is damaged or lacks ``spikes`` or ``time``, a count is not one, or times do not rise.
    """
    only_path(paths, expected="RECORDING.mat")
    if units not in AXES:
        raise UsageError("not an axis of spikes", subject="units", expected=" or ".join(AXES), found=units)
    path = paths[0]
    refuse_pointer(path)
    variables = read_mat(path)
    counts, time_s = _counts(variables, units, str(path)), _time(variables, str(path))
    groups = {
        "spike_counts": count_series(
            counts, time_s, bin_s=float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0,
            stamp="as the source gives it; it does not say which edge", subject=str(path), place=TIME,
        )
    }  # fmt: skip
    warnings = []
    for name, value in sorted(variables.items()):
        if name in {COUNTS, TIME}:
            continue
        signal = _sampled(value, len(time_s), units)
        if signal is None:
            warnings.append(warning("not-stored", name, f"not a matrix with a column for each of {len(time_s)} bins"))
            continue
        groups[name if name not in groups else f"{name}_"] = series(
            signal, channel=[str(at) for at in range(len(signal))], units="unknown",
            long_name=f"{name}, as the source gives it", time_s=time_s,
        )  # fmt: skip
    stated = {"species": species, "subject": subject}
    return record(
        groups, warnings=warnings, n_spikes=int(counts.sum(dtype=np.uint64)),
        **{name: value for name, value in stated.items() if value},
    )  # fmt: skip


def _counts(variables: Mapping[str, Any], units: str, subject: str) -> Array:
    """Return the counts, shape (unit, bin)."""
    values = _required(variables, COUNTS, subject)
    if values.ndim != 2 or 0 in values.shape:
        raise FormatError(
            "not a matrix of counts", subject=subject, place=COUNTS, expected="shape (unit, bin)",
            found=f"shape {values.shape}",
        )  # fmt: skip
    lying = values if units == "rows" else values.T
    return unsigned(np.ascontiguousarray(lying), subject=subject, place=COUNTS)


def _time(variables: Mapping[str, Any], subject: str) -> Array:
    values = _required(variables, TIME, subject)
    if values.dtype.kind not in "iuf" or values.ndim != 2 or 1 not in values.shape:
        raise FormatError(
            "not the times of bins", subject=subject, place=TIME, expected="numbers of shape (1, bin)",
            found=f"{values.dtype} {values.shape}",
        )  # fmt: skip
    return values.reshape(-1).astype(np.float64)


def _required(variables: Mapping[str, Any], name: str, subject: str) -> Array:
    value = variables.get(name)
    if not isinstance(value, np.ndarray):
        raise FormatError(
            "not binned spikes", subject=subject, expected=f"matrices {COUNTS} and {TIME}",
            found=", ".join(variables)[:200] or "no variables",
        )  # fmt: skip
    return value


def _sampled(value: Any, n_bins: int, units: str) -> Array | None:
    """Return a matrix with a sample per bin as (channel, bin), None for anything else."""
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.dtype.kind not in "biuf":
        return None
    lying = value if units == "rows" else value.T
    return np.ascontiguousarray(lying) if lying.shape[1] == n_bins and lying.shape[0] else None
