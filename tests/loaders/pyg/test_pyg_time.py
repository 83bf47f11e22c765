"""Sampling limited by times of nodes or edges: nothing is later than its seed."""

from __future__ import annotations

import warnings

import pytest
import torch

from connectome.errors import NotFoundError, UsageError
from connectome.loaders.pyg import FeatureStore, GraphStore, NeighborSampler

with warnings.catch_warnings():
    # As in loaders/pyg/requirement.py.
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
    from torch_geometric.loader import LinkLoader, NodeLoader


@pytest.mark.parametrize("time_attr", ["seen", "made"])
def test_no_sampled_node_or_edge_is_later_than_its_seed(random_graph, time_attr):
    seeds, until = torch.arange(0, 300, 3), torch.arange(100) % 50
    sampler = NeighborSampler(random_graph, [5, 5], time_attr=time_attr)
    n_followed = 0
    for batch in NodeLoader(random_graph, sampler, seeds, input_time=until, batch_size=25):
        limit = batch.seed_time[batch.batch]
        if time_attr == "made":
            assert (batch.made <= limit[batch.edge_index[1]]).all()
        else:
            assert (batch.seen[25:] <= limit[25:]).all()
        n_followed += len(batch.e_id)
    assert n_followed > 500


def test_seeds_without_a_time_have_their_own_as_nodes(random_graph):
    loader = NodeLoader(
        random_graph, NeighborSampler(random_graph, [-1], time_attr="seen"), torch.arange(50), batch_size=50
    )
    (batch,) = loader
    assert (batch.seen <= batch.seen[:50][batch.batch]).all()
    loader = NodeLoader(random_graph, NeighborSampler(random_graph, [2], time_attr="made"), torch.arange(5))
    with pytest.raises(UsageError, match="no time"):
        next(iter(loader))
    loader = NodeLoader(random_graph, NeighborSampler(random_graph, [2]), torch.arange(5), input_time=torch.arange(5))
    with pytest.raises(UsageError, match="have times"):
        next(iter(loader))


def test_links_in_time_have_surroundings_and_negatives_from_before(random_graph):
    sampler = NeighborSampler(random_graph, [4], time_attr="seen")
    until = torch.full((40,), 30)
    loader = LinkLoader(
        random_graph,
        sampler,
        random_graph.edge_index[:, :40],
        edge_label_time=until,
        neg_sampling="binary",
        batch_size=40,
    )
    (batch,) = loader
    assert (batch.seen[160:] <= 30).all()
    assert (batch.seen[batch.edge_label_index[:, 40:]] <= 30).all()
    assert batch.batch.max() == 39


@pytest.mark.parametrize("time_attr", ["time", "made"])
def test_columns_of_a_stored_graph_can_be_times(graph, time_attr):
    stores = FeatureStore(graph, {"time": "time"}), GraphStore(graph)
    sampler = NeighborSampler(stores, [3, 3], time_attr=time_attr)
    made = graph.edge_column("made")
    seeds, until = torch.arange(0, 600, 5), torch.arange(120) % 100
    for batch in NodeLoader(stores, sampler, seeds, input_time=until, batch_size=40):
        limit = batch.seed_time[batch.batch]
        if time_attr == "made":
            assert (made[batch.e_id.numpy()] <= limit[batch.edge_index[1]].numpy()).all()
        else:
            assert (batch.time[40:] <= limit[40:]).all()
    with pytest.raises(NotFoundError, match="no such column"):
        NeighborSampler(stores, [3], time_attr="colour")
