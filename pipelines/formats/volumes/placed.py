"""A volume group from what a header and its image say: labels or intensities, and what is odd about where they lie."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.schema import warning
from connectome.volumes import narrow, native, shear_deg

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Found", "cut_image", "is_placed", "make_group"]

SHEAR_DEG = 0.05
"""Axes that are this far from a right angle are sheared; rounding in a float32 header gives a thousandth of it."""
ROLES = ("auto", "image", "labels")
LARGEST_LABEL = 2**63 - 1


@dataclass(frozen=True)
class Found:
    """What a reader took from one file."""

    image: np.ndarray[Any, Any]
    """Stored numbers, shape (i, j, k, ...) with every axis that the header lists."""
    affine: np.ndarray[Any, Any]
    header: bytes
    trailer: bytes
    source_dtype: str
    components: tuple[str, ...] = ()
    """Names of the parts of a voxel (colours), which are the last axis of the image."""
    transforms: dict[str, tuple[np.ndarray[Any, Any], int]] = field(default_factory=dict)
    slope: float | None = None
    intercept: float | None = None
    orientation: str | None = None
    """``"unknown"`` where the header does not tell left from right."""
    is_label: bool = False
    """Whether the header itself says that the numbers are labels."""
    attrs: dict[str, Any] = field(default_factory=dict)


def cut_image(body: bytes, *, dtype: np.dtype[Any], shape: tuple[int, ...], subject: str, after: int) -> int:
    """Return how many bytes the image has; raise TruncatedError where the file has fewer.

    Parameters
    ----------
    body : bytes
        The image and what follows it.
    dtype : numpy.dtype
        Of a voxel.
    shape : tuple of int
        Of the image.
    subject : str
        The file.
    after : int
        Bytes before the image, for the message.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if len(body) < n_bytes:
        raise TruncatedError(
            "the image is shorter than its header says",
            subject=subject,
            place=f"after {after} bytes of header",
            expected=f"{n_bytes} bytes ({' x '.join(map(str, shape))} of {dtype})",
            found=f"{len(body)} bytes",
        )
    return n_bytes


def is_placed(affine: np.ndarray[Any, Any]) -> bool:
    """Tell whether an affine is finite and invertible."""
    # The determinant of a singular matrix is seldom exactly zero in floating point; its rank tells.
    return bool(np.isfinite(affine).all()) and int(np.linalg.matrix_rank(affine[:3, :3])) == 3


def make_group(
    found: Found,
    *,
    group: str,
    role: str,
    threshold: float | None,
    long_name: str,
    units: str,
    subject: str,
) -> tuple[xr.Dataset, list[dict[str, str]]]:
    """Make the volume group of a file, and list what is odd about it.

    Parameters
    ----------
    found : Found
        What the reader took from the file.
    group : str
        Path of the group: below ``labels/`` the numbers are labels.
    role : str
        ``"auto"`` (labels by the group's path or the header's word), ``"image"`` or ``"labels"``.
    threshold : float, optional
        Make a mask of an image: 1 where the physical value is at least this, else 0.
    long_name, units : str
        Of the physical values.
    subject : str
        The file.

    Raises
    ------
    UsageError
        When there is no such role, or the threshold is not finite or does not fit the image.
    FormatError
        When the affine cannot be believed.
    """
    if role not in ROLES:
        raise UsageError("no such role", subject="role", expected=", ".join(ROLES), found=role)
    warnings: list[dict[str, str]] = []
    image, attrs = found.image, dict(found.attrs)
    spatial = image.ndim - bool(found.components)
    kept = spatial
    while kept > 3 and image.shape[kept - 1] == 1:
        kept -= 1
    if kept < spatial:
        attrs["stored_shape"] = list(image.shape[:spatial])
        image = image.reshape((*image.shape[:kept], *image.shape[spatial:]), order="A")
        message = f"shape {tuple(attrs['stored_shape'])}: axes of length 1 after the third are left out"
        warnings.append(warning("singleton-axes", subject_name(subject), message))
    if not is_placed(found.affine):
        raise FormatError(
            "the transform is singular or not finite",
            subject=subject,
            place="affine",
            expected="a finite, invertible matrix",
            found=str(found.affine.tolist()),
        )
    sheared = shear_deg(found.affine)
    if sheared > SHEAR_DEG:
        message = f"axes are {sheared:.3g} degrees from a right angle; axis codes are those of the nearest right angles"
        warnings.append(warning("shear", "affine", message))
    labels = role == "labels" or (role == "auto" and (found.is_label or group.strip("/").split("/")[0] == "labels"))
    header, trailer, slope, intercept = found.header, found.trailer, found.slope, found.intercept
    if threshold is not None:
        image, note = _mask(image, threshold, slope, intercept, components=found.components)
        warnings.append(note)
        # A mask is not what the file holds: its header would give back other bytes under the file's name.
        attrs["threshold"], header, trailer, slope, intercept, labels = threshold, b"", b"", None, None, True
    elif labels:
        image, notes = _whole(image, slope, intercept, components=found.components)
        warnings += notes
        labels = not notes
    dataset = schema.volume(
        image,
        affine=found.affine,
        units="1" if labels else units,
        long_name=long_name,
        header=header,
        trailer=trailer,
        transforms=found.transforms,
        slope=slope,
        intercept=intercept,
        role="labels" if labels else "image",
        orientation=found.orientation,
        source_dtype=found.source_dtype,
        **attrs,
    )
    if found.components:
        dataset = dataset.rename({dataset["image"].dims[-1]: "component"})
    return dataset, warnings


def subject_name(subject: str) -> str:
    """Return the last part of a path."""
    return subject.rpartition("/")[2]


def _mask(
    image: np.ndarray[Any, Any],
    threshold: float,
    slope: float | None,
    intercept: float | None,
    *,
    components: tuple[str, ...],
) -> tuple[np.ndarray[Any, Any], dict[str, str]]:
    """Threshold the physical values of an image."""
    if not math.isfinite(threshold) or components or image.dtype.kind == "c":
        raise UsageError(
            "the image cannot be thresholded", subject="threshold", expected="a number, and an image of real numbers"
        )
    factor, base = (1.0 if slope is None else slope), (0.0 if intercept is None else intercept)
    physical = native(image).astype(np.float64) * factor + base
    mask = (physical >= threshold).astype(np.uint8)
    between = int(((physical != 0) & (physical != 1)).sum())
    message = (
        f"mask of values of at least {threshold:g}: {int(mask.sum())} voxels; {between} values were neither 0 nor 1"
    )
    return mask, warning("thresholded", "image", message)


def _whole(
    image: np.ndarray[Any, Any], slope: float | None, intercept: float | None, *, components: tuple[str, ...]
) -> tuple[np.ndarray[Any, Any], list[dict[str, str]]]:
    """Return labels as integers, or the image as it is and why its numbers are no labels."""
    hint = "kept as an image; a threshold makes a mask of it"
    if components:
        return image, [warning("labels-not-whole", "image", f"voxels of {len(components)} parts: kept as an image")]
    if (slope if slope is not None else 1.0, intercept or 0.0) != (1.0, 0.0):
        return image, [warning("labels-scaled", "image", f"slope {slope:g}, intercept {intercept or 0.0:g}: {hint}")]
    whole = narrow(image, whole=True)
    if whole.dtype == np.uint64 and int(whole.max()) > LARGEST_LABEL:
        message = f"a label of {int(whole.max())} is beyond 63 bits: kept as an image"
        return image, [warning("labels-too-large", "image", message)]
    if whole.dtype.kind in "biu":
        return whole, []
    odd = native(image).ravel(order="K")
    if odd.dtype.kind == "f":
        odd = odd[~np.isfinite(odd) | (odd != np.round(odd)) | ((odd == 0) & np.signbit(odd))]
    shown = f"{odd.size} numbers are not whole, such as {odd[0]!s}" if odd.size else "numbers beyond 64-bit integers"
    return image, [warning("labels-not-whole", "image", f"{shown}; {hint}")]
