"""Statistics of an image's intensities, exact or at least the same on every machine.

Integers are counted by value and summed as Python integers, so nothing is rounded before the last step. Floats are
sorted first: percentiles are order statistics, and sums run over the sorted numbers in fixed lanes whose totals
:func:`math.fsum` adds. Neither depends on the order of the axes, on chunks or on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["PERCENTILES", "statistics", "value_counts"]

Array = np.ndarray[Any, Any]

PERCENTILES = (0.5, 1, 5, 25, 50, 75, 95, 99, 99.5)
LANES = 4096
BLOCK_ITEMS = 1 << 20
COUNTED_RANGE = 1 << 24
"""Integers that span fewer values than this are counted in a table; others are sorted."""


def statistics(image: Array, *, slope: float | None = None, intercept: float | None = None) -> dict[str, Any]:
    """Describe the physical values of an image: ``stored * slope + intercept``.

    Parameters
    ----------
    image : numpy.ndarray
        Stored numbers of any shape.
    slope, intercept : float, optional
        Scaling; None where there is none.

    Returns
    -------
    dict
        ``n_voxels`` and ``n_finite`` (int); ``min``, ``max``, ``mean``, ``std`` (population, float) and
        ``percentiles`` (``{"p0.5": float, ...}``, linear between order statistics: type 7 of Hyndman & Fan 1996,
        doi:10.1080/00031305.1996.10473566) over the finite voxels, None where there are none or the numbers are
        complex; ``nonzero``: the same without ``n_voxels`` over finite voxels whose *stored* number is not 0.
    """
    flat = image.ravel(order="K")
    if image.dtype.kind == "c":
        finite = int(np.isfinite(flat).sum())
        nonzero = int((np.isfinite(flat) & (flat != 0)).sum())
        return {"n_voxels": flat.size, **_nothing(finite), "nonzero": _nothing(nonzero)}
    scale = (1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept))
    describe = _describe_floats if image.dtype.kind == "f" else _describe_integers
    every, nonzero_only = describe(flat, scale)
    return {"n_voxels": flat.size, **every, "nonzero": nonzero_only}


def value_counts(values: Array) -> tuple[Array, Array]:
    """Return the different integers of an array in ascending order, and how often each is there (int64)."""
    flat = values.ravel(order="K")
    if not flat.size:
        return flat, np.zeros(0, dtype=np.int64)
    if flat.dtype.kind == "b":
        flat = flat.view(np.uint8)
    low, high = int(flat.min()), int(flat.max())
    if high - low >= COUNTED_RANGE:
        found, counts = np.unique(flat, return_counts=True)
        return found, counts.astype(np.int64)
    table = np.zeros(high - low + 1, dtype=np.int64)
    for start in range(0, flat.size, BLOCK_ITEMS):
        # The difference from the lowest is computed in 64 bits modulo 2**64, which is right for every integer type.
        block = flat[start : start + BLOCK_ITEMS].astype(np.int64) if flat.dtype != np.uint64 else None
        shifted = block - low if block is not None else (flat[start : start + BLOCK_ITEMS] - np.uint64(low))
        table += np.bincount(shifted.astype(np.intp, copy=False), minlength=len(table))
    present = np.flatnonzero(table)
    if flat.dtype == np.uint64:
        return present.astype(np.uint64) + np.uint64(low), table[present]
    return (present + low).astype(flat.dtype), table[present]


def _describe_integers(flat: Array, scale: tuple[float, float]) -> tuple[dict[str, Any], dict[str, Any]]:
    found, counts = value_counts(flat)
    rest = found != 0
    return _of_counts(found, counts, scale), _of_counts(found[rest], counts[rest], scale)


def _of_counts(found: Array, counts: Array, scale: tuple[float, float]) -> dict[str, Any]:
    n = int(counts.sum())
    if not n:
        return _nothing(0)
    pairs = list(zip(found.tolist(), counts.tolist(), strict=True))
    total = sum(value * count for value, count in pairs)
    squares = sum(value * value * count for value, count in pairs)
    ends = np.cumsum(counts)

    def at(rank: int) -> float:
        return float(found[np.searchsorted(ends, rank, side="right")])

    variance = Fraction(n * squares - total * total, n * n)
    return _assemble(n, at, float(Fraction(total, n)), math.sqrt(variance), scale)


def _describe_floats(flat: Array, scale: tuple[float, float]) -> tuple[dict[str, Any], dict[str, Any]]:
    ordered = np.sort(flat[np.isfinite(flat)])
    below, above = np.searchsorted(ordered, 0, side="left"), np.searchsorted(ordered, 0, side="right")
    rest = np.concatenate([ordered[:below], ordered[above:]]) if above > below else ordered
    return _of_sorted(ordered, scale), _of_sorted(rest, scale)


def _of_sorted(ordered: Array, scale: tuple[float, float]) -> dict[str, Any]:
    if not ordered.size:
        return _nothing(0)
    mean = _sum(ordered, lambda block: block) / ordered.size
    variance = _sum(ordered, lambda block: (block - mean) ** 2) / ordered.size
    # Adding zero turns -0.0 into 0.0: which of the two a sort puts first is chance.
    return _assemble(ordered.size, lambda rank: float(ordered[rank]) + 0.0, mean, math.sqrt(variance), scale)


def _sum(ordered: Array, of: Callable[[Array], Array]) -> float:
    """Add numbers in an order that is fixed: lane by lane down the rows, then all lanes exactly."""
    lanes = np.zeros(LANES)
    # Numbers near the largest float overflow when squared; the result is then infinite, as it should be.
    with np.errstate(over="ignore"):
        for start in range(0, ordered.size, BLOCK_ITEMS):
            block = of(ordered[start : start + BLOCK_ITEMS].astype(np.float64))
            whole = block.size // LANES * LANES
            for row in block[:whole].reshape(-1, LANES):
                lanes += row
            lanes[: block.size - whole] += block[whole:]
    return math.fsum(lanes.tolist()) if np.isfinite(lanes).all() else float("inf")


def _assemble(
    n: int, at: Callable[[int], float], mean: float, std: float, scale: tuple[float, float]
) -> dict[str, Any]:
    slope, intercept = scale

    def physical(value: float) -> float:
        return value * slope + intercept

    def percentile(percent: float) -> float:
        # A negative slope turns the order round.
        rank = (percent if slope >= 0 else 100 - percent) / 100 * (n - 1)
        low = math.floor(rank)
        first, second = at(low), at(min(low + 1, n - 1))
        return physical(first + (second - first) * (rank - low))

    ends = sorted((physical(at(0)), physical(at(n - 1))))
    return {
        "n_finite": n,
        "min": _finite(ends[0]),
        "max": _finite(ends[1]),
        "mean": _finite(physical(mean)),
        "std": _finite(std * abs(slope)),
        "percentiles": {f"p{percent:g}": _finite(percentile(percent)) for percent in PERCENTILES},
    }


def _finite(value: float) -> float | None:
    """Return a number, or None where scaling or squaring left the range of float64."""
    return value if math.isfinite(value) else None


def _nothing(n_finite: int) -> dict[str, Any]:
    empty: Mapping[str, None] = dict.fromkeys(("min", "max", "mean", "std"))
    return {"n_finite": n_finite, **empty, "percentiles": dict.fromkeys(f"p{percent:g}" for percent in PERCENTILES)}
