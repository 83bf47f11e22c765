"""Neuroscan continuous files (``.cnt``): stored integers with baseline and sensitivity, and the table of events.

Samples of 16 or 32 bits keep their type; microvolts are (sample - baseline) x sensitivity x calibration / 204.8. Which
of both types it is follows from the place of the table of events and the number of samples. An event of the types 1 and
2 says at which byte of the file its sample lies, one of type 3 the number of its sample (checked against Neuroscan's
own export in https://github.com/sccn/eeglab/issues/9). MNE-Python's ``read_raw_cnt`` takes the bytes of the header from
the latter too, counts one less for all, and takes the clock for that of the machine on which it runs.

Structures SETUP, ELECTLOC, TEEG and EVENT1 to EVENT3, http://paulbourke.net/dataformats/eeg/.
"""

from __future__ import annotations

import struct
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning

from ..files.pointers import refuse_pointer
from ..files.text_mode import refuse_text_damage
from .recording import Annotation, Block, Channel, Recording

SETUP_BYTES, CHANNEL_BYTES = 900, 75
UNIT, STEPS = "uV", Fraction("204.8")
EVENTS = {1: struct.Struct("<HBBi"), 2: struct.Struct("<HBBihhfBBB"), 3: struct.Struct("<HBBIhhfBBB")}
"""By type: stimulus, key of the keyboard, keypad and acceptance, place; then what is not used here."""
TABLE = struct.Struct("<Bii")
ACCEPTED, REJECTED = 0xD, 0xC
FRAME = "Neuroscan: x and y on a screen"


def is_neuroscan(path: Path) -> bool:
    """Tell whether a file starts as a Neuroscan file does."""
    with path.open("rb") as file:
        return file.read(9) == b"Version 3"


def read_recording(path: Path) -> Recording:
    """Read samples and events.

    Raises
    ------
    TruncatedError
        When the file ends before its table of events.
    FormatError
        When header and length do not say how many bytes a sample has.
    """
    refuse_pointer(path)
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    _require(path, raw.size, SETUP_BYTES, "header")
    (n_channels,), (rate,) = _unpack(raw, "<H", 370), _unpack(raw, "<H", 376)
    (stated,), (table_at,), (offset,) = _unpack(raw, "<i", 864), _unpack(raw, "<i", 886), _unpack(raw, "<i", 894)
    first = SETUP_BYTES + CHANNEL_BYTES * n_channels
    if not n_channels or not rate:
        raise FormatError(
            "the header states what cannot be",
            subject=str(path),
            place="header",
            expected="channels and a rate",
            found=f"{n_channels} channels, {rate} Hz",
        )
    _require(path, raw.size, first, "header")
    _require(path, raw.size, table_at + TABLE.size, "table of events")
    width = _width(path, table_at - first, n_channels, stated)
    samples = _samples(path, raw[first:table_at], n_channels, width, offset)
    warnings: list[dict[str, str]] = []
    channels = [_channel(raw, number, warnings) for number in range(n_channels)]
    events = _events(path, raw, table_at, first, n_channels * width, Fraction(rate), samples.shape[1], warnings)
    attrs: dict[str, Any] = {"file_format": "Neuroscan"}
    recorded_at = _date(raw)
    if recorded_at:
        attrs["recorded_at"] = recorded_at
    else:
        warnings.append(warning("date", path.name, "the header's date is none; the start is not known"))
    return Recording((Block(samples, tuple(channels), Fraction(rate)),), tuple(events), attrs, tuple(warnings))


def _unpack(raw: np.ndarray[Any, Any], form: str, at: int) -> tuple[Any, ...]:
    return struct.unpack(form, raw[at : at + struct.calcsize(form)].tobytes())


def _require(path: Path, found: int, expected: int, place: str) -> None:
    if found < expected:
        raise TruncatedError(
            f"the file ends inside its {place}", subject=str(path), expected=f"{expected} bytes", found=f"{found} bytes"
        )


def _width(path: Path, n_bytes: int, n_channels: int, stated: int) -> int:
    """Return the bytes of one sample."""
    if stated > 0:
        for width in (2, 4):
            if n_bytes == width * n_channels * stated:
                return width
    raise FormatError(
        "header and length do not say how many bytes a sample has",
        subject=str(path),
        place="numsamples, eventtablepos",
        expected=f"{stated} samples of {n_channels} channels, with 2 or 4 bytes each, before the table of events",
        found=f"{n_bytes} bytes",
    )


def _samples(path: Path, raw: np.ndarray[Any, Any], n_channels: int, width: int, offset: int) -> np.ndarray[Any, Any]:
    """Return the stored samples, shape (channel, time); a channel may have several in a row before the next one."""
    refuse_text_damage(path, raw)
    in_a_row = offset // width if offset > 1 else 1
    stored = np.frombuffer(raw.tobytes(), dtype=f"<i{width}")
    n_samples = stored.size // n_channels
    if n_samples % in_a_row:
        raise FormatError(
            "the samples do not fill their blocks",
            subject=str(path),
            place="channeloffset",
            expected=f"a multiple of {in_a_row} samples",
            found=f"{n_samples} samples",
        )
    blocks = stored.reshape(-1, n_channels, in_a_row).transpose(1, 0, 2)
    return np.ascontiguousarray(blocks.reshape(n_channels, n_samples), dtype=f"i{width}")


def _channel(raw: np.ndarray[Any, Any], number: int, warnings: list[dict[str, str]]) -> Channel:
    at = SETUP_BYTES + CHANNEL_BYTES * number
    label = _text(raw[at : at + 10])
    x, y = _unpack(raw, "<ff", at + 19)
    (baseline,), (sensitivity,), (calibration,) = (
        _unpack(raw, "<h", at + 47), _unpack(raw, "<f", at + 59), _unpack(raw, "<f", at + 71),
    )  # fmt: skip
    gain = float("nan")
    if np.isfinite([sensitivity, calibration]).all() and sensitivity * calibration:
        gain = float(Fraction(sensitivity) * Fraction(calibration) / STEPS)
    else:
        place = f"channel {number + 1} ({label})"
        warnings.append(warning("no-scale", place, "sensitivity or calibration is 0 or no number: values unknown"))
    # Versions differ in where they mark a bad channel.
    bad = bool(raw[at + 4 + 10] or (label and len(label) <= 4 and raw[at + 4]))
    on_screen = f"{x:g} {y:g}" if np.isfinite([x, y]).all() and (x or y) else ""
    return Channel(
        label,
        source_unit="",
        unit=UNIT,
        unit_origin="assumed",
        gain=gain,
        offset=-baseline * gain,
        extra={"position_on_screen": on_screen},
        status="bad" if bad else "",
    )


def _text(raw: np.ndarray[Any, Any]) -> str:
    return raw.tobytes().partition(b"\0")[0].decode("latin-1").strip()


def _date(raw: np.ndarray[Any, Any]) -> str:
    """Return the start as the header writes it, month first; ``""`` where it is none."""
    text = f"{_text(raw[225:235])} {_text(raw[235:247])}"
    for form in ("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S"):
        try:
            return datetime.strptime(text, form).isoformat()
        except ValueError:
            continue
    return ""


def _events(
    path: Path,
    raw: np.ndarray[Any, Any],
    at: int,
    first: int,
    frame: int,
    rate: Fraction,
    n_samples: int,
    warnings: list[dict[str, str]],
) -> list[Annotation]:
    kind, n_bytes, _ = _unpack(raw, TABLE.format, at)
    if kind not in EVENTS:
        raise FormatError(
            "not a table of events", subject=str(path), place=f"byte {at}", expected="type 1, 2 or 3", found=str(kind)
        )
    at += TABLE.size
    _require(path, raw.size, at + max(n_bytes, 0), "table of events")
    form, found, outside = EVENTS[kind], [], 0
    for place in range(at, at + n_bytes - form.size + 1, form.size):
        stimulus, key, keypad, where = form.unpack(raw[place : place + form.size].tobytes())[:4]
        sample = where if kind == 3 else (where - first) // frame
        outside += not 0 <= sample < n_samples
        response, mark = keypad & 0xF, keypad >> 4
        text, what = str(stimulus), "stimulus"
        if response or key:
            text, what = str(response or key), "keypad" if response else "keyboard"
        if mark in {ACCEPTED, REJECTED}:
            # Rejection begins at one of these and ends at the next of the other.
            what = "end of rejection" if mark == ACCEPTED else "start of rejection"
        found.append(Annotation(Fraction(sample) / rate, None, text, kind=what))
    if n_bytes % form.size:
        message = f"{n_bytes % form.size} bytes after the last event"
        warnings.append(warning("trailing-bytes", "table of events", message))
    if outside:
        message = f"{outside} of {len(found)} events lie before the first sample or after the last"
        warnings.append(warning("events-outside", "table of events", message))
    return found
