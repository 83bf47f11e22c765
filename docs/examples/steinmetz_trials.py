"""The trials of the sessions of Steinmetz et al. 2019 at hand, out of a store: counts, labels and contiguous folds.

The excerpt has counts of visual cortex in 39 bins of 10 ms from the onset of the stimulus, contrasts and feedback. It
names neither the animal's choice nor the units' areas or sides, so what can be asked is: on which side was the contrast
higher, was there a stimulus at all, was the trial rewarded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from decoding import Trials

import connectome
from connectome.loaders.recordings.windows import WindowSource
from connectome.schema import decode
from connectome.splits import Split, TrialSplit, TrialWindows, split_trials

if TYPE_CHECKING:
    from connectome.store import Version

Array = np.ndarray[Any, Any]
DATASET, GROUP, N_BINS, N_FOLDS = "mouse-visual-decisions", "spike_counts", 39, 5
WINDOWS = TrialWindows(table="trials", until="stop_time")


def folds_of(version: Version, *, n_folds: int = N_FOLDS, gap_s: float = 0.5) -> Split:
    """Return contiguous folds of the trials; 0.5 s apart, more than the 0.39 s that are read of a trial."""
    plan = TrialSplit(n_folds=n_folds, gap_s=gap_s, windows=WINDOWS)
    return split_trials(version, plan, name="folds")[0]


def side(left: Array, right: Array) -> Array:
    """Return where the contrast was higher."""
    return np.where(left > right, "left", np.where(left < right, "right", "equal")).astype(object)


def presence(left: Array, right: Array) -> Array:
    """Return whether there was a stimulus."""
    return np.where(np.maximum(left, right) > 0, "stimulus", "none").astype(object)


def read_counts(version: Version, split: Split, record: str) -> tuple[Array, Array, dict[str, Array]]:
    """Read a session fold by fold through the loader.

    Returns
    -------
    counts : numpy.ndarray
        Shape (trial, unit, bin), trials in order of time.
    fold : numpy.ndarray
        Shape (trial,), int64.
    columns : dict of str to numpy.ndarray
        Column of the trials' table to shape (trial,).
    """
    counts, fold, first = [], [], []
    for at, part in enumerate(split.parts):
        source = WindowSource(version, group=GROUP, window=N_BINS, records=[record], split=(split, part))
        windows = source.windows(range(len(source)))
        if not windows.mask.all():
            raise ValueError(f"{record}: a count is missing")
        counts.append(windows.signal)
        fold.append(np.full(len(windows), at))
        first.append(windows.start)
    group = version.open(record)["trials"].to_dataset()
    columns = {name: decode(group[name].variable) for name in ("contrast_left", "contrast_right", "feedback_type")}
    # A window is the trial whose first sample it begins with.
    row = {start: at for at, start in enumerate(group["first_bin"].values.tolist())}
    chosen = np.array([row[start] for start in np.concatenate(first).tolist()])
    return np.concatenate(counts), np.concatenate(fold), {name: values[chosen] for name, values in columns.items()}


def sessions_of(root: str | None = None, *, records: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return, per session at hand, its name, animal, counts, folds and columns."""
    version = connectome.open(DATASET, root=root)
    split = folds_of(version)
    subjects = dict(zip(version.records["record"], version.records["subject"], strict=True))
    names = [name for name in split.records("fold_0") if records is None or name in records]
    keys = ("counts", "fold", "columns")
    return [
        {"record": name, "animal": subjects[name], **dict(zip(keys, read_counts(version, split, name), strict=True))}
        for name in names
    ]


def targets(columns: Mapping[str, Array]) -> dict[str, Array]:
    """Return the labels of every target."""
    left, right = columns["contrast_left"], columns["contrast_right"]
    reward = np.where(columns["feedback_type"] > 0, "reward", "none").astype(object)
    return {"side of higher contrast": side(left, right), "stimulus or none": presence(left, right), "reward": reward}


def unit_features(counts: Array) -> Array:
    """Return the square root of each unit's count over the window, which evens out the variance of counts."""
    return np.sqrt(counts.sum(axis=2))


def shared_features(counts: Array, n_bins: int = 3) -> Array:
    """Return features that mean the same in any session: the population's rate over time, and how it is spread.

    Units have no identity, so nothing may depend on their order: per run of bins, the mean over units; then mean,
    standard deviation and deciles over units of the standardised total. All is standardised within the session, with
    no label used (the whole session's features are looked at, also those of trials that are tested on).
    """
    n_trials, n_units, _ = counts.shape
    over_time = counts.reshape(n_trials, n_units, -1, n_bins).sum(axis=3).mean(axis=1)
    totals = np.sqrt(counts.sum(axis=2))
    spread = totals.std(axis=0)
    each = (totals - totals.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    deciles = np.quantile(each, np.arange(0.1, 1.0, 0.1), axis=1).T
    made = np.concatenate([over_time, deciles, each.std(axis=1)[:, None]], axis=1)
    scale = made.std(axis=0)
    return (made - made.mean(axis=0)) / np.where(scale > 0, scale, 1)


def trials_of(session: Mapping[str, Any], *, shared: bool = False) -> Trials:
    """Return a session as what the decoder takes."""
    features = shared_features(session["counts"]) if shared else unit_features(session["counts"])
    return Trials(session["record"], session["animal"], features, session["fold"], targets(session["columns"]))
