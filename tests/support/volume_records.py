"""Generated patients: smooth blobs as images, boxes as labels. Nothing here was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema

if TYPE_CHECKING:
    import xarray as xr

AFFINE = np.array([[-1.0, 0, 0, 90], [0, 0, 1.0, -126], [0, -1.0, 0, 72], [0, 0, 0, 1]])
"""Axes run to the left, to inferior and to anterior: "LIA"."""


def blob(shape: tuple[int, int, int], seed: int = 0, dtype: str = "uint8") -> np.ndarray[Any, Any]:
    """Return an image that is 0 outside a ball and speckled inside."""
    rng = np.random.default_rng(seed)
    axes = np.ogrid[tuple(slice(-1, 1, size * 1j) for size in shape)]
    inside = sum(axis**2 for axis in axes) < 0.8
    values = rng.integers(1, 200, size=shape)
    return np.where(inside, values, 0).astype(dtype)


def boxes(shape: tuple[int, int, int], ids: Mapping[int, tuple[slice, slice, slice]], dtype: str = "uint8") -> Any:
    """Return a label volume with a box per label."""
    values = np.zeros(shape, dtype=dtype)
    for label, place in ids.items():
        values[place] = label
    return values


def image_group(image: Any, *, affine: Any = AFFINE, **attrs: Any) -> xr.Dataset:
    """Return a volume group of an image."""
    return schema.volume(image, affine=affine, units="1", long_name="Generated intensity", **attrs)


def label_group(labels: Any, *, affine: Any = AFFINE, **attrs: Any) -> xr.Dataset:
    """Return a volume group of labels."""
    return schema.volume(labels, affine=affine, units="1", long_name="Generated labels", role="labels", **attrs)


def patient(groups: Mapping[str, xr.Dataset], columns: Mapping[str, xr.Variable] | None = None) -> xr.DataTree:
    """Return a record of volumes, with a table of one row where columns are given."""
    tables = {"subject": schema.table(columns)} if columns else {}
    return schema.record({**groups, **tables})
