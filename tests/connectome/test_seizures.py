"""Seizures: labels, what windows share with them, and event scores, against cases worked by hand and a plain grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from connectome import schema, seizures
from connectome.errors import SchemaError, UsageError
from connectome.seizures import EventRule, Horizons, Seizure


def words(codes: np.ndarray) -> list[str]:
    """Return the states by name."""
    return ["unknown" if code == seizures.UNKNOWN else seizures.STATES[code] for code in codes]


def windows(length: float, stop: float, step: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return windows of one length from zero on."""
    starts = np.arange(0.0, stop - length + 1e-9, step or length)
    return starts, starts + length


def test_a_window_wholly_inside_a_seizure_and_one_around_a_seizure_are_both_ictal():
    starts, stops = np.array([10.0, 0.0, 95.0, 200.0]), np.array([14.0, 60.0, 100.0, 204.0])
    found = seizures.ictal_windows(starts, stops, [Seizure(5.0, 50.0), Seizure(97.0, 98.0)])
    assert found.tolist() == [True, True, True, False]


def test_a_window_that_only_touches_a_seizure_is_not_ictal():
    found = seizures.ictal_windows([0.0, 20.0, 9.0], [10.0, 30.0, 11.0], np.array([[10.0, 20.0]]))
    assert found.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("any", [True, True, True, True]),
        ("fraction>=0.5", [False, True, True, True]),
        ("fraction >= 0.75", [False, False, True, True]),
        ("all", [False, False, False, True]),
        ("seconds>=2", [False, True, True, True]),
    ],
)
def test_the_rule_says_how_much_of_a_window_has_to_be_ictal(rule, expected):
    starts = np.array([7.0, 8.0, 9.0, 10.0])
    assert seizures.ictal_windows(starts, starts + 4.0, [Seizure(10.0, 20.0)], rule=rule).tolist() == expected


def test_seizures_that_overlap_count_once():
    overlap = seizures.overlap_s([0.0], [10.0], np.array([[2.0, 6.0], [4.0, 8.0], [4.0, 5.0]]))
    assert overlap.tolist() == [6.0]


def test_overlap_is_that_of_a_plain_sum_over_pairs():
    rng = np.random.default_rng(3)
    starts = rng.uniform(0, 1000, 200)
    stops = starts + rng.uniform(0.1, 50, 200)
    bounds = np.sort(rng.uniform(0, 1000, 24)).reshape(-1, 2)
    expected = np.clip(np.minimum(stops[:, None], bounds[:, 1]) - np.maximum(starts[:, None], bounds[:, 0]), 0, None)
    assert np.allclose(seizures.overlap_s(starts, stops, bounds), expected.sum(axis=1), rtol=0, atol=1e-9)


@pytest.mark.parametrize("rule", ["", "most", "fraction>=0", "fraction>=1.5", "fraction>0.5", "seconds>=", "any!"])
def test_an_unknown_rule_is_refused(rule):
    with pytest.raises(UsageError, match="no such rule"):
        seizures.parse_rule(rule)


def test_states_around_a_seizure_follow_the_horizons():
    starts, stops = windows(10.0, 200.0)
    horizons = Horizons(preictal_s=30.0, gap_s=10.0, postictal_s=20.0, interictal_from_s=60.0)
    found = seizures.label_windows(starts, stops, [Seizure(100.0, 120.0)], horizons=horizons)
    expected = (
        ["interictal"] * 4 + ["excluded"] * 2 + ["preictal"] * 3 + ["excluded"] + ["ictal"] * 2 + ["postictal"] * 2
        + ["excluded"] * 4 + ["interictal"] * 2
    )  # fmt: skip
    assert words(found) == expected


def test_a_window_with_too_little_of_a_seizure_is_neither_ictal_nor_interictal():
    found = seizures.label_windows([0.0, 4.0, 8.0], [4.0, 8.0, 12.0], [Seizure(7.0, 12.0)], rule="fraction>=0.5")
    assert words(found) == ["interictal", "excluded", "ictal"]


def test_without_knowledge_of_seizures_every_window_is_unknown():
    starts, stops = windows(5.0, 20.0)
    assert words(seizures.label_windows(starts, stops, None)) == ["unknown"] * 4
    assert words(seizures.label_windows(starts, stops, [])) == ["interictal"] * 4


def test_windows_that_reach_beyond_annotated_time_are_unknown():
    starts, stops = windows(10.0, 60.0)
    found = seizures.label_windows(starts, stops, [Seizure(32.0, 34.0)], observed=[(0.0, 20.0), (25.0, 55.0)])
    assert words(found) == ["interictal", "interictal", "unknown", "ictal", "interictal", "unknown"]
    assert words(seizures.label_windows(starts, stops, [], observed=[])) == ["unknown"] * 6


def test_the_group_keeps_the_annotated_time_and_refuses_what_is_none():
    table = seizures.seizure_table([], observed=[(30.0, 40.0), (-math.inf, 10.0), (10.0, 12.0)])
    assert table.attrs["observed_s"] == [[None, 12.0], [30.0, 40.0]]
    assert seizures.observed_of(table.attrs).tolist() == [[-math.inf, 12.0], [30.0, 40.0]]
    assert seizures.observed_of(seizures.seizure_table([], observed=[]).attrs).shape == (0, 2)
    assert seizures.observed_of(seizures.seizure_table([]).attrs) is None
    for pair in [(5.0, 5.0), (5.0, 4.0), (math.nan, 4.0)]:
        with pytest.raises(SchemaError, match="does not end after"):
            seizures.seizure_table([], observed=[(0.0, 1.0), pair])
    for stated in (3.0, [1.0, 2.0], [["a", 2.0]], [[0.0, 1.0, 2.0]]):
        with pytest.raises(SchemaError, match="not stretches"):
            seizures.observed_of({"observed_s": stated})


def test_after_an_onset_without_an_end_all_is_unknown_up_to_the_end_of_the_annotated_stretch():
    starts, stops = windows(10.0, 80.0)
    found = seizures.label_windows(starts, stops, [Seizure(25.0)], observed=[(0.0, 50.0), (50.0001, 80.0)])
    assert words(found)[:5] == ["interictal", "interictal", "ictal", "unknown", "unknown"]
    assert words(found)[6:] == ["interictal", "interictal"]
    strict = seizures.label_windows(starts, stops, [Seizure(25.0)], rule="fraction>=0.5")
    assert words(strict) == ["interictal"] * 2 + ["unknown"] * 6
    before = seizures.label_windows(starts, stops, [Seizure(25.0)], horizons=Horizons(preictal_s=15.0))
    assert words(before)[:2] == ["interictal", "preictal"]


def test_postictal_time_is_not_preictal_to_the_next_seizure():
    starts, stops = windows(10.0, 100.0)
    pair = [Seizure(20.0, 30.0), Seizure(70.0, 80.0)]
    found = seizures.label_windows(starts, stops, pair, horizons=Horizons(preictal_s=40.0, postictal_s=20.0))
    assert (
        words(found)
        == ["preictal"] * 2 + ["ictal"] + ["postictal"] * 2 + ["preictal"] * 2 + ["ictal"] + ["postictal"] * 2
    )


def test_labels_do_not_depend_on_the_order_of_windows_or_seizures():
    rng = np.random.default_rng(5)
    starts = rng.uniform(0, 5000, 500)
    bounds = np.sort(rng.uniform(0, 5000, 12)).reshape(-1, 2)
    horizons = Horizons(preictal_s=100.0, gap_s=5.0, postictal_s=60.0, interictal_from_s=300.0)
    found = seizures.label_windows(starts, starts + 4.0, bounds, rule="fraction>=0.5", horizons=horizons)
    order = rng.permutation(500)
    again = seizures.label_windows(
        starts[order], starts[order] + 4.0, bounds[::-1], rule="fraction>=0.5", horizons=horizons
    )
    assert np.array_equal(found[order], again)


def test_windows_and_seizures_have_to_end_after_they_start():
    with pytest.raises(UsageError, match="windows end"):
        seizures.label_windows([0.0], [0.0], [])
    with pytest.raises(UsageError, match="seizures begin"):
        seizures.label_windows([0.0], [1.0], np.array([[3.0, 2.0]]))
    with pytest.raises(UsageError, match="horizons"):
        Horizons(preictal_s=-1.0)


def test_the_group_of_seizures_gives_back_what_it_was_made_of():
    items = [Seizure(90.0, label="sz_foc_ia", source="events.tsv"), Seizure(10.0, 20.0, source="summary")]
    table = seizures.seizure_table(items, rule="stated")
    schema.validate(schema.record({seizures.GROUP: table}), subject="seizures")
    back = seizures.seizures_of(table)
    assert back[0] == items[1]
    assert math.isnan(back[1].offset_s)
    assert back[1].label == "sz_foc_ia"
    assert table.attrs["rule"] == "stated"
    assert seizures.seizures_of(seizures.seizure_table([])) == []


@pytest.mark.parametrize(
    "item",
    [Seizure(5.0, 5.0), Seizure(5.0, 4.0), Seizure(math.nan, 4.0), Seizure(1.0, math.inf), Seizure(1, 2, "bckg")],
)
def test_what_is_no_seizure_is_refused(item):
    with pytest.raises(SchemaError):
        seizures.seizure_table([item])


def test_the_codes_are_those_of_szcore():
    known = {"sz", "sz_foc_ia", "sz_foc_f2b", "sz_foc_a_m_hyperkinetic", "sz_gen_m_tonicClonic", "sz_uo_nm_behavior"}
    assert known <= set(seizures.SZCORE_LABELS)
    assert [seizures.is_seizure(code) for code in ("sz", "sz_gen", "bckg", "impd", "sz_nonsense", "")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert seizures.label_meaning("sz_foc_ia_m_tonic") == "focal onset, impaired awareness, tonic"


# Reference, hypothesis, and what SzCORE's rules give for an hour: reference events, true positives, and
# false positives that lie outside what was detected or reach beyond it.
BY_HAND = {
    "nothing at all": ([], [], (0, 0, 0, 0)),
    "missed": ([(100, 200)], [], (1, 0, 0, 0)),
    "found": ([(100, 200)], [(150, 160)], (1, 1, 0, 0)),
    "early by 30 s": ([(100, 200)], [(70, 110)], (1, 1, 0, 0)),
    "early by more": ([(100, 200)], [(60, 110)], (1, 1, 0, 1)),
    "wholly in the tolerance before": ([(100, 200)], [(75, 95)], (1, 1, 0, 0)),
    "ends 60 s late": ([(100, 200)], [(150, 260)], (1, 1, 0, 0)),
    "ends later": ([(100, 200)], [(150, 261)], (1, 1, 0, 1)),
    "touches what was detected from outside": ([(100, 120)], [(80, 90), (180, 190)], (1, 1, 1, 1)),
    "touches the tolerance from outside": ([(100, 200)], [(50, 70)], (1, 0, 1, 1)),
    "two detections 89 s apart are one": ([], [(100, 110), (199, 210)], (0, 0, 1, 1)),
    "two detections 90 s apart are two": ([], [(100, 110), (200, 210)], (0, 0, 2, 2)),
    "a detection of 300 s is one": ([], [(1000, 1300)], (0, 0, 1, 1)),
    "one of 301 s is two": ([], [(1000, 1301)], (0, 0, 2, 2)),
    "a long seizure is cut into pieces": ([(1000, 1700)], [(1000, 1010)], (3, 1, 0, 0)),
    "and all pieces can be found": ([(1000, 1700)], [(1000, 1690)], (3, 3, 0, 0)),
    "seizures joined are found by one detection": ([(100, 120), (180, 200)], [(185, 190)], (1, 1, 0, 0)),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_events_are_scored_as_worked_by_hand(case):
    reference, hypothesis, expected = BY_HAND[case]
    scores = [
        seizures.score_events(reference, hypothesis, duration_s=3600, rule=EventRule(false_when=when))
        for when in ("outside", "beyond")
    ]
    assert {(found.n_reference, found.true_positives) for found in scores} == {expected[:2]}
    assert tuple(found.false_positives for found in scores) == expected[2:]
    assert seizures.score_events(reference, hypothesis, duration_s=3600) == scores[0]


# Cases that the authors of SzCORE test timescoring 0.0.7 with (github.com/esl-epfl/timescoring, tests/test.py):
# reference and hypothesis in seconds, rule, and the sensitivity, precision and false positives that they expect.
SOME = ([(0.8, 1.4), (3.0, 3.7), (4.8, 5.1)], [(0.8, 1.4), (2.6, 3.3), (5.1, 5.4), (6.4, 6.8)])
BARE = EventRule(before_s=0, after_s=0, apart_s=0)
BY_ITS_AUTHORS = {
    "simple": ([(40, 60)], [(10, 20), (42, 65)], EventRule(before_s=0, after_s=10, apart_s=0), (1.0, 0.5, 1)),
    "tolerance before": ([(40, 60)], [(39, 60)], EventRule(before_s=1), (1.0, 1.0, 0)),
    "split long events": ([(40, 60)], [(42, 425)], EventRule(), (1.0, 0.5, 1)),
    "no detections": ([(40, 60)], [], EventRule(), (0.0, math.nan, 0)),
    "no events": ([], [(40, 60)], EventRule(), (math.nan, 0.0, 1)),
    "some overlap": (*SOME, BARE, (2 / 3, 0.5, 2)),
    "half of an event at least": (*SOME, replace(BARE, least_overlap=0.5), (1 / 3, 1 / 4, 3)),
    "one over several": (
        [(0.8, 1.4), (1.8, 2.2), (3.0, 3.7), (4.2, 4.5), (4.8, 5.1)], [(0.5, 2.5), (3.5, 5.3)], BARE, (1.0, 1.0, 0),
    ),
    "several over one": (
        [(0.8, 3.7), (4.8, 5.1)], [(0.5, 1.2), (1.6, 2.4), (3.2, 4.3), (6.2, 6.6)], BARE, (0.5, 0.5, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_ITS_AUTHORS)
def test_events_are_scored_as_the_authors_of_szcore_expect(case):
    reference, hypothesis, rule, expected = BY_ITS_AUTHORS[case]
    found = seizures.score_events(reference, hypothesis, duration_s=3600, rule=rule)
    np.testing.assert_equal((found.sensitivity, found.precision, found.false_positives), expected)


def test_f1_counts_who_detects_nothing_and_is_unknown_only_without_any_event():
    scores = [seizures.score_events(*events, duration_s=3600) for events in (([(1, 9)], []), ([], [(1, 9)]), ([], []))]
    assert [score.f1 for score in scores[:2]] == [0.0, 0.0]
    assert math.isnan(scores[2].f1)


def test_a_rule_of_false_detections_is_one_of_two():
    with pytest.raises(UsageError, match="false detections"):
        EventRule(false_when="sometimes")


def test_ratios_follow_from_the_counts():
    found = seizures.EventScores(4, 3, 1, 43_200.0)
    assert (found.sensitivity, found.precision, found.f1, found.false_positives_per_day) == (0.75, 0.75, 0.75, 2.0)
    nothing = seizures.EventScores(0, 0, 0, 3600.0)
    assert all(math.isnan(value) for value in (nothing.sensitivity, nothing.precision, nothing.f1))
    assert seizures.EventScores(2, 0, 3, 3600.0).f1 == 0.0
    assert seizures.combine_scores([found, nothing]) == seizures.EventScores(4, 3, 1, 46_800.0)


def test_scores_equal_those_counted_on_a_grid_of_a_tenth_of_a_second():
    rng = np.random.default_rng(11)
    for _ in range(200):
        reference, hypothesis = (_random_events(rng) for _ in range(2))
        for when, is_false in (("outside", np.all), ("beyond", np.any)):
            rule = EventRule(false_when=when)
            found = seizures.score_events(reference, hypothesis, duration_s=4000, rule=rule)
            expected = _on_a_grid(reference, hypothesis, 4000, is_false)
            assert (found.n_reference, found.true_positives, found.false_positives) == expected


def _random_events(rng: np.random.Generator) -> list[tuple[float, float]]:
    bounds = np.sort(rng.choice(4000, 2 * int(rng.integers(0, 7)), replace=False))
    return [(float(start), float(stop)) for start, stop in bounds.reshape(-1, 2)]


def _on_a_grid(reference, hypothesis, duration: int, is_false: Callable[..., Any]) -> tuple[int, int, int]:
    """Count with masks: slow, and another way than the one that is tested."""

    def prepared(events):
        joined: list[list[float]] = []
        for start, stop in events:
            if joined and start - joined[-1][1] < 90:
                joined[-1][1] = stop
            else:
                joined.append([start, stop])
        return [(at, min(at + 300, stop)) for start, stop in joined for at in np.arange(start, stop, 300)]

    def mask(events):
        made = np.zeros(duration * 10, dtype=bool)
        for start, stop in events:
            made[round(max(0, start) * 10) : round(min(duration, stop) * 10)] = True
        return made

    wanted, found = prepared(reference), prepared(hypothesis)
    hits = [(start - 30, stop + 60) for start, stop in wanted if (mask([(start - 30, stop + 60)]) & mask(found)).any()]
    false = sum(bool(is_false(~mask(hits)[mask([event])])) for event in found)
    return len(wanted), len(hits), int(false)


def test_an_event_that_has_no_end_or_lies_outside_is_not_scored():
    for events in ([(10.0, 5.0)], [(-1.0, 5.0)], [(3500.0, 3601.0)], [Seizure(10.0)]):
        with pytest.raises(UsageError, match="cannot be scored"):
            seizures.score_events([], events, duration_s=3600)
    with pytest.raises(UsageError, match="lasts"):
        seizures.score_events([], [], duration_s=0)
    assert seizures.score_events([(0, 10)], [(0, 10)], duration_s=100, rule=EventRule(least_overlap=0.9)).f1 == 0.0
