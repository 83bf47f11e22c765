"""Analyze 7.5 images: a header ``.hdr`` of 348 bytes without the mark of NIfTI, and an image ``.img``.

The format does not say which way the axes run, so the orientation is always unknown: the affine holds the voxel sizes,
the first axis running left, around the centre, as nibabel and SPM take it by default. What programs have put into
unused fields (SPM's scale factor and origin) is told and not applied.

Layout: ``dbh.h`` of the Mayo Clinic, as nibabel's ``analyze.py`` gives it. nibabel reads the header.
"""

from __future__ import annotations

import io
import logging
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, MissingExtraError, TruncatedError, UsageError
from connectome.schema import warning
from connectome.volumes import UNKNOWN, native

from .gzip_file import file_bytes, first_bytes
from .nifti_parts import find_magic, has_suffix, image_file
from .placed import Found, cut_image, is_placed, make_group

if TYPE_CHECKING:
    import xarray as xr

HEADER_BYTES = 348
LONGEST_HEADER_BYTES = 1 << 16
MOST_IMAGE_BYTES = 1 << 40
TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 32: "c8", 64: "f8"}
ORIENT_AT = 252
"""Byte that names the plane of the slices; programs disagree about it and most write 0."""


def sniff(path: Path) -> bool:
    """Tell whether a file is a header of 348 bytes without NIfTI's mark."""
    head = first_bytes(path, HEADER_BYTES + 1)
    return len(head) >= HEADER_BYTES and _endianness(head) is not None and find_magic(head) is None


def companions(paths: list[Path], **_: str) -> list[Path]:
    """Return every file that is read for these: the image comes along with its header."""
    header = _header_file(paths)
    return [header, image_file(paths, header)]


def read(
    paths: list[Path],
    *,
    long_name: str = "Image as stored",
    units: str = "1",
    group: str = "image",
    role: str = "auto",
    threshold: float | None = None,
) -> xr.DataTree:
    """Read one Analyze 7.5 image.

    Parameters
    ----------
    paths : list of Path
        A ``.hdr``, whose ``.img`` is given as well or lies beside it.
    long_name, units : str
        What the numbers are; Analyze does not say.
    group : str
        Path of the volume in the record.
    role : str
        ``"labels"`` for a label map or a mask, ``"image"`` for anything else; ``"auto"``: labels below ``labels/``.
    threshold : float, optional
        Keep a mask in place of the image: 1 where the number is at least this. The record says so.

    Returns
    -------
    xarray.DataTree
        One ``volume`` group of unknown orientation; the record's ``warnings`` say so.

    Raises
    ------
    TruncatedError
        When there are fewer bytes than the header announces.
    FormatError
        When the header is not Analyze, its type is unknown, or a voxel has no size.
    """
    path = _header_file(paths)
    subject = str(path)
    warnings: list[dict[str, str]] = []
    head = file_bytes(path, warnings, head_bytes=HEADER_BYTES, limit=lambda _: LONGEST_HEADER_BYTES)
    header, remarks = _parse(head, subject)
    warnings += remarks
    code = int(header["datatype"])
    if code not in TYPES:
        raise FormatError(
            "numbers of this type cannot be stored",
            subject=subject,
            place="datatype",
            expected=str(TYPES),
            found=str(code),
        )
    dtype, shape = np.dtype(TYPES[code]).newbyteorder(header.endianness), tuple(map(int, header.get_data_shape()))
    if not shape or min(shape) < 1:
        raise FormatError("an axis has no voxels", subject=subject, place="dim", found=str(shape))
    offset = float(header["vox_offset"])
    if not offset.is_integer() or not 0 <= offset < MOST_IMAGE_BYTES:
        raise FormatError(
            "the image cannot start there", subject=subject, place="vox_offset", expected="0 or more", found=f"{offset}"
        )
    image_path = image_file(paths, path)
    held = file_bytes(image_path, warnings, head_bytes=1, limit=lambda _: MOST_IMAGE_BYTES)
    before, body = held[: int(offset)], held[int(offset) :]
    n_bytes = cut_image(body, dtype=dtype, shape=shape, subject=str(image_path), after=len(before))
    trailer = body[n_bytes:]
    if trailer:
        warnings.append(warning("trailing-bytes", image_path.name, f"{len(trailer)} bytes follow; they are kept"))
    affine = np.asarray(header.get_base_affine(), dtype=np.float64)
    if not is_placed(affine):
        raise FormatError(
            "the voxel size is zero or not finite",
            subject=subject,
            place="pixdim",
            found=str(header["pixdim"].tolist()),
        )
    flat = native(np.frombuffer(body, dtype=dtype, count=n_bytes // dtype.itemsize))
    found = Found(
        image=flat.reshape(shape + (1,) * (3 - len(shape)), order="F"),
        affine=affine,
        header=head + before,
        trailer=trailer,
        source_dtype=dtype.str,
        orientation=UNKNOWN,
        attrs={
            "source_format": "analyze",
            "endianness": "big" if header.endianness == ">" else "little",
            "paired": True,
            "header_file_bytes": len(head),
            "zooms": [float(size) for size in header.get_zooms()],
            "analyze_orient": head[ORIENT_AT],
        },
    )
    volume, notes = make_group(
        found, group=group, role=role, threshold=threshold, long_name=long_name, units=units, subject=subject
    )
    return schema.record({group: volume}, warnings=[*warnings, *notes])


def _header_file(paths: list[Path]) -> Path:
    headers = [path for path in paths if has_suffix(path, ".hdr")]
    if len(headers) != 1 or len(paths) > 2:
        raise UsageError(
            "one image at a time",
            subject=", ".join(map(str, paths)),
            expected="one .hdr, with its .img or beside it",
            found=f"{len(paths)} files",
        )
    return headers[0]


def _endianness(head: bytes) -> str | None:
    """Return the byte order in which the first number is the header's size; None where it is in neither."""
    return next((order for order in "<>" if struct.unpack(f"{order}i", head[:4])[0] == HEADER_BYTES), None)


def _parse(head: bytes, subject: str) -> tuple[Any, list[dict[str, str]]]:
    """Read the header; list what nibabel finds wrong with it, and fields of SPM that are not applied."""
    try:
        from nibabel.analyze import AnalyzeHeader
        from nibabel.spatialimages import HeaderDataError
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the format needs nibabel", subject="analyze", hint='pip install "connectome[mri]"'
        ) from error
    if len(head) < HEADER_BYTES:
        raise TruncatedError(
            "the file ends inside the header",
            subject=subject,
            expected=f"{HEADER_BYTES} bytes",
            found=f"{len(head)} bytes",
        )
    order = _endianness(head)
    if order is None or find_magic(head) is not None:
        raise FormatError(
            "not an Analyze 7.5 header" if order is None else "a NIfTI header, not Analyze 7.5",
            subject=subject,
            place="byte 0 (size of the header)" if order is None else "byte 344",
            expected=f"{HEADER_BYTES} in either byte order, and no mark of NIfTI",
            found=f"{head[:4]!r}, {head[344:348]!r}",
        )
    fixed = head[:HEADER_BYTES]
    # nibabel prints what it mends; here the findings travel with the record.
    silent = logging.Logger("analyze", level=logging.CRITICAL + 1)
    try:
        header = AnalyzeHeader.from_fileobj(io.BytesIO(fixed), endianness=order, check=False)
        report = AnalyzeHeader.diagnose_binaryblock(fixed, endianness=order)
        header.check_fix(logger=silent, error_level=40)
    except HeaderDataError as error:
        raise FormatError("the header contradicts itself", subject=subject, place="header", found=str(error)) from error
    remarks = [warning("header", "header", line) for line in report.splitlines() if line.strip()]
    remarks.append(
        warning(
            "orientation-unknown",
            "header",
            "Analyze 7.5 does not say which way the axes run: left and right are not known",
        )
    )
    factor, origin = float(header["funused1"]), np.frombuffer(fixed[253:263], dtype=f"{order}i2")[:3].tolist()
    if factor not in {0.0, 1.0} and np.isfinite(factor):
        remarks.append(warning("spm-scale", "funused1", f"SPM takes {factor:g} as a scale factor; it is not applied"))
    if any(origin):
        remarks.append(
            warning("spm-origin", "originator", f"SPM takes voxel {origin} as the origin; it is not applied")
        )
    return header, remarks
