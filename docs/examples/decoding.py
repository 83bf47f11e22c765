"""What the decoding examples share: a classifier with an inner search, contiguous folds, chance, and intervals.

The classifier is L2-penalised multinomial logistic regression on standardised features (scikit-learn). Scaling and the
strength of the penalty are learned from training folds alone; the strength by leaving out one training fold at a time.
Classes weigh alike however rare they are, and the score is balanced accuracy, the mean of the recalls (Brodersen
et al. 2010, doi:10.1109/ICPR.2010.764): a decoder that knows nothing has 1 / number of classes, whatever the majority.

Chance comes from shuffles of the labels *within* folds: they keep how often each label occurs in each stretch of the
recording, so what a decoder gets from slow changes alone counts as chance. Intervals are percentiles of a bootstrap
over runs of consecutive trials (Kuensch 1989, Ann. Statist. 17:1217, doi:10.1214/aos/1176347265), because neighbouring
trials are right or wrong together; sessions are resampled inside themselves, so an interval speaks of more trials of
these sessions, not of other animals.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

Array = np.ndarray[Any, Any]
STRENGTHS = (0.001, 0.01, 0.1)
"""Inverse penalties that the inner search chooses from."""
RUN, RESAMPLES = 10, 2000
"""Consecutive trials that the bootstrap keeps together; how often it resamples."""


@dataclass(frozen=True)
class Trials:
    """Trials of one session in order of time."""

    session: str
    animal: str
    features: Array
    """Shape (trial, feature)."""
    fold: Array
    """Shape (trial,): the contiguous fold that each trial is in, from the split."""
    labels: Mapping[str, Array] = field(default_factory=dict)
    """Target to shape (trial,): text; empty where a trial does not count for it."""
    windows: int = 1
    """Rows that belong to one trial; they follow each other."""

    def of(self, target: str) -> tuple[Array, Array, Array]:
        """Return features, labels and folds of the trials that count for a target."""
        kept = self.labels[target] != ""
        return self.features[kept], self.labels[target][kept], self.fold[kept]


def classifier(strength: float) -> Pipeline:
    """Return the untrained classifier."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=500))


def fit(x: Array, y: Array, fold: Array) -> Pipeline:
    """Train on training folds, the strength chosen by leaving out one of them at a time."""
    folds = [one for one in np.unique(fold).tolist() if len(np.unique(y[fold != one])) > 1]
    if len(np.unique(fold)) < 2 or not folds:
        return classifier(STRENGTHS[1]).fit(x, y)

    def score(strength: float) -> float:
        told = [classifier(strength).fit(x[fold != one], y[fold != one]).predict(x[fold == one]) for one in folds]
        truth = np.concatenate([y[fold == one] for one in folds])
        return balanced(truth, np.concatenate(told) == truth)

    return classifier(max(STRENGTHS, key=score)).fit(x, y)


def predict(x: Array, y: Array, fold: Array) -> Array:
    """Return what is predicted of every trial by a classifier trained on the other folds."""
    told = np.empty(len(y), dtype=object)
    for one in np.unique(fold).tolist():
        train = fold != one
        told[~train] = fit(x[train], y[train], fold[train]).predict(x[~train])
    return told


def hits(x: Array, y: Array, fold: Array, *, strength: float = 0.01) -> Array:
    """Return of every row whether a classifier of one strength, trained on the other folds, is right."""
    right = np.zeros(len(y), dtype=bool)
    for one in np.unique(fold).tolist():
        train = fold != one
        if len(np.unique(y[train])) < 2:
            right[~train] = y[~train] == y[train][0]
            continue
        right[~train] = classifier(strength).fit(x[train], y[train]).predict(x[~train]) == y[~train]
    return right


def balanced(y: Array, right: Array) -> float:
    """Return the mean of the classes' recalls."""
    return float(np.mean([right[y == name].mean() for name in np.unique(y)]))


def majority(y: Array, fold: Array) -> float:
    """Return the accuracy of saying what is most frequent in the training folds."""
    right = []
    for one in np.unique(fold).tolist():
        names, counts = np.unique(y[fold != one], return_counts=True)
        right.append(y[fold == one] == names[counts.argmax()])
    return float(np.concatenate(right).mean())


def shuffled_within(y: Array, fold: Array, random: np.random.Generator) -> Array:
    """Return labels in another order inside each fold."""
    made = y.copy()
    for one in np.unique(fold).tolist():
        at = np.flatnonzero(fold == one)
        made[at] = y[random.permutation(at)]
    return made


def block_samples(n_trials: int, random: np.random.Generator, *, run: int, n: int = RESAMPLES) -> Array:
    """Return trials resampled in runs, shape (resample, trial); runs wrap around the end."""
    n_runs = -(-n_trials // run)
    starts = random.integers(0, n_trials, size=(n, n_runs, 1))
    return ((starts + np.arange(run)) % n_trials).reshape(n, -1)[:, :n_trials]


def interval(truth: Sequence[Array], right: Sequence[Array], *, run: int = RUN) -> tuple[float, float]:
    """Return the 95 % interval of balanced accuracy, runs of trials resampled inside their session.

    Parameters
    ----------
    truth, right : sequence of numpy.ndarray
        Per session, shape (trial,) in order of time: the labels, and whether they were told rightly.
    run : int
        Rows that are kept together.
    """
    low, high = np.quantile(resampled(truth, right, run=run), [0.025, 0.975])
    return float(low), float(high)


def resampled(truth: Sequence[Array], right: Sequence[Array], *, run: int = RUN, seed: int = 0) -> Array:
    """Return the balanced accuracy of each resample, shape (resample,)."""
    random = np.random.default_rng(seed)
    chosen = [block_samples(len(one), random, run=run) for one in right]
    recalls = []
    for name in np.unique(np.concatenate([one.astype(str) for one in truth])):
        pairs = [(one.astype(str) == name, hit) for one, hit in zip(truth, right, strict=True)]
        hits = sum((own & hit)[at].sum(axis=1) for (own, hit), at in zip(pairs, chosen, strict=True))
        total = sum(own[at].sum(axis=1) for (own, _), at in zip(pairs, chosen, strict=True))
        with np.errstate(invalid="ignore"):
            # A rare class may be in no run of a resample; it then does not count there.
            recalls.append(np.where(total > 0, hits / total, np.nan))
    return np.nanmean(recalls, axis=0)


def decode(
    sessions: Sequence[Trials], target: str, *, n_shuffles: int, seed: int = 0
) -> tuple[dict[str, Any], list[Array]]:
    """Decode a target inside every session, and return a row of the table and which trials were right.

    Returns
    -------
    dict
        ``n_trials``, ``n_sessions``, ``n_animals``, ``balanced`` accuracy with its interval ``low``, ``high``,
        plain ``accuracy`` and that of the ``majority``, ``chance`` (mean of the shuffles), ``chance_high`` (their
        97.5 % quantile; None without shuffles) and ``p``.
    list of numpy.ndarray
        Per session, shape (trial,), bool.
    """
    used = [session for session in sessions if len(np.unique(session.of(target)[1])) > 1]
    parts = [session.of(target) for session in used]
    right = [predict(*part) == part[1] for part in parts]
    random = np.random.default_rng(seed)
    null = []
    for _ in range(n_shuffles):
        made = [(x, shuffled_within(y, fold, random), fold) for x, y, fold in parts]
        hits = [predict(x, y, fold) == y for x, y, fold in made]
        null.append(balanced(np.concatenate([y for _, y, _ in made]), np.concatenate(hits)))
    return row_of(target, used, parts, right, null), right


def row_of(
    target: str,
    sessions: Sequence[Trials],
    parts: Sequence[tuple[Array, Array, Array]],
    right: Sequence[Array],
    null: Sequence[float],
) -> dict[str, Any]:
    """Return the row of a table."""
    truth = [y for _, y, _ in parts]
    score = balanced(np.concatenate(truth), np.concatenate(right))
    low, high = interval(truth, right, run=RUN * sessions[0].windows)
    n_trials = sum(len(one) for one in right)
    return {
        "target": target,
        "classes": sorted({str(name) for _, y, _ in parts for name in y}),
        "n_trials": n_trials // sessions[0].windows,
        "n_sessions": len(sessions),
        "n_animals": len({session.animal for session in sessions}),
        "balanced": score,
        "low": low,
        "high": high,
        "accuracy": float(np.concatenate(right).mean()),
        "majority": sum(majority(y, fold) * len(y) for _, y, fold in parts) / n_trials,
        "chance": float(np.mean(null)) if len(null) else None,
        "chance_high": float(np.quantile(null, 0.975)) if len(null) else None,
        "p": (1 + sum(one >= score for one in null)) / (1 + len(null)) if len(null) else None,
    }


COLUMNS = (
    "where", "target", "trials / sessions / animals", "balanced accuracy (95 %)", "shuffles: mean, 97.5 %", "p",
    "accuracy", "majority",
)  # fmt: skip


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table in Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    for row in rows:
        null = "–" if row["chance"] is None else f"{row['chance']:.3f}, {row['chance_high']:.3f}"
        p = "–" if row["p"] is None else f"{row['p']:.3f}"
        cells = (
            row["where"], row["target"], f"{row['n_trials']} / {row['n_sessions']} / {row['n_animals']}",
            f"{row['balanced']:.3f} ({row['low']:.3f} to {row['high']:.3f})", null, p,
            f"{row['accuracy']:.3f}", f"{row['majority']:.3f}",
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(
    about: str | None,
    argv: Sequence[str] | None,
    run: Callable[..., list[dict[str, Any]]],
    *,
    table: Callable[[list[dict[str, Any]]], str] = table,
    n_shuffles: int | None = None,
) -> int:
    """Make the rows of a table as the command line says, print them, and write them as JSON where it asks for that.

    Parameters
    ----------
    about : str
        What ``--help`` says.
    argv : sequence of str, optional
        The arguments; default those of the process.
    run : callable
        Takes the store, and ``n_shuffles`` where there are any, and returns the rows.
    table : callable
        Takes the rows and returns what is printed.
    n_shuffles : int, optional
        How often labels are shuffled, unless ``--shuffles`` says otherwise; None where none are.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="the store (default: that of the environment)")
    if n_shuffles is not None:
        told = f"of labels within folds (default: {n_shuffles})"
        parser.add_argument("--shuffles", type=int, default=n_shuffles, metavar="N", help=told)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here as well")
    args = parser.parse_args(argv)
    rows = run(args.root) if n_shuffles is None else run(args.root, n_shuffles=args.shuffles)
    print(table(rows))
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0
