"""The format ``json-celegans``: one worm in JSON, as the Flavell laboratory publishes recordings on WormWideWeb.

Two shapes are known. In the newer one the keys lie in groups (``timing``, ``gcamp``, ``behavior``, ``metadata``,
``label``, ``encoding``) and ``mean_timestep`` is in seconds (flavell-lab/WormWideWeb, ``dataset_json_readme.md``). In
the older one all keys lie side by side (``trace_array``, ``trace_original``, ``labeled``, ...) and ``avg_timestep`` is
in minutes. In both, ``trace_array`` is z-scored by the laboratory, ROIs and frames are counted from 1, and ``null`` is
a missing number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, record, series, table, warning

from ...homogenise.celegans_names import match_labels
from ..files.one_path import only_path
from ..files.pointers import refuse_pointer
from .celegans_record import SPECIES, neuron_table, taken
from .flavell_hdf5 import DERIVED, TOLERANCE
from .flavell_layout import behaviour_series
from .neuropal_json import roi_labels
from .neuropal_labels import RoiLabel, label_columns

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]

_ZSCORED = "gcamp/trace_array"
_BEHAVIOUR = ("velocity", "head_angle", "head_curvature", "angular_velocity", "pumping", "body_curvature")
_UNITS = {"velocity": "mm s-1", "head_angle": "rad"}
"""As the HDF5 files, from which the grouped shape copies these; the units of the older shape are not known."""

_STEP_UNITS = {"avg_timestep": "min", "mean_timestep": "s"}
"""What the file says of its median step, in the older and in the newer shape."""

_OLD_KEYS = {
    "timing": ("timestamp_confocal", "max_t"),
    "gcamp": ("trace_array",),
    "behavior": (*_BEHAVIOUR, "reversal_events"),
    "metadata": ("uid", "dataset_type"),
}
_OLD_NAMES = {
    "trace_original": ("gcamp", "trace_array_original"),
    "avg_timestep": ("timing", "avg_timestep"),
    "events": ("timing", "event"),
    "num_neurons": ("metadata", "n_neuron"),
    "labeled": ("label", None),
}


def sniff(path: Path) -> bool:
    """Tell whether a file is an object with traces and stamps."""
    data = path.read_bytes()
    return data.lstrip().startswith(b"{") and b'"trace_array"' in data and b'"timestamp_confocal"' in data


def read(paths: list[Path]) -> xr.DataTree:
    """Read one worm.

    Parameters
    ----------
    paths : list of pathlib.Path
        One JSON file.

    Returns
    -------
    xarray.DataTree
        ``activity`` (float64; the original traces where the file has them), ``activity_zscored`` (only where it does
        not follow from them), ``behaviour``, ``neuron``, and where the file has them ``reversal_event``, ``stimulus``
        and ``encoding``.

    Raises
    ------
    FormatError
        When the file is not such JSON or contradicts itself.
    """
    only_path(paths, expected="RECORDING.json")
    subject = str(paths[0])
    groups_of, old = _grouped(_load(paths[0]), subject)
    warnings: list[dict[str, str]] = []
    groups: dict[str, xr.Dataset] = {}
    timing, metadata = groups_of["timing"], groups_of["metadata"]
    stamps = _stamps(timing, subject)
    _add_activity(groups_of["gcamp"], stamps, groups, warnings, subject)
    _check_counts(timing, metadata, groups["activity"], old=old, warnings=warnings, stamps=stamps)
    _add_behaviour(groups_of["behavior"], stamps, groups, warnings, old=old)
    _add_events(timing.get("event"), stamps, groups, warnings, subject)
    _add_encoding(groups_of["encoding"], groups, warnings)
    labels = roi_labels(groups_of["label"], subject=subject, place="label")
    groups["neuron"] = labelled_neurons(labels, int(groups["activity"].sizes["channel"]), subject=subject)
    kinds = metadata.get("dataset_type")
    uid = str(metadata.get("uid") or paths[0].stem)
    return record(
        groups,
        warnings=warnings,
        title=f"Whole-brain calcium imaging and behaviour of a worm, {uid}",
        species=SPECIES,
        source_uid=uid,
        dataset_type=[str(kind) for kind in kinds] if isinstance(kinds, list) else [],
        source_metadata={key: value for key, value in sorted(metadata.items()) if isinstance(value, (str, int, float))},
        **{name: timing[name] for name in _STEP_UNITS if name in timing},
        **{f"{name}_units": units for name, units in _STEP_UNITS.items() if name in timing},
    )


def labelled_neurons(labels: list[RoiLabel], n_rois: int, *, subject: str, source: str = "labels") -> xr.Dataset:
    """Make the table of identities: one row per label, and one per ROI that has none."""
    outside = [label for label in labels if not 1 <= label.roi <= n_rois]
    if outside:
        raise FormatError(
            "a label is for a ROI that the recording does not have",
            subject=subject,
            place=f"label {outside[0].label!r}",
            expected=f"1 to {n_rois}",
            found=str(outside[0].roi),
        )
    named = {label.roi for label in labels}
    blank = [RoiLabel(roi, "", "", "", "", "", (), float("nan"), float("nan")) for roi in range(1, n_rois + 1)]
    rows = sorted([*labels, *(row for row in blank if row.roi not in named)], key=lambda row: row.roi)
    return neuron_table(
        [str(row.roi) for row in rows],
        match_labels([row.label for row in rows]),
        more=label_columns(rows),
        channel_base=1,
        label_source=source if labels else "",
    )


def _load(path: Path) -> Mapping[str, Any]:
    refuse_pointer(path)
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError("not JSON", subject=str(path), found=str(error)) from error
    if not isinstance(value, dict):
        raise FormatError("not a recording", subject=str(path), expected="an object", found=type(value).__name__)
    return value


def _grouped(data: Mapping[str, Any], subject: str) -> tuple[dict[str, dict[str, Any]], bool]:
    """Return the groups of the newer shape, made from the older one where it is that."""
    names = ("timing", "gcamp", "behavior", "metadata", "label", "encoding")
    if isinstance(data.get("gcamp"), dict):
        groups = {name: data.get(name) or {} for name in names}
        wrong = [name for name, value in groups.items() if not isinstance(value, dict)]
        if wrong:
            raise FormatError("not an object", subject=subject, place=wrong[0], expected="an object")
        return groups, False
    if "trace_array" not in data:
        raise FormatError("no traces", subject=subject, expected="gcamp or trace_array", found=", ".join(sorted(data)))
    moved: dict[str, dict[str, Any]] = {name: {} for name in names}
    places = {key: (group, key) for group, keys in _OLD_KEYS.items() for key in keys} | _OLD_NAMES
    for key, value in data.items():
        group, name = places.get(key, ("encoding", key))
        if name is None:
            moved[group] = dict(value or {})
        else:
            moved[group][name] = value
    return moved, True


def _array(value: Any, subject: str, place: str, dims: int) -> Array:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FormatError(
            "not numbers in lists of equal length", subject=subject, place=place, found=str(error)
        ) from error
    if array.ndim != dims:
        raise FormatError(
            "not a list as expected",
            subject=subject,
            place=place,
            expected=f"{dims} dimensions",
            found=str(array.shape),
        )
    return array


def _stamps(timing: Mapping[str, Any], subject: str) -> Array:
    place = "timestamp_confocal"
    stamps = _array(timing.get(place), subject, place, 1)
    if not stamps.size or not np.isfinite(stamps).all() or (np.diff(stamps) < 0).any():
        raise FormatError("not stamps", subject=subject, place=place, expected="finite stamps that never go back")
    return stamps


def _add_activity(
    gcamp: Mapping[str, Any], stamps: Array, groups: dict[str, Any], warnings: list[dict[str, str]], subject: str
) -> None:
    zscored = _array(gcamp.get("trace_array"), subject, "trace_array", 2)
    original = gcamp.get("trace_array_original")
    raw = zscored if original is None else _array(original, subject, "trace_array_original", 2)
    for name, traces in (("trace_array", zscored), ("trace_array_original", raw)):
        if traces.shape != raw.shape or traces.shape[1] != len(stamps):
            raise FormatError(
                "traces and stamps differ in length",
                subject=subject,
                place=name,
                expected=f"({raw.shape[0]}, {len(stamps)}): ROI, time",
                found=str(traces.shape),
            )
    numbering: dict[str, Any] = {
        "channel": [str(number) for number in range(1, len(raw) + 1)],
        "channel_base": 1,
        "numbering": "position of the trace, counted from 1 as the labels do",
        "time_s": stamps,
        "units": "1",
    }
    group, rule, follow = DERIVED[_ZSCORED]
    if original is None:
        text = "GCaMP fluorescence over that of the marker, z-scored by the laboratory over the whole recording"
        groups["activity"] = series(raw, long_name=text, valid=taken(raw), source="trace_array", **numbering)
        return
    derived = _follows(follow, raw, zscored)
    groups["activity"] = series(
        raw,
        long_name="GCaMP fluorescence over that of the marker",
        valid=taken(raw),
        source="trace_original",
        derived={"trace_array": rule} if derived else {},
        derived_tolerance=_TOLERANCE,
        **numbering,
    )
    if not derived:
        warnings.append(warning("not-derivable", "trace_array", f"is not {rule}; kept as {group}"))
        groups[group] = series(zscored, long_name="trace_array as given", valid=taken(zscored), **numbering)


_TOLERANCE = max(TOLERANCE, 1e-6)
"""JSON has six digits or more; the HDF5 files have all."""


def _follows(rule: Callable[[Array], Array], raw: Array, given: Array) -> bool:
    with np.errstate(all="ignore"):
        difference = np.abs(rule(raw.T).T - given)
    return bool(difference.size and difference.max() < _TOLERANCE)


def _check_counts(
    timing: Mapping[str, Any],
    metadata: Mapping[str, Any],
    activity: xr.Dataset,
    *,
    old: bool,
    warnings: list[dict[str, str]],
    stamps: Array,
) -> None:
    """Say where the file's own words about itself differ from what it holds."""
    for place, stated, found in (
        ("max_t", timing.get("max_t"), activity.sizes["time"]),
        ("n_neuron", metadata.get("n_neuron"), activity.sizes["channel"]),
    ):
        if stated is not None and stated != found:
            warnings.append(warning("contradiction", place, f"is {stated}, the file holds {found}"))
    name, seconds = ("avg_timestep", 60.0) if old else ("mean_timestep", 1.0)
    stated = timing.get(name)
    step = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    if isinstance(stated, (int, float)) and not 0.8 < float(stated) * seconds / (step or np.inf) < 1.25:
        warnings.append(warning("contradiction", name, f"is {stated}, the median step of the stamps {step} s"))


def _add_behaviour(
    behaviour: Mapping[str, Any], stamps: Array, groups: dict[str, Any], warnings: list[dict[str, str]], *, old: bool
) -> None:
    rows: list[tuple[str, Array]] = []
    for name in sorted(behaviour):
        value = behaviour[name]
        if name == "reversal_events":
            _add_reversals(value, groups, warnings)
            continue
        if value is None or value == []:
            warnings.append(warning("absent", name, "the file gives none"))
            continue
        values = np.array(value, dtype=np.float64) if _rectangular(value) else np.empty(0)
        if values.shape == stamps.shape:
            rows.append((name, values))
        elif values.ndim == 2 and len(stamps) in values.shape:
            signal = np.ascontiguousarray(values if values.shape[1] == len(stamps) else values.T)
            groups[name] = series(
                signal,
                channel=[str(number) for number in range(1, len(signal) + 1)],
                units="unknown",
                long_name=f"{name} as the source gives it",
                time_s=stamps,
                valid=taken(signal),
                channel_base=1,
            )
        else:
            warnings.append(warning("not-stored", name, f"shape {values.shape} does not fit {len(stamps)} stamps"))
    if rows:
        units = ["unknown" if old else _UNITS.get(name, "unknown") for name, _ in rows]
        groups["behaviour"] = behaviour_series(rows, units, stamps)


def _rectangular(value: Any) -> bool:
    try:
        np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _add_reversals(value: Any, groups: dict[str, Any], warnings: list[dict[str, str]]) -> None:
    frames = np.array(value, dtype=np.float64) if _rectangular(value) else np.empty(0)
    if frames.ndim != 2 or frames.shape[1] != 2 or not np.isfinite(frames).all():
        if value:
            warnings.append(warning("not-stored", "reversal_events", f"not pairs of frames, shape {frames.shape}"))
        return
    groups["reversal_event"] = table(
        {
            "start_frame": column("row", frames[:, 0].astype(np.int64), "Frame where it starts, as given", "1"),
            "stop_frame": column("row", frames[:, 1].astype(np.int64), "Frame where it ends, as given", "1"),
        },
        frame_base=1,
    )


def _add_events(
    events: Any, stamps: Array, groups: dict[str, Any], warnings: list[dict[str, str]], subject: str
) -> None:
    if not events:
        return
    if not isinstance(events, dict):
        raise FormatError("not a dictionary of events", subject=subject, place="events", found=type(events).__name__)
    rows: list[tuple[str, int]] = []
    for name in sorted(events):
        for frame in np.atleast_1d(np.array(events[name], dtype=np.float64)).tolist():
            if not float(frame).is_integer() or not 0 <= frame <= len(stamps):
                raise FormatError(
                    "an event lies outside the recording",
                    subject=subject,
                    place=f"events/{name}",
                    expected=f"a frame from 1 to {len(stamps)}, or 0 for none",
                    found=str(frame),
                )
            rows.append((name, int(frame)))
    frames = np.array([frame for _, frame in rows], dtype=np.int64)
    if (frames == 0).any():
        warnings.append(warning("no-frame", "events", "an event at frame 0, which no recording has; its time is NaN"))
    groups["stimulus"] = table(
        {
            "stimulus": column("row", [name for name, _ in rows], "What happens, as the source names it"),
            "frame": column("row", frames, "Frame of the recording, counted from 1", "1"),
            "time": column("row", np.where(frames > 0, stamps[frames - 1], np.nan), "Stamp of that frame", "s"),
        }
    )


def _add_encoding(encoding: Mapping[str, Any], groups: dict[str, Any], warnings: list[dict[str, str]]) -> None:
    """Keep what the laboratory's model says of single neurons; other parts of the model are named and left."""
    n_rois = int(groups["activity"].sizes["channel"])
    columns = {"roi": column("row", list(groups["activity"]["channel"].values), "Channel id of the ROI")}
    for name in sorted(encoding):
        values = np.array(encoding[name], dtype=np.float64) if _rectangular(encoding[name]) else np.empty(0)
        if values.shape == (n_rois,):
            columns[name] = column("row", values, f"{name} of the source's encoding model", "unknown")
        else:
            warnings.append(warning("not-stored", f"encoding/{name}", "part of a model of the recording"))
    if len(columns) > 1:
        groups["encoding"] = table(columns, channel_base=1)
