"""What is known of each cell of a connectome, joined by name: kind, class, side, transmitter, role, lineage, position.

Neurons are known from :mod:`.celegans_names` and :mod:`.celegans_facts`. Other cells are told by the nomenclature of
their label; body-wall muscles are written in three ways (``MDL08``, ``dBWML8``, ``BWM-DL08``), which name quadrant,
side and number from the head and so are one cell each. A label keeps its own spelling as the node's id; ``cell_name``
holds the name to join by. What no source says is ``""``, NaN or a missing code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from connectome.schema import category, column

from .celegans_facts import ROLE_OF_CLASS, ROLES, TRANSMITTER_OF_CLASS
from .celegans_names import LABEL_STATUSES, NEURONS, LabelMatch, match_label

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NODE_KINDS", "Cell", "CellTable", "describe", "node_columns"]

NODE_KINDS = (
    "neuron",
    "canal_neuron",
    "muscle",
    "glia",
    "marginal_cell",
    "epithelium",
    "gland",
    "excretory_cell",
    "mesodermal_cell",
    "hypodermis",
    "intestine",
    "gonad",
    "proctodeum",
    "basement_membrane",
    "ray_cell",
    "fragment",
    "unresolved",
)
"""Kinds of nodes.

``neuron`` leaves out CANL and CANR, which are neurons by White et al. (1986) but are never listed as presynaptic and
stand among the other end organs in Cook et al. (2019): they are ``canal_neuron``, so that counts within ``neuron``
are those that are published for 300 neurons. ``fragment`` is a piece of a neurite whose cell is unknown,
``unresolved`` a target that the source does not tell apart into cells (all neuromuscular junctions together).
"""

FRAME = "straightened whole worm, as published"
AXES = {
    "x": "along the body: 0 at the tip of the head, rising to the tail",
    "y": "ventral to dorsal: rising to the dorsal side",
    "z": "right to left: positive on the left, except for ALM, BDU, HSN, PDE, PVD and SDQ, whose sides are the other "
    "way round in the source and are kept so",
}
"""The publication says "XYZ, microns"; which axis is which was read off cells whose place is known."""


@dataclass(frozen=True)
class Cell:
    """A node as it is told by its label alone."""

    node: str
    """Id in the graph: the neuron's name, or the label as written."""
    name: str
    """Name to join by; ``""`` where the cell is not known."""
    kind: str
    """One of ``NODE_KINDS``, or ``""``."""
    side: str
    """``L``, ``R``, ``none``, or ``""`` where the label does not say."""
    match: LabelMatch


@dataclass(frozen=True)
class CellTable:
    """Tables to join by the cell's name."""

    info: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Name to (type, description, lineage)."""
    position_um: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


_MUSCLE_ROWS = {"D": "MD", "V": "MV"}

# One line per way to write the cells of a kind; ``side`` where the label tells it. WormAtlas and the readers' own
# publications (Cook 2019; NemaNode for Witvliet 2021) use these forms.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("muscle", r"M(?P<row>[DV])(?P<side>[LR])(?P<number>\d\d)"),
        ("muscle", r"(?P<row>[dv])BWM(?P<side>[LR])(?P<number>\d\d?)"),
        ("muscle", r"BWM-(?P<row>[DV])(?P<side>[LR])(?P<number>\d\d)"),
        ("muscle", r"BWM|LegacyBodyWallMuscles"),
        ("muscle", r"pm[1-8](?:D|V(?P<side>[LR]))?|pm4_UNSPECIFIED"),
        ("muscle", r"[uv]m[12][AP](?P<side>[LR])|MVULVA"),
        ("muscle", r"mu_int(?P<side>[LR])|mu_anal|mu_sph|MANAL"),
        ("muscle", r"(?:aob|pob|gec|grt|cdl|ail|pil|pol|dsp|vsp|dsr|vsr)(?P<side>[LR])|dgl(?P<other>[LR])\d"),
        ("glia", r"CEPsh[DV](?P<side>[LR])|GLR[DV]?(?P<other>[LR])"),
        ("marginal_cell", r"mc[123](?:V|D(?P<side>[LR]))"),
        ("epithelium", r"e[23](?:D|V|[DV](?P<side>[LR]))"),
        ("gland", r"g1[Pp]|g1A(?P<side>[LR])|g2(?P<other>[LR])|exc_?gl"),
        ("excretory_cell", r"exc_cell"),
        ("mesodermal_cell", r"hmc"),
        ("hypodermis", r"hyp"),
        ("intestine", r"int"),
        ("gonad", r"gonad"),
        ("proctodeum", r"proctodeum"),
        ("basement_membrane", r"bm"),
        ("ray_cell", r"R[1-9](?:st|sh)(?P<side>[LR])"),
        ("fragment", r"NR_fragment|vncfrag"),
        ("unresolved", r"NMJ"),
    )
)

# Spellings of one cell: Cook et al. (2019) write g1p where WormAtlas has g1P, NemaNode excgl where both have exc_gl.
_SAME = {"g1p": "g1P", "excgl": "exc_gl"}


def describe(label: str, *, aliases: Mapping[str, str] | None = None) -> Cell:
    """Tell a node by its label.

    Parameters
    ----------
    label : str
        As the source writes it.
    aliases : mapping of str to str, optional
        See :func:`~connectome.pipelines.homogenise.celegans_names.match_label`.
    """
    match = match_label(label, aliases=aliases)
    if match.identified:
        neuron = NEURONS[match.name]
        kind = "canal_neuron" if neuron.neuron_class == "CAN" else "neuron"
        return Cell(match.name, match.name, kind, neuron.side, match)
    text = label.strip()
    if match.status == "ambiguous":
        return Cell(text, "", "neuron", "", match)
    for kind, pattern in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            parts = found.groupdict()
            side = parts.get("side") or parts.get("other") or "none"
            name = _SAME.get(text, text)
            if parts.get("row"):
                name = f"{_MUSCLE_ROWS[parts['row'].upper()]}{side}{int(parts['number']):02d}"
            elif kind in {"fragment", "unresolved"}:
                name, side = "", ""
            known = LabelMatch(label, "", (), "exact", "")
            return Cell(text, name, kind, side, known)
    return Cell(text, "", "", "", match)


def node_columns(
    cells: Sequence[Cell], labels: Mapping[str, Sequence[str]], table: CellTable | None = None
) -> dict[str, xr.Variable]:
    """Make the node table of a connectome.

    Parameters
    ----------
    cells : sequence of Cell
        One per node, in the order of the nodes.
    labels : mapping of str to sequence of str
        Node id to every label that the source uses for it.
    table : CellTable, optional
        What to join; without it the columns are there and empty.

    Returns
    -------
    dict of str to xarray.Variable
        All on the dimension ``node``.
    """
    table = table or CellTable()
    neurons = [NEURONS.get(cell.name) for cell in cells]
    classes = ["" if neuron is None else neuron.neuron_class for neuron in neurons]
    empty = ("", "", "")
    info = [table.info.get(cell.name, empty) for cell in cells]
    hobert = "Hobert, Glenwinkel and White (2016), doi:10.1016/j.cub.2016.10.027, Table S1"
    toolbox = "Connectome Toolbox, all_cell_info.csv (after WormAtlas)"
    columns = {
        "source_label": column("node", [" | ".join(labels[cell.node]) for cell in cells], "Name in the source"),
        "label_status": category(
            "node", [cell.match.status for cell in cells], LABEL_STATUSES, "How the name was found",
            comment="exact for cells that are not neurons means that their label is one of a known nomenclature",
        ),
        "label_rule": column("node", [cell.match.rule for cell in cells], "Rules that led from the label to the name"),
        "candidates": column(
            "node", [" ".join(cell.match.candidates) for cell in cells], "Neurons that the label fits, blank-separated"
        ),
        "cell_name": column("node", [cell.name for cell in cells], "Name of the cell to join by"),
        "node_kind": category("node", [cell.kind for cell in cells], NODE_KINDS, "Kind of the cell"),
        "neuron_class": column("node", classes, "Class of the neuron", citation="doi:10.1098/rstb.1986.0056"),
        "side": category("node", [cell.side for cell in cells], ("L", "R", "none"), "Side of the body"),
        "sex": category(
            "node", ["" if neuron is None else neuron.sex for neuron in neurons], ("both", "hermaphrodite", "male"),
            "Sex in which the neuron exists",
        ),
        "transmitter": column(
            "node", [TRANSMITTER_OF_CLASS.get(name, "") for name in classes], "Neurotransmitter", source=hobert
        ),
        "role": category(
            "node", [ROLE_OF_CLASS.get(name) for name in classes], ROLES, "Role of the neuron", source=hobert
        ),
        "cell_type": column("node", [item[0] for item in info], "Type of the cell", source=toolbox),
        "description": column("node", [item[1] for item in info], "The name in words", source=toolbox),
        "lineage": column("node", [item[2] for item in info], "Embryonic lineage", source=toolbox),
    }  # fmt: skip
    nowhere = (np.nan, np.nan, np.nan)
    places = np.array([table.position_um.get(cell.name, nowhere) for cell in cells], dtype=np.float64).reshape(-1, 3)
    for at, axis in enumerate("xyz"):
        columns[axis] = column(
            "node", places[:, at], f"Position of the soma, {axis}", "um", frame=FRAME, axis=AXES[axis],
            citation="doi:10.1186/s12859-022-04738-3",
            comment="adult hermaphrodite; of another animal than the connectome; NaN where not given",
        )  # fmt: skip
    return columns
