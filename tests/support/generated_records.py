"""Generated records of every kind, small and different from one another. Nothing here was measured."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from connectome import schema
from connectome.store import Receipt, Recipe, Repository, write_record

if TYPE_CHECKING:
    import xarray as xr


def generated_record(value: float = 0.0, *, subject: str = "generated") -> xr.DataTree:
    """Return a record with one tiny series that holds one number."""
    series = schema.series(
        np.full((2, 8), value), channel=["a", "b"], units="1", long_name="Generated", time_s=np.arange(8.0)
    )
    return schema.record({"activity": series}, title="Generated", subject=subject)


def generated_zoo(seed: int = 0) -> xr.DataTree:
    """Return a record with a group of every kind and every awkward value that a record may hold."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(5, 3000))
    signal[1, 7:20] = np.nan
    counts = rng.integers(-(2**15), 2**15, size=(4, 5000)).astype(">i2")
    n_edges = 40
    kinds = ["neuron"] * 8 + ["muscle", ""]
    return schema.record(
        {
            "activity": schema.series(
                signal,
                channel=[f"roi{at}" for at in range(5)],
                units="1",
                long_name="Generated ratio",
                time_s=np.cumsum(rng.uniform(0.5, 0.7, size=3000)) + 1.2e6,
                channels={"channel_label": schema.column("channel", ["AVAL", "", "ü ☃", "?", "AVAR"], "Label")},
                valid=~np.isnan(signal),
                segments=[(0, 1000), (1200, 3000)],
            ),
            "ecog": schema.series(
                counts,
                channel=list("abcd"),
                units="uV",
                long_name="Generated voltage",
                rate_hz=Fraction(2_000_000, 1001),
                gain=np.full(4, 0.1),
            ),
            "spikes": schema.events(
                rng.integers(0, 30_000, size=500),
                rng.integers(0, 6, size=500),
                unit_id=[str(at) for at in range(7)],
                observed_s=[(0.0, 0.5), (0.75, 1.0)],
                tick_hz=Fraction(30_000),
            ),
            "connectome": schema.graph(
                node=[f"n{at}" for at in range(10)],
                source=rng.integers(0, 10, size=n_edges),
                target=rng.integers(0, 10, size=n_edges),
                edge_type=["chemical"] * 30 + ["gap_junction"] * 10,
                edge_types={
                    name: {"directed": directed, "weight_units": "1", "weight_meaning": "generated", "lineage": "none"}
                    for name, directed in (("chemical", True), ("gap_junction", False))
                },
                weight=rng.integers(0, 9, size=n_edges),
                nodes={"node_kind": schema.category("node", kinds, ["muscle", "neuron"], "Kind")},
            ),
            "image/t1w": schema.volume(
                rng.integers(0, 255, size=(70, 9, 130), dtype=np.uint8),
                affine=np.diag([1.0, 2.0, 3.0, 1.0]),
                units="1",
                long_name="Generated intensity",
                header=bytes(range(256)),
                transforms={"qform": (np.eye(4), 1), "sform": (np.eye(4), 0)},
            ),
            "table/empty": schema.table({"number": schema.column("row", np.zeros(0), "Nothing", "1")}),
            "table/full": schema.table(
                {
                    "flag": schema.column("row", np.array([True, False, True]), "Truth"),
                    "half": schema.column("row", np.array([0.5, np.inf, -0.0], dtype=np.float16), "Halves", "s"),
                    "big": schema.column("row", np.array([2**63, 2**64 - 1, 0], dtype=np.uint64), "Large ids", "1"),
                    "kind": schema.category("row", ["b", "", "a"], ["a", "b"], "Kind", ordered=True),
                    "text": schema.column("row", ["", "two\nlines", "日本"], "Text"),
                }
            ),
        },
        title="Generated zoo",
        subject="generated",
        warnings=[{"code": "generated", "place": "/", "message": "nothing here was measured"}],
    )


def generated_recipe(name: str = "generated", value: object = 0, *, version: str = "1") -> Recipe:
    """Return the recipe of a generated record."""
    file = {"path": f"{name}.generated", "sha256": f"{value}", "bytes": 1, "verified": False}
    return Recipe("generated", version, (file,))


def put(
    repository: Repository, dataset: str, record: str, value: float = 0.0, *, subject: str = "generated"
) -> Receipt:
    """Write a generated record into a store, without committing it."""
    return write_record(
        generated_record(value, subject=subject),
        repository.folder(dataset),
        record=record,
        recipe=generated_recipe(record, value),
        staging=repository.staging,
    )
