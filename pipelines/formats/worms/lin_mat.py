"""The format ``lin-mat``: olfactory responses of Lin et al. (2023), one MATLAB file of version 5 per worm.

``corrected_F`` is ROI x time, ``F_0`` the baseline of each ROI, ``proofread_neurons`` its label and ``use_flag``
whether the authors use it. The stamps are the last field of the struct ``times``. The first sample of every trace is
NaN in the source and stays so. ROIs that the authors do not use are kept, with their label as a mere candidate.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, record, series

from ...homogenise.celegans_names import LabelMatch, mark_duplicates, match_label
from ..files.matlab import is_mat, mat_variables, read_mat
from ..files.one_path import only_path
from .celegans_clock import checked_stamps, stamp_warnings
from .celegans_fields import rest_of
from .celegans_record import SPECIES, neuron_table, taken

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["check", "read", "sniff"]

Array = np.ndarray[Any, Any]

NEEDED = ("F_0", "corrected_F", "proofread_neurons", "times", "use_flag")


def sniff(path: Path) -> bool:
    """Tell whether a file has the variables of this layout."""
    return is_mat(path) and set(NEEDED) <= set(mat_variables(path))


def check(path: Path) -> None:
    """Check that a file has the variables of this layout.

    Raises
    ------
    FormatError
        When it lacks one; the message lists them.
    """
    names = mat_variables(path)
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise FormatError(
            "variables are missing",
            subject=str(path),
            expected=", ".join(NEEDED),
            found=f"no {', '.join(missing)} among {', '.join(names) or 'no variables'}",
        )


def read(paths: list[Path]) -> xr.DataTree:
    """Read one worm.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file of version 5.

    Returns
    -------
    xarray.DataTree
        ``activity`` (channel = ROI counted from 1), ``neuron`` with ``use_flag``, and what else the file has below
        ``field``.

    Raises
    ------
    FormatError
        When a variable is missing or they contradict each other.
    """
    only_path(paths, expected="FILE.mat")
    path, subject = paths[0], str(paths[0])
    check(path)
    variables = read_mat(path)
    traces = _matrix(variables["corrected_F"], "corrected_F", subject)
    n_rois, n_samples = traces.shape
    baseline = _matrix(variables["F_0"], "F_0", subject)
    used = _vector(variables["use_flag"], "use_flag", n_rois, subject)
    labels = _labels(variables["proofread_neurons"], n_rois, subject)
    if baseline.shape[0] != n_rois:
        raise _wrong("there is not one baseline per trace", subject, "F_0", f"{n_rois} rows", f"shape {baseline.shape}")
    stamps, stamps_place, other_times = _stamps(variables["times"], n_samples, subject)
    signal = np.ascontiguousarray(traces)
    ids = [str(number) for number in range(1, n_rois + 1)]
    clock: dict[str, Any] = {"time_s": stamps}
    columns = {"F_0": column("channel", baseline[:, 0], "Baseline fluorescence, first column of F_0", "unknown")}
    activity = series(
        signal,
        channel=ids,
        units="unknown",
        long_name="Corrected GCaMP fluorescence",
        channels=columns,
        valid=taken(signal),
        source="corrected_F",
        channel_base=1,
        numbering="row of corrected_F, counted from 1",
        **clock,
    )
    matches = _matches(labels, used)
    more = {
        "use_flag": column("row", used, "Whether the authors use the ROI: above 0", "1"),
    }
    neuron = neuron_table(ids, matches, more=more, channel_base=1, source="proofread_neurons")
    rest = {name: value for name, value in variables.items() if name not in NEEDED}
    if other_times:
        rest["times"] = [other_times]
    if baseline.shape[1] > 1:
        rest["F_0"] = baseline
    groups, attrs = rest_of(rest, n_samples=n_samples, clock=clock)
    return record(
        {"activity": activity, "neuron": neuron, **groups},
        warnings=stamp_warnings(stamps, place=stamps_place),
        title="Calcium imaging of a worm's chemosensory neurons",
        species=SPECIES,
        source_fields=attrs,
    )


def _matches(labels: list[str], used: Array) -> list[LabelMatch]:
    """Match the labels; one that the authors do not use makes no claim on its neuron."""
    return mark_duplicates(
        replace(match, name="", status="ambiguous", rule="+".join(part for part in (match.rule, "not-used") if part))
        if match.name and not flag
        else match
        for match, flag in zip(map(match_label, labels), used > 0, strict=True)
    )


def _stamps(value: Any, n_samples: int, subject: str) -> tuple[Array, str, dict[str, Any]]:
    """Return the stamps, their place, and the other fields of ``times``."""
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(one, dict) and one:
        *others, last = one
        place = f"times.{last}"
        stamps, other_times = one[last], {name: one[name] for name in others}
    else:
        place, stamps, other_times = "times", one, {}
    if not isinstance(stamps, np.ndarray):
        raise _wrong("the stamps are not numbers", subject, place, f"{n_samples} seconds", type(stamps).__name__)
    return checked_stamps(stamps, n_samples, subject=subject, place=place), place, other_times


def _matrix(value: Any, place: str, subject: str) -> Array:
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.dtype.kind not in "iuf" or not value.size:
        found = f"shape {value.shape}, {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise _wrong("a variable is not a matrix of numbers", subject, place, "(ROI, n)", found)
    return value


def _vector(value: Any, place: str, size: int, subject: str) -> Array:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf" or value.size != size:
        found = f"shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise _wrong("there is not one value per trace", subject, place, f"{size} numbers", found)
    flat: Array = value.ravel(order="F")
    return flat.astype(np.uint8) if flat.dtype.kind == "b" else flat


def _labels(value: Any, size: int, subject: str) -> list[str]:
    """Return one text per ROI; an empty cell is an empty label."""
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or len(entries) != size:
        found = f"{len(entries)} cells" if isinstance(entries, list) else type(entries).__name__
        raise _wrong("there is not one label per trace", subject, "proofread_neurons", f"{size} cells", found)
    labels = []
    for at, entry in enumerate(entries, start=1):
        text = entry[0] if isinstance(entry, list) and len(entry) == 1 else entry
        empty = isinstance(text, np.ndarray) and (text.size == 0 or (text.dtype.kind == "f" and np.isnan(text).all()))
        if not isinstance(text, str) and not empty:
            place = f"proofread_neurons{{{at}}}"
            raise _wrong("a label is not text", subject, place, "text or an empty cell", type(text).__name__)
        labels.append(text if isinstance(text, str) else "")
    return labels


def _wrong(message: str, subject: str, place: str, expected: str, found: str) -> FormatError:
    return FormatError(message, subject=subject, place=place, expected=expected, found=found)
