"""Publishing real worms: published counts and raw numbers are found in the Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from connectome.errors import UsageError
from connectome.pipelines.ingest import ingest
from connectome.pipelines.publish import publish
from connectome.store import Repository, open_version

if TYPE_CHECKING:
    from connectome.store import Version

pytestmark = pytest.mark.data


def ingested(root: Path, mirror: Path, dataset: str, select: str) -> Version:
    """Ingest some records of a dataset from the files at hand."""
    ingest(Repository(root), dataset, mirror=mirror, select=select)
    return open_version(dataset, root=root)


def table(folder: Path, name: str) -> pd.DataFrame:
    """Read a published table as pandas does, without anything of ours."""
    return pd.read_parquet(folder / "data" / name)


def test_whites_connectome_keeps_its_published_counts(data_dir: Path, tmp_path: Path) -> None:
    version = ingested(tmp_path / "store", data_dir / "worm", "celegans-connectomes", "white1986-whole")
    publish(version, tmp_path / "public", dry_run=False, accepted=["none-stated"])
    edges, nodes = (table(tmp_path / "public", f"connectome.{part}") for part in ("edges", "nodes"))
    neurons = set(nodes.loc[nodes["node_kind"] == "neuron", "node"])
    within = edges[edges["source_node"].isin(neurons) & edges["target_node"].isin(neurons)]
    counts = within.groupby("edge_type")["weight"].agg(["size", "sum"])
    # White et al. 1986, whole animal: 2,266 chemical pairs with weight sum 6,509; 569 electrical with 965.
    assert counts.loc["chemical"].tolist() == [2266, 6509]
    assert [569, 965] in counts.loc[counts.index != "chemical"].to_numpy().tolist()
    pd.testing.assert_series_equal(
        nodes["node"].iloc[edges["source"]].reset_index(drop=True), edges["source_node"], check_names=False
    )


def test_a_worms_traces_are_published_to_the_bit_and_refused_without_permission(data_dir: Path, tmp_path: Path) -> None:
    version = ingested(tmp_path / "store", data_dir / "worm", "celegans-activity", "dag2023-2022-07-26-31")
    (record,) = version.manifest.records
    with pytest.raises(UsageError, match="do not allow"):
        publish(version, tmp_path / "public", dry_run=False)
    publish(version, tmp_path / "public", dry_run=False, accepted=["none-stated"])
    rows = table(tmp_path / "public", "activity.signal").sort_values(["channel_index", "first_sample"])
    signal = version.open(record)["activity/signal"].values
    published = np.stack([np.concatenate(cells.to_list()) for _, cells in rows.groupby("channel_index")["signal"]])
    assert published.dtype == signal.dtype
    assert published.tobytes() == signal.tobytes()
    times = np.concatenate(table(tmp_path / "public", "activity.time")["time"].to_list())
    assert times.tobytes() == version.open(record)["activity/time"].values.tobytes()
