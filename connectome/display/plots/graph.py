"""Pictures of a graph: its adjacency matrix in an order that shows its parts, and its degree distribution."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from connectome.errors import UsageError
from connectome.schema import decode, is_category

from .figure import DPI, INK, QUIET, literal, new_figure, spread

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["adjacency", "adjacency_matrix", "degree_distribution", "degrees", "node_groups", "node_order"]

GROUP_COLUMNS = ("role", "node_type", "neuron_type", "type", "node_kind")
"""Node columns that tell parts of a graph apart, the most telling first; where one is empty the next is asked."""
MAX_CELLS = 1200
"""Rows of the picture; of larger graphs each row is a block of nodes."""
MAX_SPECTRAL = 1500
"""Nodes up to which the spectral order is computed (a dense eigenproblem of a second or so)."""
MAX_NAMED = 60
"""Nodes up to which each is written by its name."""
MAX_PARTS = 14
"""Parts that are written by their names; of more, the largest."""
Array = np.ndarray[Any, Any]


def node_groups(dataset: xr.Dataset, *, columns: Sequence[str] = GROUP_COLUMNS) -> tuple[Array, list[str]]:
    """Tell which part of the graph every node belongs to.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    columns : sequence of str
        Node columns to ask, in order; those that are absent are skipped.

    Returns
    -------
    tuple of numpy.ndarray of shape (node,) and list of str
        The name of each node's part (``"other"`` where no column says), and the parts in order: as categories list
        their labels, then by name, ``"other"`` last.
    """
    parts = np.full(int(dataset.sizes["node"]), "", dtype=object)
    order: list[str] = []
    for name in columns:
        if name not in dataset.variables or dataset[name].dims != ("node",):
            continue
        values = decode(dataset[name]).astype(object)
        parts = np.where(parts == "", values, parts)
        listed = dataset[name].attrs["flag_labels"] if is_category(dataset[name]) else sorted(set(values.tolist()))
        order.extend(label for label in listed if label and label not in order)
    parts = np.where(parts == "", "other", parts)
    present = set(parts.tolist())
    named = [label for label in order if label in present and label != "other"]
    return parts, [*named, "other"] if "other" in present else named


def node_order(
    dataset: xr.Dataset, *, order: Literal["spectral", "name", "source"] = "spectral", edge_type: str | None = None
) -> Array:
    """Return node indices in the order in which they are drawn.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    order : {"spectral", "name", "source"}
        Within each part: by the Fiedler vector of the normalised Laplacian of all edges (of ``edge_type``, taken both
        ways, weights as log(1 + weight)), which sets strongly linked nodes side by side; by name with numbers read as
        numbers; or as in the source. Graphs of more than 1500 nodes are never ordered spectrally.
    edge_type : str, optional
        Type of the edges that decide; default all.

    Returns
    -------
    numpy.ndarray
        Shape (node,), a permutation, the same on every run.
    """
    parts, listed = node_groups(dataset)
    rank = {label: at for at, label in enumerate(listed)}
    first = np.array([rank[part] for part in parts], dtype=np.int64)
    n_nodes = len(parts)
    by_name = np.empty(n_nodes, dtype=np.int64)
    by_name[sorted(range(n_nodes), key=lambda at: _natural(str(dataset["node"].values[at])))] = np.arange(n_nodes)
    if order == "source":
        return np.lexsort((np.arange(n_nodes), first))
    if order == "name" or n_nodes > MAX_SPECTRAL or n_nodes < 3:
        return np.lexsort((by_name, first))
    return np.lexsort((by_name, _fiedler(dataset, edge_type, by_name), first))


def _natural(name: str) -> tuple[Any, ...]:
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"(\d+)", name))


def _fiedler(dataset: xr.Dataset, edge_type: str | None, by_name: Array) -> Array:
    source, target, weight = _edges(dataset, edge_type)
    n_nodes = int(dataset.sizes["node"])
    strength = np.zeros((n_nodes, n_nodes))
    np.add.at(strength, (source, target), np.log1p(np.abs(np.nan_to_num(weight))))
    strength = strength + strength.T
    np.fill_diagonal(strength, 0.0)
    # A faint link between all nodes joins separate parts, so that the vector is unique up to its sign.
    strength += 1e-4 * max(strength.max(), 1.0)
    root = 1.0 / np.sqrt(strength.sum(axis=1))
    _, vectors = np.linalg.eigh(np.eye(n_nodes) - root[:, None] * strength * root[None, :])
    vector = vectors[:, 1] * root
    # The sign of an eigenvector is arbitrary: let the name that comes first by alphabet lie on the low side.
    leading = vector[np.argmin(by_name)]
    # Rounding lets names decide between nodes that the solver tells apart by noise only.
    rounded: Array = np.round(vector * (-1.0 if leading > 0 else 1.0) / np.abs(vector).max(), 6)
    return rounded


def _edges(dataset: xr.Dataset, edge_type: str | None) -> tuple[Array, Array, Array]:
    """Return source, target and weight (1 where there is none) of the edges of a type."""
    known = list(dataset.attrs["edge_types"])
    if edge_type is not None and edge_type not in known:
        raise UsageError("no such edge type", subject=edge_type, expected=", ".join(known))
    chosen = np.ones(int(dataset.sizes["edge"]), dtype=bool)
    if edge_type is not None:
        chosen = decode(dataset["edge_type"]) == edge_type
    weight = dataset["weight"].values if "weight" in dataset else np.ones(len(chosen))
    return dataset["source"].values[chosen], dataset["target"].values[chosen], weight[chosen].astype(np.float64)


def adjacency_matrix(dataset: xr.Dataset, *, edge_type: str, order: Array) -> np.ma.MaskedArray[Any, Any]:
    """Return the summed weights as a matrix, source by row and target by column, nodes in ``order``.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    edge_type : str
        Type of the edges; undirected ones are entered both ways.
    order : numpy.ndarray
        Shape (node,), a permutation. Graphs of more than 1200 nodes are summed in blocks of neighbours in it.

    Returns
    -------
    numpy.ma.MaskedArray
        Float64, masked where there is no edge.
    """
    source, target, weight = _edges(dataset, edge_type)
    if not dataset.attrs["edge_types"][edge_type]["directed"]:
        loop = source == target
        source, target = np.append(source, target[~loop]), np.append(target, source[~loop])
        weight = np.append(weight, weight[~loop])
    n_nodes = len(order)
    n_cells = min(n_nodes, MAX_CELLS)
    place = np.empty(n_nodes, dtype=np.int64)
    place[order] = np.arange(n_nodes) * n_cells // max(n_nodes, 1)
    total, count = np.zeros((n_cells, n_cells)), np.zeros((n_cells, n_cells), dtype=np.int64)
    known = np.isfinite(weight)
    np.add.at(total, (place[source[known]], place[target[known]]), weight[known])
    np.add.at(count, (place[source[known]], place[target[known]]), 1)
    return np.ma.MaskedArray(total, mask=count == 0)


def adjacency(
    dataset: xr.Dataset,
    *,
    edge_type: str | None = None,
    order: Literal["spectral", "name", "source"] = "spectral",
    title: str = "",
) -> Figure:
    """Draw the adjacency matrix.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    edge_type : str, optional
        Type of the edges; default the first.
    order : {"spectral", "name", "source"}
        See :func:`node_order`. Parts of the graph (see :func:`node_groups`) are kept together and named.
    title : str
        Before the counts.

    Returns
    -------
    matplotlib.figure.Figure
        Its image is the matrix of :func:`adjacency_matrix`; colours are logarithmic, or diverging about zero where
        weights are negative.
    """
    from matplotlib.colors import LogNorm, TwoSlopeNorm

    edge_type = edge_type or next(iter(dataset.attrs["edge_types"]))
    source, _, _ = _edges(dataset, edge_type)
    about = dataset.attrs["edge_types"][edge_type]
    arranged = node_order(dataset, order=order, edge_type=edge_type)
    matrix = adjacency_matrix(dataset, edge_type=edge_type, order=arranged)
    n_nodes, n_cells = len(arranged), matrix.shape[0]
    figure = new_figure(7.6, 6.6, dpi=max(DPI, 2 * n_cells / 5.0))
    axes = figure.add_subplot()
    values = matrix.compressed()
    shown: dict[str, Any] = {"cmap": "viridis_r"}
    beyond: Literal["both", "neither"] = "neither"
    if values.size and values.min() < 0:
        # A few extremes would wash out everything else; the arrows of the colour bar say that there are some.
        reach = float(np.percentile(np.abs(values), 99)) or float(np.abs(values).max())
        shown = {"cmap": "RdBu_r", "norm": TwoSlopeNorm(0.0, -reach, reach)}
        beyond = "both" if np.abs(values).max() > reach else "neither"
    elif values.size and values.max() > 0:
        low, high = float(values[values > 0].min()), float(values.max())
        shown["norm"] = LogNorm(low, high if high > low else low * 1.0001)
    image = axes.imshow(matrix, interpolation="nearest", aspect="equal", extent=(0, n_nodes, n_nodes, 0), **shown)
    if values.size:
        weighted = "weight" in dataset
        label = f"{about['weight_meaning']} ({about['weight_units']})" if weighted else "number of edges"
        bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02, extend=beyond)
        bar.set_label(literal("\n".join(wrap(label, 60))), fontsize=8)
    _name_parts(axes, dataset, arranged)
    n_edges = len(source)
    how = "directed" if about["directed"] else "undirected, drawn both ways"
    head = f"{title}: " if title else ""
    blocks = "" if n_cells == n_nodes else f", in {n_cells:,} blocks"
    axes.set_title(
        literal(f"{head}{edge_type} ({how})\n{n_edges:,} edges among {n_nodes:,} nodes{blocks}"), fontsize=10, pad=8
    )
    axes.set_ylabel("source")
    return figure


def _name_parts(axes: Axes, dataset: xr.Dataset, arranged: Array) -> None:
    parts, listed = node_groups(dataset)
    n_nodes = len(arranged)
    sequence = parts[arranged]
    axes.set(xticks=[], yticks=[], xlim=(0, n_nodes), ylim=(n_nodes, 0))
    axes.spines[:].set_color("#bbbbbb")
    if n_nodes <= MAX_NAMED:
        written = [literal(name) for name in dataset["node"].values[arranged]]
        axes.set_xticks(np.arange(n_nodes) + 0.5, written, rotation=90, fontsize=6)
        axes.set_yticks(np.arange(n_nodes) + 0.5, written, fontsize=6)
        axes.set_xlabel("target")
        return
    axes.set_xlabel("target")
    if listed == ["other"]:
        return
    edges = (np.flatnonzero(sequence[1:] != sequence[:-1]) + 1).tolist()
    for edge in edges:
        axes.axhline(edge, color=QUIET, linewidth=0.4)
        axes.axvline(edge, color=QUIET, linewidth=0.4)
    bounds = [0, *edges, n_nodes]
    centres = [(start + stop) / 2 for start, stop in pairwise(bounds)]
    names = [str(sequence[start]) for start in bounds[:-1]]
    sizes = [stop - start for start, stop in pairwise(bounds)]
    largest = set(sorted(range(len(sizes)), key=lambda at: (-sizes[at], at))[:MAX_PARTS])
    names, sizes = [names[at] for at in sorted(largest)], [sizes[at] for at in sorted(largest)]
    centres = [centres[at] for at in sorted(largest)]
    moved = spread(centres, gap=n_nodes * 0.032, low=n_nodes * 0.015, high=n_nodes * 0.985)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("bottom")
    axes.set_yticks(moved, [literal(f"{name} {size:,}") for name, size in zip(names, sizes, strict=True)], fontsize=7)
    axes.set_xticks(moved, [literal(name) for name in names], fontsize=7, rotation=90)
    axes.tick_params(length=0, pad=11, labelcolor=INK)
    for centre, at in zip(centres, moved, strict=True):
        # From the middle of the part to its name, which may have moved aside.
        line: dict[str, Any] = {"color": QUIET, "linewidth": 0.5, "clip_on": False}
        axes.plot([0, -n_nodes * 0.02], [centre, at], **line)
        axes.plot([centre, at], [0, -n_nodes * 0.02], **line)


def degrees(dataset: xr.Dataset, *, edge_type: str) -> dict[str, Array]:
    """Count the distinct partners of every node.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    edge_type : str
        Type of the edges. Parallel edges count once, loops count as a partner.

    Returns
    -------
    dict of str to numpy.ndarray
        ``out`` and ``in`` for directed types, else ``both``; shape (node,), int64.
    """
    source, target, _ = _edges(dataset, edge_type)
    n_nodes = int(dataset.sizes["node"])
    if dataset.attrs["edge_types"][edge_type]["directed"]:
        pairs = np.unique(source.astype(np.int64) * n_nodes + target)
        return {
            "out": np.bincount(pairs // n_nodes, minlength=n_nodes),
            "in": np.bincount(pairs % n_nodes, minlength=n_nodes),
        }
    ends = np.append(source, target).astype(np.int64), np.append(target, source).astype(np.int64)
    pairs = np.unique(ends[0] * n_nodes + ends[1])
    return {"both": np.bincount(pairs // n_nodes, minlength=n_nodes)}


def degree_distribution(dataset: xr.Dataset, *, edge_types: Sequence[str] | None = None, title: str = "") -> Figure:
    """Draw the share of nodes with at least k partners against k, on logarithmic axes.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    edge_types : sequence of str, optional
        Types to draw; default all that have edges.
    title : str
        Before the count of nodes.

    Returns
    -------
    matplotlib.figure.Figure
        One step line per type and direction; nodes without partners lower the line and are counted in the legend.
    """
    figure = new_figure(5.6, 4.4)
    axes = figure.add_subplot()
    n_nodes = int(dataset.sizes["node"])
    types = list(edge_types) if edge_types is not None else list(dataset.attrs["edge_types"])
    styles = {"out": "-", "in": "--", "both": "-"}
    largest = 1
    for at, edge_type in enumerate(types):
        for direction, degree in degrees(dataset, edge_type=edge_type).items():
            if not degree.any():
                continue
            # From k = 1 on, so that the line starts with the share of nodes that have any partner.
            values = np.union1d(degree[degree > 0], [1])
            share = np.array([np.count_nonzero(degree >= value) for value in values]) / n_nodes
            label = edge_type if direction == "both" else f"{edge_type}, {direction}"
            alone = int((degree == 0).sum())
            axes.plot(
                values, share, styles[direction], color=f"C{at % 10}", linewidth=1.4, drawstyle="steps-pre",
                label=literal(f"{label} (mean {degree.mean():.1f}; {alone:,} with none)"),
            )  # fmt: skip
            largest = max(largest, int(values[-1]))
    axes.set(xscale="log", yscale="log", xlim=(0.9, largest * 1.3), ylim=(0.5 / max(n_nodes, 1), 1.3))
    axes.set_xlabel("number of partners k")
    axes.set_ylabel("share of nodes with at least k partners")
    axes.set_title(literal(f"{title + ': ' if title else ''}degrees of {n_nodes:,} nodes"), fontsize=10)
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    if axes.lines:
        axes.legend(fontsize=7, frameon=False, loc="lower left")
    return figure
