"""FreeSurfer's volumes, plain (``.mgh``) or gzip (``.mgz``).

Always big-endian: 284 bytes of header, the image with its first axis fastest, then scan parameters and tags, which are
kept as they are. The position comes from direction cosines, voxel sizes and the place of the centre; where
``goodRASFlag`` is 0 none of them is set, and the orientation counts as unknown. Nothing is ever scaled.

Layout: https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat, and ``matlab/load_mgh.m`` of FreeSurfer 8.0 for
the types. nibabel reads the header.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, MissingExtraError, TruncatedError
from connectome.schema import warning
from connectome.volumes import UNKNOWN, native

from ..files.one_path import only_path
from .gzip_file import file_bytes, first_bytes
from .placed import Found, cut_image, is_placed, make_group

if TYPE_CHECKING:
    import xarray as xr

HEADER_BYTES = 284
FIELDS_BYTES = 90
"""Fields at the start of the header; the rest is unused."""
FOOTER = struct.Struct(">4f")
"""Repetition time (ms), flip angle (radians), echo time and inversion time (ms), where the file has them."""
TYPES = {0: ">u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
LONGEST_TAGS_BYTES = 1 << 24
"""Tags hold command lines and colour tables; more than this means that the header does not describe the file."""
MOST_TRANSFORM_SCALE = 0.01
"""Direction cosines whose length is this far from 1 are none."""


def sniff(path: Path) -> bool:
    """Tell whether a file starts like MGH: version 1, sizes above 0, a known type."""
    head = first_bytes(path, HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        return False
    version, *sizes, kind = struct.unpack(">6i", head[:24])
    return version == 1 and min(sizes) > 0 and kind in TYPES


def read(
    paths: list[Path],
    *,
    long_name: str = "Image as stored",
    units: str = "1",
    group: str = "image",
    role: str = "auto",
    threshold: float | None = None,
) -> xr.DataTree:
    """Read one MGH volume.

    Parameters
    ----------
    paths : list of Path
        One ``.mgh`` or ``.mgz``.
    long_name, units : str
        What the numbers are; MGH does not say.
    group : str
        Path of the volume in the record: ``"image"``, ``"space-orig_t1w"``, ``"labels/aseg"``.
    role : str
        ``"labels"`` for a label map or a mask, ``"image"`` for anything else; ``"auto"``: labels below ``labels/``.
    threshold : float, optional
        Keep a mask in place of the image: 1 where the number is at least this. The record says so.

    Returns
    -------
    xarray.DataTree
        One ``volume`` group. Attributes ``repetition_time_ms``, ``flip_angle_rad``, ``echo_time_ms`` and
        ``inversion_time_ms`` where the file has them and they are not 0; ``surface_affine``: the matrix from voxel
        indices to the coordinates of FreeSurfer's surfaces (``vox2ras-tkr``), in millimetres.

    Raises
    ------
    TruncatedError
        When there are fewer bytes than the header announces.
    FormatError
        When the file is not MGH, its type is unknown, or its geometry is singular or not finite.
    """
    path = only_path(paths, expected="VOLUME.mgz", one="volume")
    subject = str(path)
    warnings: list[dict[str, str]] = []
    content = file_bytes(
        path, warnings, head_bytes=HEADER_BYTES, limit=_most_bytes, compressed_suffixes=(".mgz", ".gz")
    )
    if len(content) < HEADER_BYTES:
        raise TruncatedError(
            "the file ends inside the header",
            subject=subject,
            expected=f"{HEADER_BYTES} bytes",
            found=f"{len(content)} bytes",
        )
    version, *sizes, kind = struct.unpack(">6i", content[:24])
    if version != 1:
        raise FormatError(
            "not an MGH file",
            subject=subject,
            place="byte 0 (version)",
            expected="1",
            found=f"{version}; the file starts with {content[:8]!r}",
        )
    if kind not in TYPES:
        raise FormatError(
            "unknown data type", subject=subject, place="byte 20 (type)", expected=str(list(TYPES)), found=str(kind)
        )
    if min(sizes) < 1:
        raise FormatError("an axis has no voxels", subject=subject, place="byte 4 (dimensions)", found=str(sizes))
    dtype, shape = np.dtype(TYPES[kind]), tuple(sizes if sizes[3] > 1 else sizes[:3])
    body = content[HEADER_BYTES:]
    n_bytes = cut_image(body, dtype=dtype, shape=shape, subject=subject, after=HEADER_BYTES)
    affine, attrs, remarks = _geometry(content, subject)
    if sorted(shape[:3])[1] == 1 < max(shape[:3]):
        message = f"shape {shape}: perhaps one value per vertex of a surface; the place of such voxels means nothing"
        remarks.append(warning("surface-values", path.name, message))
    found = Found(
        image=native(np.frombuffer(body, dtype=dtype, count=math.prod(shape))).reshape(shape, order="F"),
        affine=affine,
        header=content[:HEADER_BYTES],
        trailer=body[n_bytes:],
        source_dtype=dtype.str,
        orientation=None if attrs["good_ras"] else UNKNOWN,
        attrs={
            "source_format": "mgh",
            "endianness": "big",
            "header_file_bytes": HEADER_BYTES,
            "paired": False,
            **attrs,
            **_scan_parameters(body[n_bytes:]),
        },
    )
    volume, notes = make_group(
        found, group=group, role=role, threshold=threshold, long_name=long_name, units=units, subject=subject
    )
    return schema.record({group: volume}, warnings=[*warnings, *remarks, *notes])


def _most_bytes(head: bytes) -> int:
    """Return the most bytes a file can have by its header; little where it is no MGH header."""
    if len(head) < 24:
        return LONGEST_TAGS_BYTES
    _, *sizes, kind = struct.unpack(">6i", head[:24])
    n_voxels: int = math.prod(max(1, int(size)) for size in sizes)
    return HEADER_BYTES + n_voxels * np.dtype(TYPES.get(kind, "u1")).itemsize + LONGEST_TAGS_BYTES


def _geometry(content: bytes, subject: str) -> tuple[np.ndarray[Any, Any], dict[str, Any], list[dict[str, str]]]:
    """Return the affine, attributes of the geometry, and what is odd about it."""
    try:
        from nibabel.freesurfer.mghformat import MGHHeader
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the format needs nibabel", subject="mgh", hint='pip install "connectome[mri]"'
        ) from error
    good = struct.unpack(">h", content[28:30])[0] > 0
    # Where the flag is not set, nibabel takes FreeSurfer's default: coronal slices of 1 mm around the origin.
    header = MGHHeader(content[:28] + struct.pack(">h", good) + content[30:FIELDS_BYTES], check=False)
    affine = np.asarray(header.get_affine(), dtype=np.float64)
    delta, cosines = header["delta"].astype(np.float64), header["Mdc"].astype(np.float64)
    if not np.isfinite(delta).all() or (delta <= 0).any() or not is_placed(affine):
        raise FormatError(
            "the transform is singular or not finite",
            subject=subject,
            place="delta, Mdc, Pxyz_c",
            expected="voxel sizes above 0 and three directions",
            found=f"{delta.tolist()}, {cosines.tolist()}",
            hint="mend the header at its origin; nothing here can tell where the image lies",
        )
    remarks = []
    if not good:
        message = "goodRASFlag is 0: left and right are not known; FreeSurfer's default geometry is assumed"
        remarks.append(warning("orientation-unknown", "goodRASFlag", message))
    lengths = np.sqrt((cosines**2).sum(axis=1))
    if (np.abs(lengths - 1) > MOST_TRANSFORM_SCALE).any():
        message = f"directions of length {', '.join(f'{length:.4g}' for length in lengths)}; voxels have another size"
        remarks.append(warning("directions-not-unit", "Mdc", f"{message} than delta says"))
    attrs = {
        "good_ras": bool(good),
        "zooms": [float(size) for size in delta],
        "surface_affine": header.get_vox2ras_tkr().astype(np.float64).tolist(),
    }
    return affine, attrs, remarks


def _scan_parameters(footer: bytes) -> dict[str, float]:
    if len(footer) < FOOTER.size:
        return {}
    names = ("repetition_time_ms", "flip_angle_rad", "echo_time_ms", "inversion_time_ms")
    held = zip(names, FOOTER.unpack_from(footer), strict=True)
    return {name: value for name, value in held if value != 0 and math.isfinite(value)}
