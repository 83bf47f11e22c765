"""Units that were watched at different times, and records of the first version of ``events``."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from connectome import schema
from connectome.loaders.events import EventSource, TrialSource
from connectome.loaders.torch import EventDataset
from connectome.schema.events import with_unit_observed
from connectome.schema.graph import compressed_rows
from connectome.spikes import ObservedTime, SpikeTrains, aligned_counts, psth
from connectome.store import Repository, verify

APART = [[(0.0, 10.0)], [(0.0, 4.0), (5.0, 10.0)], [(0.0, 10.0)], [(2.0, 10.0)]]
"""The second unit's probe dropped out for a second, the last unit's began later."""


def spikes():
    rng = np.random.default_rng(12)
    return schema.events(
        rng.integers(0, 10 * 10**6, 4000), rng.integers(0, 4, 4000), unit_id=list("abcd"), observed_s=[(0.0, 10.0)],
        tick_hz=Fraction(10**6), units={"probe": schema.column("unit_id", ["A", "B", "A", "C"], "Probe")},
    )  # fmt: skip


def trials():
    columns = {"start_time": schema.column("row", np.array([1.0, 3.5, 4.2, 7.0]), "Onset", "s")}
    return schema.table(columns)


def as_version_1(dataset):
    """Return the group as records of version 1 have it."""
    owner = dataset["unit"].values.astype(np.int32)
    order = compressed_rows(owner, dataset.sizes["unit_id"])[1]
    old = dataset.assign(
        tick=("event", dataset["tick"].values, {"long_name": "Time of the event", "units": "1"}),
        unit=("event", owner, {"long_name": "Unit of the event", "units": "1"}),
        unit_order=("event", order, {"long_name": "Event numbers by unit", "units": "1"}),
    )
    return old.assign_attrs({"encoding-version": "1"})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("observed") / "store"


@pytest.fixture(scope="module")
def version(root, commit_records):
    return commit_records(root, "generated-apart", {
        "apart": schema.record({"spikes": with_unit_observed(spikes(), APART), "trials": trials()}),
        "old": schema.record({"spikes": as_version_1(spikes()), "trials": trials()}),
        "together": schema.record({"spikes": spikes(), "trials": trials()}),
    })  # fmt: skip


def watched(unit: int, low: float, high: float) -> bool:
    return any(start <= low and high <= stop for start, stop in APART[unit])


def test_a_zero_outside_a_units_own_observed_time_is_missing(version) -> None:
    source = EventSource(version, window_s=1, bin_s=0.5, observed="any", origin_s=0, records=["apart"])
    batch = source.bins(range(len(source)))
    whole = EventSource(version, window_s=1, bin_s=0.5, origin_s=0, records=["together"]).bins(range(10))
    for row, start in enumerate(batch.start_s.tolist()):
        for unit in range(4):
            for at in range(2):
                low = start + at / 2
                seen = watched(unit, low, low + 0.5)
                assert batch.mask[row, unit, at] == seen
                assert batch.counts[row, unit, at] == (whole.counts[row, unit, at] if seen else 0)
    assert not batch.mask.all()


def test_windows_that_lie_wholly_in_observed_time_are_those_of_the_chosen_units(version) -> None:
    every = EventSource(version, window_s=1, bin_s=0.5, origin_s=0, records=["apart"])
    assert every.frame()["start_s"].tolist() == [2.0, 3.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    one = EventSource(version, window_s=1, bin_s=0.5, origin_s=0, records=["apart"], units=[("probe", "==", "A")])
    assert len(one) == 10
    assert one.bins(range(10)).mask.all()
    late = EventSource(version, window_s=1, origin_s=0, records=["apart"], units=[("probe", "!=", "B")])
    assert late.frame()["start_s"].min() == 2.0


def test_trials_follow_the_same_rule(version) -> None:
    options = {"before_s": 0.5, "after_s": 0.5, "bin_s": 0.5}
    whole = TrialSource(version, records=["apart"], **options)
    assert whole.onset_s.tolist() == [3.5, 7.0]
    batch = TrialSource(version, records=["apart"], observed="any", **options).trials(range(4))
    assert batch.mask[:, 3].tolist() == [[False, False], [True, True], [True, True], [True, True]]
    assert batch.mask[:, 1].tolist() == [[True, True], [True, True], [False, False], [True, True]]
    assert batch.mask[:, [0, 2]].all()


def test_the_mask_reaches_the_batches_of_pytorch(version, root) -> None:
    dataset = EventDataset(version.spec, root=root, window_s=1, bin_s=0.5, observed="any", origin_s=0,
                           records=["apart"])  # fmt: skip
    batch = dataset.__getitems__([0, 4])
    mask = batch[0]["mask"] if isinstance(batch, list) else batch["mask"]
    assert mask[0].all(dim=1).tolist() == [True, True, True, False]
    assert mask[1].any(dim=1).tolist() == [True, False, True, True]


def test_aligned_counts_mask_what_not_all_units_share_and_rates_are_those_of_each_unit() -> None:
    trains = SpikeTrains.of(with_unit_observed(spikes(), APART))
    onset = np.array([1.0, 3.5, 4.2, 7.0])
    counts, mask = aligned_counts(trains, onset, before_s=0, after_s=0.5, width_s=0.25)
    assert mask.tolist() == [[False, False], [True, True], [False, False], [True, True]]
    alone = aligned_counts(trains, onset, before_s=0, after_s=0.5, width_s=0.25, units=np.array([2, 0]))[1]
    assert alone.all()
    found = psth(trains, onset, before_s=0, after_s=0.5, width_s=0.25)
    assert found.n_trials.tolist() == [[4, 4], [3, 3], [4, 4], [3, 3]]
    np.testing.assert_allclose(found.rate_hz[1], counts[[0, 1, 3], 1].mean(axis=0) / 0.25)
    np.testing.assert_allclose(found.rate_hz[3], counts[1:, 3].mean(axis=0) / 0.25)


def test_sets_of_units_that_are_left_out_do_not_count() -> None:
    observed = ObservedTime((np.array([[0.0, 1.0]]), np.array([[0.5, 2.0]]), np.zeros((0, 2))), np.array([0, 1, 2]))
    assert observed.shared.tolist() == []
    assert observed.of(np.array([1, 0])).shared.tolist() == [[0.5, 1.0]]
    assert observed.of(np.array([1, 0])).any.tolist() == [[0.0, 2.0]]
    assert observed.whole(np.array([0.5]), np.array([1.5])).tolist() == [[False], [True], [False]]


def test_records_of_version_1_are_read_as_they_were_and_verified(version, root) -> None:
    old = EventSource(version, window_s=1, bin_s=0.1, origin_s=0, records=["old"]).bins(range(10))
    new = EventSource(version, window_s=1, bin_s=0.1, origin_s=0, records=["together"]).bins(range(10))
    assert np.array_equal(old.counts, new.counts)
    assert version.open("old")["spikes"].attrs["encoding-version"] == "1"
    assert verify(Repository(root), version.spec).ok
