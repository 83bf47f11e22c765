"""BrainVision recordings: a header, a marker file and the stored samples, taken as they are.

The samples keep their integer or float32 type; the header's resolution becomes the gain of each channel. The rate is
the exact fraction that the sampling interval gives.

BrainVision Core Data Format 1.0, Brain Products, https://www.brainproducts.com/support-resources/brainvision-core-data-format-1-0/.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError
from connectome.schema import warning

from ..files.pointers import refuse_pointer
from ..files.text_mode import refuse_text_damage
from .numbers import decimal, possible_rate
from .recording import Annotation, Block, Channel, Recording, udunits

FIRST_LINE = re.compile(r"Brain ?Vision .*(Header|Marker) File", re.IGNORECASE)
DTYPES = {"INT_16": "i2", "UINT_16": "u2", "INT_32": "i4", "IEEE_FLOAT_32": "f4", "IEEE_FLOAT_64": "f8"}
MICROSECONDS = 10**6
USED = {"common infos", "binary infos", "channel infos", "marker infos"}
NEW_SEGMENT = "New Segment"

Sections = dict[str, dict[str, str]]


def is_header(path: Path) -> bool:
    """Tell whether a file starts as a BrainVision header does."""
    with path.open("rb") as file:
        return FIRST_LINE.match(file.read(256).decode("latin-1").lstrip("ï»¿")) is not None


def is_ascii(path: Path) -> bool:
    """Tell whether the samples are stored as text."""
    return _sections(path, "Header")["common infos"].get("dataformat", "BINARY").upper() == "ASCII"


def data_files(path: Path, given: Sequence[Path]) -> list[Path]:
    """Return the files that a header names."""
    common = _sections(path, "Header")["common infos"]
    return [_file(path, common, key, given) for key in ("datafile", "markerfile") if common.get(key)]


def read_recording(path: Path, given: Sequence[Path]) -> Recording:
    """Read a header, its markers and its samples.

    Parameters
    ----------
    path : Path
        The ``.vhdr`` file.
    given : sequence of Path
        Files named by the caller; those that the header names but that are not given are looked for beside it.

    Raises
    ------
    TruncatedError
        When the samples end early: not a whole number of time points, fewer than announced, or markers after the end.
    FormatError
        When a file is missing, or the header does not say what is needed.
    """
    sections = _sections(path, "Header")
    common = sections["common infos"]
    _require(path, "DataType", common.get("datatype", "TIMEDOMAIN").upper(), {"TIMEDOMAIN"})
    n_channels = _whole(path, common, "numberofchannels")
    rate = possible_rate(MICROSECONDS / _positive(path, common, "samplinginterval"), path, "samplinginterval")
    warnings: list[dict[str, str]] = []
    channels = _channels(path, sections.get("channel infos", {}), n_channels, warnings)
    signal = _signal(path, sections, _file(path, common, "datafile", given), n_channels)
    if _ends_in_a_channel(path):
        message = "the header ends with a channel and without a line end; it may have been cut there"
        warnings.append(warning("header-without-end", path.name, message))
    markers: list[dict[str, Any]] = []
    if common.get("markerfile"):
        markers = _markers(_file(path, common, "markerfile", given), n_channels, warnings)
    else:
        warnings.append(warning("no-marker-file", path.name, "the header names no marker file"))
    n_samples = signal.shape[1]
    _require_inside(path, markers, n_samples)
    begun = {marker["position"] - 1 for marker in markers if marker["kind"] == NEW_SEGMENT}
    # A segment that begins after the last sample has none.
    starts = sorted({start for start in begun if start < n_samples} | {0})
    dates = [marker["date"] for marker in markers if marker["kind"] == NEW_SEGMENT and marker["date"]]
    if len(starts) > 1:
        message = f"{len(starts)} segments; the time between them is not part of the clock"
        if len(dates) == len(starts):
            message += f"; they began {', '.join(dates[:20])}{', ...' if len(dates) > 20 else ''}"
        warnings.append(warning("segments", path.name, message))
    block = Block(
        signal,
        tuple(channels),
        rate,
        segments=tuple(zip(starts, [*starts[1:], n_samples], strict=True)) if len(starts) > 1 else (),
    )
    return Recording(
        blocks=(block,),
        annotations=tuple(_annotation(marker, channels, rate) for marker in markers),
        attrs={"file_format": "BrainVision", **({"recorded_at": dates[0]} if dates else {})},
        warnings=tuple(warnings),
    )


def _sections(path: Path, role: str) -> Sections:
    """Split a header or marker file into sections; keys are lower case, free text after ``[Comment]`` is left out."""
    refuse_pointer(path)
    raw = path.read_bytes()
    if not raw:
        raise TruncatedError("the file is empty", subject=str(path), expected=f"a BrainVision {role.lower()} file")
    # The code page stands in the file itself; before version 1.0 it was that of Windows.
    text = _decode(raw, path)
    lines = text.splitlines()
    first = FIRST_LINE.match(lines[0]) if lines else None
    if first is None or first[1].lower() != role.lower():
        raise FormatError(
            f"not a BrainVision {role.lower()} file",
            subject=str(path),
            place="line 1",
            expected=f"Brain Vision Data Exchange {role} File, Version 1.0",
            found=repr(lines[0][:60] if lines else ""),
        )
    sections: Sections = {"common infos": {}}
    current: dict[str, str] | None = None
    for number, line in enumerate(lines[1:], start=2):
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            if text.lower() == "[comment]":
                break
            name = text[1:-1].lower()
            current = sections.setdefault(name, {}) if name in USED else None
        elif text and not text.startswith(";") and current is not None:
            key, equals, value = text.partition("=")
            key = key.strip().lower()
            if not equals or key in current:
                problem = "the key repeats" if equals else "not KEY=VALUE"
                raise FormatError(problem, subject=str(path), place=f"line {number}", found=text[:60])
            current[key] = value.strip()
    return sections


def _decode(raw: bytes, path: Path) -> str:
    utf8 = re.search(rb"^Codepage=UTF-8", raw, re.MULTILINE | re.IGNORECASE) is not None or raw.startswith(
        b"\xef\xbb\xbf"
    )
    try:
        return raw.decode("utf-8-sig" if utf8 else "cp1252")
    except UnicodeDecodeError as error:
        # The comment section is written by another program part and often in another code page.
        comment = raw.find(b"[Comment]")
        if utf8 and 0 <= comment <= error.start:
            return raw[:comment].decode("utf-8-sig")
        if not utf8:
            return raw.decode("latin-1")
        raise FormatError("not text of its code page", subject=str(path), place=f"byte {error.start}") from None


def _require(path: Path, key: str, found: str, allowed: set[str]) -> None:
    if found not in allowed:
        raise FormatError(
            "this form of BrainVision cannot be read",
            subject=str(path),
            place=key,
            expected=" or ".join(sorted(allowed)),
            found=found,
        )


def _whole(path: Path, section: dict[str, str], key: str) -> int:
    number = _positive(path, section, key)
    if number.denominator != 1:
        raise FormatError("not a whole number", subject=str(path), place=key, found=str(number))
    return int(number)


def _positive(path: Path, section: dict[str, str], key: str) -> Fraction:
    text = section.get(key, "")
    number = decimal(text)
    if number is None or number <= 0:
        raise FormatError(
            "the header lacks a positive number", subject=str(path), place=key, expected="more than 0", found=repr(text)
        )
    return number


def _file(path: Path, common: dict[str, str], key: str, given: Sequence[Path]) -> Path:
    """Return the file that the header names, among those given or beside the header."""
    name = common.get(key, "").replace("$b", path.stem)
    if not name:
        raise FormatError("the header names no such file", subject=str(path), place=key, expected="a file name")
    if PurePosixPath(name.replace("\\", "/")).name != name or name in {".", ".."}:
        raise UnsafeError("the header leads out of its folder", subject=str(path), place=key, found=name)
    for candidate in given:
        if candidate.name == name:
            return candidate
    if (path.parent / name).is_file():
        return path.parent / name
    raise FormatError(
        "a file that the header names is missing",
        subject=str(path),
        place=key,
        expected=name,
        found="no such file",
        hint="put it beside the header, or correct the name in the header if the files were renamed",
    )


def _channels(path: Path, section: dict[str, str], n_channels: int, warnings: list[dict[str, str]]) -> list[Channel]:
    if n_channels > 100_000 or len(section) != n_channels:
        raise FormatError(
            "the channels do not match their number",
            subject=str(path),
            place="[Channel Infos]",
            expected=f"{n_channels} channels",
            found=f"{len(section)}",
        )
    channels = []
    for number in range(1, n_channels + 1):
        text = section.get(f"ch{number}")
        if text is None:
            raise FormatError("a channel is missing", subject=str(path), place=f"Ch{number}")
        name, reference, resolution, unit = [*text.split(","), "", "", ""][:4]
        # An empty resolution is 1 and an empty unit is microvolts (Core Data Format 1.0, "Channel Infos").
        gain = decimal(resolution) if resolution.strip() else Fraction(1)
        if gain is None:
            raise FormatError("not a number", subject=str(path), place=f"Ch{number}, resolution", found=resolution[:60])
        if not gain:
            message = f"the resolution is 0 in {text[:60]!r}: values unknown"
            warnings.append(warning("no-scale", f"channel {number} ({name})", message))
        channels.append(
            Channel(
                label=name.replace("\\1", ","),
                source_unit=unit.strip(),
                unit=udunits(unit) or "uV",
                unit_origin="file" if unit.strip() else "assumed",
                gain=float(gain) or math.nan,
                extra={"reference": reference.replace("\\1", ",")},
            )
        )
    return channels


def _signal(path: Path, sections: Sections, data: Path, n_channels: int) -> np.ndarray[Any, Any]:
    """Return the stored samples, shape (channel, time)."""
    common, binary = sections["common infos"], sections.get("binary infos", {})
    _require(path, "DataFormat", common.get("dataformat", "BINARY").upper(), {"BINARY"})
    orientation = common.get("dataorientation", "").upper()
    _require(path, "DataOrientation", orientation, {"MULTIPLEXED", "VECTORIZED"})
    stored = binary.get("binaryformat", "").upper()
    _require(path, "BinaryFormat", stored, set(DTYPES))
    big = binary.get("usebigendianorder", "NO").upper() == "YES"
    dtype = np.dtype((">" if big else "<") + DTYPES[stored])
    refuse_pointer(data)
    if data.samefile(path):
        raise FormatError("the header names itself", subject=str(path), place="DataFile", expected="a file of samples")
    raw = data.read_bytes()
    refuse_text_damage(data, np.frombuffer(raw, dtype=np.uint8))
    frame = n_channels * dtype.itemsize
    announced = _whole(path, common, "datapoints") * frame if common.get("datapoints", "0") != "0" else None
    if not raw or len(raw) % frame or (announced is not None and len(raw) < announced):
        expected = f"{announced} bytes" if announced else f"a multiple of {frame} bytes"
        raise TruncatedError(
            "the samples end early",
            subject=str(data),
            place=f"{n_channels} channels of {stored}",
            expected=expected,
            found=f"{len(raw)} bytes",
        )
    if announced is not None and len(raw) > announced:
        raise FormatError(
            "more samples than announced",
            subject=str(data),
            place="DataPoints",
            expected=f"{announced} bytes",
            found=f"{len(raw)} bytes",
        )
    samples = np.frombuffer(raw, dtype=dtype)
    shaped = samples.reshape(-1, n_channels).T if orientation == "MULTIPLEXED" else samples.reshape(n_channels, -1)
    return np.ascontiguousarray(shaped, dtype=dtype.newbyteorder("="))


def _ends_in_a_channel(path: Path) -> bool:
    """Tell whether the last line of a header is one of a channel and has no line end."""
    raw = path.read_bytes()
    return re.match(rb"ch\d+=", raw[raw.rfind(b"\n") + 1 :].lower()) is not None


def _markers(path: Path, n_channels: int, warnings: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the markers in the file's order: kind, description, position (from 1), size, channel, date."""
    markers = []
    for key, text in _sections(path, "Marker").get("marker infos", {}).items():
        parts = [*text.split(","), "", "", ""]
        try:
            position, size = int(parts[2]), int(parts[3] or 0)
            channel = int(parts[4] or 0)
        except (ValueError, IndexError):
            raise FormatError("not a marker", subject=str(path), place=key, found=text[:80]) from None
        if size < 0 or not 0 <= channel <= n_channels:
            message = f"size {size}, channel {channel} of {n_channels}: what cannot be is left out"
            warnings.append(warning("odd-marker", f"{path.name}, {key}", message))
        markers.append(
            {
                "key": key,
                "file": path,
                "kind": parts[0].replace("\\1", ","),
                "description": parts[1].replace("\\1", ","),
                "position": position,
                "size": size if size >= 0 else None,
                "channel": channel,
                "date": _date(parts[5]),
            }
        )
    return markers


def _date(text: str) -> str:
    """Return YYYYMMDDhhmmssuuuuuu as ISO 8601; ``""`` where it is no date, as all zeros are."""
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{6})", text.strip())
    if found is None:
        return ""
    try:
        return datetime(*map(int, found.groups())).isoformat(timespec="microseconds")  # type: ignore[arg-type]
    except ValueError:
        return ""


def _require_inside(path: Path, markers: list[dict[str, Any]], n_samples: int) -> None:
    for marker in markers:
        if marker["position"] < 1:
            raise FormatError(
                "a marker lies before the first sample",
                subject=str(marker["file"]),
                place=marker["key"],
                expected="1 or more",
            )
        # Recorders that are stopped by a marker put it one past the last sample.
        if marker["position"] > n_samples + 1:
            raise TruncatedError(
                "a marker lies after the last sample",
                subject=str(path),
                place=marker["key"],
                expected=f"{marker['position']} samples or more",
                found=f"{n_samples} samples",
            )


def _annotation(marker: dict[str, Any], channels: list[Channel], rate: Fraction) -> Annotation:
    number = marker["channel"]
    return Annotation(
        onset_s=Fraction(marker["position"] - 1) / rate,
        duration_s=None if marker["size"] is None else Fraction(marker["size"]) / rate,
        description=marker["description"],
        kind=marker["kind"],
        channel=channels[number - 1].label if 0 < number <= len(channels) else "",
    )
