"""Tables of a version as Parquet files, the same bytes every time.

Row groups and files are cut by the size of their content, so that viewers can show them (the Hub's reads whole row
groups and refuses those above 300 MB); nothing in a file depends on time, place or the number of threads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import UsageError
from connectome.rows import DEFAULT_SPLIT, Table, arrow_schema, batches, is_whole

from .values import PublishedSplit, PublishedTable, describe_file

if TYPE_CHECKING:
    import pyarrow as pa

    from connectome.store import Version

__all__ = ["NO_PART", "UNSPLIT", "WHOLE", "division", "write_tables"]

UNSPLIT = "train"
"""The Hub's name for data without any split."""
WHOLE = "whole"
"""For rows that a stored split does not divide: calling them ``train`` would invite to train on test data."""
NO_PART = "unassigned"
"""For records that the stored split leaves out."""
ROW_GROUP_BYTES = 32 << 20
SHARD_BYTES = 400 << 20
WRITER: Mapping[str, Any] = {
    "compression": "zstd",
    "compression_level": 3,
    "version": "2.6",
    "data_page_version": "1.0",
    "use_dictionary": True,
    "write_statistics": True,
    "write_page_index": True,
    "store_schema": True,
}
"""Every option that decides bytes is pinned."""


def division(version: Version) -> dict[str, list[str]] | None:
    """Return the Hub's splits and their records.

    Returns
    -------
    dict of str to list of str, or None
        From the stored split ``default`` where it consists of whole records; None where it cuts records in time, and
        then nothing is divided; ``{"train": all}`` where no such split is stored.

    Raises
    ------
    UsageError
        When two parts would have one name on the Hub.
    """
    split = version.splits.get(DEFAULT_SPLIT)
    everything = list(version.manifest.records)
    if split is None:
        return {UNSPLIT: everything}
    if not is_whole(split):
        return None
    parts: dict[str, list[str]] = {}
    for part in split.parts:
        # The Hub takes letters, digits and underscores.
        name = re.sub(r"\W", "_", part)
        if name in parts or name in {WHOLE, NO_PART}:
            raise UsageError("two parts of the split would have one name on the Hub", subject=part, found=name)
        parts[name] = [record for record in split.records(part) if record in version.manifest.records]
    assigned = {record for records in parts.values() for record in records}
    left = [record for record in everything if record not in assigned]
    return {**parts, **({NO_PART: left} if left else {})}


def write_tables(version: Version, listed: Iterable[Table], folder: Path) -> list[PublishedTable]:
    """Write tables below ``folder`` as ``data/<table>/<split>-00000-of-0000N.parquet``.

    Parameters
    ----------
    version : Version
        The version that the tables were listed from.
    listed : iterable of Table
        Tables to write; those without a row are left out.
    folder : Path
        The folder that is to be published.

    Returns
    -------
    list of PublishedTable
        In the order given.
    """
    parts = division(version)
    stored = DEFAULT_SPLIT in version.splits
    written = []
    for table in listed:
        if parts is None or (stored and not table.group):
            chosen: dict[str, list[str]] = {WHOLE: list(table.n_rows)}
        elif not table.group:
            chosen = {UNSPLIT: list(table.n_rows)}
        else:
            chosen = {name: [item for item in records if item in table.n_rows] for name, records in parts.items()}
        splits = {
            name: _write_split(version, table, name, records, folder)
            for name, records in chosen.items()
            if sum(table.n_rows[record] for record in records)
        }
        if splits:
            written.append(PublishedTable(table, splits))
    return written


def _write_split(version: Version, table: Table, split: str, records: list[str], folder: Path) -> PublishedSplit:
    import pyarrow.parquet as pq

    place = folder / "data" / table.name
    place.mkdir(parents=True, exist_ok=True)
    described = arrow_schema(table)
    parts: list[Path] = []
    n_rows = n_bytes = in_file = 0
    writer: Any = None
    try:
        for group in _row_groups(batches(version, table, records=records), described):
            if writer is None or in_file >= SHARD_BYTES:
                if writer is not None:
                    writer.close()
                parts.append(place / f".{split}-{len(parts):05d}.part")
                writer, in_file = pq.ParquetWriter(parts[-1], described, **WRITER), 0
            writer.write_table(group, row_group_size=group.num_rows)
            in_file += group.nbytes
            n_bytes += group.nbytes
            n_rows += group.num_rows
    finally:
        if writer is not None:
            writer.close()
    files = []
    for number, part in enumerate(parts):
        path = f"data/{table.name}/{split}-{number:05d}-of-{len(parts):05d}.parquet"
        part.rename(folder / path)
        files.append(describe_file(folder, path))
    return PublishedSplit(n_rows, n_bytes, tuple(files))


def _row_groups(found: Iterator[pa.RecordBatch], described: pa.Schema) -> Iterator[pa.Table]:
    """Join small batches and cut large ones into row groups of about the same size."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    size = 0
    for batch in found:
        n_rows = max(1, ROW_GROUP_BYTES * batch.num_rows // max(1, batch.nbytes))
        for start in range(0, batch.num_rows, n_rows):
            piece = batch.slice(start, n_rows)
            held.append(piece)
            size += piece.nbytes
            if size >= ROW_GROUP_BYTES:
                yield pa.Table.from_batches(held, schema=described).combine_chunks()
                held, size = [], 0
    if held:
        yield pa.Table.from_batches(held, schema=described).combine_chunks()
