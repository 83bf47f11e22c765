"""The bytes of a volume as its file had them, and as a NIfTI-1 file where it came from another.

Of a volume that was read from NIfTI or MGH nothing is computed: header, stored numbers in their own dtype, byte order
and order of axes, and what followed them. Any other NIfTI-1 file keeps the numbers and gets a header made from the
affine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import MissingExtraError, UsageError

from .orientation import UNKNOWN, voxel_size_mm

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["converted", "file_bytes", "image_bytes", "nifti1_bytes", "source_format", "source_numbers"]

LONGEST_AXIS = 32767
"""NIfTI-1 counts voxels in 16 bits."""
SCANNER = 1
"""NIFTI_XFORM_SCANNER_ANAT: coordinates of the scanner."""
LABEL_INTENT = 1002
"""NIFTI_INTENT_LABEL."""


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


def file_bytes(volume: xr.Dataset) -> bytes:
    """Return the bytes of the file that a NIfTI volume was read from, without gzip; of a pair, one after the other."""
    content = volume["header"].values.tobytes() + image_bytes(volume)
    return content + (volume["trailer"].values.tobytes() if "trailer" in volume else b"")


def nifti1_bytes(volume: xr.Dataset, *, path: str) -> tuple[bytes, str]:
    """Return a volume as one NIfTI-1 file without gzip, which any reader of bytes takes.

    Parameters
    ----------
    volume : xarray.Dataset
        A volume group.
    path : str
        Path of the group, for errors.

    Returns
    -------
    content : bytes
        Those of the file that was read where this was a single NIfTI-1 file.
    origin : str
        ``"as read"``, or ``"converted from FORMAT"``: the same numbers under a header made from the affine.

    Raises
    ------
    UsageError
        When NIfTI-1 cannot hold the image.
    MissingExtraError
        When nibabel is missing and a header has to be made.
    """
    source = source_format(volume)
    if source == "nifti" and int(volume.attrs.get("nifti_version", 1)) == 1 and not volume.attrs.get("paired"):
        return file_bytes(volume), "as read"
    form = {"nifti": "a NIfTI-1 pair" if volume.attrs.get("nifti_version") == 1 else "NIfTI-2"}.get(source, source)
    return converted(volume, path=path), f"converted from {form or 'a volume without a header'}"


def converted(volume: xr.Dataset, *, path: str) -> bytes:
    """Return the bytes of a single NIfTI-1 file.

    Parameters
    ----------
    volume : xarray.Dataset
        A volume group. The numbers keep the dtype of their source (a thresholded mask is uint8); scaling stays scaling.
        Where the orientation is unknown both codes are 0, so that it stays unknown.
    path : str
        Path of the group, for errors.

    Raises
    ------
    UsageError
        When NIfTI-1 cannot hold the image.
    MissingExtraError
        When nibabel is missing.
    """
    try:
        import nibabel
        from nibabel.spatialimages import HeaderDataError
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the export needs nibabel", subject="nifti", hint='pip install "connectome[mri]"'
        ) from error
    numbers = np.asarray(volume["image"].values) if "threshold" in volume.attrs else source_numbers(volume)
    if numbers.dtype.kind == "b":
        numbers = numbers.astype(np.uint8)
    if max(numbers.shape) > LONGEST_AXIS or "component" in volume["image"].dims:
        raise UsageError(
            "NIfTI-1 cannot hold the image", subject=path, found=f"shape {numbers.shape}", hint="export it to zarr"
        )
    affine = volume["affine"].values
    header = nibabel.Nifti1Header()
    header.set_data_dtype(numbers.dtype.newbyteorder("<"))
    header.set_data_shape(numbers.shape)
    unit, steps = _steps(volume)
    header.set_xyzt_units("mm", unit)
    header.set_zooms((*voxel_size_mm(affine), *steps))
    if volume.attrs.get("orientation") != UNKNOWN:
        codes = {name: int(volume[name].attrs["code"]) for name in ("sform", "qform") if name in volume}
        code = next((held for held in codes.values() if held > 0), SCANNER)
        header.set_sform(affine, code)
        try:
            header.set_qform(affine, code, strip_shears=False)
        except HeaderDataError:
            # A quaternion cannot shear; the sform alone says where the image lies.
            header["qform_code"] = 0
    slope, intercept = volume.attrs.get("slope"), volume.attrs.get("intercept")
    if slope is not None:
        header.set_slope_inter(slope, intercept or 0.0)
    else:
        header.set_slope_inter(1.0, 0.0)
    if volume.attrs.get("role") == "labels":
        header["intent_code"] = LABEL_INTENT
    header["descrip"] = f"converted from {source_format(volume) or 'a volume without a header'}".encode()
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    little = numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)
    return bytes(header.binaryblock) + bytes(4) + little.tobytes(order="F")


def _steps(volume: xr.Dataset) -> tuple[str | None, tuple[float, ...]]:
    """Return nibabel's word for the unit of time, and the zooms of the axes after the third; 1 where none is known."""
    n_more = volume["image"].ndim - 3
    if not n_more:
        return None, ()
    known = volume.attrs.get("repetition_time_ms")
    if known is not None:
        return "msec", (float(known), *(1.0,) * (n_more - 1))
    zooms = [float(zoom) for zoom in volume.attrs.get("zooms", [])[3 : 3 + n_more]]
    unit = volume.attrs.get("time_unit", "unknown")
    return (None if unit == "unknown" else str(unit)), (*zooms, *(1.0,) * (n_more - len(zooms)))
