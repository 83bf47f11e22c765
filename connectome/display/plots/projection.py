"""Points in space as they are seen from far away: orthographic views, so that a scale bar is true everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["View", "along", "best_view", "nice_length", "oblique"]

Array = np.ndarray[Any, Any]
OBLIQUE = (-58.0, 22.0)
"""Azimuth and elevation, in degrees, from which a body is seen."""
FLAT = 0.12
"""A graph whose extent along one axis is at most this share of the next larger is seen along that axis."""


@dataclass(frozen=True)
class View:
    """Directions of a picture in the space of the graph: unit vectors at right angles."""

    right: Array
    up: Array
    towards: Array
    """From the graph to the eye."""
    name: str
    """In words."""

    def project(self, position: Array) -> Array:
        """Return positions, shape (n, 3), as seen: to the right, up, towards the eye; float64."""
        seen: Array = np.asarray(position, dtype=np.float64) @ np.stack([self.right, self.up, self.towards], axis=1)
        return seen


def oblique(azimuth: float, elevation: float) -> View:
    """Look from a direction in degrees: azimuth from x towards y, elevation above the plane of both; z is up."""
    around, above = math.radians(azimuth), math.radians(elevation)
    towards = np.array([math.cos(around) * math.cos(above), math.sin(around) * math.cos(above), math.sin(above)])
    right = np.array([-math.sin(around), math.cos(around), 0.0])
    return View(right, np.cross(towards, right), towards, f"from azimuth {azimuth:g}°, elevation {elevation:g}°")


def along(axis: int) -> View:
    """Look along an axis (0, 1, 2): the first of the others goes to the right, the second up."""
    right, up = ((1, 2), (0, 2), (0, 1))[axis]
    unit = np.eye(3)
    return View(unit[right], unit[up], np.cross(unit[right], unit[up]), f"along {'xyz'[axis]}")


def best_view(extent: Array) -> View:
    """Look at what is flat from its broad side, at anything else from above and aside."""
    order = np.argsort(extent, kind="stable")
    return along(int(order[0])) if extent[order[0]] <= FLAT * extent[order[1]] else oblique(*OBLIQUE)


def nice_length(most: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not above ``most`` (positive)."""
    power = 10.0 ** math.floor(math.log10(most))
    # Division and multiplication by powers of ten may be off by one rounding.
    return max((step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9)), default=power)
