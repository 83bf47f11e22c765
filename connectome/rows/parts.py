"""The tables that one group of one record gives, by kind of data; columns are known before a value is read.

==========  ================================================================================================
kind        tables (suffix of the name: rows)
==========  ================================================================================================
``table``   none: the rows
``graph``   ``nodes``, ``edges`` (with the ids of both ends beside their indices)
``series``  ``signal`` (blocks of one channel's samples), ``channels``, ``time`` (blocks of stamps), ``segments``
``events``  ``events`` (with unit id and seconds beside the tick), ``units``, ``observed``
``volume``  none: one row that describes the image; ``voxels`` (blocks of stored numbers in C order)
==========  ================================================================================================

Cells stay small (:data:`SAMPLES_PER_ROW`), because viewers refuse rows of many megabytes. Pointers (``out_ptr``,
``unit_order``, ...) follow from the columns and are left out. Variables along any other dimension give a table of
their own, named after the dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.schema.events import times_s
from connectome.schema.series import FRAME_CLOCK, time_s

from .columns import BYTES, TEXT, Column, column_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SAMPLES_PER_ROW", "Part", "parts"]

SAMPLES_PER_ROW = 1 << 16
"""Most values in one cell: 512 kB of float64."""
BLOCK_BYTES = 32 << 20
"""Read about this much at a time."""
BLOCK_ROWS = 1 << 20
"""Rows read at a time: the chunk length of long columns."""
SLAB = 64
"""Planes of a volume read at a time: the edge of its chunks."""

Values = Mapping[str, "np.ndarray[Any, Any]"]
"""Column to values, rows first; a missing column is null in every row, as are NaN and ``""`` in single cells."""


@dataclass(frozen=True)
class Part:
    """One table of one group of one record."""

    suffix: str
    columns: tuple[Column, ...]
    n_rows: int
    read: Callable[[], Iterator[Values]]
    """Yields the rows in blocks; values of list columns have more dimensions than one."""
    primary: bool = False
    """Whether this is what the group is about."""


def parts(dataset: xr.Dataset, *, samples_per_row: int = SAMPLES_PER_ROW) -> list[Part]:
    """Return the tables of a group.

    Parameters
    ----------
    dataset : xarray.Dataset
        A group of a record; its values are not read.
    samples_per_row : int
        Most samples in a row of ``signal``, ``time`` and ``voxels``.

    Returns
    -------
    list of Part
    """
    return list(_KINDS[schema.kind_of(dataset)](dataset, samples_per_row))


def _along(
    dataset: xr.Dataset,
    dim: str,
    suffix: str,
    *,
    skip: Iterable[str] = (),
    first: Iterable[str] = (),
    more: Mapping[str, tuple[Column, Callable[[slice], np.ndarray[Any, Any]]]] | None = None,
    primary: bool = False,
) -> Part:
    """Make a table of all variables along a dimension, and of columns computed from them (``more``)."""
    own = [str(name) for name, variable in dataset.variables.items() if variable.dims[:1] == (dim,)]
    leading = [name for name in (dim, *first) if name in own]
    names = leading + [name for name in own if name not in leading and name not in skip]
    added = {name: item for name, item in (more or {}).items() if name not in names}
    columns = [column_of(name, dataset.variables[name]) for name in names]
    at = len(leading)
    columns[at:at] = [column for column, _ in added.values()]
    n_rows = int(dataset.sizes.get(dim, 0))

    def read() -> Iterator[Values]:
        for start in range(0, n_rows, BLOCK_ROWS):
            rows = slice(start, min(start + BLOCK_ROWS, n_rows))
            block = {name: _pairs(schema.decode(dataset.variables[name][rows])) for name in names}
            yield block | {name: compute(rows) for name, (_, compute) in added.items()}

    return Part(suffix, tuple(columns), n_rows, read, primary)


def _pairs(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.stack([values.real, values.imag], axis=-1) if values.dtype.kind == "c" else values


def _others(dataset: xr.Dataset, known: Iterable[str]) -> Iterator[Part]:
    """Make a table of every dimension that the kind does not know."""
    dims = dict.fromkeys(str(variable.dims[0]) for variable in dataset.variables.values() if variable.dims)
    for dim in dims:
        if dim not in known:
            yield _along(dataset, dim, dim)


def _table(dataset: xr.Dataset, _: int) -> Iterator[Part]:
    yield _along(dataset, "row", "", primary=True)


def _graph(dataset: xr.Dataset, _: int) -> Iterator[Part]:
    def ids(end: str) -> tuple[Column, Callable[[slice], np.ndarray[Any, Any]]]:
        node = dataset.variables["node"]
        column = Column(f"{end}_node", column_of("node", node).dtype, (), f"Id of the edge's {end}")
        return column, lambda rows: schema.decode(node)[np.asarray(dataset.variables[end][rows].values)]

    yield _along(dataset, "node", "nodes")
    yield _along(
        dataset,
        "edge",
        "edges",
        skip=("out_edge", "in_edge"),
        first=("source", "target"),
        more={"source_node": ids("source"), "target_node": ids("target")},
        primary=True,
    )
    yield from _others(dataset, ("node", "edge", "node_bound"))


def _events(dataset: xr.Dataset, _: int) -> Iterator[Part]:
    seconds = Column("time_s", "float64", (), "Time of the event in seconds", "s")
    unit = Column("unit_id", TEXT, (), "Id of the event's unit")
    yield _along(
        dataset,
        "event",
        "events",
        skip=("unit_order",),
        first=("tick", "unit"),
        more={
            "unit_id": (unit, lambda rows: _texts(dataset, "unit_id")[dataset.variables["unit"][rows].values]),
            "time_s": (seconds, lambda rows: times_s(dataset.isel(event=rows))),
        },
        primary=True,
    )
    yield _along(dataset, "unit_id", "units")
    yield _along(dataset, "interval", "observed")
    yield from _others(dataset, ("event", "unit_id", "interval", "slab", "unit_bound", "observed_set_bound"))


def _texts(dataset: xr.Dataset, name: str) -> np.ndarray[Any, Any]:
    return np.asarray(dataset.variables[name].values).astype(object)


def _series(dataset: xr.Dataset, samples_per_row: int) -> Iterator[Part]:
    signal = dataset.variables["signal"]
    n_channels = signal.shape[0]
    row_bytes = max(1, n_channels * signal.dtype.itemsize)
    blocks = _blocks(dataset, min(samples_per_row, max(1, BLOCK_BYTES // row_bytes)))
    by_channel = "valid" in dataset.variables and dataset.variables["valid"].dims == ("channel", "time")
    columns = [
        Column("channel", TEXT, (), "Channel id"),
        Column("channel_index", "int32", (), "Number of the channel in the record"),
        Column("first_sample", "int64", (), "Number of the first sample"),
        Column("n_samples", "int32", (), "Samples in this row"),
        Column("start_s", "float64", (), "Time of the first sample; none where the source only counts frames", "s"),
        _lists("signal", signal),
    ]
    if by_channel:
        columns.append(_lists("valid", dataset.variables["valid"]))

    def read() -> Iterator[Values]:
        names = _texts(dataset, "channel")
        for start, stop in blocks:
            block = {
                "channel": names,
                "channel_index": np.arange(n_channels, dtype=np.int32),
                "first_sample": np.full(n_channels, start, dtype=np.int64),
                "n_samples": np.full(n_channels, stop - start, dtype=np.int32),
                "start_s": np.full(n_channels, _start_s(dataset, start)),
                "signal": np.asarray(signal[:, start:stop].values),
            }
            if by_channel:
                block["valid"] = np.asarray(dataset.variables["valid"][:, start:stop].values)
            yield block

    yield Part("signal", tuple(columns), n_channels * len(blocks), read, primary=True)
    channels = dataset.drop_vars([name for name in ("signal", "valid") if name in dataset.variables])
    yield _along(channels, "channel", "channels")
    times = [str(name) for name, variable in dataset.variables.items() if variable.dims == ("time",)]
    if times:
        yield _time_blocks(dataset, times, _blocks(dataset, samples_per_row))
    if "segment_start" in dataset.variables:
        yield _along(dataset, "segment", "segments")
    yield from _others(dataset, ("channel", "time", "segment"))


def _time_blocks(dataset: xr.Dataset, names: list[str], blocks: list[tuple[int, int]]) -> Part:
    columns = (
        Column("first_sample", "int64", (), "Number of the first sample"),
        Column("n_samples", "int32", (), "Samples in this row"),
        *(_lists(name, dataset.variables[name]) for name in names),
    )

    def read() -> Iterator[Values]:
        for start, stop in blocks:
            block = {"first_sample": np.array([start]), "n_samples": np.array([stop - start], dtype=np.int32)}
            yield block | {name: schema.decode(dataset.variables[name][start:stop])[None] for name in names}

    return Part("time", columns, len(blocks), read)


def _blocks(dataset: xr.Dataset, size: int) -> list[tuple[int, int]]:
    """Return sample ranges of at most ``size``; none of them reaches over the border of a segment."""
    n_samples = int(dataset.sizes["time"])
    borders = {0, n_samples}
    for name in ("segment_start", "segment_stop"):
        if name in dataset.variables:
            borders.update(int(at) for at in dataset.variables[name].values)
    ordered = sorted(borders)
    return [(at, min(at + size, stop)) for start, stop in pairwise(ordered) for at in range(start, stop, size)]


def _start_s(dataset: xr.Dataset, start: int) -> float:
    return np.nan if dataset.attrs.get("clock") == FRAME_CLOCK else float(time_s(dataset, start, start + 1)[0])


def _lists(name: str, variable: xr.Variable) -> Column:
    described = column_of(name, variable)
    inner = described.shape[variable.ndim - 1 :]
    return Column(name, described.dtype, (None, *inner), described.long_name, described.units)


def _volume(dataset: xr.Dataset, samples_per_row: int) -> Iterator[Part]:
    image = dataset.variables["image"]
    columns = [
        Column("shape", "int64", (None,), "Voxels along each axis"),
        Column("dtype", TEXT, (), "Type of the stored numbers"),
        Column("units", TEXT, (), "Unit of the image"),
        Column("slope", "float64", (), "Physical value per stored step"),
        Column("intercept", "float64", (), "Physical value of stored zero"),
    ]
    row: dict[str, Any] = {
        "shape": np.array([image.shape], dtype=np.int64),
        "dtype": np.array([image.dtype.name], dtype=object),
        "units": np.array([str(image.attrs.get("units", ""))], dtype=object),
        **{name: np.array([dataset.attrs.get(name, np.nan)], dtype=np.float64) for name in ("slope", "intercept")},
    }
    others = [str(name) for name in dataset.variables if name != "image" and str(name) not in row]
    for name in others:
        variable = dataset.variables[name]
        if variable.dtype == np.uint8 and variable.ndim == 1:
            columns.append(Column(name, BYTES, (), str(variable.attrs.get("long_name", ""))))
        else:
            columns.append(column_of(name, dataset[name].expand_dims("row").variable))

    def describe() -> Iterator[Values]:
        for name in others:
            values = schema.decode(dataset.variables[name])
            if values.dtype == np.uint8 and values.ndim == 1:
                row[name] = np.array([values.tobytes()], dtype=object)
            else:
                row[name] = values[None]
        yield row

    yield Part("", tuple(columns), 1, describe, primary=True)
    yield _voxels(image, samples_per_row)


def _voxels(image: xr.Variable, samples_per_row: int) -> Part:
    plane = int(np.prod(image.shape[1:]))
    step = max(1, min(SLAB, BLOCK_BYTES // max(1, plane * image.dtype.itemsize)))
    slabs = [(start, min(start + step, image.shape[0])) for start in range(0, image.shape[0], step)]
    columns = (
        Column("first_voxel", "int64", (), "Number of the first voxel, counted in C order"),
        Column("n_voxels", "int32", (), "Voxels in this row"),
        _lists("values", image),
    )

    def read() -> Iterator[Values]:
        for start, stop in slabs:
            flat = _pairs(np.asarray(image[start:stop].values).reshape(-1))
            whole = len(flat) // samples_per_row * samples_per_row
            full = flat[:whole].reshape(-1, samples_per_row, *flat.shape[1:])
            for at, part in ((0, full), (whole, flat[None, whole:])):
                if part.size:
                    yield {
                        "first_voxel": start * plane + at + samples_per_row * np.arange(len(part), dtype=np.int64),
                        "n_voxels": np.full(len(part), part.shape[1], dtype=np.int32),
                        "values": part,
                    }

    n_rows = sum(-(-(stop - start) * plane // samples_per_row) for start, stop in slabs)
    return Part("voxels", columns, n_rows, read)


_KINDS: Mapping[str, Callable[[Any, int], Iterator[Part]]] = {
    "table": _table,
    "graph": _graph,
    "series": _series,
    "events": _events,
    "volume": _volume,
}
