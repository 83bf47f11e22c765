"""A picture of a volume: three orthogonal slices, turned so that left is left, with axes in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError
from connectome.volumes import UNKNOWN

from .figure import literal, new_figure
from .overlay import overlay_of

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Orientation", "orientation", "slices"]

WORLD = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
VIEWS = (("sagittal", 1, 2, 0), ("coronal", 0, 2, 1), ("axial", 0, 1, 2))
"""Name, world axis across, world axis upwards, world axis through the picture."""
MAX_LABELS = 256
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Orientation:
    """How stored voxel axes lie in the world (right, anterior, superior)."""

    voxel_axis: tuple[int, int, int]
    """For every world axis the voxel axis that runs along it most."""
    flipped: tuple[bool, bool, bool]
    """For every world axis whether voxel indices fall along it."""
    spacing_mm: tuple[float, float, float]
    """For every world axis the distance of neighbouring voxels."""
    oblique_deg: float
    """Largest angle between a voxel axis and its world axis."""


def orientation(affine: Array) -> Orientation:
    """Find which voxel axis runs along which world axis.

    Parameters
    ----------
    affine : numpy.ndarray
        Shape (4, 4), voxel index to millimetres (RAS+), invertible.

    Returns
    -------
    Orientation
        The assignment with the largest sum of absolute direction cosines; ties go to the stored order.
    """
    matrix = np.asarray(affine, dtype=np.float64)[:3, :3]
    spacing = np.sqrt((matrix**2).sum(axis=0))
    cosines = matrix / spacing
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    best = max(orders, key=lambda order: round(sum(abs(cosines[world, axis]) for world, axis in enumerate(order)), 9))
    along = [float(cosines[world, axis]) for world, axis in enumerate(best)]
    return Orientation(
        voxel_axis=best,
        flipped=(along[0] < 0, along[1] < 0, along[2] < 0),
        spacing_mm=(float(spacing[best[0]]), float(spacing[best[1]]), float(spacing[best[2]])),
        oblique_deg=float(np.degrees(np.arccos(min(1.0, *map(abs, along))))),
    )


def slices(
    dataset: xr.Dataset,
    *,
    at_mm: Sequence[float] | None = None,
    labels: bool | None = None,
    title: str = "",
    overlay: xr.Dataset | None = None,
    overlay_name: str = "label",
) -> Figure:
    """Draw a sagittal, a coronal and an axial slice through one point.

    Parameters
    ----------
    dataset : xarray.Dataset
        A volume group. Of images with more than three axes the first image is drawn.
    at_mm : sequence of float, optional
        The point (right, anterior, superior) in millimetres; default the centre of the image, or the labelled voxel
        nearest to the middle of the overlay.
    labels : bool, optional
        Whether voxels are label numbers, drawn in one colour each; default by the group's attribute ``role``.
    title : str
        Before the point.
    overlay : xarray.Dataset, optional
        Labels on the same grid, drawn in colour over the image, with their volumes in millilitres.
    overlay_name : str
        What labels without a name are called.

    Returns
    -------
    matplotlib.figure.Figure
        Left is left, as the mark says; the cross shows the other two slices. Only the three slices are read, and the
        labels of an overlay. Images that lie oblique are drawn along their own axes, and the title says by how much;
        where the orientation is unknown it says that, and there are no marks.

    Raises
    ------
    UsageError
        When the point lies outside of the image, or the overlay has another shape.
    """
    image = dataset["image"]
    image = image.isel({str(dim): 0 for dim in image.dims[3:]}) if image.ndim > 3 else image
    affine = dataset["affine"].values.astype(np.float64)
    turned = orientation(affine)
    shape = np.array(image.shape, dtype=np.int64)
    over = overlay_of(overlay, dataset, name=overlay_name) if overlay is not None else None
    voxel = over.centre() if over is not None and at_mm is None else _voxel(affine, shape, at_mm)
    point = (affine @ np.append(voxel, 1.0))[:3]
    planes = [_plane(image, turned, voxel, view) for view in VIEWS]
    categorical = dataset.attrs.get("role") == "labels" if labels is None else labels
    shown = _colours(planes, dataset, categorical=categorical)
    spans = [_extent(turned, affine, shape, voxel, world) for world in range(3)]
    widths = [spans[across][1] - spans[across][0] for _, across, _, _ in VIEWS]
    tallest = max(spans[up][1] - spans[up][0] for _, _, up, _ in VIEWS)
    # What is left of 11 inches beside labels and colour bar, at one scale for all three.
    figure = new_figure(11.0, min(9.0, max(2.6, 8.2 * tallest / sum(widths) + 1.3)))
    drawn = None
    for axes, plane, (name, across, up, through) in zip(
        figure.subplots(1, 3, width_ratios=widths), planes, VIEWS, strict=True
    ):
        drawn = axes.imshow(
            plane, origin="lower", extent=(*spans[across], *spans[up]), interpolation="nearest", aspect="equal", **shown
        )
        axes.axvline(point[across], color="#ffb000", linewidth=0.6)
        axes.axhline(point[up], color="#ffb000", linewidth=0.6)
        if over is not None:
            extent = (*spans[across], *spans[up])
            over.draw(axes, _plane(over.values, turned, voxel, (name, across, up, through)), extent)
        axes.set_facecolor("black")
        axes.set_title(f"{name}, {'xyz'[through]} = {point[through]:.1f} mm", fontsize=9)
        axes.tick_params(labelsize=7)
        _mark(axes, across, up, known=dataset.attrs.get("orientation") != UNKNOWN)
    if drawn is not None and not categorical:
        said = image.attrs
        unit = f" ({said['units']})" if said.get("units") not in {None, "1"} else ""
        figure.colorbar(
            drawn,
            ax=figure.axes,
            shrink=0.7,
            pad=0.01,
            label=literal(f"{said.get('long_name', 'image')}{unit}"),
        )
    if over is not None:
        handles, texts = over.legend()
        figure.legend(handles, texts, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle(literal(_headline(dataset, title, voxel, point, turned)), fontsize=10)
    return figure


def _mark(axes: Axes, across: int, up: int, *, known: bool) -> None:
    """Write what the axes of a slice are, and letters at its edges; no word of left and right where none is known."""
    if not known:
        axes.set_xlabel("mm, orientation unknown", fontsize=8)
        axes.set_ylabel("mm", fontsize=8)
        return
    axes.set_xlabel(f"{WORLD[across][0]} – {WORLD[across][1]} (mm)", fontsize=8)
    axes.set_ylabel(f"{WORLD[up][0]} – {WORLD[up][1]} (mm)", fontsize=8)
    places = ((0.02, 0.5, across, 0, "left", "center"), (0.98, 0.5, across, 1, "right", "center"),
              (0.5, 0.98, up, 1, "center", "top"), (0.5, 0.02, up, 0, "center", "bottom"))  # fmt: skip
    for place, height, world, side, align, rise in places:
        axes.text(
            place, height, WORLD[world][side][0].upper(), transform=axes.transAxes, ha=align, va=rise,
            color="#ffb000", fontsize=9, fontweight="bold",
        )  # fmt: skip


def _headline(dataset: xr.Dataset, title: str, voxel: Array, point: Array, turned: Orientation) -> str:
    stored = " × ".join(str(size) for size in dataset["image"].shape)
    # Spacing in the order in which the axes are stored.
    spacing = [turned.spacing_mm[turned.voxel_axis.index(axis)] for axis in range(3)]
    first = ", first image" if dataset["image"].ndim > 3 else ""
    place = "({})".format(", ".join(f"{value:.1f}" for value in point))
    head = f"{title}: " if title else ""
    text = f"{head}{stored} voxels of {' × '.join(f'{value:.4g}' for value in spacing)} mm{first}\n"
    if dataset.attrs.get("orientation") == UNKNOWN:
        text += "ORIENTATION UNKNOWN, "
    text += f"cross at {place} mm, voxel ({', '.join(str(int(value)) for value in voxel)})"
    return text + (f", axes oblique by {turned.oblique_deg:.1f}°" if turned.oblique_deg > 0.1 else "")


def _voxel(affine: Array, shape: Array, at_mm: Sequence[float] | None) -> Array:
    if at_mm is None:
        return shape // 2
    found = np.rint(np.linalg.solve(affine, np.append(np.asarray(at_mm, dtype=np.float64), 1.0))[:3]).astype(np.int64)
    if (found < 0).any() or (found >= shape).any():
        raise UsageError(
            "the point lies outside of the image",
            subject="at_mm",
            expected=f"a point in voxels (0, 0, 0) to {tuple((shape - 1).tolist())}",
            found=f"{tuple(at_mm)}, which is voxel {tuple(found.tolist())}",
        )
    return found


def _plane(image: xr.DataArray, turned: Orientation, voxel: Array, view: tuple[str, int, int, int]) -> Array:
    """Read one slice, rows running up and columns to the right of the picture."""
    _, across, up, through = view
    axis = turned.voxel_axis[through]
    plane = np.asarray(image.isel({str(image.dims[axis]): int(voxel[axis])}).values)
    # Of the two axes left, the one that is stored first is rows.
    if turned.voxel_axis[across] < turned.voxel_axis[up]:
        plane = plane.T
    if turned.flipped[up]:
        plane = plane[::-1, :]
    return plane[:, ::-1] if turned.flipped[across] else plane


def _extent(turned: Orientation, affine: Array, shape: Array, voxel: Array, world: int) -> tuple[float, float]:
    """Return the outer edges of the image along a world axis, through the point."""
    axis, step = turned.voxel_axis[world], turned.spacing_mm[world]
    centre = float((affine @ np.append(voxel, 1.0))[world])
    before = voxel[axis] if not turned.flipped[world] else shape[axis] - 1 - voxel[axis]
    low = centre - (float(before) + 0.5) * step
    return low, low + float(shape[axis]) * step


def _colours(planes: list[Array], dataset: xr.Dataset, *, categorical: bool) -> dict[str, Any]:
    if categorical:
        for at, plane in enumerate(planes):
            # Ids run into the thousands; each keeps one colour, and 0 stays black.
            planes[at] = np.where(plane == 0, 0, (plane.astype(np.int64) - 1) % (MAX_LABELS - 1) + 1)
        return {"cmap": _label_colours(), "vmin": 0, "vmax": MAX_LABELS - 1}
    slope, intercept = float(dataset.attrs.get("slope", 1.0)), float(dataset.attrs.get("intercept", 0.0))
    for at, plane in enumerate(planes):
        planes[at] = plane.astype(np.float64) * slope + intercept
    values = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    low, high = (float(values.min()), float(np.percentile(values, 99.8))) if values.size else (0.0, 1.0)
    return {"cmap": "gray", "vmin": low, "vmax": high if high > low else low + 1.0}


def _label_colours() -> Any:
    """Return a colour map in which neighbouring label numbers look different and 0 is black."""
    from matplotlib.colors import ListedColormap, hsv_to_rgb

    # Steps of the golden ratio along the hues keep any run of numbers apart.
    hues = (np.arange(MAX_LABELS) * 0.618033988749895) % 1.0
    colours = hsv_to_rgb(np.stack([hues, np.full(MAX_LABELS, 0.65), np.full(MAX_LABELS, 0.95)], axis=1))
    colours[0] = 0.0
    return ListedColormap(colours)
