"""How the intensities of an image are distributed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.volumes import statistics

from .figure import QUIET, literal, new_figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["intensities"]

N_BINS = 200
MARKS = ("p1", "p50", "p99")
Array = np.ndarray[Any, Any]


def intensities(dataset: xr.Dataset, *, title: str = "") -> Figure | None:
    """Draw a histogram of the physical values of all voxels that are finite and not 0 as stored.

    Parameters
    ----------
    dataset : xarray.Dataset
        A volume group; its whole image is read.
    title : str
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure or None
        Bins between the smallest and the largest value; lines mark percentiles. None where no voxel is left, or
        numbers are complex.
    """
    image = np.asarray(dataset["image"].values)
    if image.dtype.kind == "c":
        return None
    kept = image[(image != 0) & np.isfinite(image)]
    if not kept.size:
        return None
    slope, intercept = float(dataset.attrs.get("slope", 1.0)), float(dataset.attrs.get("intercept", 0.0))
    low, high = sorted(float(edge) * slope + intercept for edge in (kept.min(), kept.max()))
    edges = _edges(low, high, whole=kept.dtype.kind in "iub" and slope == 1.0 and intercept.is_integer())
    counts, _ = np.histogram(kept.astype(np.float64) * slope + intercept, bins=edges)
    stored = dataset.attrs.get("statistics") or statistics(image, slope=slope, intercept=intercept)
    marks = stored["nonzero"].get("percentiles") or {}
    figure = new_figure(11.0, 2.2)
    axes = figure.subplots()
    axes.stairs(counts, edges, fill=True, color="#6f8fb0")
    top = float(counts.max())
    for name in MARKS:
        if name in marks:
            axes.axvline(marks[name], color="#d9822b", linewidth=0.9)
            axes.text(
                marks[name], 1.15 * top, f" {name[1:]} %: {marks[name]:.4g}", fontsize=7, va="top", color="#a85f16"
            )
    said = dataset["image"].attrs
    unit = f" ({said['units']})" if said.get("units") not in {None, "1"} else ""
    axes.set_xlabel(literal(f"{said.get('long_name', 'image')}{unit}"), fontsize=8)
    axes.set_ylabel("voxels", fontsize=8)
    axes.set_ylim(0, 1.16 * top)
    axes.set_xlim(float(edges[0]), float(edges[-1]))
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    zeros = image.size - kept.size
    head = f"{kept.size:,} voxels; {zeros:,} that are 0 or not finite are left out"
    axes.set_title(literal(f"{title}: {head}" if title else head), fontsize=9, color=QUIET if not title else "black")
    return figure


def _edges(low: float, high: float, *, whole: bool) -> Array:
    """Return edges of bins; between whole numbers each bin holds as many of them as every other."""
    if whole:
        step = max(1, int(np.ceil((high - low + 1) / N_BINS)))
        return np.arange(low - 0.5, high + step + 0.5, step)
    return np.linspace(low, high if high > low else low + 1.0, N_BINS + 1)
