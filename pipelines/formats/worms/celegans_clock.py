"""The time stamps of a recording as they are: checked against its samples and against each other, never mended.

Stamps that go back or are no numbers cannot be stored as a clock and are refused; stamps that repeat, leave gaps or
contradict the stated frame rate are kept, with a warning that says where.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import warning

__all__ = ["GAP", "checked_stamps", "stamp_warnings"]

Array = np.ndarray[Any, Any]

GAP = 2.0
"""Steps longer than this many median steps are called gaps."""
RATE_TOLERANCE = 0.05
"""How far the median step may be from one over the stated frame rate, relative to it, before the two contradict."""


def checked_stamps(stamps: Array, n_samples: int, *, subject: str, place: str) -> Array:
    """Return the stamps of a recording, one per sample, as float64.

    Parameters
    ----------
    stamps : numpy.ndarray
        A row or a column of numbers, in seconds.
    n_samples : int
        How many samples there are.
    subject, place : str
        File and field, for errors.

    Returns
    -------
    numpy.ndarray
        Shape (n_samples,), float64 seconds.

    Raises
    ------
    FormatError
        When there are more or fewer stamps than samples, or they are not numbers that never go back.
    """
    if stamps.dtype.kind not in "iuf" or stamps.size != max(stamps.shape, default=0) or stamps.size != n_samples:
        raise FormatError(
            "there is not one time stamp per sample",
            subject=subject,
            place=place,
            expected=f"{n_samples} numbers",
            found=f"shape {stamps.shape}, {stamps.dtype}",
            hint="frames that cannot be placed in time are not read",
        )
    values = stamps.ravel().astype(np.float64)
    if not np.isfinite(values).all():
        raise FormatError(
            "a time stamp is not a number",
            subject=subject,
            place=f"{place}({int(np.flatnonzero(~np.isfinite(values))[0]) + 1})",
            expected="finite seconds",
        )
    back = np.flatnonzero(np.diff(values) < 0)
    if back.size:
        at = int(back[0])
        raise FormatError(
            "the time stamps go back",
            subject=subject,
            place=f"{place}({at + 2})",
            expected=f"at least {values[at]}",
            found=f"{values[at + 1]}, and {back.size - 1} more such steps",
        )
    return values


def stamp_warnings(stamps: Array, *, place: str, fps: float | None = None) -> list[dict[str, str]]:
    """Return what is odd about stamps that never go back.

    Parameters
    ----------
    stamps : numpy.ndarray
        Shape (time,), float64 seconds.
    place : str
        The field.
    fps : float, optional
        Frames per second as the source states them.

    Returns
    -------
    list of dict
        Of the codes ``repeated-stamps``, ``gaps`` and ``rate-mismatch``.
    """
    steps = np.diff(stamps)
    if not steps.size:
        return []
    found = []
    repeated = np.flatnonzero(steps == 0)
    if repeated.size:
        text = f"{repeated.size} stamps repeat the one before; the first is number {int(repeated[0]) + 2}"
        found.append(warning("repeated-stamps", place, text))
    median = float(np.median(steps))
    gaps = np.flatnonzero(steps > GAP * median) if median > 0 else np.zeros(0, dtype=np.intp)
    if gaps.size:
        text = (
            f"{gaps.size} steps are longer than {GAP:g} median steps of {median:.6g} s; "
            f"the longest is {float(steps.max()):.6g} s, the first follows stamp number {int(gaps[0]) + 1}"
        )
        found.append(warning("gaps", place, text))
    if fps is not None and not abs(median * fps - 1) <= RATE_TOLERANCE:
        text = f"the median step is {median:.6g} s, but the stated rate is {fps:.6g} frames per second"
        found.append(warning("rate-mismatch", place, text))
    return found
