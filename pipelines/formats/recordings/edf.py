"""EDF, EDF+, BDF and BDF+: stored integers with gain and offset, every rate on its own, gaps as gaps.

Other readers bring all signals to one rate and read a discontinuous file (``EDF+D``) as if it had no gaps; here
signals of equal rate form a block, and the records' own time stamps decide where segments begin.

Kemp et al. 1992, doi:10.1016/0013-4694(92)90009-7; Kemp and Olivan 2003, doi:10.1016/s1388-2457(03)00123-8;
https://www.edfplus.info/specs/edfplus.html. BDF is the same with 24-bit samples, https://www.biosemi.com/faq/file_format.htm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError

from ..files.pointers import refuse_pointer
from .recording import Annotation, Block, Channel, Recording, udunits, warning

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
# Label prefixes that EDF+ standardises, https://www.edfplus.info/specs/edftexts.html.
KINDS = {"EEG", "ECG", "EOG", "ERG", "EMG", "MEG", "MCG", "EP", "Temp", "Resp", "SaO2", "Light", "Sound", "Event"}
ONSET = re.compile(r"(?P<onset>[+-]\d+(?:\.\d*)?)(?:\x15(?P<duration>\d+(?:\.\d*)?))?")


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


def is_edf(path: Path) -> bool:
    """Tell whether a file starts as EDF or BDF does."""
    with path.open("rb") as file:
        return file.read(8) in {EDF_START, BDF_START}


def read_recording(path: Path) -> Recording:
    """Read signals and annotations.

    Raises
    ------
    TruncatedError
        When the file is shorter than its header says.
    FormatError
        When it is longer, when a field of the header is not what it must be, or when annotations cannot be read.
    """
    refuse_pointer(path)
    raw = path.read_bytes()
    warnings: list[dict[str, str]] = []
    header = _header(path, raw, warnings)
    records = np.frombuffer(raw, dtype=np.uint8, offset=header.header_bytes).reshape(header.n_records, -1)
    starts, texts = _annotations(header, records, warnings)
    first = starts[0] if starts else Fraction(0)
    segments, segment_starts = _segments(header, [start - first for start in starts], warnings)
    blocks = [_block(header, records, members, segments, segment_starts, warnings) for members in _rate_groups(header)]
    attrs: dict[str, Any] = {"file_format": header.variant, **header.attrs}
    if first:
        attrs["first_sample_after_start_s"] = float(first)
    return Recording(
        blocks=tuple(blocks),
        annotations=tuple(Annotation(onset - first, duration, text) for onset, duration, text in texts),
        attrs=attrs,
        warnings=tuple(warnings),
    )


def _header(path: Path, raw: bytes, warnings: list[dict[str, str]]) -> Header:
    if len(raw) < FIXED_BYTES:
        raise TruncatedError(
            "the file ends inside the header",
            subject=str(path),
            expected=f"{FIXED_BYTES} bytes",
            found=f"{len(raw)} bytes",
        )
    if raw[:8] not in {EDF_START, BDF_START}:
        raise FormatError("not an EDF or BDF file", subject=str(path), place="byte 0", found=repr(raw[:8]))
    bdf = raw.startswith(BDF_START)
    n_signals = _whole(path, raw[252:256], "number of signals")
    if n_signals < 1:
        raise FormatError("no signals", subject=str(path), place="number of signals", found=str(n_signals))
    size = FIXED_BYTES * (1 + n_signals)
    if len(raw) < size:
        raise TruncatedError(
            "the file ends inside the header", subject=str(path), expected=f"{size} bytes", found=f"{len(raw)} bytes"
        )
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
    variant = reserved[:5] if reserved.startswith(f"{kind}+") else kind
    header = Header(
        path=path,
        bdf=bdf,
        variant=variant,
        n_records=_whole(path, raw[236:244], "number of records"),
        record_s=_number(path, _text(raw[244:252]), "record duration"),
        signals=signals,
        samples=samples,
        attrs={
            name: text
            for name, text in (
                ("patient_field", _text(raw[8:88])),
                ("recording_field", _text(raw[88:168])),
                ("start_field", f"{_text(raw[168:176])} {_text(raw[176:184])}".strip()),
            )
            if text
        },
    )
    return _checked_length(header, len(raw), warnings)


def _checked_length(header: Header, found: int, warnings: list[dict[str, str]]) -> Header:
    """Compare the file's size with the header; count the records where a recorder never wrote their number (-1)."""
    subject, body = str(header.path), found - header.header_bytes
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
        return Header(**{**header.__dict__, "n_records": counted})
    if header.n_records < 1:
        raise FormatError("no records", subject=subject, place="number of records", found=str(header.n_records))
    expected = header.header_bytes + header.n_records * header.record_bytes
    if found < expected:
        raise TruncatedError(
            "the file is shorter than its header says",
            subject=subject,
            expected=f"{expected} bytes ({header.n_records} records of {header.record_bytes})",
            found=f"{found} bytes",
        )
    if found > expected:
        raise FormatError(
            "the file is longer than its header says",
            subject=subject,
            expected=f"{expected} bytes",
            found=f"{found} bytes",
            hint="a transfer in text mode turns LF into CR LF; fetch the file again",
        )
    return header


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \0")


def _whole(path: Path, raw: bytes, place: str) -> int:
    text = _text(raw)
    if not re.fullmatch(r"[+-]?\d+", text):
        raise FormatError("not a whole number", subject=str(path), place=place, found=repr(text))
    return int(text)


def _number(path: Path, text: str, place: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise FormatError("not a number", subject=str(path), place=place, found=repr(text)) from None


def _rate_groups(header: Header) -> list[list[int]]:
    """Return signal numbers by rate, in the order in which rates appear."""
    groups: dict[int, list[int]] = {}
    for number, (signal, n_samples) in enumerate(zip(header.signals, header.samples, strict=True)):
        if signal["label"] not in ANNOTATION_LABELS and n_samples:
            groups.setdefault(n_samples, []).append(number)
    if groups and header.record_s <= 0:
        raise FormatError(
            "signals need a record duration",
            subject=str(header.path),
            place="record duration",
            expected="more than 0 s",
            found=str(header.record_s),
        )
    return list(groups.values())


def _block(
    header: Header,
    records: np.ndarray[Any, Any],
    members: Sequence[int],
    segments: Sequence[tuple[int, int]],
    segment_starts: Sequence[Fraction],
    warnings: list[dict[str, str]],
) -> Block:
    n_samples = header.samples[members[0]]
    signal = np.empty((len(members), header.n_records * n_samples), dtype=np.int32 if header.bdf else np.int16)
    for row, number in enumerate(members):
        signal[row] = _samples(header, records, number).ravel()
    return Block(
        signal,
        tuple(_channel(header, number, warnings) for number in members),
        n_samples / header.record_s,
        segments=tuple((start * n_samples, stop * n_samples) for start, stop in segments),
        segment_start_s=tuple(segment_starts),
    )


def _samples(header: Header, records: np.ndarray[Any, Any], number: int) -> np.ndarray[Any, Any]:
    """Return the stored samples of one signal, shape (record, sample)."""
    start = sum(header.samples[:number]) * header.sample_bytes
    part = np.ascontiguousarray(records[:, start : start + header.samples[number] * header.sample_bytes])
    if not header.bdf:
        return part.view("<i2").astype(np.int16, copy=False)
    # 24 bits go into the upper three bytes of 32, then an arithmetic shift brings the sign along.
    wide = np.zeros((*part.shape[:1], part.shape[1] // 3, 4), dtype=np.uint8)
    wide[..., 1:] = part.reshape(part.shape[0], -1, 3)
    shifted: np.ndarray[Any, Any] = wide.view("<i4")[..., 0] >> 8
    return shifted


def _channel(header: Header, number: int, warnings: list[dict[str, str]]) -> Channel:
    signal = header.signals[number]
    place = f"signal {number + 1} ({signal['label']})"
    low, high, least, most = (
        _number(header.path, signal[name], f"{place}, {name}")
        for name in ("physical_min", "physical_max", "digital_min", "digital_max")
    )
    if most == least or high == low:
        warnings.append(warning("no-scale", place, "the header's physical or digital range is empty: values unknown"))
        gain, offset = float("nan"), float("nan")
    else:
        step = (high - low) / (most - least)
        gain, offset = float(step), float(low - step * least)
    prefix, _, rest = signal["label"].partition(" ")
    kind = prefix.lower() if prefix in KINDS and rest else ""
    if header.bdf and signal["label"] == "Status":
        kind = "trig"
    return Channel(
        label=signal["label"],
        source_unit=signal["unit"],
        unit=udunits(signal["unit"]),
        kind=kind,
        gain=gain,
        offset=offset,
        extra={name: signal[name] for name in ("transducer", "prefilter")},
    )


def _annotations(
    header: Header, records: np.ndarray[Any, Any], warnings: list[dict[str, str]]
) -> tuple[list[Fraction], list[tuple[Fraction, Fraction | None, str]]]:
    """Return the start of every record (empty where the file has none) and all annotations in the file's order."""
    numbers = [number for number, signal in enumerate(header.signals) if signal["label"] in ANNOTATION_LABELS]
    starts: list[Fraction] = []
    texts: list[tuple[Fraction, Fraction | None, str]] = []
    for record in range(header.n_records if numbers else 0):
        for at, number in enumerate(numbers):
            begin = sum(header.samples[:number]) * header.sample_bytes
            raw = records[record, begin : begin + header.samples[number] * header.sample_bytes].tobytes()
            place = f"record {record + 1}, signal {number + 1}"
            for index, (onset, duration, entries) in enumerate(_lists(header.path, raw, place)):
                keeps_time = at == 0 and index == 0 and entries[:1] == [""]
                if keeps_time:
                    starts.append(onset)
                texts.extend((onset, duration, entry) for entry in entries[1 if keeps_time else 0 :] if entry)
    if numbers and len(starts) != header.n_records:
        if header.variant.endswith("D"):
            raise FormatError(
                "a discontinuous file lacks the times of its records",
                subject=str(header.path),
                expected=f"{header.n_records} times",
                found=f"{len(starts)}",
            )
        warnings.append(warning("no-record-times", "annotations", f"{len(starts)} of {header.n_records} records"))
        starts = []
    return starts, texts


def _lists(path: Path, raw: bytes, place: str) -> list[tuple[Fraction, Fraction | None, list[str]]]:
    """Take the time-stamped annotation lists of one signal of one record apart."""
    found = []
    for piece in raw.split(b"\0"):
        if not piece:
            continue
        try:
            text = piece.decode("utf-8")
        except UnicodeDecodeError:
            text = piece.decode("latin-1")
        fields = text.split("\x14")
        stamp = ONSET.fullmatch(fields[0])
        if stamp is None or len(fields) < 2 or fields[-1] != "":
            raise FormatError(
                "not an annotation list",
                subject=str(path),
                place=place,
                expected="+ONSET[\\x15DURATION]\\x14TEXT\\x14",
                found=repr(text[:60]),
                hint="the file may have been changed by a transfer in text mode; fetch it again",
            )
        duration = None if stamp["duration"] is None else Fraction(stamp["duration"])
        found.append((Fraction(stamp["onset"]), duration, fields[1:-1]))
    return found


def _segments(
    header: Header, starts: Sequence[Fraction], warnings: list[dict[str, str]]
) -> tuple[list[tuple[int, int]], list[Fraction]]:
    """Return ranges of records without gaps between them and their starts; nothing where the file is in one piece."""
    if not starts or header.record_s <= 0:
        return [], []
    # Starts are written with few decimals; less than half a sample is rounding.
    tolerance = header.record_s / max(header.samples) / 2
    cuts = [0]
    for record in range(1, header.n_records):
        expected = starts[cuts[-1]] + (record - cuts[-1]) * header.record_s
        if starts[record] < expected - tolerance:
            raise FormatError(
                "a record starts before the one before it ends",
                subject=str(header.path),
                place=f"record {record + 1}",
                expected=f"{float(expected):g} s or later",
                found=f"{float(starts[record]):g} s",
            )
        if starts[record] > expected + tolerance:
            cuts.append(record)
    if len(cuts) == 1:
        return [], []
    if not header.variant.endswith("D"):
        message = f"{len(cuts) - 1} gaps in a file that calls itself continuous; the records' times hold"
        warnings.append(warning("gaps", "annotations", message))
    return list(zip(cuts, [*cuts[1:], header.n_records], strict=True)), [starts[cut] for cut in cuts]
