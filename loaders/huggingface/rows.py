"""Versions as Hugging Face datasets, straight from the store: no download, no conversion, explicit ``Features``.

Rows, columns and types are those of :mod:`connectome.rows`, the same as in a published version: identifiers first,
values in the source's type. :func:`to_dataset` gives random access, :func:`to_iterable` a stream that is sharded by
record and resumes from its ``state_dict``. :func:`to_spike_dataset` has one row per window of spikes, with the ticks of
every unit, and :func:`to_nifti_dataset` one row per patient with a ``Nifti`` column per volume.

The library's own formats ``"numpy"`` and ``"torch"`` turn lists of floats into float32 and lists of integers into
int64 (datasets 5.2, ``formatting/np_formatter.py``); ask for ``with_format("numpy", dtype=numpy.float64)`` or
``with_format("arrow")`` where that matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.atomic import publish, temporary
from connectome.rows import (
    DEFAULT_SPLIT,
    SAMPLES_PER_ROW,
    Table,
    arrow_schema,
    batches,
    choose,
    records_of,
    tables,
)
from connectome.store import Version, open_version
from connectome.store.canonical import json_digest

from ..reading.specs import as_version
from .library import datasets_library

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

__all__ = ["features", "table_names", "to_dataset", "to_iterable"]

FINGERPRINT_CHARACTERS = 16
"""As many as the library's own fingerprints have."""


@dataclass(frozen=True)
class _Rows:
    """One table of one version, as it travels to another process."""

    root: str
    spec: str
    table: Table


def table_names(spec: str | Version, *, root: str | Path | None = None) -> list[str]:
    """Return the tables of a version that :func:`to_dataset` takes as ``config``."""
    return list(tables(as_version(spec, root=root)))


def features(spec: str | Version, config: str | None = None, *, root: str | Path | None = None) -> datasets.Features:
    """Return the features of a table: one per column, typed as the source types it.

    Parameters
    ----------
    spec, config, root
        As in :func:`to_dataset`.

    Returns
    -------
    datasets.Features
    """
    return _features(choose(tables(as_version(spec, root=root)), config))


def to_dataset(
    spec: str | Version,
    config: str | None = None,
    *,
    split: str | None = None,
    split_name: str = DEFAULT_SPLIT,
    root: str | Path | None = None,
    samples_per_row: int = SAMPLES_PER_ROW,
    cache_dir: str | Path | None = None,
) -> datasets.Dataset:
    """Open a table of a version as a ``datasets.Dataset``.

    Parameters
    ----------
    spec : str or Version
        ``"name"``, ``"name@1.2.0"``, ``"name@tag"``, or an opened version.
    config : str, optional
        A table (``"activity.signal"``; see :func:`table_names`) or a group, whose main table is meant; may be left
        out where the version has one group only.
    split : str, optional
        Only records of this part of the stored split ``split_name``; default all records.
    split_name : str
        Name of a split that is stored with the version.
    root : path or URL, optional
        The store; default ``CONNECTOME_ROOT``, else the user's data folder.
    samples_per_row : int
        Most samples in one row of a signal; a row never reaches over the border of a segment.
    cache_dir : path, optional
        Keep the table there as an Arrow file and map it into memory, for tables that memory cannot hold; the same
        request finds the file again. By default the table is held in memory.

    Returns
    -------
    datasets.Dataset
        Its fingerprint depends on the version's digest and the arguments only.

    Raises
    ------
    NotFoundError
        When there is no such version, table, split or part.
    UsageError
        When ``config`` is needed, or the split cuts records in time.
    """
    library = datasets_library()
    version = as_version(spec, root=root)
    table = choose(tables(version, samples_per_row=samples_per_row), config)
    records = _records(version, table, split, split_name)
    fingerprint = json_digest([version.digest, table.name, samples_per_row, records])[:FINGERPRINT_CHARACTERS]
    if cache_dir is None:
        held = _arrow(version, table, records)
        content = library.table.InMemoryTable(held)
    else:
        file = Path(cache_dir) / version.dataset / version.version / f"{table.name}-{fingerprint}.arrow"
        if not file.is_file():
            _write(version, table, records, file)
        content = library.table.MemoryMappedTable.from_file(str(file))
    return library.Dataset(content, info=_info(version, table), split=_named(split), fingerprint=fingerprint)


def to_iterable(
    spec: str | Version,
    config: str | None = None,
    *,
    split: str | None = None,
    split_name: str = DEFAULT_SPLIT,
    root: str | Path | None = None,
    samples_per_row: int = SAMPLES_PER_ROW,
) -> datasets.IterableDataset:
    """Open a table of a version as a ``datasets.IterableDataset``.

    Records are its shards: workers and ranks share them, ``shuffle`` reorders them, and ``state_dict`` resumes in the
    middle of one. Values are read when they are asked for; every process opens the store for itself. With
    ``with_format("arrow")`` or ``"numpy"`` no row ever becomes Python lists.

    Parameters
    ----------
    spec, config, split, split_name, root, samples_per_row
        As in :func:`to_dataset`.

    Returns
    -------
    datasets.IterableDataset
    """
    library = datasets_library()
    version = as_version(spec, root=root)
    table = choose(tables(version, samples_per_row=samples_per_row), config)
    place = version.repository.root.name
    rows = _Rows(place if "://" in place else str(Path(place).resolve()), version.spec, table)
    source = library.iterable_dataset.ArrowExamplesIterable(
        _stream, {"records": _records(version, table, split, split_name), "rows": rows}
    )
    return library.IterableDataset(source, info=_info(version, table), split=_named(split))


def _stream(records: list[str], rows: _Rows) -> Iterator[tuple[tuple[int, int], pa.Table]]:
    """Yield one Arrow table per block of rows; called in whatever process iterates."""
    import pyarrow as pa

    version = open_version(rows.spec, root=rows.root)
    for number, record in enumerate(records):
        for at, batch in enumerate(batches(version, rows.table, records=[record])):
            yield (number, at), pa.Table.from_batches([batch])


def _records(version: Version, table: Table, split: str | None, name: str) -> list[str]:
    # A table about the version is one shard without a name.
    if split is None or not table.group:
        return list(table.n_rows)
    return [record for record in records_of(version, split, name=name) if record in table.n_rows]


def _arrow(version: Version, table: Table, records: list[str]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches(batches(version, table, records=records), schema=arrow_schema(table))


def _write(version: Version, table: Table, records: list[str], file: Path) -> None:
    import pyarrow as pa

    with temporary(file) as part:
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_stream(sink, arrow_schema(table)) as writer:
            for batch in batches(version, table, records=records):
                writer.write_batch(batch)
        publish(part, file)


def _features(table: Table) -> datasets.Features:
    return datasets_library().Features.from_arrow_schema(arrow_schema(table))


def _info(version: Version, table: Table) -> datasets.DatasetInfo:
    about = version.manifest.about
    return datasets_library().DatasetInfo(
        description=str(about.get("description", "")),
        citation=version.cite("bibtex"),
        homepage=str(about.get("homepage", "")),
        license=str(about.get("licence") or "none-stated"),
        features=_features(table),
        dataset_name=version.dataset,
        config_name=table.name,
        version=version.version,
    )


def _named(split: str | None) -> Any:
    return None if split is None else datasets_library().NamedSplit(split)
