"""NIfTI-1 and NIfTI-2 volumes, single files or pairs, gzip or plain, either byte order.

The image keeps its stored numbers in their stored axis order; scaling, both transforms with their codes and the raw
header with its extensions stand beside it, so that ``export --to nifti`` gives the same (decompressed) bytes back.
nibabel reads the header; the image's bytes are cut out here, so that a short file is told from a damaged one.

Layout: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h and .../nifti2.h.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError
from connectome.schema import warning
from connectome.volumes import UNKNOWN, native

from .gzip_file import first_bytes
from .nifti_parts import HEADER_BYTES, Parts, find_magic, has_suffix, header_class, image_file, take_apart
from .placed import Found, cut_image, is_placed, make_group

if TYPE_CHECKING:
    import xarray as xr

MM_PER_UNIT = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
UDUNITS = {"mm": "mm", "meter": "m", "micron": "um", "unknown": "mm"}
XFORM_TOLERANCE_VOXELS = 0.01
"""Transforms that agree to a hundredth of a voxel at every corner are the same but for rounding."""
LONGEST_STEP_S = 60.0
"""No volume takes a minute in practice; a longer step is a time in milliseconds under the code for seconds."""
LABEL_INTENT = 1002
"""NIFTI_INTENT_LABEL: every number is an index into a list of labels."""
STORABLE = {"u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8", "c16"}


def sniff(path: Path) -> bool:
    """Tell whether a file starts like NIfTI, seen through gzip."""
    return find_magic(first_bytes(path, 1024)) is not None


def read(
    paths: list[Path],
    *,
    long_name: str = "Image as stored",
    units: str = "1",
    group: str = "image",
    role: str = "auto",
    threshold: float | None = None,
) -> xr.DataTree:
    """Read one NIfTI image.

    Parameters
    ----------
    paths : list of Path
        One ``.nii`` or ``.nii.gz``; or a ``.hdr``, whose ``.img`` is given as well or lies beside it.
    long_name, units : str
        What the (scaled) numbers are; NIfTI does not say.
    group : str
        Path of the volume in the record: ``"image"``, ``"t1w"``, ``"labels/lesion"``.
    role : str
        ``"labels"`` for a label map or a mask, ``"image"`` for anything else. ``"auto"``: labels below the path
        ``labels/`` and where the header's intent code says label.
    threshold : float, optional
        Keep a mask in place of the image: 1 where the (scaled) number is at least this. The record says so.

    Returns
    -------
    xarray.DataTree
        One ``volume`` group. What is odd but usable stands in the record's ``warnings``: an unknown orientation or
        length unit, shear, transforms that disagree, a name that hides or promises gzip, bytes after the image, axes
        of length 1 after the third (left out; the header keeps them), labels that are not whole numbers.

    Raises
    ------
    TruncatedError
        When there are fewer bytes than the header announces, or none.
    FormatError
        When the file is not NIfTI, its transform is singular or not finite, or its numbers cannot be stored.
    """
    parts = take_apart(paths)
    place = f"NIfTI-{parts.version} header"
    subject = str(paths[0])
    header, remarks = _parse_header(parts, subject)
    warnings = [*parts.warnings, *remarks]
    dtype, components = _stored_dtype(header, subject)
    shape = tuple(int(size) for size in header.get_data_shape())
    if not shape or min(shape) < 1:
        raise FormatError("an axis has no voxels", subject=subject, place=place, found=str(shape))
    voxel = np.dtype((dtype, len(components))) if components else dtype
    n_bytes = cut_image(parts.body, dtype=voxel, shape=shape, subject=subject, after=len(parts.header))
    trailer = parts.body[n_bytes:]
    if trailer:
        warnings.append(warning("trailing-bytes", place, f"{len(trailer)} bytes follow the image; they are kept"))
    slope, intercept = _scaling(header, subject)
    affine, transforms, remarks = _transforms(header, subject)
    warnings += [*remarks, *_doubts(header, affine, transforms, shape)]
    unit, _ = _units(header)
    found = Found(
        image=_image(parts.body, n_bytes, dtype, shape, components),
        affine=np.diag([MM_PER_UNIT[unit]] * 3 + [1.0]) @ affine,
        header=parts.header,
        trailer=trailer,
        source_dtype=dtype.str,
        components=components,
        transforms=transforms,
        slope=slope,
        intercept=intercept,
        orientation=None if any(code > 0 for _, code in transforms.values()) else UNKNOWN,
        is_label=int(header["intent_code"]) == LABEL_INTENT,
        attrs=_described(header, parts, components),
    )
    volume, remarks = make_group(
        found, group=group, role=role, threshold=threshold, long_name=long_name, units=units, subject=subject
    )
    for name in transforms:
        volume[name].attrs["units"] = UDUNITS[unit]
    return schema.record({group: volume}, warnings=[*warnings, *remarks])


def companions(paths: list[Path], **_: str) -> list[Path]:
    """Return every file that is read for these: the image of a pair comes along with its header."""
    for path in paths:
        if has_suffix(path, ".hdr") and not any(has_suffix(other, ".img") for other in paths):
            return [*paths, image_file(paths, path)]
    return paths


def _parse_header(parts: Parts, subject: str) -> tuple[Any, list[dict[str, str]]]:
    """Read the fixed part of the header; say what nibabel finds wrong with it."""
    from nibabel.spatialimages import HeaderDataError

    fixed = parts.header[: HEADER_BYTES[parts.version]]
    kind = header_class(parts.version, paired=parts.paired)
    # nibabel prints what it mends; here the findings travel with the record.
    silent = logging.Logger("nifti", level=logging.CRITICAL + 1)
    try:
        header = kind.from_fileobj(io.BytesIO(fixed), check=False)
        report = kind.diagnose_binaryblock(fixed, endianness=header.endianness)
        header.check_fix(logger=silent, error_level=40)
    except HeaderDataError as error:
        raise FormatError("the header contradicts itself", subject=subject, place="header", found=str(error)) from error
    return header, [warning("header", "header", line) for line in report.splitlines() if line.strip()]


def _stored_dtype(header: Any, subject: str) -> tuple[np.dtype[Any], tuple[str, ...]]:
    """Return the dtype of one stored number, and the names of components (RGB) where a voxel has several."""
    from nibabel.spatialimages import HeaderDataError

    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise FormatError(
            "unknown data type", subject=subject, place="datatype", found=str(int(header["datatype"]))
        ) from error
    components = tuple(dtype.names or ())
    number = dtype[0] if components else dtype
    if number.str[1:] not in STORABLE:
        raise FormatError(
            "numbers of this type cannot be stored",
            subject=subject,
            place="datatype",
            expected=", ".join(sorted(STORABLE)),
            found=str(dtype),
        )
    return number, components


def _image(
    body: bytes, n_bytes: int, dtype: np.dtype[Any], shape: tuple[int, ...], components: tuple[str, ...]
) -> np.ndarray[Any, Any]:
    """Return the stored numbers in the machine's byte order; bits are moved, never computed with."""
    flat = native(np.frombuffer(body, dtype=dtype, count=n_bytes // dtype.itemsize))
    three = shape + (1,) * (3 - len(shape))
    if components:
        return np.moveaxis(flat.reshape((len(components), *three), order="F"), 0, -1)
    return flat.reshape(three, order="F")


def _scaling(header: Any, subject: str) -> tuple[float | None, float | None]:
    """Return slope and intercept; None where the header gives none (slope 0 or not finite)."""
    from nibabel.spatialimages import HeaderDataError

    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        raise FormatError("the scaling is not finite", subject=subject, place="scl_inter", found=str(error)) from error
    return (None if slope is None else float(slope)), (None if intercept is None else float(intercept))


def _transforms(
    header: Any, subject: str
) -> tuple[np.ndarray[Any, Any], dict[str, tuple[np.ndarray[Any, Any], int]], list[dict[str, str]]]:
    """Return the affine that holds (sform, else qform, else by zooms alone), both transforms with codes, and doubts."""
    from nibabel.spatialimages import HeaderDataError

    transforms: dict[str, tuple[np.ndarray[Any, Any], int]] = {}
    doubts: list[dict[str, str]] = []
    for name in ("sform", "qform"):
        code = int(header[f"{name}_code"])
        holds = code > 0 and not any(held > 0 for _, held in transforms.values())
        try:
            matrix = np.asarray(getattr(header, f"get_{name}")(), dtype=np.float64)
            fault = "" if code <= 0 or is_placed(matrix) else f"singular or not finite: {matrix.tolist()}"
        except (HeaderDataError, ValueError) as error:
            matrix, fault = np.empty(0), str(error)
        if fault and holds:
            raise FormatError(
                "the transform is singular or not finite" if matrix.size else "the transform cannot be computed",
                subject=subject,
                place=f"{name} (code {code})",
                expected="a finite, invertible matrix",
                found=fault,
                hint="mend the header at its origin; nothing here can tell where the image lies",
            )
        if fault and code > 0:
            doubts.append(warning(f"{name}-unusable", name, f"code {code}, {fault}; the sform holds"))
        elif matrix.size:
            transforms[name] = (matrix, code)
    coded = [matrix for matrix, code in transforms.values() if code > 0]
    affine = coded[0] if coded else np.asarray(header.get_base_affine(), dtype=np.float64)
    if not is_placed(affine):
        raise FormatError(
            "the voxel size is zero or not finite",
            subject=subject,
            place="pixdim",
            found=str(header["pixdim"].tolist()),
        )
    return affine, transforms, doubts


def _units(header: Any) -> tuple[str, str]:
    """Return nibabel's words for the units of length and time; a code that NIfTI does not have is unknown."""
    try:
        space, time = header.get_xyzt_units()
    except KeyError:
        return "unknown", "unknown"
    return (space if space in MM_PER_UNIT else "unknown"), time


def _doubts(
    header: Any,
    affine: np.ndarray[Any, Any],
    transforms: dict[str, tuple[np.ndarray[Any, Any], int]],
    shape: tuple[int, ...],
) -> list[dict[str, str]]:
    """List what is odd but usable about where and when the image lies."""
    doubts = []
    space, time = _units(header)
    coded = {name: matrix for name, (matrix, code) in transforms.items() if code > 0}
    if not coded:
        doubts.append(
            warning("orientation-unknown", "qform_code, sform_code", "both codes are 0: left and right are not known")
        )
    if len(coded) == 2:
        corners = np.array(np.meshgrid(*[(0, size - 1) for size in (*shape, 1, 1)[:3]])).reshape(3, -1)
        apart = (coded["qform"] - coded["sform"])[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
        furthest = float(np.sqrt((apart**2).sum(axis=0)).max())
        if furthest > XFORM_TOLERANCE_VOXELS * float(np.sqrt((affine[:3, :3] ** 2).sum(axis=0)).min()):
            codes = ", ".join(f"{name} code {transforms[name][1]}" for name in coded)
            doubts.append(
                warning(
                    "xforms-differ", codes, f"up to {furthest:.4g} {UDUNITS[space]} apart at a corner; the sform holds"
                )
            )
    if space == "unknown":
        doubts.append(warning("space-unit-unknown", "xyzt_units", "no length unit is given; millimetres are assumed"))
    step = float(header["pixdim"][4]) if len(shape) > 3 and shape[3] > 1 else 0.0
    if time == "sec" and step > LONGEST_STEP_S:
        doubts.append(warning("time-step", "pixdim[4]", f"{step:g} s per volume; perhaps milliseconds"))
    if len(shape) < 3:
        doubts.append(warning("flat", "dim", f"{len(shape)} axes; axes of length 1 were added"))
    return doubts


def _described(header: Any, parts: Parts, components: tuple[str, ...]) -> dict[str, Any]:
    """Return the header's facts that are worth reading without it."""
    space, time = _units(header)
    described: dict[str, Any] = {
        "source_format": "nifti",
        "nifti_version": parts.version,
        "endianness": "big" if header.endianness == ">" else "little",
        "paired": parts.paired,
        "header_file_bytes": parts.header_file_bytes,
        "n_axes": int(header["dim"][0]),
        "space_unit": space,
        "zooms": [float(zoom) for zoom in header.get_zooms()],
    }
    if int(header["dim"][0]) > 3:
        described["time_unit"] = time
    for name in ("descrip", "intent_name", "aux_file"):
        text = bytes(header[name]).split(b"\0")[0].decode("latin-1").strip()
        if text:
            described[name] = text
    if int(header["intent_code"]):
        described["intent_code"] = int(header["intent_code"])
    if components:
        described["component_labels"] = list(components)
    return described
