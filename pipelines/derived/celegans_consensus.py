"""``celegans-consensus``: the hermaphrodite's wiring diagrams side by side, and what they agree on.

The record ``consensus`` has one edge per ordered pair of neurons and type that any annotation lists. Every annotation
has a column of its own: NaN where it does not hold both cells or does not list the type at all, 0 where it holds both
and lists no such edge. Units are never mixed: what counts EM sections and what counts synapses have a consensus each.

Annotations of the same micrographs are no independent evidence. Those that name a common EM series, or are based on
one another, form one *lineage* (connected components over the attributes ``series`` and ``based_on`` of the parents):
White et al. 1986 as a whole, its series, Varshney et al., OpenWorm and Cook et al. are one, the two adults of Witvliet
et al. one each. Lineages are counted, annotations are not.

What these numbers cannot say: an edge list names no cell without an edge, so that "holds both cells" means that both
have some edge in it; and a series may hold both cells and not the place where they meet (the brains of Witvliet et
al. end behind the nerve ring). The presence fraction is therefore a lower bound.

The record ``simeon2024`` is the table of another module, kept beside it to compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from connectome.schema import column, decode, graph, record, table

from . import simeon2024
from .parents import DerivedDataset

__all__ = [
    "ANNOTATIONS",
    "Annotation",
    "CelegansConsensus",
    "Verdict",
    "consensus",
    "judge",
    "lineages_of",
    "read_annotation",
]

if TYPE_CHECKING:
    import xarray as xr

    Pair = tuple[str, str]

PARENT = "celegans-connectomes"
ANNOTATIONS = (
    "varshney2011",
    "white1986-whole",
    "openworm",
    "white1986-n2u",
    "white1986-jsh",
    "white1986-jse",
    "witvliet2020-7",
    "witvliet2020-8",
    "cook2019-hermaphrodite",
)
"""Records of the parent, one per annotation of a hermaphrodite. Within a lineage and a unit the first that holds both
cells speaks for the lineage: the revised and completed annotation before the original, the whole before its parts."""

TYPES = ("chemical", "gap_junction", "gap_junction_listed")
UNITS = {"synapses": "synapses", "EM sections": "em_sections"}
"""Units of the parents and what they are called in names of columns."""
CELLS = ("neuron", "canal_neuron")
COPIED = (
    "cell_name", "node_kind", "neuron_class", "side", "sex", "transmitter", "role", "cell_type", "description",
    "lineage", "x", "y", "z",
)  # fmt: skip
"""Columns of the node table that do not depend on an annotation; taken from the one that lists all neurons."""


@dataclass(frozen=True)
class Annotation:
    """One annotation as far as a comparison needs it."""

    name: str
    units: str
    series: tuple[str, ...]
    based_on: tuple[str, ...]
    cells: frozenset[str]
    weights: Mapping[str, Mapping[Pair, float]]
    """Edge type to ordered pair to weight, summed over parallel edges; a type that is not listed has no entry."""

    @property
    def column(self) -> str:
        """Name of its column."""
        return f"weight_{self.name.replace('-', '_')}"

    def covers(self, pair: Pair, edge_type: str) -> bool:
        """Tell whether it could show an edge: it lists the type and holds both cells."""
        return edge_type in self.weights and pair[0] in self.cells and pair[1] in self.cells

    def weight(self, pair: Pair, edge_type: str) -> float:
        """Return the weight of an edge; 0 where there is none, NaN where it could not be seen."""
        return self.weights[edge_type].get(pair, 0.0) if self.covers(pair, edge_type) else float("nan")


def read_annotation(name: str, tree: xr.DataTree) -> Annotation:
    """Read the neurons and the edges between them.

    Parameters
    ----------
    name : str
        Id of the record.
    tree : xarray.DataTree
        A connectome.
    """
    dataset = tree["connectome"].to_dataset()
    names = dataset["cell_name"].values.astype(object)
    chosen = np.isin(decode(dataset["node_kind"]), CELLS)
    source, target = dataset["source"].values, dataset["target"].values
    frame = pd.DataFrame(
        {
            "type": decode(dataset["edge_type"]),
            "source": names[source],
            "target": names[target],
            "weight": dataset["weight"].values.astype(np.float64),
        }
    )[chosen[source] & chosen[target]]
    about = dataset.attrs["edge_types"]
    weights: dict[str, dict[Pair, float]] = {}
    for edge_type in TYPES:
        if edge_type in about:
            summed = frame[frame["type"] == edge_type].groupby(["source", "target"], sort=False)["weight"].sum()
            weights[edge_type] = {
                (str(one), str(other)): float(total) for (one, other), total in summed.items() if total
            }
    told = about["chemical"]
    return Annotation(
        name,
        str(told["weight_units"]),
        tuple(told.get("series", ())),
        tuple(told.get("based_on", ())),
        frozenset(str(cell) for cell in names[chosen]),
        weights,
    )


def lineages_of(annotations: Sequence[Annotation]) -> dict[str, str]:
    """Find which annotations are of the same micrographs.

    Returns
    -------
    dict of str to str
        Annotation to lineage; a lineage is called by its EM series, joined by ``+``.
    """
    groups: list[tuple[set[str], set[str]]] = []
    for item in annotations:
        joined = ({item.name}, {item.name, *item.series, *item.based_on})
        apart = []
        for group in groups:
            if group[1] & joined[1]:
                joined = (group[0] | joined[0], group[1] | joined[1])
            else:
                apart.append(group)
        groups = [*apart, joined]
    series = {item.name: item.series for item in annotations}
    found: dict[str, str] = {}
    for members, _ in groups:
        named = sorted({each for member in members for each in series[member]})
        found |= dict.fromkeys(sorted(members), "+".join(named) or min(members))
    return found


def _edges(annotations: Sequence[Annotation], order: Mapping[str, int]) -> list[tuple[str, Pair]]:
    """Return every type and pair that any annotation lists, by type and then by the order of the nodes."""
    found: list[tuple[str, Pair]] = []
    for edge_type in TYPES:
        pairs = {pair for item in annotations for pair in item.weights.get(edge_type, ())}
        found += [(edge_type, pair) for pair in sorted(pairs, key=lambda pair: (order[pair[0]], order[pair[1]]))]
    return found


@dataclass(frozen=True)
class Verdict:
    """What the lineages say of one edge."""

    n_lineages: int
    """Those that hold both cells and list the type."""
    n_present: int
    """Those in which any annotation has the edge."""
    mean: Mapping[str, float]
    """Unit to the mean over lineages, zeros included; NaN where none counts in that unit."""
    n_of_unit: Mapping[str, int]
    """Unit to the number of lineages in its mean."""


def judge(pair: Pair, edge_type: str, annotations: Sequence[Annotation], lineages: Mapping[str, str]) -> Verdict:
    """Ask every lineage once about an edge.

    Parameters
    ----------
    pair : tuple of str
        Where it starts and where it ends.
    edge_type : str
        One of ``TYPES``.
    annotations : sequence of Annotation
        In the order in which they speak for their lineage: per unit, the first that could show the edge.
    lineages : mapping of str to str
        Annotation to lineage.
    """
    seen: dict[str, bool] = {}
    speaker: dict[str, dict[str, float]] = {units: {} for units in UNITS}
    for item in annotations:
        if item.covers(pair, edge_type):
            lineage, weight = lineages[item.name], item.weight(pair, edge_type)
            seen[lineage] = seen.get(lineage, False) or weight > 0
            speaker[item.units].setdefault(lineage, weight)
    mean = {units: float(np.mean(list(told.values()))) if told else float("nan") for units, told in speaker.items()}
    return Verdict(len(seen), sum(seen.values()), mean, {units: len(told) for units, told in speaker.items()})


def consensus(trees: Mapping[str, xr.DataTree]) -> xr.DataTree:
    """Put annotations side by side.

    Parameters
    ----------
    trees : mapping of str to xarray.DataTree
        The records of ``ANNOTATIONS``.

    Returns
    -------
    xarray.DataTree
        ``connectome`` (graph) and ``annotation`` (table: what each column is, and its lineage).
    """
    annotations = [read_annotation(name, trees[name]) for name in ANNOTATIONS]
    lineages = lineages_of(annotations)
    nodes = _nodes(trees["cook2019-hermaphrodite"])
    names = [str(name) for name in nodes["cell_name"].values]
    order = {name: at for at, name in enumerate(names)}
    edges = _edges(annotations, order)
    compared = [edge_type != "gap_junction_listed" for edge_type, _ in edges]
    verdicts = [
        judge(pair, edge_type, annotations, lineages) if same else None
        for (edge_type, pair), same in zip(edges, compared, strict=True)
    ]
    columns = {
        item.column: column(
            "edge",
            np.array([item.weight(pair, edge_type) for edge_type, pair in edges]),
            f"Weight in {item.name}; NaN where it does not hold both cells or does not list the type",
            "1",
            counted=item.units,
            annotation=f"{PARENT}/{item.name}",
            independent_lineage=lineages[item.name],
        )
        for item in annotations
    }
    columns |= _verdict_columns(verdicts)
    made = graph(
        node=names,
        source=np.array([order[pair[0]] for _, pair in edges]),
        target=np.array([order[pair[1]] for _, pair in edges]),
        edge_type=[edge_type for edge_type, _ in edges],
        edge_types={name: _about(name) for name in TYPES},
        nodes={name: nodes[name].variable for name in COPIED},
        edges=columns,
    )
    return record(
        {"connectome": made, "annotation": _annotation_table(annotations, lineages)},
        title="Wiring diagrams of the hermaphrodite side by side, and their consensus",
        species="Caenorhabditis elegans",
        sex="hermaphrodite",
        n_lineages=len(set(lineages.values())),
    )


def _nodes(tree: xr.DataTree) -> xr.Dataset:
    dataset = tree["connectome"].to_dataset()
    return dataset.isel(node=np.flatnonzero(np.isin(decode(dataset["node_kind"]), CELLS)))


def _verdict_columns(verdicts: Iterable[Verdict | None]) -> dict[str, xr.Variable]:
    told = list(verdicts)
    nothing = float("nan")
    n_lineages = np.array([-1 if item is None else item.n_lineages for item in told], dtype=np.int8)
    n_present = np.array([-1 if item is None else item.n_present for item in told], dtype=np.int8)
    fraction = np.array([nothing if item is None else item.n_present / item.n_lineages for item in told])
    none = "-1 for gap_junction_listed, whose order of cells has no meaning"
    made = {
        "n_lineages": column("edge", n_lineages, "Independent EM lineages that hold both cells", "1", comment=none),
        "n_lineages_present": column(
            "edge", n_present, "Those in which any annotation has the edge", "1", comment=none
        ),
        "presence_fraction": column("edge", fraction, "n_lineages_present / n_lineages: a lower bound", "1"),
    }
    for units, short in UNITS.items():
        mean = np.array([nothing if item is None else item.mean[units] for item in told])
        count = np.array([-1 if item is None else item.n_of_unit[units] for item in told], dtype=np.int8)
        made[f"consensus_{short}"] = column(
            "edge", mean, f"Mean weight over lineages that count {units}, zeros included", "1", counted=units
        )
        made[f"n_{short}"] = column("edge", count, f"Lineages in consensus_{short}", "1", comment=none)
    return made


def _about(name: str) -> dict[str, Any]:
    about: dict[str, Any] = {
        "directed": name == "chemical",
        "weight_units": "see the attribute 'counted' of each column",
        "weight_meaning": "one column per annotation; consensus columns per unit",
        "lineage": "see the group 'annotation'",
    }
    if name == "gap_junction":
        about["comment"] = "both directions of every pair, as the parents symmetrise them"
    if name == "gap_junction_listed":
        about["comment"] = (
            "the order in which each annotation writes the pair; it is no direction, so nothing is counted"
        )
    return about


def _annotation_table(annotations: Sequence[Annotation], lineages: Mapping[str, str]) -> xr.Dataset:
    def numbers(values: Iterable[int], long_name: str) -> xr.Variable:
        return column("row", np.array(list(values), dtype=np.int64), long_name, "1")

    columns = {
        "annotation": column("row", [item.name for item in annotations], f"Record of {PARENT}"),
        "column": column("row", [item.column for item in annotations], "Column of its weights"),
        "counted": column("row", [item.units for item in annotations], "What its weights count"),
        "series": column("row", [" ".join(item.series) for item in annotations], "EM series that it names"),
        "based_on": column("row", [" ".join(item.based_on) for item in annotations], "Annotations that it is based on"),
        "independent_lineage": column("row", [lineages[item.name] for item in annotations], "Lineage that is counted"),
        "n_cells": numbers((len(item.cells) for item in annotations), "Neurons that it holds, CANL and CANR included"),
    }
    for name in ("chemical", "gap_junction"):
        counts = (len(item.weights[name]) if name in item.weights else -1 for item in annotations)
        columns[f"n_{name}"] = numbers(counts, f"Ordered pairs of type {name}; -1 where the type is not listed")
    return table(columns, title="Annotations in the order in which they speak for their lineage")


class CelegansConsensus(DerivedDataset):
    """The comparison, and the table of the 2024 release made by its own rules."""

    id = "celegans_consensus"
    version = "1"
    dataset = "celegans-consensus"
    records = {  # noqa: RUF012 - a declaration, read only
        "consensus": tuple(f"{PARENT}/{name}" for name in ANNOTATIONS),
        "simeon2024": tuple(f"{PARENT}/{name}" for name in simeon2024.RECORDS),
    }

    facts = {  # noqa: RUF012 - a declaration, read only
        "consensus": {
            "/connectome": {
                "n_nodes": 302,
                "edges": {
                    "chemical": {"n": 5190},
                    "gap_junction": {"n": 2892},
                    "gap_junction_listed": {"n": 2039},
                },
            },
        },
        "simeon2024": {"/release": {"n_rows": 16373}},
    }

    def make(self, record: str, parents: Mapping[str, xr.DataTree]) -> xr.DataTree:
        """Make one of the two records."""
        trees = {name.partition("/")[2]: tree for name, tree in parents.items()}
        return consensus(trees) if record == "consensus" else simeon2024.as_record(trees)
