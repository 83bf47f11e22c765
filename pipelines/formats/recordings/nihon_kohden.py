"""Nihon Kohden recordings: blocks of 16-bit samples (``.EEG``), names of channels (``.21E``), events (``.LOG``).

The integers are kept with the scale that the code of a channel stands for. A file holds one block of samples or
several; each says to the second when it began. Where a block began more than a second after the samples before it end,
the time between is a gap; otherwise the blocks are segments of one clock. Events count recorded time only, so they move
with the block in which they lie. The last channel of every block, which holds events and markers, is kept.

Layout after EDFbrowser's converter ``nk2edf`` (Teunis van Beelen, https://www.teuniz.net/edfbrowser/) and MNE-Python's
``read_raw_nihon`` (Gramfort et al. 2013, doi:10.3389/fnins.2013.00267).
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning

from ..files.pointers import refuse_pointer
from .headers import header_text
from .recording import Annotation, Block, Channel, Recording, on_the_clock

DEVICES = (
    *(f"EEG-1100{letter} V0{number}.00" for letter in "ABC" for number in (1, 2)),
    "EEG-1200A V01.00", "QI-403A   V01.00", "QI-403A   V02.00", "EEG-2100  V01.00", "EEG-2100  V02.00",
    "DAE-2100D V01.30", "DAE-2100D V02.00",
)  # fmt: skip
DEFAULT_LABELS = (
    "FP1", "FP2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8", "T3", "T4", "T5", "T6", "FZ", "CZ", "PZ",
    "E", "PG1", "PG2", "A1", "A2", "T1", "T2", *(f"X{at}" for at in range(1, 12)), *(f"NA{at}" for at in range(1, 6)),
    *(f"DC{at:02}" for at in range(1, 33)), "BN1", "BN2", "Mark1", "Mark2", *(f"NA{at}" for at in range(6, 28)),
    "X12/BP1", "X13/BP2", "X14/BP3", "X15/BP4", *(f"X{at}" for at in range(16, 166)), "NA28", "Z",
)  # fmt: skip
"""Names by the code of a channel, where no ``.21E`` gives others."""
MARKS, DIRECT = (76, 77), range(42, 74)
"""Codes of the channels that are in millivolts: marks and direct inputs."""
MILLIVOLTS = ("mV", Fraction("-12002.9"), Fraction("12002.56"))
MICROVOLTS = ("uV", Fraction(-3200), Fraction("3199.902"))
"""Unit, and the values of the smallest and the largest sample."""
EVENTS = "Events/Markers"
LARGEST_PAIRED_LOGS = 21
"""Blocks of a log that have one with the parts of the second; theirs come 22 places later."""
RESOLUTION_S = 1
ENTRY = struct.Struct("20s6s19s")
"""An event: text, hours minutes seconds of recorded time, and what is not used here."""
LABEL = re.compile(r"\s*(\d{1,4})\s*=(.*)", re.ASCII)


@dataclass(frozen=True)
class DataBlock:
    """One stretch of samples as its header describes it."""

    began: datetime | None
    rate_hz: int
    codes: tuple[int, ...]
    n_samples: int
    samples_at: int
    """Byte of the first sample."""


def is_nihon_kohden(path: Path) -> bool:
    """Tell whether a file starts as one of the known devices writes it."""
    with path.open("rb") as file:
        return file.read(16).decode("latin-1") in DEVICES


def read_recording(path: Path, beside: Sequence[Path]) -> Recording:
    """Read the samples and, from files of the same name, the names of channels and the events.

    Parameters
    ----------
    path : Path
        The ``.EEG`` file.
    beside : sequence of Path
        Files that may belong to it: ``.21E`` and ``.LOG``.

    Raises
    ------
    TruncatedError
        When a block ends after the file does.
    FormatError
        When the file is of another device or its blocks do not go together.
    """
    refuse_pointer(path)
    raw = np.memmap(path, dtype=np.uint8, mode="r") if path.stat().st_size else np.empty(0, dtype=np.uint8)
    blocks = _blocks(path, raw)
    first = blocks[0]
    others = {item.suffix.lower(): item for item in beside}
    warnings: list[dict[str, str]] = []
    labels = _labels(others.get(".21e"), warnings)
    rate = Fraction(first.rate_hz)
    signal = np.concatenate([_samples(raw, block) for block in blocks], axis=1)
    stops = list(itertools.accumulate(block.n_samples for block in blocks))
    segments = tuple(zip([0, *stops[:-1]], stops, strict=True)) if len(blocks) > 1 else ()
    starts = _starts(path, blocks, rate, warnings)
    marks = []
    for recorded_s, text in _events(others.get(".log"), warnings):
        onset, _ = on_the_clock(recorded_s, None, rate, segments, starts)
        marks.append(Annotation(onset, None, text))
    channels = [_channel(code, labels[code]) for code in first.codes]
    channels.append(Channel(EVENTS, source_unit="", unit="1", unit_origin="assumed", kind="trig"))
    attrs: dict[str, Any] = {"file_format": "Nihon Kohden", "device": bytes(raw[:16]).decode("latin-1").strip()}
    if first.began is not None:
        attrs["recorded_at"] = first.began.isoformat()
    return Recording(
        blocks=(Block(signal, tuple(channels), rate, segments=segments, segment_start_s=starts),),
        annotations=tuple(marks),
        attrs=attrs,
        warnings=tuple(warnings),
    )


def _field(path: Path, raw: np.ndarray[Any, Any], form: str, at: int, what: str) -> int:
    """Return a number of the header, little-endian."""
    size = struct.calcsize(form)
    if not 0 <= at <= raw.size - size:
        raise TruncatedError(
            f"the file ends before {what}",
            subject=str(path),
            place=f"byte {at}",
            expected=f"{at + size} bytes or more",
            found=f"{raw.size} bytes",
        )
    (value,) = struct.unpack(form, bytes(raw[at : at + size]))
    return int(value)


def _blocks(path: Path, raw: np.ndarray[Any, Any]) -> list[DataBlock]:
    """Return the blocks of samples of all control blocks, in the order of the file."""
    for at in (0, 0x81):
        found = bytes(raw[at : at + 16]).decode("latin-1")
        if found not in DEVICES:
            raise FormatError(
                "the file does not start as its suffix demands",
                subject=str(path),
                place=f"byte {at}",
                expected=" or ".join(DEVICES),
                found=repr(found),
            )
    blocks: list[DataBlock] = []
    for control in range(_field(path, raw, "<B", 0x91, "the number of control blocks")):
        at = _field(path, raw, "<I", 0x92 + 20 * control, f"control block {control + 1}")
        for number in range(_field(path, raw, "<B", at + 17, "the number of blocks of samples")):
            place = _field(path, raw, "<I", at + 18 + 20 * number, f"block {number + 1}")
            blocks.append(_block(path, raw, place, len(blocks) + 1))
    if not blocks:
        raise TruncatedError("the file has no block of samples", subject=str(path), expected="one or more")
    for number, block in enumerate(blocks[1:], start=2):
        if (block.rate_hz, block.codes) != (blocks[0].rate_hz, blocks[0].codes):
            raise FormatError(
                "the blocks do not have the same channels and rate",
                subject=str(path),
                place=f"block {number}",
                expected=f"{len(blocks[0].codes)} channels at {blocks[0].rate_hz} Hz, as in block 1",
                found=f"{len(block.codes)} channels at {block.rate_hz} Hz",
            )
    return blocks


def _block(path: Path, raw: np.ndarray[Any, Any], at: int, number: int) -> DataBlock:
    what = f"the header of block {number}"
    rate = _field(path, raw, "<H", at + 0x1A, what) & 0x3FFF
    tenths = _field(path, raw, "<I", at + 0x1C, what)
    n_channels = _field(path, raw, "<B", at + 0x26, what)
    codes = tuple(_field(path, raw, "<B", at + 0x27 + 10 * channel, what) for channel in range(n_channels))
    samples_at, n_samples = at + 0x27 + 10 * n_channels, tenths * rate // 10
    if not rate or not n_samples or not codes:
        raise FormatError(
            "a block without samples",
            subject=str(path),
            place=f"block {number}",
            expected="channels, a rate and a duration",
            found=f"{n_channels} channels, {rate} Hz, {tenths / 10:g} s",
        )
    end = samples_at + 2 * (n_channels + 1) * n_samples
    _check_end(path, raw, end, number, "the samples end early")
    return DataBlock(_moment(bytes(raw[at + 0x14 : at + 0x1A])), rate, codes, n_samples, samples_at)


def _check_end(path: Path, raw: np.ndarray[Any, Any], end: int, number: int, problem: str) -> None:
    if end > raw.size:
        raise TruncatedError(
            problem,
            subject=str(path),
            place=f"block {number}",
            expected=f"{end} bytes or more",
            found=f"{raw.size} bytes",
        )


def _moment(packed: bytes) -> datetime | None:
    """Return a date whose decimal digits are four bits each: year, month, day, hour, minute, second."""
    text = packed.hex()
    try:
        year, *rest = (int(text[at : at + 2]) for at in range(0, 12, 2))
        # The devices appeared in the 1990s; two digits do not say the century.
        return datetime(year + (1900 if year >= 80 else 2000), *rest)  # type: ignore[arg-type]
    except ValueError:
        return None


def _samples(raw: np.ndarray[Any, Any], block: DataBlock) -> np.ndarray[Any, Any]:
    """Return a block's samples, shape (channel, time); those of electrodes are stored with 32768 added."""
    width = len(block.codes) + 1
    stored = raw[block.samples_at : block.samples_at + 2 * width * block.n_samples].view("<u2").reshape(-1, width)
    samples = np.array(stored.T, dtype=np.uint16, order="C")
    samples[:-1] ^= 0x8000
    return samples.view(np.int16)


def _channel(code: int, label: str) -> Channel:
    unit, low, high = MILLIVOLTS if code in DIRECT or code in MARKS else MICROVOLTS
    gain = (high - low) / 65535
    return Channel(
        label,
        source_unit="",
        unit=unit,
        unit_origin="assumed",
        kind="trig" if code in MARKS else "misc" if code in DIRECT else "",
        gain=float(gain),
        offset=float(low + 32768 * gain),
    )


def _starts(
    path: Path, blocks: Sequence[DataBlock], rate: Fraction, warnings: list[dict[str, str]]
) -> tuple[Fraction, ...]:
    """Return when each block starts after the first sample; nothing where no gap is known."""
    if len(blocks) == 1:
        return ()
    zero = blocks[0].began
    told = ", ".join("unknown" if block.began is None else block.began.isoformat(sep=" ") for block in blocks)
    starts, gaps = [Fraction(0)], 0
    for before, block in itertools.pairwise(blocks):
        ends = starts[-1] + before.n_samples / rate
        stated = None
        if zero is not None and block.began is not None:
            stated = Fraction(int((block.began - zero).total_seconds()))
        if stated is None or stated < ends - RESOLUTION_S:
            message = f"{len(blocks)} blocks began {told}; that gives no order, so the clock counts the samples"
            warnings.append(warning("segments", path.name, message))
            return ()
        gaps += stated > ends + RESOLUTION_S
        starts.append(stated if stated > ends + RESOLUTION_S else ends)
    if not gaps:
        message = f"{len(blocks)} blocks, which follow each other to the second"
        warnings.append(warning("segments", path.name, message))
        return ()
    message = f"{gaps} gaps between {len(blocks)} blocks, which began {told}; the file says so to the second only"
    warnings.append(warning("gaps", path.name, message))
    return tuple(starts)


def _text(raw: bytes) -> str:
    plain = raw.partition(b"\0")[0]
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        return plain.decode("latin-1")


def _labels(path: Path | None, warnings: list[dict[str, str]]) -> list[str]:
    """Return the names of channels by code."""
    labels = list(DEFAULT_LABELS)
    if path is None:
        warnings.append(warning("no-channel-names", ".21E", "no such file: channels have the device's default names"))
        return labels
    section = ""
    for line in header_text(path).splitlines():
        found = LABEL.fullmatch(line)
        if line.startswith("["):
            section = line.strip().upper()
        elif section in {"[ELECTRODE]", "[REFERENCE]"} and found is not None and int(found[1]) < len(labels):
            labels[int(found[1])] = found[2].strip()
    return labels


def _events(path: Path | None, warnings: list[dict[str, str]]) -> list[tuple[Fraction, str]]:
    """Return recorded time and text of every event."""
    if path is None:
        warnings.append(warning("no-events", ".LOG", "no such file: events are unknown"))
        return []
    refuse_pointer(path)
    raw = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    if bytes(raw[:16]).decode("latin-1") not in DEVICES:
        # Some logs lack the last character of the device.
        known = {device[:15] for device in DEVICES}
        if bytes(raw[:15]).decode("latin-1") not in known:
            raise FormatError(
                "not a log of these devices", subject=str(path), place="byte 0", found=repr(bytes(raw[:16]))
            )
    n_blocks = _field(path, raw, "<B", 0x91, "the number of blocks")
    events, odd = [], 0
    for number in range(n_blocks):
        entries = _entries(path, raw, number)
        finer = _entries(path, raw, number + 22) if n_blocks <= LARGEST_PAIRED_LOGS else []
        paired = finer if len(finer) == len(entries) else [b""] * len(entries)
        for entry, part in zip(entries, paired, strict=True):
            text, clock, _ = ENTRY.unpack(entry)
            micro = part[24:30]
            if not clock.isdigit() or (micro and not micro.isdigit()):
                odd += 1
                continue
            hours, minutes, seconds = (int(clock[at : at + 2]) for at in (0, 2, 4))
            recorded_s = Fraction(3600 * hours + 60 * minutes + seconds) + Fraction(int(micro or b"0"), 10**6)
            events.append((recorded_s, _text(text) + _text(part[:20])))
    if odd:
        warnings.append(warning("events-without-time", path.name, f"{odd} events have no time; they are left out"))
    return events


def _entries(path: Path, raw: np.ndarray[Any, Any], number: int) -> list[bytes]:
    """Return the entries of one block of a log; none where there is no such block."""
    place = 0x92 + 20 * number
    at = _field(path, raw, "<I", place, f"block {number + 1}") if place + 4 <= raw.size else 0
    if not at or at + 0x14 > raw.size:
        return []
    n_entries = _field(path, raw, "<B", at + 0x12, f"block {number + 1}")
    end = at + 0x14 + ENTRY.size * n_entries
    _check_end(path, raw, end, number + 1, "the log ends early")
    return [bytes(raw[low : low + ENTRY.size]) for low in range(at + 0x14, end, ENTRY.size)]
