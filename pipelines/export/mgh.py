"""A volume that was read from MGH as MGH again: header, numbers and tags as they were, byte for byte."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import UsageError

from .stored_bytes import image_bytes, one_volume, source_format

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = (".mgh", ".mgz")


def write(tree: xr.DataTree, destination: Path, *, group: str | None, to: str) -> list[Path]:
    """Write one volume as ``.mgh``, or as ``.mgz`` (gzip)."""
    path, volume = one_volume(tree, group)
    if source_format(volume) != "mgh":
        raise UsageError(
            "the volume has no MGH header",
            subject=path,
            expected="a volume read from MGH",
            hint="export it to nifti, which FreeSurfer reads",
        )
    if not destination.name.lower().endswith(SUFFIXES):
        raise UsageError(
            "the name does not fit the file's form", subject=destination.name, expected=" or ".join(SUFFIXES), place=to
        )
    content = volume["header"].values.tobytes() + image_bytes(volume)
    content += volume["trailer"].values.tobytes() if "trailer" in volume else b""
    # No name and no time in the gzip header: the same record gives the same file.
    packed = gzip.compress(content, mtime=0) if destination.name.lower().endswith(".mgz") else content
    destination.write_bytes(packed)
    return [destination]
