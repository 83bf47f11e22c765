"""Generated versions with a group of every kind, for tests of what reads whole versions. All numbers are made up.

Other tests reach it through the fixture ``all_kinds``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema, store
from connectome.splits import Split
from connectome.splits.split import Entry

if TYPE_CHECKING:
    import xarray as xr

DATASET = "generated-all-kinds"
LICENSED = {
    "title": "Generated: all kinds | with *marks*",
    "description": "Made up for a test; <b>no animal</b> was seen.",
    "licence": "CC-BY-4.0",
    "species": ["Caenorhabditis elegans"],
    "kinds": ["events", "graph", "series", "table", "volume"],
    "keywords": ["generated"],
    "citation": [
        {"authors": ["Doe, Jane", "The Consortium"], "title": "Generated data", "year": 2026, "doi": "10.1/x"}
    ],
}


def tree(seed: int) -> xr.DataTree:
    """Return a generated record; types of some columns depend on the parity of the seed."""
    numbers = np.random.default_rng(seed)
    traces = numbers.standard_normal((3, 200)).astype(np.float32 if seed % 2 else np.float64)
    traces[1, 5] = np.nan
    eeg = numbers.integers(-(2**15), 2**15, (2, 100)).astype(np.int16)
    weight = np.array([1.5, 2.0, 2.0**-30]) if seed % 2 else np.array([1, 2**62 + 1, 3])
    image = numbers.integers(0, 200, (5, 6, 7)).astype(np.uint8)
    column, category = schema.column, schema.category
    groups = {
        "activity": schema.series(
            traces,
            channel=["AVAL", "AVAR", f"roi-{seed}"],
            units="1",
            long_name="Fluorescence",
            time_s=np.sort(numbers.random(200)),
            channels={"position": column(("channel", "axis"), numbers.random((3, 3)), "Position", "um")},
        ),
        "eeg": schema.series(
            eeg,
            channel=["Fz", "Cz"],
            units="uV",
            long_name="Voltage",
            rate_hz=Fraction(250, 3),
            start_s=2.0,
            gain=np.array([0.1, 0.2]),
            segments=[(0, 40), (40, 100)],
        ),
        "wiring": schema.graph(
            node=["AVAL", "AVAR", "VA01"],
            source=np.array([0, 0, 2]),
            target=np.array([1, 1, 2]),
            edge_type=["chemical", "chemical", "electrical"],
            edge_types={
                name: {"directed": True, "weight_units": "1", "weight_meaning": "sections", "lineage": "generated"}
                for name in ("chemical", "electrical")
            },
            weight=weight,
        ),
        "unit/spikes": schema.events(
            np.array([931, 5, 931]), np.array([1, 0, 0]), unit_id=["a", "b", "silent"], observed_s=[(0.0, 1.0)],
            tick_hz=Fraction(1000),
        ),
        "labels/mask": schema.volume(
            image, affine=np.diag([2.0, 2, 2, 1]), units="1", long_name="Mask", header=b"\x00header\xff", slope=0.5
        ),
        "trials": schema.table(
            {
                "group": column("row", ["one", "", "two"], "A column that is called like an identifier"),
                "onset": column("row", np.array([0.1, 1 / 3, np.nan]), "Onset", "s"),
                "side": category("row", ["left", None, "right"], ["left", "right"], "Side"),
                "good": column("row", np.array([True, False, True]), "Good"),
            }
        ),
    }  # fmt: skip
    if seed == 0:
        del groups["eeg"]
    warnings = [{"code": "odd", "place": "/trials", "message": "generated"}] if seed == 1 else None
    return schema.record(groups, warnings=warnings, title=f"Generated {seed}", age=seed or 0.5)


def recipe(seed: int, source: str = "generated") -> store.Recipe:
    """Return a recipe of one made-up file."""
    file = {"path": f"file-{seed}.bin", "sha256": f"{seed:064x}", "bytes": seed, "verified": True}
    return store.Recipe(source=source, source_version="1", inputs=(file,))


def whole_split(parts: Mapping[str, Sequence[str]], name: str = "default") -> Split:
    """Return a split of whole records."""
    entries = tuple(Entry(record, part) for part, records in parts.items() for record in records)
    return Split(name=name, plan={"kind": "generated"}, entries=entries, groups={})


def commit(
    root: Path,
    records: Mapping[str, xr.DataTree] | None = None,
    *,
    dataset: str = DATASET,
    splits: Sequence[Split] = (),
    about: Mapping[str, Any] | None = None,
    rejected: Sequence[Mapping[str, str]] = (),
) -> store.Version:
    """Write generated records (default four with all kinds) and open the version."""
    repository = store.Repository(root)
    given = records if records is not None else {f"animal-{seed}": tree(seed) for seed in range(4)}
    receipts = [
        store.write_record(item, repository.folder(dataset), record=name, recipe=recipe(at), staging=repository.staging)
        for at, (name, item) in enumerate(given.items())
    ]
    stored = {split.name: split.as_dict() for split in splits}
    made = repository.commit(
        dataset, receipts, splits=stored, about=LICENSED if about is None else about, rejected=rejected
    )
    return store.open_version(f"{dataset}@{made.manifest.version}", root=root)
