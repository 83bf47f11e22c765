"""Graphs as training code reads them, in plain NumPy: whole in memory, or in parts where they lie.

:func:`load_graph` reads a connectome of thousands of cells; :func:`open_graph` maps a graph of millions, answers
queries and is what the samplers of :mod:`connectome.loaders.pyg` walk on.
"""

from __future__ import annotations

from .adjacency import Adjacency
from .blocks import Blocks
from .neighbours import Neighbours, SampledGraph
from .queries import Subgraph
from .stored import StoredGraph, open_graph
from .whole import EdgeIndex, NodeFeatures, load_graph, node_features

__all__ = [
    "Adjacency",
    "Blocks",
    "EdgeIndex",
    "Neighbours",
    "NodeFeatures",
    "SampledGraph",
    "StoredGraph",
    "Subgraph",
    "load_graph",
    "node_features",
    "open_graph",
]
