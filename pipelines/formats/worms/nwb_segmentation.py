"""Segmentations and NeuroPAL images of the WormID convention: names of ROIs, their voxels, and where they move.

A PlaneSegmentation or VolumeSegmentation has a ragged ``voxel_mask`` (x, y, z, weight) or ``color_voxel_mask`` (with
R, G, B, W), and ``ID_labels`` as letters with the ends of the words, or ``labels`` as words. Where an ImageSegmentation
has one of them per frame (``Seg_tpoint_0``, ...), each with one voxel per ROI, they are the positions of the ROIs over
time; where its name says ``Untracked``, ROIs of different frames have nothing to do with each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, table, volume, warning

from ...homogenise.celegans_names import match_labels
from ..nwb.file import attribute, child, numbers, ragged, scalar, texts
from .celegans_record import neuron_table, position_series

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Segmentation", "add_image", "read_segmentation", "segmentation_groups"]

Array = np.ndarray[Any, Any]

_MASKS = ("voxel_mask", "color_voxel_mask")
_AXES = ("x", "y", "z")
_FRAME = re.compile(r"(?P<stem>.*_)(?P<number>\d+)")
_MICROMETRES = {"micrometers", "micrometer", "um", "micron", "microns", "µm"}


@dataclass(frozen=True)
class Segmentation:
    """One table of ROIs."""

    place: str
    name: str
    ids: Array
    labels: list[str]
    """One per ROI, ``""`` where the file gives none."""
    voxels: Array | None
    """Compound (x, y, z, weight, ...), all ROIs behind one another."""
    of_roi: Array
    """Shape (voxel,): row of the ROI that each voxel belongs to."""


def read_segmentation(item: h5py.Group, *, subject: str) -> Segmentation:
    """Read one table of ROIs.

    Raises
    ------
    FormatError
        When its columns differ in length or the ends of a ragged column do not fit.
    """
    ids = numbers(item, "id", subject=subject)
    n_rois = len(ids)
    mask = next((name for name in _MASKS if name in item), None)
    voxels, of_roi = None, np.empty(0, dtype=np.int64)
    if mask is not None:
        voxels = numbers(item, mask, subject=subject)
        if not set(_AXES) <= set(voxels.dtype.names or ()):
            raise FormatError(
                "voxels without coordinates", subject=subject, place=f"{item.name}/{mask}",
                expected="fields x, y, z", found=str(voxels.dtype),
            )  # fmt: skip
        cells = ragged(item, mask, subject=subject, length=len(voxels))
        _demand(len(cells), n_rois, item, mask, subject)
        of_roi = np.repeat(np.arange(n_rois), [cell.stop - cell.start for cell in cells])
    return Segmentation(
        item.name, str(item.name).rpartition("/")[2], ids, _labels(item, n_rois, subject), voxels, of_roi
    )


def _labels(item: h5py.Group, n_rois: int, subject: str) -> list[str]:
    name = next((name for name in ("ID_labels", "labels") if name in item), None)
    if name is None:
        return [""] * n_rois
    letters = texts(item, name, subject=subject)
    cells = ragged(item, name, subject=subject, length=len(letters))
    _demand(len(cells), n_rois, item, name, subject)
    return ["".join(letters[cell]) for cell in cells]


def _demand(found: int, expected: int, item: h5py.Group, name: str, subject: str) -> None:
    if found != expected:
        raise FormatError(
            "the columns of a segmentation differ in length", subject=subject, place=f"{item.name}/{name}",
            expected=f"{expected} ROIs", found=f"{found}",
        )  # fmt: skip


def segmentation_groups(
    name: str,
    tables: Sequence[Segmentation],
    groups: dict[str, xr.Dataset],
    warnings: list[dict[str, str]],
    *,
    clock: Mapping[str, Any],
) -> None:
    """Add what an ImageSegmentation holds: positions over time, or tables of ROIs and of voxels.

    Parameters
    ----------
    name : str
        Of the ImageSegmentation.
    tables : sequence of Segmentation
        Its members.
    groups, warnings
        What is added to.
    clock : mapping
        Of the activity, with ``n_samples``; positions of as many frames are on it, others are numbered.
    """
    frames = None if "Untracked" in name else _frames(tables)
    if frames is not None:
        numbers_of, position = frames
        on_clock = position.shape[2] == clock.get("n_samples")
        timing = {key: value for key, value in clock.items() if key != "n_samples"} if on_clock else {}
        group = "position" if "position" not in groups else f"position_{name}"
        groups[group] = position_series(
            position,
            roi=[str(number) for number in range(len(position))],
            axes=_AXES,
            units="pixel",
            long_name="Voxel of the ROI in the series of images",
            channel_base=0,
            source=name,
            first_table=tables[0].place.rpartition("/")[2],
            **(timing or {"frame_start": numbers_of}),
        )
        first = tables[0]
        if any(first.labels):
            groups[f"segmentation_{name}"] = neuron_table(
                [str(number) for number in first.ids.tolist()], match_labels(first.labels), source=first.place
            )
        changed = [item.place for item in tables if item.labels != first.labels]
        if changed:
            warnings.append(
                warning("not-stored", changed[0], f"{len(changed)} frames have other labels than the first")
            )
        return
    numbered = [_FRAME.fullmatch(item.name) for item in tables]
    if len(tables) > 1 and all(numbered):
        groups[f"voxel_{name}"] = _frame_table(tables)
        return
    for item in tables:
        suffix = item.name if len(tables) == 1 else f"{name}_{item.name}"
        ids = [str(number) for number in item.ids.tolist()]
        if any(item.labels):
            groups[f"segmentation_{suffix}"] = neuron_table(
                ids, match_labels(item.labels), numbering="id of the segmentation", source=item.place
            )
        if item.voxels is not None:
            groups[f"voxel_{suffix}"] = _voxel_table(item, ids)
        elif not any(item.labels):
            warnings.append(warning("not-stored", item.place, "a segmentation with neither labels nor voxels"))


def _frames(tables: Sequence[Segmentation]) -> tuple[int, Array] | None:
    """Return first number and positions (ROI, axis, frame) where every table is one frame with one voxel per ROI."""
    numbered: list[tuple[int, Array]] = []
    for item in tables:
        named = _FRAME.fullmatch(item.name)
        if named is None or item.voxels is None or not np.array_equal(item.of_roi, np.arange(len(item.ids))):
            return None
        numbered.append((int(named["number"]), np.stack([item.voxels[axis] for axis in _AXES], axis=1)))
    numbered.sort(key=lambda pair: pair[0])
    found = [number for number, _ in numbered]
    layers = [layer for _, layer in numbered]
    if len(layers) < 2 or len({layer.shape for layer in layers}) != 1 or found != [*range(found[0], found[-1] + 1)]:
        return None
    return found[0], np.stack(layers, axis=2).astype(np.float64)


def _frame_table(tables: Sequence[Segmentation]) -> xr.Dataset:
    """Make one table of the voxels of all frames, for ROIs that are not the same ones from frame to frame."""
    rows: list[tuple[int, str, str, float, float, float]] = []
    for item in sorted(tables, key=lambda item: int(item.name.rpartition("_")[2])):
        frame = int(item.name.rpartition("_")[2])
        for at, row in enumerate(item.of_roi.tolist()):
            voxel = item.voxels[at] if item.voxels is not None else None
            place = [float(voxel[axis]) for axis in _AXES] if voxel is not None else [float("nan")] * 3
            rows.append((frame, str(item.ids[row]), item.labels[row], *place))
    columns = {
        "frame": column("row", np.array([row[0] for row in rows], dtype=np.int64), "Frame as the source counts", "1"),
        "roi": column("row", [row[1] for row in rows], "Id of the ROI in its frame"),
        "raw_label": column("row", [row[2] for row in rows], "Label as the source writes it"),
    }
    for at, axis in enumerate(_AXES, start=3):
        columns[axis] = column("row", np.array([row[at] for row in rows]), f"{axis} of the voxel", "pixel")
    return table(columns)


def _voxel_table(item: Segmentation, ids: Sequence[str]) -> xr.Dataset:
    assert item.voxels is not None
    units = dict.fromkeys(_AXES, "pixel")
    columns = {"roi": column("row", [ids[row] for row in item.of_roi.tolist()], "Id of the ROI")}
    for field in item.voxels.dtype.names or ():
        values = np.ascontiguousarray(item.voxels[field])
        columns[field] = column("row", values, f"{field} of the voxel", units.get(field, "1"))
    return table(columns, source=item.place)


def add_image(item: h5py.Group, groups: dict[str, xr.Dataset], warnings: list[dict[str, str]], *, subject: str) -> None:
    """Add a MultiChannelVolume as a volume (x, y, z, channel), with the size of its voxels and its colours."""
    image = numbers(item, "data", subject=subject)
    place = child(item, "imaging_volume", subject=subject)
    name = str(item.name).rpartition("/")[2]
    spacing, unit = np.empty(0), ""
    if isinstance(place, h5py.Group) and "grid_spacing" in place:
        spacing = numbers(place, "grid_spacing", subject=subject).ravel()
        unit = str(attribute(place["grid_spacing"], "unit") or "")
    known = spacing.size == 3 and bool((spacing > 0).all()) and unit.lower() in _MICROMETRES
    if not known:
        message = f"the size of a voxel is {spacing.tolist()} {unit}; the affine counts voxels"
        warnings.append(warning("no-scale", item.name, message))
    if image.ndim not in {3, 4}:
        warnings.append(warning("not-stored", item.name, f"an image of shape {image.shape}"))
        return
    scale = [*(spacing.astype(np.float64) / 1000), 1.0] if known else np.ones(4)
    colours = child(item, "RGBW_channels", subject=subject)
    channels: list[str] = []
    for holder in (item, place):
        order = holder.get("order_optical_channels") if isinstance(holder, h5py.Group) else None
        if isinstance(order, h5py.Group) and "channels" in order and not channels:
            channels = texts(order, "channels", subject=subject)
    groups[f"image_{name}"] = volume(
        image,
        affine=np.diag(scale),
        units="1",
        long_name=str(scalar(item, "description", subject=subject) or "Fluorescence of the channels"),
        orientation="unknown",
        axes="x y z channel, as the file names them; which way they point in the worm is not said",
        optical_channels=channels,
        rgbw_channels=np.asarray(colours[()]).ravel().tolist() if isinstance(colours, h5py.Dataset) else [],
        source=item.name,
    )
