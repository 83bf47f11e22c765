"""Strata: spread groups so that every part has its share of each kind.

A fresh split solves a controlled rounding problem: given how many groups each stratum has and how many each part gets,
find whole numbers that add up to both and are each the floor or the ceiling of the proportional value. One always
exists (Cox, L. H. 1987, "A constructive procedure for unbiased controlled rounding", J. Am. Stat. Assoc. 82(398):
520-524, doi:10.1080/01621459.1987.10478456); it is found as there, by moving fractions around cycles of the table.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

from .quota import check_enough, place_by_quota, seeded_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["place_by_strata", "rounded_table"]


def place_by_strata(
    strata: Mapping[str, str], shares: Mapping[str, Fraction], *, seed: int, fixed: Mapping[str, str], what: str
) -> dict[str, str]:
    """Put each name into a part so that parts approach their shares, in all and in each stratum.

    Without fixed names, the sizes of the parts are those of :func:`place_by_quota`, and the number that a part gets
    of a stratum is its proportional value rounded down or up. Names that are added to fixed ones go, one by one, to
    the part that lacks most in the stratum and in all together.

    Parameters
    ----------
    strata : mapping of str to str
        Every name and its stratum.
    shares : mapping of str to Fraction
        Part to share; positive, adding up to one.
    seed : int
        Of the order of names and of strata.
    fixed : mapping of str to str
        Names that stay where they are.
    what : str
        What a name stands for, for the error.

    Raises
    ------
    UsageError
        When there are too few names for every part to get one.
    """
    if fixed:
        return _add(strata, shares, seed=seed, fixed=fixed, what=what)
    ones = dict.fromkeys(strata, Fraction(1))
    sizes = Counter(place_by_quota(ones, shares, seed=seed, fixed={}, what=what).values())
    members: dict[str, list[str]] = {}
    for name in seeded_order(strata, seed=seed):
        members.setdefault(strata[name], []).append(name)
    rows = seeded_order(members, seed=seed)
    table = rounded_table([len(members[row]) for row in rows], [sizes[part] for part in shares])
    placed: dict[str, str] = {}
    for row, counts in zip(rows, table, strict=True):
        names = iter(members[row])
        for part, n in zip(shares, counts, strict=True):
            placed.update((next(names), part) for _ in range(n))
    return placed


def _add(
    strata: Mapping[str, str], shares: Mapping[str, Fraction], *, seed: int, fixed: Mapping[str, str], what: str
) -> dict[str, str]:
    free = seeded_order((name for name in strata if name not in fixed), seed=seed)
    sizes = Counter(strata.values())
    lack = {(part, stratum): share * n for part, share in shares.items() for stratum, n in sizes.items()}
    lack_in_all = {part: share * len(strata) for part, share in shares.items()}
    empty = set(shares) - set(fixed.values())
    check_enough(free, empty=empty, n_fixed=len(fixed), what=what)
    placed = dict(fixed)
    for name, part in fixed.items():
        lack[part, strata[name]] -= 1
        lack_in_all[part] -= 1
    for left, name in zip(range(len(free), 0, -1), free, strict=True):
        stratum = strata[name]
        open_parts = [part for part in shares if part in empty] if left <= len(empty) else list(shares)
        part = max(open_parts, key=lambda part: lack[part, stratum] + lack_in_all[part])
        placed[name] = part
        lack[part, stratum] -= 1
        lack_in_all[part] -= 1
        empty.discard(part)
    return placed


def rounded_table(row_sums: Sequence[int], column_sums: Sequence[int]) -> list[list[int]]:
    """Return whole numbers with the given sums, each the floor or ceiling of row sum x column sum / total.

    Parameters
    ----------
    row_sums, column_sums : sequence of int
        Both add up to the same total, which is positive.

    Returns
    -------
    list of list of int
        Shape (rows, columns).
    """
    total = sum(row_sums)
    floors = [[row * column // total for column in column_sums] for row in row_sums]
    # What is left of each cell, in units of 1 / total; in every row and column the rests add up to a multiple of it.
    rests = {
        (i, j): row * column % total
        for i, row in enumerate(row_sums)
        for j, column in enumerate(column_sums)
        if row * column % total
    }
    while rests:
        cycle = _cycle(rests)
        up, down = cycle[0::2], cycle[1::2]
        step = min(*(total - rests[cell] for cell in up), *(rests[cell] for cell in down))
        for cell in up:
            rests[cell] += step
        for cell in down:
            rests[cell] -= step
        for i, j in cycle:
            if rests[i, j] in (0, total):
                floors[i][j] += rests.pop((i, j)) // total
    return floors


def _cycle(cells: Mapping[tuple[int, int], int]) -> list[tuple[int, int]]:
    """Return cells that go around, by turns along a row and along a column, back to the first.

    Each row and column that holds a cell holds two at least, so a walk that always goes on meets itself.
    """
    by_row: dict[int, list[int]] = {}
    by_column: dict[int, list[int]] = {}
    for i, j in cells:
        by_row.setdefault(i, []).append(j)
        by_column.setdefault(j, []).append(i)
    row = next(iter(by_row))
    walk: list[tuple[int, int]] = []
    met = {row: 0}
    came_by: int | None = None
    while True:
        column = next(j for j in by_row[row] if j != came_by)
        walk.append((row, column))
        row = next(i for i in by_column[column] if i != row)
        walk.append((row, column))
        came_by = column
        if row in met:
            return walk[met[row] :]
        met[row] = len(walk)
