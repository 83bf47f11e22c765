"""A volume as NIfTI: the stored header, then the stored numbers in the dtype and byte order that the header states.

For a volume that was read from NIfTI nothing is computed, so the decompressed bytes equal those of the file that was
read. Volumes of other origin get a header made from their affine; :func:`remarks` says so.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import UsageError
from connectome.volumes.nifti_bytes import converted, file_bytes

from .stored_bytes import one_volume, source_format

if TYPE_CHECKING:
    import xarray as xr

SINGLE, PAIR = (".nii", ".nii.gz"), (".hdr",)


def write(tree: xr.DataTree, destination: Path, *, group: str | None, to: str) -> list[Path]:
    """Write one volume as ``.nii``, ``.nii.gz`` or, where it came as a pair, ``.hdr`` and ``.img``."""
    path, volume = one_volume(tree, group)
    if source_format(volume) != "nifti":
        _check_name(destination, SINGLE, to)
        _write(destination, converted(volume, path=path))
        return [destination]
    content, cut = file_bytes(volume), int(volume.attrs["header_file_bytes"])
    _check_name(destination, PAIR if volume.attrs["paired"] else SINGLE, to)
    if volume.attrs["paired"]:
        image = destination.with_suffix(".img")
        destination.write_bytes(content[:cut])
        image.write_bytes(content[cut:])
        return [destination, image]
    _write(destination, content)
    return [destination]


def remarks(tree: xr.DataTree, *, group: str | None) -> list[str]:
    """Say what the file will not be: the bytes of a NIfTI file that was read."""
    path, volume = one_volume(tree, group)
    source = source_format(volume)
    if source == "nifti":
        return []
    origin = f"read from {source}" if source else "without a header of its own"
    return [f"{path}: {origin}; the NIfTI header is made from its affine, numbers are as stored"]


def _check_name(destination: Path, suffixes: tuple[str, ...], to: str) -> None:
    if not destination.name.lower().endswith(suffixes):
        raise UsageError(
            "the name does not fit the file's form", subject=destination.name, expected=" or ".join(suffixes), place=to
        )


def _write(destination: Path, content: bytes) -> None:
    if destination.name.lower().endswith(".gz"):
        # No name and no time in the gzip header: the same record gives the same file.
        content = gzip.compress(content, mtime=0)
    destination.write_bytes(content)
