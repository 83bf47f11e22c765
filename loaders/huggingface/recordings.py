"""Windows of recordings as rows of Hugging Face datasets: epochs around events, windows around seizures, or any.

=================== ============================== ====================================================================
column              type                           meaning
=================== ============================== ====================================================================
``dataset``         string                         ``NAME@VERSION``
``record``          string                         name of the recording
``file``            string                         path of its file below the store's root
``group``           string                         the series in it
``start``           int64                          first sample of the window, of the view
``n_samples``       int64
``start_s``         float64                        seconds after the recording's first sample; null without a clock
``stop_s``          float64                        its end, excluded
``rate_hz``         list of int64                  numerator and denominator; null without an exact rate
``view``            string                         filters and rate of the view (JSON); empty for samples as stored
``channel``         list of string                 the channels that the recording has of those asked for
``signal``          list of list of float32        (channel, time); NaN where a sample does not count; left out without
                                                   ``signal=True``
``subject``         string                         only of labelled windows
``label``           ClassLabel                     only of labelled windows
``row``             int64                          row of the table of events; null where none is meant; as ``label``
=================== ============================== ====================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..recordings import LabelledSource
from .library import datasets_library

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from ..recordings.windows import WindowSource

__all__ = ["recording_features", "to_recording_dataset", "to_recording_iterable"]

Array = np.ndarray[Any, Any]
WINDOWS_PER_BLOCK = 64
"""Windows that are turned into one Arrow table."""


def recording_features(source: WindowSource, *, signal: bool = True) -> datasets.Features:
    """Return the features of the rows."""
    library = datasets_library()
    value, many = library.Value, library.List
    columns = {
        "dataset": value("string"),
        "record": value("string"),
        "file": value("string"),
        "group": value("string"),
        "start": value("int64"),
        "n_samples": value("int64"),
        "start_s": value("float64"),
        "stop_s": value("float64"),
        "rate_hz": many(value("int64")),
        "view": value("string"),
        "channel": many(value("string")),
    }
    if signal:
        columns["signal"] = many(many(value(source.dtype.name)))
    if isinstance(source, LabelledSource):
        columns |= {
            "subject": value("string"),
            "label": library.ClassLabel(names=list(source.label_names)),
            "row": value("int64"),
        }
    return library.Features(columns)


def to_recording_dataset(
    source: WindowSource, indices: Sequence[int] | None = None, *, signal: bool = True
) -> datasets.Dataset:
    """Return windows as a dataset in memory.

    Parameters
    ----------
    source : WindowSource
        The windows: plain, epochs, or labelled by seizures.
    indices : sequence of int, optional
        Which of them; default all.
    signal : bool
        Whether rows hold the samples; without, they say where the samples are.

    Returns
    -------
    datasets.Dataset
        Columns as above.
    """
    import pyarrow as pa

    library, features = datasets_library(), recording_features(source, signal=signal)
    chosen = np.arange(len(source)) if indices is None else np.asarray(indices, dtype=np.int64)
    blocks = [chosen[at : at + WINDOWS_PER_BLOCK] for at in range(0, len(chosen), WINDOWS_PER_BLOCK)]
    parts = [_rows(source, block, features.arrow_schema, signal=signal) for block in blocks]
    table = pa.concat_tables(parts) if parts else features.arrow_schema.empty_table()
    return library.Dataset(library.table.InMemoryTable(table), info=_info(source, features))


def to_recording_iterable(source: WindowSource, *, signal: bool = True) -> datasets.IterableDataset:
    """Return all windows as a stream; blocks of neighbouring windows are its shards."""
    library, features = datasets_library(), recording_features(source, signal=signal)
    starts = list(range(0, len(source), WINDOWS_PER_BLOCK))
    examples = library.iterable_dataset.ArrowExamplesIterable(
        _stream, {"starts": starts, "source": source, "signal": signal}
    )
    return library.IterableDataset(examples, info=_info(source, features))


def _stream(starts: list[int], source: WindowSource, signal: bool) -> Iterator[tuple[int, pa.Table]]:
    schema = recording_features(source, signal=signal).arrow_schema
    for start in starts:
        block = np.arange(start, min(start + WINDOWS_PER_BLOCK, len(source)))
        yield start, _rows(source, block, schema, signal=signal)


def _rows(source: WindowSource, indices: Array, schema: pa.Schema, *, signal: bool) -> pa.Table:
    import pyarrow as pa

    which, start = source.index.locate(indices)
    record, size = source.index.record[which], source.index.window[which]
    start_s, stop_s = source.bounds_s(record, start, size)
    numbers = record.tolist()
    here = {at: np.flatnonzero(source.present(at)) for at in set(numbers)}
    names = {at: np.array(source.channels_of(at), dtype=object) for at in here}
    rates = [source.infos[at].segment_rate_hz for at in numbers]
    columns: dict[str, Any] = {
        "dataset": [f"{source.provenance.dataset}@{source.provenance.version}"] * len(numbers),
        "record": [source.records[at] for at in numbers],
        "file": [source.files[at] for at in numbers],
        "group": [source.group] * len(numbers),
        "start": start,
        "n_samples": size,
        "start_s": pa.array(start_s, from_pandas=True),
        "stop_s": pa.array(stop_s, from_pandas=True),
        "rate_hz": [None if rate is None else [rate.numerator, rate.denominator] for rate in rates],
        "view": [source.provenance.view] * len(numbers),
        "channel": [names[at][here[at]].tolist() for at in numbers],
    }
    if signal:
        columns["signal"] = _signals(source, indices, numbers, size, here)
    if isinstance(source, LabelledSource):
        labels = source.labels_of(indices)
        columns["subject"] = [source.subjects[at] for at in numbers]
        columns["label"] = labels["label"]
        columns["row"] = pa.array(labels["row"], mask=labels["row"] < 0)
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _signals(source: WindowSource, indices: Array, record: list[int], size: Array, here: dict[int, Array]) -> Any:
    """Return nested lists without a Python number in between."""
    import pyarrow as pa

    windows = source.windows(indices)
    values = np.where(windows.mask, windows.signal, np.nan).astype(source.dtype)
    parts = [values[at, here[of], : int(size[at])] for at, of in enumerate(record)]
    inner = np.repeat([part.shape[1] for part in parts], [part.shape[0] for part in parts])
    inner_ends = np.concatenate([[0], np.cumsum(inner)]).astype(np.int32)
    outer_ends = np.concatenate([[0], np.cumsum([part.shape[0] for part in parts])]).astype(np.int32)
    flat = pa.array(np.concatenate([part.ravel() for part in parts]))
    return pa.ListArray.from_arrays(outer_ends, pa.ListArray.from_arrays(inner_ends, flat))


def _info(source: WindowSource, features: datasets.Features) -> datasets.DatasetInfo:
    return datasets_library().DatasetInfo(
        features=features,
        dataset_name=source.provenance.dataset,
        config_name=source.group.replace("/", "."),
        version=source.provenance.version,
    )
