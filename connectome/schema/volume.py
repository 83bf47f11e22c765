"""The kind ``volume``: an image in its stored axis order, with everything that says where it lies.

``image(i, j, k[, t])`` holds the stored numbers, before any scaling; ``slope`` and ``intercept`` are attributes
(physical value = ``image * slope + intercept``). ``affine`` maps voxel indices to millimetres (right, anterior,
superior); both NIfTI transforms and their codes are kept beside it, and the raw header, so that an export gives the
same bytes back. Label maps stay integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from .columns import Layout, Problem, check_columns, column

KIND = "volume"
VERSION = "1"
CHUNK_EDGE = 64
AXES = ("i", "j", "k", "t", "u", "v", "w")


def volume(
    image: np.ndarray[Any, Any],
    *,
    affine: np.ndarray[Any, Any],
    units: str,
    long_name: str,
    header: bytes = b"",
    trailer: bytes = b"",
    transforms: dict[str, tuple[np.ndarray[Any, Any], int]] | None = None,
    slope: float | None = None,
    intercept: float | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Make a volume group.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (i, j, k) or (i, j, k, t), stored numbers in stored order.
    affine : numpy.ndarray
        Shape (4, 4), float64, voxel index to millimetre (RAS+).
    units, long_name : str
        Of the image.
    header : bytes
        The raw header with its extensions, exactly as in the file.
    trailer : bytes
        What follows the image in the file, exactly; usually nothing.
    transforms : dict, optional
        ``{"qform": (matrix, code), "sform": (matrix, code)}``.
    slope, intercept : float, optional
        Scaling of stored numbers; None where the file gives none.
    **attrs
        Attributes of the group (JSON values).

    Returns
    -------
    xarray.Dataset
    """
    variables: dict[str, Any] = {
        "image": column(AXES[: image.ndim], image, long_name, units),
        "affine": column(("world", "voxel"), np.asarray(affine, dtype=np.float64), "Voxel index to position", "mm"),
    }
    for name, (matrix, code) in (transforms or {}).items():
        matrix = np.asarray(matrix, dtype=np.float64)
        variables[name] = column(("world", "voxel"), matrix, f"NIfTI {name}", "mm", code=int(code))
    if header:
        variables["header"] = column("header_byte", np.frombuffer(header, dtype=np.uint8), "Header as stored", "1")
    if trailer:
        variables["trailer"] = column("trailer_byte", np.frombuffer(trailer, dtype=np.uint8), "Bytes after image", "1")
    scaling = {name: value for name, value in (("slope", slope), ("intercept", intercept)) if value is not None}
    return xr.Dataset(variables, attrs={"encoding-type": KIND, "encoding-version": VERSION, **scaling, **attrs})


def check(dataset: xr.Dataset, path: str) -> list[Problem]:
    """List what is wrong with a volume group."""
    problems = check_columns(dataset, path)
    if "image" not in dataset or not 3 <= dataset["image"].ndim <= len(AXES):
        found = str(dataset["image"].dims) if "image" in dataset else "none"
        return [*problems, Problem(f"{path}/image", f"an image with 3 to {len(AXES)} axes", found)]
    image = dataset["image"]
    if image.dims[:3] != AXES[:3] or image.dtype.kind not in "biufc":
        problems.append(Problem(f"{path}/image", "numbers along i, j, k", f"{image.dtype} {image.dims}"))
    for name in ("affine", "qform", "sform"):
        if name in dataset and (dataset[name].shape != (4, 4) or dataset[name].dtype != np.float64):
            found = f"{dataset[name].dtype} {dataset[name].shape}"
            return [*problems, Problem(f"{path}/{name}", "a 4 x 4 matrix of float64", found)]
    if "affine" not in dataset:
        return [*problems, Problem(f"{path}/affine", "a 4 x 4 matrix of float64", "none")]
    for name in ("header", "trailer"):
        if name in dataset and (dataset[name].dtype != np.uint8 or dataset[name].ndim != 1):
            problems.append(Problem(f"{path}/{name}", "bytes", f"{dataset[name].dtype} {dataset[name].dims}"))
    affine = dataset["affine"].values
    # The determinant of a singular matrix is seldom exactly zero in floating point; its rank tells.
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        problems.append(Problem(f"{path}/affine", "a finite, invertible affine", str(affine.tolist())))
    return problems


def measure(dataset: xr.Dataset) -> dict[str, Any]:
    """Return ``shape``, ``dtype`` (of the stored image) and ``affine``."""
    image = dataset["image"]
    return {
        "shape": [int(size) for size in image.shape],
        "dtype": str(image.dtype),
        "affine": dataset["affine"].values.tolist(),
    }


def layout(variable: xr.Variable) -> Layout:
    """Cut images into cubes, with thin axes whole; keep everything else whole."""
    shape = tuple(max(1, size) for size in variable.shape)
    if variable.ndim < 3:
        return Layout(shape, "zstd")
    chunks = tuple(size if size <= CHUNK_EDGE * 3 // 2 else CHUNK_EDGE for size in shape[:3])
    return Layout(chunks + (1,) * (len(shape) - 3), "zstd" if variable.dtype.itemsize == 1 else "lz4")
