"""The proof of a split of trials, and the split of a version's trials that is stored with it.

:func:`prove_trials` looks at the split and the trials alone and shares no step with the plan that made it.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import LeakError, UsageError
from .groups import labels as labels_of
from .groups import some
from .plan import columns
from .proof import WATCHED
from .split import Split
from .trial_rows import by_record, trials_of, values_of
from .trial_windows import TrialTable, read_trials
from .trials import TrialSplit
from .windows import part_of_windows

if TYPE_CHECKING:
    import pandas as pd

    from ..store import Version

__all__ = ["TrialProof", "prove_trials", "renew_trials", "split_trials"]

N_TOLD = 12
"""A column of more values than these is counted in the proof's JSON alone."""


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
    n_records: Mapping[str, int] = field(default_factory=dict)
    """Part to number of records that have trials in it."""
    labels: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    """Column to part to value to number of trials."""
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column of the records to values in two parts: a model has seen this animal, or day, before."""
    unproved: tuple[str, ...] = ()
    """What does not follow, in sentences."""
    warnings: tuple[str, ...] = ()
    """What is allowed but odd."""

    def as_dict(self) -> dict[str, Any]:
        """Return the proof as JSON values."""
        return {
            "n_trials": dict(self.n_trials),
            "n_left_out": self.n_left_out,
            "n_records": dict(self.n_records),
            "min_gap_s": self.min_gap_s,
            "n_values": dict(self.n_values),
            "labels": {name: {part: dict(own) for part, own in parts.items()} for name, parts in self.labels.items()},
            "proved": list(self.proved),
            "unproved": list(self.unproved),
            "shared": {name: list(values) for name, values in self.shared.items()},
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        lines = [f"  {part}: {n} trials of {self.n_records.get(part, 0)} records" for part, n in self.n_trials.items()]
        lines += [f"  in no part, too near to another: {self.n_left_out} trials"] if self.n_left_out else []
        for name, parts in self.labels.items():
            for part, own in parts.items():
                listed = [f"{value} {n}" for value, n in own.items() if n]
                few = ", ".join(listed) if len(listed) <= N_TOLD else f"{len(listed)} values"
                lines.append(f"  {name} in {part}: {few}")
        lines += [f"  proved: {line}" for line in self.proved]
        lines += [f"  not proved: {line}" for line in self.unproved]
        lines += [f"  shared {name}: {some(values)}" for name, values in self.shared.items()]
        lines += [f"  warning: {line}" for line in self.warnings]
        return "\n".join(lines)


def prove_trials(
    split: Split,
    trials: pd.DataFrame,
    *,
    gap_s: float | None = None,
    by: str | Sequence[str] | None = None,
    labels: Sequence[str] = (),
    index: pd.DataFrame | None = None,
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
    labels : sequence of str
        Columns whose values are counted in every part.
    index : pandas.DataFrame, optional
        The records with their attributes: animals that are in two parts are named then.

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
    spans = trials_of(trials)
    found = part_of_windows(split, trials[["record", "start_s", "stop_s"]])
    parts = [None if missing else str(part) for part, missing in zip(found, found.isna(), strict=True)]
    problems, least = [], math.inf
    for record, own in by_record(spans).items():
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
        for value, lies in zip(values_of(trials, columns(by, what="by")), parts, strict=True):
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
    lines += (
        [f"no value of {some(columns(by, what='by'))} is in two parts ({len(held)} values)"] if by is not None else []
    )
    return TrialProof(
        n_trials={part: parts.count(part) for part in split.parts},
        n_left_out=parts.count(None),
        min_gap_s=least if math.isfinite(least) else None,
        n_values={part: sum(part in own for own in held.values()) for part in split.parts} if by is not None else {},
        proved=tuple(lines),
        n_records={part: len(split.records(part)) for part in split.parts},
        labels={name: _counted(trials[name].tolist(), parts, split.parts) for name in _there(trials, labels)},
        shared={} if index is None else shared_values(split, index),
        unproved=() if index is None else _unproved(split, index),
    )


def _there(trials: pd.DataFrame, labels: Sequence[str]) -> tuple[str, ...]:
    lost = [name for name in labels if name not in trials.columns]
    if lost:
        raise UsageError("the trials have no such column", subject="trials", place=some(lost))
    return tuple(labels)


def _counted(values: Sequence[Any], lies: Sequence[str | None], parts: Sequence[str]) -> dict[str, dict[str, int]]:
    names = sorted(set(values))
    counts = Counter(zip(lies, values, strict=True))
    return {part: {str(name): counts[part, name] for name in names} for part in parts}


def shared_values(split: Split, index: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the animals, patients and sessions of which two parts hold trials, by column of the index."""
    found: dict[str, tuple[str, ...]] = {}
    for column in (name for name in WATCHED if name in index.columns):
        held: dict[str, set[str]] = {}
        named = labels_of(index, (column,))
        for entry in split.entries:
            value = named.get(entry.record)
            if value is not None:
                held.setdefault(value, set()).add(entry.part)
        values = tuple(sorted(value for value, parts in held.items() if len(parts) > 1))
        found |= {column: values} if values else {}
    return found


def _unproved(split: Split, index: pd.DataFrame) -> tuple[str, ...]:
    cut = {entry.record for entry in split.entries}
    apart = [record for record in index["record"].astype(str).tolist() if record not in cut]
    lines = ["that no animal is in two parts: trials of one session are divided"]
    return (*lines, *([f"anything of {len(apart)} records without such trials: they are in no part"] if apart else []))


def split_trials(
    version: Version, plan: TrialSplit, *, name: str = "default", previous: Split | None = None
) -> tuple[Split, TrialProof, TrialTable]:
    """Split the trials of a version, and prove it.

    Parameters
    ----------
    version : Version
        An opened version.
    plan : TrialSplit
        With ``windows``.
    name : str
        Of the new split.
    previous : Split, optional
        A split by the same plan. Values that it placed stay in their parts; runs of trials are made anew, which gives
        records that have not changed the runs that they had.

    Raises
    ------
    UsageError
        When the plan has no windows, or cannot be carried out.
    NotFoundError
        When a table or column is not there.
    LeakError
        When the split does not hold.
    """
    if plan.windows is None:
        raise UsageError("the plan does not say what is read for a trial", subject=name, expected="windows")
    table = read_trials(version, plan.windows)
    split = plan.assign(table.frame, previous if plan.by is not None else None, name=name)
    proof = prove_trials(split, table.frame, labels=tuple(plan.windows.columns), index=version.records)
    needed = plan.windows.history_s + table.longest_s
    warnings = []
    if plan.gap_s < needed:
        warnings.append(f"the gap of {plan.gap_s!r} s is shorter than history and window, {needed!r} s")
    warnings += [f"{record}: {n} rows have no moment or no value" for record, n in sorted(table.left_out.items())]
    return split, dataclasses.replace(proof, warnings=tuple(warnings)), table


def renew_trials(stored: Mapping[str, Any], version: Version, changed: set[str]) -> dict[str, Any]:
    """Return a stored split of trials as it is for a version whose records have changed.

    Parameters
    ----------
    stored : mapping
        The split as a version holds it, with its proof.
    version : Version
        The version to come; the files of its records are there.
    changed : set of str
        Records that were added, changed or withdrawn.

    Raises
    ------
    UsageError
        When the split cannot be made of the new records.
    """
    split = Split.from_dict(stored)
    plan = TrialSplit.from_dict(split.plan)
    if plan.windows is None:
        if not changed & {entry.record for entry in split.entries}:
            return dict(stored)
        raise UsageError(
            "a split of trials that were given by hand cannot follow records that change", subject=split.name,
            found=some(sorted(changed)), hint="store it with windows: connectome split DATASET --by trials",
        )  # fmt: skip
    made, proof, _ = split_trials(version, plan, name=split.name, previous=split)
    return {**made.as_dict(), "proof": proof.as_dict()}
