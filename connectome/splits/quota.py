"""How many go where: fractions of parts, a seeded order, and the quota rule.

The order of groups is that of SHA-256 over seed and name, so it depends on nothing else: not on the order of rows,
the machine, the locale or the hash seed of the interpreter. Shares are exact rationals; no rounding decides a tie.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from ..errors import UsageError
from .split import check_name

__all__ = ["Fractions", "place_by_quota", "seeded_order"]

SUM_TOLERANCE = 1e-6
"""Fractions such as 0.333333 x 3 are taken to add up to one; they are scaled to do so exactly."""


class Fractions(Mapping[str, float]):
    """Parts and the fraction of the whole that each should get; immutable, the order of the parts is kept.

    Parameters
    ----------
    fractions : mapping or iterable of (part, fraction)
        They add up to 1. A part with fraction 0 gets nothing.

    Raises
    ------
    UsageError
        When a name is malformed or repeated, a fraction is not a number from 0 to 1, or they do not add up to 1.
    """

    __slots__ = ("_items",)

    def __init__(self, fractions: Mapping[str, float] | Iterable[tuple[str, float]]) -> None:
        pairs: list[tuple[str, float]] = list(fractions.items() if isinstance(fractions, Mapping) else fractions)
        for part, value in pairs:
            check_name(part, what="the name of a part")
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
                raise UsageError("a fraction lies between 0 and 1", subject=part, expected="0 to 1", found=repr(value))
        self._items = tuple((part, float(value)) for part, value in pairs)
        if len({part for part, _ in self._items}) != len(self._items):
            raise UsageError("a part is named twice", subject="fractions", found=str(self))
        total = math.fsum(value for _, value in self._items)
        if abs(total - 1) > SUM_TOLERANCE:
            raise UsageError(
                "the fractions do not add up to 1", subject="fractions", expected="1", found=f"{total:.9g} ({self})"
            )

    @classmethod
    def parse(cls, text: str) -> Fractions:
        """Read ``"train=0.8,val=0.1,test=0.1"``.

        Raises
        ------
        UsageError
            When the text is not of that form.
        """
        pairs: list[tuple[str, float]] = []
        for item in text.split(","):
            part, equals, value = item.strip().partition("=")
            try:
                pairs.append((part.strip(), float(value)))
            except ValueError:
                equals = ""
            if not equals:
                raise UsageError(
                    "the fractions cannot be read",
                    subject="fractions",
                    expected="PART=FRACTION,... such as train=0.8,val=0.1,test=0.1",
                    found=text,
                ) from None
        return cls(pairs)

    @property
    def shares(self) -> dict[str, Fraction]:
        """The exact shares of the parts that get something; they add up to one."""
        exact = {part: Fraction(repr(value)) for part, value in self._items if value > 0}
        total = sum(exact.values())
        return {part: value / total for part, value in exact.items()}

    def __getitem__(self, part: str) -> float:
        return dict(self._items)[part]

    def __iter__(self) -> Iterator[str]:
        return iter(part for part, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        # Order counts between two of us, because parts follow each other in time in that order.
        return self._items == other._items if isinstance(other, Fractions) else super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return "Fractions({" + ", ".join(f"{part!r}: {value!r}" for part, value in self._items) + "})"

    def __str__(self) -> str:
        return ",".join(f"{part}={value!r}" for part, value in self._items)


def seeded_order(names: Iterable[str], *, seed: int) -> list[str]:
    """Return the names in the order of SHA-256 over ``"seed:name"``: random to the eye, the same everywhere."""
    return sorted(names, key=lambda name: (hashlib.sha256(f"{seed}:{name}".encode()).digest(), name))


def place_by_quota(
    weights: Mapping[str, Fraction],
    shares: Mapping[str, Fraction],
    *,
    seed: int,
    fixed: Mapping[str, str],
    what: str,
) -> dict[str, str]:
    """Put each name into a part so that the parts' weights approach their shares of the total.

    Names go, in seeded order, to the part that lacks most; once no more are left than there are empty parts, each
    goes to an empty one. A part then holds less than one name (the heaviest) more than its quota; and less than one
    fewer, unless names had to be given up to parts whose quota is too small to get one.

    Parameters
    ----------
    weights : mapping of str to Fraction
        Every name and its weight, those that are fixed included.
    shares : mapping of str to Fraction
        Part to share; positive, adding up to one. Ties go to the part that is named first.
    seed : int
        Of the order.
    fixed : mapping of str to str
        Names that stay where they are.
    what : str
        What a name stands for, for the error: ``"group of 'subject'"``.

    Raises
    ------
    UsageError
        When there are too few names for every part to get one.
    """
    free = seeded_order((name for name in weights if name not in fixed), seed=seed)
    total = sum(weights.values(), Fraction())
    lack = {part: share * total for part, share in shares.items()}
    for name, part in fixed.items():
        lack[part] -= weights[name]
    empty = set(shares) - set(fixed.values())
    check_enough(free, empty=empty, n_fixed=len(fixed), what=what)
    placed = dict(fixed)
    for left, name in zip(range(len(free), 0, -1), free, strict=True):
        open_parts: Sequence[str] = [part for part in lack if part in empty] if left <= len(empty) else list(lack)
        part = max(open_parts, key=lambda part: lack[part])
        placed[name] = part
        lack[part] -= weights[name]
        empty.discard(part)
    return placed


def check_enough(free: Sequence[str], *, empty: Iterable[str], n_fixed: int, what: str) -> None:
    """Refuse too few names to fill the empty parts (UsageError)."""
    empty = sorted(empty)
    if len(free) >= len(empty):
        return
    raise UsageError(
        "there are too few groups for every part to get one",
        subject="split",
        place="part " + ", ".join(empty),
        expected=f"at least {len(empty)}{' new' if n_fixed else ''}: a {what} for each of {', '.join(empty)}",
        found=f"{len(free)}{': ' + ', '.join(sorted(free)) if free else ''}"
        + (f", and {n_fixed} that stay where the previous split has them" if n_fixed else ""),
        hint="use fewer parts, or split by time blocks instead"
        + (", or make the split anew without the previous one" if n_fixed else ""),
    )
