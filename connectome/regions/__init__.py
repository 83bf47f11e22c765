"""Regions of the brain: names, measures from images, which regions touch, and graphs of them. Plain NumPy."""

from __future__ import annotations

from .adjacency import Contacts, surface_contacts, volume_contacts
from .graphs import ADJACENCY, contact_graph, region_columns, surface_graph, volume_graph
from .names import ASEG_LABELS, CORTICAL, DESIKAN_KILLIANY, SUBCORTICAL, Region, region_of
from .statistics import RegionStatistics, region_statistics, vertex_volumes

__all__ = [
    "ADJACENCY",
    "ASEG_LABELS",
    "CORTICAL",
    "DESIKAN_KILLIANY",
    "SUBCORTICAL",
    "Contacts",
    "Region",
    "RegionStatistics",
    "contact_graph",
    "region_columns",
    "region_of",
    "region_statistics",
    "surface_contacts",
    "surface_graph",
    "vertex_volumes",
    "volume_contacts",
    "volume_graph",
]
