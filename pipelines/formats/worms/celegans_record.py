"""What the readers of worm recordings share: the table of identities, positions over time, missing samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.schema import category, column, series, table

from ...homogenise.celegans_names import LABEL_STATUSES, NEURONS, LabelMatch

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "SPECIES",
    "match_columns",
    "neuron_table",
    "position_series",
    "taken",
]

SPECIES = "Caenorhabditis elegans"


def taken(signal: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Return the mask of samples that the source gives as numbers, or None when it gives all of them."""
    missing = np.isnan(signal) if signal.dtype.kind == "f" else np.zeros(signal.shape, dtype=bool)
    return ~missing if missing.any() else None


def match_columns(matches: Sequence[LabelMatch]) -> dict[str, xr.Variable]:
    """Return what labels mean, as columns along ``row``.

    ``raw_label`` is the source's word, unchanged. ``neuron``, ``neuron_class`` and ``side`` are empty unless the label
    names one neuron; then class and side follow from the name. ``candidates`` are all neurons that the label fits.
    """
    known = [NEURONS.get(match.name) for match in matches]
    return {
        "raw_label": column("row", [match.raw for match in matches], "Label as the source writes it"),
        "neuron": column("row", [match.name for match in matches], "Name of the neuron"),
        "neuron_class": column("row", [cell.neuron_class if cell else "" for cell in known], "Class of the neuron"),
        "side": category(
            "row", [cell.side if cell else None for cell in known], ("L", "R", "none"), "Side of the neuron"
        ),
        "candidates": column(
            "row", [" ".join(match.candidates) for match in matches], "Neurons that the label fits, separated by blanks"
        ),
        "status": category("row", [match.status for match in matches], LABEL_STATUSES, "What became of the label"),
        "rule": column("row", [match.rule for match in matches], "Rules that led from the label to the name"),
    }


def neuron_table(
    roi: Sequence[str], matches: Sequence[LabelMatch], *, more: Mapping[str, xr.Variable] | None = None, **attrs: Any
) -> xr.Dataset:
    """Make the table of identities: one row per label, and one per ROI that has none.

    Parameters
    ----------
    roi : sequence of str
        Channel id of the ROI in every row.
    matches : sequence of LabelMatch
        What the label of the row means.
    more : mapping of str to xarray.Variable, optional
        Further columns along ``row``. Without ``confidence`` among them there is one that says that nobody gives any.
    **attrs
        Attributes of the group.
    """
    none = column("row", np.full(len(matches), np.nan), "Confidence of the label; the source gives none", "1")
    columns = {"roi": column("row", list(roi), "Channel id of the ROI"), **match_columns(matches), "confidence": none}
    return table({**columns, **(more or {})}, **attrs)


def position_series(
    position: np.ndarray[Any, Any], *, roi: Sequence[str], axes: Sequence[str], units: str, long_name: str, **clock: Any
) -> xr.Dataset:
    """Make the series of where every ROI is: one channel per ROI and axis.

    Parameters
    ----------
    position : numpy.ndarray
        Shape (roi, axis, time).
    roi, axes : sequence of str
        Ids of the first two dimensions; channel ids are ``ROI:AXIS``.
    units, long_name : str
        Of the coordinates.
    **clock
        ``time_s``, ``rate_hz`` or ``frame_start``, and attributes of the group.
    """
    pairs = [(one, axis) for one in roi for axis in axes]
    signal = position.reshape(len(pairs), position.shape[2])
    return series(
        signal,
        channel=[f"{one}:{axis}" for one, axis in pairs],
        units=units,
        long_name=long_name,
        valid=taken(signal),
        channels={
            "roi": column("channel", [one for one, _ in pairs], "Channel id of the ROI in the activity"),
            "axis": column("channel", [axis for _, axis in pairs], "Axis of the coordinate"),
        },
        **clock,
    )
