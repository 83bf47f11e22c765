"""Annotation files of WFDB that mark seizures: ``chbNN_MM.edf.seizures`` of CHB-MIT.

16-bit little-endian words, six bits of code above ten bits of time; ``[`` and ``]`` are the codes 32 and 33, and a note
at the beginning says how many ticks a second has. Moody, "WFDB Applications Guide", section annot(5),
https://physionet.org/physiotools/wag/annot-5.htm, "MIT format".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from connectome.errors import FormatError, TruncatedError
from connectome.seizures import Seizure

from ..files.pointers import refuse_pointer

__all__ = ["Mark", "read_marks", "read_seizure_file"]

NOTE, BEGIN, END = 22, 32, 33
SKIP, NUM, SUB, CHN, AUX = 59, 60, 61, 62, 63
MOST_BYTES = 16 << 20
"""A file of marks comes nowhere near."""
SOURCE = ".seizures"

_RESOLUTION = re.compile(r"## time resolution: (\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Mark:
    """One annotation."""

    tick: int
    code: int
    text: str = ""


def read_marks(path: Path) -> list[Mark]:
    """Read all annotations of a file, notes included.

    Raises
    ------
    TruncatedError
        When the file ends before its mark of the end.
    FormatError
        When something follows that mark, or a code is none of the format.
    """
    refuse_pointer(path)
    if path.stat().st_size > MOST_BYTES:
        raise FormatError("too large for annotations", subject=str(path), expected=f"at most {MOST_BYTES} bytes")
    raw = path.read_bytes()
    marks: list[Mark] = []
    at, tick = 0, 0
    while True:
        if at + 2 > len(raw):
            raise TruncatedError(
                "the annotations end early", subject=str(path), place=f"byte {at}", expected="two zeros"
            )
        word = int.from_bytes(raw[at : at + 2], "little")
        code, number = word >> 10, word & 0x3FF
        at += 2
        if word == 0:
            break
        if code == SKIP:
            # The upper half of the 32 bits comes first, each half with its low byte first.
            high, low = raw[at : at + 2], raw[at + 2 : at + 4]
            at += 4
            step = int.from_bytes(high[::-1] + low[::-1], "big", signed=True)
            tick += step
        elif code in (NUM, SUB, CHN):
            continue
        elif code == AUX:
            text = raw[at : at + number]
            if len(text) < number or not marks:
                raise TruncatedError("a note ends early", subject=str(path), place=f"byte {at}")
            marks[-1] = Mark(marks[-1].tick, marks[-1].code, text.decode("latin-1").rstrip("\0"))
            at += number + number % 2
        elif code <= 49:
            tick += number
            marks.append(Mark(tick, code))
        else:
            raise FormatError("not a code of WFDB", subject=str(path), place=f"byte {at - 2}", found=str(code))
    if raw[at:].strip(b"\0"):
        raise FormatError("something follows the end", subject=str(path), place=f"byte {at}", found=f"{len(raw)} bytes")
    return marks


def read_seizure_file(path: Path) -> tuple[Seizure, ...]:
    """Read the seizures of a recording.

    Returns
    -------
    tuple of Seizure
        In the order of the file; none where it marks none.

    Raises
    ------
    FormatError
        When the file does not say how long a tick is, or its marks are not begin and end by turns.
    TruncatedError
        When it ends early.
    """
    marks = read_marks(path)
    stated = next((found for mark in marks if (found := _RESOLUTION.match(mark.text))), None)
    if stated is None or float(stated[1]) <= 0:
        raise FormatError("the length of a tick is not stated", subject=str(path), expected="## time resolution: 256")
    rate = float(stated[1])
    bounds = [mark for mark in marks if mark.code in (BEGIN, END)]
    if [mark.code for mark in bounds] != [BEGIN, END] * (len(bounds) // 2):
        turns = "".join("[" if mark.code == BEGIN else "]" for mark in bounds)
        raise FormatError("a seizure lacks its begin or end", subject=str(path), expected="[][]...", found=turns)
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    seizures = tuple(Seizure(begin.tick / rate, end.tick / rate, source=SOURCE) for begin, end in pairs)
    if any(item.onset_s < 0 or item.offset_s <= item.onset_s for item in seizures):
        raise FormatError("a seizure does not end after it begins", subject=str(path), found=str(seizures[:5]))
    return seizures
