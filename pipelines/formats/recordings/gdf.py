"""GDF 2: stored numbers in their own type with gain and offset, every rate on its own, events with their codes.

Schlögl 2006, "GDF - A general dataformat for biosignals", arXiv:cs/0608052 (version 2). Codes of events are named by
the table of the data set that uses them most: Brunner et al. 2008, "BCI Competition 2008 - Graz data set A", table 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning

from ..files.pointers import refuse_pointer
from ..files.text_mode import refuse_text_damage
from .numbers import possible_rate
from .recording import Annotation, Block, Channel, Recording

VERSION = re.compile(rb"GDF 2\.(\d\d)")
FIXED_BYTES = 256
TYPES = {1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<i8", 8: "<u8", 16: "<f4", 17: "<f8"}
INT24 = 279
"""Type of 24-bit integers: 255 plus the number of bits."""
UNITS = {512: "1", 544: "percent", 4256: "V", 4274: "mV", 4275: "uV", 4276: "nV", 4288: "ohm", 6048: "degC"}
"""Dimension codes (ISO/IEEE 11073-10101: a base unit, its decimal factor in the lowest five bits)."""
CODES = {
    276: "idling EEG, eyes open",
    277: "idling EEG, eyes closed",
    768: "start of a trial",
    769: "cue onset left",
    770: "cue onset right",
    771: "cue onset foot",
    772: "cue onset tongue",
    783: "cue unknown",
    1023: "rejected trial",
    1072: "eye movements",
    32766: "start of a new run",
}
"""Event codes of Graz data set A (Brunner et al. 2008, table 2)."""
NEW_RUN = 32766
SPARSE = 32767
"""A sample of a channel without a rate, kept in the event table."""
DAY_ONE = datetime(1, 1, 1)
DAYS_BEFORE = 367
"""Dates count days from the year 0."""


@dataclass(frozen=True)
class Header:
    """The header's numbers, one entry per channel."""

    path: Path
    minor: int
    n_records: int
    record_s: Fraction
    labels: list[str]
    transducers: list[str]
    unit_codes: list[int]
    ranges: np.ndarray[Any, Any]
    """float64, shape (4, channel): physical and digital minimum and maximum."""
    samples: list[int]
    types: list[int]
    bytes: int
    attrs: dict[str, str]

    def width(self, number: int) -> int:
        """Return the bytes of one sample."""
        return 3 if self.types[number] == INT24 else np.dtype(TYPES[self.types[number]]).itemsize

    @property
    def sizes(self) -> list[int]:
        """Bytes of every channel in a record."""
        return [self.width(number) * n_samples for number, n_samples in enumerate(self.samples)]


def is_gdf2(path: Path) -> bool:
    """Tell whether a file starts as GDF 2 does."""
    with path.open("rb") as file:
        return VERSION.fullmatch(file.read(8)) is not None


def read_recording(path: Path) -> Recording:
    """Read signals and events.

    Raises
    ------
    TruncatedError
        When the file is shorter than its header says, or ends inside the table of events.
    FormatError
        When a field of the header is not what it must be, or a text program has changed the file.
    """
    refuse_pointer(path)
    raw = path.read_bytes()
    warnings: list[dict[str, str]] = []
    header = _header(path, raw)
    n_records = _n_records(header, len(raw), warnings)
    end = header.bytes + n_records * sum(header.sizes)
    body = np.frombuffer(raw, dtype=np.uint8)[header.bytes : end]
    refuse_text_damage(path, body)
    records = body.reshape(n_records, -1)
    groups: dict[tuple[int, int], list[int]] = {}
    for number, n_samples in enumerate(header.samples):
        if n_samples:
            groups.setdefault((n_samples, header.types[number]), []).append(number)
        else:
            warnings.append(warning("no-samples", header.labels[number], "a channel without samples of its own"))
    if not groups:
        raise FormatError("no channel has samples", subject=str(path), place="samples per record", found="0")
    rate = possible_rate(max(n_samples for n_samples, _ in groups) / header.record_s, path, "record duration")
    events = _events(header, raw, end, rate, warnings)
    blocks = [_block(header, records, members, events, warnings) for members in groups.values()]
    return Recording(
        blocks=tuple(blocks),
        annotations=tuple(events),
        attrs={"file_format": f"GDF 2.{header.minor:02d}", **header.attrs},
        warnings=tuple(warnings),
    )


def _header(path: Path, raw: bytes) -> Header:
    _require(path, len(raw), FIXED_BYTES)
    version = VERSION.fullmatch(raw[:8])
    if version is None:
        raise FormatError("not a GDF 2 file", subject=str(path), place="byte 0", found=repr(raw[:8]))
    n_channels = int.from_bytes(raw[252:254], "little")
    size = int.from_bytes(raw[184:186], "little") * FIXED_BYTES
    if not n_channels or size < FIXED_BYTES * (1 + n_channels):
        raise FormatError(
            "the header's length does not fit its channels",
            subject=str(path),
            place="header length",
            expected=f"{FIXED_BYTES * (1 + n_channels)} bytes or more for {n_channels} channels",
            found=f"{size} bytes",
        )
    _require(path, len(raw), size)
    up, down = (int.from_bytes(raw[at : at + 4], "little") for at in (244, 248))
    if not up or not down:
        raise FormatError(
            "no duration of a record", subject=str(path), place="record duration", expected="more than 0 s",
            found=f"{up}/{down} s",
        )  # fmt: skip
    at = FIXED_BYTES

    def take(dtype: str, count: int = 1) -> np.ndarray[Any, Any]:
        nonlocal at
        found = np.frombuffer(raw, dtype=dtype, count=n_channels * count, offset=at)
        at += found.nbytes
        return found.reshape(n_channels, count) if count > 1 else found

    labels, transducers = ([_text(item) for item in take(f"S{width}")] for width in (16, 80))
    take("S6")
    codes = take("<u2").tolist()
    ranges = np.stack([take("<f8") for _ in range(4)])
    take("u1", 68)
    take("<f4", 3)
    samples, types = take("<u4").tolist(), take("<u4").tolist()
    unknown = sorted({kind for kind in types if kind not in TYPES and kind != INT24})
    if unknown:
        raise FormatError(
            "samples of a type that is not read",
            subject=str(path),
            place="type of the samples",
            expected=", ".join(map(str, (*TYPES, INT24))),
            found=", ".join(map(str, unknown)),
        )
    fields = {
        "patient_field": _text(raw[8:74]),
        "recording_field": _text(raw[88:152]),
        "recorded_at": _moment(int.from_bytes(raw[168:176], "little")),
    }
    return Header(
        path=path,
        minor=int(version[1]),
        n_records=int.from_bytes(raw[236:244], "little", signed=True),
        record_s=Fraction(up, down),
        labels=labels,
        transducers=transducers,
        unit_codes=codes,
        ranges=ranges,
        samples=samples,
        types=types,
        bytes=size,
        attrs={name: text for name, text in fields.items() if text},
    )


def _n_records(header: Header, found: int, warnings: list[dict[str, str]]) -> int:
    record = sum(header.sizes)
    body = found - header.bytes
    if record and header.n_records == -1 and body >= record:
        counted, rest = divmod(body, record)
        message = f"-1 in the header; {counted} were counted" + (f", {rest} bytes are left out" if rest else "")
        warnings.append(warning("unclosed", "number of records", message))
        return counted
    if header.n_records < 1 or not record:
        raise FormatError(
            "no records", subject=str(header.path), place="number of records", found=str(header.n_records)
        )
    if body < header.n_records * record:
        raise TruncatedError(
            "the file is shorter than its header says",
            subject=str(header.path),
            expected=f"{header.bytes + header.n_records * record} bytes ({header.n_records} records of {record})",
            found=f"{found} bytes",
        )
    return header.n_records


def _block(
    header: Header,
    records: np.ndarray[Any, Any],
    members: Sequence[int],
    events: Sequence[Annotation],
    warnings: list[dict[str, str]],
) -> Block:
    n_samples, kind = header.samples[members[0]], header.types[members[0]]
    rows = []
    for number in members:
        start = sum(header.sizes[:number])
        part = np.ascontiguousarray(records[:, start : start + header.sizes[number]])
        if kind == INT24:
            wide = np.zeros((part.size // 3, 4), dtype=np.uint8)
            wide[:, 1:] = part.reshape(-1, 3)
            rows.append(wide.view("<i4").ravel() >> 8)
        else:
            rows.append(part.view(TYPES[kind]).ravel())
    signal = np.stack(rows)
    signal = signal.astype(signal.dtype.newbyteorder("="), copy=False)
    rate = n_samples / header.record_s
    total = signal.shape[1]
    starts = sorted({round(event.onset_s * rate) for event in events if event.description == str(NEW_RUN)} | {0})
    starts = [start for start in starts if 0 <= start < total]
    return Block(
        signal,
        tuple(_channel(header, number, warnings) for number in members),
        rate,
        segments=tuple(zip(starts, [*starts[1:], total], strict=True)) if len(starts) > 1 else (),
        valid=_taken(signal, warnings),
    )


def _taken(signal: np.ndarray[Any, Any], warnings: list[dict[str, str]]) -> np.ndarray[Any, Any] | None:
    """Return which samples were taken; None where all were.

    Graz data set A puts 100 samples of the most negative number between its runs (Brunner et al. 2008).
    """
    if signal.dtype.kind != "i":
        return None
    missing: np.ndarray[Any, Any] = (signal == np.iinfo(signal.dtype).min).all(axis=0)
    if not missing.any():
        return None
    message = f"{int(missing.sum())} samples are the most negative number in all channels: not taken"
    warnings.append(warning("missing-samples", "signal", message))
    return ~missing


def _channel(header: Header, number: int, warnings: list[dict[str, str]]) -> Channel:
    low, high, least, most = (float(value) for value in header.ranges[:, number])
    code = header.unit_codes[number]
    gain = offset = float("nan")
    if np.isfinite([low, high, least, most]).all() and most != least and high != low:
        step = (Fraction(high) - Fraction(low)) / (Fraction(most) - Fraction(least))
        gain, offset = float(step), float(Fraction(low) - step * Fraction(least))
    else:
        place = f"channel {number + 1} ({header.labels[number]})"
        warnings.append(warning("no-scale", place, "the header's physical or digital range is empty: values unknown"))
    return Channel(
        label=header.labels[number],
        source_unit=UNITS.get(code, f"dimension code {code}" if code else ""),
        unit=UNITS.get(code, ""),
        gain=gain,
        offset=offset,
        extra={"transducer": header.transducers[number]},
    )


def _events(header: Header, raw: bytes, at: int, rate: Fraction, warnings: list[dict[str, str]]) -> list[Annotation]:
    """Return the events of the table after the records; positions count samples from 1."""
    if header.n_records == -1:
        return []
    if at == len(raw):
        warnings.append(warning("no-events", "table of events", "the file ends with its records: events are unknown"))
        return []
    _require(header.path, len(raw), at + 8, "table of events")
    mode, count = raw[at], int.from_bytes(raw[at + 1 : at + 4], "little")
    own = float(np.frombuffer(raw, "<f4", 1, at + 4)[0])
    if mode not in {1, 3} or not np.isfinite(own) or own < 0:
        raise FormatError(
            "not a table of events", subject=str(header.path), place=f"byte {at}", expected="mode 1 or 3",
            found=f"mode {mode}, {own:g} Hz",
        )  # fmt: skip
    end = at + 8 + count * (12 if mode == 3 else 6)
    _require(header.path, len(raw), end, "table of events")
    if len(raw) > end:
        warnings.append(warning("trailing-bytes", "table of events", f"{len(raw) - end} bytes after the last event"))
    # The table's own rate has 24 bits; where it is the signals' rate, that one is exact.
    clock = rate if own == 0 or np.float32(float(rate)) == np.float32(own) else Fraction(own)
    if clock != rate:
        message = f"positions count at {own:g} Hz, the signals have {float(rate):g} Hz; each holds for its own"
        warnings.append(warning("rates-differ", "table of events", message))
    columns, place = [], at + 8
    for dtype in ("<u4", "<u2", "<u2", "<u4")[: 4 if mode == 3 else 2]:
        columns.append(np.frombuffer(raw, dtype, count, place))
        place += columns[-1].nbytes
    found, sparse, outside = [], 0, 0
    end_s = header.record_s * ((at - header.bytes) // sum(header.sizes))
    for row in range(count):
        position, code = int(columns[0][row]), int(columns[1][row])
        channel = int(columns[2][row]) if mode == 3 else 0
        if code == SPARSE:
            sparse += 1
            continue
        outside += not 0 <= (position - 1) / clock <= end_s
        found.append(
            Annotation(
                onset_s=(position - 1) / clock,
                duration_s=int(columns[3][row]) / clock if mode == 3 else None,
                description=str(code),
                channel=header.labels[channel - 1] if 0 < channel <= len(header.labels) else "",
                label=CODES.get(code, ""),
            )
        )
    if outside:
        message = f"{outside} of {len(found)} events lie before the first sample or after the last"
        warnings.append(warning("events-outside", "table of events", message))
    if sparse:
        warnings.append(warning("sparse-samples", "table of events", f"{sparse} samples of channels without a rate"))
    return found


def _moment(stored: int) -> str:
    """Return a date of 32.32-bit days as ISO 8601 without a zone; ``""`` where there is none."""
    if not stored:
        return ""
    try:
        # To the millisecond: the last bits of the fraction are rounding.
        days = Fraction(stored, 2**32) - DAYS_BEFORE
        return (DAY_ONE + timedelta(milliseconds=round(days * 86_400_000))).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError):
        return ""


def _require(path: Path, found: int, expected: int, place: str = "header") -> None:
    if found < expected:
        raise TruncatedError(
            f"the file ends inside the {place}",
            subject=str(path),
            expected=f"{expected} bytes or more",
            found=f"{found} bytes",
        )


def _text(raw: bytes) -> str:
    return bytes(raw).split(b"\0")[0].decode("latin-1").strip()
