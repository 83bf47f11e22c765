"""The one real Voreen export of VesselGraph, sampled where it lies, against its own tables and published counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from connectome import schema
from connectome.loaders.graphs import open_graph
from connectome.loaders.graphs.neighbours import ANY, Neighbours
from support.spatial_graphs import voreen_example


@pytest.fixture(scope="module")
def folder(data_dir):
    return data_dir / "vessel" / "vesselgraph_example"


@pytest.fixture(scope="module")
def graph(data_dir, folder, tmp_path_factory, commit_records):
    record = schema.record({"vessels": voreen_example(data_dir)})
    version = commit_records(tmp_path_factory.mktemp("vessels") / "store", "vessels", {"example": record})
    return open_graph(version, record="example", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def rows(folder):
    return pd.read_csv(folder / "example_edges.csv", sep=";")


def test_every_row_of_the_table_is_walked_both_ways_and_a_loop_once(graph, rows):
    ids = graph.node_column("node")
    adjacency = graph.incident
    centre = ids[np.repeat(np.arange(graph.n_nodes), np.diff(adjacency.pointer))]
    row = graph.edge_column("edge_row")[adjacency.edge]
    found = Counter(zip(centre.tolist(), ids[adjacency.neighbour].tolist(), row.tolist(), strict=True))
    expected = Counter()
    for at, (first, second) in enumerate(zip(rows["node1id"], rows["node2id"], strict=True)):
        expected[(first, second, at)] = expected[(second, first, at)] = 1
    assert found == expected
    assert len(adjacency.neighbour) == 2 * 3062 - 13


def test_degrees_are_those_that_voreen_wrote(graph):
    loops = graph.array("source")[graph.array("source") == graph.array("target")]
    degree = np.diff(graph.incident.pointer) + np.bincount(loops, minlength=graph.n_nodes)
    assert np.array_equal(degree, graph.node_column("degree"))


def test_the_surroundings_of_a_node_grow_to_its_component(graph):
    sizes, seen = [], np.zeros(graph.n_nodes, dtype=bool)
    while not seen.all():
        nodes = graph.ego(int(np.flatnonzero(~seen)[0]), graph.n_nodes).node
        seen[nodes] = True
        sizes.append(len(nodes))
    assert len(sizes) == 2
    assert sum(sizes) == 2970


def test_a_box_and_its_subgraph_are_those_of_the_tables(graph, folder, rows):
    nodes = pd.read_csv(folder / "example_nodes.csv", sep=";").set_index("id")
    low, high = np.array([-150.0, -150, 200]), np.array([-50.0, -50, 400])
    # As float32, as the store keeps what Voreen wrote with six digits.
    position = nodes[["pos_x", "pos_y", "pos_z"]].to_numpy().astype(graph.position.dtype)
    inside = set(nodes.index[((position >= low) & (position <= high)).all(axis=1)].tolist())
    part = graph.within([low, high])
    assert set(part.node_id.tolist()) == inside
    expected = rows.index[rows["node1id"].isin(inside) & rows["node2id"].isin(inside)]
    assert sorted(part.edge_column("edge_row").tolist()) == expected.tolist()
    assert 0 < len(expected) < 3062


def test_attributes_of_sampled_edges_are_those_of_their_rows(graph, rows):
    found = Neighbours(graph.incident).sample(np.arange(0, 2970, 30), [3, 2], np.random.default_rng(0))
    edge = found.edge[ANY]
    row = graph.edge_column("edge_row", edge)
    for name, column in (("length", "length"), ("radius_avg", "avgRadiusAvg"), ("volume", "volume")):
        expected = rows[column].to_numpy()[row].astype(float)
        expected[expected == -1] = np.nan
        values = graph.edge_column(name, edge).astype(float)
        assert np.allclose(values, expected, rtol=1e-6, equal_nan=True)
    ids = graph.node_column("node", found.node[""])
    ends = {tuple(sorted(pair)) for pair in zip(ids[found.row[ANY]], ids[found.col[ANY]], strict=True)}
    assert ends <= {tuple(sorted(pair)) for pair in zip(rows["node1id"], rows["node2id"], strict=True)}
