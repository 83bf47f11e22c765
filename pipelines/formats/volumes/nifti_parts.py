"""NIfTI files taken apart: which bytes are header and which are image, seen through gzip and across pairs.

No meaning of the header lives here beyond what is needed to find the image's first byte.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, MissingExtraError, TruncatedError, UsageError

from .gzip_file import file_bytes

MAGIC = {b"n+1\0": (1, "single"), b"ni1\0": (1, "pair"), b"n+2\0": (2, "single"), b"ni2\0": (2, "pair")}
MAGIC_AT = {1: 344, 2: 4}
HEADER_BYTES = {1: 348, 2: 540}
LONGEST_TRAILER_BYTES = 1 << 20
"""More than this after the image means that the header does not describe the file."""


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


def take_apart(paths: list[Path]) -> Parts:
    """Split a file or a pair of files into header and image bytes."""
    headers = [path for path in paths if not has_suffix(path, ".img")]
    if len(headers) != 1 or len(paths) > 2:
        raise UsageError(
            "one image at a time",
            subject=", ".join(str(path) for path in paths),
            expected="one .nii, or one .hdr with its .img",
            found=f"{len(paths)} files",
        )
    warnings: list[dict[str, str]] = []
    content = _content(headers[0], warnings)
    magic = find_magic(content)
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
    body = _content(image_file(paths, headers[0]), warnings)
    return Parts(content + body[:start], body[start:], version, True, len(content), warnings)


def image_file(paths: list[Path], header: Path) -> Path:
    """Return the ``.img`` of a pair."""
    for path in paths:
        if has_suffix(path, ".img"):
            return path
    stem = header.name.removesuffix(".gz")[: -len(".hdr")]
    for name in (f"{stem}.img", f"{stem}.img.gz", f"{stem}.IMG"):
        if (header.parent / name).is_file():
            return header.parent / name
    raise FormatError(
        "the header belongs to a pair whose image is missing", subject=str(header), expected=f"{stem}.img", found="none"
    )


def has_suffix(path: Path, suffix: str) -> bool:
    """Tell whether a name ends in a suffix, with ``.gz`` after it or not."""
    return path.name.lower().removesuffix(".gz").endswith(suffix)


def _content(path: Path, warnings: list[dict[str, str]]) -> bytes:
    return file_bytes(path, warnings, head_bytes=HEADER_BYTES[2], limit=_most_bytes)


def _most_bytes(head: bytes) -> int:
    """Return the most bytes a file can have by its header; a terabyte where that cannot be told (image of a pair)."""
    magic = find_magic(head)
    if magic is None or magic[1] == "pair" or len(head) < HEADER_BYTES[magic[0]]:
        return 1 << 40
    fixed = io.BytesIO(head[: HEADER_BYTES[magic[0]]])
    header = header_class(magic[0], paired=True).from_fileobj(fixed, check=False)
    dims = [int(size) for size in header["dim"][1:8]][: max(0, int(header["dim"][0]))]
    n_bytes = int(np.prod([max(1, size) for size in dims], dtype=object)) * max(8, int(header["bitpix"])) // 8
    return n_bytes + max(0, int(header["vox_offset"])) + LONGEST_TRAILER_BYTES


def find_magic(head: bytes) -> tuple[int, str] | None:
    """Return the version of NIfTI and whether it is a single file or a pair; None where it is not NIfTI."""
    for version, at in MAGIC_AT.items():
        known = MAGIC.get(head[at : at + 4])
        if known is not None and known[0] == version:
            return known
    return None


def header_class(version: int, *, paired: bool) -> Any:
    """Return nibabel's class for a header."""
    try:
        from nibabel import nifti1, nifti2
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the format needs nibabel", subject="nifti", hint='pip install "connectome[mri]"'
        ) from error
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
    offset = float(header_class(version, paired=True).from_fileobj(fixed, check=False)["vox_offset"])
    if not offset.is_integer() or offset < minimum:
        raise FormatError(
            "the image cannot start there",
            subject=subject,
            place="vox_offset",
            expected=f"{minimum} or more",
            found=f"{offset}",
        )
    return int(offset)
