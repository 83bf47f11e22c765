"""Loaders of spikes on a real recording: head-direction and hippocampal units of mouse A2929, asleep and awake.

Facts are those of the README beside the file (Viejo et al. 2023, eLife 12:RP85786).
"""

from __future__ import annotations

import numpy as np
import pytest

from connectome.loaders.events.source import EventSource
from connectome.loaders.events.trials import TrialSource
from connectome.pipelines import read
from connectome.spikes import SpikeTrains, bin_counts, bin_edges
from connectome.splits import TrialSplit, prove_trials

COUNTS = [8764, 6879, 9743, 8014, 12925, 13205, 19819, 2636, 2419, 1282, 4702, 3970, 1313, 1535, 1588]
RIPPLES = {"trials": "intervals/sleep_ripples", "before_s": 0.2, "after_s": 0.2, "bin_s": 0.01}


@pytest.fixture(scope="module")
def version(data_dir, tmp_path_factory, commit_records):
    tree = read(data_dir / "neuropixels" / "peyrache_adn_ca1" / "A2929-200711.nwb", format="nwb")
    return commit_records(tmp_path_factory.mktemp("a2929") / "store", "a2929", {"A2929-200711": tree})


def test_bins_of_20_ms_read_window_by_window_equal_integer_microseconds_and_conserve_counts(version):
    # The source states no observed time, so it is taken from the first spike to the last.
    source = EventSource(version, window_s=10, bin_s=0.02, origin_s=0, dtype="int64", observed="any")
    assert source.index.locate([0])[1] == [10]
    batch = source.bins(range(len(source)))
    group = version.open("A2929-200711")["spikes"].to_dataset()
    tick, unit = group["tick"].values, group["unit"].values
    assert np.bincount(unit).tolist() == COUNTS
    bins = tick // 20_000
    first, last = 500, 500 + 500 * len(source)
    inside = (bins >= first) & (bins < last)
    oracle = np.zeros((15, last - first), dtype=np.int64)
    np.add.at(oracle, (unit[inside], bins[inside] - first), 1)
    found = batch.counts.transpose(1, 0, 2).reshape(15, -1)
    assert np.array_equal(found, oracle)
    assert batch.mask.all()
    # The arithmetic in common use puts spikes that lie exactly on an edge into the bin before or after.
    naive = np.floor(tick / 1e6 / 0.02).astype(np.int64)
    assert (naive != bins).sum() > 0


def test_head_direction_comes_on_the_bins_of_the_spikes(version):
    source = EventSource(
        version, window_s=1, bin_s=0.02, origin_s=0, units=[("location", "==", "adn")],
        behaviour={"series/CompassDirection": "linear"},
    )  # fmt: skip
    assert source.n_units == 7
    which, starts = source.index.locate(range(len(source)))
    del which
    asleep = starts.index(100)
    awake = starts.index(800)
    batch = source.bins([asleep, awake])
    head = batch.behaviour["series/CompassDirection"]
    assert not head.mask[0].any()
    assert head.mask[1].all()
    # Heading about the vertical axis in radians.
    assert (head.signal[1].min() >= -0.1) & (head.signal[1].max() <= 2 * np.pi + 0.1)


def test_counts_around_sleep_ripples_rise_in_the_hippocampus(version):
    source = TrialSource(version, **RIPPLES, units=[("location", "==", "ca1")])
    assert len(source) + sum(source.left_out.values()) == 594
    counts = source.trials(range(len(source))).counts.sum(axis=(0, 1))
    trains = SpikeTrains.of(version.open("A2929-200711")["spikes"].to_dataset())
    edges = bin_edges(source.onset_s[0] - 0.2, 0.01, 40)
    assert np.array_equal(source.trials([0]).counts[0], bin_counts(trains, edges, units=np.arange(7, 15)))
    assert counts[20:25].mean() > 2 * counts[:10].mean()


def test_ripples_are_split_into_runs_that_share_no_spike(version):
    trials = TrialSource(version, **RIPPLES).frame()
    plan = TrialSplit(fractions={"train": 0.8, "test": 0.2}, gap_s=0.5, order="shuffled", n_blocks=10)
    split = plan.assign(trials)
    proof = prove_trials(split, trials)
    assert sum(proof.n_trials.values()) + proof.n_left_out == len(trials)
    assert proof.min_gap_s is not None
    assert proof.min_gap_s >= 0.5
    for part, n in proof.n_trials.items():
        assert len(TrialSource(version, **RIPPLES, split=(split, part))) == n
