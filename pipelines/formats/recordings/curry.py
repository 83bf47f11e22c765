"""Curry 7, 8 and 9 recordings: float32 samples, parameters and labels in text, events beside them.

Curry 7 has ``.dat`` (samples), ``.dap`` (parameters), ``.rs3`` (labels, positions) and ``.cef`` or ``.ceo`` (events);
later ones ``.cdt``, ``.cdt.dpa`` or ``.cdt.dpo`` (parameters and labels) and ``.cdt.cef`` or ``.cdt.ceo``. Channels
come in groups (electrodes, ``_MAG1``, ``_OTHERS``), each with its unit; a list says at which place of the file a
channel lies, and 0 that it is not in it. Samples lie channel by channel or time point by time point, as the parameters
say.

Sections and keys as in Compumedics' ``curryreader`` and in MNE-Python's ``read_raw_curry`` (Gramfort et al. 2013,
doi:10.3389/fnins.2013.00267), which needs it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import warning

from ..files.pointers import refuse_pointer
from ..files.text_mode import refuse_text_damage
from .headers import header_text, require_length
from .numbers import decimal, possible_rate
from .recording import Annotation, Block, Channel, Recording, udunits

SECTION = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*) (?P<what>START|END)(?P<list>_LIST)?\b.*", re.ASCII)
LATER = (".cdt.dpa", ".cdt.dpo", ".cdt.cef", ".cdt.ceo", ".cdt")
KINDS = {"": "eeg", "_OTHERS": "misc"}
MAGNETIC = "_MAG"
MICROSECONDS = 10**6
DATE = ("StartYear", "StartMonth", "StartDay", "StartHour", "StartMin", "StartSec", "StartMillisec")
EVENT_COLUMNS = 6
"""Sample, -, type, -, first and last sample; what follows is not used here."""

Keys = dict[str, str]
Lists = dict[str, list[str]]


@dataclass(frozen=True)
class Parts:
    """The files of one recording; None where there is none."""

    samples: Path
    parameters: Path
    labels: Path | None
    events: Path | None

    def files(self) -> list[Path]:
        """Return those that are there."""
        found = (self.samples, self.parameters, self.labels, self.events)
        return list(dict.fromkeys(item for item in found if item is not None))


def data_files(path: Path, given: Sequence[Path]) -> list[Path]:
    """Return all files of the recording to which one belongs."""
    return _parts(path, given).files()


def read_recording(path: Path, given: Sequence[Path]) -> Recording:
    """Read samples, channels and events.

    Parameters
    ----------
    path : Path
        Any file of the recording.
    given : sequence of Path
        Others that do not lie beside it.

    Raises
    ------
    TruncatedError
        When there are fewer samples than stated.
    FormatError
        When a file is missing, or the parameters do not say what is needed.
    """
    parts = _parts(path, given)
    groups, lists = _read(parts.parameters)
    if parts.labels is not None and parts.labels != parts.parameters:
        lists = {**lists, **{name: rows for name, rows in _read(parts.labels)[1].items() if name not in lists}}
    keys = groups.get("DATA_PARAMETERS", {})
    where = parts.parameters
    n_samples, n_channels, n_trials = (_whole(where, keys, name) for name in ("NumSamples", "NumChannels", "NumTrials"))
    warnings: list[dict[str, str]] = []
    rate = _rate(where, keys, warnings)
    signal = _signal(parts.samples, where, keys, (n_channels, n_samples, n_trials))
    segments: tuple[tuple[int, int], ...] = ()
    if n_trials > 1:
        segments = tuple((at * n_samples, (at + 1) * n_samples) for at in range(n_trials))
        message = f"{n_trials} trials of {n_samples} samples are segments; the clock counts the samples that are stored"
        warnings.append(warning("trials", where.name, message))
    attrs: dict[str, Any] = {"file_format": "Curry"}
    started = _start(keys)
    if started:
        attrs["recorded_at"] = started
    events: list[Annotation] = []
    if parts.events is None:
        warnings.append(warning("no-events", path.name, "no file of events (.cef, .ceo) lies beside it"))
    else:
        events = _events(parts.events, rate, n_samples * n_trials, warnings)
    channels = _channels(where, groups, lists, n_channels, warnings)
    return Recording(
        blocks=(Block(signal, tuple(channels), rate, segments=segments),),
        annotations=tuple(events),
        attrs=attrs,
        warnings=tuple(warnings),
    )


def _parts(path: Path, given: Sequence[Path]) -> Parts:
    name = path.name.lower()
    later = next((suffix for suffix in LATER if name.endswith(suffix)), None)
    stem = name[: -len(later)] if later else name[: -len(path.suffix)]
    around = {item.name.lower(): item for item in (*path.parent.iterdir(), *given, path) if item.is_file()}

    def first(*endings: str) -> Path | None:
        return next((around[stem + ending] for ending in endings if stem + ending in around), None)

    if later:
        samples, parameters = first(".cdt"), first(".cdt.dpa", ".cdt.dpo")
        labels, events = parameters, first(".cdt.cef", ".cdt.ceo")
    else:
        samples, parameters = first(".dat"), first(".dap")
        labels, events = first(".rs3"), first(".cef", ".ceo")
    if samples is None or parameters is None:
        raise FormatError(
            "a file that belongs to it is missing",
            subject=str(path),
            expected=f"{stem}.cdt and {stem}.cdt.dpa" if later else f"{stem}.dat and {stem}.dap",
            found="no such file beside it",
        )
    return Parts(samples, parameters, labels, events)


def _read(path: Path) -> tuple[dict[str, Keys], Lists]:
    """Split a file into sections of ``KEY = VALUE`` and lists of lines."""
    groups: dict[str, Keys] = {}
    lists: Lists = {}
    keys: Keys | None = None
    rows: list[str] | None = None
    for line in header_text(path).splitlines():
        found = SECTION.fullmatch(line.strip())
        if found is not None:
            keys = rows = None
            if found["what"] == "START" and found["list"]:
                rows = lists.setdefault(found["name"], [])
            elif found["what"] == "START":
                keys = groups.setdefault(found["name"], {})
        elif rows is not None and line.strip():
            rows.append(line.strip())
        elif keys is not None:
            key, equals, value = line.partition("=")
            if equals:
                keys[key.strip()] = value.strip()
    return groups, lists


def _whole(path: Path, keys: Mapping[str, str], name: str) -> int:
    text = keys.get(name, "")
    if re.fullmatch(r"\d{1,12}", text, re.ASCII) is None or int(text) < 1:
        raise FormatError(
            "the parameters lack a positive number",
            subject=str(path),
            place=name,
            expected="1 or more",
            found=repr(text[:40]),
        )
    return int(text)


def _rate(path: Path, keys: Mapping[str, str], warnings: list[dict[str, str]]) -> Fraction:
    """Return the rate; the step between samples is used where there is none, and told where it is of another rate."""
    rate, step = decimal(keys.get("SampleFreqHz", "")), decimal(keys.get("SampleTimeUsec", ""))
    stated = rate or (MICROSECONDS / step if step else None)
    if stated is None or stated <= 0:
        raise FormatError("no sampling rate", subject=str(path), place="SampleFreqHz", expected="more than 0")
    if rate and step and abs(step * rate / MICROSECONDS - 1) > Fraction(1, 10**4):
        message = f"{float(rate):g} Hz, but {float(step):g} microseconds between samples; the rate holds"
        warnings.append(warning("rates-differ", path.name, message))
    return possible_rate(stated, path, "SampleFreqHz")


def _signal(file: Path, path: Path, keys: Mapping[str, str], shape: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    """Return the stored samples, shape (channel, time); trials follow each other."""
    n_channels, n_samples, n_trials = shape
    refuse_pointer(file)
    total = n_channels * n_samples * n_trials
    if "ASCII" in {keys.get("DataFormat", "").upper(), keys.get("DataByteOrder", "").upper()}:
        numbers = file.read_text(encoding="ascii", errors="replace").split()
        require_length(file, len(numbers), total, unit="numbers")
        try:
            samples = np.array([float(number) for number in numbers])
        except ValueError as error:
            raise FormatError("not a number", subject=str(file), found=str(error)[:80]) from error
    else:
        order = keys.get("DataByteOrder", "INTEL").upper()
        if order != "INTEL" or keys.get("DataFormat", "FLOAT").upper() != "FLOAT":
            raise FormatError(
                "samples of a type that is not read",
                subject=str(path),
                place="DataFormat, DataByteOrder",
                expected="FLOAT and INTEL, or ASCII",
                found=f"{keys.get('DataFormat')} and {keys.get('DataByteOrder')}",
            )
        raw = np.fromfile(file, dtype=np.uint8)
        require_length(file, raw.size, 4 * total)
        refuse_text_damage(file, raw)
        samples = raw.view("<f4").astype(np.float32)
    if keys.get("DataSampOrder", "SAMP").upper() == "CHAN":
        return np.ascontiguousarray(samples.reshape(n_channels, n_samples * n_trials))
    return np.ascontiguousarray(samples.reshape(n_samples * n_trials, n_channels).T)


def _channels(
    path: Path, groups: Mapping[str, Keys], lists: Lists, n_channels: int, warnings: list[dict[str, str]]
) -> list[Channel]:
    """Return the channels in the order of the samples."""
    placed: dict[int, Channel] = {}
    for name, keys in groups.items():
        if not name.startswith("DEVICE_PARAMETERS"):
            continue
        group = name.removeprefix("DEVICE_PARAMETERS")
        labels, places = lists.get(f"LABELS{group}", []), lists.get(f"CHAN_IN_FILE{group}", [])
        unit, sensors = keys.get("DataUnit", ""), lists.get(f"SENSORS{group}", [])
        kind = "mag" if group.startswith(MAGNETIC) else KINDS.get(group, "")
        for at, label in enumerate(labels):
            # Without a list of places channels follow each other in the order of their groups.
            text = places[at] if at < len(places) else "0" if places else str(len(placed) + 1)
            if re.fullmatch(r"\d{1,6}", text, re.ASCII) is None or int(text) > n_channels or int(text) in placed:
                raise FormatError(
                    "not a place for a channel",
                    subject=str(path),
                    place=f"CHAN_IN_FILE{group}, {label}",
                    expected=f"0, or each of 1 to {n_channels} once",
                    found=text[:40],
                )
            if int(text):
                position = _position(sensors[at]) if at < len(sensors) else None
                placed[int(text)] = Channel(
                    label, unit, udunits(unit), kind=kind, position=position, position_unit="mm", position_frame="Curry"
                )
    if sorted(placed) != list(range(1, n_channels + 1)):
        raise FormatError(
            "the channels do not match their number",
            subject=str(path),
            place="LABELS",
            expected=f"{n_channels} channels",
            found=f"{len(placed)}",
        )
    if any(channel.kind == "mag" for channel in placed.values()):
        message = "positions are those of the inner coils; their directions are not kept"
        warnings.append(warning("sensor-directions", path.name, message))
    return [placed[at] for at in sorted(placed)]


def _position(line: str) -> tuple[float, float, float] | None:
    numbers = [decimal(text) for text in line.split()[:3]]
    if len(numbers) != 3 or any(number is None for number in numbers):
        return None
    x, y, z = (float(number) for number in numbers if number is not None)
    return x, y, z


def _start(keys: Mapping[str, str]) -> str:
    """Return the start, of which no zone is stated; ``""`` where there is none."""
    try:
        year, month, day, hour, minute, second, milli = (int(keys[name]) for name in DATE)
        return datetime(year, month, day, hour, minute, second, milli * 1000).isoformat()
    except (KeyError, ValueError, OverflowError):
        return ""


def _events(path: Path, rate: Fraction, n_samples: int, warnings: list[dict[str, str]]) -> list[Annotation]:
    """Return the events; their samples count from 0."""
    _, lists = _read(path)
    rows, remarks = lists.get("NUMBER_LIST", []), lists.get("REMARK_LIST", [])
    found, outside = [], 0
    for number, line in enumerate(rows):
        numbers = [decimal(text) for text in line.split()]
        columns = [int(value) for value in numbers if value is not None and value.denominator == 1]
        if len(columns) < EVENT_COLUMNS or len(columns) != len(numbers):
            raise FormatError(
                "not an event",
                subject=str(path),
                place=f"NUMBER_LIST, row {number + 1}",
                expected=f"{EVENT_COLUMNS} whole numbers or more",
                found=line[:60],
            )
        sample, kind, first, last = columns[0], columns[2], columns[4], columns[5]
        outside += not 0 <= sample < n_samples
        lasts = Fraction(last - first) / rate if last > first else None
        label = remarks[number] if len(remarks) == len(rows) else ""
        found.append(Annotation(Fraction(sample) / rate, lasts, str(kind), label=label))
    if outside:
        message = f"{outside} of {len(found)} events lie before the first sample or after the last"
        warnings.append(warning("events-outside", path.name, message))
    return found
