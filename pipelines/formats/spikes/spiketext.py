"""Spike times as text: one file per unit with one time per line, or files with a unit and a time per line.

Text has no clock, so its unit must be stated, and an absent spike means silence only where someone watched, so the
observed time must be stated too; nothing is guessed. Numbers with a fixed, small number of decimals become integer
ticks that equal the text exactly; others become float64 seconds, each the nearest to its text.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.schema import warning

if TYPE_CHECKING:
    import xarray as xr

Quantity: TypeAlias = str | float
"""A number, best as text: ``"0.1"`` and ``"1000/3"`` are taken exactly."""
Intervals: TypeAlias = str | Sequence[tuple[float, float]]

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FINEST_TICK_HZ = 10**9
"""Decimals below a nanosecond are those of a printed float, not of a clock."""
LARGEST_TICK = 2**63 - 1
SMALLEST_EXPONENT, LARGEST_EXPONENT = -400, 30
COMMENT = ("#", "%", "//")
LAYOUTS = ("time", "unit,time", "time,unit")


@dataclass
class Units:
    """Times by unit, in the order in which units and times were met."""

    times: dict[str, list[Decimal]] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def sniff(path: Path) -> bool:
    """Tell whether the first line that is no comment is one number."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    try:
        lines = head.decode("utf-8-sig", errors="strict" if len(head) < 1 << 16 else "ignore").splitlines()
    except UnicodeDecodeError:
        return False
    for line in lines:
        text = line.strip()
        if text and not text.startswith(COMMENT):
            return _number(text) is not None
    return False


def read(
    paths: list[Path],
    *,
    time_unit: str = "",
    rate_hz: Quantity = "",
    duration_s: Quantity = "",
    observed_s: Intervals = "",
    columns: str = "time",
    group: str = "spikes",
) -> xr.DataTree:
    """Read spike times.

    Parameters
    ----------
    paths : list of Path
        With ``columns="time"`` one file per unit, whose id is the file's name without suffix; else any number of
        files with two columns, set apart by blanks, tabs, commas or semicolons. Lines that start with ``#``, ``%`` or
        ``//`` are comments and are kept as the attribute ``comments``.
    time_unit : str
        ``"s"``, ``"ms"``, ``"us"``, ``"ns"``, or ``"sample"`` for whole sample numbers. Must be given.
    rate_hz : str or float
        Samples per second, for ``"sample"``; text such as ``"24414.0625"`` or ``"1000/3"`` is taken exactly.
    duration_s : str or float
        The units were watched from 0 to this moment. Give this or ``observed_s``.
    observed_s : str or sequence of (start, stop)
        Half-open intervals in seconds, as text ``"0:10,12.5:20"``.
    columns : str
        ``"time"``, ``"unit,time"`` or ``"time,unit"``.
    group : str
        Path of the group in the record.

    Returns
    -------
    xarray.DataTree
        One ``events`` group. A file of comments only is a unit without spikes; that, times out of order and equal
        times of one unit are flagged in the record's ``warnings``.

    Raises
    ------
    UsageError
        When the unit of time or the observed time is not stated, or an option cannot be read.
    FormatError
        When a line is not a time, or a spike lies outside the observed time.
    TruncatedError
        When a file is empty.
    """
    scale = _scale(time_unit, rate_hz)
    observed = _observed(duration_s, observed_s)
    if columns not in LAYOUTS:
        raise UsageError("unknown layout", subject="columns", expected=" or ".join(LAYOUTS), found=columns)
    units = Units()
    comments: dict[str, list[str]] = {}
    for path in paths:
        _collect(path, columns, units, comments)
    if time_unit == "sample":
        _require_whole(units)
    _require_observed(units, scale, observed)
    owner = np.repeat(np.arange(len(units.times), dtype=np.int32), [len(times) for times in units.times.values()])
    texts = list(itertools.chain.from_iterable(units.times.values()))
    ticks = _ticks(texts, scale)
    events = schema.events(
        np.array([float(Fraction(text) / scale) for text in texts], dtype=np.float64) if ticks is None else ticks[0],
        owner,
        unit_id=list(units.times),
        observed_s=[(float(start), float(stop)) for start, stop in observed],
        tick_hz=None if ticks is None else ticks[1],
        units={"source_file": schema.column("unit_id", list(units.files.values()), "File that lists the unit")},
        time_unit=time_unit,
        comments=comments,
    )
    return schema.record({group: events}, warnings=_doubts(units))


def _scale(time_unit: str, rate_hz: Quantity) -> Fraction:
    """Return how many of the text's units make a second."""
    allowed = f"{', '.join(PER_SECOND)} or sample"
    if time_unit == "sample":
        if rate_hz == "":
            raise UsageError("sample numbers need a rate", subject="rate_hz", hint="--option rate_hz=30000")
        rate = _fraction(rate_hz, "rate_hz")
        if rate <= 0:
            raise UsageError("the rate is not positive", subject="rate_hz", found=str(rate_hz))
        return rate
    if rate_hz != "":
        raise UsageError("a rate is only used for sample numbers", subject="rate_hz", hint="--option time_unit=sample")
    if time_unit not in PER_SECOND:
        raise UsageError(
            "the unit of time must be stated: text does not say it" if time_unit == "" else "unknown unit of time",
            subject="time_unit",
            expected=allowed,
            found=time_unit or "nothing",
            hint="--option time_unit=ms",
        )
    return Fraction(PER_SECOND[time_unit])


def _fraction(value: Quantity, option: str) -> Fraction:
    try:
        return Fraction(str(value).strip())
    except (ValueError, ZeroDivisionError):
        raise UsageError("not a number", subject=option, found=repr(value)) from None


def _observed(duration_s: Quantity, observed_s: Intervals) -> list[tuple[Fraction, Fraction]]:
    """Return the observed intervals; raise unless exactly one of the options states them."""
    if (duration_s == "") == (len(observed_s) == 0):
        raise UsageError(
            "the observed time must be stated once: an absent spike means silence only where someone watched",
            subject="duration_s, observed_s",
            expected="one of the two",
            found="neither" if duration_s == "" else "both",
            hint="--option duration_s=10, or --option observed_s=0:10,12.5:20",
        )
    if duration_s != "":
        _fraction(duration_s, "duration_s")
        pairs: Iterable[Sequence[str | float]] = [(0, duration_s)]
    elif isinstance(observed_s, str):
        pairs = [part.split(":") for part in observed_s.split(",")]
    else:
        pairs = observed_s
    intervals = []
    for pair in pairs:
        if len(pair) != 2:
            raise UsageError("not an interval", subject="observed_s", expected="START:STOP", found=str(pair))
        intervals.append((_fraction(pair[0], "observed_s"), _fraction(pair[1], "observed_s")))
    intervals.sort()
    for start, stop in intervals:
        if start >= stop:
            raise UsageError("an interval ends before it starts", subject="observed_s", found=f"{start}:{stop}")
    for before, after in itertools.pairwise(intervals):
        if before[1] > after[0]:
            raise UsageError("intervals overlap", subject="observed_s", found=f"{before} and {after}")
    return intervals


def _collect(path: Path, columns: str, units: Units, comments: dict[str, list[str]]) -> None:
    """Add the times of one file."""
    own = columns == "time"
    if own and path.stem in units.times:
        raise UsageError("two files would be one unit", subject=str(path), place=path.stem, hint="rename one of them")
    if own:
        units.times[path.stem], units.places[path.stem], units.files[path.stem] = [], [], path.name
    names, seen = columns.split(","), 0
    for number, line in _lines(path):
        if line.startswith(COMMENT):
            comments.setdefault(path.name, []).append(line)
            continue
        seen += 1
        parts = line.replace(",", " ").replace(";", " ").split()
        place = f"line {number}"
        if not own and seen == 1 and parts == names:
            comments.setdefault(path.name, []).append(line)
            continue
        if len(parts) != len(names):
            raise FormatError(
                "not one value per column",
                subject=str(path),
                place=place,
                expected=columns,
                found=line[:80],
                hint="--option columns=unit,time" if own and len(parts) == 2 else None,
            )
        unit = path.stem if own else parts[names.index("unit")]
        time = _number(parts[names.index("time")])
        if time is None:
            raise FormatError("not a time", subject=str(path), place=place, expected="a finite number", found=line[:80])
        units.times.setdefault(unit, []).append(time)
        units.places.setdefault(unit, []).append(f"{path.name}, {place}")
        units.files.setdefault(unit, path.name)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield numbered lines without blanks around them; skip empty ones."""
    raw = path.read_bytes()
    if not raw:
        raise TruncatedError(
            "the file is empty",
            subject=str(path),
            expected="spike times",
            found="0 bytes",
            hint="a unit without spikes is a file with a comment line",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("not text", subject=str(path), place=f"byte {error.start}", expected="UTF-8") from None
    if "\0" in text:
        raise FormatError("not text", subject=str(path), place=f"character {text.index(chr(0))}", found="a NUL")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or "_" in text:
        return None
    # An exponent that no clock has would make exact arithmetic fill the memory.
    return number if SMALLEST_EXPONENT <= number.adjusted() <= LARGEST_EXPONENT else None


def _require_whole(units: Units) -> None:
    for unit, times in units.times.items():
        for at, time in enumerate(times):
            if time != time.to_integral_value():
                raise FormatError(
                    "a sample number is not whole",
                    subject=units.files[unit],
                    place=units.places[unit][at],
                    found=str(time),
                    hint="state the unit of time instead of sample",
                )


def _require_observed(units: Units, scale: Fraction, observed: list[tuple[Fraction, Fraction]]) -> None:
    """Raise when a spike lies where nobody watched: then the statement or the unit of time is wrong."""
    for unit, times in units.times.items():
        for at, time in enumerate(times):
            second = Fraction(time) / scale
            if not any(start <= second < stop for start, stop in observed):
                raise FormatError(
                    "a spike lies outside the observed time",
                    subject=units.files[unit],
                    place=units.places[unit][at],
                    expected=", ".join(f"{float(start):g} to {float(stop):g} s" for start, stop in observed),
                    found=f"{float(second):.9g} s",
                    hint="check time_unit and the observed time",
                )


def _ticks(texts: Sequence[Decimal], scale: Fraction) -> tuple[np.ndarray[Any, Any], Fraction] | None:
    """Return int64 ticks that equal the texts exactly and their rate, or None where no usable clock does that."""
    decimals = max(map(_decimals, texts), default=0)
    rate = scale * 10**decimals
    if decimals and rate > FINEST_TICK_HZ:
        return None
    ticks = [int(Fraction(text) * 10**decimals) for text in texts]
    if any(abs(tick) > LARGEST_TICK for tick in ticks):
        return None
    return np.array(ticks, dtype=np.int64), rate


def _decimals(number: Decimal) -> int:
    """Count the digits after the point, without trailing zeros (``Decimal.normalize`` would round long numbers)."""
    _, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits))
    return max(0, -int(exponent) - (len(text) - len(text.rstrip("0")))) if number else 0


def _doubts(units: Units) -> list[dict[str, str]]:
    doubts = []

    def doubt(code: str, unit: str, message: str) -> None:
        doubts.append(warning(code, f"{units.files[unit]}, unit {unit}", message))

    for unit, times in units.times.items():
        if not times:
            doubt("silent", unit, "the file lists no spike")
        if any(after < before for before, after in itertools.pairwise(times)):
            doubt("unsorted", unit, "the times are not in order; they were sorted")
        repeated = len(times) - len(set(times))
        if repeated:
            doubt("repeated-times", unit, f"{repeated} times are listed more than once; all are kept")
    return doubts
