"""One volume on another's grid, on request and on record: nearest voxels for labels, linear for images.

Every voxel of the target is taken to millimetres by the target's affine and to the source's voxels by the inverse of
the source's, so the two affines decide alone: no registration is done, nothing is smoothed. What lies outside of the
source's voxels becomes the fill value.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

from .alignment import compare_grids
from .orientation import UNKNOWN

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["resample"]

Array = np.ndarray[Any, Any]

METHODS = ("nearest", "linear")
RASTER = float(1 << 20)
"""Places are told apart to a millionth of a voxel."""


def resample(
    dataset: xr.Dataset, to: xr.Dataset, *, path: str, method: str | None = None, fill: float = 0.0, origin: str = ""
) -> xr.Dataset:
    """Put a volume onto the grid of another.

    Parameters
    ----------
    dataset : xarray.Dataset
        The volume. Axes after the third are kept.
    to : xarray.Dataset
        The volume whose grid is wanted; only its shape and affine are read.
    path : str
        Path of ``to`` in the record.
    method : str, optional
        ``"nearest"`` or ``"linear"``; by default nearest for labels, linear for images.
    fill : float
        Stored number outside of the source.
    origin : str
        What ``dataset`` is (a file, a group), for the record.

    Returns
    -------
    xarray.Dataset
        A new volume group without a header: labels keep their dtype; an image made by ``"linear"`` is float32 of
        *stored* numbers (scaling goes on as it was). The attribute ``resampled`` holds ``from``, ``method``, ``fill``,
        the source's ``shape`` and ``affine``, and ``outside_voxels``; ``aligned_to`` is ``path``.

    Raises
    ------
    UsageError
        When the method is unknown or does not fit, or an orientation is not known.
    """
    from connectome import schema

    labels = dataset.attrs.get("role") == "labels"
    method = method or ("nearest" if labels else "linear")
    image = dataset["image"].values
    if method not in METHODS or (labels and method != "nearest") or (image.dtype.kind == "c" and method != "nearest"):
        raise UsageError(
            "the volume cannot be resampled so",
            subject=method,
            expected="nearest for labels and complex numbers; nearest or linear for images",
        )
    for name, held in (("the volume", dataset), ("its target", to)):
        if held.attrs.get("orientation") == UNKNOWN:
            raise UsageError(
                "without a known orientation there is no place to resample to",
                subject=name,
                hint="give its header a transform with a code above 0, once you know which way its axes run",
            )
    target = tuple(int(size) for size in to["image"].shape[:3])
    affine, wanted = (item["affine"].values.astype(np.float64) for item in (dataset, to))
    made, outside = _onto(image, np.linalg.solve(affine, wanted), target, method, fill)
    scaling = {name: dataset.attrs[name] for name in ("slope", "intercept") if name in dataset.attrs}
    names = (
        dict(zip(dataset["label_id"].values.tolist(), dataset["label_name"].values.tolist(), strict=True))
        if "label_name" in dataset
        else None
    )
    volume = schema.volume(
        made,
        affine=wanted,
        units=str(dataset["image"].attrs["units"]),
        long_name=str(dataset["image"].attrs["long_name"]),
        role="labels" if labels else "image",
        label_names=names,
        resampled={
            "from": origin,
            "method": method,
            "fill": fill,
            "shape": [int(size) for size in image.shape],
            "affine": affine.tolist(),
            "outside_voxels": outside,
        },
        **scaling,
    )
    error = compare_grids(volume, to).max_corner_error_mm
    return volume.assign_attrs(aligned_to=path, max_corner_error_mm=error)


def _onto(image: Array, matrix: Array, shape: tuple[int, ...], method: str, fill: float) -> tuple[Array, int]:
    """Return the image on the other grid, and how many of its voxels lie outside of the source."""
    made = np.full((*shape, *image.shape[3:]), fill, dtype=image.dtype if method == "nearest" else np.float32)
    take = _nearest if method == "nearest" else _linear
    last, outside = np.array(image.shape[:3], dtype=np.int64) - 1, 0
    j, k = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    for i in range(shape[0]):
        place = np.stack([np.full(j.shape, i), j, k], axis=-1) @ matrix[:3, :3].T + matrix[:3, 3]
        # On a fixed raster, rounding in the inverse decides no tie and pushes no corner out of its own grid.
        place = np.round(place * RASTER) / RASTER
        inside = ((place >= -0.5) & (place < last + 0.5)).all(axis=-1)
        made[i][inside] = take(image, place[inside], last)
        outside += int((~inside).sum())
    return made, outside


def _nearest(image: Array, place: Array, last: Array) -> Array:
    """Take the nearest voxels by index, so that numbers of any size stay what they are; halves go up."""
    i, j, k = np.clip(np.floor(place + 0.5).astype(np.int64), 0, last).T
    taken: Array = image[i, j, k]
    return taken


def _linear(image: Array, place: Array, last: Array) -> Array:
    """Weigh the eight voxels around each place; beyond the outermost centres the outermost voxel counts."""
    place = np.clip(place, 0, last)
    low = np.minimum(np.floor(place).astype(np.int64), np.maximum(last - 1, 0))
    part, high = place - low, np.minimum(low + 1, last)
    total = np.zeros((len(place), *image.shape[3:]))
    for corner in product((0, 1), repeat=3):
        upper = np.array(corner, dtype=bool)
        i, j, k = np.where(upper, high, low).T
        weight = np.where(upper, part, 1 - part).prod(axis=1)
        # What has no weight must not count, even where it is not finite.
        values = np.where(_wide(weight, image) == 0, 0.0, image[i, j, k].astype(np.float64))
        total += _wide(weight, image) * values
    return total


def _wide(weight: Array, image: Array) -> Array:
    """Return weights that apply to every frame."""
    return weight.reshape(-1, *(1,) * (image.ndim - 3))
