"""The line graph as a stream, and classes of vessels, against other libraries and the published counts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pytest

from connectome.errors import NotFoundError, UsageError
from connectome.schema import column
from connectome.tasks import line_graph, vessel_class, vessel_classes
from support.spatial_graphs import generated_graph, graph_of, voreen_example

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

Pairs = set[tuple[int, int]]


def directed(found: np.ndarray) -> Pairs:
    pairs = list(map(tuple, found.T.tolist()))
    assert len(pairs) == len(set(pairs))
    return set(pairs)


@pytest.fixture(scope="module")
def graph() -> xr.Dataset:
    return generated_graph(150)


@pytest.mark.parametrize("piece_pairs", [1, 7, 1 << 20])
def test_the_line_graph_is_that_of_networkx(graph: xr.Dataset, piece_pairs: int):
    lines = line_graph(graph, piece_pairs=piece_pairs)
    other = nx.Graph()
    ends = {}
    for node, row in enumerate(lines.edge.tolist()):
        pair = tuple(sorted((int(graph["source"][row]), int(graph["target"][row]))))
        other.add_edge(*pair)
        ends[pair] = node
    expected = {
        (ends[tuple(sorted(a))], ends[tuple(sorted(b))])
        for one in nx.line_graph(other).edges
        for a, b in (one, one[::-1])
    }
    assert directed(lines.edge_index()) == expected
    assert len(lines) == other.number_of_edges()
    assert lines.n_edges() == len(expected)


def test_rows_of_a_multigraph_meet_where_they_share_a_node(graph: xr.Dataset):
    lines = line_graph(graph, simple=False)
    rows = [{int(graph["source"][row]), int(graph["target"][row])} for row in lines.edge.tolist()]
    assert len(rows) == int((graph["source"] != graph["target"]).sum())
    expected = {(a, b) for a, one in enumerate(rows) for b, other in enumerate(rows) if a != b and one & other}
    assert directed(lines.edge_index()) == expected


def test_a_piece_is_bounded(graph: xr.Dataset):
    most = max(nx.Graph(zip(graph["source"].values, graph["target"].values, strict=True)).degree, key=lambda x: x[1])[1]
    sizes = [piece.shape[1] for piece in line_graph(graph, piece_pairs=20)]
    assert max(sizes) <= 20 + 2 * most
    assert len(sizes) > 10


def test_a_graph_without_edges_has_an_empty_line_graph():
    lines = line_graph(graph_of(np.zeros((3, 3)), np.array([1]), np.array([1])))
    assert len(lines) == 0
    assert lines.edge_index().shape == (2, 0)
    with pytest.raises(UsageError, match="only a graph"):
        line_graph(generated_graph(20).assign_attrs({"encoding-type": "table"}))


def test_the_line_graph_is_that_of_pyg(graph: xr.Dataset):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
        pytest.importorskip("torch_geometric", reason="PyG is not installed")
        from torch_geometric.data import Data
        from torch_geometric.transforms import LineGraph
    lines = line_graph(graph)
    ends = np.stack([graph["source"].values[lines.edge], graph["target"].values[lines.edge]]).astype(np.int64)
    ends.sort(axis=0)
    # PyG numbers the nodes of an undirected line graph by (source, target).
    order = np.lexsort((ends[1], ends[0]))
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    both = torch.from_numpy(np.concatenate([ends, ends[::-1]], axis=1))
    theirs = LineGraph(force_directed=False)(Data(edge_index=both, num_nodes=graph.sizes["node"]))
    assert directed(number[lines.edge_index()]) == directed(theirs.edge_index.numpy())


def test_a_class_counts_the_boundaries_that_are_strictly_exceeded():
    radius = np.array([0.0, 5.0, np.nextafter(5.0, 6), 13.33, 13.34, np.nan, -1.0, np.inf], dtype=np.float64)
    assert vessel_class(radius, (5, 13.33)).tolist() == [0, 0, 1, 1, 2, -1, -1, 2]
    assert vessel_class(np.array([5.0, 5.5], dtype=np.float32), (5, 13.33)).dtype == np.int8
    for wrong in ((), (2, 1), (1, 1), (np.nan,)):
        with pytest.raises(UsageError, match="boundaries rise"):
            vessel_class(radius, wrong)


def test_boundaries_follow_the_unit_of_the_radius():
    radius = np.array([14.9, 15.1, 40.1])
    graph = graph_of(np.eye(3), np.array([0, 1, 2]), np.array([1, 2, 0]), radius_min=radius)
    by_row = vessel_classes(graph)[np.argsort(graph["edge_row"].values)]
    assert by_row.tolist() == [0, 1, 2]

    def in_voxels(size: list[float]) -> xr.Dataset:
        values = graph["radius_min"].values / size[0]
        return graph.assign(radius_min=column("edge", values, "r", "voxel")).assign_attrs(voxel_size_um=size)

    for size in ([3.0] * 3, [2.0] * 3):
        assert np.array_equal(vessel_classes(in_voxels(size)), vessel_classes(graph))
    for wrong in ([3.0, 3.0, 5.0], []):
        with pytest.raises(UsageError, match=r"(?s)are lengths.*--boundaries 5,13\.33"):
            vessel_classes(in_voxels(wrong or [1.0]).assign_attrs(voxel_size_um=wrong))
    with pytest.raises(NotFoundError, match="no such column"):
        vessel_classes(graph, column="radius_max")


@pytest.mark.data
def test_the_real_example_has_the_published_classes_and_line_graph(data_dir: Path):
    facts = json.loads((data_dir / "vessel" / "facts.json").read_text())["vesselgraph_example"]
    graph = voreen_example(data_dir)
    lines = line_graph(graph)
    assert len(lines) == facts["simple_graph_edges"]
    assert lines.n_edges() == facts["line_graph_directed_edges_simple"]
    classes = vessel_classes(graph)
    assert [int((classes == at).sum()) for at in range(3)] == facts["class_counts_minRadiusAvg_gt_5_13p33_rows"]
