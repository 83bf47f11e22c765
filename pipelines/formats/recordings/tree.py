"""The groups of a record that a recording makes: series, annotations, and what its sidecars add."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from connectome import schema
from connectome.schema import warning

from .recording import STATUS, Annotation, Block, Channel, Recording, unique_ids
from .units import GivenUnit, with_units

if TYPE_CHECKING:
    from .bids_sidecars import Sidecars

__all__ = ["to_tree"]


def to_tree(recording: Recording, sidecars: Sidecars, *, group: str, given: GivenUnit | None = None) -> xr.DataTree:
    """Make the record: one series per rate, a table of annotations, and what the sidecars add.

    Parameters
    ----------
    recording : Recording
    sidecars : Sidecars
    group : str
        Path of the signal; with several rates each becomes ``<group>/<rate>hz``.
    given : GivenUnit, optional
        What the importer says of the channels' unit.

    Raises
    ------
    UsageError
        When the given unit cannot be.
    """
    warnings = list(recording.warnings)
    channels = [channel for block in recording.blocks for channel in block.channels]
    labels = [channel.label for channel in channels]
    repeated = sorted(label for label, n in Counter(labels).items() if n > 1 and label)
    if repeated:
        warnings.append(warning("repeated-labels", "channels", f"labels made unique: {', '.join(repeated)}"))
    joined, remarks = sidecars.join(labels)
    warnings += remarks
    blocks, doubts = with_units(recording, joined.units, given)
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
    if not blocks:
        # Nothing else of such a file says when its clock began: a hypnogram beside a night, for one.
        groups["annotation"].attrs.update({**recording.attrs, **sidecars.attrs})
    groups.update(sidecars.tables)
    groups.update(recording.tables)
    return schema.record(groups, warnings=[dict(item) for item in warnings])


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
