"""EEGLAB data sets: a ``.set`` file with the description and, inside it or in a ``.fdt`` beside it, the samples.

Samples keep their type (float32 in a ``.fdt``). Latencies of events count samples from 1 and may lie between two; they
stay as they are in the table ``eeglab/event``. A ``boundary`` event is a cut: what follows is a new segment, and the
time that was cut out is not part of the clock. Epochs are segments, too.

Delorme and Makeig 2004, doi:10.1016/j.jneumeth.2003.10.009; https://eeglab.org/tutorials/ConceptsGuide/Data_Structures.html.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError
from connectome.schema import warning

from ..bids.tsv import variable_name
from ..files.matlab import read_mat
from ..files.pointers import refuse_pointer
from ..files.text_mode import refuse_text_damage
from .headers import require_length
from .numbers import possible_rate
from .recording import Annotation, Block, Channel, Recording, exact_rate

if TYPE_CHECKING:
    import xarray as xr

BOUNDARY = "boundary"
UNIT = "uV"
"""By convention; a data set does not say."""
FRAME = "EEGLAB: x to the nose, y to the left ear, z up"

Struct = Mapping[str, Any]


def data_files(path: Path, given: Sequence[Path]) -> list[Path]:
    """Return the file of samples that a data set names, if it does not hold them itself."""
    data = _struct(path).get("data")
    return [_samples_file(path, data, given)[0]] if isinstance(data, str) else []


def read_recording(path: Path, given: Sequence[Path]) -> Recording:
    """Read a data set.

    Parameters
    ----------
    path : Path
        The ``.set`` file.
    given : sequence of Path
        Files named by the caller; the ``.fdt`` is looked for among them, then beside the ``.set``.

    Raises
    ------
    TruncatedError
        When there are fewer samples than stated.
    FormatError
        When a file is missing, or the data set does not say what is needed.
    """
    refuse_pointer(path)
    found = _struct(path)
    warnings: list[dict[str, str]] = []
    n_channels, n_points = (_count(path, found, name) for name in ("nbchan", "pnts"))
    n_epochs = _count(path, found, "trials") if _number(found.get("trials")) else 1
    rate = _number(found.get("srate"))
    if rate is None or not 0 < rate < math.inf:
        raise FormatError("no sampling rate", subject=str(path), place="srate", found=str(found.get("srate")))
    rate_hz = possible_rate(exact_rate(rate), path, "srate")
    signal = _signal(path, found, (n_channels, n_points * n_epochs), given, warnings)
    events = _structs(found.get("event"))
    cuts = _cuts(events, n_points * n_epochs)
    if len(cuts) > 1:
        message = f"{len(cuts) - 1} boundaries; the time that was cut out is not part of the clock"
        warnings.append(warning("segments", path.name, message))
    attrs: dict[str, Any] = {"file_format": "EEGLAB"}
    if n_epochs > 1:
        message = f"{n_epochs} epochs of {n_points} samples are segments; the clock counts the samples that are stored"
        warnings.append(warning("epochs", path.name, message))
        cuts = sorted({*cuts, *range(0, n_points * n_epochs, n_points)})
        attrs["epoch_start_s"] = _number(found.get("xmin")) or 0.0
    for name in ("setname", "subject", "session", "condition", "group"):
        if isinstance(found.get(name), str) and found[name].strip():
            attrs[f"eeglab_{name}"] = found[name].strip()
    block = Block(
        signal,
        tuple(_channels(path, found, n_channels)),
        rate_hz,
        segments=tuple(zip(cuts, [*cuts[1:], n_points * n_epochs], strict=True)) if len(cuts) > 1 else (),
    )
    return Recording(
        blocks=(block,),
        annotations=tuple(_annotations(events, rate_hz, warnings)),
        attrs=attrs,
        warnings=tuple(warnings),
        tables={"eeglab/event": _table(events)} if events else {},
    )


def _struct(path: Path) -> Struct:
    """Return the data set, whichever way it was saved."""
    refuse_pointer(path)
    variables = read_mat(path)
    if "ALLEEG" in variables:
        raise FormatError("several data sets in one file", subject=str(path), place="ALLEEG", expected="one, EEG")
    found: Any = variables.get("EEG", variables)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, Mapping) or "data" not in found:
        raise FormatError("not an EEGLAB data set", subject=str(path), place="EEG", expected="a structure with data")
    return found


def _structs(value: Any) -> list[Struct]:
    """Return the elements of a struct array, or of a cell array of structs as other programs write."""
    if isinstance(value, Mapping):
        return [value]
    return [found for item in value for found in _structs(item)] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    """Return a scalar as float; None where the field is empty or not a number."""
    array = np.asarray(value) if isinstance(value, (np.ndarray, int, float)) else None
    if array is None or array.size != 1 or array.dtype.kind not in "biuf":
        return None
    return float(array.ravel()[0])


def _count(path: Path, found: Struct, name: str) -> int:
    number = _number(found.get(name))
    if number is None or not 1 <= number <= 2**40 or number != int(number):
        raise FormatError("not a number of 1 or more", subject=str(path), place=name, found=str(found.get(name))[:60])
    return int(number)


def _samples_file(path: Path, name: str, given: Sequence[Path]) -> tuple[Path, bool]:
    """Return the file of samples and whether it has the name that the data set states."""
    stated = PureWindowsPath(name.strip()).name
    if not stated.lower().endswith(".fdt"):
        raise FormatError(
            "samples in a form that is not read",
            subject=str(path),
            place="data",
            expected="a .fdt file, or samples in the .set itself",
            found=name[:80],
            hint="open the data set in EEGLAB and save it again",
        )
    renamed = path.with_suffix(".fdt").name
    for wanted in (stated, renamed):
        for candidate in (*given, path.parent / wanted):
            if candidate.name == wanted and candidate.is_file():
                return candidate, wanted == stated
    raise FormatError(
        "the file of samples is missing", subject=str(path), place="data", expected=stated, found="no such file"
    )


def _signal(
    path: Path, found: Struct, shape: tuple[int, int], given: Sequence[Path], warnings: list[dict[str, str]]
) -> np.ndarray[Any, Any]:
    data = found["data"]
    if isinstance(data, str):
        file, as_stated = _samples_file(path, data, given)
        refuse_pointer(file)
        if not as_stated:
            warnings.append(warning("renamed", path.name, f"the samples are in {file.name}, stated is {data[:80]}"))
        unit = f"bytes ({shape[0]} channels of {shape[1]} float32)"
        require_length(file, file.stat().st_size, shape[0] * shape[1] * 4, unit=unit)
        samples = np.fromfile(file, dtype="<f4").reshape(shape[1], shape[0])
        refuse_text_damage(file, samples.view(np.uint8).ravel())
        return np.ascontiguousarray(samples.T, dtype=np.float32)
    array = np.asarray(data)
    if array.dtype.kind not in "biuf" or array.size != shape[0] * shape[1] or array.shape[0] != shape[0]:
        raise FormatError(
            "the samples do not have the stated shape",
            subject=str(path),
            place="data",
            expected=f"{shape[0]} channels of {shape[1]}",
            found=f"{array.dtype} {array.shape}",
        )
    # Epochs are the third axis; the first samples of an epoch follow the last of the one before.
    return np.ascontiguousarray(array.reshape(shape, order="F"))


def _channels(path: Path, found: Struct, n_channels: int) -> list[Channel]:
    places = _structs(found.get("chanlocs"))
    if places and len(places) != n_channels:
        raise FormatError(
            "the channels do not match their number",
            subject=str(path),
            place="chanlocs",
            expected=f"{n_channels} channels",
            found=f"{len(places)}",
        )
    common = found.get("ref")
    channels = []
    for place in places or [{}] * n_channels:
        kind, reference = place.get("type"), place.get("ref") or common
        position = [_number(place.get(axis)) for axis in "XYZ"]
        x, y, z = (math.nan if value is None else value for value in position)
        channels.append(
            Channel(
                label=_text(place.get("labels")).strip(),
                source_unit="",
                unit=UNIT,
                unit_origin="assumed",
                kind=kind.strip().lower() if isinstance(kind, str) else "",
                extra={"reference": reference if isinstance(reference, str) else ""},
                position=(x, y, z) if not math.isnan(x + y + z) else None,
                position_unit="unknown",
                position_frame=FRAME,
            )
        )
    return channels


def _text(value: Any) -> str:
    """Return a field as text; numbers without a needless point."""
    if isinstance(value, str):
        return value
    number = _number(value)
    return "" if number is None else str(int(number)) if number == int(number) else repr(number)


def _cuts(events: Sequence[Struct], n_samples: int) -> list[int]:
    """Return the first samples of all segments, from 0; a boundary between samples 100 and 101 has latency 100.5."""
    cuts = {0}
    for event in events:
        latency = _number(event.get("latency"))
        if _text(event.get("type")) == BOUNDARY and latency is not None and math.isfinite(latency):
            cuts.add(math.ceil(latency - 1))
    return sorted(cut for cut in cuts if 0 <= cut < n_samples)


def _annotations(events: Sequence[Struct], rate: Fraction, warnings: list[dict[str, str]]) -> list[Annotation]:
    annotations, without = [], 0
    for event in events:
        latency, lasts = _number(event.get("latency")), _number(event.get("duration"))
        if latency is None or not math.isfinite(latency):
            without += 1
            continue
        annotations.append(
            Annotation(
                onset_s=(Fraction(latency) - 1) / rate,
                duration_s=Fraction(lasts) / rate if lasts is not None and math.isfinite(lasts) else None,
                description=_text(event.get("type")),
            )
        )
    if without:
        message = f"{without} events have no latency; they are rows of eeglab/event only"
        warnings.append(warning("no-latency", "event", message))
    return annotations


def _table(events: Sequence[Struct]) -> xr.Dataset:
    """Return all fields of all events as they are; a column is numbers if nothing else is in it."""
    columns: dict[str, xr.Variable] = {}
    for key in dict.fromkeys(key for event in events for key in event):
        values = [event.get(key) for event in events]
        numbers = [_number(value) for value in values]
        plain = all(
            number is not None or (isinstance(value, np.ndarray) and not value.size) or value is None
            for value, number in zip(values, numbers, strict=True)
        )
        name, about = variable_name(key), f"Field {key!r} of the events"
        if plain:
            unit = "samples" if key in {"latency", "duration"} else "1"
            numeric = np.array([math.nan if number is None else number for number in numbers])
            columns[name] = schema.column("row", numeric, about, unit)
        else:
            columns[name] = schema.column("row", [_text(value) for value in values], about)
    return schema.table(columns, latency="counts samples from 1")
