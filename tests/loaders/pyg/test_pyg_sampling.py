"""Samplers through PyTorch Geometric's own loaders: what arrives, from any number of workers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from connectome.loaders.pyg import EdgeAttributes, FeatureStore, GraphStore, NeighborSampler, subgraph_to_data
from support.pyg_batches import check_batch, same

with warnings.catch_warnings():
    # As in loaders/pyg/requirement.py.
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
    import torch_geometric.typing
    from torch_geometric.loader import LinkLoader, NodeLoader
    from torch_geometric.sampler import EdgeSamplerInput, NegativeSampling
    from torch_geometric.testing import MyFeatureStore, MyGraphStore
    from torch_geometric.utils import k_hop_subgraph

# A machine with few cores: the number of workers is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

COMPILED = torch_geometric.typing.WITH_PYG_LIB or torch_geometric.typing.WITH_TORCH_SPARSE


@pytest.mark.parametrize("replace", [False, True])
def test_a_node_loader_over_the_stores_gives_edges_of_the_graph_with_their_attributes(graph, stores, whole, replace):
    loader = NodeLoader(
        stores,
        NeighborSampler(stores, [4, 2], replace=replace),
        torch.arange(graph.n_nodes),
        batch_size=64,
        transform=EdgeAttributes(graph, {"edge_attr": ["length", "radius"], "made": "made"}),
    )
    numbers = {int(e): at for at, e in enumerate(whole.e_id)}
    seen, n_missing = [], 0
    for batch in loader:
        check_batch(batch, whole)
        rows = torch.tensor([numbers[e] for e in batch.e_id.tolist()])
        assert torch.equal(batch.edge_attr, whole.edge_attr[rows])
        assert torch.equal(batch.made, whole.made[rows])
        n_missing += int((~batch.edge_attr_mask).sum())
        assert sum(batch.num_sampled_nodes) == batch.num_nodes == len(batch.n_id)
        seen += batch.n_id[: batch.batch_size].tolist()
    assert seen == list(range(600))
    assert n_missing


def test_the_store_and_the_graph_in_memory_give_the_same_sample_when_nothing_is_left_out(graph, stores, whole):
    seeds = torch.arange(0, 600, 7)
    stored = next(iter(NodeLoader(stores, NeighborSampler(stores, [-1, -1]), seeds, batch_size=90)))
    memory = next(iter(NodeLoader(whole, NeighborSampler(whole, [-1, -1]), seeds, batch_size=90)))
    assert torch.equal(stored.n_id[:86], memory.n_id[:86])
    # In memory, the edges of ``whole`` are numbered anew.
    for batch in (stored, memory):
        batch.rows = batch.e_id if batch is stored else whole.e_id[batch.e_id]
    found = [
        sorted(zip(*batch.n_id[batch.edge_index].tolist(), batch.rows.tolist(), strict=True))
        for batch in (stored, memory)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("k", [1, 2])
def test_an_ego_graph_is_the_one_that_pyg_finds(graph, whole, k):
    part = subgraph_to_data(graph.ego(17, k))
    nodes, edge_index, _, edge_mask = k_hop_subgraph(17, k, whole.edge_index, num_nodes=600)
    assert sorted(part.n_id.tolist()) == nodes.tolist()
    assert sorted(part.e_id.tolist()) == sorted(whole.e_id[edge_mask].tolist())
    assert edge_index.shape == part.edge_index.shape
    assert torch.equal(part.hop == 0, part.n_id == 17)


def test_a_link_loader_over_the_stores_gives_the_surroundings_of_links(graph, stores, whole):
    links = torch.from_numpy(np.stack([graph.array("source")[:100], graph.array("target")[:100]]).astype(np.int64))
    loader = LinkLoader(stores, NeighborSampler(stores, [3]), (None, links), batch_size=30)
    for at, batch in enumerate(loader):
        check_batch(batch, whole)
        assert torch.equal(batch.n_id[batch.edge_label_index], links[:, at * 30 : at * 30 + 30])


def test_relations_of_a_stored_graph_have_fan_outs_of_their_own(typed):
    stores = FeatureStore(typed, {"pos": ["x", "y", "z"]}, hetero=True), GraphStore(typed, hetero=True)
    chemical, contact, gap = (("node", name, "node") for name in ("chemical", "contact", "gap_junction"))
    sampler = NeighborSampler(stores, {chemical: [2], contact: [-1], gap: [0]})
    codes = typed.array("edge_type")
    for batch in NodeLoader(stores, sampler, "node", batch_size=16):
        assert batch["node"].batch_size in {8, 16}
        seeds = batch["node"].n_id[: batch["node"].batch_size]
        for relation in (chemical, contact, gap):
            store = batch[relation]
            assert set(codes[store.e_id.numpy()].tolist()) <= set(typed.codes([relation[1]]))
            adjacency = typed.adjacency(None, [relation[1]])
            degree = adjacency.pointer[seeds + 1] - adjacency.pointer[seeds]
            limit = {chemical: 2, contact: 10**6, gap: 0}[relation]
            drawn = np.bincount(store.edge_index[1].numpy(), minlength=len(seeds))
            assert np.array_equal(drawn, np.minimum(degree, limit))
            ends = batch["node"].n_id[store.edge_index]
            listed = {tuple(sorted(pair)) for pair in zip(typed.array("source"), typed.array("target"), strict=True)}
            assert {tuple(sorted(pair)) for pair in ends.T.tolist()} <= listed


def test_links_of_a_relation_of_a_stored_graph_are_its_edges_as_listed(typed):
    stores = FeatureStore(typed, hetero=True), GraphStore(typed, hetero=True)
    relation = ("node", "contact", "node")
    loader = LinkLoader(stores, NeighborSampler(stores, [2]), relation, batch_size=1000)
    (batch,) = loader
    rows = np.flatnonzero(typed.array("edge_type") == typed.codes(["contact"])[0])
    ends = batch["node"].n_id[batch[relation].edge_label_index]
    assert ends.tolist() == [typed.array(end)[rows].tolist() for end in ("source", "target")]


def test_another_graph_store_can_be_sampled_too(whole, stores):
    other = MyGraphStore(), MyFeatureStore()
    other[0].put_edge_index(tuple(whole.edge_index), edge_type=None, layout="coo", size=(600, 600))
    other[1].put_tensor(whole.pos, group_name=None, attr_name="pos", index=None)
    data = (other[1], other[0])
    batch = next(iter(NodeLoader(data, NeighborSampler(data, [-1]), torch.arange(9), batch_size=9)))
    assert torch.equal(batch.n_id[batch.edge_index], whole.edge_index[:, batch.e_id])
    assert torch.equal(batch.pos, whole.pos[batch.n_id])


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_batches_are_the_same_from_workers(graph, stores, context):
    def batches(**options):
        sampler = NeighborSampler(stores, [3, 2], seed=3)
        return list(
            NodeLoader(
                stores,
                sampler,
                torch.arange(200),
                batch_size=50,
                transform=EdgeAttributes(graph, {"edge_attr": ["length"]}),
                **options,
            )
        )

    alone = batches()
    assert len(alone) == 4
    assert all(
        same(one, two) for one, two in zip(alone, batches(num_workers=2, multiprocessing_context=context), strict=True)
    )


# -- loaders over a graph in memory ----------------------------------------------------------------------------------


def test_a_node_loader_gives_sampled_graphs_with_their_features_and_weights(random_graph):
    loader = NodeLoader(random_graph, NeighborSampler(random_graph, [5, 3]), batch_size=32, input_nodes=None)
    seen = []
    for batch in loader:
        assert torch.equal(batch.x[:, 0], batch.n_id.float())
        assert torch.equal(batch.edge_weight, batch.e_id.float())
        assert torch.equal(batch.n_id[batch.edge_index], random_graph.edge_index[:, batch.e_id])
        seen.extend(batch.n_id[: batch.batch_size].tolist())
    assert seen == list(range(300))


@pytest.mark.parametrize("direction", ["out", "both"])
def test_messages_of_a_graph_in_memory_can_come_against_its_edges(random_graph, direction):
    sampler = NeighborSampler(random_graph, [-1], direction=direction)
    batch = next(iter(NodeLoader(random_graph, sampler, batch_size=300, input_nodes=None)))
    listed = random_graph.edge_index[:, batch.e_id]
    ends = batch.n_id[batch.edge_index]
    assert ((ends == listed.flip(0)).all(dim=0) | ((ends == listed).all(dim=0) & (direction == "both"))).all()
    assert batch.edge_index.shape[1] == (4000 if direction == "out" else 8000 - int((listed[0] == listed[1]).sum()))


def test_sampling_depends_on_seed_and_epoch_and_not_on_the_order_of_batches(random_graph):
    def drawn(seeds, seed=0, epoch=0):
        sampler = NeighborSampler(random_graph, [3, 2], seed=seed)
        sampler.set_epoch(epoch)
        return [batch.e_id.tolist() for batch in NodeLoader(random_graph, sampler, seeds, batch_size=64)]

    seeds = torch.arange(256)
    assert drawn(seeds) == drawn(seeds)
    assert drawn(seeds.view(4, 64).flip(0).reshape(-1)) == drawn(seeds)[::-1]
    assert drawn(seeds) != drawn(seeds, seed=1)
    assert drawn(seeds) != drawn(seeds, epoch=1)


def test_workers_that_live_on_see_the_epoch_of_a_sampler(random_graph):
    def loader(sampler, **options):
        return NodeLoader(random_graph, sampler, torch.arange(256), batch_size=64, **options)

    sampler = NeighborSampler(random_graph, [3, 2])
    workers = loader(sampler, num_workers=2, multiprocessing_context="fork", persistent_workers=True)
    drawn = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        drawn.append([batch.e_id.tolist() for batch in workers])
        assert drawn[-1] == [batch.e_id.tolist() for batch in loader(sampler)]
    assert drawn[0] != drawn[1]


def test_surroundings_can_be_kept_apart(random_graph):
    sampler = NeighborSampler(random_graph, [3, 2], disjoint=True)
    for batch in NodeLoader(random_graph, sampler, torch.tensor([4, 4, 9, 30]), batch_size=4):
        assert batch.batch[:4].tolist() == [0, 1, 2, 3]
        assert torch.equal(*batch.batch[batch.edge_index])
    loader = LinkLoader(random_graph, sampler, random_graph.edge_index[:, :40], batch_size=10)
    for at, batch in enumerate(loader):
        expected = random_graph.edge_index[:, at * 10 : at * 10 + 10]
        assert torch.equal(batch.n_id[batch.edge_label_index], expected)
        assert torch.equal(batch.batch[batch.edge_label_index[0]], torch.arange(10))
        assert torch.equal(*batch.batch[batch.edge_index])


@pytest.mark.parametrize("amount", [1, 2])
def test_negative_links_are_drawn_as_pyg_draws_them_and_the_same_every_time(random_graph, amount):
    links = random_graph.edge_index[:, :60]

    def binary(seed=0):
        sampler = NeighborSampler(random_graph, [2], seed=seed)
        return list(
            LinkLoader(random_graph, sampler, links, neg_sampling=NegativeSampling("binary", amount), batch_size=20)
        )

    first, again = binary(), binary()
    for at, (batch, other) in enumerate(zip(first, again, strict=True)):
        assert same(batch, other)
        assert batch.edge_label.tolist() == [1] * 20 + [0] * 20 * amount
        assert torch.equal(batch.n_id[batch.edge_label_index[:, :20]], links[:, at * 20 : at * 20 + 20])
    ends = torch.cat([batch.n_id[batch.edge_label_index[:, 20:]] for batch in first], dim=1)
    others = torch.cat([batch.n_id[batch.edge_label_index[:, 20:]] for batch in binary(seed=1)], dim=1)
    assert not torch.equal(ends, others)

    sampler = NeighborSampler(random_graph, [2])
    state = torch.get_rng_state()
    sampler.sample_from_edges(EdgeSamplerInput(None, *links), NegativeSampling("binary", amount))
    assert torch.equal(torch.get_rng_state(), state)
    loader = LinkLoader(random_graph, sampler, links, neg_sampling=NegativeSampling("triplet", amount), batch_size=20)
    for at, batch in enumerate(loader):
        part = links[:, at * 20 : at * 20 + 20]
        assert torch.equal(batch.n_id[batch.src_index], part[0])
        assert torch.equal(batch.n_id[batch.dst_pos_index], part[1])
        assert batch.dst_neg_index.shape == ((20,) if amount == 1 else (20, 2))


# -- against PyG's own sampler ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not COMPILED, reason="PyG's own NeighborLoader needs pyg-lib or torch-sparse, which are not here")
def test_pyg_samples_the_same_when_nothing_is_left_out(graph, stores):
    from torch_geometric.loader import NeighborLoader

    seeds = torch.arange(0, 600, 7)
    theirs = next(iter(NeighborLoader(stores, [-1, -1], seeds, batch_size=90)))
    ours = next(iter(NodeLoader(stores, NeighborSampler(stores, [-1, -1]), seeds, batch_size=90)))
    assert sorted(theirs.n_id.tolist()) == sorted(ours.n_id.tolist())
    found = [
        sorted(zip(*batch.n_id[batch.edge_index].tolist(), batch.e_id.tolist(), strict=True))
        for batch in (theirs, ours)
    ]
    assert found[0] == found[1]
