"""A new EDF+ or BDF+ file around stored integers of another origin.

Samples are written as they are. What EDF can only say in eight characters (physical ranges, the duration of a record)
is chosen so that reading it back gives the same numbers, and where that cannot be, the remarks say by how much it is
off. Nothing is padded: the number of samples is kept.

Kemp and Olivan 2003, doi:10.1016/s1388-2457(03)00123-8; https://www.edfplus.info/specs/edfplus.html.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import UsageError
from connectome.schema.series import rate_hz

from ..formats.recordings.edf_header import BDF_START, EDF_START, FIXED_BYTES, WIDTHS

if TYPE_CHECKING:
    import xarray as xr

ADVISED_RECORD_BYTES = 61440
"""EDF 1992: a record should not be larger."""
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
UNKNOWN_DATE = datetime(1985, 1, 1)
TIME_DECIMALS = 9


@dataclass
class Made:
    """A file that is ready to be written."""

    bdf: bool
    parts: list[_Part]
    n_records: int
    record_s: str
    record_starts: list[Fraction]
    lists: list[bytes]
    """Annotation lists of every record, padded to one length."""
    start: datetime
    subject: str
    discontinuous: bool
    remarks: list[str] = field(default_factory=list)

    def write(self, destination: Path) -> None:
        """Write the file."""
        from .edf import sample_bytes

        width = 3 if self.bdf else 2
        columns: list[np.ndarray[Any, Any]] = []
        for part in self.parts:
            for row in part.data["signal"].values:
                columns.append(sample_bytes(row, bdf=self.bdf).reshape(self.n_records, part.per_record * width))
        columns.append(np.frombuffer(b"".join(self.lists), dtype=np.uint8).reshape(self.n_records, -1))
        with destination.open("wb") as file:
            file.write(self._header(width))
            file.write(np.concatenate(columns, axis=1).data)

    def _header(self, width: int) -> bytes:
        rows: list[dict[str, str]] = []
        for part in self.parts:
            rows += [{**row, "samples": str(part.per_record)} for row in part.rows]
        kind = "BDF" if self.bdf else "EDF"
        least, most = ("-8388608", "8388607") if self.bdf else ("-32768", "32767")
        rows.append(
            {
                "label": f"{kind} Annotations",
                "physical_min": "-1",
                "physical_max": "1",
                "digital_min": least,
                "digital_max": most,
                "samples": str(len(self.lists[0]) // width),
            }
        )
        known = self.start != UNKNOWN_DATE
        spoken = f"{self.start.day:02d}-{MONTHS[self.start.month - 1]}-{self.start.year}" if known else "X"
        fixed = [
            (f"{self.subject or 'X'} X X X", 80),
            (f"Startdate {spoken} X X X", 80),
            (f"{self.start:%d.%m.%y}", 8),
            (f"{self.start:%H.%M.%S}", 8),
            (str(FIXED_BYTES * (1 + len(rows))), 8),
            (f"{kind}+{'D' if self.discontinuous else 'C'}", 44),
            (str(self.n_records), 8),
            (self.record_s, 8),
            (str(len(rows)), 4),
        ]
        content = BDF_START if self.bdf else EDF_START
        content += b"".join(_ascii(text)[:size].ljust(size) for text, size in fixed)
        for name, size in WIDTHS.items():
            content += b"".join(_ascii(row.get(name, ""))[:size].ljust(size) for row in rows)
        return content


@dataclass
class _Part:
    """The channels of one rate."""

    data: xr.Dataset
    rate: Fraction
    rows: list[dict[str, str]] = field(default_factory=list)
    per_record: int = 0


def make(tree: xr.DataTree, group: str | None) -> Made:
    """Lay a recording out as EDF+ or BDF+.

    Raises
    ------
    UsageError
        When a signal is not made of integers of 24 bits or less, has no rate or no scale, or the series have different
        lengths.
    """
    remarks: list[str] = []
    parts = _parts(tree, group)
    bdf = _is_wide(parts)
    n_records, segments = _divided(parts, remarks)
    duration = Fraction(int(parts[0].data.sizes["time"])) / parts[0].rate / n_records
    record_s = _in_eight(duration)
    if Fraction(record_s) != duration:
        remarks.append(f"a record lasts {float(duration)!r} s and is written as {record_s} s")
    for part in parts:
        part.per_record = int(part.data.sizes["time"]) // n_records
        part.rows = _rows(part.data, bdf, remarks)
    starts = [start + number * duration for start, count in segments for number in range(count)]
    shift, start = _start(parts[0].data)
    lists = _lists(tree, starts, shift, 3 if bdf else 2, remarks)
    subject = "_".join(str(tree.attrs.get("subject", "")).split())
    return Made(bdf, parts, n_records, record_s, starts, lists, start, subject, len(segments) > 1, remarks)


def _parts(tree: xr.DataTree, group: str | None) -> list[_Part]:
    wanted = None if group is None else group.strip("/")
    found = []
    for path, data in schema.groups(tree):
        name = path.strip("/")
        if schema.kind_of(data) != "series" or (wanted is not None and name != wanted):
            continue
        if data["signal"].dtype.kind not in "iu":
            raise UsageError(
                "EDF holds whole numbers of 16 or 24 bits; this signal would have to be rounded",
                subject=name,
                expected="integers",
                found=str(data["signal"].dtype),
                hint="--to fif keeps floating-point numbers; --group names one series of several",
            )
        rate = segment_rate(data)
        if rate is None:
            raise UsageError("EDF needs a sampling rate", subject=name, expected="an exact rate", found="time stamps")
        if "gain" not in data or not np.isfinite(data["gain"].values * data["offset"].values).all():
            raise UsageError("EDF needs the scale of every channel", subject=name, expected="gain and offset")
        found.append(_Part(data, rate))
    if not found:
        raise UsageError(
            "no signal to write", subject=wanted or "record", expected="a series of integers", found="none"
        )
    lasting = {Fraction(int(part.data.sizes["time"])) / part.rate for part in found}
    if len(lasting) != 1:
        raise UsageError(
            "series of different lengths do not fit one EDF file",
            subject=wanted or "record",
            found=", ".join(f"{float(duration):g} s" for duration in sorted(lasting)),
            hint="name one with --group",
        )
    return found


def segment_rate(data: xr.Dataset) -> Fraction | None:
    """Return the rate of a series: of the whole, or within each of its segments."""
    if "segment_rate_hz_numerator" in data.attrs:
        return Fraction(data.attrs["segment_rate_hz_numerator"], data.attrs["segment_rate_hz_denominator"])
    return rate_hz(data)


def _is_wide(parts: Sequence[_Part]) -> bool:
    low = min(int(part.data["signal"].values.min()) for part in parts)
    high = max(int(part.data["signal"].values.max()) for part in parts)
    if low < -(2**23) or high >= 2**23:
        raise UsageError(
            "the samples need more than 24 bits",
            subject="signal",
            expected="-8388608 to 8388607",
            found=f"{low} to {high}",
        )
    return low < -(2**15) or high >= 2**15


def _divided(parts: Sequence[_Part], remarks: list[str]) -> tuple[int, list[tuple[Fraction, int]]]:
    """Return the number of records, and the start and the number of records of each segment.

    Among the divisors of all lengths that one is taken whose duration can be written exactly, then one that makes
    records of the advised size, then the one nearest to a second.
    """
    first = parts[0]
    total = int(first.data.sizes["time"])
    lengths, starts = [total], [Fraction(0)]
    if "time" in first.data.coords and "segment_start" in first.data:
        bounds = [first.data[f"segment_{end}"].values.tolist() for end in ("start", "stop")]
        lengths = [stop - start for start, stop in zip(*bounds, strict=True)]
        stamps = first.data["time"].values
        starts = [_exact_time(stamps[start]) for start in bounds[0]]
    elif "segment_start" in first.data:
        remarks.append("segments without a known gap between them are written one after the other")
    # In units of the first series, a record must hold a whole number of samples of every series.
    unit = math.lcm(*((first.rate / part.rate).numerator for part in parts))
    common = math.gcd(*lengths)
    if common % unit:
        raise UsageError("no record holds whole samples of all rates", subject="signal", hint="name one with --group")
    frame = sum(int(part.data.sizes["channel"]) * part.rate / first.rate for part in parts) * 2

    def rank(samples: int) -> tuple[bool, bool, float]:
        duration = samples / first.rate
        inexact = Fraction(_in_eight(duration)) != duration
        return inexact, samples * frame > ADVISED_RECORD_BYTES, abs(math.log(float(duration)))

    chosen = min((unit * count for count in _divisors(common // unit)), key=rank)
    return total // chosen, [(start, length // chosen) for start, length in zip(starts, lengths, strict=True)]


def _divisors(number: int) -> Iterator[int]:
    for small in range(1, math.isqrt(number) + 1):
        if number % small == 0:
            yield small
            yield number // small


def _exact_time(stamp: float) -> Fraction:
    return Fraction(f"{stamp:.{TIME_DECIMALS}f}")


def _in_eight(number: Fraction) -> str:
    """Write a number in at most eight characters, as exactly as they allow."""
    for decimals in range(8, -1, -1):
        text = f"{float(number):.{decimals}f}" if decimals else str(round(number))
        text = text.rstrip("0").rstrip(".") if "." in text else text
        text = "0" if text == "-0" else text
        if len(text) <= 8:
            return text
    raise UsageError("a number does not fit into eight characters", subject="EDF header", found=str(float(number)))


def _rows(data: xr.Dataset, bdf: bool, remarks: list[str]) -> list[dict[str, str]]:
    rows = []
    labels = data["source_label" if "source_label" in data else "channel"].values.tolist()
    common = [str(data["signal"].attrs["units"])] * len(labels)
    units = data["channel_unit"].values.tolist() if "channel_unit" in data else common
    signal = data["signal"].values
    lowest, highest = signal.min(axis=1).tolist(), signal.max(axis=1).tolist()
    off = []
    for at, (label, unit) in enumerate(zip(labels, units, strict=True)):
        gain, offset = float(data["gain"].values[at]), float(data["offset"].values[at])
        row, exact = _ranged(gain, offset, (lowest[at], highest[at]), bdf)
        if not exact:
            off.append(f"{label} ({gain!r} as {_gain(row)!r})")
        for text, size in ((label, 16), (unit, 8)):
            if _ascii(text)[:size].decode() != text:
                remarks.append(f"{text!r} is written as {_ascii(text)[:size].decode()!r}")
        known = {name: str(data[name].values[at]) for name in ("transducer", "prefilter") if name in data}
        rows.append({"label": label, "unit": unit, **known, **row})
    if off:
        remarks.append(f"gains that eight characters cannot state: {', '.join(off)}; stored samples are the same")
    return rows


def _ranged(gain: float, offset: float, found: tuple[int, int], bdf: bool) -> tuple[dict[str, str], bool]:
    """Return physical and digital ranges that give gain and offset back, and whether they do so exactly."""
    top = 2**23 if bdf else 2**15
    # A wide range first: readers take it for what the amplifier can do.
    limits = [(-top, top - 1)]
    step = 10 ** (len(str(top)) - 1)
    while step >= 1:
        limits += [(-step * count, step * count) for count in range((top - 1) // step, 0, -1)[:40]]
        step //= 10
    best: dict[str, str] = {}
    error = math.inf
    for low, high in limits:
        if high < found[1] or low > found[0]:
            continue
        exact = [Fraction(repr(gain)) * bound + Fraction(repr(offset)) for bound in (low, high)]
        try:
            texts = [_in_eight(value) for value in exact]
        except UsageError:
            continue
        if texts[0] == texts[1]:
            continue
        row = dict(zip(("physical_min", "physical_max"), texts, strict=True))
        row.update(digital_min=str(low), digital_max=str(high))
        distance = abs(_gain(row) - gain) / abs(gain) if gain else math.inf
        if _gain(row) == gain and _offset(row) == offset:
            return row, True
        if distance < error:
            best, error = row, distance
    if not best:
        raise UsageError(
            "the scale of a channel does not fit into eight characters", subject="EDF header", found=f"gain {gain!r}"
        )
    return best, False


def _step(row: dict[str, str]) -> Fraction:
    low, high, least, most = (
        Fraction(row[name]) for name in ("physical_min", "physical_max", "digital_min", "digital_max")
    )
    return (high - low) / (most - least)


def _gain(row: dict[str, str]) -> float:
    return float(_step(row))


def _offset(row: dict[str, str]) -> float:
    return float(Fraction(row["physical_min"]) - _step(row) * Fraction(row["digital_min"]))


def _start(data: xr.Dataset) -> tuple[Fraction, datetime]:
    """Return the fraction of a second at which the first record starts, and the whole second."""
    shift = Fraction(repr(float(data.attrs.get("first_sample_after_start_s", 0.0))))
    try:
        start = datetime.fromisoformat(str(data.attrs["recorded_at"])).replace(tzinfo=None)
    except (KeyError, ValueError):
        return shift, UNKNOWN_DATE
    if not 1985 <= start.year <= 2084:
        return shift, UNKNOWN_DATE
    return shift + Fraction(start.microsecond, 10**6), start.replace(microsecond=0)


def _lists(
    tree: xr.DataTree, starts: Sequence[Fraction], shift: Fraction, width: int, remarks: list[str]
) -> list[bytes]:
    """Return the annotation lists of every record: its time, and what begins in it."""
    lists = [f"{_stamp(shift + start)}\x14\x14\0".encode() for start in starts]
    paths = {path.strip("/"): data for path, data in schema.groups(tree)}
    table = paths.get("annotation")
    table = table if table is not None and "description" in table else None
    edges = np.array([float(start) for start in starts])
    dropped = 0
    for row in range(int(table.sizes["row"]) if table is not None else 0):
        assert table is not None
        onset, lasts = (float(table[name].values[row]) for name in ("onset_s", "duration_s"))
        text, kind, channel = (str(table[name].values[row]) for name in ("description", "kind", "channel"))
        if not math.isfinite(onset):
            dropped += 1
            continue
        spoken = (f"{kind}/{text}" if kind else text) + (f"@@{channel}" if channel else "")
        clean = "".join(" " if sign in "\0\x14\x15" else sign for sign in spoken)
        stamp = _stamp(shift + _exact_time(onset))
        stamp += f"\x15{_stamp(_exact_time(lasts))[1:]}" if math.isfinite(lasts) and lasts >= 0 else ""
        at = max(0, int(np.searchsorted(edges, onset, side="right")) - 1)
        lists[at] += f"{stamp}\x14{clean}\x14\0".encode()
    if dropped:
        remarks.append(f"{dropped} annotations without an onset are left out")
    if table is not None and any(table["kind"].values.tolist()):
        remarks.append("kinds of markers are written before their text: KIND/TEXT")
    size = math.ceil(max(map(len, lists)) / (width * 5)) * width * 5
    return [content.ljust(size, b"\0") for content in lists]


def _stamp(time: Fraction) -> str:
    text = f"{abs(float(time)):.{TIME_DECIMALS}f}".rstrip("0").rstrip(".")
    return f"{'-' if time < 0 else '+'}{text}"


def _ascii(text: str) -> bytes:
    return text.replace("µ", "u").replace("μ", "u").encode("ascii", "replace")
