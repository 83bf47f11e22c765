"""Which patches there are: where patch ``index`` of an epoch lies is a function of (seed, epoch, index) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectome.errors import UsageError

__all__ = ["ForegroundWeighted", "Grid", "LabelBalanced", "Sampling", "Uniform", "as_sampling", "draws"]


@dataclass(frozen=True)
class Uniform:
    """Every place at which a patch lies inside its volume is as likely as any other."""


@dataclass(frozen=True)
class LabelBalanced:
    """A label is drawn, each as likely as any other, then one of its voxels, and the patch is put around it.

    At the border of the volume the patch is moved inwards, so the voxel is then not in its middle.
    """

    labels: tuple[int, ...] | None = None
    """Labels to draw from; 0 stands for voxels without one. Default all labels of the record's volume, without 0.
    Where a record lacks some, the others are drawn more often there."""
    group: str | None = None
    """Path of the label volume; default the first of ``masks``."""


@dataclass(frozen=True)
class ForegroundWeighted:
    """Patches around voxels that are finite and not 0, or, for the rest, anywhere."""

    fraction: float = 1.0
    """Of patches that are put around a foreground voxel."""
    group: str | None = None
    """Path of the image whose foreground counts; default the first of ``images`` that the record has."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.fraction <= 1.0:
            raise UsageError("a fraction lies between 0 and 1", subject="fraction", found=repr(self.fraction))


@dataclass(frozen=True)
class Grid:
    """Patches that cover every volume, in order; the same in every epoch."""

    overlap: int | tuple[int, int, int] = 0
    """Voxels that neighbours share, for all axes or for each."""


Sampling = Uniform | LabelBalanced | ForegroundWeighted | Grid

_NAMED: dict[str, Sampling] = {
    "uniform": Uniform(),
    "label-balanced": LabelBalanced(),
    "foreground-weighted": ForegroundWeighted(),
    "grid": Grid(),
}


def as_sampling(sampling: str | Sampling) -> Sampling:
    """Return what a name stands for, or a sampling as it is."""
    if isinstance(sampling, (Uniform, LabelBalanced, ForegroundWeighted, Grid)):
        return sampling
    if sampling not in _NAMED:
        raise UsageError(
            "no such way to choose patches", subject="sampling", expected=", ".join(_NAMED), found=repr(sampling)
        )
    return _NAMED[sampling]


def overlap_of(grid: Grid, patch: Sequence[int]) -> tuple[int, int, int]:
    """Return the overlap per axis; refuse one that leaves no step."""
    each = grid.overlap if isinstance(grid.overlap, tuple) else (grid.overlap,) * 3
    if len(each) != 3 or any(not 0 <= shared < edge for shared, edge in zip(each, patch, strict=True)):
        raise UsageError(
            "neighbouring patches share less than a patch",
            subject="overlap",
            expected=f"0 or more, below {tuple(patch)}",
            found=repr(grid.overlap),
        )
    return each[0], each[1], each[2]


def draws(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Return the source of the random numbers of one patch.

    Philox (Salmon et al. 2011, doi:10.1145/2063384.2063405) takes a key and a counter, so the numbers of one patch
    are found without those of any other.
    """
    key = np.array([seed, epoch], dtype=np.uint64)
    counter: Any = np.array([0, index, 0, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
