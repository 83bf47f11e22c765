"""How well scores tell positives from negatives: exact with ties, and as OGB's evaluators count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import UsageError
from .sorted_keys import distinct

__all__ = ["OgbLinkEvaluator", "average_precision", "hits_at", "roc_auc"]

Array = np.ndarray[Any, Any]


def _scores(positive: Any, negative: Any) -> tuple[Array, Array]:
    """Return two flat arrays of numbers (UsageError for none, or for NaN)."""
    found = []
    for name, values in (("positive", positive), ("negative", negative)):
        array = np.asarray(values).ravel()
        if not len(array) or array.dtype.kind not in "biuf" or np.isnan(array.astype(np.float64)).any():
            raise UsageError(
                "scores are numbers", subject=f"{name} scores", expected="at least one, none of them NaN",
                found=f"{len(array)} of {array.dtype}",
            )  # fmt: skip
        found.append(array)
    return found[0], found[1]


def roc_auc(positive: Any, negative: Any) -> float:
    """Return the area under the ROC curve.

    Parameters
    ----------
    positive, negative : array-like
        Scores; higher means a link.

    Returns
    -------
    float
        The share of (positive, negative) pairs in which the positive scores higher, ties counting half: the statistic
        of H. B. Mann and D. R. Whitney (Ann. Math. Statist. 18 (1947) 50), counted in whole numbers.

    Raises
    ------
    UsageError
        When there are no scores, or one is NaN.
    """
    above, below = _scores(positive, negative)
    ranked = np.sort(below)
    # Twice the count is whole: a tie counts one.
    twice = np.searchsorted(ranked, above, "left").astype(np.int64) + np.searchsorted(ranked, above, "right")
    return sum(int(part.sum()) for part in np.array_split(twice, 1 + len(twice) // (1 << 20))) / (
        2 * len(above) * len(below)
    )


def average_precision(positive: Any, negative: Any) -> float:
    """Return the average precision: precision summed over the steps of recall, equal scores being one step."""
    above, below = _scores(positive, negative)
    steps = distinct(above)[::-1]
    n_above = len(above) - np.searchsorted(np.sort(above), steps, "left")
    n_below = len(below) - np.searchsorted(np.sort(below), steps, "left")
    gained = np.diff(n_above, prepend=0) / len(above)
    return float((gained * (n_above / (n_above + n_below))).sum())


def hits_at(positive: Any, negative: Any, k: int) -> float:
    """Return the share of positives that score higher than the k-th highest negative; 1 with fewer negatives.

    As OGB counts Hits@K (W. Hu et al., "Open Graph Benchmark", NeurIPS 2020, arXiv:2005.00687).
    """
    above, below = _scores(positive, negative)
    if k < 1:
        raise UsageError("hits are counted from the first negative on", subject="k", found=str(k))
    if len(below) < k:
        return 1.0
    return float((above > np.partition(below, len(below) - k)[len(below) - k]).mean())


class OgbLinkEvaluator:
    """Evaluates as ``ogb.linkproppred.Evaluator("ogbl-vessel")`` does: one number, ``rocauc``."""

    def eval(self, scores: Mapping[str, Any]) -> dict[str, float]:
        """Return ``{"rocauc": ...}``.

        Parameters
        ----------
        scores : mapping
            ``y_pred_pos`` and ``y_pred_neg``, arrays or tensors of shape (pair,).
        """
        absent = sorted({"y_pred_pos", "y_pred_neg"} - set(scores))
        if absent:
            raise UsageError("scores are missing", subject="OgbLinkEvaluator", found=f"no {', '.join(absent)}")
        return {"rocauc": roc_auc(scores["y_pred_pos"], scores["y_pred_neg"])}
