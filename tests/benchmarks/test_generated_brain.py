"""The generated brain: how near it comes to the published one, and that its files are what Voreen would write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.brain import (
    ATLAS_COLUMNS,
    BRAIN_EDGES,
    BRAIN_NODES,
    EDGE_COLUMNS,
    MEAN_END_DEGREE,
    MEANS,
    NODE_COLUMNS,
    GeneratedBrain,
    write_generated_brain,
)
from connectome import schema
from connectome.pipelines.formats import read

N_NODES = 30_000
N_EDGES = round(N_NODES * BRAIN_EDGES / BRAIN_NODES)
ATLAS = {315: ("70FF71", "Isocortex"), 1089: ("7ED04B", "HPF"), 512: ("F0F080", "CB")}


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> GeneratedBrain:
    return write_generated_brain(
        tmp_path_factory.mktemp("brain"), n_nodes=N_NODES, n_edges=N_EDGES, seed=1, atlas=ATLAS
    )


@pytest.fixture(scope="module")
def edges(brain: GeneratedBrain) -> pd.DataFrame:
    return pd.read_csv(brain.edges, sep=";")


@pytest.fixture(scope="module")
def nodes(brain: GeneratedBrain) -> pd.DataFrame:
    return pd.read_csv(brain.nodes, sep=";")


@pytest.mark.parametrize("name", MEANS)
def test_means_of_vessels_are_within_two_percent_of_the_published_ones(name: str, edges: pd.DataFrame) -> None:
    # As the published ones: without self loops and without what Voreen could not measure.
    measured = edges[(edges["distance"] > 0) & (edges["volume"] >= 0)]
    assert measured[name].mean() == pytest.approx(MEANS[name], rel=0.02)


def test_the_published_means_are_transcribed_right(data_dir: Path) -> None:
    import json

    brain = json.loads((data_dir / "vessel" / "published_stats" / "published_stats.json").read_text())["BALBc_no1"]
    assert {name: brain["edge_means"][name] for name in MEANS} == dict(MEANS)
    assert (brain["nodes"], brain["edges_processed"]) == (BRAIN_NODES, BRAIN_EDGES)
    both = brain["edge_means"]["node1_degree"] + brain["edge_means"]["node2_degree"]
    assert both / 2 == pytest.approx(MEAN_END_DEGREE)


def test_degrees_count_rows_and_are_spread_like_the_published_ones(nodes: pd.DataFrame, edges: pd.DataFrame) -> None:
    ends = edges[["node1id", "node2id"]].to_numpy()
    counted = np.bincount(ends.ravel(), minlength=N_NODES)
    assert (counted == nodes["degree"]).all()
    assert np.array_equal(np.sort(counted[ends], axis=1), edges[["node1_degree", "node2_degree"]])
    assert counted.mean() == pytest.approx(2 * BRAIN_EDGES / BRAIN_NODES, rel=1e-4)
    assert (counted**2).sum() / counted.sum() == pytest.approx(MEAN_END_DEGREE, rel=0.01)


def test_ids_distances_and_shares_of_odd_rows_are_like_those_of_the_real_export(
    nodes: pd.DataFrame, edges: pd.DataFrame
) -> None:
    assert tuple(nodes.columns) == NODE_COLUMNS
    assert tuple(edges.columns) == EDGE_COLUMNS
    assert (nodes["id"] == np.arange(N_NODES)).all()
    assert (edges["id"] == np.arange(N_EDGES)).all()
    leaves = nodes[nodes["degree"] == 1]
    assert len(leaves) == leaves["id"].max() + 1
    assert leaves["pos_z"].is_monotonic_increasing
    position, ends = nodes[["pos_x", "pos_y", "pos_z"]].to_numpy(), edges[["node1id", "node2id"]].to_numpy()
    apart = np.linalg.norm(position[ends[:, 0]] - position[ends[:, 1]], axis=1)
    assert np.allclose(apart, edges["distance"], rtol=1e-5, atol=0.01)
    loops = ends[:, 0] == ends[:, 1]
    assert loops.mean() == pytest.approx(0.004, abs=0.001)
    pairs = np.sort(ends[~loops], axis=1)
    assert 0.002 < 1 - len(np.unique(pairs, axis=0)) / len(pairs) < 0.015
    assert 0 < (edges["volume"] == -1).mean() < 0.002
    straight = edges[edges["distance"] > 0]
    assert (straight["curveness"] >= 1).all()
    assert (edges[edges["num_voxels"] == 1][["minRadiusStd", "roundnessStd"]] == 0).all(axis=None)


def test_equal_seeds_give_equal_bytes(brain: GeneratedBrain, tmp_path: Path) -> None:
    again = write_generated_brain(tmp_path, n_nodes=N_NODES, n_edges=N_EDGES, seed=1)
    assert again.edges.read_bytes() == brain.edges.read_bytes()
    assert again.nodes.read_bytes() == brain.nodes.read_bytes()


def test_the_companion_names_a_structure_of_every_node(brain: GeneratedBrain, nodes: pd.DataFrame) -> None:
    assert brain.atlas is not None
    companion = pd.read_csv(brain.atlas)
    assert tuple(companion.columns) == ATLAS_COLUMNS
    assert companion[list(NODE_COLUMNS)].equals(nodes)
    assert {
        label: (row["Region_ColorHex"].iloc[0], row["Region_Acronym"].iloc[0])
        for label, row in companion.groupby("Blob_AtlasLabel")
    } == ATLAS


def test_acronyms_with_commas_and_quotes_are_written_and_read_back(tmp_path: Path) -> None:
    names = {7: ("70FF71", "CUL4, 5"), 8: ("7ED04B", 'the "inner" part'), 9: ("188064", "AN")}
    made = write_generated_brain(tmp_path, n_nodes=300, n_edges=453, atlas=names)
    assert made.atlas is not None
    label = pd.read_csv(made.atlas)["Blob_AtlasLabel"]
    assert set(label) == set(names)
    graph = read([made.nodes, made.edges, made.atlas], "voreen", voxel_size_um=3)["vessels"].to_dataset()
    expected = [names[label[row]][1] for row in graph["node_row"].values]
    assert schema.decode(graph["region"]).tolist() == expected


def test_counts_unlike_a_brain_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not like a brain"):
        write_generated_brain(tmp_path, n_nodes=1000, n_edges=5000)
    assert list(tmp_path.iterdir()) == []
