"""Metrics of link prediction against definitions, and against OGB's own evaluator where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from connectome.errors import UsageError
from connectome.tasks import OgbLinkEvaluator, average_precision, hits_at, roc_auc

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=40)


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_pairs_in_the_right_order(positive: list[int], negative: list[int]):
    pairs = [(a > b) + (a == b) / 2 for a in positive for b in negative]
    assert roc_auc(positive, negative) == pytest.approx(sum(pairs) / len(pairs), abs=1e-15)


@given(SCORES, SCORES)
def test_the_area_is_that_of_mean_ranks(positive: list[int], negative: list[int]):
    ranks = rankdata([*positive, *negative])[: len(positive)].sum()
    expected = (ranks - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))
    assert roc_auc(positive, negative) == pytest.approx(expected, abs=1e-12)


@given(SCORES, SCORES)
def test_the_average_precision_sums_precision_over_steps_of_recall(positive: list[int], negative: list[int]):
    total, before = 0.0, 0.0
    for threshold in sorted(set(positive) | set(negative), reverse=True):
        true = sum(score >= threshold for score in positive)
        recall, precision = true / len(positive), true / (true + sum(score >= threshold for score in negative))
        total += (recall - before) * precision
        before = recall
    assert average_precision(positive, negative) == pytest.approx(total, abs=1e-12)


@given(SCORES, SCORES, st.integers(1, 50))
def test_hits_are_positives_above_the_kth_negative(positive: list[int], negative: list[int], k: int):
    expected = 1.0
    if len(negative) >= k:
        limit = sorted(negative, reverse=True)[k - 1]
        expected = sum(score > limit for score in positive) / len(positive)
    assert hits_at(positive, negative, k) == pytest.approx(expected)


def test_large_numbers_of_ties_are_counted_exactly():
    n = 2_500_001
    assert roc_auc(np.zeros(n), np.zeros(n - 1)) == 0.5
    assert roc_auc(np.ones(n, dtype=np.float32), np.zeros(3, dtype=np.int8)) == 1.0


@pytest.mark.parametrize("wrong", [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), (["a"], [1.0])])
def test_what_is_no_score_is_refused(wrong: tuple):
    for metric in (roc_auc, average_precision):
        with pytest.raises(UsageError, match="scores are numbers"):
            metric(*wrong)
    with pytest.raises(UsageError, match="from the first"):
        hits_at([1.0], [0.0], 0)
    with pytest.raises(UsageError, match="no y_pred_neg"):
        OgbLinkEvaluator().eval({"y_pred_pos": [1.0]})


@pytest.fixture(scope="module")
def theirs():
    """Return OGB's class of evaluators, or skip."""
    pytest.importorskip("ogb", reason="ogb is not installed, so its evaluator cannot be compared with")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        linkproppred = pytest.importorskip("ogb.linkproppred", reason="ogb.linkproppred cannot be imported")
    return linkproppred.Evaluator


@pytest.mark.parametrize("seed", range(5))
def test_the_evaluator_equals_that_of_ogb(theirs, seed: int):
    rng = np.random.default_rng(seed)
    # Rounded, so that there are ties.
    scores = {"y_pred_pos": rng.normal(0.5, 1, 500).round(1), "y_pred_neg": rng.normal(0, 1, 700).round(1)}
    ours = OgbLinkEvaluator().eval(scores)
    evaluated = theirs("ogbl-vessel").eval(scores)
    assert set(ours) == set(evaluated) == {"rocauc"}
    assert ours["rocauc"] == pytest.approx(float(evaluated["rocauc"]), abs=1e-12)
    for name, k in (("ogbl-ddi", 20), ("ogbl-collab", 50), ("ogbl-ppa", 100)):
        found = theirs(name).eval(scores)[f"hits@{k}"]
        assert hits_at(scores["y_pred_pos"], scores["y_pred_neg"], k) == pytest.approx(float(found), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_those_of_scikit_learn(seed: int):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(seed)
    positive, negative = rng.normal(0.3, 1, 300).round(1), rng.normal(0, 1, 400).round(1)
    label, score = np.repeat([1, 0], [300, 400]), np.concatenate([positive, negative])
    assert roc_auc(positive, negative) == pytest.approx(metrics.roc_auc_score(label, score), abs=1e-12)
    assert average_precision(positive, negative) == pytest.approx(
        metrics.average_precision_score(label, score), abs=1e-12
    )
