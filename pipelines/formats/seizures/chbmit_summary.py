"""Summaries of CHB-MIT: which files a case has, when they were recorded, with which channels, and their seizures.

``chbNN-summary.txt`` of the CHB-MIT Scalp EEG Database, Shoeb 2009, https://hdl.handle.net/1721.1/54669,
doi:10.13026/C2K01R. Times of seizures count from the first sample of their file; clock times may pass 24 h, and one
case (chb24) has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning
from connectome.seizures import Seizure

from ..tables.text_rows import Note, read_lines

__all__ = ["Summary", "SummaryFile", "read_summary"]

DAY_S = 86_400
SOURCE = "summary"

_RATE = re.compile(r"Data Sampling Rate:\s*(\d+(?:\.\d+)?)\s*Hz")
_NAME = re.compile(r"File Name:\s*(\S+)")
_CLOCK = re.compile(r"File (Start|End) Time:\s*(\d{1,2}):(\d{2}):(\d{2})")
_COUNT = re.compile(r"Number of Seizures in File:\s*(\d+)")
_SEIZURE = re.compile(r"Seizure\s*(\d+)?\s*(Start|End) Time:\s*(\d+(?:\.\d+)?)\s*seconds")
_CHANNEL = re.compile(r"Channel (\d+):\s*(\S.*)")
_HEADING = re.compile(r"Channels in EDF Files:|Channels changed:|\*+")


@dataclass(frozen=True)
class SummaryFile:
    """What a summary says of one file."""

    name: str
    channels: tuple[str, ...]
    """Labels as they stand there, in order; ``-`` is a dummy and labels may repeat."""
    seizures: tuple[Seizure, ...]
    start_clock_s: int | None = None
    """Seconds after midnight; past 86,400 where the source counts on."""
    end_clock_s: int | None = None

    @property
    def duration_s(self) -> int | None:
        """Length by the clock, in whole seconds; None without clock times."""
        if self.start_clock_s is None or self.end_clock_s is None:
            return None
        return (self.end_clock_s - self.start_clock_s) % DAY_S

    @property
    def record(self) -> str:
        """Name without its suffix."""
        return self.name.removesuffix(".edf")


@dataclass(frozen=True)
class Summary:
    """One case."""

    case: str
    rate_hz: Fraction
    files: tuple[SummaryFile, ...]
    warnings: tuple[Note, ...] = ()

    def file(self, name: str) -> SummaryFile | None:
        """Return what is said of a file; None where it is not listed."""
        return next((item for item in self.files if item.name == name), None)

    @property
    def n_seizures(self) -> int:
        """Number of seizures in all files."""
        return sum(len(item.seizures) for item in self.files)


def read_summary(path: Path) -> Summary:
    """Read a summary.

    Raises
    ------
    FormatError
        When a line is none of a summary, a seizure lacks its start or end or does not end after it starts, or a file
        has another number of seizures than it states.
    TruncatedError
        When the file is empty, or ends before the seizures that it announces.
    """
    reader = _Reader(path)
    for number, line in enumerate(read_lines(path), start=1):
        text = line.strip()
        if text and not reader.take(text):
            raise FormatError("not a line of a summary", subject=str(path), place=f"line {number}", found=text[:120])
    return reader.finish()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.case = path.name.partition("-")[0]
        self.rate: Fraction | None = None
        self.channels: list[str] = []
        self.files: list[SummaryFile] = []
        self.warnings: list[Note] = []
        self._clear("")

    def _clear(self, name: str) -> None:
        self.name = name
        self.clock: dict[str, int] = {}
        self.announced: int | None = None
        self.times: list[tuple[str, float]] = []

    def take(self, text: str) -> bool:
        """Take a line; return whether it is one of a summary."""
        if found := _RATE.fullmatch(text):
            self.rate = Fraction(found[1])
        elif found := _NAME.fullmatch(text):
            self._close()
            self._clear(found[1])
        elif _HEADING.fullmatch(text):
            if text.startswith("Channels"):
                self._close()
                self._clear("")
                self.channels = []
        elif found := _CHANNEL.fullmatch(text):
            self.channels.append(found[2].strip())
            if int(found[1]) != len(self.channels):
                self._refuse("channels are not numbered one by one", f"Channel {len(self.channels)}", text)
        elif not self.name:
            return False
        elif found := _CLOCK.fullmatch(text):
            hours, minutes, seconds = (int(found[at]) for at in (2, 3, 4))
            self.clock[found[1]] = hours * 3600 + minutes * 60 + seconds
        elif found := _COUNT.fullmatch(text):
            self.announced = int(found[1])
        elif found := _SEIZURE.fullmatch(text):
            at = len(self.times) // 2 + 1
            if found[1] is not None and int(found[1]) != at:
                message = f"{text!r} where seizure {at} was expected; taken by its place"
                self.warnings.append(warning("seizure-misnumbered", self.name, message))
            self.times.append((found[2], float(found[3])))
        else:
            return False
        return True

    def _refuse(self, message: str, expected: str, found: str) -> None:
        raise FormatError(message, subject=str(self.path), place=self.name or None, expected=expected, found=found)

    def _close(self) -> None:
        """Finish the file that was being read."""
        if not self.name:
            return
        if self.announced is None:
            raise TruncatedError(
                "a file lacks its number of seizures", subject=str(self.path), place=self.name,
                expected="Number of Seizures in File: N",
            )  # fmt: skip
        words = [word for word, _ in self.times]
        if words != ["Start", "End"] * self.announced:
            error = TruncatedError if len(words) < 2 * self.announced else FormatError
            raise error(
                "a file has other seizures than it states", subject=str(self.path), place=self.name,
                expected=f"start and end of {self.announced}", found=", ".join(words) or "none",
            )  # fmt: skip
        values = [value for _, value in self.times]
        pairs = list(zip(values[::2], values[1::2], strict=True))
        if any(start >= end for start, end in pairs):
            self._refuse("a seizure does not end after it starts", "start < end", str(pairs))
        if any(one[1] > other[0] for one, other in pairwise(pairs)):
            message = f"seizures overlap or are out of order: {pairs}"
            self.warnings.append(warning("seizures-out-of-order", self.name, message))
        if any(item.name == self.name for item in self.files):
            self._refuse("a file is there twice", "each once", self.name)
        seizures = tuple(Seizure(start, end, source=SOURCE) for start, end in pairs)
        file = SummaryFile(self.name, tuple(self.channels), seizures, self.clock.get("Start"), self.clock.get("End"))
        length = file.duration_s
        if length is not None and any(end > length for _, end in pairs):
            message = f"a seizure ends after the file by its clock times ({length} s)"
            self.warnings.append(warning("seizure-after-end", self.name, message))
        self.files.append(file)

    def finish(self) -> Summary:
        """Return what was read."""
        self._close()
        if self.rate is None or not self.files:
            raise FormatError(
                "not a summary of CHB-MIT", subject=str(self.path), expected="Data Sampling Rate: N Hz, File Name: ..."
            )
        return Summary(self.case, self.rate, tuple(self.files), tuple(self.warnings))
