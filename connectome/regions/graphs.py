"""Graphs of regions: who touches whom, or how strongly two regions are connected, in the schema of all graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError
from connectome.schema import category, column, graph

from .names import region_of

if TYPE_CHECKING:
    import xarray as xr

    from .adjacency import Contacts

__all__ = ["ADJACENCY", "contact_graph", "region_columns"]

Array = np.ndarray[Any, Any]

ADJACENCY = "adjacency"
"""Type of edges between regions that touch."""
_MEANING = {"surface": "edges of the mesh between the two regions", "volume": "faces of voxels between the two regions"}
_EXTENT = {
    "surface": ("border_mm", "Length of the border between the two regions", "mm"),
    "volume": ("contact_mm2", "Area of the faces between the two regions", "mm2"),
}


def contact_graph(
    regions: Sequence[str],
    contacts: Sequence[Contacts],
    *,
    lineage: str,
    nodes: Mapping[str, xr.Variable] | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Make a graph of regions that touch.

    Parameters
    ----------
    regions : sequence of str
        Ids of the nodes (``ctx-lh-bankssts``), in the order that the contacts count.
    contacts : sequence of Contacts
        All of one kind: of one hemisphere each, say, the second one moved behind the first.
    lineage : str
        What the contacts were found in.
    nodes : mapping of str to xarray.Variable, optional
        Further columns of the node table.
    **attrs
        Attributes of the group (JSON values).

    Returns
    -------
    xarray.Dataset
        A graph of one undirected edge type, ``adjacency``; the weight is the number of mesh edges or voxel faces, and
        ``border_mm`` or ``contact_mm2`` the extent of the contact where it is known. Nodes have ``region``,
        ``hemisphere`` and ``cortical`` where their ids are known names.

    Raises
    ------
    UsageError
        When contacts are of different kinds, or none is given.
    """
    kinds = sorted({item.kind for item in contacts})
    if len(kinds) != 1:
        raise UsageError("contacts of one kind make a graph", subject="contacts", expected="one kind", found=str(kinds))
    source, target, count = (
        np.concatenate([getattr(item, name) for item in contacts]) for name in ("source", "target", "count")
    )
    edges = {}
    extents = [item.extent for item in contacts if item.extent is not None]
    if len(extents) == len(contacts):
        name, words, units = _EXTENT[kinds[0]]
        edges[name] = column("edge", np.concatenate(extents), words, units)
    about = {"directed": False, "weight_units": "1", "weight_meaning": _MEANING[kinds[0]], "lineage": lineage}
    return graph(
        node=list(regions),
        source=source,
        target=target,
        edge_type=ADJACENCY,
        edge_types={ADJACENCY: about},
        weight=count,
        nodes={**region_columns(regions), **(nodes or {})},
        edges=edges,
        **attrs,
    )


def region_columns(regions: Sequence[str]) -> dict[str, xr.Variable]:
    """Return what ids of regions say as columns of nodes: ``region``, ``hemisphere`` and ``structure``."""
    found = [region_of(name) for name in regions]
    return {
        "region": column("node", [item.name if item else "" for item in found], "Region without its hemisphere"),
        "hemisphere": category("node", [item.hemisphere if item else "" for item in found], ["L", "R"], "Hemisphere"),
        "structure": category(
            "node", [("cortex" if item.cortical else "subcortex") if item else "" for item in found],
            ["cortex", "subcortex"], "Whether the region is of the cortex",
        ),
    }  # fmt: skip
