"""NIfTI-1 and NIfTI-2 volumes, single files or pairs, gzip or plain, either byte order.

The image keeps its stored numbers in their stored axis order; scaling, both transforms with their codes and the raw
header with its extensions stand beside it, so that ``export --to nifti`` gives the same (decompressed) bytes back.
nibabel reads the header; the image's bytes are cut out here, so that a short file is told from a damaged one.

Layout: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h and .../nifti2.h.
"""

from __future__ import annotations

import gzip
import io
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError

from .pointers import refuse_pointer

if TYPE_CHECKING:
    import xarray as xr

MAGIC = {b"n+1\0": (1, "single"), b"ni1\0": (1, "pair"), b"n+2\0": (2, "single"), b"ni2\0": (2, "pair")}
MAGIC_AT = {1: 344, 2: 4}
HEADER_BYTES = {1: 348, 2: 540}
GZIP_MAGIC = b"\x1f\x8b"
LONGEST_TRAILER_BYTES = 1 << 20
"""More than this after the image means that the header does not describe the file."""
MM_PER_UNIT = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
UDUNITS = {"mm": "mm", "meter": "m", "micron": "um", "unknown": "mm"}
XFORM_TOLERANCE_VOXELS = 0.01
"""Transforms that agree to a hundredth of a voxel at every corner are the same but for rounding."""
LONGEST_STEP_S = 60.0
"""No volume takes a minute in practice; a longer step is a time in milliseconds under the code for seconds."""
STORABLE = {"u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8", "c16"}


@dataclass(frozen=True)
class Parts:
    """A file taken apart."""

    header: bytes
    """Everything before the image; for a pair the header file, then what precedes the image in the image file."""
    body: bytes
    """The image and what follows it."""
    version: int
    paired: bool
    header_file_bytes: int
    warnings: list[dict[str, str]]


def sniff(path: Path) -> bool:
    """Tell whether a file starts like NIfTI, seen through gzip."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if head.startswith(GZIP_MAGIC):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 1024)
        except zlib.error:
            return False
    return _magic(head) is not None


def read(
    paths: list[Path], *, long_name: str = "Image as stored", units: str = "1", group: str = "image"
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

    Returns
    -------
    xarray.DataTree
        One ``volume`` group. What is odd but usable stands in the record's ``warnings``: an unknown orientation or
        length unit, transforms that disagree, a name that hides or promises gzip, bytes after the image.

    Raises
    ------
    TruncatedError
        When there are fewer bytes than the header announces, or none.
    FormatError
        When the file is not NIfTI, its transform is singular or not finite, or its numbers cannot be stored.
    """
    parts = _take_apart(paths)
    place = f"NIfTI-{parts.version} header"
    subject = str(paths[0])
    header, remarks = _parse_header(parts, subject)
    warnings = [*parts.warnings, *remarks]
    dtype, components = _stored_dtype(header, subject)
    shape = tuple(int(size) for size in header.get_data_shape())
    if not shape or min(shape) < 1:
        raise FormatError("an axis has no voxels", subject=subject, place=place, found=str(shape))
    n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize * max(1, len(components))
    if len(parts.body) < n_bytes:
        raise TruncatedError(
            "the image is shorter than its header says",
            subject=subject,
            place=f"after {len(parts.header)} bytes of header",
            expected=f"{n_bytes} bytes ({' x '.join(map(str, shape))} of {header.get_data_dtype()})",
            found=f"{len(parts.body)} bytes",
        )
    image, trailer = _image(parts.body, n_bytes, dtype, shape, components), parts.body[n_bytes:]
    if trailer:
        warnings.append(_warning("trailing-bytes", place, f"{len(trailer)} bytes follow the image; they are kept"))
    slope, intercept = _scaling(header, subject)
    affine, transforms = _transforms(header, subject)
    warnings += _doubts(header, affine, transforms, shape)
    unit = header.get_xyzt_units()[0]
    volume = schema.volume(
        image,
        affine=np.diag([MM_PER_UNIT[unit]] * 3 + [1.0]) @ affine,
        units=units,
        long_name=long_name,
        header=parts.header,
        trailer=trailer,
        transforms=transforms,
        slope=slope,
        intercept=intercept,
        **_described(header, parts, components),
    )
    for name in transforms:
        volume[name].attrs["units"] = UDUNITS[unit]
    if components:
        volume = volume.rename({volume["image"].dims[-1]: "component"})
    return schema.record({group: volume}, warnings=warnings)


def _take_apart(paths: list[Path]) -> Parts:
    """Split a file or a pair of files into header and image bytes."""
    headers = [path for path in paths if not _suffix(path, ".img")]
    if len(headers) != 1 or len(paths) > 2:
        raise UsageError(
            "one image at a time",
            subject=", ".join(str(path) for path in paths),
            expected="one .nii, or one .hdr with its .img",
            found=f"{len(paths)} files",
        )
    warnings: list[dict[str, str]] = []
    content = _content(headers[0], warnings)
    magic = _magic(content)
    if magic is None:
        if len(content) < HEADER_BYTES[1]:
            raise TruncatedError(
                "the file ends inside the header",
                subject=str(headers[0]),
                expected=f"{HEADER_BYTES[1]} bytes or more",
                found=f"{len(content)} bytes",
            )
        raise FormatError(
            "not a NIfTI file",
            subject=str(headers[0]),
            place="byte 344 (NIfTI-1) or 4 (NIfTI-2)",
            expected=" or ".join(repr(text) for text in MAGIC),
            found=f"{content[344:348]!r} and {content[4:8]!r}; the file starts with {content[:8]!r}",
        )
    version, form = magic
    start = _image_offset(content, version, str(headers[0]), minimum=0 if form == "pair" else HEADER_BYTES[version])
    if form == "single":
        if len(paths) > 1:
            raise FormatError("a single-file header came with an image file", subject=str(headers[0]))
        if start > len(content):
            raise TruncatedError(
                "the file ends before its image starts",
                subject=str(headers[0]),
                expected=f"more than {start} bytes",
                found=f"{len(content)} bytes",
            )
        return Parts(content[:start], content[start:], version, False, start, warnings)
    body = _content(_image_file(paths, headers[0]), warnings)
    return Parts(content + body[:start], body[start:], version, True, len(content), warnings)


def _image_file(paths: list[Path], header: Path) -> Path:
    """Return the ``.img`` of a pair."""
    for path in paths:
        if _suffix(path, ".img"):
            return path
    stem = header.name.removesuffix(".gz")[: -len(".hdr")]
    for name in (f"{stem}.img", f"{stem}.img.gz", f"{stem}.IMG"):
        if (header.parent / name).is_file():
            return header.parent / name
    raise FormatError(
        "the header belongs to a pair whose image is missing", subject=str(header), expected=f"{stem}.img", found="none"
    )


def _suffix(path: Path, suffix: str) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(suffix)


def _content(path: Path, warnings: list[dict[str, str]]) -> bytes:
    """Return a file's bytes, decompressed if its first bytes (not its name) say gzip."""
    refuse_pointer(path)
    raw = path.read_bytes()
    if not raw:
        raise TruncatedError("the file is empty", subject=str(path), expected="a NIfTI image", found="0 bytes")
    compressed, named_so = raw.startswith(GZIP_MAGIC), path.name.lower().endswith(".gz")
    if compressed != named_so:
        fact = "is not gzip though its name ends in .gz" if named_so else "is gzip though its name does not say so"
        warnings.append(_warning("gzip-name", path.name, f"the file {fact}"))
    return _decompress(raw, path) if compressed else raw


def _decompress(raw: bytes, path: Path) -> bytes:
    pieces = []
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
        try:
            # The header bounds what may follow, so a small file cannot unpack without end.
            pieces.append(stream.read(HEADER_BYTES[2]))
            limit = _announced_bytes(pieces[0]) + LONGEST_TRAILER_BYTES
            while (got := sum(map(len, pieces))) <= limit and (piece := stream.read(min(1 << 24, limit + 1 - got))):
                pieces.append(piece)
        except EOFError:
            raise TruncatedError(
                "the gzip stream ends early",
                subject=str(path),
                expected="a complete gzip stream",
                found=f"{len(raw)} compressed bytes",
                hint="fetch the file again",
            ) from None
        except (OSError, zlib.error) as error:
            raise FormatError("the gzip stream is damaged", subject=str(path), found=str(error)) from error
    content = b"".join(pieces)
    if len(content) > limit:
        raise FormatError(
            "more bytes follow than the header announces",
            subject=str(path),
            expected=f"about {limit - LONGEST_TRAILER_BYTES} bytes",
            found=f"more than {limit} bytes",
        )
    return content


def _announced_bytes(head: bytes) -> int:
    """Return about how many bytes a file has by its header; a terabyte where that cannot be told (image of a pair)."""
    magic = _magic(head)
    if magic is None or magic[1] == "pair" or len(head) < HEADER_BYTES[magic[0]]:
        return 1 << 40
    fixed = io.BytesIO(head[: HEADER_BYTES[magic[0]]])
    header = _header_class(magic[0], paired=True).from_fileobj(fixed, check=False)
    dims = [int(size) for size in header["dim"][1:8]][: max(0, int(header["dim"][0]))]
    n_bytes = int(np.prod([max(1, size) for size in dims], dtype=object)) * max(8, int(header["bitpix"])) // 8
    return n_bytes + max(0, int(header["vox_offset"]))


def _magic(head: bytes) -> tuple[int, str] | None:
    for version, at in MAGIC_AT.items():
        known = MAGIC.get(head[at : at + 4])
        if known is not None and known[0] == version:
            return known
    return None


def _header_class(version: int, *, paired: bool) -> Any:
    from nibabel import nifti1, nifti2

    return getattr(nifti1 if version == 1 else nifti2, f"Nifti{version}{'Pair' if paired else ''}Header")


def _image_offset(content: bytes, version: int, subject: str, *, minimum: int) -> int:
    if len(content) < HEADER_BYTES[version]:
        raise TruncatedError(
            "the file ends inside the header",
            subject=subject,
            expected=f"{HEADER_BYTES[version]} bytes",
            found=f"{len(content)} bytes",
        )
    fixed = io.BytesIO(content[: HEADER_BYTES[version]])
    offset = float(_header_class(version, paired=True).from_fileobj(fixed, check=False)["vox_offset"])
    if not offset.is_integer() or offset < minimum:
        raise FormatError(
            "the image cannot start there",
            subject=subject,
            place="vox_offset",
            expected=f"{minimum} or more",
            found=f"{offset}",
        )
    return int(offset)


def _parse_header(parts: Parts, subject: str) -> tuple[Any, list[dict[str, str]]]:
    """Read the fixed part of the header; say what nibabel finds wrong with it."""
    from nibabel.spatialimages import HeaderDataError

    fixed = parts.header[: HEADER_BYTES[parts.version]]
    kind = _header_class(parts.version, paired=parts.paired)
    # nibabel prints what it mends; here the findings travel with the record.
    silent = logging.Logger("nifti", level=logging.CRITICAL + 1)
    try:
        header = kind.from_fileobj(io.BytesIO(fixed), check=False)
        report = kind.diagnose_binaryblock(fixed, endianness=header.endianness)
        header.check_fix(logger=silent, error_level=40)
    except HeaderDataError as error:
        raise FormatError("the header contradicts itself", subject=subject, place="header", found=str(error)) from error
    return header, [_warning("header", "header", line) for line in report.splitlines() if line.strip()]


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
    flat = np.frombuffer(body, dtype=dtype, count=n_bytes // dtype.itemsize)
    if not dtype.isnative:
        flat = flat.byteswap().view(dtype.newbyteorder("="))
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


def _transforms(header: Any, subject: str) -> tuple[np.ndarray[Any, Any], dict[str, tuple[np.ndarray[Any, Any], int]]]:
    """Return the affine that holds (sform, else qform, else by zooms alone) and both transforms with codes."""
    from nibabel.spatialimages import HeaderDataError

    transforms: dict[str, tuple[np.ndarray[Any, Any], int]] = {}
    for name in ("qform", "sform"):
        code = int(header[f"{name}_code"])
        try:
            matrix = getattr(header, f"get_{name}")()
        except (HeaderDataError, ValueError) as error:
            if code > 0:
                raise FormatError(
                    "the transform cannot be computed", subject=subject, place=name, found=str(error)
                ) from error
            continue
        if code > 0 and (not np.isfinite(matrix).all() or np.linalg.det(matrix[:3, :3]) == 0.0):
            raise FormatError(
                "the transform is singular or not finite",
                subject=subject,
                place=f"{name} (code {code})",
                expected="a finite, invertible matrix",
                found=str(matrix.tolist()),
                hint="mend the header at its origin; nothing here can tell where the image lies",
            )
        transforms[name] = (matrix, code)
    affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    if not np.isfinite(affine).all() or np.linalg.det(affine[:3, :3]) == 0.0:
        raise FormatError(
            "the voxel size is zero or not finite",
            subject=subject,
            place="pixdim",
            found=str(header["pixdim"].tolist()),
        )
    return affine, transforms


def _doubts(
    header: Any,
    affine: np.ndarray[Any, Any],
    transforms: dict[str, tuple[np.ndarray[Any, Any], int]],
    shape: tuple[int, ...],
) -> list[dict[str, str]]:
    """List what is odd but usable about where and when the image lies."""
    doubts = []
    space, time = header.get_xyzt_units()
    coded = {name: matrix for name, (matrix, code) in transforms.items() if code > 0}
    if not coded:
        doubts.append(
            _warning("orientation-unknown", "qform_code, sform_code", "both codes are 0: left and right are not known")
        )
    if len(coded) == 2:
        corners = np.array(np.meshgrid(*[(0, size - 1) for size in (*shape, 1, 1)[:3]])).reshape(3, -1)
        apart = (coded["qform"] - coded["sform"])[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
        furthest = float(np.sqrt((apart**2).sum(axis=0)).max())
        if furthest > XFORM_TOLERANCE_VOXELS * float(np.sqrt((affine[:3, :3] ** 2).sum(axis=0)).min()):
            codes = ", ".join(f"{name} code {transforms[name][1]}" for name in coded)
            doubts.append(
                _warning(
                    "xforms-differ", codes, f"up to {furthest:.4g} {UDUNITS[space]} apart at a corner; the sform holds"
                )
            )
    if space == "unknown":
        doubts.append(_warning("space-unit-unknown", "xyzt_units", "no length unit is given; millimetres are assumed"))
    step = float(header["pixdim"][4]) if len(shape) > 3 and shape[3] > 1 else 0.0
    if time == "sec" and step > LONGEST_STEP_S:
        doubts.append(_warning("time-step", "pixdim[4]", f"{step:g} s per volume; perhaps milliseconds"))
    if len(shape) < 3:
        doubts.append(_warning("flat", "dim", f"{len(shape)} axes; axes of length 1 were added"))
    return doubts


def _described(header: Any, parts: Parts, components: tuple[str, ...]) -> dict[str, Any]:
    """Return the header's facts that are worth reading without it."""
    space, time = header.get_xyzt_units()
    described: dict[str, Any] = {
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


def _warning(code: str, place: str, message: str) -> dict[str, str]:
    return {"code": code, "place": place, "message": message}
