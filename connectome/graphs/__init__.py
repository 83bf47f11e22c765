"""Graphs in numbers: components, degrees, parallel edges, lengths and thickness, overall and by region.

Plain NumPy; what lies here neither reads files nor draws. :func:`summarise_graph` gives everything at once.
"""

from __future__ import annotations

from .counts import (
    ParallelEdges,
    component_sizes,
    connected_components,
    node_degrees,
    parallel_edges,
    simple_degrees,
)
from .geometry import (
    EdgeMeasure,
    bounding_box,
    edge_lengths,
    edge_thickness,
    has_positions,
    polyline_lengths,
    straight_lengths,
)
from .summary import (
    BETWEEN,
    Distribution,
    GraphSummary,
    Region,
    distribution,
    edge_regions,
    region_columns,
    summarise_graph,
    summarise_regions,
)

__all__ = [
    "BETWEEN",
    "Distribution",
    "EdgeMeasure",
    "GraphSummary",
    "ParallelEdges",
    "Region",
    "bounding_box",
    "component_sizes",
    "connected_components",
    "distribution",
    "edge_lengths",
    "edge_regions",
    "edge_thickness",
    "has_positions",
    "node_degrees",
    "parallel_edges",
    "polyline_lengths",
    "region_columns",
    "simple_degrees",
    "straight_lengths",
    "summarise_graph",
    "summarise_regions",
]
