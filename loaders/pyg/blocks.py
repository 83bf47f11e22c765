"""Blocks of a stored graph as a data set of PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..graphs.blocks import Blocks
from ..graphs.neighbours import Neighbours
from .requirement import Data, torch
from .stores import column_tensors

if TYPE_CHECKING:
    from ..graphs.stored import StoredGraph

__all__ = ["BlockDataset"]


class BlockDataset(torch.utils.data.Dataset[Data]):  # type: ignore[misc]
    """A graph in space, cut into blocks of neighbouring nodes: one graph per block.

    Parameters
    ----------
    graph : StoredGraph
        A graph whose nodes lie in spatial order.
    nodes, edges : mapping of str to column or columns, optional
        Attributes of nodes and edges, as for :class:`~connectome.loaders.pyg.FeatureStore`.
    block_nodes, halo
        As for :class:`~connectome.loaders.graphs.blocks.Blocks`.

    Notes
    -----
    An item has ``edge_index`` (2, edge), ``n_id`` (node,) and ``e_id`` (edge,), int64, rows of the two tables, and
    ``core`` (node,), bool: True for the block's own nodes, False for the halo. Every node is in the core of one item.
    Put several items into one batch with PyG's ``DataLoader``.
    """

    def __init__(
        self,
        graph: StoredGraph,
        *,
        nodes: Mapping[str, str | Sequence[str]] | None = None,
        edges: Mapping[str, str | Sequence[str]] | None = None,
        block_nodes: int = 4096,
        halo: int = 0,
    ) -> None:
        self.blocks = Blocks(graph, block_nodes=block_nodes, halo=halo)
        self.attributes = {"node": dict(nodes or {}), "edge": dict(edges or {})}

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, index: int) -> Data:
        if not -len(self) <= index < len(self):
            raise IndexError(f"block {index} of {len(self)}")
        graph = self.blocks.graph
        # Its scratch array is made once per process, with what else the graph keeps there.
        neighbours = graph.once("neighbours", lambda: Neighbours(graph.adjacency()))
        block = self.blocks.block(index % len(self), neighbours)
        made = Data(num_nodes=len(block.node), edge_index=torch.from_numpy(np.stack([block.row, block.col])))
        made.n_id, made.e_id = torch.from_numpy(block.node), torch.from_numpy(block.edge)
        made.core = torch.arange(len(block.node)) < block.n_core
        for dim, rows in (("node", block.node), ("edge", block.edge)):
            for name, columns in self.attributes[dim].items():
                for key, value in column_tensors(graph, dim, name, columns, rows).items():
                    made[key] = value
        return made
