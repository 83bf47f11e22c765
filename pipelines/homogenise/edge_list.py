"""What a file says about a connectome, as a plain list: who, whom, of what type, how much, and where it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["EdgeList", "EdgeRow", "Note"]

Note = dict[str, str]
"""A warning as records store it: ``code``, ``place`` and ``message``."""


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """One edge as the source lists it."""

    source: str
    target: str
    type: str
    weight: int | float
    place: str
    """Sheet and row or cell."""
    extra: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Further columns."""


@dataclass(frozen=True)
class EdgeList:
    """What a file says about a connectome."""

    rows: tuple[EdgeRow, ...]
    labels: tuple[str, ...] = ()
    """Every cell that the source names, with or without edges, in its order."""
    notes: tuple[Note, ...] = ()

    def __add__(self, other: EdgeList) -> EdgeList:
        return EdgeList(self.rows + other.rows, self.labels + other.labels, self.notes + other.notes)
