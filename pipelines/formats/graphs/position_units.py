"""The unit of a graph's positions, where the file does not say it: stated by whoever reads, never guessed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from connectome.errors import UsageError

__all__ = ["UNITS", "VoxelSize", "stated_units"]

UNITS = ("nm", "um", "mm", "cm", "m", "voxel", "1")
"""``"1"`` is for positions without a physical scale, such as those in a unit cube."""
UNKNOWN = "unknown"

VoxelSize: TypeAlias = str | float | Sequence[float]
"""Micrometres per voxel: one number, or one per axis (``"3,3,3"`` as text)."""


def stated_units(
    units: str = "", voxel_size_um: VoxelSize = "", *, n_axes: int = 3, subject: str
) -> tuple[str, dict[str, Any]]:
    """Return the unit of positions and what the group says about it.

    Parameters
    ----------
    units : str
        One of ``UNITS``; may be left out when ``voxel_size_um`` is given.
    voxel_size_um : str, float or sequence of float
        Needed for ``"voxel"``, and for nothing else. ``"unknown"`` says that nobody knows it.
    n_axes : int
        Number of axes.
    subject : str
        The file, for errors.

    Returns
    -------
    units : str
    attrs : dict
        ``voxel_size_um``, a list of floats, where it is known.

    Raises
    ------
    UsageError
        When the unit or the size of a voxel is not stated, or cannot be.
    """
    size = () if voxel_size_um in ("", None) else _numbers(voxel_size_um, n_axes)
    given = bool(size) or voxel_size_um == UNKNOWN
    units = units or ("voxel" if given else "")
    if units not in UNITS:
        raise UsageError(
            "the unit of the positions must be stated: the file does not say it" if not units else "unknown unit",
            subject=subject,
            place="option units",
            expected=", ".join(UNITS),
            found=units or "nothing",
            hint="--option units=um, or --option voxel_size_um=3 for positions in voxels",
        )
    if (units == "voxel") != given:
        raise UsageError(
            "positions in voxels need the size of a voxel, and no others do",
            subject=subject,
            place="option voxel_size_um",
            expected=f'{n_axes} numbers, or "{UNKNOWN}"' if units == "voxel" else f"nothing beside units={units}",
            found=str(voxel_size_um) or "nothing",
            hint="--option voxel_size_um=3",
        )
    return units, {"voxel_size_um": list(size)} if size else {}


def _numbers(value: VoxelSize, n_axes: int) -> tuple[float, ...]:
    if value == UNKNOWN:
        return ()
    parts: Sequence[Any] = (
        value.split(",") if isinstance(value, str) else [value] if isinstance(value, (int, float)) else value
    )
    try:
        size = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        size = ()
    if len(size) == 1:
        size *= n_axes
    if len(size) != n_axes or not all(math.isfinite(number) and number > 0 for number in size):
        raise UsageError(
            "not the size of a voxel",
            subject="voxel_size_um",
            expected=f"one positive number, or {n_axes} of them set apart by commas",
            found=repr(value),
        )
    return size
