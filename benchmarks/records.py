"""Many small records of tables, generated: written by the store, and by zarr-python into folders, in one run.

A record is one patient of a cohort: six tables, a hundred columns of forty rows. zarr-python creates the same arrays
with the same codecs, through ``create_group`` and ``create_array``; it neither checks, hashes, flushes, packs nor reads
back, all of which is in the store's time. Times are of the processor, user and system, of all threads.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

RECORDS, GROUPS, COLUMNS, ROWS = 30, 6, 17, 40
DATASET = "generated-records"


def make_record(seed: int) -> xr.DataTree:
    """Return a record of numbers and text; the first table has one row."""
    from connectome import schema

    rng = np.random.default_rng(seed)
    groups = {}
    for group in range(GROUPS):
        rows = ROWS if group else 1
        columns = {}
        for column in range(COLUMNS):
            values: Any = [f"word {number}" for number in rng.integers(0, 100, rows)]
            if column % 4:
                values = (rng.normal(size=rows), rng.integers(0, 100, rows), np.float32(rng.normal(size=rows)))[
                    column % 4 - 1
                ]
            columns[f"column_{column:02d}"] = schema.column("row", values, "Generated", "1" if column % 4 else None)
        groups[f"table_{group}" if group else "subject"] = schema.table(columns)
    return schema.record(groups, title="Generated", subject=f"generated-{seed}")


def write_ours(trees: list[xr.DataTree], root: Path) -> Callable[[int], Any]:
    """Return what writes a record into the store."""
    from connectome.store import Recipe, Repository, write_record

    repository = Repository(root)

    def write(at: int) -> Any:
        recipe = Recipe(source="generated", source_version="1", inputs=(), params={"number": at})
        folder = repository.folder(DATASET)
        return write_record(trees[at], folder, record=f"r{at}", recipe=recipe, staging=repository.staging)

    return write


def write_theirs(trees: list[xr.DataTree], root: Path) -> Callable[[int], Any]:
    """Return what writes a record as a folder with zarr-python."""
    import zarr
    from zarr.codecs import ZstdCodec

    from connectome import schema

    def write(at: int) -> None:
        top = zarr.create_group(str(root / str(at)), zarr_format=3, attributes=dict(trees[at].attrs))
        for path, dataset in schema.groups(trees[at]):
            group = top.create_group(path.strip("/"), attributes=dataset.attrs)
            for name, variable in dataset.variables.items():
                array = group.create_array(
                    name,
                    shape=variable.shape,
                    dtype="string" if variable.dtype.kind == "O" else variable.dtype,
                    chunks=variable.shape,
                    compressors=ZstdCodec(level=3),
                    dimension_names=variable.dims,
                    attributes=variable.attrs,
                )
                array[...] = variable.values

    return write


def run() -> dict[str, Any]:
    """Return milliseconds of processor time for each record, and for each record of a table over all of them."""
    from connectome.store import Repository, open_version

    trees = [make_record(seed) for seed in range(RECORDS)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "ours"
        ours, receipts = _each(write_ours(trees, root))
        theirs, _ = _each(write_theirs(trees, Path(folder) / "theirs"))
        Repository(root).commit(DATASET, receipts)
        version = open_version(DATASET, root=root)
        opened, _ = _each(lambda at: version.open(f"r{at}")["subject"].to_dataset(inherit=False).load())
        alone, _ = _each(lambda at: version.read_table(f"r{at}", "subject"))
    return {
        "records": RECORDS,
        "arrays_per_record": GROUPS * COLUMNS,
        "write_ms": round(ours, 2),
        "write_zarr_python_ms": round(theirs, 2),
        "zarr_python_over_ours": round(theirs / ours, 1),
        "read_one_table_ms": round(alone, 2),
        "open_and_load_one_table_ms": round(opened, 2),
        "open_over_read": round(opened / alone, 1),
    }


def _each(work: Callable[[int], Any]) -> tuple[float, list[Any]]:
    """Do the work for every record; return the median of milliseconds and what came back."""
    times, results = [], []
    for at in range(RECORDS):
        started = time.process_time()
        results.append(work(at))
        times.append((time.process_time() - started) * 1e3)
    return statistics.median(times), results
