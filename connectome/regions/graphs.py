"""Graphs of regions: who touches whom, or how strongly two regions are connected, in the schema of all graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError
from connectome.schema import category, column, decode, graph

from .adjacency import Contacts, surface_contacts, volume_contacts
from .names import region_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ADJACENCY", "contact_graph", "region_columns", "surface_graph", "volume_graph"]

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


def surface_graph(
    hemispheres: Mapping[str, tuple[xr.Dataset, xr.Dataset]],
    *,
    label: str = "label",
    surface: str = "",
    unlabelled: Sequence[str] = ("unknown", "???", "Medial_wall", "medialwall", "corpuscallosum"),
    lineage: str,
) -> xr.Dataset:
    """Make a graph of the regions of labelled surfaces that touch.

    Parameters
    ----------
    hemispheres : mapping of str to (xarray.Dataset, xarray.Dataset)
        ``"L"`` and ``"R"`` to the tables ``vertex`` and ``triangle``.
    label : str
        The column of ``vertex`` that names regions: ``"label"``, ``"aparc"``.
    surface : str
        The coordinates to measure borders on are ``SURFACE_x_mm``, ...; ``""`` for ``x_mm``, ...; where there are none,
        borders have no length.
    unlabelled : sequence of str
        Names that mean no region of the cortex.
    lineage : str
        Which surfaces these are.

    Returns
    -------
    xarray.Dataset
        As :func:`contact_graph`; nodes are the labels that vertices have, by hemisphere, in the order of the label
        table, with ``n_vertices``. Names of known regions become their ids (``ctx-lh-bankssts``), others have the
        hemisphere before them.

    Raises
    ------
    UsageError
        When the labels are no category, or a corner is no vertex.
    """
    names: list[str] = []
    contacts: list[Contacts] = []
    sizes: list[int] = []
    for side, (vertex, triangle) in hemispheres.items():
        if label not in vertex or "flag_labels" not in vertex[label].attrs:
            raise UsageError("the vertices have no labels with names", subject=label, found=", ".join(map(str, vertex)))
        listed = list(vertex[label].attrs["flag_labels"])
        counts = np.bincount(vertex[label].values[vertex[label].values >= 0], minlength=len(listed))
        kept = [at for at, word in enumerate(listed) if counts[at] and word not in unlabelled]
        place = np.full(len(listed) + 1, -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        axes = [f"{surface}_{axis}_mm" if surface else f"{axis}_mm" for axis in "xyz"]
        points = np.stack([vertex[axis].values for axis in axes], axis=1) if axes[0] in vertex else None
        corners = np.stack([triangle[corner].values for corner in "abc"], axis=1)
        found = surface_contacts(corners, place[vertex[label].values], points=points)
        contacts.append(found.moved(len(names)))
        for at in kept:
            known = region_of(listed[at], side)
            names.append(known.id if known else f"{side}-{listed[at]}")
            sizes.append(int(counts[at]))
    nodes = {"n_vertices": column("node", np.array(sizes, dtype=np.int64), "Vertices of the region", "1")}
    return contact_graph(names, contacts, lineage=lineage, nodes=nodes)


def volume_graph(labels: xr.Dataset, *, names: Mapping[int, str] | None = None, lineage: str) -> xr.Dataset:
    """Make a graph of the regions of a label volume that touch.

    Parameters
    ----------
    labels : xarray.Dataset
        A volume group of labels.
    names : mapping of int to str, optional
        Labels that are nodes, in order, and what they are called; by default those that the volume names.
    lineage : str
        Which volume this is.

    Returns
    -------
    xarray.Dataset
        As :func:`contact_graph`, with the columns ``label`` and ``n_voxels`` of nodes. Regions without a voxel stay,
        without an edge.

    Raises
    ------
    UsageError
        When no label has a name, or the volume is none of labels.
    """
    if "label_id" not in labels:
        raise UsageError("the volume is none of labels", subject="labels", expected="role labels")
    ids = labels["label_id"].values.tolist()
    if names is None:
        words = decode(labels["label_name"].variable).tolist() if "label_name" in labels else [""] * len(ids)
        names = {number: word for number, word in zip(ids, words, strict=True) if word}
    if not names:
        raise UsageError("no label has a name", subject="labels", hint="names={17: 'Left-Hippocampus', ...}")
    voxels = dict(zip(ids, labels["label_voxels"].values.tolist(), strict=True))
    found = volume_contacts(labels["image"].values, list(names), voxel_size_mm=labels.attrs["voxel_size_mm"])
    known = [region_of(word) for word in names.values()]
    nodes = {
        "label": column("node", np.array(list(names), dtype=np.int64), "Number of the label in the volume", "1"),
        "n_voxels": column("node", np.array([voxels.get(number, 0) for number in names]), "Voxels of the label", "1"),
    }
    spelled = [item.id if item else word for item, word in zip(known, names.values(), strict=True)]
    return contact_graph(spelled, [found], lineage=lineage, nodes=nodes)
