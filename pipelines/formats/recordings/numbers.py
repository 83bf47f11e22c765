"""Numbers as headers of recordings write them: decimals of a length that somebody can have meant, and possible rates.

:class:`fractions.Fraction` alone would take ``1/3``, ``1_000`` and ``1e999999999``, whose digits fill the memory.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from connectome.errors import FormatError

__all__ = ["decimal", "possible_rate"]

DECIMAL = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?", re.ASCII)
SLOWEST_HZ, FASTEST_HZ = Fraction(1, 10**6), Fraction(10**9)
"""A sample in eleven days and one in a nanosecond: what lies beyond is a damaged header."""


def decimal(text: str) -> Fraction | None:
    """Return a decimal number exactly, such as ``-3276.8`` or ``1.5E-03``; None where the text is none."""
    plain = text.strip()
    return Fraction(plain) if DECIMAL.fullmatch(plain) else None


def possible_rate(rate_hz: Fraction, path: Path, place: str) -> Fraction:
    """Return a rate that a recording can have.

    Raises
    ------
    FormatError
        When it lies beyond :data:`SLOWEST_HZ` and :data:`FASTEST_HZ`.
    """
    if not SLOWEST_HZ <= rate_hz <= FASTEST_HZ:
        raise FormatError(
            "no recording has such a rate", subject=str(path), place=place,
            expected=f"{float(SLOWEST_HZ):g} to {float(FASTEST_HZ):g} Hz",
            found="above" if rate_hz > FASTEST_HZ else "below",
        )  # fmt: skip
    return rate_hz
