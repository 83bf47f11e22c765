"""Split by time: the axis of each record is cut into blocks, with guard gaps where two parts meet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

from ..errors import UsageError
from .extents import Extent, extents_of, strands_of
from .groups import labels, records_of, some
from .placing import check_previous
from .plan import Demands, Plan, check_choice, check_gap, check_seed
from .quota import Fractions, place_by_quota
from .split import Entry, Split

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["TimeBlockSplit"]

Stretch = tuple[str, float, float]
"""Part, start and stop in seconds."""


@dataclass(frozen=True, kw_only=True)
class TimeBlockSplit(Plan):
    """Cut each record's time axis into stretches of different parts, none nearer to another than the guard gap.

    The cut of a record depends on the plan, its name and its extent only (and on the records that share its clock),
    so adding records moves nothing. What lies in a gap belongs to no part. An animal or patient is in every part: this
    measures how a model does later in the same recording, not on a new subject.

    Parameters
    ----------
    fractions : mapping of str to float
        Part to fraction of the time outside the gaps.
    gap_s : float
        Guard gap in seconds, 0 or more; at least the reach of whatever looks at neighbouring samples (window, history,
        filters).
    order : {"forward", "shuffled"}
        ``"forward"``: one stretch per part, in the order of ``fractions``; training comes before test as in use.
        ``"shuffled"``: many blocks of equal length, each placed by seed, so that slow drift reaches every part.
    n_blocks : int, optional
        Blocks per record, for ``"shuffled"``.
    block_s : float, optional
        Least length of a block in seconds, instead of ``n_blocks``: a record has as many blocks as fit.
    seed : int
        Of the places of the blocks.
    clock : str, optional
        Column whose value says which records share a clock (recordings made at once). They are cut at the same times.

    Notes
    -----
    Times are those of the index: ``start_s`` and ``stop_s``, or ``duration_s``, or ``n_samples`` and
    ``sampling_frequency_hz``. Extents are half-open; a record of n samples at f Hz from t is ``[t, t + n / f)``.
    Records with identical content are cut at the same times.

    Examples
    --------
    >>> import pandas as pd
    >>> index = pd.DataFrame({"record": ["a"], "duration_s": [110.0]})
    >>> split = TimeBlockSplit(fractions={"train": 0.8, "test": 0.2}, gap_s=10).assign(index)
    >>> split.rows[["part", "start_s", "stop_s"]].values.tolist()
    [['train', 0.0, 80.0], ['test', 90.0, 110.0]]
    """

    kind: ClassVar[str] = "time-blocks"

    fractions: Mapping[str, float]
    gap_s: float
    order: Literal["forward", "shuffled"] = "forward"
    n_blocks: int | None = None
    block_s: float | None = None
    seed: int = 0
    clock: str | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_gap(self.gap_s)
        check_choice(self.order, what="order", choices=("forward", "shuffled"))
        self._check_blocks()
        self._set(fractions=Fractions(self.fractions), gap_s=float(self.gap_s))

    def assign(self, index: pd.DataFrame, previous: Split | None = None, *, name: str = "default") -> Split:
        """Cut the records of an index; see :meth:`Plan.assign`.

        With a previous split the records that it has must be cut as they were; where that cannot be (their extent has
        changed) they are named in a UsageError.
        """
        check_previous(self, previous, keys=self.as_dict())
        extents = extents_of(index, needed=records_of(index))
        strands: dict[str, list[str]] = {}
        for record, strand in strands_of(index, clock=self.clock).items():
            strands.setdefault(strand, []).append(record)
        clocks = labels(index, (self.clock,)) if self.clock is not None else {}
        old = {entry.record for entry in previous.entries} if previous is not None else set()
        entries: list[Entry] = []
        short: list[str] = []
        lost: list[str] = []
        for members in strands.values():
            whole = Extent(min(extents[r].start_s for r in members), max(extents[r].stop_s for r in members))
            # A copy that is added to a record must not change how that one is cut.
            key = min(clocks.get(record) or record for record in (old.intersection(members) or members))
            cuts = self._cut(whole, key=key)
            short += [] if cuts else members
            for record in members:
                own = [entry for cut in cuts if (entry := _clip(record, cut, extents[record])) is not None]
                entries += own
                lost += [] if own or not cuts else [record]
        self._check_cuts(short, lost)
        split = Split(name=name, plan=self.as_dict(), entries=tuple(entries), groups={})
        _check_unmoved(split, previous)
        return split

    def demands(self) -> Demands:
        """Return the gap, and that no part is empty."""
        return Demands(parts=tuple(Fractions(self.fractions).shares), clock=self.clock, gap_s=self.gap_s)

    def _check_blocks(self) -> None:
        shuffled = self.order == "shuffled"
        if ((self.n_blocks is None) + (self.block_s is None)) != (1 if shuffled else 2):
            raise UsageError(
                "a shuffled split needs blocks" if shuffled else "a forward split has one block per part",
                subject="order",
                place=self.order,
                expected="n_blocks or block_s" if shuffled else "neither n_blocks nor block_s",
                found=f"n_blocks {self.n_blocks!r}, block_s {self.block_s!r}",
            )
        whole = self.n_blocks is None or (isinstance(self.n_blocks, int) and not isinstance(self.n_blocks, bool))
        size = self.n_blocks if self.n_blocks is not None else self.block_s
        if not whole or (shuffled and not (isinstance(size, (int, float)) and 0 < size < math.inf)):
            raise UsageError("blocks have a positive number or length", subject="blocks", found=repr(size))
        n_parts = len(Fractions(self.fractions).shares)
        if self.n_blocks is not None and self.n_blocks < n_parts:
            raise UsageError(
                "there are fewer blocks than parts",
                subject="n_blocks",
                expected=f"{n_parts} or more",
                found=str(self.n_blocks),
            )

    def _check_cuts(self, short: list[str], lost: list[str]) -> None:
        """Refuse records that cannot be cut (UsageError)."""
        if short:
            n_parts = len(Fractions(self.fractions).shares)
            raise UsageError(
                "records are too short to be cut like this",
                subject=some(sorted(short)),
                expected=f"more than {self.gap_s * (n_parts - 1)!r} s"
                if self.order == "forward"
                else f"at least {n_parts} blocks, each longer than the gap of {self.gap_s!r} s",
                hint="leave them out, use a smaller gap or other blocks, or split by groups",
            )
        if lost:
            raise UsageError(
                "records lie wholly in a guard gap of the clock that they share",
                subject=some(sorted(lost)),
                hint="leave them out, or make the gap smaller",
            )

    def _cut(self, extent: Extent, *, key: str) -> list[Stretch]:
        """Return the stretches of an extent; none when it is too short to be cut."""
        shares = Fractions(self.fractions).shares
        return self._forward(extent, shares) if self.order == "forward" else self._shuffled(extent, shares, key=key)

    def _forward(self, extent: Extent, shares: Mapping[str, Fraction]) -> list[Stretch]:
        usable = (extent.stop_s - extent.start_s) - self.gap_s * (len(shares) - 1)
        stretches: list[Stretch] = []
        start = extent.start_s
        for part, share in shares.items():
            stop = extent.stop_s if len(stretches) == len(shares) - 1 else start + usable * float(share)
            stretches.append((part, start, stop))
            start = _after(stop, self.gap_s)
        return stretches if all(start < stop for _, start, stop in stretches) else []

    def _shuffled(self, extent: Extent, shares: Mapping[str, Fraction], *, key: str) -> list[Stretch]:
        length = extent.stop_s - extent.start_s
        n_blocks = self.n_blocks if self.n_blocks is not None else int(length // self.block_s)  # type: ignore[operator]
        if n_blocks < len(shares) or length / n_blocks <= self.gap_s:
            return []
        names = [f"{key}:{i:09d}" for i in range(n_blocks)]
        ones = dict.fromkeys(names, Fraction(1))
        placed = place_by_quota(ones, shares, seed=self.seed, fixed={}, what="block")
        runs = [(part, len(list(run))) for part, run in groupby(placed[name] for name in names)]
        ends = [0]
        for _, n in runs:
            ends.append(ends[-1] + n)
        edges = [extent.start_s + length * (end / n_blocks) for end in ends]
        edges[-1] = extent.stop_s
        stretches: list[Stretch] = []
        start = edges[0]
        for i, ((part, _), (_, edge)) in enumerate(zip(runs, pairwise(edges), strict=True)):
            stop = edge if i == len(runs) - 1 else edge - self.gap_s / 2
            stretches.append((part, start, stop))
            start = _after(stop, self.gap_s)
        return stretches


def _after(stop_s: float, gap_s: float) -> float:
    """Return the first time that is, as floating-point numbers go, at least the gap after a stop."""
    start = stop_s + gap_s
    while start - stop_s < gap_s:
        start = math.nextafter(start, math.inf)
    return start


def _clip(record: str, stretch: Stretch, extent: Extent) -> Entry | None:
    part, start, stop = stretch
    start, stop = max(start, extent.start_s), min(stop, extent.stop_s)
    return Entry(record, part, start, stop) if start < stop else None


def _check_unmoved(split: Split, previous: Split | None) -> None:
    """Refuse a cut that differs from the previous one for a record that both have (UsageError)."""
    if previous is None:
        return
    now, before = (_by_record(one) for one in (split, previous))
    moved = sorted(record for record in now.keys() & before.keys() if now[record] != before[record])
    if moved:
        raise UsageError(
            "the extent of records has changed, so their cuts would move",
            subject=previous.name,
            place=some(moved),
            expected="; ".join(entry.place() for entry in before[moved[0]]),
            found="; ".join(entry.place() for entry in now[moved[0]]),
            hint="make the split anew, without the previous one",
        )


def _by_record(split: Split) -> dict[str, list[Entry]]:
    return {record: list(entries) for record, entries in groupby(split.entries, key=lambda entry: entry.record)}
