"""One whole-brain recording as the Flavell laboratory writes it (ANTSUN output, HDF5, one file per animal).

The file has ``gcamp``, ``behavior``, ``timing`` and, for NeuroPAL animals, ``neuropal_registration``, and no units.
Indices are those of Julia: counted from 1, ranges closed at both ends. Axes are reversed against Julia, so h5py sees
``(time, roi)``. What is known of units comes from the authors' scripts (flavell-lab/NSM_5HTR_analysis,
``DK_analysis_functions.jl``: velocity in mm/s, head angle in rad, time stamps and camera stamps in seconds).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import category, column, record, series, table, warning

from ...homogenise.celegans_names import match_labels
from ..files.hdf5_file import dataset_paths, open_hdf5, read_array
from .celegans_record import SPECIES, neuron_table, taken
from .flavell_layout import RAW, REVERSALS, SPLITS, STAMPS, behaviour_series, check_file
from .neuropal_labels import RoiLabel, label_columns

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["DERIVED", "read_recording"]

Array = np.ndarray[Any, Any]

UNITS: Mapping[str, str] = {"velocity": "mm s-1", "head_angle": "rad"}
TOLERANCE = 1e-12
"""Largest difference up to which an array counts as following from the raw traces."""


def _z_scored(raw: Array) -> Array:
    return np.asarray((raw - raw.mean(axis=0)) / raw.std(axis=0, ddof=1))


def _over_mean(raw: Array) -> Array:
    return np.asarray(raw / raw.mean(axis=0))


DERIVED: Mapping[str, tuple[str, str, Callable[[Array], Array]]] = {
    "gcamp/trace_array": (
        "activity_zscored",
        "(x - mean) / standard deviation with ddof 1, over the whole recording",
        _z_scored,
    ),
    "gcamp/traces_array_F_F20": (
        "activity_ratio",
        "x / mean over the whole recording; not over the 20th percentile, which the name suggests",
        _over_mean,
    ),
}
"""Arrays that follow from the raw traces (time, roi): group to keep one in where it does not, rule, and the rule."""


def read_recording(path: Path, *, uid: str, labels: Sequence[RoiLabel] = (), label_source: str = "") -> xr.DataTree:
    """Read one recording.

    Parameters
    ----------
    path : pathlib.Path
        The HDF5 file.
    uid : str
        The laboratory's id of the animal.
    labels : sequence of RoiLabel
        From the label file; none for animals without identities.
    label_source : str
        Name of the label file.

    Returns
    -------
    xarray.DataTree
        ``activity`` (raw traces, float64, channel = ROI counted from 1), ``behaviour``, ``reversal`` and
        ``body_angle*`` (series on the recording's stamps), ``reversal_event``, ``stimulus``, ``neuron``,
        ``nir_frame``, ``neuropal_roi`` and ``roi_renumbering`` (tables), each where the file has it.

    Raises
    ------
    FormatError
        When arrays are missing or contradict each other.
    """
    subject = str(path)
    with open_hdf5(path) as file:
        check_file(file, subject=subject)
        arrays = {place: read_array(file, place, subject=subject) for place in dataset_paths(file, subject=subject)}
    taking = _Taking(arrays)
    stamps = taking(STAMPS)
    groups: dict[str, xr.Dataset] = {}
    warnings: list[dict[str, str]] = []
    _add_activity(taking, stamps, groups, warnings)
    _add_behaviour(taking, stamps, groups, warnings)
    _add_stimulus(taking, stamps, groups, warnings, subject)
    registration = _add_registration(taking, groups)
    _add_neurons(taking, groups, warnings, labels, registration, subject)
    warnings += [
        warning("not-stored", f"/{place}", f"a dataset that the layout does not know, shape {arrays[place].shape}")
        for place in sorted(set(arrays) - taking.taken)
    ]
    return record(
        groups,
        warnings=warnings,
        title=f"Whole-brain calcium imaging and behaviour of a worm, {uid}",
        species=SPECIES,
        source_uid=uid,
        label_source=label_source,
    )


class _Taking:
    """The arrays of a file; remembers which were asked for, so that nothing is left out unnoticed."""

    def __init__(self, arrays: dict[str, Array]) -> None:
        self._arrays = arrays
        self.taken: set[str] = set()

    def __call__(self, place: str) -> Array:
        self.taken.add(place)
        return self._arrays[place]

    def __contains__(self, place: str) -> bool:
        return place in self._arrays

    def below(self, group: str) -> list[str]:
        return sorted(place for place in self._arrays if place.startswith(f"{group}/"))


def _add_activity(
    taking: _Taking, stamps: Array, groups: dict[str, xr.Dataset], warnings: list[dict[str, str]]
) -> None:
    raw = taking(RAW)
    n_frames, n_rois = raw.shape
    splits = taking(SPLITS) if SPLITS in taking else np.array([[1], [n_frames]])
    ids = [str(number) for number in range(1, n_rois + 1)]
    numbering: dict[str, Any] = {
        "channel_base": 1,
        "numbering": f"column of {RAW}, counted from 1 as the label file does",
    }
    derived: dict[str, str] = {}
    for place, (group, rule, follow) in DERIVED.items():
        if place not in taking:
            continue
        with np.errstate(all="ignore"):
            difference = np.abs(follow(raw) - taking(place))
        if difference.size and difference.max() < TOLERANCE:
            derived[place] = rule
            continue
        warnings.append(warning("not-derivable", f"/{place}", f"is not {rule}; kept as {group}"))
        signal = np.ascontiguousarray(taking(place).T)
        long_name = f"{place} as the source gives it"
        groups[group] = series(
            signal, channel=ids, units="1", long_name=long_name, time_s=stamps, valid=taken(signal), **numbering
        )
    signal = np.ascontiguousarray(raw.T)
    groups["activity"] = series(
        signal,
        channel=ids,
        units="1",
        long_name="GCaMP fluorescence over that of the marker",
        time_s=stamps,
        valid=taken(signal),
        segments=[(int(first) - 1, int(last)) for first, last in splits.T],
        derived=derived,
        derived_tolerance=TOLERANCE,
        source=RAW,
        **numbering,
    )
    renumbering = [place for place in ("gcamp/match_org_to_skip", "gcamp/match_skip_to_org") if place in taking]
    if renumbering:
        pairs = [(place.rpartition("/")[2], *map(int, pair)) for place in renumbering for pair in taking(place).T]
        groups["roi_renumbering"] = table(
            {
                "map": column("row", [name for name, _, _ in pairs], "Dataset of the source"),
                "roi_from": column("row", np.array([a for _, a, _ in pairs]), "ROI number, counted from 1", "1"),
                "roi_to": column("row", np.array([b for _, _, b in pairs]), "ROI number it maps to", "1"),
            }
        )
    if "timing/timestamp_nir" in taking:
        groups["nir_frame"] = table(
            {"time": column("row", taking("timing/timestamp_nir"), "Stamp of the behaviour camera's frame", "s")}
        )


def _add_behaviour(
    taking: _Taking, stamps: Array, groups: dict[str, xr.Dataset], warnings: list[dict[str, str]]
) -> None:
    n_frames = len(stamps)
    floats = []
    for place in taking.below("behavior"):
        name = place.partition("/")[2]
        if place == REVERSALS:
            _add_reversals(taking(place), groups)
            continue
        values = taking(place)
        if values.shape == (n_frames,) and values.dtype.kind == "f":
            floats.append((name, values))
            if np.isnan(values).all():
                warnings.append(warning("empty-channel", f"/{place}", "every sample is missing in the source"))
        elif values.shape == (n_frames,):
            groups["reversal" if name == "reversal_vec" else name] = series(
                values[np.newaxis, :],
                channel=[name],
                units="1",
                long_name=f"{name} as the source gives it",
                time_s=stamps,
            )
        elif values.ndim == 2 and values.shape[0] == n_frames:
            signal = np.ascontiguousarray(values.T)
            groups[name] = series(
                signal,
                channel=[str(number) for number in range(1, values.shape[1] + 1)],
                units="unknown",
                long_name=f"{name} of the segments along the body",
                time_s=stamps,
                valid=taken(signal),
                channel_base=1,
            )
        else:
            taking.taken.discard(place)
    if floats:
        units = [UNITS.get(name, "unknown") for name, _ in floats]
        groups["behaviour"] = behaviour_series(floats, units, stamps)


def _add_reversals(frames: Array, groups: dict[str, xr.Dataset]) -> None:
    groups["reversal_event"] = table(
        {
            "start_frame": column("row", frames[0], "Frame before the first one of the reversal, counted from 1", "1"),
            "stop_frame": column("row", frames[1], "Last frame of the reversal, counted from 1", "1"),
        },
        relation="reversal_vec is 1 in the frames start_frame + 1 to stop_frame, counted from 1",
    )


def _add_stimulus(
    taking: _Taking, stamps: Array, groups: dict[str, xr.Dataset], warnings: list[dict[str, str]], subject: str
) -> None:
    names = {"timing/time_food_encounter": "food encounter", "timing/stim_begin_confocal": "stimulus begins"}
    rows: list[tuple[str, int]] = []
    for place, name in names.items():
        if place not in taking:
            continue
        for frame in np.atleast_1d(taking(place)).tolist():
            if not (float(frame).is_integer() and 0 <= frame <= len(stamps)):
                raise FormatError(
                    "an event lies outside the recording",
                    subject=subject,
                    place=f"/{place}",
                    expected=f"a frame from 1 to {len(stamps)}, or 0 for none",
                    found=str(frame),
                )
            if frame == 0:
                # Recordings of 2021 fill up a list of two with it.
                warnings.append(warning("no-frame", f"/{place}", "an event at frame 0; its time is NaN"))
            rows.append((name, int(frame)))
    if rows:
        frames = np.array([frame for _, frame in rows], dtype=np.int64)
        groups["stimulus"] = table(
            {
                "stimulus": column("row", [name for name, _ in rows], "What happens"),
                "frame": column("row", frames, "Frame of the recording, counted from 1", "1"),
                "time": column("row", np.where(frames > 0, stamps[frames - 1], np.nan), "Stamp of that frame", "s"),
            }
        )


def _add_registration(taking: _Taking, groups: dict[str, xr.Dataset]) -> Array | None:
    place = "neuropal_registration/roi_match"
    if place not in taking:
        return None
    matched = taking(place)
    columns = {
        "neuropal_roi": column("row", np.arange(1, len(matched) + 1), "ROI of the NeuroPAL image, counted from 1", "1"),
        "roi": column("row", matched, "ROI of the recording, counted from 1; 0 where none matches", "1"),
    }
    if f"{place}_confidence" in taking:
        columns["confidence"] = column("row", taking(f"{place}_confidence"), "Confidence of the match", "1")
    groups["neuropal_roi"] = table(columns)
    return matched


def _add_neurons(
    taking: _Taking,
    groups: dict[str, xr.Dataset],
    warnings: list[dict[str, str]],
    labels: Sequence[RoiLabel],
    registration: Array | None,
    subject: str,
) -> None:
    n_rois = int(groups["activity"].sizes["channel"])
    for label in labels:
        if not 1 <= label.roi <= n_rois:
            raise FormatError(
                "a label is for a ROI that the recording does not have",
                subject=subject,
                place=f"label {label.label!r}",
                expected=f"1 to {n_rois}",
                found=str(label.roi),
            )
        if registration is not None and not _registered(label, registration):
            warnings.append(
                warning(
                    "registration-mismatch",
                    "/neuropal_registration/roi_match",
                    f"{label.label} is ROI {label.roi}, but its NeuroPAL ROIs {label.neuropal_rois} are others",
                )
            )
    rows = [(label, "label file") for label in labels]
    blank = RoiLabel(0, "", "", "", "", "", (), float("nan"), float("nan"))
    if "gcamp/idx_nsm" in taking:
        # The dataset's name is the label: its numbers are the ROIs that the authors take for NSM.
        rois = np.atleast_1d(taking("gcamp/idx_nsm")).tolist()
        rows += [(replace(blank, roi=int(roi), label="NSM", neuron_class="NSM"), "gcamp/idx_nsm") for roi in rois]
    labelled = {label.roi for label, _ in rows}
    rows += [(replace(blank, roi=roi), "none") for roi in range(1, n_rois + 1) if roi not in labelled]
    rows.sort(key=lambda row: row[0].roi)
    origin = category(
        "row", [where for _, where in rows], ("none", "label file", "gcamp/idx_nsm"), "Where the label comes from"
    )
    ordered = [label for label, _ in rows]
    groups["neuron"] = neuron_table(
        [str(label.roi) for label in ordered],
        match_labels([label.label for label in ordered]),
        more={**label_columns(ordered), "label_source": origin},
        channel_base=1,
    )


def _registered(label: RoiLabel, registration: Array) -> bool:
    return any(
        0 < number <= len(registration) and registration[number - 1] == label.roi for number in label.neuropal_rois
    )
