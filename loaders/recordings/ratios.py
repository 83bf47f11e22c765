"""Which windows an epoch of training shows, so that rare classes are not drowned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

if TYPE_CHECKING:
    from .labelled import LabelledSource

__all__ = ["ratio_order"]

Array = np.ndarray[Any, Any]


def ratio_order(
    source: LabelledSource, ratios: Mapping[str, float], *, seed: int, epoch: int, n_windows: int | None = None
) -> Array:
    """Choose windows of one epoch in stated ratios, without showing any twice.

    Parameters
    ----------
    source : LabelledSource
        The windows.
    ratios : mapping of str to float
        Label to its share; labels that are not named are not shown. ``{"ictal": 1, "interictal": 3}``.
    seed, epoch : int
        The choice depends on these and the windows only; other windows of the common classes come in every epoch.
    n_windows : int, optional
        About how many windows to show; default as many as the class that is rarest for its share allows.

    Returns
    -------
    numpy.ndarray
        Shape (window,), int64: numbers of windows in a random order.

    Raises
    ------
    UsageError
        When a label is unknown, a share is not above 0, there are too few windows, or the seed is negative.
    """
    if seed < 0:
        raise UsageError("a seed is 0 or more", subject="seed", expected="0 or more", found=str(seed))
    unknown = sorted(set(ratios) - set(source.label_names))
    if not ratios or unknown or not all(np.isfinite(share) and share > 0 for share in ratios.values()):
        raise UsageError(
            "not shares of labels", subject="ratios", expected=", ".join(source.label_names), found=str(dict(ratios))
        )
    members = {name: np.flatnonzero(source.label == source.label_names.index(name)) for name in ratios}
    unit = min(len(members[name]) / share for name, share in ratios.items())
    if n_windows is not None:
        wanted = n_windows / sum(ratios.values())
        if wanted > unit:
            raise UsageError("too few windows", subject="n_windows", found=str(n_windows),
                             expected=f"at most {int(unit * sum(ratios.values()))}")  # fmt: skip
        unit = wanted
    sizes = {name: int(unit * share + 1e-9) for name, share in ratios.items()}
    if not all(sizes.values()):
        raise UsageError(
            "a class has no windows in that ratio", subject="ratios",
            found=", ".join(f"{name}: {len(found)}" for name, found in members.items()),
        )  # fmt: skip
    generator = np.random.default_rng([seed, epoch])
    # In the order of the codes, not of the mapping.
    order = sorted(ratios, key=source.label_names.index)
    chosen = [generator.choice(members[name], size=sizes[name], replace=False) for name in order]
    return generator.permutation(np.concatenate(chosen)).astype(np.int64)
