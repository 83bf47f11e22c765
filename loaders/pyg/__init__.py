"""Connectomes for PyTorch Geometric: whole graphs, sampled neighbourhoods, and recordings on a connectome.

PyG's own ``NeighborLoader`` needs compiled extras; :class:`NeighborSampler` does its work in NumPy, through PyG's
``NodeLoader`` and ``LinkLoader``, over graphs in memory and over graphs that stay on disk (:class:`GraphStore`,
:class:`FeatureStore`).
"""

from __future__ import annotations

from .blocks import BlockDataset
from .contacts import ContactEdges, ContactGraphs
from .data import subgraph_to_data, to_data, to_hetero
from .events import event_graphs
from .link_split import LinkSplit
from .regions import region_graphs
from .sampling import HGTSampler, NeighborSampler
from .stores import EdgeAttributes, FeatureStore, GraphStore
from .temporal import TemporalGraphDataset

__all__ = [
    "BlockDataset",
    "ContactEdges",
    "ContactGraphs",
    "EdgeAttributes",
    "FeatureStore",
    "GraphStore",
    "HGTSampler",
    "LinkSplit",
    "NeighborSampler",
    "TemporalGraphDataset",
    "event_graphs",
    "region_graphs",
    "subgraph_to_data",
    "to_data",
    "to_hetero",
]
