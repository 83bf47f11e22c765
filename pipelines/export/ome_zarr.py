"""A volume as OME-Zarr 0.5 with anatomical orientation per axis, and the labels that lie on its grid.

Axes are ``t`` or ``c``, then ``z``, ``y``, ``x``: the canonical view, in which x runs to the right, y to anterior and
z to superior. That is an exchange of axes and flips; no number changes. OME-Zarr 0.5 places an image by scale and
translation alone, so the affine stands beside it under ``connectome``, and :func:`remarks` says where an image lies
oblique. Where the orientation is unknown the axes stay as stored and none is stated.

Specification: https://ngff.openmicroscopy.org/0.5, orientation by RFC-4 (https://ngff.openmicroscopy.org/rfc/4): a code
names the direction in which the index grows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from connectome import schema
from connectome.errors import UsageError
from connectome.store.canonical import plain
from connectome.store.grid import layout_of, regions
from connectome.volumes import UNKNOWN, View, canonical, reorient, voxel_size_mm

from .stored_bytes import one_volume

if TYPE_CHECKING:
    import xarray as xr

VERSION = "0.5"
ZSTD_LEVEL = 3
SPACE = ("z", "y", "x")
ORIENTATION = {"x": "left-to-right", "y": "posterior-to-anterior", "z": "inferior-to-superior"}
"""Of the canonical view."""
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
OBLIQUE_VOXELS = 0.01
"""An image counts as oblique when its far corner lies this far from where scale and translation put it."""


def write(tree: xr.DataTree, destination: Path, *, group: str | None, to: str) -> list[Path]:
    """Write one volume as an OME-Zarr group, with the label maps that are aligned to it below ``labels``."""
    path, volume = one_volume(tree, group)
    names = _labels_of(tree, path)
    root = zarr.create_group(store=str(destination), zarr_format=3)
    _write_image(root, volume, name=path, place=to)
    if names:
        labels = root.create_group("labels", attributes={"ome": {"version": VERSION, "labels": list(names)}})
        for name, held in names.items():
            _write_image(labels.create_group(name), held, name=name, place=to, below=True)
    return [destination]


def remarks(tree: xr.DataTree, *, group: str | None) -> list[str]:
    """Say what OME-Zarr 0.5 cannot tell its readers about this volume."""
    path, volume = one_volume(tree, group)
    said = []
    if volume.attrs.get("orientation") == UNKNOWN:
        said.append(f"{path}: the orientation is unknown; axes are as stored, and none is stated")
    elif _off_voxels(_view(volume), volume) > OBLIQUE_VOXELS:
        said.append(f"{path}: lies oblique, which scale and translation cannot tell; the affine stands beside them")
    if "slope" in volume.attrs and (volume.attrs["slope"], volume.attrs.get("intercept", 0.0)) != (1.0, 0.0):
        said.append(f"{path}: numbers are as stored; slope and intercept stand beside them")
    return said


def _labels_of(tree: xr.DataTree, path: str) -> dict[str, xr.Dataset]:
    """Return the label maps on the grid of a volume, by a name without slashes."""
    found = {}
    for held, data in schema.groups(tree):
        is_label = schema.kind_of(data) == "volume" and data.attrs.get("role") == "labels"
        if is_label and str(data.attrs.get("aligned_to", "")).strip("/") == path.strip("/"):
            found[held.strip("/").removeprefix("labels/").replace("/", "_")] = data
    return found


def _view(volume: xr.Dataset) -> View:
    """Return the canonical view; the stored one where left and right are not known."""
    if volume.attrs.get("orientation") == UNKNOWN:
        return reorient(volume, "RAS", assume="RAS")
    return canonical(volume)


def _write_image(node: zarr.Group, volume: xr.Dataset, *, name: str, place: str, below: bool = False) -> None:
    view, dims = _view(volume), volume["image"].dims
    if view.ndim > 4 or view.dtype.kind == "c":
        raise UsageError(
            "OME-Zarr holds real numbers along at most one axis beside those in space",
            subject=name,
            place=place,
            found=f"{view.dtype} along {', '.join(map(str, dims))}",
            hint="export it to zarr",
        )
    more = () if view.ndim == 3 else (("c",) if dims[3] == "component" else ("t",))
    dtype = np.dtype(np.uint8) if view.dtype.kind == "b" else view.dtype
    # Chunks are those of the stored array, turned along; axes in reverse, as OME-Zarr names them.
    stored = layout_of(volume, volume["image"].variable).chunks
    chunks = (*stored[3:], *(stored[axis] for axis in reversed(view.turn.axes)))
    shape = (*view.shape[3:], *reversed(view.shape[:3]))
    array = node.create_array(
        "0",
        shape=shape,
        dtype=dtype.newbyteorder("<"),
        chunks=chunks,
        filters=None,
        compressors=[ZstdCodec(level=ZSTD_LEVEL)],
        fill_value=0,
        dimension_names=[*more, *SPACE],
        config={"write_empty_chunks": False},
    )
    for region in regions(shape, chunks):
        box = view[(*reversed(region[-3:]), *region[:-3])]
        array[region] = np.transpose(box, (*range(3, box.ndim), 2, 1, 0)).astype(dtype)
    node.attrs.update(plain(_attributes(volume, view, name=name, more=more, below=below)))


def _attributes(volume: xr.Dataset, view: View, *, name: str, more: tuple[str, ...], below: bool) -> dict[str, Any]:
    known = volume.attrs.get("orientation") != UNKNOWN
    seconds = _step_s(volume) if more == ("t",) else None
    axes: list[dict[str, Any]] = [
        {"name": axis, "type": "time" if axis == "t" else "channel"} | ({"unit": "second"} if seconds else {})
        for axis in more
    ]
    for axis in SPACE:
        oriented = {"orientation": {"type": "anatomical", "value": ORIENTATION[axis]}} if known else {}
        axes.append({"name": axis, "type": "space", "unit": "millimeter", **oriented})
    first = [seconds or 1.0] * len(more)
    scale = [*first, *reversed(voxel_size_mm(view.affine))]
    shift = [*(0.0 for _ in more), *(reversed(view.affine[:3, 3].tolist()) if known else (0.0, 0.0, 0.0))]
    placed = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": shift}]
    described: dict[str, Any] = {
        "version": VERSION,
        "multiscales": [{"name": name, "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": placed}]}],
    }
    if volume.attrs.get("role") == "labels":
        source = {"source": {"image": "../../"}} if below else {}
        described["image-label"] = source | _properties(volume)
    kept = ("orientation", "slope", "intercept", "statistics", "source_dtype", "aligned_to", "max_corner_error_mm")
    own = {name: volume.attrs[name] for name in kept if name in volume.attrs}
    own |= {"axis_codes": view.codes if known else UNKNOWN, "affine": view.affine.tolist()}
    own |= {"units": volume["image"].attrs["units"], "long_name": volume["image"].attrs["long_name"]}
    return {"ome": described, "connectome": own}


def _properties(volume: xr.Dataset) -> dict[str, Any]:
    if "label_name" not in volume:
        return {}
    pairs = zip(volume["label_id"].values.tolist(), volume["label_name"].values.tolist(), strict=True)
    return {"properties": [{"label-value": label, "name": text} for label, text in pairs if text]}


def _step_s(volume: xr.Dataset) -> float | None:
    """Return the time from one image to the next in seconds, where the header gives it."""
    if "repetition_time_ms" in volume.attrs:
        return float(volume.attrs["repetition_time_ms"]) / 1000
    zooms, unit = volume.attrs.get("zooms", []), volume.attrs.get("time_unit")
    return float(zooms[3]) * SECONDS[unit] if len(zooms) > 3 and zooms[3] > 0 and unit in SECONDS else None


def _off_voxels(view: View, volume: xr.Dataset) -> float:
    """Return how far the corners lie from where scale and translation alone put them, in voxels of the finest edge."""
    sizes = np.array(voxel_size_mm(volume["affine"].values))
    straight = np.diag(voxel_size_mm(view.affine))
    far = np.array(view.shape[:3], dtype=np.float64) - 1
    return float(np.abs((view.affine[:3, :3] - straight) * far).sum(axis=1).max() / sizes.min())
