"""Logistic regression by Newton's method, small enough to be checked by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Logistic", "fit_logistic"]

Array = np.ndarray[Any, Any]
STEPS, TOLERANCE = 50, 1e-10


@dataclass(frozen=True)
class Logistic:
    """A fitted model; scores are the logarithms of the odds."""

    mean: Array
    """Shape (feature,): subtracted first."""
    scale: Array
    """Shape (feature,): divided by then."""
    weight: Array
    """Shape (feature,)."""
    bias: float

    def scores(self, features: Array) -> Array:
        """Return the log odds, shape (row,), float64."""
        return np.asarray((features - self.mean) / self.scale @ self.weight + self.bias)


def fit_logistic(features: Array, label: Array, *, penalty: float = 1e-3) -> Logistic:
    """Fit a logistic regression to standardised features.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (row, feature), float64, finite.
    label : numpy.ndarray
        Shape (row,), bool.
    penalty : float
        Half of it times the sum of squared weights, per row, is added to the mean negative log likelihood, so that
        separable classes have an optimum too. The bias is free.

    Returns
    -------
    Logistic
        The optimum: the loss is convex, and every step that would raise it is halved.
    """
    mean = features.mean(axis=0)
    scale = features.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    inputs = np.concatenate([(features - mean) / scale, np.ones((len(features), 1))], axis=1)
    truth = label.astype(np.float64)
    ridge = np.append(np.full(features.shape[1], penalty), 0.0)

    def loss(weight: Array) -> float:
        odds = inputs @ weight
        return float((np.logaddexp(0, odds) - truth * odds).mean() + (ridge * weight * weight).sum() / 2)

    weight = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weight, -500, 500)))
        slope = inputs.T @ (chance - truth) / len(truth) + ridge * weight
        if np.abs(slope).max() < TOLERANCE:
            break
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs / len(truth) + np.diag(ridge)
        # With one label only the bias has no optimum, and with constant features no curvature.
        step = np.linalg.lstsq(curve, slope, rcond=None)[0]
        before, size = loss(weight), 1.0
        while size > 1e-6 and loss(weight - size * step) > before:
            size /= 2
        weight = weight - size * step
    return Logistic(mean, scale, weight[:-1], float(weight[-1]))
