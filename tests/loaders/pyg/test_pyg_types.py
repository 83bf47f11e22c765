"""Sampling graphs of several types of nodes and edges, and what cannot be sampled."""

from __future__ import annotations

import warnings

import pytest
import torch

from connectome.errors import UsageError
from connectome.loaders.pyg import FeatureStore, GraphStore, HGTSampler, NeighborSampler
from support.pyg_batches import check_typed

with warnings.catch_warnings():
    # As in loaders/pyg/requirement.py.
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
    from torch_geometric.loader import LinkLoader, NodeLoader


def test_types_have_fan_outs_of_their_own(typed_graph):
    fans = {("author", "writes", "paper"): [2, 1], ("paper", "cites", "paper"): [-1, 0]}
    for batch in NodeLoader(typed_graph, NeighborSampler(typed_graph, fans), "paper", batch_size=20):
        check_typed(batch, typed_graph)
        assert not batch["paper", "by", "author"].e_id.numel()
        assert batch["author", "writes", "paper"].edge_index[1].bincount().max() <= 2
        assert batch["paper"].batch_size == 20


def test_links_between_types_and_their_negatives(typed_graph):
    relation = ("author", "writes", "paper")
    for disjoint in (False, True):
        sampler = NeighborSampler(typed_graph, [2], disjoint=disjoint)
        for mode in (None, "binary", "triplet"):
            for batch in LinkLoader(typed_graph, sampler, relation, neg_sampling=mode, batch_size=50):
                check_typed(batch, typed_graph)
                expected = typed_graph[relation].edge_index[:, batch[relation].input_id]
                if mode == "triplet":
                    pairs = batch["author"].src_index, batch["paper"].dst_pos_index
                else:
                    pairs = batch[relation].edge_label_index[:, :50]
                found = [batch[kind].n_id[end] for kind, end in zip(("author", "paper"), pairs, strict=True)]
                assert torch.equal(torch.stack(found), expected)


def test_types_in_time(typed_graph):
    sampler = NeighborSampler(typed_graph, [3, 3], time_attr="year")
    loader = NodeLoader(typed_graph, sampler, "author", input_time=torch.arange(40) % 20, batch_size=40)
    (batch,) = loader
    limit = batch["author"].seed_time[batch["paper"].batch]
    assert len(limit) > 20
    assert (batch["paper"].year <= limit).all()


def test_a_budget_of_nodes_per_type_goes_through_the_loaders(typed_graph, typed):
    sampler = HGTSampler(typed_graph, {"author": [5, 3], "paper": [4, 4]})
    for batch in NodeLoader(typed_graph, sampler, ("paper", torch.arange(30)), batch_size=10):
        check_typed(batch, typed_graph)
        assert batch["author"].num_sampled_nodes == [0, 5, 3]
        assert batch["paper"].num_sampled_nodes == [10, 4, 4]
    again = [batch["paper"].n_id for batch in NodeLoader(typed_graph, sampler, "paper", batch_size=30)]
    assert all(
        torch.equal(one, batch["paper"].n_id)
        for one, batch in zip(again, NodeLoader(typed_graph, sampler, "paper", batch_size=30), strict=True)
    )
    stores = FeatureStore(typed, hetero=True), GraphStore(typed, hetero=True)
    batch = next(iter(NodeLoader(stores, HGTSampler(stores, [6]), "node", batch_size=4)))
    assert batch["node"].num_sampled_nodes == [4, 6]


def test_what_cannot_be_sampled_is_refused(random_graph, typed_graph, stores):
    with pytest.raises(UsageError, match="not a graph"):
        NeighborSampler(random_graph.edge_index, [2])
    with pytest.raises(UsageError, match="one way"):
        NeighborSampler(typed_graph, [2], direction="both")
    with pytest.raises(UsageError, match="direction already"):
        NeighborSampler(stores, [2], direction="out")
    with pytest.raises(UsageError, match="times belong"):
        NeighborSampler(random_graph, [2], time_attr="colour")
    with pytest.raises(UsageError, match="no such direction"):
        NeighborSampler(random_graph, [2], direction="up")
    with pytest.raises(UsageError, match="no such options"):
        NeighborSampler(random_graph, [2]).sample_from_nodes(None, fast=True)
