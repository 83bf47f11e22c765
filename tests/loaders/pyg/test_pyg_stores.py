"""Feature and graph stores over a stored graph: its memory, any index of PyG, a few names that travel."""

from __future__ import annotations

import mmap
import pickle
import warnings

import numpy as np
import pytest
import torch

from connectome.errors import NotFoundError, UsageError
from connectome.loaders.pyg import EdgeAttributes, FeatureStore, GraphStore, NeighborSampler

with warnings.catch_warnings():
    # As in loaders/pyg/requirement.py.
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
    from torch_geometric.data import TensorAttr
    from torch_geometric.loader import NodeLoader


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


def test_an_attribute_of_a_tensor_that_pyg_asks_for_is_fully_specified(stores):
    attrs = stores[0].get_all_tensor_attrs()
    assert [attr.attr_name for attr in attrs] == ["pos", "x", "x_mask"]
    for attr in attrs:
        attr.index = torch.tensor([1])
        assert isinstance(attr, TensorAttr)
        assert attr.is_fully_specified()
