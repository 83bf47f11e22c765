"""Ages in bins: ordered categories whose ends are stated, open or closed; no age is made up.

``15 to 19`` holds whole years from 15 to 19, ``Less than 20`` is open below and ``Over 55`` above. Bins of two tables
need not fit each other (``15 to 20`` beside ``20 to 24``): the text stays the label, the ends stand beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectome import schema
from connectome.errors import SchemaError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Bin", "bin_category", "parse_bin"]

_RANGE = re.compile(r"(?P<low>\d+(?:\.\d+)?) ?(?:to|-|–) ?(?P<high>\d+(?:\.\d+)?)")
_BELOW = re.compile(r"(?:less than|under|<) ?(?P<high>\d+(?:\.\d+)?)", re.IGNORECASE)
_ABOVE = re.compile(r"(?:over|more than|above|>) ?(?P<low>\d+(?:\.\d+)?)", re.IGNORECASE)
_FROM = re.compile(r"(?P<low>\d+(?:\.\d+)?) ?\+")


@dataclass(frozen=True)
class Bin:
    """A range of whole years (or another unit) and its label."""

    label: str
    low: float | None
    """None: open below."""
    high: float | None
    """None: open above."""
    closed: str
    """Which ends belong to it: ``both``, ``left`` or ``neither``, as pandas says it."""

    def holds(self, value: float) -> bool:
        """Tell whether a value in whole units lies in the bin."""
        above = self.low is None or (value >= self.low if self.closed != "neither" else value > self.low)
        below = self.high is None or (value <= self.high if self.closed == "both" else value < self.high)
        return above and below

    @property
    def rank(self) -> tuple[float, float]:
        """By what bins are sorted."""
        infinite = float("inf")
        return (-infinite if self.low is None else self.low, infinite if self.high is None else self.high)


def parse_bin(label: str) -> Bin:
    """Read a bin's label.

    Raises
    ------
    SchemaError
        When it is not of a known form, or ends before it starts.
    """
    text = label.strip()
    found = _RANGE.fullmatch(text)
    if found is not None and float(found["low"]) <= float(found["high"]):
        return Bin(label, float(found["low"]), float(found["high"]), "both")
    if (found := _BELOW.fullmatch(text)) is not None:
        return Bin(label, None, float(found["high"]), "neither")
    if (found := _ABOVE.fullmatch(text)) is not None:
        return Bin(label, float(found["low"]), None, "neither")
    if (found := _FROM.fullmatch(text)) is not None:
        return Bin(label, float(found["low"]), None, "left")
    raise SchemaError(
        "not a bin", subject=repr(label), expected="'15 to 19', 'Less than 20', 'Over 55' or '60+'", found=repr(label)
    )


def bin_category(
    dims: str, values: Iterable[str | None], labels: Sequence[str], long_name: str, *, units: str, **attrs: Any
) -> xr.Variable:
    """Make an ordered category of bins.

    Parameters
    ----------
    dims : str
        Name of the dimension.
    values : iterable of str or None
        Labels; ``None`` and ``""`` are missing.
    labels : sequence of str
        Every bin of the table, in any order; they are sorted by their ends.
    long_name : str
        What is binned.
    units : str
        Unit of the ends.

    Returns
    -------
    xarray.Variable
        A category, ordered, with the attributes ``bin_low``, ``bin_high`` (None: open) and ``bin_closed``.

    Raises
    ------
    SchemaError
        When a label is no bin, or a value is none of the labels.
    """
    bins = sorted((parse_bin(label) for label in labels), key=lambda item: item.rank)
    return schema.category(
        dims,
        values,
        [item.label for item in bins],
        long_name,
        ordered=True,
        bin_low=[item.low for item in bins],
        bin_high=[item.high for item in bins],
        bin_closed=[item.closed for item in bins],
        bin_units=units,
        **attrs,
    )
