"""Split trials: runs of trials in time, or all trials of one image, repeat or block on one side.

The index here has one row per trial: ``record``, ``start_s``, ``stop_s`` (all that is read for the trial, history and
window included) and the label columns. The split that comes of it holds stretches of records, one per run of kept
trials that overlap, so that whatever reads by stretches reads these trials and no others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..errors import UsageError
from .folds import HeldOutFold, check_n_folds, fold_names
from .groups import some
from .placing import check_previous
from .plan import Demands, Plan, check_choice, check_gap, check_seed, columns
from .quota import Fractions, place_by_quota
from .split import Entry, Split
from .trial_rows import by_record, trials_of, values_of
from .trial_windows import TrialWindows
from .windows import part_of_windows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrialSplit"]


@dataclass(frozen=True, kw_only=True)
class TrialSplit(Plan):
    """Put trials into parts so that no spike and no value of a label is in two of them.

    Parameters
    ----------
    fractions : mapping of str to float, optional
        Part to fraction of the trials (of the values, with ``by``).
    n_folds : int, optional
        Instead of fractions: parts ``fold_0`` ... of equal size; :meth:`held_out` gives the splits that test on each.
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
    windows : TrialWindows, optional
        Which trials there are and what is read for each, so that a stored split can be made again from the records.

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

    fractions: Mapping[str, float] | None = None
    n_folds: int | None = None
    gap_s: float
    by: str | Sequence[str] | None = None
    order: Literal["forward", "shuffled"] = "forward"
    n_blocks: int | None = None
    seed: int = 0
    windows: TrialWindows | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_gap(self.gap_s)
        check_choice(self.order, what="order", choices=("forward", "shuffled"))
        by = None if self.by is None else columns(self.by, what="by")
        if (self.fractions is None) == (self.n_folds is None):
            raise UsageError("fractions or folds are needed, and not both", subject="fractions")
        if self.n_folds is not None:
            check_n_folds(self.n_folds)
        fractions = None if self.fractions is None else Fractions(self.fractions)
        windows = TrialWindows(**self.windows) if isinstance(self.windows, Mapping) else self.windows
        self._set(fractions=fractions, gap_s=float(self.gap_s), by=by, windows=windows)
        n_parts = len(self._shares())
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

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {**super().as_dict(), "windows": None if self.windows is None else self.windows.as_dict()}

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds; none where there are fractions."""
        return () if self.n_folds is None else fold_names(self.n_folds)

    def held_out(self, split: Split) -> Iterator[Split]:
        """Yield for each fold the split that tests on it and trains on the others.

        Raises
        ------
        UsageError
            When another plan made the split, or one with fractions.
        """
        for at, fold in enumerate(self.folds):
            yield HeldOutFold(folds=self, test=at).of(split, name=f"{split.name}-{fold}")

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
        trials = trials_of(index)
        parts, groups = self._by_value(index, previous) if self.by is not None else (self._by_runs(trials), {})
        entries: list[Entry] = []
        for record, own in by_record(trials).items():
            entries += _kept(record, [(*trials[at][1:], parts[at]) for at in own], gap_s=self.gap_s)
        split = Split(name=name, plan=self.as_dict(), entries=tuple(entries), groups=groups)
        lost = sorted(set(self._shares()) - set(split.parts))
        if lost:
            raise UsageError("no trial is left in a part", subject=name, found=some(lost), hint="use a smaller gap")
        _check_alone(split, index, parts)
        return split

    def demands(self) -> Demands:
        """Return the gap, and that no part is empty; stretches need not cover the records."""
        return Demands(parts=tuple(self._shares()), gap_s=self.gap_s, covering=False)

    def _shares(self) -> dict[str, Fraction]:
        if self.fractions is None:
            return dict.fromkeys(self.folds, Fraction(1, len(self.folds)))
        return Fractions(self.fractions).shares

    def _by_value(self, index: pd.DataFrame, previous: Split | None) -> tuple[list[str], dict[str, str]]:
        values = values_of(index, columns(self.by, what="by"))
        fixed = dict(previous.groups) if previous is not None else {}
        names = sorted(set(values) | set(fixed))
        ones = dict.fromkeys(names, Fraction(1))
        shares = self._shares()
        placed = place_by_quota(ones, shares, seed=self.seed, fixed=fixed, what=f"value of {self.by}")
        return [placed[value] for value in values], dict(placed)

    def _by_runs(self, trials: Sequence[tuple[str, float, float]]) -> list[str]:
        shares = self._shares()
        parts = [""] * len(trials)
        for record, own in by_record(trials).items():
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


def _sums(shares: Sequence[Fraction]) -> Iterator[Fraction]:
    total = Fraction(0)
    for share in shares:
        total += share
        yield total


def _kept(record: str, trials: list[tuple[float, float, str]], *, gap_s: float) -> list[Entry]:
    """Return the stretches of the trials that are kept, from the first to the last."""
    latest: dict[str, float] = {}
    # Part to the first end of a trial that was left out since the part's open stretch began.
    barred: dict[str, float] = {}
    beside: tuple[float, float] = (math.nan, math.inf)
    open_: dict[str, tuple[float, float]] = {}
    done: list[Entry] = []
    for start, stop, part in sorted(trials):
        near = any(start - reached < gap_s for other, reached in latest.items() if other != part)
        held = open_.get(part)
        joins = held is not None and start <= held[1]
        begin = held[0] if held is not None and joins else start
        end = max(stop, held[1]) if held is not None and joins else stop
        # A stretch must not grow over a trial that was left out: it would be read after all.
        first = beside[1] if beside[0] == start else math.inf
        if near or (barred.get(part, math.inf) if joins else first) <= end:
            beside = (start, min(first, stop))
            barred = {other: min(barred.get(other, math.inf), stop) for other in open_}
            continue
        if held is not None and not joins:
            done.append(Entry(record, part, *held))
        if not joins:
            barred[part] = first
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
