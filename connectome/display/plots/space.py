"""A graph where it lies: its edges as lines in space, thick ones thick, far ones pale, with a scale bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError
from connectome.graphs import EdgeMeasure, edge_lengths, edge_thickness, straight_lengths
from connectome.schema import is_category

from .figure import INK, QUIET, literal, new_figure
from .projection import View, along, best_view, nice_length, oblique
from .strands import BLOCK_EDGES, Strands, chosen_edges, density, segments, strands_of

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["in_space"]

Array = np.ndarray[Any, Any]
SIDE_IN = 6.2
"""Longer side of the picture in inches; the shorter follows the graph."""
DENSE = 900
"""Pixels along the longer side of a density."""
THINNEST, THICKEST = 0.5, 8.0
"""Widths of lines in points; between them, lines are as thick as what they stand for."""
HALO = 0.9
"""How much wider the paper below a line is, in points."""
INK_SHARE = 0.35
"""How much of the picture lines may cover where not all edges are drawn one by one."""
PALE = 0.6
"""How much of the paper's white the farthest lines take on."""
SHADES = ("#8fbfe0", "#5d93cf", "#7a6bb8", "#b34a86", "#c62a44", "#7d0018")
"""From thin to thick, each darker than the one before."""
MOST_LABELS = 10
NAMED_UNITS = {"voxel": "voxels", "1": "(no unit)", "": "(no unit)"}


def in_space(
    dataset: xr.Dataset,
    *,
    colour: str | None = None,
    view: tuple[float, float] | str | None = None,
    title: str = "",
) -> Figure:
    """Draw a graph where it lies.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group with positions. Polylines are drawn along their points, other edges as straight lines.
    colour : str, optional
        A column of edges or nodes: numbers, or a category; an edge takes the mean of the numbers of its nodes, or
        their common category. Default the thickness of :func:`connectome.graphs.edge_thickness`; where that is not
        known, nearness.
    view : tuple of float or {"x", "y", "z"}, optional
        Azimuth and elevation in degrees with z up, or the axis to look along. Default from above and aside; flat
        graphs from their broad side.
    title : str
        Above the counts.

    Returns
    -------
    matplotlib.figure.Figure
        Orthographic and to scale. Positions in voxels are drawn in micrometres where the record knows the size of a
        voxel. Of more than 50,000 pieces of lines those of the thickest edges are drawn (of the longest, where
        thickness is not known) over the density of all, and the picture says so.

    Raises
    ------
    UsageError
        When the graph has no positions, no nodes, or no such column.
    """
    strands = strands_of(dataset)
    if not len(strands.position):
        raise UsageError("there is nothing to draw", subject="node", expected="at least one node")
    seen = _view(view, np.ptp(strands.position, axis=0))
    low, high = _corners(strands, seen)
    figure, axes, points_per_unit = _canvas(low, high)
    thickness = edge_thickness(dataset)
    widths = _widths(thickness, strands, points_per_unit)
    size = thickness or edge_lengths(dataset)
    drawn = widths / points_per_unit
    # As long as wide at least: lines have round ends.
    ink = drawn * (straight_lengths(strands.position, *strands.ends) + drawn)
    edges = chosen_edges(strands, size, ink=ink, most_ink=INK_SHARE * float(np.prod(high - low)))
    whole = len(edges) == len(strands)
    piece, owner = segments(strands, edges)
    lines = seen.project(piece.reshape(-1, 3)).reshape(-1, 2, 3)
    order = np.argsort(lines[:, :, 2].sum(axis=1), kind="stable")
    lines, owner = lines[order], owner[order]
    if not whole:
        _draw_density(axes, strands, seen, low, high)
    _draw_lines(
        axes, lines, fog=whole, points_per_unit=points_per_unit, widths=widths[owner],
        colours=_colours(axes, dataset, colour, thickness, lines, owner),
    )  # fmt: skip
    if not len(lines):
        right, up, _ = seen.project(strands.position).T
        axes.scatter(right, up, s=4, color=INK)
    _scale_bar(axes, low, high, strands.units)
    _compass(axes, seen, n_axes=int(dataset.sizes["axis"]))
    n_nodes, n_edges = len(strands.position), len(strands)
    head = f"{title}\n" if title else ""
    figure.suptitle(literal(f"{head}{n_nodes:,} nodes, {n_edges:,} edges"), fontsize=10, x=0.02, ha="left", color=INK)
    remarks = [f"seen {seen.name}"]
    if thickness is not None and _constant(thickness):
        remarks.append(f"{thickness.label}: {np.nanmax(thickness.values):g} everywhere")
    if not whole:
        most = "longest" if thickness is None else "thickest"
        remarks.append(f"the {len(edges):,} {most} edges over the density of all")
    if (strands.scale != 1).any():
        voxel = " × ".join(f"{value:g}" for value in strands.scale[: int(dataset.sizes["axis"])])
        remarks.append(f"one voxel is {voxel} µm")
    axes.text(
        1, -0.01, literal("; ".join(remarks)), transform=axes.transAxes, fontsize=7, color=QUIET, ha="right", va="top"
    )
    return figure


def _view(view: tuple[float, float] | str | None, extent: Array) -> View:
    if view is None:
        return best_view(extent)
    if isinstance(view, str):
        if view not in {"x", "y", "z"}:
            raise UsageError("no such view", subject=view, expected="x, y, z, or azimuth and elevation in degrees")
        return along("xyz".index(view))
    return oblique(*view)


def _canvas(low: Array, high: Array) -> tuple[Figure, Axes, float]:
    """Make an empty picture of the right shape; return it and how many points one unit of length takes."""
    size = np.maximum(high - low, 1e-9 * max(1.0, float(np.abs(high).max())))
    margin = 0.04 * float(size.max())
    # Very long and thin graphs still get a picture that can hold a bar and a title.
    shown = np.maximum(size, 0.35 * float(size.max())) + 2 * margin
    # Below the graph, a strip for the bar and the directions.
    strip = 0.1 * float(shown.max())
    inches = SIDE_IN * (shown + np.array([0.0, strip])) / float(shown.max())
    figure = new_figure(float(inches[0]) + 1.1, float(inches[1]) + 1.0)
    axes = figure.add_subplot()
    centre = (low + high) / 2
    bottom, top = centre[1] - shown[1] / 2 - strip, centre[1] + shown[1] / 2
    axes.set(xlim=centre[0] + shown[0] * np.array([-0.5, 0.5]), ylim=(bottom, top))
    axes.set_aspect("equal")
    axes.axis("off")
    return figure, axes, 72 * SIDE_IN / float(shown.max())


def _corners(strands: Strands, seen: View) -> tuple[Array, Array]:
    """Return the lower left and the upper right corner of everything that is drawn, each of shape (2,)."""
    corners = []
    for first in range(0, max(len(strands), 1), BLOCK_EDGES):
        piece, _ = segments(strands, np.arange(first, min(first + BLOCK_EDGES, len(strands))))
        if len(piece):
            flat = seen.project(piece.reshape(-1, 3))[:, :2]
            corners += [flat.min(axis=0), flat.max(axis=0)]
    flat = seen.project(strands.position)[:, :2]
    corners += [flat.min(axis=0), flat.max(axis=0)]
    return np.min(corners, axis=0), np.max(corners, axis=0)


def _widths(thickness: EdgeMeasure | None, strands: Strands, points_per_unit: float) -> Array:
    """Return the width of every edge in points, shape (edge,)."""
    if thickness is None:
        return np.full(len(strands), 1.6 * THINNEST)
    # A radius is half of what is to be seen, a diameter all of it.
    factor = 1.0 if thickness.name in {"diameter", "thickness"} else 2.0
    if thickness.units in {"voxel", "voxels"}:
        factor *= float(strands.scale.mean())
    widths: Array = np.clip(np.nan_to_num(thickness.values * factor * points_per_unit), THINNEST, THICKEST)
    return widths


def _draw_lines(axes: Axes, lines: Array, *, widths: Array, colours: Array, points_per_unit: float, fog: bool) -> None:
    from matplotlib.collections import LineCollection

    if not len(lines):
        return
    if fog:
        colours[:, :3] += (1 - colours[:, :3]) * (PALE * (1 - _nearness(lines)))[:, None]
    # Every line over a wider one of paper, so that what is near cuts what is far; shorter, so that joints stay whole.
    flat = lines[:, :, :2]
    step = flat[:, 1] - flat[:, 0]
    length = np.hypot(*step.T)
    room = length * points_per_unit > 2 * (widths + HALO)
    margin = step * ((widths + HALO) / 2 / points_per_unit / np.where(room, length, 1))[:, None]
    under = np.stack([flat[:, 0] + margin, flat[:, 1] - margin], axis=1)
    paper = np.tile((1.0, 1.0, 1.0, 0.8), (len(lines), 1))
    paper[~room, 3] = 0.0
    axes.add_collection(
        LineCollection(
            list(np.stack([under, flat], axis=1).reshape(-1, 2, 2)),
            colors=np.stack([paper, colours], axis=1).reshape(-1, 4),
            linewidths=np.stack([widths + HALO, widths], axis=1).ravel(),
            capstyle="round",
            rasterized=True,
        )
    )


def _nearness(lines: Array) -> Array:
    """Return how near every piece is, from 0 for the farthest to 1; all 1 in a flat picture."""
    depth = lines[:, :, 2].mean(axis=1)
    reach = float(np.ptp(depth)) if len(depth) else 0.0
    near: Array = (depth - depth.min()) / reach if reach else np.ones(len(depth))
    return near


def _draw_density(axes: Axes, strands: Strands, seen: View, low: Array, high: Array) -> None:
    pixel = float((high - low).max()) / DENSE
    columns, rows = (np.ceil((high - low) / pixel).astype(int) + 1).tolist()
    counted = density(strands, seen, low=low, pixel=pixel, shape=(rows, columns))
    shown = np.ma.masked_equal(np.log1p(counted), 0)
    box = (low[0], low[0] + columns * pixel, low[1], low[1] + rows * pixel)
    # Above what few pixels reach, more ink would leave the rest pale.
    top = float(np.percentile(shown.compressed(), 99.5)) if shown.count() else 1.0
    axes.imshow(shown, cmap="Greys", vmin=0, vmax=1.5 * top, extent=box, origin="lower", interpolation="bilinear")


def _colours(
    axes: Axes, dataset: xr.Dataset, name: str | None, thickness: EdgeMeasure | None, lines: Array, owner: Array
) -> Array:
    """Return a colour per piece of line, shape (piece, 4), and explain them beside the picture."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    if name is None and (thickness is None or _constant(thickness)):
        near = _nearness(lines)
        return np.asarray(colormaps["viridis_r"](0.15 + 0.85 * near))
    if name is not None:
        _check_column(dataset, name)
        if is_category(dataset[name]):
            return _category_colours(axes, dataset, name, owner)
        measure = _column_measure(dataset, name)
    else:
        assert thickness is not None
        measure = thickness
    values = measure.values[owner]
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [1, 99]).tolist() if len(finite) else (0.0, 1.0)
    high = high if high > low else low + 1.0
    norm = LogNorm(low, high, clip=True) if low > 0 and high > 6 * low else Normalize(low, high, clip=True)
    cmap = LinearSegmentedColormap.from_list("vessels", SHADES).with_extremes(bad="#999999")
    bar = axes.figure.colorbar(ScalarMappable(norm, cmap), ax=axes, shrink=0.45, aspect=22, pad=0.01, extend="both")
    if isinstance(norm, LogNorm):
        ticks = np.asarray(LogLocator(subs=(1.0, 2.0, 5.0)).tick_values(low, high))
        bar.set_ticks(ticks[(ticks >= low) & (ticks <= high)].tolist())
        bar.ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        bar.ax.minorticks_off()
    bar.set_label(literal(measure.label), fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, colors=INK)
    bar.ax.spines["outline"].set_visible(False)
    return np.asarray(cmap(norm(np.ma.masked_invalid(values))))


def _constant(measure: EdgeMeasure) -> bool:
    """Tell whether all known values are one, so that colours would say nothing."""
    known = measure.values[np.isfinite(measure.values)]
    return bool(len(known)) and bool((known == known[0]).all())


def _check_column(dataset: xr.Dataset, name: str) -> None:
    allowed = [
        str(key)
        for key, item in dataset.variables.items()
        if item.dims in {("edge",), ("node",)} and item.dtype.kind in "biuf"
    ]
    if name not in allowed:
        raise UsageError(
            "no column of edges or nodes with numbers or categories has this name",
            subject=name,
            expected=", ".join(allowed),
        )


def _column_measure(dataset: xr.Dataset, name: str) -> EdgeMeasure:
    values = np.asarray(dataset[name].values, dtype=np.float64)
    units = str(dataset[name].attrs.get("units", ""))
    if dataset[name].dims == ("edge",):
        return EdgeMeasure(values, name, units, f"column {name}")
    ends = (values[dataset["source"].values] + values[dataset["target"].values]) / 2
    return EdgeMeasure(ends, name, units, "mean of both nodes")


def _category_colours(axes: Axes, dataset: xr.Dataset, name: str, owner: Array) -> Array:
    from matplotlib import colormaps
    from matplotlib.lines import Line2D

    labels = list(dataset[name].attrs["flag_labels"])
    code = np.asarray(dataset[name].values, dtype=np.int64)
    if dataset[name].dims == ("node",):
        one, other = code[dataset["source"].values], code[dataset["target"].values]
        code = np.where(one == other, one, -1)
    counts = np.bincount(code[code >= 0], minlength=len(labels))
    common = [at for at in np.argsort(-counts, kind="stable")[:MOST_LABELS].tolist() if counts[at]]
    palette = np.asarray(colormaps["tab10"](np.arange(MOST_LABELS)))
    table = np.tile(np.array([0.6, 0.6, 0.6, 1.0]), (len(labels) + 1, 1))
    for rank, at in enumerate(common):
        table[at] = palette[rank]
    handles = [
        Line2D([], [], color=palette[rank], lw=2, label=literal(f"{labels[at]} ({counts[at]:,})"))
        for rank, at in enumerate(common)
    ]
    left = len(code) - int(counts[common].sum())
    if left:
        handles.append(Line2D([], [], color=table[-1], lw=2, label=f"others or none ({left:,})"))
    axes.legend(
        handles=handles,
        fontsize=7,
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        title=literal(name),
        title_fontsize=8,
    )
    return table[code[owner]]


def _scale_bar(axes: Axes, low: Array, high: Array, units: str) -> None:
    left, right = axes.get_xlim()
    if not (high > low).any():
        return
    length = nice_length(0.28 * (right - left))
    end, height = right - 0.02 * (right - left), axes.get_ylim()[0] + 0.01 * (right - left)
    axes.plot([end - length, end], [height, height], color=INK, linewidth=2.4, solid_capstyle="butt")
    axes.annotate(
        literal(_readable(length, units)),
        (end - length / 2, height),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=8,
        color=INK,
    )


def _readable(length: float, units: str) -> str:
    """Write a length in the unit in which people say it."""
    if units == "um":
        return f"{length:,g} µm" if length < 1000 else f"{length / 1000:,g} mm"
    if units == "m" and length < 1:
        return f"{length * 1000:,g} mm"
    return f"{length:,g} {NAMED_UNITS.get(units, units)}"


def _compass(axes: Axes, seen: View, *, n_axes: int) -> None:
    """Draw where the axes of the graph point, in the lower left corner."""
    for axis in range(n_axes):
        towards = np.array([seen.right[axis], seen.up[axis]])
        if np.hypot(*towards) < 0.05:
            continue
        corner: dict[str, Any] = {
            "xy": (26, 22),
            "xycoords": "axes points",
            "textcoords": "offset points",
            "color": INK,
        }
        arrow: dict[str, Any] = {"arrowstyle": "<-", "color": INK, "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", xytext=tuple(20 * towards), arrowprops=arrow, **corner)
        axes.annotate("xyz"[axis], xytext=tuple(26 * towards), ha="center", va="center", fontsize=7.5, **corner)
