"""What a file of a graph in space does not say and the user must: the unit of its numbers, the size of its voxels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from connectome.errors import UsageError

__all__ = ["GROUPS", "UNITS", "VoxelSize", "edge_type", "stated_space"]

UNITS = ("nm", "um", "mm", "cm", "m", "voxel", "1")
GROUPS = {"vessels": "vessel", "connectome": "neurite"}
"""Name of the group to the type of its edges."""

VoxelSize = str | float | Sequence[float]


def stated_space(units: str, voxel_size_um: VoxelSize = "") -> tuple[str, dict[str, Any]]:
    """Check the stated unit of positions.

    Parameters
    ----------
    units : str
        One of ``UNITS``; ``"voxel"`` is understood where only a voxel size is given.
    voxel_size_um : str, float or sequence of float
        Edge of a voxel in um: one number, or x, y and z (as text ``"3,3,5"``); needed for voxels, refused otherwise.

    Returns
    -------
    units : str
    attrs : dict
        For the group: ``voxel_size_um``, three floats, where the unit is the voxel.

    Raises
    ------
    UsageError
        When nothing, something unknown or only half of it is stated.
    """
    sizes = _sizes(voxel_size_um)
    unit = units or ("voxel" if sizes else "")
    if unit not in UNITS:
        raise UsageError(
            "unknown unit" if unit else "the unit of the positions must be stated: the file does not say it",
            subject="units",
            expected=", ".join(UNITS),
            found=unit or "nothing",
            hint="--option units=um, or --option voxel_size_um=3",
        )
    if (unit == "voxel") != bool(sizes):
        raise UsageError(
            "the size of a voxel must be stated" if unit == "voxel" else "a voxel size is only used for voxels",
            subject="voxel_size_um",
            expected="one number, or x,y,z" if unit == "voxel" else f"nothing, with units={unit}",
            found=str(voxel_size_um) or "nothing",
            hint="--option voxel_size_um=3" if unit == "voxel" else "--option units=voxel",
        )
    return unit, {"voxel_size_um": sizes} if sizes else {}


def _sizes(value: VoxelSize) -> list[float]:
    if isinstance(value, str):
        parts: Sequence[Any] = value.split(",") if value else ()
    else:
        parts = [value] if isinstance(value, (int, float)) else list(value)
    try:
        sizes = [float(part) for part in parts]
    except (TypeError, ValueError):
        sizes = [math.nan]
    if len(sizes) not in {0, 1, 3} or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise UsageError(
            "not a voxel size",
            subject="voxel_size_um",
            expected="one positive number, or x,y,z",
            found=str(value),
            hint="--option voxel_size_um=3",
        )
    return sizes * 3 if len(sizes) == 1 else sizes


def edge_type(group: str) -> str:
    """Return the type of the edges of a group; raise :class:`~connectome.errors.UsageError` for another group."""
    if group not in GROUPS:
        raise UsageError("unknown group", subject="group", expected=" or ".join(GROUPS), found=group)
    return GROUPS[group]
