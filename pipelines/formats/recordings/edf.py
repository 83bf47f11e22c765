"""EDF, EDF+, BDF and BDF+: stored integers with gain and offset, every rate on its own, gaps as gaps.

Other readers bring all signals to one rate and read a discontinuous file (``EDF+D``) as if it had no gaps; here
signals of equal rate form a block, and the records' own time stamps decide where segments begin. The header and the
annotation signals are kept byte by byte as well (groups ``edf/header`` and ``edf/annotations``), so that
``connectome export --to edf`` gives the file back.

Kemp et al. 1992, doi:10.1016/0013-4694(92)90009-7; Kemp and Olivan 2003, doi:10.1016/s1388-2457(03)00123-8;
https://www.edfplus.info/specs/edfplus.html. BDF is the same with 24-bit samples, https://www.biosemi.com/faq/file_format.htm.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError
from connectome.schema import warning

from ..files.pointers import refuse_pointer
from .edf_annotations import read_annotations
from .edf_header import BDF_START, EDF_START, RANGES, RECORD_DURATION, Header, read_header, records_of, to_number
from .recording import Annotation, Block, Channel, Recording, udunits

if TYPE_CHECKING:
    import xarray as xr

# Label prefixes that EDF+ standardises, https://www.edfplus.info/specs/edftexts.html.
KINDS = {"EEG", "ECG", "EOG", "ERG", "EMG", "MEG", "MCG", "EP", "Temp", "Resp", "SaO2", "Light", "Sound", "Event"}


def is_edf(path: Path) -> bool:
    """Tell whether a file starts as EDF or BDF does."""
    with path.open("rb") as file:
        return file.read(8) in {EDF_START, BDF_START}


def read_recording(path: Path) -> Recording:
    """Read signals and annotations.

    Raises
    ------
    TruncatedError
        When the file is shorter than its header says.
    FormatError
        When it is longer, when a field of the header is not what it must be, when annotations cannot be read, or when
        a text program has changed the file.
    """
    refuse_pointer(path)
    warnings: list[dict[str, str]] = []
    header, records = records_of(read_header(path), warnings)
    if b"," in header.raw[RECORD_DURATION]:
        warnings.append(warning("decimal-comma", "record duration", "a comma is read as a decimal point"))
    starts, marked = read_annotations(header, records, warnings)
    first = starts[0] if starts else Fraction(0)
    segments, segment_starts = _segments(header, [start - first for start in starts], warnings)
    for number, n_samples in enumerate(header.samples):
        if not n_samples:
            place = f"signal {number + 1} ({header.signals[number]['label']})"
            warnings.append(warning("no-samples", place, "a signal without samples is only in the header"))
    blocks = [
        _block(header, records, members, at, segments, segment_starts, warnings)
        for at, members in enumerate(header.rate_groups())
    ]
    attrs: dict[str, Any] = {"file_format": header.variant, **header.attrs}
    if first:
        attrs["first_sample_after_start_s"] = float(first)
    return Recording(
        blocks=tuple(blocks),
        annotations=tuple(Annotation(onset - first, duration, text) for onset, duration, text in marked),
        attrs=attrs,
        warnings=tuple(warnings),
        tables=_as_in_the_file(header, records),
    )


def _as_in_the_file(header: Header, records: np.ndarray[Any, Any]) -> dict[str, xr.Dataset]:
    """Return the header and the annotation signals byte by byte."""
    parts = [
        records[:, header.place_of(number)] for number in range(len(header.signals)) if header.is_annotation(number)
    ]
    whole = {"edf/header": ("Header", np.frombuffer(header.raw, dtype=np.uint8))}
    if parts:
        whole["edf/annotations"] = ("Annotation signals, record by record", np.concatenate(parts, axis=1).ravel())
    return {
        name: schema.table({"byte": schema.column("row", content, f"{what} as in the file, byte by byte", "1")})
        for name, (what, content) in whole.items()
    }


def _block(
    header: Header,
    records: np.ndarray[Any, Any],
    members: Sequence[int],
    position: int,
    segments: Sequence[tuple[int, int]],
    segment_starts: Sequence[Fraction],
    warnings: list[dict[str, str]],
) -> Block:
    n_samples = header.samples[members[0]]
    signal = np.empty((len(members), header.n_records * n_samples), dtype=np.int32 if header.bdf else np.int16)
    for row, number in enumerate(members):
        signal[row] = _samples(header, records, number).ravel()
    return Block(
        signal,
        tuple(_channel(header, number, warnings) for number in members),
        n_samples / header.record_s,
        segments=tuple((start * n_samples, stop * n_samples) for start, stop in segments),
        segment_start_s=tuple(segment_starts),
        attrs={"edf_position": position},
    )


def _samples(header: Header, records: np.ndarray[Any, Any], number: int) -> np.ndarray[Any, Any]:
    """Return the stored samples of one signal, shape (record, sample)."""
    part = np.ascontiguousarray(records[:, header.place_of(number)])
    if not header.bdf:
        return part.view("<i2").astype(np.int16, copy=False)
    # 24 bits go into the upper three bytes of 32, then an arithmetic shift brings the sign along.
    wide = np.zeros((*part.shape[:1], part.shape[1] // 3, 4), dtype=np.uint8)
    wide[..., 1:] = part.reshape(part.shape[0], -1, 3)
    shifted: np.ndarray[Any, Any] = wide.view("<i4")[..., 0] >> 8
    return shifted


def _channel(header: Header, number: int, warnings: list[dict[str, str]]) -> Channel:
    signal = header.signals[number]
    scale = header.scale(number)
    if scale is None:
        place = f"signal {number + 1} ({signal['label']})"
        warnings.append(warning("no-scale", place, "the header's physical or digital range is empty: values unknown"))
    gain, offset = scale or (float("nan"), float("nan"))
    warnings += _doubts_of_range(header, number)
    prefix, _, rest = signal["label"].partition(" ")
    kind = prefix.lower() if prefix in KINDS and rest else ""
    if header.bdf and signal["label"] == "Status":
        kind = "trig"
    return Channel(
        label=signal["label"],
        source_unit=signal["unit"],
        unit=udunits(signal["unit"]),
        kind=kind,
        gain=gain,
        offset=offset,
        extra={name: signal[name] for name in ("transducer", "prefilter")},
    )


def _doubts_of_range(header: Header, number: int) -> list[dict[str, str]]:
    """Say what of a signal's ranges the specification does not allow; they hold as they are written."""
    signal = header.signals[number]
    place, found = f"signal {number + 1} ({signal['label']})", []
    if any("," in signal[name] for name in RANGES):
        found.append(warning("decimal-comma", place, "a comma is read as a decimal point"))
    top = 2 ** (8 * header.sample_bytes - 1)
    least, most = (to_number(header.path, signal[name], f"{place}, {name}") for name in RANGES[2:])
    if not -top <= least < most < top and least != most:
        message = f"the digital range {signal['digital_min']} to {signal['digital_max']} is not one of the format"
        found.append(warning("odd-digital-range", place, message))
    return found


def _segments(
    header: Header, starts: Sequence[Fraction], warnings: list[dict[str, str]]
) -> tuple[list[tuple[int, int]], list[Fraction]]:
    """Return ranges of records without gaps between them and their starts; nothing where the file is in one piece."""
    if not starts or header.record_s <= 0:
        return [], []
    # Starts are written with few decimals; less than half a sample is rounding.
    tolerance = header.record_s / max(header.samples) / 2
    cuts = [0]
    for record in range(1, header.n_records):
        expected = starts[cuts[-1]] + (record - cuts[-1]) * header.record_s
        if starts[record] < expected - tolerance:
            raise FormatError(
                "a record starts before the one before it ends",
                subject=str(header.path),
                place=f"record {record + 1}",
                expected=f"{float(expected):g} s or later",
                found=f"{float(starts[record]):g} s",
            )
        if starts[record] > expected + tolerance:
            cuts.append(record)
    if len(cuts) == 1:
        return [], []
    if not header.variant.endswith("D"):
        message = f"{len(cuts) - 1} gaps in a file that calls itself continuous; the records' times hold"
        warnings.append(warning("gaps", "annotations", message))
    return list(zip(cuts, [*cuts[1:], header.n_records], strict=True)), [starts[cut] for cut in cuts]
