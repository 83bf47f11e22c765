"""A volume as NIfTI: the stored header, then the stored numbers in the byte order that the header states.

Nothing is computed, so the decompressed bytes equal those of the file that was read.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr


def write(tree: xr.DataTree, destination: Path, *, group: str | None, to: str) -> list[Path]:
    """Write one volume as ``.nii``, ``.nii.gz`` or a pair ``.hdr`` and ``.img``."""
    path, volume = _volume(tree, group)
    if "header" not in volume:
        raise UsageError(
            "the volume has no NIfTI header",
            subject=path,
            expected="a volume read from NIfTI",
            hint="export it to zarr",
        )
    header = volume["header"].values.tobytes()
    cut = int(volume.attrs["header_file_bytes"])
    body = header[cut:] + _image(volume) + (volume["trailer"].values.tobytes() if "trailer" in volume else b"")
    suffixes = (".hdr",) if volume.attrs["paired"] else (".nii", ".nii.gz")
    if not destination.name.lower().endswith(suffixes):
        raise UsageError(
            "the name does not fit the file's form", subject=destination.name, expected=" or ".join(suffixes), place=to
        )
    if volume.attrs["paired"]:
        image = destination.with_suffix(".img")
        destination.write_bytes(header[:cut])
        image.write_bytes(body)
        return [destination, image]
    content = header[:cut] + body
    if destination.name.lower().endswith(".gz"):
        # No name and no time in the gzip header: the same record gives the same file.
        content = gzip.compress(content, mtime=0)
    destination.write_bytes(content)
    return [destination]


def _volume(tree: xr.DataTree, group: str | None) -> tuple[str, xr.Dataset]:
    volumes = {path.strip("/"): data for path, data in schema.groups(tree) if schema.kind_of(data) == "volume"}
    if group is not None:
        return group, volumes[group.strip("/")]
    if len(volumes) > 1:
        raise UsageError("several volumes in the record", subject="group", expected=f"one of {', '.join(volumes)}")
    return next(iter(volumes.items()))


def _image(volume: xr.Dataset) -> bytes:
    stored: np.ndarray[Any, Any] = np.asarray(volume["image"].values)
    if "component" in volume["image"].dims:
        stored = np.moveaxis(stored, -1, 0)
    # Records of version 1 keep the image in the source's own dtype, but for the order of bytes.
    wide = np.dtype(volume.attrs.get("source_dtype", stored.dtype)).newbyteorder("=")
    if wide != stored.dtype:
        stored = stored.astype(wide)
    if (volume.attrs["endianness"] == "big") == (stored.dtype.str[0] != ">"):
        stored = stored.byteswap()
    return stored.tobytes(order="F")
