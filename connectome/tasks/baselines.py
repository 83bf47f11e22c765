"""What is trivial: scores that need no training, or hardly any, beside which a model has to stand.

``distance`` is minus the straight distance of the ends. ``degree_sum`` and ``degree_product`` are those of the degrees
in the training graph; ``common_neighbours`` counts there too. ``logistic`` is a logistic regression on the distance and
the differences along the axes, fitted to the training pairs and negatives of the same kind. ``degree_leak`` is no
baseline but a warning: the degree in the whole graph minus that in the training graph, which no model may know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .link_features import common_neighbours, degree_of, pair_geometry
from .link_metrics import average_precision, hits_at, roc_auc
from .link_plan import TRAIN
from .logistic import fit_logistic
from .pairs import links_of, positions_of

if TYPE_CHECKING:
    import xarray as xr

    from .link_task import LinkTask

__all__ = ["HITS", "LEAK", "Score", "baselines"]

Array = np.ndarray[Any, Any]
HITS = 100
"""K of Hits@K; None where there are fewer negatives."""
LEAK = "degree_leak"
DIGITS = 6
"""Kept of a metric: sums of floats may differ in their last bits between machines, and stored metrics must not."""
MOST_FITTED = 200_000
"""Training pairs, and as many negatives, that the logistic regression is fitted to: evenly spaced ones."""


@dataclass(frozen=True)
class Score:
    """One baseline on one part."""

    negatives: str
    part: str
    baseline: str
    n_positive: int
    n_negative: int
    roc_auc: float
    average_precision: float
    hits_at_100: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the score as JSON values."""
        return asdict(self)


def baselines(task: LinkTask, graph: xr.Dataset) -> tuple[Score, ...]:
    """Score every part but the training part, for every kind of negatives.

    Parameters
    ----------
    task : LinkTask
        What is to be scored.
    graph : xarray.Dataset
        The graph that it was made of; without positions there is neither distance nor logistic.

    Returns
    -------
    tuple of Score
    """
    training = task.positives[TRAIN]
    known = degree_of(training, task.n_nodes)
    position, _ = positions_of(graph)
    links = links_of(graph, edge_types=task.plan.edge_types)
    hidden = degree_of(links.node[links.pair], task.n_nodes) - known
    found: list[Score] = []
    for kind, negatives in task.negatives.items():
        model = None
        if position is not None and TRAIN in negatives:
            both = [_spaced(pairs) for pairs in (training, negatives[TRAIN])]
            label = np.repeat([True, False], [len(pairs) for pairs in both])
            model = fit_logistic(pair_geometry(position, np.concatenate(both)), label)
        for part in task.parts:
            if part == TRAIN or part not in negatives:
                continue
            pair = np.concatenate([task.positives[part], negatives[part]])
            scores: dict[str, Array] = {}
            if position is not None:
                geometry = pair_geometry(position, pair)
                scores["distance"] = -geometry[:, 0]
                if model is not None:
                    scores["logistic"] = model.scores(geometry)
            first, second = pair.T
            scores |= {
                "degree_sum": known[first] + known[second],
                "degree_product": known[first] * known[second],
                "common_neighbours": common_neighbours(pair, training, task.n_nodes),
                LEAK: hidden[first] + hidden[second],
            }
            n_positive = len(task.positives[part])
            found += [_score(kind, part, name, values, n_positive) for name, values in scores.items()]
    return tuple(found)


def _score(kind: str, part: str, name: str, values: Array, n_positive: int) -> Score:
    sides: Mapping[str, Array] = {"positive": values[:n_positive], "negative": values[n_positive:]}
    n_negative = len(sides["negative"])
    return Score(
        negatives=kind,
        part=part,
        baseline=name,
        n_positive=n_positive,
        n_negative=n_negative,
        roc_auc=round(roc_auc(**sides), DIGITS),
        average_precision=round(average_precision(**sides), DIGITS),
        hits_at_100=round(hits_at(**sides, k=HITS), DIGITS) if n_negative >= HITS else None,
    )


def _spaced(pairs: Array) -> Array:
    """Return at most so many rows, evenly spaced."""
    step = -(-len(pairs) // MOST_FITTED)
    return pairs[:: max(1, step)]
