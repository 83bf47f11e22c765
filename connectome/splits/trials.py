"""Split trials: runs of trials in time, or all trials of one image, repeat or block on one side.

The index here has one row per trial: ``record``, ``start_s``, ``stop_s`` (all that is read for the trial, history and
window included) and the label columns. The split that comes of it holds stretches of records, one per run of kept
trials that overlap, so that whatever reads by stretches reads these trials and no others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..errors import LeakError, UsageError
from .groups import some
from .placing import check_previous
from .plan import Demands, Plan, check_choice, check_gap, check_seed, columns
from .quota import Fractions, place_by_quota
from .split import Entry, Split
from .windows import part_of_windows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrialProof", "TrialSplit", "prove_trials"]


@dataclass(frozen=True, kw_only=True)
class TrialSplit(Plan):
    """Put trials into parts so that no spike and no value of a label is in two of them.

    Parameters
    ----------
    fractions : mapping of str to float
        Part to fraction of the trials (of the values, with ``by``).
    gap_s : float
        Least distance in seconds between what is read for trials of different parts, 0 or more.
    by : str or sequence of str, optional
        Columns whose values are kept together over all records: ``"image"``, ``"repeat"``, ``("block", "repeat")``.
        Default none: parts are runs of consecutive trials of each record.
    order : {"forward", "shuffled"}
        Without ``by``: one run per part in the order of ``fractions``, or ``n_blocks`` runs placed by seed.
    n_blocks : int, optional
        Runs per record, for ``"shuffled"``.
    seed : int
        Of the places of runs or values.

    Notes
    -----
    Trials that are nearer than the gap to a kept trial of another part are left out, from the start of the record to
    its end: the earlier one stays. With ``by``, back-to-back trials and a window longer than a trial, that can be most
    of them; :func:`prove_trials` says how many.

    Examples
    --------
    >>> import pandas as pd
    >>> trials = pd.DataFrame({"record": "a", "start_s": [0.0, 1.0, 2.0, 3.0], "stop_s": [1.0, 2.0, 3.0, 4.0]})
    >>> TrialSplit(fractions={"train": 0.5, "test": 0.5}, gap_s=0).assign(trials).rows.values.tolist()
    [['a', 'train', 0.0, 2.0], ['a', 'test', 2.0, 4.0]]
    """

    kind: ClassVar[str] = "trials"

    fractions: Mapping[str, float]
    gap_s: float
    by: str | Sequence[str] | None = None
    order: Literal["forward", "shuffled"] = "forward"
    n_blocks: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_gap(self.gap_s)
        check_choice(self.order, what="order", choices=("forward", "shuffled"))
        by = None if self.by is None else columns(self.by, what="by")
        self._set(fractions=Fractions(self.fractions), gap_s=float(self.gap_s), by=by)
        n_parts = len(Fractions(self.fractions).shares)
        blocks = self.n_blocks is not None
        whole = isinstance(self.n_blocks, int) and not isinstance(self.n_blocks, bool) and self.n_blocks >= n_parts
        if (by is not None and (blocks or self.order != "forward")) or (blocks != (self.order == "shuffled")):
            raise UsageError(
                "shuffled runs need n_blocks, and nothing else takes it",
                subject="n_blocks",
                found=f"by {by!r}, order {self.order!r}, n_blocks {self.n_blocks!r}",
            )
        if blocks and not whole:
            raise UsageError(
                "there are fewer runs than parts", subject="n_blocks", expected=f"{n_parts} or more",
                found=repr(self.n_blocks),
            )  # fmt: skip

    def assign(self, index: pd.DataFrame, previous: Split | None = None, *, name: str = "default") -> Split:
        """Divide the trials of an index.

        Parameters
        ----------
        index : pandas.DataFrame
            One row per trial: ``record``, ``start_s``, ``stop_s`` and the columns of ``by``.
        previous : Split, optional
            A split by the same plan; with ``by``, values that it placed stay where they are.
        name : str
            Of the new split.

        Raises
        ------
        UsageError
            When the table lacks something, there are too few trials or values, or trials of different parts lie
            within one another, so that no stretch can hold one of them alone.
        """
        check_previous(self, previous, keys=self.as_dict())
        if previous is not None and self.by is None:
            raise UsageError("runs of trials cannot be continued", subject=name, hint="make the split anew")
        trials = _trials_of(index)
        parts, groups = self._by_value(index, previous) if self.by is not None else (self._by_runs(trials), {})
        entries: list[Entry] = []
        for record, own in _by_record(trials).items():
            entries += _kept(record, [(*trials[at][1:], parts[at]) for at in own], gap_s=self.gap_s)
        split = Split(name=name, plan=self.as_dict(), entries=tuple(entries), groups=groups)
        lost = sorted(set(Fractions(self.fractions).shares) - set(split.parts))
        if lost:
            raise UsageError("no trial is left in a part", subject=name, found=some(lost), hint="use a smaller gap")
        _check_alone(split, index, parts)
        return split

    def demands(self) -> Demands:
        """Return the gap, and that no part is empty; stretches need not cover the records."""
        return Demands(parts=tuple(Fractions(self.fractions).shares), gap_s=self.gap_s, covering=False)

    def _by_value(self, index: pd.DataFrame, previous: Split | None) -> tuple[list[str], dict[str, str]]:
        values = _values(index, columns(self.by, what="by"))
        fixed = dict(previous.groups) if previous is not None else {}
        names = sorted(set(values) | set(fixed))
        ones = dict.fromkeys(names, Fraction(1))
        shares = Fractions(self.fractions).shares
        placed = place_by_quota(ones, shares, seed=self.seed, fixed=fixed, what=f"value of {self.by}")
        return [placed[value] for value in values], dict(placed)

    def _by_runs(self, trials: Sequence[tuple[str, float, float]]) -> list[str]:
        shares = Fractions(self.fractions).shares
        parts = [""] * len(trials)
        for record, own in _by_record(trials).items():
            ordered = sorted(own, key=lambda at: (trials[at][1], trials[at][2], at))
            if self.order == "forward":
                cuts = [0]
                for share in _sums(list(shares.values())):
                    cuts.append(round(share * len(ordered)))
                names = list(shares)
            else:
                assert self.n_blocks is not None
                blocks = [f"{record}:{at:09d}" for at in range(self.n_blocks)]
                ones = dict.fromkeys(blocks, Fraction(1))
                placed = place_by_quota(ones, shares, seed=self.seed, fixed={}, what="run of trials")
                cuts = [len(ordered) * at // self.n_blocks for at in range(self.n_blocks + 1)]
                names = [placed[block] for block in blocks]
            if len(ordered) < len(names):
                raise UsageError(
                    "a record has too few trials", subject=record, expected=f"at least {len(names)}",
                    found=str(len(ordered)),
                )  # fmt: skip
            for part, low, high in zip(names, cuts, cuts[1:], strict=False):
                for at in ordered[low:high]:
                    parts[at] = part
        return parts


@dataclass(frozen=True)
class TrialProof:
    """What was proved of a split of trials."""

    n_trials: Mapping[str, int]
    """Part to number of trials that lie in it."""
    n_left_out: int
    """Trials in no part: too near to another part."""
    min_gap_s: float | None
    """Least distance found between trials of different parts of one record; None where no record has two parts."""
    n_values: Mapping[str, int] = field(default_factory=dict)
    """Part to number of values of ``by``."""
    proved: tuple[str, ...] = ()
    """What holds, in sentences."""


def prove_trials(
    split: Split, trials: pd.DataFrame, *, gap_s: float | None = None, by: str | Sequence[str] | None = None
) -> TrialProof:
    """Prove that parts share no spike and no value.

    Parameters
    ----------
    split : Split
        Any split whose parts are stretches of records, or records.
    trials : pandas.DataFrame
        One row per trial: ``record``, ``start_s``, ``stop_s`` (half-open, all that is read for it), label columns.
        A trial is in the part that holds it wholly.
    gap_s : float, optional
        Distance to prove; default that of the plan, else 0.
    by : str or sequence of str, optional
        Columns whose values may not be in two parts (the image, the frame of a film); default those of the plan, if
        it is one of trials.

    Raises
    ------
    LeakError
        When trials of two parts are nearer than the gap or overlap, or a value is in two parts; all are listed.
    UsageError
        When the table is malformed.
    """
    of_trials = split.plan.get("kind") == TrialSplit.kind
    gap = float(split.plan.get("gap_s") or 0.0) if gap_s is None else float(gap_s)
    if by is None and of_trials:
        by = split.plan.get("by")
    spans = _trials_of(trials)
    found = part_of_windows(split, trials[["record", "start_s", "stop_s"]])
    parts = [None if missing else str(part) for part, missing in zip(found, found.isna(), strict=True)]
    problems, least = [], math.inf
    for record, own in _by_record(spans).items():
        latest: dict[str, float] = {}
        for at in sorted((at for at in own if parts[at] is not None), key=lambda at: spans[at][1:]):
            part, (_, start, stop) = str(parts[at]), spans[at]
            for other, reached in latest.items():
                if other == part:
                    continue
                least = min(least, start - reached)
                if start - reached < gap:
                    problems.append(
                        f"{record} [{start!r}, {stop!r}) s in {part} is {start - reached!r} s after {other}"
                    )
            latest[part] = max(stop, latest.get(part, -math.inf))
    held: dict[str, set[str]] = {}
    if by is not None:
        for value, lies in zip(_values(trials, columns(by, what="by")), parts, strict=True):
            if lies is not None:
                held.setdefault(value, set()).add(lies)
        problems += [f"{value} in {some(sorted(own))}" for value, own in sorted(held.items()) if len(own) > 1]
    if problems:
        raise LeakError(
            f"the parts are not apart: {len(problems)} problem{'s' if len(problems) > 1 else ''}",
            subject=split.name,
            expected=f"{gap!r} s between parts, and no value in two",
            found="; ".join(problems[:20]),
        )
    lines = [f"trials of different parts share no spike and are {gap!r} s apart"]
    lines += [f"no value of {by} is in two parts ({len(held)} values)"] if by is not None else []
    return TrialProof(
        n_trials={part: parts.count(part) for part in split.parts},
        n_left_out=parts.count(None),
        min_gap_s=least if math.isfinite(least) else None,
        n_values={part: sum(part in own for own in held.values()) for part in split.parts} if by is not None else {},
        proved=tuple(lines),
    )


def _sums(shares: Sequence[Fraction]) -> Iterator[Fraction]:
    total = Fraction(0)
    for share in shares:
        total += share
        yield total


def _trials_of(index: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Return record, start and stop of every row."""
    lost = [name for name in ("record", "start_s", "stop_s") if name not in index.columns]
    if lost or not len(index):
        raise UsageError(
            "not a table of trials",
            subject="trials",
            expected="rows with record, start_s, stop_s",
            found=f"without {some(lost)}" if lost else "no row",
        )
    start, stop = (index[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("start_s", "stop_s"))
    wrong = np.flatnonzero(~(np.isfinite(start) & np.isfinite(stop) & (start < stop)))
    if wrong.size:
        raise UsageError(
            f"{wrong.size} trials have no finite start before a finite stop",
            subject="trials",
            place=f"row {wrong[0]}",
            found=f"[{start[wrong[0]]!r}, {stop[wrong[0]]!r})",
        )
    return list(zip(map(str, index["record"].tolist()), start.tolist(), stop.tolist(), strict=True))


def _by_record(trials: Sequence[tuple[str, float, float]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for at, (record, _, _) in enumerate(trials):
        found.setdefault(record, []).append(at)
    return dict(sorted(found.items()))


def _values(index: pd.DataFrame, by: Sequence[str]) -> list[str]:
    """Return the value of every trial, several columns as one; refuse missing ones."""
    lost = [name for name in by if name not in index.columns]
    if lost:
        raise UsageError("the trials have no such column", subject="trials", place=some(lost))
    missing = index[list(by)].isna().to_numpy().any(axis=1) | (index[list(by)] == "").to_numpy().any(axis=1)
    if missing.any():
        raise UsageError(
            f"{int(missing.sum())} trials have no value",
            subject="trials",
            place=" and ".join(by),
            hint="leave them out of the table: they are then in no part",
        )
    rows = zip(*(index[name].tolist() for name in by), strict=True)
    return [", ".join(f"{name}={value}" for name, value in zip(by, row, strict=True)) for row in rows]


def _kept(record: str, trials: list[tuple[float, float, str]], *, gap_s: float) -> list[Entry]:
    """Return the stretches of the trials that are kept, from the first to the last."""
    latest: dict[str, float] = {}
    left_out: list[tuple[float, float]] = []
    open_: dict[str, tuple[float, float]] = {}
    done: list[Entry] = []
    for start, stop, part in sorted(trials):
        near = any(start - reached < gap_s for other, reached in latest.items() if other != part)
        held = open_.get(part)
        joins = held is not None and start <= held[1]
        begin = held[0] if held is not None and joins else start
        end = max(stop, held[1]) if held is not None and joins else stop
        # A stretch must not grow over a trial that was left out: it would be read after all.
        if near or any(begin <= low and high <= end for low, high in left_out):
            left_out.append((start, stop))
            continue
        if held is not None and not joins:
            done.append(Entry(record, part, *held))
        open_[part] = (begin, end)
        latest[part] = max(stop, latest.get(part, -math.inf))
    return [*done, *(Entry(record, part, *span) for part, span in open_.items())]


def _check_alone(split: Split, index: pd.DataFrame, parts: Sequence[str]) -> None:
    """Refuse a split whose stretches hold a trial that was meant for another part (UsageError)."""
    found = part_of_windows(split, index[["record", "start_s", "stop_s"]])
    wrong = [at for at, (lies, meant) in enumerate(zip(found, parts, strict=True)) if lies == lies and lies != meant]
    if wrong:
        row = index.iloc[wrong[0]]
        raise UsageError(
            f"{len(wrong)} trials lie within trials of another part",
            subject=split.name,
            place=f"{row['record']} [{row['start_s']!r}, {row['stop_s']!r}) s",
            hint="give every trial the same length, or leave out those that lie within others",
        )
