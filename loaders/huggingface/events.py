"""Windows of spikes as rows of Hugging Face datasets: the ticks of every unit, not dense bins.

Bins of 20 ms are nearly all zero and lose the times, the unit and the clock; a row here keeps them all:

=================== ====================== ==================================================================
column              type                   meaning
=================== ====================== ==================================================================
``record``          string                 name of the session
``start_s``         float64                start of the window on the session's clock, included
``stop_s``          float64                its end, excluded
``unit_id``         list of string         the units of the session that pass the filter
``unit``            list of int64          their global ids
``ticks``           list of list of int64  of each unit, in order; ``times_s`` (float64) where ticks are seconds
``tick_hz``         list of int64          ticks per second as numerator and denominator, only beside ``ticks``
``clock_start_s``   float64                time of tick 0, only beside ``ticks``
=================== ====================== ==================================================================

A tick is at ``clock_start_s + tick * denominator / numerator`` seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

from .library import datasets_library

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from ..events.source import EventSource

__all__ = ["to_spike_dataset", "to_spike_iterable"]

Array = np.ndarray[Any, Any]
WINDOWS_PER_BLOCK = 256
"""Windows that are turned into one Arrow table."""


def to_spike_dataset(source: EventSource, indices: Sequence[int] | None = None) -> datasets.Dataset:
    """Return windows as a dataset in memory.

    Parameters
    ----------
    source : EventSource
        The windows.
    indices : sequence of int, optional
        Which of them; default all.

    Returns
    -------
    datasets.Dataset
        Columns as above.

    Raises
    ------
    UsageError
        When some sessions count ticks and others seconds: they have no common type.
    """
    import pyarrow as pa

    library = datasets_library()
    chosen = np.arange(len(source)) if indices is None else np.asarray(indices, dtype=np.int64)
    schema = _schema(source)
    parts = [
        _rows(source, chosen[at : at + WINDOWS_PER_BLOCK], schema) for at in range(0, len(chosen), WINDOWS_PER_BLOCK)
    ]
    table = pa.concat_tables(parts) if parts else schema.empty_table()
    return library.Dataset(library.table.InMemoryTable(table), info=_info(source, schema))


def to_spike_iterable(source: EventSource) -> datasets.IterableDataset:
    """Return all windows as a stream; blocks of neighbouring windows are its shards. Raises as the other does."""
    library = datasets_library()
    starts = list(range(0, len(source), WINDOWS_PER_BLOCK))
    examples = library.iterable_dataset.ArrowExamplesIterable(_stream, {"starts": starts, "source": source})
    return library.IterableDataset(examples, info=_info(source, _schema(source)))


def _stream(starts: list[int], source: EventSource) -> Iterator[tuple[int, pa.Table]]:
    schema = _schema(source)
    for start in starts:
        yield start, _rows(source, np.arange(start, min(start + WINDOWS_PER_BLOCK, len(source))), schema)


def _schema(source: EventSource) -> pa.Schema:
    import pyarrow as pa

    counted = {info.rate is not None for info in source.infos}
    if len(counted) > 1:
        raise UsageError(
            "some sessions count ticks and others seconds",
            subject=source.provenance.dataset,
            found=", ".join(f"{info.record}: {'ticks' if info.rate else 'seconds'}" for info in source.infos[:6]),
            hint="choose records of one kind with records=[...]",
        )
    columns = {
        "record": pa.string(),
        "start_s": pa.float64(),
        "stop_s": pa.float64(),
        "unit_id": pa.list_(pa.string()),
        "unit": pa.list_(pa.int64()),
    }
    if counted == {True}:
        columns |= {
            "ticks": pa.list_(pa.list_(pa.int64())),
            "tick_hz": pa.list_(pa.int64()),
            "clock_start_s": pa.float64(),
        }
    else:
        columns |= {"times_s": pa.list_(pa.list_(pa.float64()))}
    return pa.schema(columns)


def _rows(source: EventSource, indices: Array, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    which, starts = source.index.locate(indices)
    record = source.index.record[which].tolist()
    stops = [float(start + source.index.window) for start in starts]
    values, lengths, ids = [], [], []
    for at, start, stop in zip(record, starts, stops, strict=True):
        chosen = source.chosen[at]
        trains = source.trains(at, float(start), stop)
        part = trains.window(float(start), stop)
        owner, tick = trains.unit[part], trains.tick[part]
        place = np.full(trains.n_units, -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        row = place[owner]
        # Stable, so that the ticks of a unit stay in order.
        order = np.argsort(row, kind="stable")
        values.append(tick[order][np.searchsorted(row[order], 0) :])
        lengths.append(np.bincount(row[row >= 0], minlength=len(chosen)))
        ids.append([source.infos[at].unit_id[unit] for unit in chosen.tolist()])
    inner = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int32)
    outer = np.concatenate([[0], np.cumsum([len(own) for own in lengths])]).astype(np.int32)
    infos = [source.infos[at] for at in record]
    columns: dict[str, Any] = {
        "record": [info.record for info in infos],
        "start_s": [float(start) for start in starts],
        "stop_s": stops,
        "unit_id": ids,
        "unit": [list(range(source.first_id(at), source.first_id(at + 1))) for at in record],
    }
    nested = pa.ListArray.from_arrays(outer, pa.ListArray.from_arrays(inner, pa.array(np.concatenate(values))))
    if "ticks" in schema.names:
        columns["ticks"] = nested
        columns["tick_hz"] = [[info.rate.numerator, info.rate.denominator] for info in infos if info.rate is not None]
        columns["clock_start_s"] = [info.start_s for info in infos]
    else:
        columns["times_s"] = nested
    return pa.table(columns, schema=schema)


def _info(source: EventSource, schema: pa.Schema) -> datasets.DatasetInfo:
    library = datasets_library()
    return library.DatasetInfo(
        features=library.Features.from_arrow_schema(schema),
        dataset_name=source.provenance.dataset,
        config_name=source.group.replace("/", "."),
        version=source.provenance.version,
    )
