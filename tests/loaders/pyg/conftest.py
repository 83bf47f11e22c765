"""Graphs that PyTorch Geometric's loaders sample, stored and in memory."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from connectome.loaders.graphs import open_graph
from connectome.loaders.pyg import FeatureStore, GraphStore, subgraph_to_data
from support.stored_graphs import typed_record, vessel_record

with warnings.catch_warnings():
    # As in loaders/pyg/requirement.py.
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
    from torch_geometric.data import Data, HeteroData


@pytest.fixture(scope="module")
def version(tmp_path_factory, commit_records):
    """Return a version of two stored graphs."""
    records = {"brain": vessel_record(), "typed": typed_record()}
    return commit_records(tmp_path_factory.mktemp("graphs") / "store", "graphs", records)


@pytest.fixture(scope="module")
def graph(version):
    """Return a stored graph of vessels, in space."""
    return open_graph(version, record="brain")


@pytest.fixture(scope="module")
def typed(version):
    """Return a stored graph of several types of edges."""
    return open_graph(version, record="typed")


@pytest.fixture(scope="module")
def stores(graph):
    """Return the stores of the graph of vessels."""
    return FeatureStore(graph, {"pos": "position", "x": ["degree", "region"]}), GraphStore(graph)


@pytest.fixture(scope="module")
def whole(graph):
    """Return the graph in memory, with its attributes, both ways as the store walks it."""
    part = subgraph_to_data(
        graph.subgraph(range(graph.n_nodes)),
        nodes={"pos": "position", "x": ["degree", "region"], "time": "time"},
        edges={"edge_attr": ["length", "radius"], "made": "made"},
    )
    assert torch.equal(part.n_id, torch.arange(graph.n_nodes))
    return part


@pytest.fixture
def random_graph():
    """Return a graph in memory."""
    rng = np.random.default_rng(0)
    edges = torch.from_numpy(rng.integers(0, 300, (2, 4000)))
    return Data(
        num_nodes=300,
        edge_index=edges,
        x=torch.arange(300.0)[:, None],
        edge_weight=torch.arange(4000.0),
        seen=torch.from_numpy(rng.integers(0, 50, 300)),
        made=torch.from_numpy(rng.integers(0, 50, 4000)),
    )


@pytest.fixture
def typed_graph():
    """Return a graph in memory of several types of nodes and edges."""
    rng = np.random.default_rng(1)
    data = HeteroData()
    data["author"].num_nodes, data["paper"].num_nodes = 40, 60
    data["author"].x, data["paper"].x = torch.arange(40.0)[:, None], torch.arange(60.0)[:, None]
    data["paper"].year = torch.from_numpy(rng.integers(0, 20, 60))
    for (left, name, right), n_edges in {
        ("author", "writes", "paper"): 200,
        ("paper", "cites", "paper"): 150,
        ("paper", "by", "author"): 200,
    }.items():
        ends = [rng.integers(0, data[kind].num_nodes, n_edges) for kind in (left, right)]
        data[left, name, right].edge_index = torch.from_numpy(np.stack(ends))
        data[left, name, right].weight = torch.arange(float(n_edges))
    return data
