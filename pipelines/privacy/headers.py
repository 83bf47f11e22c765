"""Raw headers of volumes: which text fields and extensions they hold, and the same header with them blank.

Sizes never change: a text field is filled with zeros, an extension keeps its length and becomes one that readers skip
(code 0), so that whatever else the header says stays true.

NIfTI-1 and -2: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h and .../nifti2.h, codes of extensions from the
same file. Analyze 7.5: struct ``data_history`` of ``dbh.h`` (Mayo Clinic). MGH:
https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .patterns import is_blank, kind_of_text, printable_runs

__all__ = ["Field", "blanked", "blanked_trailer", "fields_of", "trailer_fields"]

_NIFTI_1 = {"db_name": (14, 18), "descrip": (148, 80), "aux_file": (228, 24), "intent_name": (328, 16)}
_NIFTI_2 = {"descrip": (240, 80), "aux_file": (320, 24), "intent_name": (508, 16)}
_ANALYZE = {
    "db_name": (14, 18), "descrip": (148, 80), "aux_file": (228, 24), "generated": (263, 10), "scannum": (273, 10),
    "patient_id": (283, 10), "exp_date": (293, 10), "exp_time": (303, 10),
}  # fmt: skip
_MGH = {"unused": (90, 194)}
_KINDS = {
    "db_name": ("identifier", True), "patient_id": ("identifier", True), "scannum": ("identifier", True),
    "exp_date": ("date", True), "exp_time": ("date", True),
}  # fmt: skip
"""Converters wrote the patient's name or number into ``db_name``; the other fields hold any text."""
EXTENSIONS: Mapping[int, str] = {
    2: "DICOM", 4: "AFNI", 6: "comment", 8: "XCEDE", 12: "workflow", 14: "FreeSurfer", 16: "pickle", 18: "MiND",
    28: "VoxBo", 30: "Caret", 32: "CIFTI", 38: "Eval", 40: "MATLAB", 42: "Quantiphyse", 44: "MRS",
}  # fmt: skip
SURE = frozenset({"DICOM", "MRS"})
"""Their standards have fields for the patient."""
NUMBERS = frozenset({0, 10, 20, 22, 24, 26, 34})
"""Codes of extensions that hold numbers alone: b-values, directions, timing of frames, sizes."""
SCAN_BYTES = 20
"""Repetition time, flip angle, echo time, inversion time, field of view: what precedes the tags of MGH."""


@dataclass(frozen=True)
class Field:
    """A field of a header that holds something."""

    name: str
    kind: str
    sure: bool
    text: str
    start: int
    stop: int
    extension: int | None = None
    """Where the header of the extension starts; None for a field."""


def fields_of(header: bytes, source_format: str) -> list[Field]:
    """List the text fields and extensions of a header that hold something.

    Parameters
    ----------
    header : bytes
        As stored with a volume.
    source_format : str
        ``nifti``, ``mgh`` or ``analyze``; of anything else the printable text is looked at.

    Returns
    -------
    list of Field
        By place.
    """
    if source_format == "nifti" and len(header) >= 348:
        second = 540 in struct.unpack("<i", header[:4]) + struct.unpack(">i", header[:4])
        known, size = (_NIFTI_2, 540) if second else (_NIFTI_1, 348)
        return [*_texts(header, known), *_extensions(header, size)]
    if source_format == "analyze":
        return _texts(header, _ANALYZE)
    if source_format == "mgh":
        return _texts(header, _MGH)
    return _loose(header, "header")


def blanked(header: bytes, fields: Iterable[Field]) -> bytes:
    """Return a header of the same length with fields and extensions blank."""
    held = bytearray(header)
    for field in fields:
        held[field.start : field.stop] = bytes(field.stop - field.start)
        if field.extension is not None:
            held[field.extension + 4 : field.extension + 8] = bytes(4)
    return bytes(held)


def trailer_fields(trailer: bytes, source_format: str) -> list[Field]:
    """List what follows the image: text among the tags of MGH, or any bytes that are not 0."""
    start = SCAN_BYTES if source_format == "mgh" else 0
    rest = trailer[start:]
    if source_format == "mgh":
        return [
            Field(field.name, field.kind, field.sure, field.text, field.start + start, field.stop + start)
            for field in _loose(rest, "tags")
        ]
    if not any(rest):
        return []
    return [Field("trailer", "extension", False, f"{len(rest)} bytes after the image", start, len(trailer))]


def blanked_trailer(trailer: bytes, source_format: str) -> bytes:
    """Return what follows the image without text: the five scan parameters of MGH, else nothing."""
    return trailer[:SCAN_BYTES] if source_format == "mgh" else b""


def _texts(header: bytes, known: Mapping[str, tuple[int, int]]) -> list[Field]:
    found = []
    for name, (start, length) in known.items():
        raw = header[start : start + length]
        text = " ".join(raw.replace(b"\0", b" ").decode("latin-1").split())
        if not any(raw) or is_blank(text):
            continue
        kind, sure = kind_of_text(text) or _KINDS.get(name, ("text", False))
        if name in _KINDS:
            kind, sure = _KINDS[name]
        found.append(Field(name, kind, sure, text, start, start + len(raw)))
    return found


def _loose(data: bytes, name: str) -> list[Field]:
    runs = printable_runs(data)
    if not runs:
        return []
    text = " ".join(runs)
    kind, sure = kind_of_text(text) or ("text", False)
    return [Field(name, kind, sure, text, 0, len(data))]


def _extensions(header: bytes, size: int) -> list[Field]:
    """Walk the extensions; bytes that make none are one field of their own."""
    if len(header) < size + 4:
        return []
    order = "<" if struct.unpack("<i", header[:4])[0] == size else ">"
    found: list[Field] = []
    at = size + 4
    while header[size] and at + 8 <= len(header):
        length, code = struct.unpack(f"{order}2i", header[at : at + 8])
        if length < 16 or length % 16 or at + length > len(header):
            break
        payload = header[at + 8 : at + length]
        if code not in NUMBERS and any(payload):
            label = EXTENSIONS.get(code, f"code {code}")
            text = " ".join(printable_runs(payload)) or f"{len(payload)} bytes"
            form = kind_of_text(text)
            sure = label in SURE or (form is not None and form[1])
            found.append(Field(f"extension {label}", "extension", sure, text, at + 8, at + length, extension=at))
        at += length
    if any(header[at:]):
        found.append(Field("unread", "extension", False, f"{len(header) - at} bytes before the image", at, len(header)))
    return found
