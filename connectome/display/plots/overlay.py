"""Labels drawn over an image: where they lie, in which colour, how large they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError
from connectome.schema import decode

from .figure import literal

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["Overlay", "overlay_of", "volume_ml"]

OPACITY = 0.45
MOST_LISTED = 6
FIRST_COLOURS = ("#ff3b30", "#34c759", "#0a84ff", "#ffd60a", "#bf5af2", "#64d2ff")
"""Of the largest labels; the others share a grey."""
OTHER = "#c7c7cc"
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Overlay:
    """Labels on the grid of an image, the largest first."""

    values: xr.DataArray
    ids: tuple[int, ...]
    names: tuple[str, ...]
    volumes_ml: tuple[float, ...]
    title: str

    def centre(self) -> Array:
        """Return the labelled voxel that lies nearest to the mean of all, first in stored order where several do."""
        found = np.argwhere(np.asarray(self.values.values) != 0)
        if not len(found):
            return np.array(self.values.shape, dtype=np.int64) // 2
        apart = ((found - found.mean(axis=0)) ** 2).sum(axis=1)
        nearest: Array = found[int(np.argmin(apart))].astype(np.int64)
        return nearest

    def draw(self, axes: Axes, plane: Array, extent: tuple[float, float, float, float]) -> None:
        """Draw the labels of one slice over it."""
        from matplotlib.colors import to_rgba

        coloured = np.zeros((*plane.shape, 4))
        coloured[plane != 0] = to_rgba(OTHER, OPACITY)
        for number, colour in zip(self.ids, FIRST_COLOURS, strict=False):
            coloured[plane == number] = to_rgba(colour, OPACITY)
        axes.imshow(coloured, origin="lower", extent=extent, interpolation="nearest", aspect="equal")

    def legend(self) -> tuple[list[Any], list[str]]:
        """Return handles and texts for a legend: names with volumes in millilitres."""
        from matplotlib.patches import Patch

        shown = list(zip(self.names, self.volumes_ml, FIRST_COLOURS, strict=False))
        handles = [Patch(color=colour, alpha=0.8) for _, _, colour in shown]
        texts = [literal(f"{name}: {volume:,.2f} ml") for name, volume, _ in shown]
        rest = self.volumes_ml[len(shown) :]
        if rest:
            handles.append(Patch(color=OTHER, alpha=0.8))
            texts.append(f"{len(rest)} more: {sum(rest):,.1f} ml")
        return handles, texts


def volume_ml(n_voxels: int, affine: Array) -> float:
    """Return the volume of voxels in millilitres."""
    return n_voxels * abs(float(np.linalg.det(np.asarray(affine, dtype=np.float64)[:3, :3]))) / 1000.0


def overlay_of(labels: xr.Dataset, image: xr.Dataset, *, name: str) -> Overlay:
    """Prepare labels to be drawn over an image.

    Parameters
    ----------
    labels : xarray.Dataset
        A volume group of labels.
    image : xarray.Dataset
        The volume group whose grid they share.
    name : str
        What a label without a name is called.

    Raises
    ------
    UsageError
        When their shapes differ.
    """
    if labels["image"].shape[:3] != image["image"].shape[:3]:
        raise UsageError(
            "the labels do not lie on the grid of the image",
            subject=name,
            expected=str(image["image"].shape[:3]),
            found=str(labels["image"].shape[:3]),
        )
    if "label_id" in labels:
        ids, counts = labels["label_id"].values, labels["label_voxels"].values
    else:
        ids, counts = np.unique(labels["image"].values, return_counts=True)
        ids, counts = ids[ids != 0], counts[ids != 0]
    given = decode(labels["label_name"].variable).tolist() if "label_name" in labels else [""] * len(ids)
    order = np.lexsort((ids, -counts)).tolist()
    alone = len(order) == 1
    return Overlay(
        values=labels["image"],
        ids=tuple(int(ids[at]) for at in order),
        names=tuple(str(given[at]) or (name if alone else f"{name} {int(ids[at])}") for at in order),
        volumes_ml=tuple(volume_ml(int(counts[at]), labels["affine"].values) for at in order),
        title=name,
    )
