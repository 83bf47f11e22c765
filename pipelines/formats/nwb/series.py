"""TimeSeries of an NWB session as ``series`` groups: own clock, source dtype, conversion as gain, copied lazily.

NWB Schema 2.x, ``TimeSeries``: value = data * conversion + offset, with ``channel_conversion`` per channel for
ElectricalSeries; the clock is ``timestamps`` or ``starting_time`` with ``rate``. Images and everything of more than
two dimensions stay where they are: a row of ``images/NAME`` says which array of the file that is.
"""

from __future__ import annotations

import weakref
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from connectome.errors import FormatError
from connectome.schema import column, series, table, warning
from connectome.store.references import ENCODING

from ..recordings.recording import unique_ids
from .columns import column_names, row_count
from .layout import layout_of_series
from .tree import ArrayNode, GroupNode, open_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..files.elsewhere import FileElsewhere
    from .tables import Warnings

__all__ = [
    "Clock",
    "by_reference",
    "clock_of",
    "event_table",
    "joined_series",
    "read_series",
    "table_series",
    "units_of",
]

Array = np.ndarray[Any, Any]

LAZY_BYTES = 64 << 20
"""Arrays beyond this are read when they are written, block by block."""
_UNITS = {"volts": "V", "seconds": "s", "meters": "m", "radian": "radian", "radians": "radian", "degrees": "degree",
          "centimeters": "cm", "unitless": "1", "n/a": "unknown", "": "unknown", "unknown": "unknown"}  # fmt: skip


class Clock:
    """When the samples of a series were taken; ``arguments`` are those of :func:`connectome.schema.series`."""

    def __init__(self, arguments: dict[str, Any], length: int | None, key: Any) -> None:
        self.arguments, self.length, self.key = arguments, length, key


def clock_of(item: GroupNode, n_samples: int, warnings: Warnings) -> Clock | None:
    """Return the clock of a TimeSeries; None, with a warning, where its stamps are no clock.

    Raises
    ------
    FormatError
        When there is another number of stamps than of samples, or a link of stamps leads nowhere.
    """
    if "timestamps" in item.names() or item.array("timestamps") is not None:
        stored = item.array("timestamps")
        if stored is None or stored.kind != "number" or len(stored.shape) != 1:
            raise FormatError(
                "stamps are not there", subject=item.subject, place=f"{item.path}/timestamps",
                expected="numbers, or a link to them",
                found=stored.kind if stored is not None else f"a link to {item.target('timestamps')}",
            )  # fmt: skip
        if stored.shape[0] != n_samples:
            raise FormatError(
                "samples and stamps differ in number", subject=item.subject, place=f"{item.path}/timestamps",
                expected=f"{n_samples} stamps", found=f"{stored.shape[0]} stamps",
            )  # fmt: skip
        stamps = stored.read().astype(np.float64)
        if not np.isfinite(stamps).all() or (np.diff(stamps) < 0).any():
            warnings.append(
                warning("bad-clock", f"{item.path}/timestamps", "stamps are missing or go back; not stored")
            )
            return None
        return Clock({"time_s": stamps}, len(stamps), stamps.tobytes())
    start = item.array("starting_time")
    if start is None or "rate" not in start.attrs:
        warnings.append(warning("no-clock", item.path, "neither stamps nor a rate; frames are counted from 0"))
        return Clock({"frame_start": 0}, None, "frames")
    rate = Fraction(str(float(start.attrs["rate"]))) if np.isfinite(float(start.attrs["rate"])) else Fraction(0)
    begin = float(np.asarray(start.read()).ravel()[0])
    if rate <= 0 or not np.isfinite(begin):
        raise FormatError(
            "not a sampling rate and a start", subject=item.subject, place=start.path,
            found=f"{start.attrs['rate']}, {begin}",
        )  # fmt: skip
    return Clock({"rate_hz": rate, "start_s": begin}, None, (rate, begin))


def units_of(data: ArrayNode) -> str:
    """Return the unit of a series, in UDUNITS where its word is known; ``unknown`` where there is none."""
    given = str(data.attrs.get("unit", "")).strip()
    return _UNITS.get(given.lower(), given)


def read_series(item: GroupNode, path: Path | FileElsewhere, warnings: Warnings, root: GroupNode) -> xr.Dataset | None:
    """Read one TimeSeries of one or two dimensions; None where it is not one, or has no clock.

    Parameters
    ----------
    item : GroupNode
        The series.
    path : pathlib.Path or FileElsewhere
        The container, to be opened again when large samples are written.
    warnings : list of dict
        Gets what is odd but usable.
    root : GroupNode
        To find the electrodes.
    """
    data = item.array("data")
    if data is None or data.kind != "number" or len(data.shape) not in {1, 2}:
        return None
    clock = clock_of(item, data.shape[0], warnings)
    if clock is None:
        return None
    n_channels = data.shape[1] if len(data.shape) == 2 else 1
    ids, channels = _channels(item, n_channels, root, warnings)
    return _laid_out(_made(item, data, _signal(data, path), clock, ids, channels), path, [data])


def joined_series(container: GroupNode, members: Sequence[GroupNode], path: Path | FileElsewhere) -> xr.Dataset | None:
    """Join the one-dimensional series of a container that share clock, type and unit; None where they do not."""
    arrays = [item.array("data") for item in members]
    if len(members) < 2 or any(one is None or one.kind != "number" or len(one.shape) != 1 for one in arrays):
        return None
    data = [one for one in arrays if one is not None]
    if (
        len(
            {
                (one.dtype, one.shape, units_of(one), one.attrs.get("conversion"), one.attrs.get("offset"))
                for one in data
            }
        )
        > 1
    ):
        return None
    doubts: Warnings = []
    clocks = [clock_of(item, data[0].shape[0], doubts) for item in members]
    if doubts or any(clock is None or clock.key != (clocks[0].key if clocks[0] else None) for clock in clocks):
        return None
    assert clocks[0] is not None
    signal = np.stack([one.read() for one in data])
    ids = [item.name for item in members]
    made = _made(container, data[0], signal, clocks[0], ids, {}, about=str(members[0].attrs.get("description", "")))
    return _laid_out(made, path, data)


def _laid_out(made: xr.Dataset, path: Path | FileElsewhere, data: Sequence[ArrayNode]) -> xr.Dataset:
    """Leave word of where the samples lie in the file, for a store that refers to them."""
    layout = layout_of_series(path, [one.piece() for one in data], made["signal"].shape)
    if layout is not None:
        made.variables["signal"].encoding[ENCODING] = layout
    return made


def _made(
    item: GroupNode, data: ArrayNode, signal: Array | xr.Variable, clock: Clock, ids: list[str],
    channels: dict[str, xr.Variable], about: str = "",
) -> xr.Dataset:  # fmt: skip
    gain, offset = _scale(item, data, len(ids))
    text = str(item.attrs.get("description", "")) or about
    text = "" if text in {"no description", "N/A"} else text
    lazy = isinstance(signal, xr.Variable)
    comments = str(item.attrs.get("comments", ""))
    frame = item.text("reference_frame")
    made = series(
        # A stand-in of the same shape that takes no memory: what is lazy must not be read to be described.
        np.broadcast_to(np.zeros((), dtype=data.dtype), signal.shape) if lazy else np.asarray(signal),
        channel=ids,
        units=units_of(data),
        long_name=text or f"{item.name}, as the source gives it",
        gain=gain,
        offset=offset,
        channels=channels,
        source=item.path,
        source_unit=str(data.attrs.get("unit", "")),
        **clock.arguments,
    )
    made.attrs.update({"comments": comments} if comments not in {"no comments", ""} else {})
    made.attrs.update({"reference_frame": frame} if frame else {})
    if isinstance(signal, xr.Variable):
        described = made["signal"].attrs
        made["signal"] = signal.copy(deep=False)
        made["signal"].attrs = described
    return made


def _scale(item: GroupNode, data: ArrayNode, n_channels: int) -> tuple[Array | None, Array | None]:
    """Return gain and offset per channel; None for floats that the source does not scale."""
    gain = np.full(n_channels, _number(data, "conversion", 1.0))
    offset = np.full(n_channels, _number(data, "offset", 0.0))
    each = item.array("channel_conversion")
    if each is not None and each.kind == "number" and each.shape == (n_channels,):
        gain = gain * each.read().astype(np.float64)
    scaled = (gain != 1.0).any() or (offset != 0.0).any() or data.dtype.kind in "iu"
    return (gain, offset) if scaled else (None, None)


def _number(data: ArrayNode, name: str, default: float) -> float:
    value = data.attrs.get(name, default)
    found = float(value) if isinstance(value, (int, float)) else default
    if not np.isfinite(found):
        raise FormatError("not a number", subject=data.subject, place=f"{data.path}.{name}", found=str(value))
    return found


def _channels(
    item: GroupNode, n_channels: int, root: GroupNode, warnings: Warnings
) -> tuple[list[str], dict[str, xr.Variable]]:
    """Return ids and, for electrical series, the rows of their electrodes."""
    positions = [str(number) for number in range(n_channels)] if n_channels != 1 else [item.name]
    region = item.array("electrodes")
    if region is None or region.kind != "number":
        return positions, {}
    rows = region.read().ravel().astype(np.int64)
    found = root.at(str(region.attrs.get("table", "")) or "/general/extracellular_ephys/electrodes")
    if len(rows) != n_channels:
        warnings.append(
            warning("electrodes-differ", region.path, f"{len(rows)} electrodes for {n_channels} channels; not joined")
        )
        return positions, {}
    columns = {"electrode": column("channel", rows, "Row of the table of electrodes", "1")}
    identity = found.array("id") if isinstance(found, GroupNode) else None
    if identity is None or identity.kind != "number":
        return positions, columns
    known = identity.read()
    if rows.size and (rows.min() < 0 or rows.max() >= len(known)):
        raise FormatError(
            "index beyond data", subject=item.subject, place=region.path,
            expected=f"rows below {len(known)} of {getattr(found, 'path', '')}", found=str(int(rows.max())),
        )  # fmt: skip
    return unique_ids([str(one) for one in known[rows].tolist()]), columns


def table_series(source: GroupNode, warnings: Warnings) -> xr.Dataset | None:
    """Return a DynamicTable that is samples over time (``timestamps`` and columns of floats) as a series, else None."""
    names = column_names(source)
    clock = source.array("timestamps")
    rest = [name for name in names if name != "timestamps"]
    arrays = [source.array(name) for name in rest]
    if (
        clock is None
        or "timestamps" not in names
        or not rest
        or len({one.dtype for one in arrays if one is not None}) != 1
    ):
        return None
    n_rows = row_count(source)
    if any(one is None or one.kind != "number" or one.dtype.kind != "f" or one.shape != (n_rows,) for one in arrays):
        return None
    identity = source.array("id")
    if identity is not None and not np.array_equal(identity.read(), np.arange(n_rows)):
        return None
    made = clock_of(source, n_rows, warnings)
    if made is None:
        return None
    text = str(source.attrs.get("description", ""))
    return series(
        np.stack([one.read() for one in arrays if one is not None]), channel=rest, units="unknown",
        long_name=text or f"{source.name}, as the source gives it", source=source.path, **made.arguments,
    )  # fmt: skip


def event_table(item: GroupNode, warnings: Warnings) -> xr.Dataset | None:
    """Return texts with stamps (AnnotationSeries) as a table; None where it is none."""
    data = item.array("data")
    if data is None or data.kind != "text" or len(data.shape) != 1:
        return None
    clock = clock_of(item, data.shape[0], warnings)
    if clock is None or "time_s" not in clock.arguments:
        return None
    columns = {
        "time": column("row", clock.arguments["time_s"], "Stamp as given by the source", "s"),
        "value": column("row", data.read(), f"{item.name} as the source gives it"),
    }
    return table(columns, source=item.path)


def by_reference(item: GroupNode, data: ArrayNode | None) -> xr.Dataset:
    """Return a table of one row that says where in the file an image or a larger array lies."""
    words = {
        "path": (item.path if data is None else data.path, "Path inside the file"),
        "type": (item.type, "Type of the object"),
        "shape": (
            "" if data is None else " ".join(map(str, data.shape)),
            "Sizes of the dimensions, separated by blanks",
        ),
        "dtype": (
            "" if data is None else data.dtype.name if data.kind == "number" else data.kind,
            "Type of the values",
        ),
        "unit": ("" if data is None else str(data.attrs.get("unit", "")), "Unit as the source gives it"),
        "description": (str(item.attrs.get("description", "")), "Description by the source"),
        "external_file": (_joined(item.text("external_file")), "Files outside the session that hold the images"),
        "format": (_joined(item.text("format")), "Format of the images"),
    }
    return table({name: column("row", [value], about) for name, (value, about) in words.items()}, source=item.path)


def _joined(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "; ".join(value)


def _signal(data: ArrayNode, path: Path | FileElsewhere) -> Array | xr.Variable:
    data.check_size(slice(0, 1))
    if data.dtype.itemsize * int(np.prod(data.shape, dtype=np.int64)) <= LAZY_BYTES:
        values = data.read()
        return np.ascontiguousarray(np.atleast_2d(values.T))
    shape = (data.shape[1] if len(data.shape) == 2 else 1, data.shape[0])
    return xr.Variable(("channel", "time"), indexing.LazilyIndexedArray(_Stored(path, data.path, shape, data.dtype)))


class _Stored(BackendArray):  # type: ignore[no-untyped-call,misc]
    """Samples of a container, transposed to (channel, time) as they are read.

    The container is opened for as long as a block is read: an array that outlives its reader holds no file.
    """

    def __init__(self, path: Path | FileElsewhere, place: str, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self._path, self._place, self.shape, self.dtype = path, place, shape, dtype
        self._kept: tuple[int, int, Array] | None = None

    def drop(self) -> None:
        """Let go of the block."""
        self._kept = None

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._take)

    def _take(self, key: tuple[Any, ...]) -> Any:
        channels, times = key
        low, high, step = times.indices(self.shape[1]) if isinstance(times, slice) else (times, times + 1, 1)
        if step < 0:
            block = self._block(0, self.shape[1])
            return block[channels, times]
        block = self._block(low, max(low, high))
        return block[channels, ::step] if isinstance(times, slice) else block[channels, 0]

    def _block(self, low: int, high: int) -> Array:
        """Return samples ``low`` to ``high`` of all channels, out of a block of 64 MiB that is read at once."""
        if self._kept is None or not self._kept[0] <= low <= high <= self._kept[1]:
            samples = max(high - low, LAZY_BYTES // max(1, self.shape[0] * self.dtype.itemsize))
            stop = min(self.shape[1], low + samples)
            with open_tree(self._path) as root:
                node = root.at(self._place)
                if not isinstance(node, ArrayNode):
                    raise FormatError("an array is no longer there", subject=str(self._path), place=self._place)
                values = node.read(slice(low, stop))
            self._kept = (low, stop, np.atleast_2d(values.T))
            _last_block(self)
        start, _, held = self._kept
        return held[:, low - start : high - start]


_holder: list[weakref.ref[_Stored]] = []


def _last_block(stored: _Stored) -> None:
    """Let one array at a time hold a block."""
    for other in (item() for item in _holder):
        if other is not None and other is not stored:
            other.drop()
    _holder[:] = [weakref.ref(stored)]
