"""Blocks of a stored graph for PyTorch Geometric: every node once, with the surroundings that layers need."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from connectome.loaders.pyg import BlockDataset
from support.pyg_batches import check_batch, same

with warnings.catch_warnings():
    # As in loaders/pyg/requirement.py.
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
    from torch_geometric.loader import DataLoader

# A machine with few cores: the number of workers is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


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
