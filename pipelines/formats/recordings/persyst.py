"""Persyst recordings: a ``.lay`` header, interleaved integers in a ``.dat``, and the times that the recorder wrote.

The integers are kept with the header's calibration as gain. The section ``SampleTimes`` says at which time of the day
some samples were taken: the recorder writes it every now and then, and where it goes on after a pause. A jump above
``LARGEST_DRIFT_S`` is a pause, so a new segment begins there at its true time; less is the drift of the recorder's
clock. Comments count the samples that were recorded, so they move with the segment in which they lie.

Sections and keys as in Persyst's layout files, https://www.persyst.com; the same files are written by Open Ephys
(plugin ``persyst-format``) and read by MNE-Python's ``read_raw_persyst`` (Gramfort et al. 2013,
doi:10.3389/fnins.2013.00267), which reads over pauses, takes channels in the order of their lines and upper case.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning

from ..files.pointers import refuse_pointer
from ..files.text_mode import refuse_text_damage
from .headers import header_text
from .numbers import decimal, possible_rate
from .recording import Annotation, Block, Channel, Recording, on_the_clock

if TYPE_CHECKING:
    import xarray as xr

DTYPES = {"0": "<i2", "7": "<i4"}
"""Key ``DataType``."""
UNIT = "uV"
"""What the calibration leads to."""
LARGEST_DRIFT_S = Fraction(1, 10)
"""Times that a recorder writes now and then differ by its clock's drift; a pause is longer."""
DATES = ("%m/%d/%Y", "%d-%m-%Y", "%Y.%m.%d")

Lines = list[tuple[int, str]]
"""Number and text of each line of a section."""


@dataclass(frozen=True)
class Comment:
    """A row of the section ``Comments``."""

    onset_s: Fraction
    """Recorded samples before it, in seconds."""
    duration_s: Fraction
    state: str
    kind: str
    text: str


def data_files(path: Path, given: Sequence[Path]) -> list[Path]:
    """Return the file of samples that a header names."""
    return [_samples_file(path, _keys(path, _sections(path), "fileinfo"), given)]


def read_recording(path: Path, given: Sequence[Path]) -> Recording:
    """Read a header, its samples and its comments.

    Parameters
    ----------
    path : Path
        The ``.lay`` file.
    given : sequence of Path
        Files named by the caller; the ``.dat`` is looked for among them, then beside the header.

    Raises
    ------
    TruncatedError
        When the samples are not a whole number of time points.
    FormatError
        When a file is missing, or the header does not say what is needed.
    """
    sections = _sections(path)
    keys = _keys(path, sections, "fileinfo")
    place = "FileInfo, SamplingRate"
    rate = possible_rate(_number(path, place, keys.get("samplingrate", "")), path, place)
    channels, warnings = _channels(path, sections, keys)
    signal = _signal(path, keys, _samples_file(path, keys, given), len(channels))
    times = _sample_times(path, sections)
    segments, starts = _segments(path, times, rate, signal.shape[1], warnings)
    comments = [_comment(path, *line) for line in sections.get("comments", [])]
    attrs: dict[str, Any] = {"file_format": "Persyst"}
    recorded_at = _start(path, sections, times, warnings)
    if recorded_at:
        attrs["recorded_at"] = recorded_at
    marks = []
    for comment in comments:
        onset, lasts = on_the_clock(comment.onset_s, comment.duration_s, rate, segments, starts)
        marks.append(Annotation(onset, lasts, comment.text))
    return Recording(
        blocks=(Block(signal, tuple(channels), rate, segments=segments, segment_start_s=starts),),
        annotations=tuple(marks),
        attrs=attrs,
        warnings=tuple(warnings),
        tables={"persyst/comment": _table(comments)} if comments else {},
    )


def _sections(path: Path) -> dict[str, Lines]:
    """Split a header into sections; their names are lower case."""
    text = header_text(path)
    sections: dict[str, Lines] = {}
    current: Lines | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.strip()
        if plain.startswith("[") and plain.endswith("]"):
            current = sections.setdefault(plain[1:-1].strip().lower(), [])
        elif plain and current is not None:
            current.append((number, plain))
    if "fileinfo" not in sections:
        raise FormatError(
            "the file does not start as its suffix demands",
            subject=str(path),
            place="line 1",
            expected="[FileInfo]",
            found=repr(text[:16]),
        )
    return sections


def _keys(path: Path, sections: dict[str, Lines], name: str) -> dict[str, str]:
    """Return the keys of a section in lower case."""
    found: dict[str, str] = {}
    for number, line in sections.get(name, []):
        key, equals, value = line.partition("=")
        key = key.strip().lower()
        if not equals or key in found:
            problem = "the key repeats" if equals else "not KEY=VALUE"
            raise FormatError(problem, subject=str(path), place=f"line {number}", found=line[:60])
        found[key] = value.strip()
    return found


def _number(path: Path, place: str, text: str) -> Fraction:
    number = decimal(text)
    if number is None:
        raise FormatError("not a number", subject=str(path), place=place, expected="a number", found=repr(text[:40]))
    return number


def _whole(path: Path, place: str, text: str, *, least: int) -> int:
    if re.fullmatch(r"\d{1,12}", text.strip(), re.ASCII) is None or int(text) < least:
        raise FormatError(
            "not a whole number", subject=str(path), place=place, expected=f"{least} or more", found=repr(text[:40])
        )
    return int(text)


def _samples_file(path: Path, keys: dict[str, str], given: Sequence[Path]) -> Path:
    if keys.get("filetype", "interleaved").lower() != "interleaved":
        raise FormatError(
            "samples in another vendor's file",
            subject=str(path),
            place="FileInfo, FileType",
            expected="Interleaved",
            found=keys["filetype"][:60],
            hint="import the file that the header names",
        )
    # A header may carry the folder in which the recorder wrote it.
    name = PureWindowsPath(keys.get("file", "")).name
    for candidate in (*given, path.parent / name):
        if name and candidate.name == name and candidate.is_file():
            return candidate
    raise FormatError(
        "the file of samples is missing",
        subject=str(path),
        place="FileInfo, File",
        expected=name or "a name",
        found="no such file",
    )


def _channels(
    path: Path, sections: dict[str, Lines], keys: dict[str, str]
) -> tuple[list[Channel], list[dict[str, str]]]:
    """Return the channels in the order of the samples; the map gives each label its place, counted from 1."""
    n_channels = _whole(path, "FileInfo, WaveformCount", keys.get("waveformcount", ""), least=1)
    gain = float(_number(path, "FileInfo, Calibration", keys.get("calibration", "")))
    labels: dict[int, str] = {}
    for number, line in sections.get("channelmap", []):
        # A label may hold the sign itself.
        label, equals, text = line.rpartition("=")
        at = _whole(path, f"ChannelMap, line {number}", text, least=1) if equals else 0
        if not equals or at in labels or at > n_channels:
            raise FormatError(
                "not a place for a channel",
                subject=str(path),
                place=f"ChannelMap, line {number}",
                expected=f"each of 1 to {n_channels} at most once",
                found=line[:60],
            )
        labels[at] = label.strip()
    warnings = []
    without = [str(at) for at in range(1, n_channels + 1) if at not in labels]
    if without:
        message = f"the map names no channel at {', '.join(without[:20])}{', ...' if len(without) > 20 else ''}"
        warnings.append(warning("unnamed-channels", "ChannelMap", message))
    return [
        Channel(labels.get(at, ""), source_unit="", unit=UNIT, unit_origin="assumed", gain=gain)
        for at in range(1, n_channels + 1)
    ], warnings


def _signal(path: Path, keys: dict[str, str], file: Path, n_channels: int) -> np.ndarray[Any, Any]:
    """Return the stored samples, shape (channel, time)."""
    stored = keys.get("datatype", "")
    if stored not in DTYPES:
        raise FormatError(
            "samples of a type that is not known",
            subject=str(path),
            place="FileInfo, DataType",
            expected="0 (16 bits) or 7 (32 bits)",
            found=stored[:40],
        )
    refuse_pointer(file)
    lead = _whole(path, "FileInfo, HeaderLength", keys.get("headerlength") or "0", least=0)
    dtype = np.dtype(DTYPES[stored])
    frame, size = n_channels * dtype.itemsize, file.stat().st_size - lead
    if size <= 0 or size % frame:
        raise TruncatedError(
            "the samples end early",
            subject=str(file),
            place=f"{n_channels} channels of {8 * dtype.itemsize} bits",
            expected=f"{lead} bytes and a multiple of {frame}",
            found=f"{file.stat().st_size} bytes",
        )
    raw = np.fromfile(file, dtype=np.uint8, offset=lead)
    refuse_text_damage(file, raw)
    return np.ascontiguousarray(raw.view(dtype).reshape(-1, n_channels).T, dtype=dtype.newbyteorder("="))


def _sample_times(path: Path, sections: dict[str, Lines]) -> list[tuple[int, Fraction]]:
    """Return samples and their times of the day in seconds, which go on to grow after midnight."""
    stated: dict[int, Fraction] = {}
    for number, line in sections.get("sampletimes", []):
        place = f"SampleTimes, line {number}"
        sample, _, time = line.partition("=")
        stated[_whole(path, place, sample, least=0)] = _number(path, place, time)
    return sorted(stated.items())


def _segments(
    path: Path, times: list[tuple[int, Fraction]], rate: Fraction, n_samples: int, warnings: list[dict[str, str]]
) -> tuple[tuple[tuple[int, int], ...], tuple[Fraction, ...]]:
    """Return segments and when each starts after the first sample; nothing where the recording is in one piece."""
    # Clips that Persyst cuts out of a recording keep the times of the whole.
    inside = [(sample, time) for sample, time in times if sample < n_samples]
    if len(inside) < len(times):
        message = f"{len(times) - len(inside)} times of samples after the last; they are left out"
        warnings.append(warning("sample-times", path.name, message))
    jumps = [
        (sample, time, time - before - (sample - last) / rate)
        for (last, before), (sample, time) in itertools.pairwise(inside)
    ]
    back = [(sample, jump) for sample, _, jump in jumps if jump < -LARGEST_DRIFT_S]
    if back:
        sample, jump = back[0]
        message = (
            f"the header's times go back by {float(-jump):g} s at sample {sample}; its times are not in the clock, "
            "which counts the samples"
        )
        warnings.append(warning("sample-times", path.name, message))
        return (), ()
    pauses = [(sample, time) for sample, time, jump in jumps if jump > LARGEST_DRIFT_S]
    if not pauses:
        return (), ()
    zero = inside[0][1] - inside[0][0] / rate
    cuts, starts = [0], [Fraction(0)]
    for sample, time in pauses:
        # Within a segment the rate holds, so drift must not let the next begin before its end.
        ends = starts[-1] + (sample - cuts[-1]) / rate
        cuts.append(sample)
        starts.append(max(time - zero, ends))
    message = f"pauses by the header's times: {len(pauses)}; what follows one begins at its true time"
    warnings.append(warning("gaps", path.name, message))
    return tuple(zip(cuts, [*cuts[1:], n_samples], strict=True)), tuple(starts)


def _start(
    path: Path,
    sections: dict[str, Lines],
    times: list[tuple[int, Fraction]],
    warnings: list[dict[str, str]],
) -> str:
    """Return when the first sample was taken; the time of the first sample adds the part of the second."""
    patient = {}
    for _, line in sections.get("patient", []):
        key, _, value = line.partition("=")
        patient[key.strip().lower()] = value.strip()
    date, clock = patient.get("testdate", ""), patient.get("testtime", "")
    if not date:
        return ""
    for form in DATES:
        try:
            start = datetime.strptime(f"{date} {clock.replace('.', ':')}", f"{form} %H:%M:%S")
        except ValueError:
            continue
        # Which of two small numbers is the month is known by the sign between them only.
        if times and times[0][0] == 0:
            midnight = start.replace(hour=0, minute=0, second=0)
            exact = midnight + timedelta(microseconds=round(times[0][1] * 10**6))
            if timedelta(0) <= exact - start < timedelta(seconds=1):
                start = exact
        return start.isoformat()
    message = f"the date {date!r} {clock!r} is of no known form; the start is not known"
    warnings.append(warning("date", path.name, message))
    return ""


def _comment(path: Path, number: int, line: str) -> Comment:
    """Return a comment: time, duration, state, type, text."""
    parts = line.split(",", 4)
    place = f"Comments, line {number}"
    if len(parts) != 5:
        raise FormatError(
            "not a comment", subject=str(path), place=place, expected="time,duration,state,type,text", found=line[:60]
        )
    onset, lasts = (_number(path, place, text) for text in parts[:2])
    return Comment(onset, lasts, parts[2].strip(), parts[3].strip(), parts[4])


def _table(comments: Sequence[Comment]) -> xr.Dataset:
    """Return the comments as they stand in the header."""
    onsets, lasts = (np.array([float(getattr(item, name)) for item in comments]) for name in ("onset_s", "duration_s"))
    return schema.table(
        {
            "recorded_onset_s": schema.column("row", onsets, "Recorded samples before it, as time", "s"),
            "duration_s": schema.column("row", lasts, "Duration as stated", "s"),
            "state": schema.column("row", [item.state for item in comments], "Third field"),
            "type": schema.column("row", [item.kind for item in comments], "Fourth field"),
            "text": schema.column("row", [item.text for item in comments], "Text"),
        }
    )
