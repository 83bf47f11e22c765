"""The format ``nwb-celegans``: whole-brain imaging of worms in NWB, by the convention of WormID.

Source: Sprague et al., Cell Reports Methods 5:100964 (2025), doi:10.1016/j.crmeth.2024.100964, and the extension
ndx-multichannel-volume (github.com/focolab/ndx-multichannel-volume), as focolab/NWBelegans writes it: traces in
``processing/CalciumActivity`` (RoiResponseSeries, time x ROI) with the names of their ROIs in ``NeuronIDs``; the
NeuroPAL image (MultiChannelVolume) with its segmentation, whose ``ID_labels`` are stored letter by letter with the ends
of the words beside them; positions as one segmentation per frame; stimuli in ``intervals``; behaviour as TimeSeries.
A "?" behind a name says that the labeller was not sure, and stays.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, record, series, table, warning

from ...homogenise.celegans_names import match_labels
from ..files.hdf5_file import is_hdf5, open_hdf5
from ..files.one_path import only_path
from ..nwb.file import attribute, clock_of, column_names, is_nwb, numbers, objects, scalar, texts, type_of
from .celegans_record import SPECIES, neuron_table, taken
from .nwb_segmentation import Segmentation, add_image, read_segmentation, segmentation_groups

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

_MODULES = ("CalciumActivity", "NeuroPAL")
_EXTENSION = "ndx-multichannel-volume"
_PREFERRED = ("SignalRawFluor", "SignalFluorescence", "SignalDFoF")
"""Containers of traces: the first one that a file has becomes ``activity``."""
_SERIES = {"TimeSeries", "SpatialSeries", "AnnotationSeries", "IntervalSeries"}
_SEGMENTATIONS = {"PlaneSegmentation", "VolumeSegmentation"}
_UNITS = {"unitless": "1", "percentage": "percent", "seconds": "s", "meters": "m"}
_ROOT = ("identifier", "session_description", "session_start_time")
_GENERAL = ("experiment_description", "experimenter", "institution", "lab", "related_publications", "session_id")
_SEXES = {"O": "hermaphrodite", "M": "male"}
"""What the convention writes (focolab/NWBelegans, README: "O for hermaphrodite or M for male")."""
_SUBJECT = ("subject_id", "description", "date_of_birth", "age", "sex", "species", "strain", "genotype",
            "growth_stage", "growth_stage_time", "cultivation_temp")  # fmt: skip


def sniff(path: Path) -> bool:
    """Tell whether a file is NWB and holds a worm by this convention."""
    if not is_hdf5(path):
        return False
    with open_hdf5(path) as file:
        return is_nwb(file) and is_worm(file)


def is_worm(file: h5py.File) -> bool:
    """Tell whether an open NWB file uses the extension or has its modules."""
    modules = file.get("processing", {})
    return _EXTENSION in file.get("specifications", {}) or any(name in modules for name in _MODULES)


def read(paths: list[Path]) -> xr.DataTree:
    """Read one worm.

    Parameters
    ----------
    paths : list of pathlib.Path
        One NWB file.

    Returns
    -------
    xarray.DataTree
        ``activity`` (the file's dtype; channel = position in the file, counted from 0; clock = the series' own) and
        ``neuron``; further series of traces as ``activity_NAME``; ``position`` where the ROIs were followed;
        ``segmentation_NAME`` and ``voxel_NAME`` (tables); ``image_NAME`` (volume); ``stimulus`` and ``interval_NAME``
        (tables); ``behaviour_NAME`` and ``series_NAME`` (series on their own clocks). Each where the file has it.

    Raises
    ------
    FormatError
        When the file is not such NWB or contradicts itself.
    """
    only_path(paths, expected="RECORDING.nwb")
    subject = str(paths[0])
    groups: dict[str, xr.Dataset] = {}
    warnings: list[dict[str, str]] = []
    with open_hdf5(paths[0]) as file:
        if not is_nwb(file) or not is_worm(file):
            raise FormatError(
                "not a worm in NWB", subject=subject, expected=f"processing/{' or processing/'.join(_MODULES)}",
                found=", ".join(sorted(file.get("processing", {}))) or type_of(file) or "no NWB file",
            )  # fmt: skip
        _add_all(file, groups, warnings, subject)
        attrs = _description(file, subject)
    if not groups:
        raise FormatError("nothing in the file is known", subject=subject, expected="traces, a segmentation, an image")
    return record(
        groups,
        warnings=warnings,
        title=f"Whole-brain imaging of a worm, {attrs['source_uid'] or paths[0].stem}",
        species=SPECIES,
        **attrs,
    )


def _add_all(file: h5py.File, groups: dict[str, xr.Dataset], warnings: list[dict[str, str]], subject: str) -> None:
    responses: list[h5py.Group] = []
    segmentations: dict[str, list[Segmentation]] = {}
    for item in objects(file, subject=subject):
        kind, name = type_of(item), _last(item)
        if kind == "RoiResponseSeries":
            responses.append(item)
        elif kind in _SEGMENTATIONS:
            segmentations.setdefault(_last(item.parent), []).append(read_segmentation(item, subject=subject))
            if "image_mask" in item:
                warnings.append(warning("not-stored", f"{item.name}/image_mask", "an image per ROI"))
        elif kind == "MultiChannelVolume":
            add_image(item, groups, warnings, subject=subject)
        elif kind == "MultiChannelVolumeSeries":
            shape = item["data"].shape if isinstance(item.get("data"), h5py.Dataset) else "unknown"
            warnings.append(warning("not-stored", item.name, f"images over time, shape {shape}"))
        elif kind == "TimeIntervals":
            _add_intervals(item, name, groups, subject)
        elif kind in _SERIES and not item.name.startswith("/acquisition/"):
            _add_series(item, groups, warnings, subject)
    clock = _add_activity(file, responses, groups, warnings, subject)
    for name in sorted(segmentations):
        segmentation_groups(name, segmentations[name], groups, warnings, clock=clock)


def _add_activity(
    file: h5py.File,
    responses: list[h5py.Group],
    groups: dict[str, xr.Dataset],
    warnings: list[dict[str, str]],
    subject: str,
) -> dict[str, Any]:
    """Add the traces and the table of their ROIs; return the clock of the activity with its number of samples."""
    ranked = sorted(responses, key=lambda item: (_rank(item), item.name))
    chosen: dict[str, Any] = {}
    for at, item in enumerate(ranked):
        container = _last(item.parent) if type_of(item.parent) != "ProcessingModule" else _last(item)
        group = "activity" if at == 0 else f"activity_{container}"
        if group in groups:
            group = f"activity_{container}_{_last(item)}"
        dataset, clock = _traces(item, warnings, subject)
        groups[group] = dataset
        if at == 0:
            chosen = {**clock, "n_samples": int(dataset.sizes["time"])}
            labels, source = _labels(file, item, int(dataset.sizes["channel"]), subject)
            groups["neuron"] = neuron_table(
                list(dataset["channel"].values), match_labels(labels), channel_base=0, label_source=source
            )
    return chosen


def _rank(item: h5py.Group) -> int:
    container = _last(item.parent)
    return _PREFERRED.index(container) if container in _PREFERRED else len(_PREFERRED)


def _traces(item: h5py.Group, warnings: list[dict[str, str]], subject: str) -> tuple[xr.Dataset, dict[str, Any]]:
    values = numbers(item, "data", subject=subject)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    rois = numbers(item, "rois", subject=subject) if "rois" in item else np.arange(values.shape[-1])
    if values.ndim != 2 or rois.shape != (values.shape[1],):
        raise FormatError(
            "traces and ROIs do not fit", subject=subject, place=f"{item.name}/data",
            expected=f"(time, {len(rois)})", found=str(values.shape),
        )  # fmt: skip
    clock = clock_of(item, subject=subject)
    if clock.stamps is not None and len(clock.stamps) != len(values):
        raise FormatError(
            "traces and stamps differ in length", subject=subject, place=f"{item.name}/timestamps",
            expected=f"{len(values)} stamps", found=f"{len(clock.stamps)} stamps",
        )  # fmt: skip
    if clock.stamps is None and clock.rate_hz is None:
        warnings.append(warning("no-clock", item.name, "neither stamps nor a rate; frames are counted from 0"))
    units, unit = _unit(item)
    conversion, offset = (float(attribute(item["data"], name) or default) for name, default in _SCALING)
    scaled = (conversion, offset) != (1.0, 0.0)
    signal = np.ascontiguousarray(values.T)
    dataset = series(
        signal,
        channel=[str(number) for number in range(len(signal))],
        units=units,
        long_name=str(attribute(item, "description") or "Activity of the ROIs"),
        valid=taken(signal),
        gain=np.full(len(signal), conversion) if scaled or signal.dtype.kind in "iu" else None,
        offset=np.full(len(signal), offset) if scaled else None,
        channels={"roi": column("channel", rois, "Row of the segmentation that the trace belongs to", "1")},
        channel_base=0,
        numbering="position among the traces, counted from 0",
        source=item.name,
        source_unit=unit,
        **clock.arguments(),
    )
    return dataset, clock.arguments()


_SCALING = (("conversion", 1.0), ("offset", 0.0))


def _unit(item: h5py.Group) -> tuple[str, str]:
    """Return the unit of a series in UDUNITS and as the file writes it."""
    unit = str(attribute(item["data"], "unit") or "") if isinstance(item.get("data"), h5py.Dataset) else ""
    return _UNITS.get(unit.lower(), "unknown"), unit


def _labels(file: h5py.File, item: h5py.Group, n_rois: int, subject: str) -> tuple[list[str], str]:
    """Return a label per trace, and where it comes from: ``NeuronIDs`` beside it, or the table its ROIs are rows of."""
    beside = [other for other in objects(file["processing"], subject=subject) if type_of(other) == "SegmentationLabels"]
    module = item.name.split("/")[2]
    for other in beside:
        if other.name.split("/")[2] == module and "labels" in other:
            labels = texts(other, "labels", subject=subject)
            if len(labels) != n_rois:
                raise FormatError(
                    "labels and traces differ in number", subject=subject, place=f"{other.name}/labels",
                    expected=f"{n_rois} labels", found=f"{len(labels)} labels",
                )  # fmt: skip
            return labels, other.name
    reference = item["rois"].attrs.get("table") if "rois" in item else None
    target = file[reference] if isinstance(reference, h5py.Reference) and reference else None
    if isinstance(target, h5py.Group) and "ID_labels" in target:
        given = read_segmentation(target, subject=subject).labels
        rows = numbers(item, "rois", subject=subject)
        if rows.size and (rows.min() < 0 or rows.max() >= len(given)):
            raise FormatError(
                "a ROI is not in its segmentation", subject=subject, place=f"{item.name}/rois",
                expected=f"0 to {len(given) - 1}", found=str(int(rows.max())),
            )  # fmt: skip
        return [given[row] for row in rows.tolist()], target.name
    return [""] * n_rois, ""


def _add_intervals(item: h5py.Group, name: str, groups: dict[str, xr.Dataset], subject: str) -> None:
    columns: dict[str, xr.Variable] = {}
    for part in column_names(item):
        if f"{part}_index" in item:
            continue
        text = str(attribute(item[part], "description") or part)
        if item[part].dtype.kind in "biuf":
            columns[part] = column("row", numbers(item, part, subject=subject), text, "s" if "time" in part else "1")
        else:
            columns[part] = column("row", texts(item, part, subject=subject), text)
    if {len(values) for values in columns.values()} - {len(next(iter(columns.values()), ()))}:
        raise FormatError("columns of a table differ in length", subject=subject, place=item.name)
    group = "stimulus" if "stimul" in name and "stimulus" not in groups else f"interval_{name}"
    groups[group] = table(columns, source=item.name, description=str(attribute(item, "description") or ""))


def _add_series(item: h5py.Group, groups: dict[str, xr.Dataset], warnings: list[dict[str, str]], subject: str) -> None:
    """Add a TimeSeries on its own clock; texts with stamps become a table of events."""
    name, stored = _last(item), item.get("data")
    behaviour = item.name.startswith("/processing/Behavior") or "BehavioralTimeSeries" in type_of(item.parent)
    group = f"{'behaviour' if behaviour else 'series'}_{name}"
    if group in groups:
        group = f"{group}_{_last(item.parent)}"
    if not isinstance(stored, h5py.Dataset) or stored.ndim not in {1, 2}:
        warnings.append(warning("not-stored", item.name, f"a {type_of(item)} of a shape that is not known"))
        return
    clock = clock_of(item, subject=subject)
    if clock.stamps is not None and len(clock.stamps) != len(stored):
        raise FormatError(
            "samples and stamps differ in number", subject=subject, place=item.name, expected=f"{len(stored)} stamps",
            found=f"{len(clock.stamps)} stamps",
        )  # fmt: skip
    if stored.dtype.kind not in "biuf":
        if stored.ndim == 1 and clock.stamps is not None:
            columns = {
                "time": column("row", clock.stamps, "Stamp as given by the source", "s"),
                "value": column("row", texts(item, "data", subject=subject), f"{name} as the source gives it"),
            }
            groups[group] = table(columns, source=item.name)
        else:
            warnings.append(warning("not-stored", item.name, "texts without stamps"))
        return
    values = numbers(item, "data", subject=subject)
    signal = np.ascontiguousarray(np.atleast_2d(values.T))
    units, unit = _unit(item)
    groups[group] = series(
        signal,
        channel=[name] if len(signal) == 1 else [str(number) for number in range(len(signal))],
        units=units,
        long_name=str(attribute(item, "description") or name),
        valid=taken(signal),
        gain=np.ones(len(signal)) if signal.dtype.kind in "iu" else None,
        source=item.name,
        source_unit=unit,
        **clock.arguments(),
    )


def _description(file: h5py.File, subject: str) -> dict[str, Any]:
    found: dict[str, Any] = {name: scalar(file, name, subject=subject) for name in _ROOT}
    found |= _members(file.get("general"), _GENERAL, subject)
    worm = _members(file.get("general/subject"), _SUBJECT, subject)
    attrs: dict[str, Any] = {name: value for name, value in found.items() if value and name != "identifier"}
    attrs |= {f"subject_{name.removeprefix('subject_')}": value for name, value in worm.items() if value}
    if worm.get("strain"):
        attrs["strain"] = attrs.pop("subject_strain")
    if worm.get("sex") in _SEXES:
        attrs["sex"] = _SEXES[worm["sex"]]
    version = attribute(file, "nwb_version")
    return {**attrs, "source_uid": str(found["identifier"]), **({"nwb_version": version} if version else {})}


def _members(group: Any, names: tuple[str, ...], subject: str) -> dict[str, Any]:
    if not isinstance(group, h5py.Group):
        return {}
    return {name: scalar(group, name, subject=subject) or attribute(group, name) or "" for name in names}


def _last(item: h5py.Group) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", str(item.name).rpartition("/")[2])
