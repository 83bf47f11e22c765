"""From a plain list of edges to a graph: one name per cell, typed nodes, derived edge types by stated rules.

Every listed row stays an edge of its own type, with the place where it is written. Two kinds of types are derived
beside them and say from what and how: ``symmetrise`` writes gap junctions in both directions, ``sum`` adds up the rows
of a pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, graph, warning

from .celegans_cells import Cell, CellTable, describe, node_columns
from .celegans_names import NEURONS
from .edge_list import EdgeList, EdgeRow, Note

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["EXTRA_COLUMNS", "EdgeType", "connectome_graph", "join"]

RULES = {
    "": "",
    "symmetrise": "every pair in both directions, a loop once; a pair that is listed in one direction gets the listed "
    "weight in both; one that is listed in both keeps its weight, and where the two differ the larger is taken",
    "sum": "one edge per ordered pair of cells; its weight is the sum over the listed rows",
}


@dataclass(frozen=True)
class EdgeType:
    """What a type of edge is."""

    weight_units: str
    """In words where there is no UDUNITS text: ``synapses``, ``EM sections``."""
    weight_meaning: str
    lineage: str
    """Which preparation the numbers come from, in words."""
    directed: bool = True
    derived_from: str = ""
    how: Literal["", "symmetrise", "sum"] = ""
    comment: str = ""
    series: tuple[str, ...] = ()
    """Ids of the EM series that the source names, each one animal: ``N2U``. There may be others that it does not."""
    based_on: tuple[str, ...] = ()
    """Records of the same dataset whose annotations, or whose micrographs, went into this one."""

    def about(self) -> dict[str, Any]:
        """Return the description as a graph's attribute holds it."""
        told: dict[str, Any] = {
            "directed": self.directed,
            "weight_units": self.weight_units,
            "weight_meaning": self.weight_meaning,
            "lineage": self.lineage,
        }
        if self.derived_from:
            told |= {"derived_from": self.derived_from, "rule": RULES[self.how]}
        if self.series:
            told["series"] = list(self.series)
        if self.based_on:
            told["based_on"] = list(self.based_on)
        return told | ({"comment": self.comment} if self.comment else {})


EXTRA_COLUMNS: Mapping[str, tuple[str, str | int | float | bool, str | None]] = {
    "listed_type": ("Word that the source uses for the type", "", None),
    "listed_transmitter": ("Neurotransmitter that the source gives for the row", "", None),
    "synapse_id": ("Number of the synapse in its annotation project; -1 where none", -1, "1"),
    "pre_node": ("Skeleton node of the presynaptic partner in its project; -1 where none", -1, "1"),
    "post_node": ("Skeleton node of the postsynaptic partner in its project; -1 where none", -1, "1"),
    "alpha": ("Opacity in the published figure, max(0, 1 - 2 q)", float("nan"), "1"),
    "q": ("False discovery rate of the response; NaN where only q >= 0.5 is known", float("nan"), "1"),
    "q_censored": ("Whether only q >= 0.5 is known", False, None),
    "significant": ("Whether q < 0.05", False, None),
}
"""Edge columns that some sources have: long name, value where a row has none, units."""


@dataclass(frozen=True)
class _Named:
    """A row with its cells found."""

    source: str
    target: str
    row: EdgeRow


def connectome_graph(
    edges: EdgeList,
    types: Mapping[str, EdgeType],
    *,
    table: CellTable | None = None,
    aliases: Mapping[str, str] | None = None,
    **attrs: Any,
) -> tuple[xr.Dataset, list[Note]]:
    """Make a connectome.

    Parameters
    ----------
    edges : EdgeList
        Rows of listed types, in the order of the source, and every cell it names.
    types : mapping of str to EdgeType
        Listed types and those to derive from them. A type without any row is left out.
    table : CellTable, optional
        What to join to the nodes.
    aliases : mapping of str to str, optional
        Labels of this source with a known meaning; each use is noted.
    **attrs
        Attributes of the group.

    Returns
    -------
    dataset : xarray.Dataset
        A valid graph group; neurons come first in table order, then other cells by text.
    notes : list of dict
        Warnings: those of the list, aliases used, unknown and ambiguous names, directions that disagree.

    Raises
    ------
    FormatError
        When a row is of a type that is not described.
    """
    cells = {label: describe(label, aliases=aliases) for label in edges.labels}
    for row in edges.rows:
        for label in (row.source, row.target):
            if label not in cells:
                cells[label] = describe(label, aliases=aliases)
        if row.type not in types:
            raise FormatError("unknown type of edge", subject=row.type, place=row.place, expected=", ".join(types))
    nodes = _ordered(cells.values())
    notes = [*edges.notes, *_name_notes(cells)]
    rows = [_Named(cells[row.source].node, cells[row.target].node, row) for row in edges.rows]
    for name, about in types.items():
        if about.how == "symmetrise":
            rows += _symmetrised([row for row in rows if row.row.type == about.derived_from], name, notes)
        elif about.how == "sum":
            rows += _summed([row for row in rows if row.row.type == about.derived_from], name)
    index = {cell.node: at for at, cell in enumerate(nodes)}
    present = {row.row.type for row in rows}
    labels: dict[str, list[str]] = {}
    for label, cell in cells.items():
        labels.setdefault(cell.node, []).append(label)
    weights = [row.row.weight for row in rows]
    whole = all(isinstance(weight, int) for weight in weights)
    dataset = graph(
        node=[cell.node for cell in nodes],
        source=np.array([index[row.source] for row in rows], dtype=np.int64),
        target=np.array([index[row.target] for row in rows], dtype=np.int64),
        edge_type=[row.row.type for row in rows],
        edge_types={name: about.about() for name, about in types.items() if name in present},
        weight=np.array(weights, dtype=np.int64 if whole else np.float64),
        weight_units="1",
        nodes=node_columns(nodes, labels, table),
        edges=_edge_columns([row.row for row in rows]),
        **attrs,
    )
    dataset["weight"].attrs["comment"] = "what is counted differs between types: see edge_types"
    return dataset, notes


def join(dataset: xr.Dataset, name: str, values: Mapping[str, str], long_name: str, **attrs: Any) -> xr.Dataset:
    """Add a text column to the nodes, by the source's own labels; ``""`` where a node has none."""
    told = []
    for labels in dataset["source_label"].values:
        found = [values[label] for label in str(labels).split(" | ") if label in values]
        told.append(found[0] if found else "")
    return dataset.assign({name: column("node", told, long_name, **attrs)})


def _ordered(cells: Iterable[Cell]) -> list[Cell]:
    unique: dict[str, Cell] = {}
    for cell in cells:
        known = unique.get(cell.node)
        # Of two labels for one node the plainer one speaks for it.
        if known is None or (known.match.status != "exact" and cell.match.status == "exact"):
            unique[cell.node] = cell
    place = {name: at for at, name in enumerate(NEURONS)}
    return sorted(unique.values(), key=lambda cell: (place.get(cell.node, len(place)), cell.node))


def _name_notes(cells: Mapping[str, Cell]) -> list[Note]:
    notes: list[Note] = []
    for label, cell in cells.items():
        if "alias" in cell.match.rule:
            notes.append(warning("alias", label, f"read as {cell.node} by a listed alias"))
        elif cell.match.status == "ambiguous":
            message = f"fits {', '.join(cell.match.candidates)}; kept as a node of its own"
            notes.append(warning("ambiguous-name", label, message))
        elif not cell.kind:
            message = "no neuron and no cell of a known nomenclature; kept as a node of unknown kind"
            notes.append(warning("unknown-name", label, message))
    return notes


def _symmetrised(rows: Sequence[_Named], name: str, notes: list[Note]) -> list[_Named]:
    """Write every pair in both directions, in the order in which the pairs first appear."""
    listed: dict[tuple[str, str], int | float] = {}
    places: dict[tuple[str, str], list[str]] = {}
    pairs: dict[tuple[str, str], None] = {}
    for row in rows:
        ends = (row.source, row.target)
        listed[ends] = listed.get(ends, 0) + row.row.weight
        places.setdefault(ends, []).append(row.row.place)
        if ends[::-1] not in pairs:
            pairs[ends] = None
    derived = []
    for there in pairs:
        back = there[::-1]
        weight = listed[there]
        if back != there and back in listed and listed[back] != weight:
            message = (
                f"{there[0]} to {there[1]} is listed with {weight}, the other way round with {listed[back]}; "
                f"{name} has the larger"
            )
            notes.append(warning("asymmetric-gap-junction", "; ".join(places[there]), message))
            weight = max(weight, listed[back])
        # Listed both ways, each direction points at its own rows.
        for ends in dict.fromkeys((there, back)):
            place = "; ".join(places.get(ends, places[there]))
            derived.append(_Named(*ends, EdgeRow(*ends, name, weight, place)))
    return derived


def _summed(rows: Sequence[_Named], name: str) -> list[_Named]:
    totals: dict[tuple[str, str], int | float] = {}
    places: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        ends = (row.source, row.target)
        totals[ends] = totals.get(ends, 0) + row.row.weight
        # Synapses of one entry share its place: what follows the comma tells them apart.
        places.setdefault(ends, {})[row.row.place.split(", synapse")[0]] = None
    return [
        _Named(*ends, EdgeRow(*ends, name, weight, "; ".join(places[ends])))
        for ends, weight in totals.items()
        if weight > 0
    ]


def _edge_columns(rows: Sequence[EdgeRow]) -> dict[str, xr.Variable]:
    columns = {"source_place": column("edge", [row.place for row in rows], "Where the source lists the edge")}
    present = {name for row in rows for name in row.extra}
    for name, (long_name, missing, units) in EXTRA_COLUMNS.items():
        if name not in present:
            continue
        values = [row.extra.get(name, missing) for row in rows]
        if isinstance(missing, str):
            columns[name] = column("edge", values, long_name)
        else:
            dtype = np.bool_ if isinstance(missing, bool) else np.int64 if isinstance(missing, int) else np.float64
            columns[name] = column("edge", np.array(values, dtype=dtype), long_name, units)
    for name in sorted(present - set(EXTRA_COLUMNS)):
        columns[name] = column("edge", [str(row.extra.get(name, "")) for row in rows], f"{name}, as the source has it")
    return columns
