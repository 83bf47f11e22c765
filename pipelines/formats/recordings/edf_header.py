"""Headers of EDF, EDF+, BDF and BDF+, and whether the file is as long as they say.

Kemp et al. 1992, doi:10.1016/0013-4694(92)90009-7; Kemp and Olivan 2003, doi:10.1016/s1388-2457(03)00123-8;
https://www.edfplus.info/specs/edfplus.html. BDF is the same with 24-bit samples, https://www.biosemi.com/faq/file_format.htm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning

from ..files.text_mode import refuse_text_damage
from .numbers import decimal, possible_rate

EDF_START = b"0       "
BDF_START = b"\xffBIOSEMI"
ANNOTATION_LABELS = {"EDF Annotations", "BDF Annotations"}
FIXED_BYTES = 256
WIDTHS = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "physical_min": 8,
    "physical_max": 8,
    "digital_min": 8,
    "digital_max": 8,
    "prefilter": 80,
    "samples": 8,
    "reserved": 32,
}
"""Fields of one signal and their bytes, in the file's order: each field for all signals, then the next."""
RANGES = ("physical_min", "physical_max", "digital_min", "digital_max")
RECORD_DURATION = slice(244, 252)
"""Where it stands in the file."""
CENTURY_PIVOT = 85
"""Two digits from here on are years of the 20th century, the others of the 21st (EDF+, section 2.1.3.2)."""


@dataclass(frozen=True)
class Header:
    """The header's numbers."""

    path: Path
    bdf: bool
    variant: str
    """``EDF``, ``EDF+C``, ``EDF+D``, ``BDF``, ...; by the reserved field."""
    n_records: int
    record_s: Fraction
    signals: tuple[dict[str, str], ...]
    samples: tuple[int, ...]
    """Samples per record of every signal."""
    attrs: dict[str, str]
    raw: bytes
    """The header as it stands in the file."""

    @property
    def sample_bytes(self) -> int:
        """Bytes of one stored sample."""
        return 3 if self.bdf else 2

    @property
    def header_bytes(self) -> int:
        """Bytes before the first record."""
        return FIXED_BYTES * (1 + len(self.signals))

    @property
    def record_bytes(self) -> int:
        """Bytes of one record."""
        return sum(self.samples) * self.sample_bytes

    def place_of(self, number: int) -> slice:
        """Return where the samples of one signal lie in a record, in bytes."""
        start = sum(self.samples[:number]) * self.sample_bytes
        return slice(start, start + self.samples[number] * self.sample_bytes)

    def is_annotation(self, number: int) -> bool:
        """Tell whether a signal holds annotations."""
        return self.signals[number]["label"] in ANNOTATION_LABELS

    def rate_groups(self) -> list[list[int]]:
        """Return signal numbers by rate, in the order in which rates appear; annotations left out."""
        groups: dict[int, list[int]] = {}
        for number, n_samples in enumerate(self.samples):
            if n_samples and not self.is_annotation(number):
                groups.setdefault(n_samples, []).append(number)
        return list(groups.values())

    def scale(self, number: int) -> tuple[float, float] | None:
        """Return gain and offset of a signal; None where a range is empty, so that values are unknown."""
        signal = self.signals[number]
        place = f"signal {number + 1} ({signal['label']})"
        low, high, least, most = (to_number(self.path, signal[name], f"{place}, {name}") for name in RANGES)
        if most == least or high == low:
            return None
        step = (high - low) / (most - least)
        return float(step), float(low - step * least)


def read_header(path: Path) -> Header:
    """Read a header; the number of records is as written, -1 where a recorder never wrote it.

    Raises
    ------
    TruncatedError
        When the file ends inside the header.
    FormatError
        When a field is not what it must be.
    """
    with path.open("rb") as file:
        raw = file.read(FIXED_BYTES)
        _require_bytes(path, raw, FIXED_BYTES)
        if raw[:8] not in {EDF_START, BDF_START}:
            raise FormatError("not an EDF or BDF file", subject=str(path), place="byte 0", found=repr(raw[:8]))
        n_signals = _whole(path, raw[252:256], "number of signals")
        if n_signals < 1:
            raise FormatError("no signals", subject=str(path), place="number of signals", found=str(n_signals))
        size = FIXED_BYTES * (1 + n_signals)
        raw += file.read(size - FIXED_BYTES)
    _require_bytes(path, raw, size)
    return parse_header(path, raw)


def parse_header(path: Path, raw: bytes) -> Header:
    """Take the whole header of a file apart; see :func:`read_header`."""
    size = len(raw)
    bdf = raw.startswith(BDF_START)
    n_signals = _whole(path, raw[252:256], "number of signals")
    stated = _whole(path, raw[184:192], "header bytes")
    if stated != size:
        raise FormatError(
            "the header's length does not fit its signals",
            subject=str(path),
            place="header bytes",
            expected=str(size),
            found=str(stated),
        )
    columns: dict[str, list[str]] = {}
    at = FIXED_BYTES
    for name, width in WIDTHS.items():
        columns[name] = [_text(raw[at + k * width : at + (k + 1) * width]) for k in range(n_signals)]
        at += width * n_signals
    signals = tuple(dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    samples = tuple(_whole(path, signal["samples"].encode(), f"samples of {signal['label']}") for signal in signals)
    if min(samples) < 0 or sum(samples) == 0:
        raise FormatError("a record has no samples", subject=str(path), place="samples per record", found=str(samples))
    reserved = _text(raw[192:236])
    kind = "BDF" if bdf else "EDF"
    date, clock = _text(raw[168:176]), _text(raw[176:184])
    fields = {
        "patient_field": _text(raw[8:88]),
        "recording_field": _text(raw[88:168]),
        "start_field": f"{date} {clock}".strip(),
        "recorded_at": _moment(date, clock),
    }
    header = Header(
        path=path,
        bdf=bdf,
        variant=reserved[:5] if reserved.startswith(f"{kind}+") else kind,
        n_records=_whole(path, raw[236:244], "number of records"),
        record_s=to_number(path, _text(raw[RECORD_DURATION]), "record duration"),
        signals=signals,
        samples=samples,
        attrs={name: text for name, text in fields.items() if text},
        raw=raw,
    )
    if header.rate_groups() and header.record_s <= 0:
        raise FormatError(
            "signals need a record duration",
            subject=str(path),
            place="record duration",
            expected="more than 0 s",
            found=str(header.record_s),
        )
    for group in header.rate_groups():
        possible_rate(samples[group[0]] / header.record_s, path, "record duration")
    return header


def records_of(header: Header, warnings: list[dict[str, str]]) -> tuple[Header, np.ndarray[Any, Any]]:
    """Return the file's records, uint8 of shape (record, byte), mapped and not yet read, if their number is right.

    Where a recorder never wrote the number of records (-1) they are counted, and the header that is returned has it.

    Raises
    ------
    TruncatedError
        When the file is shorter than its header says.
    FormatError
        When it is longer, or carries the marks of a transfer in text mode.
    """
    subject, found = str(header.path), header.path.stat().st_size
    body = found - header.header_bytes
    expected = f"{header.header_bytes + header.n_records * header.record_bytes} bytes"
    mapped: np.ndarray[Any, Any] = np.empty(0, dtype=np.uint8)
    if body:
        mapped = np.memmap(header.path, dtype=np.uint8, mode="r", offset=header.header_bytes)
        refuse_text_damage(
            header.path, mapped, expected=f"{expected} (found {found})" if header.n_records > 0 else None
        )
    if header.n_records == -1:
        if body % header.record_bytes or not body:
            raise TruncatedError(
                "an unclosed file ends inside a record",
                subject=subject,
                expected=f"a multiple of {header.record_bytes} bytes",
                found=f"{body} bytes",
            )
        counted = body // header.record_bytes
        warnings.append(warning("unclosed", "number of records", f"-1 in the header; {counted} were counted"))
        return replace(header, n_records=counted), mapped.reshape(counted, -1)
    if header.n_records < 1:
        raise FormatError("no records", subject=subject, place="number of records", found=str(header.n_records))
    if body < header.n_records * header.record_bytes:
        raise TruncatedError(
            "the file is shorter than its header says",
            subject=subject,
            expected=f"{expected} ({header.n_records} records of {header.record_bytes})",
            found=f"{found} bytes",
        )
    if body > header.n_records * header.record_bytes:
        raise FormatError(
            "the file is longer than its header says",
            subject=subject,
            expected=expected,
            found=f"{found} bytes",
            hint="a transfer in text mode turns LF into CR LF; fetch the file again",
        )
    return header, mapped.reshape(header.n_records, -1)


def _require_bytes(path: Path, raw: bytes, expected: int) -> None:
    if len(raw) < expected:
        raise TruncatedError(
            "the file ends inside the header",
            subject=str(path),
            expected=f"{expected} bytes",
            found=f"{len(raw)} bytes",
        )


def _moment(date: str, clock: str) -> str:
    """Return the start as ISO 8601 without a zone, which EDF does not state; ``""`` where it is no date."""
    try:
        day, month, year = (int(part) for part in date.split("."))
        hour, minute, second = (int(part) for part in clock.split("."))
        century = 1900 if year >= CENTURY_PIVOT else 2000
        return datetime(century + year, month, day, hour, minute, second).isoformat()
    except ValueError:
        return ""


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \0")


def _whole(path: Path, raw: bytes, place: str) -> int:
    text = _text(raw)
    if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        raise FormatError("not a whole number", subject=str(path), place=place, found=repr(text))
    return int(text)


def to_number(path: Path, text: str, place: str) -> Fraction:
    """Return a header's number exactly; raise :class:`~connectome.errors.FormatError` where it is none.

    A comma is read as the point that the specification asks for: recorders write the sign of their language.
    """
    number = decimal(text.replace(",", "."))
    if number is None:
        raise FormatError("not a number", subject=str(path), place=place, found=repr(text))
    return number
