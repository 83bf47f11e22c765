"""Stores and samplers through PyTorch Geometric's own loaders: what arrives, from any number of workers."""

from __future__ import annotations

import mmap
import pickle
import warnings

import numpy as np
import pytest
import torch

from connectome.errors import NotFoundError, UsageError
from connectome.loaders.graphs import open_graph
from connectome.loaders.pyg import (
    BlockDataset,
    EdgeAttributes,
    FeatureStore,
    GraphStore,
    HGTSampler,
    NeighborSampler,
    subgraph_to_data,
)
from support.stored_graphs import typed_record, vessel_record

with warnings.catch_warnings():
    # As in loaders/pyg/requirement.py.
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
    import torch_geometric.typing
    from torch_geometric.data import Data, HeteroData, TensorAttr
    from torch_geometric.loader import DataLoader, LinkLoader, NodeLoader
    from torch_geometric.sampler import EdgeSamplerInput, NegativeSampling
    from torch_geometric.testing import MyFeatureStore, MyGraphStore
    from torch_geometric.utils import k_hop_subgraph

# A machine with few cores: the number of workers is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

COMPILED = torch_geometric.typing.WITH_PYG_LIB or torch_geometric.typing.WITH_TORCH_SPARSE


@pytest.fixture(scope="module")
def version(tmp_path_factory, commit_records):
    records = {"brain": vessel_record(), "typed": typed_record()}
    return commit_records(tmp_path_factory.mktemp("graphs") / "store", "graphs", records)


@pytest.fixture(scope="module")
def graph(version):
    return open_graph(version, record="brain")


@pytest.fixture(scope="module")
def typed(version):
    return open_graph(version, record="typed")


@pytest.fixture(scope="module")
def stores(graph):
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


def same(first, second):
    """Tell whether two batches are equal in every attribute."""
    a, b = first.to_dict(), second.to_dict()
    return a.keys() == b.keys() and all(same_values(a[name], b[name]) for name in a)


def same_values(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_values(a[name], b[name]) for name in a)
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def check_batch(batch, whole):
    """Compare a sampled graph with the whole one, edge by edge."""
    assert torch.equal(batch.pos, whole.pos[batch.n_id])
    assert torch.equal(batch.x, whole.x[batch.n_id])
    assert torch.equal(batch.x_mask, whole.x_mask[batch.n_id])
    ends = batch.n_id[batch.edge_index]
    listed = {(int(a), int(b), int(e)) for (a, b), e in zip(whole.edge_index.T, whole.e_id, strict=True)}
    assert {(int(a), int(b), int(e)) for (a, b), e in zip(ends.T, batch.e_id, strict=True)} <= listed


# -- stores ----------------------------------------------------------------------------------------------------------


def test_compressed_columns_are_the_memory_of_the_file(version, graph):
    store = GraphStore(graph, direction="in")
    row, pointer, permutation = store.csc()
    assert permutation is None
    for tensor, name in ((row, "source"), (pointer, "in_ptr")):
        array = graph.array(name)
        assert tensor.data_ptr() == array.ctypes.data
        while isinstance(array, np.ndarray):
            array = array.base
        assert isinstance(array.obj, mmap.mmap)
    (attr,) = store.get_all_edge_attrs()
    assert attr.size == (600, 600)
    assert attr.layout.value == "csc"
    assert torch.equal(store.get_edge_index(attr)[0], row)


def test_undirected_edges_are_listed_at_both_ends_with_their_numbers_as_the_permutation(graph, whole):
    row, pointer, edge = GraphStore(graph).csc()
    column = torch.repeat_interleave(torch.arange(graph.n_nodes), pointer.diff())
    found = sorted(zip(row.tolist(), column.tolist(), edge.tolist(), strict=True))
    assert found == sorted(zip(*whole.edge_index.tolist(), whole.e_id.tolist(), strict=True))


@pytest.mark.parametrize("direction", ["in", "out", None])
def test_compressed_rows_hold_the_same_messages_as_the_columns(typed, direction):
    store = GraphStore(typed, direction=direction)
    row, pointer, edge = store.csc()
    column = torch.repeat_interleave(torch.arange(typed.n_nodes), pointer.diff())
    row_pointer, other, same_edge = store.csr()
    source = torch.repeat_interleave(torch.arange(typed.n_nodes), row_pointer.diff())
    expected = sorted(zip(row.tolist(), column.tolist(), edge.tolist(), strict=True))
    assert sorted(zip(source.tolist(), other.tolist(), same_edge.tolist(), strict=True)) == expected


def test_a_store_is_read_only_and_knows_what_it_does_not_have(graph, typed):
    graphs, features = GraphStore(typed, hetero=True), FeatureStore(graph, {"pos": "position"})
    with pytest.raises(UsageError, match="does not change"):
        graphs.put_edge_index((torch.zeros(0), torch.zeros(0)), ("node", "a", "node"), "coo")
    with pytest.raises(UsageError, match="does not change"):
        graphs.csr(store=True)
    with pytest.raises(UsageError, match="does not change"):
        graphs.remove_edge_index(graphs.get_all_edge_attrs()[0])
    with pytest.raises(UsageError, match="does not change"):
        features.put_tensor(torch.zeros(1), None, "pos", index=None)
    with pytest.raises(UsageError, match="does not change"):
        features.remove_tensor(None, "pos", None)
    with pytest.raises(KeyError):
        graphs.get_edge_index(("node", "chemical", "node"), "csr")
    with pytest.raises(NotFoundError):
        graphs.adjacency(("node", "electrical", "node"))
    with pytest.raises(NotFoundError):
        GraphStore(typed, edge_types=["electrical"])
    with pytest.raises(NotFoundError):
        FeatureStore(graph, {"x": ["position", "colour"]})
    with pytest.raises(NotFoundError):
        EdgeAttributes(graph, {"edge_attr": "position"})


def test_features_are_gathered_by_any_index_of_pyg(graph, whole):
    store = FeatureStore(graph, {"pos": "position", "x": ["degree", "region"], "label": "label"})
    index = torch.tensor([5, 0, 599, 5])
    assert torch.equal(store.get_tensor(None, "pos", index), whole.pos[index])
    assert torch.equal(store.get_tensor(None, "x", None), whole.x)
    assert torch.equal(store.get_tensor(None, "x_mask", index), whole.x_mask[index])
    assert torch.equal(store[None, "pos", 3:9:2], whole.pos[3:9:2])
    assert torch.equal(store.get_tensor(None, "pos", 7), whole.pos[7:8])
    mask = torch.zeros(600, dtype=torch.bool)
    mask[4] = True
    assert torch.equal(store.get_tensor(None, "pos", mask), whole.pos[4:5])
    assert store.get_tensor_size(None, "x") == (600, 4)
    assert store.get_tensor(None, "colour", index) is None
    assert store.get_tensor("node", "pos", index) is None
    with pytest.raises(UsageError, match="only numbers"):
        store.get_tensor(None, "label", index)


def test_stores_and_samplers_travel_as_a_few_names(stores):
    sampler = NeighborSampler(stores, [3])
    before = len(pickle.dumps(sampler))
    next(iter(NodeLoader(stores, sampler, torch.arange(600), batch_size=8)))
    assert len(pickle.dumps(sampler)) == before < 4000


# -- loaders over a stored graph -------------------------------------------------------------------------------------


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


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
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


# -- time ------------------------------------------------------------------------------------------------------------


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


# -- many types ------------------------------------------------------------------------------------------------------


def check_typed(batch, data):
    for relation in data.edge_types:
        ends = [batch[kind].n_id[end] for kind, end in zip(relation[::2], batch[relation].edge_index, strict=True)]
        assert torch.equal(torch.stack(ends), data[relation].edge_index[:, batch[relation].e_id])
        assert torch.equal(batch[relation].weight, batch[relation].e_id.float())
    for kind in data.node_types:
        assert torch.equal(batch[kind].x[:, 0], batch[kind].n_id.float())


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


# -- blocks ----------------------------------------------------------------------------------------------------------


def test_every_node_is_in_the_core_of_one_block_and_attributes_come_with_it(graph, whole):
    blocks = BlockDataset(
        graph, nodes={"pos": "position", "x": ["degree", "region"]}, edges={"made": "made"}, block_nodes=150
    )
    cores = []
    for block in blocks:
        check_batch(block, whole)
        assert np.array_equal(block.made.numpy(), graph.edge_column("made", block.e_id.numpy()))
        cores += block.n_id[block.core].tolist()
    assert cores == list(range(600))
    assert torch.equal(blocks[-1].n_id, blocks[len(blocks) - 1].n_id)
    with pytest.raises(IndexError):
        blocks[len(blocks)]


def test_with_a_halo_as_wide_as_its_layers_a_network_gives_a_block_what_it_gives_the_whole_graph(graph, whole):
    def layers(x, edge_index, n_layers):
        for _ in range(n_layers):
            total = torch.zeros_like(x).index_add(0, edge_index[1], x[edge_index[0]])
            x = torch.tanh(x + 0.1 * total)
        return x

    expected = layers(whole.pos.double() / 50 - 1, whole.edge_index, 2)
    blocks = BlockDataset(graph, nodes={"pos": "position"}, block_nodes=100, halo=2)
    for block in blocks:
        found = layers(block.pos.double() / 50 - 1, block.edge_index, 2)
        assert torch.allclose(found[block.core], expected[block.n_id[block.core]], rtol=0, atol=1e-12)


def test_blocks_come_the_same_from_workers_and_batch_together(graph):
    blocks = BlockDataset(graph, nodes={"pos": "position"}, block_nodes=100, halo=1)
    alone = list(DataLoader(blocks, batch_size=2))
    assert alone[0].num_graphs == 2
    loader = DataLoader(blocks, batch_size=2, num_workers=2, multiprocessing_context="fork")
    assert all(same(one, two) for one, two in zip(alone, loader, strict=True))


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


def test_an_attribute_of_a_tensor_that_pyg_asks_for_is_fully_specified(stores):
    attrs = stores[0].get_all_tensor_attrs()
    assert [attr.attr_name for attr in attrs] == ["pos", "x", "x_mask"]
    for attr in attrs:
        attr.index = torch.tensor([1])
        assert isinstance(attr, TensorAttr)
        assert attr.is_fully_specified()
