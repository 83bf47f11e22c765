"""A multichannel recording between its file and the record: stored samples, channels, rates, annotations.

Readers of single formats fill these values; :func:`to_tree` makes the groups. Every block has one rate, so that
nothing is resampled; times count from the first sample.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from connectome import schema

if TYPE_CHECKING:
    from .bids_sidecars import Sidecars

SIMPLEST_DENOMINATOR = 10**6
STATUS = ("good", "bad")
UNITS = {"degc": "degC", "deg c": "degC", "°c": "degC", "microvolt": "uV", "volt": "V", "%": "percent"}


@dataclass(frozen=True)
class Channel:
    """One channel as its file describes it."""

    label: str
    source_unit: str
    """Unit as written in the file; ``""`` when none is given."""
    unit: str
    """The same in UDUNITS spelling."""
    unit_origin: str = ""
    """``file``, ``channels.tsv`` or ``assumed``; left out, ``file`` wherever the file gives one."""
    kind: str = ""
    """``eeg``, ``ecog``, ``trig``, ...; ``""`` when the file does not say."""
    gain: float = 1.0
    """Physical units per stored step."""
    offset: float = 0.0
    """Physical value of stored zero."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further text of the header: ``reference``, ``transducer``, ``prefilter``."""
    position: tuple[float, float, float] | None = None
    position_unit: str = "m"
    position_frame: str = "head"
    status: str = ""
    """``good`` or ``bad`` where the file says so."""


@dataclass(frozen=True)
class Block:
    """Channels that share one rate."""

    signal: np.ndarray[Any, Any] | xr.Variable
    """Shape (channel, time), stored samples; a lazy variable where they are more than memory should hold."""
    channels: tuple[Channel, ...]
    rate_hz: Fraction
    segments: tuple[tuple[int, int], ...] = ()
    """Half-open sample ranges without gaps inside; empty means one."""
    segment_start_s: tuple[Fraction, ...] = ()
    """Start of each segment; empty where segments follow each other without a known gap."""
    valid: np.ndarray[Any, Any] | None = None
    """Bool, shape (time,) or (channel, time); False where no sample was taken."""
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Annotation:
    """A marked moment or stretch."""

    onset_s: Fraction
    """Seconds after the first sample."""
    duration_s: Fraction | None
    """None when the file gives none."""
    description: str
    kind: str = ""
    channel: str = ""
    label: str = ""
    """What a code means by the table that its format or data set publishes."""


@dataclass(frozen=True)
class Recording:
    """Everything that one recording's files say."""

    blocks: tuple[Block, ...]
    annotations: tuple[Annotation, ...]
    attrs: Mapping[str, Any]
    warnings: tuple[Mapping[str, str], ...] = ()
    tables: Mapping[str, xr.Dataset] = field(default_factory=dict)
    """Further groups by path."""


def warning(code: str, place: str, message: str) -> dict[str, str]:
    """Return a record's warning."""
    return {"code": code, "place": place, "message": message}


def udunits(text: str) -> str:
    """Spell a unit as UDUNITS does (both micro signs become ``u``); what is not known stays as it is."""
    plain = text.strip().replace("µ", "u").replace("μ", "u")
    return UNITS.get(plain.lower(), plain)


def exact_rate(rate_hz: float) -> Fraction:
    """Return the simplest fraction that is this float, or the float's own value where none is simple."""
    simple = Fraction(rate_hz).limit_denominator(SIMPLEST_DENOMINATOR)
    return simple if float(simple) == rate_hz else Fraction(rate_hz)


def on_the_clock(
    recorded_s: Fraction,
    duration_s: Fraction | None,
    rate_hz: Fraction,
    segments: Sequence[tuple[int, int]],
    starts: Sequence[Fraction],
) -> tuple[Fraction, Fraction | None]:
    """Return onset and duration of a mark whose file counts recorded samples only, gaps left out.

    Parameters
    ----------
    recorded_s, duration_s : Fraction
        Recorded samples before the mark and within it, as time.
    rate_hz : Fraction
    segments : sequence of (int, int)
    starts : sequence of Fraction
        When each segment starts after the first sample; none where no gap is known.
    """
    if not starts:
        return recorded_s, duration_s
    firsts = [start / rate_hz for start, _ in segments]
    # What begins at a cut belongs to what follows, what ends there to what precedes it.
    at = max(bisect.bisect_right(firsts, recorded_s) - 1, 0)
    onset = starts[at] + recorded_s - firsts[at]
    if not duration_s:
        return onset, duration_s
    end = recorded_s + duration_s
    at = max(bisect.bisect_left(firsts, end) - 1, 0)
    return onset, starts[at] + end - firsts[at] - onset


def unique_ids(labels: Sequence[str]) -> list[str]:
    """Make channel ids: labels as they are, with ``#2``, ``#3`` at repetitions and ``channel-<n>`` for empty ones."""
    taken, ids = set(labels), []
    seen: Counter[str] = Counter()
    for number, label in enumerate(labels, start=1):
        label = label or f"channel-{number}"
        seen[label] += 1
        chosen = label
        while seen[label] > 1 and (chosen in taken or chosen in ids):
            chosen = f"{label}#{seen[label]}"
            if chosen in taken or chosen in ids:
                seen[label] += 1
        ids.append(chosen)
    return ids


def to_tree(recording: Recording, sidecars: Sidecars, *, group: str) -> xr.DataTree:
    """Make the record: one series per rate, a table of annotations, and what the sidecars add."""
    warnings = list(recording.warnings)
    channels = [channel for block in recording.blocks for channel in block.channels]
    labels = [channel.label for channel in channels]
    repeated = sorted(label for label, n in Counter(labels).items() if n > 1 and label)
    if repeated:
        warnings.append(warning("repeated-labels", "channels", f"labels made unique: {', '.join(repeated)}"))
    joined, remarks = sidecars.join(labels)
    warnings += remarks
    blocks, doubts = _with_units(recording, joined.units)
    warnings += doubts
    warnings += sidecars.doubts([(block.rate_hz, block.signal.shape[1]) for block in recording.blocks])
    groups: dict[str, xr.Dataset] = {}
    at = 0
    ids = unique_ids(labels)
    for name, block in zip(_names(blocks, group), blocks, strict=True):
        part = slice(at, at + len(block.channels))
        at = part.stop
        groups[name] = _series(block, ids[part], joined.rows(part), {**recording.attrs, **sidecars.attrs})
    groups["annotation"] = _annotations(recording.annotations)
    groups.update(sidecars.tables)
    groups.update(recording.tables)
    return schema.record(groups, warnings=[dict(item) for item in warnings])


def _with_units(recording: Recording, stated: Sequence[str]) -> tuple[list[Block], list[dict[str, str]]]:
    """Say of every unit where it comes from; a sidecar's serves where the recording gives none."""
    blocks, differing, at = [], dict[tuple[str, str, str], list[str]](), 0
    # What a reader has converted to SI units is no longer in the unit of which the sidecar speaks.
    converted = "conversion" in recording.attrs
    for block in recording.blocks:
        channels = []
        for channel, other in zip(block.channels, stated[at : at + len(block.channels)], strict=True):
            origin = channel.unit_origin or ("file" if channel.source_unit else "")
            holds = channel.unit
            if other and not converted and origin != "file":
                origin, holds = "channels.tsv", other
            if other and channel.unit and other != channel.unit and not converted:
                differing.setdefault((channel.unit, other, origin), []).append(channel.label)
            channels.append(replace(channel, unit=holds, unit_origin=origin))
        at += len(block.channels)
        blocks.append(replace(block, channels=tuple(channels)))
    remarks = []
    for (own, other, origin), names in differing.items():
        first = f"the recording says {own}" if origin == "file" else f"the recording's format implies {own}"
        last = "the recording's" if origin == "file" else "the sidecar's"
        message = f"{first}, channels.tsv says {other}; {last} holds"
        remarks.append(warning("units-differ", ", ".join(names), message))
    return blocks, remarks


def _names(blocks: Sequence[Block], group: str) -> list[str]:
    if len(blocks) == 1:
        return [group]
    names = [f"{group}/{float(block.rate_hz):g}hz" for block in blocks]
    # One rate in two types of numbers, or two rates that differ in the seventh digit.
    return [f"{name}-{at + 1}" if names.count(name) > 1 else name for at, name in enumerate(names)]


def _series(block: Block, ids: list[str], joined: Mapping[str, xr.Variable], attrs: Mapping[str, Any]) -> xr.Dataset:
    channels = block.channels
    columns = _channel_table(channels)
    # A sidecar that speaks of a channel's kind or status knows more than the file does.
    columns.update(joined)
    scaled = block.signal.dtype.kind != "f" or any((item.gain, item.offset) != (1.0, 0.0) for item in channels)
    known = {channel.unit for channel in channels}
    units = next(iter(known)) if len(known) == 1 else "see channel_unit"
    clock: dict[str, Any] = {"rate_hz": block.rate_hz}
    if block.segment_start_s:
        # With gaps of known length a rate alone would give wrong times after the first gap.
        clock = {
            "time_s": _stamps(block),
            "segment_rate_hz_numerator": block.rate_hz.numerator,
            "segment_rate_hz_denominator": block.rate_hz.denominator,
        }
    signal = block.signal
    if isinstance(signal, xr.Variable):
        # A stand-in of the same shape that takes no memory: what is lazy must not be read to be described.
        signal = np.broadcast_to(np.zeros((), dtype=signal.dtype), signal.shape)
    made = schema.series(
        signal,
        channel=ids,
        units=units or "unknown",
        long_name="Signal as stored",
        channels=columns,
        gain=np.array([channel.gain for channel in channels]) if scaled else None,
        offset=np.array([channel.offset for channel in channels]) if scaled else None,
        segments=block.segments or None,
        valid=block.valid,
        **clock,
        **{**attrs, **block.attrs},
    )
    if isinstance(block.signal, xr.Variable):
        described = made["signal"].attrs
        made["signal"] = block.signal.copy(deep=False)
        made["signal"].attrs = described
    return made


def _channel_table(channels: Sequence[Channel]) -> dict[str, xr.Variable]:
    texts = {
        "source_label": ([channel.label for channel in channels], "Label in the source"),
        "kind": ([channel.kind for channel in channels], "Kind of signal, where it is stated"),
        "channel_unit": ([channel.unit for channel in channels], "Unit of the physical signal"),
        "source_unit": ([channel.source_unit for channel in channels], "Unit as written in the source"),
        "unit_origin": ([channel.unit_origin for channel in channels], "Where the unit is stated"),
    }
    for name in sorted({name for channel in channels for name in channel.extra}):
        texts[name] = ([channel.extra.get(name, "") for channel in channels], f"{name.capitalize()} as in the header")
    columns = {name: schema.column("channel", values, long_name) for name, (values, long_name) in texts.items()}
    if any(channel.status for channel in channels):
        columns["status"] = schema.category(
            "channel", [channel.status for channel in channels], STATUS, "Status of the channel"
        )
    placed = [channel for channel in channels if channel.position is not None]
    if placed:
        unit, frame = placed[0].position_unit, placed[0].position_frame
        for at, axis in enumerate("xyz"):
            values = [math.nan if channel.position is None else channel.position[at] for channel in channels]
            columns[axis] = schema.column("channel", np.array(values), f"Sensor position, {axis}", unit, frame=frame)
    return columns


def _stamps(block: Block) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the time of every sample; exact at the start of each segment."""
    rate, pieces = block.rate_hz, []
    for (start, stop), begin in zip(block.segments, block.segment_start_s, strict=True):
        index = np.arange(stop - start, dtype=np.float64)
        pieces.append(float(begin) + index * rate.denominator / rate.numerator)
    return np.concatenate(pieces)


def _annotations(annotations: Sequence[Annotation]) -> xr.Dataset:
    durations = [math.nan if item.duration_s is None else float(item.duration_s) for item in annotations]
    labels = [item.label for item in annotations]
    meaning = {"label": schema.column("row", labels, "Meaning of the code by its published table")}
    return schema.table(
        {
            "onset_s": schema.column(
                "row", np.array([float(item.onset_s) for item in annotations]), "Onset after the first sample", "s"
            ),
            "duration_s": schema.column("row", np.array(durations), "Duration, where one is given", "s"),
            "description": schema.column("row", [item.description for item in annotations], "Text as in the source"),
            "kind": schema.column("row", [item.kind for item in annotations], "Kind of marker, where it is stated"),
            "channel": schema.column("row", [item.channel for item in annotations], "Channel it belongs to, if any"),
            **(meaning if any(labels) else {}),
        }
    )
