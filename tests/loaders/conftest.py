"""Generated stores for the loaders: every number in them is made up here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectome import schema, store
from connectome.schema import category, column

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

STATUSES = ("exact", "normalised", "ambiguous", "duplicate", "unlabelled", "unknown")


def commit(root: Path, dataset: str, records: Mapping[str, xr.DataTree], splits: Any = None) -> store.Version:
    """Write generated records and open the version."""
    repository = store.Repository(root)
    recipe = store.Recipe(source="generated", source_version="1", inputs=())
    receipts = [
        store.write_record(tree, repository.folder(dataset), record=name, recipe=recipe, staging=repository.staging)
        for name, tree in records.items()
    ]
    stored = {split.name: split.as_dict() for split in splits or ()}
    manifest = repository.commit(dataset, receipts, splits=stored).manifest
    return store.open_version(f"{dataset}@{manifest.version}", root=root)


def series(signal: np.ndarray, **options: Any) -> xr.Dataset:
    """Return a series group with generated channel ids."""
    names = options.pop("channel", [str(at + 1) for at in range(signal.shape[0])])
    if not {"rate_hz", "time_s", "frame_start"} & set(options):
        options["rate_hz"] = Fraction(10)
    return schema.series(signal, channel=names, units="1", long_name="Generated signal", **options)


def labels(rows: list[tuple[str, str, str, str]]) -> xr.Dataset:
    """Return a table of identities from (roi, raw label, neuron, status)."""
    text = {
        "roi": ([row[0] for row in rows], "Channel id of the ROI"),
        "raw_label": ([row[1] for row in rows], "Label as the source writes it"),
        "neuron": ([row[2] for row in rows], "Name of the neuron"),
        "candidates": ([row[2] for row in rows], "Neurons that the label fits"),
    }
    columns = {name: column("row", values, long_name) for name, (values, long_name) in text.items()}
    columns["status"] = category("row", [row[3] for row in rows], STATUSES, "What became of the label")
    return schema.table(columns)


def worm(signal: np.ndarray, rows: list[tuple[str, str, str, str]], **options: Any) -> xr.DataTree:
    """Return a generated record like those of worms."""
    return schema.record({"activity": series(signal, **options), "neuron": labels(rows)})


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., store.Version]:
    """Return a function that writes generated records by name and opens the version."""

    def make(records: Mapping[str, xr.DataTree], splits: Any = None, dataset: str = "generated") -> store.Version:
        return commit(tmp_path / "store", dataset, records, splits)

    return make


@pytest.fixture(scope="session")
def commit_records() -> Callable[..., store.Version]:
    """Return :func:`commit`, for stores that several tests share."""
    return commit


@pytest.fixture
def generated() -> Any:
    """Return the functions that make generated groups."""

    class Generated:
        series = staticmethod(series)
        labels = staticmethod(labels)
        worm = staticmethod(worm)
        commit = staticmethod(commit)

    return Generated
