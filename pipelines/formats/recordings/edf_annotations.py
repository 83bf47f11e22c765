"""Annotations of EDF+ and BDF+: the times of the records and what is marked, from all annotation signals.

Kemp and Olivan 2003, doi:10.1016/s1388-2457(03)00123-8, section 2.2: time-stamped annotation lists (TALs).
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import warning

if TYPE_CHECKING:
    from .edf_header import Header

NUMBER = r"\d{1,18}(?:\.\d{0,30})?"
ONSET = re.compile(rf"(?P<onset>[+-]{NUMBER})(?:\x15(?P<duration>{NUMBER}))?", re.ASCII)

Marked = tuple[Fraction, Fraction | None, str]


def read_annotations(
    header: Header, records: np.ndarray[Any, Any], warnings: list[dict[str, str]]
) -> tuple[list[Fraction], list[Marked]]:
    """Return the start of every record and all annotations in the file's order.

    Parameters
    ----------
    header : Header
        Of the file.
    records : numpy.ndarray
        uint8, shape (record, byte).
    warnings : list of dict
        What is odd is added here.

    Returns
    -------
    starts : list of Fraction
        Seconds after the header's start time; empty where the file does not say.
    marked : list of (onset, duration or None, text)
        Onsets on the same clock.

    Raises
    ------
    FormatError
        When a list cannot be read, or a discontinuous file lacks the times of its records.
    """
    numbers = [number for number in range(len(header.signals)) if header.is_annotation(number)]
    parts = [np.ascontiguousarray(records[:, header.place_of(number)]) for number in numbers]
    starts: list[Fraction] = []
    marked: list[Marked] = []
    if not numbers and header.variant[3:] == "+C":
        message = f"a file that calls itself {header.variant} has no annotation signal"
        warnings.append(warning("no-annotation-signal", "signals", message))
    for record in range(header.n_records if numbers else 0):
        for at, number in enumerate(numbers):
            place = f"record {record + 1}, signal {number + 1}"
            for index, (onset, duration, entries) in enumerate(_lists(header.path, parts[at][record].tobytes(), place)):
                # The first list of the first annotation signal tells the record's time by an empty text.
                keeps_time = at == 0 and index == 0 and entries[:1] == [""]
                if keeps_time:
                    starts.append(onset)
                marked.extend((onset, duration, entry) for entry in entries[1 if keeps_time else 0 :] if entry)
    if len(starts) != header.n_records and (numbers or header.variant[3:] == "+D"):
        if header.variant[3:] == "+D":
            raise FormatError(
                "a discontinuous file lacks the times of its records",
                subject=str(header.path),
                expected=f"{header.n_records} times",
                found=f"{len(starts)}",
            )
        warnings.append(warning("no-record-times", "annotations", f"{len(starts)} of {header.n_records} records"))
        starts = []
    return starts, marked


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
