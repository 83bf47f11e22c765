"""The bytes of a volume as its file had them: stored numbers in their own dtype, byte order and order of axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["image_bytes", "one_volume", "source_format", "source_numbers"]


def one_volume(tree: xr.DataTree, group: str | None) -> tuple[str, xr.Dataset]:
    """Return the path and the group of the volume that was asked for, or of the only one.

    Raises
    ------
    UsageError
        When the record has several volumes and none was named.
    """
    volumes = {path.strip("/"): data for path, data in schema.groups(tree) if schema.kind_of(data) == "volume"}
    if group is not None:
        return group, volumes[group.strip("/")]
    if len(volumes) > 1:
        raise UsageError("several volumes in the record", subject="group", expected=f"one of {', '.join(volumes)}")
    return next(iter(volumes.items()))


def source_format(volume: xr.Dataset) -> str:
    """Return the format whose header the volume has: ``nifti``, ``mgh``, ``analyze``; ``""`` when it has none."""
    if "header" not in volume:
        return ""
    # Records of version 1 came from NIfTI only.
    return str(volume.attrs.get("source_format", "nifti" if "nifti_version" in volume.attrs else ""))


def source_numbers(volume: xr.Dataset) -> np.ndarray[Any, Any]:
    """Return the image in the dtype of its source, in native byte order."""
    stored: np.ndarray[Any, Any] = np.asarray(volume["image"].values)
    # Records of version 1 keep the image in the source's own dtype, but for the order of bytes.
    wide = np.dtype(volume.attrs.get("source_dtype", stored.dtype)).newbyteorder("=")
    return stored if wide == stored.dtype else stored.astype(wide)


def image_bytes(volume: xr.Dataset) -> bytes:
    """Return the image's bytes as the source had them, first axis fastest."""
    stored = source_numbers(volume)
    if "component" in volume["image"].dims:
        stored = np.moveaxis(stored, -1, 0)
    if (volume.attrs["endianness"] == "big") == (stored.dtype.str[0] != ">"):
        stored = stored.byteswap()
    return stored.tobytes(order="F")
