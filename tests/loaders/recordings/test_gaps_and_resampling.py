"""Gaps in a clock, and recordings on a regular one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from connectome.errors import UsageError
from connectome.loaders.recordings.gaps import gaps
from connectome.loaders.recordings.resampling import Resample, regular_times, resample, resample_record
from connectome.loaders.torch import WindowDataset

METHODS = ("linear", "mean", "nearest")
# Sixteenths of a second, so that sums of steps are exact and a step is a gap or is not.
steps = st.lists(st.integers(0, 64), min_size=1, max_size=40).map(lambda found: np.cumsum([0, *found]) / 16)
rates = st.sampled_from([0.5, 1.0, 2.0, 3.0, 4.0, 10.0])


@st.composite
def recordings(draw):
    """Draw stamps with repeats and gaps, two channels, a mask and a maximal gap."""
    time_s = draw(steps)
    shape = (2, len(time_s))
    signal = draw(arrays(np.float64, shape, elements=st.floats(-1e6, 1e6)))
    mask = draw(arrays(np.bool_, shape))
    return time_s, signal, mask, draw(st.sampled_from([0.25, 1.0, 2.5]))


def test_gaps_repeated_stamps_and_steps_back_are_found():
    found = gaps(np.array([0.0, 1.0, 1.0, 2.0, 5.5, 5.0]), max_gap_s=1.0)
    assert found.before.tolist() == [3]
    assert found.duration_s.tolist() == [3.5]
    assert found.repeated.tolist() == [2]
    assert found.backward.tolist() == [5]


def test_a_clock_of_frames_has_no_gaps_in_seconds():
    with pytest.raises(UsageError, match="clock in seconds"):
        gaps(np.full(3, np.nan), max_gap_s=1.0)


@pytest.mark.parametrize("method", METHODS)
@given(recordings(), rates)
@settings(max_examples=60, deadline=None)
def test_nothing_is_valid_inside_a_gap_or_outside_the_samples(method, recording, rate_hz):
    time_s, signal, mask, max_gap_s = recording
    made = resample(signal, time_s, mask, rate_hz=rate_hz, max_gap_s=max_gap_s, method=method)
    assert np.isnan(made.signal[~made.mask]).all()
    assert np.isfinite(made.signal[made.mask]).all()
    for channel in range(2):
        own = time_s[mask[channel]]
        for t in made.time_s[made.mask[channel]]:
            before, after = own[own <= t + 1e-5], own[own >= t - 1e-5]
            assert before.size
            assert after.size
            assert after.min() - before.max() <= max_gap_s + 1e-4


@pytest.mark.parametrize("method", METHODS)
@given(recordings(), rates)
@settings(max_examples=60, deadline=None)
def test_what_a_gap_or_a_missing_sample_hides_never_matters(method, recording, rate_hz):
    time_s, signal, mask, max_gap_s = recording
    options = {"rate_hz": rate_hz, "max_gap_s": max_gap_s, "method": method}
    made = resample(signal, time_s, mask, **options)
    other = resample(np.where(mask, signal, np.nan), time_s, **options)
    assert np.array_equal(made.mask, other.mask)
    assert np.array_equal(made.signal, other.signal, equal_nan=True)


@given(recordings(), rates, st.floats(-100, 100), st.floats(-10, 10))
@settings(max_examples=80, deadline=None)
def test_lines_are_reproduced_by_linear_resampling(recording, rate_hz, level, slope):
    time_s, _, mask, max_gap_s = recording
    signal = np.broadcast_to(level + slope * time_s, mask.shape)
    made = resample(signal, time_s, mask, rate_hz=rate_hz, max_gap_s=max_gap_s)
    expected = np.broadcast_to(level + slope * made.time_s, made.mask.shape)
    assert np.allclose(made.signal[made.mask], expected[made.mask], rtol=1e-9, atol=1e-4)


def test_regular_stamps_at_their_own_rate_come_back_as_they_are():
    rng = np.random.default_rng(0)
    signal, time_s = rng.normal(size=(3, 50)), 7.0 + np.arange(50) / 4
    for method in ("linear", "nearest"):
        made = resample(signal, time_s, rate_hz=4.0, max_gap_s=0.3, method=method)
        assert made.mask.all()
        assert np.array_equal(made.time_s, time_s)
        assert np.allclose(made.signal, signal, rtol=0, atol=1e-12)


def test_the_last_sample_is_reached_and_a_mean_is_stamped_with_the_middle_of_its_bin():
    time_s = np.arange(12) / 6
    made = resample(time_s[None], time_s, rate_hz=2.0, max_gap_s=0.5, method="mean")
    # Three samples a bin: at 0, 1/6 and 2/6 s, whose mean lies half a step before the middle of the bin.
    assert made.time_s.tolist() == [0.25, 0.75, 1.25, 1.75]
    assert np.allclose(made.signal[0], made.time_s - 1 / 12)
    line = resample(time_s[None], time_s, rate_hz=6.0, max_gap_s=0.5)
    assert line.time_s[-1] == pytest.approx(time_s[-1])
    assert line.mask[0, -1]


def test_slow_recordings_have_empty_bins_and_no_invented_samples():
    time_s = np.arange(0, 10, 0.75)
    made = resample(time_s[None], time_s, rate_hz=3.0, max_gap_s=1.0, method="mean")
    assert int(made.mask.sum()) <= len(time_s)
    assert not made.mask.all()


def test_samples_of_two_segments_never_meet():
    time_s = np.arange(20) / 2
    signal = np.where(np.arange(20) < 10, 0.0, 100.0)[None]
    for method in METHODS:
        made = resample(signal, time_s, rate_hz=4.0, max_gap_s=1.0, method=method, segments=[(0, 10), (10, 20)])
        assert set(made.signal[made.mask].tolist()) == {0.0, 100.0}
        between = (made.time_s > 4.5) & (made.time_s < 5.0)
        assert not made.mask[0, between].any()


def test_nearest_takes_the_earlier_of_two_and_repeats_count_as_one():
    made = resample(
        np.array([[1.0, 3.0, 10.0]]), np.array([0.0, 0.0, 1.0]), rate_hz=2.0, max_gap_s=1.0, method="nearest"
    )
    assert made.signal.tolist() == [[2.0, 2.0, 10.0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate_hz": 0.0}, "not a rate"),
        ({"method": "cubic"}, "unknown method"),
        ({"max_gap_s": 0.0}, "maximal gap"),
        ({"mask": np.ones((1, 2), dtype=bool)}, "mask"),
        ({"time_s": np.array([0.0, 2.0, 1.0])}, "back in time"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(change, message):
    arguments = {"signal": np.zeros((1, 3)), "time_s": np.arange(3.0), "rate_hz": 1.0, "max_gap_s": 1.0} | change
    with pytest.raises(UsageError, match=message):
        resample(**arguments)


def test_a_recording_is_read_on_a_regular_clock_by_the_names_of_its_neurons(make_store, generated):
    time_s = np.array([0.0, 0.5, 1.1, 1.5, 6.0, 6.5])
    signal = np.stack([time_s, -time_s])
    worm = generated.worm(signal, [("1", "AVAL", "AVAL", "exact"), ("2", "", "", "unlabelled")], time_s=time_s)
    version = make_store(
        {"worm": worm, "frames": generated.worm(signal, [("1", "AVAL", "AVAL", "exact")], frame_start=0)}
    )
    made = resample_record(version, "worm", rate_hz=2.0, max_gap_s=1.0, neurons=["RIML", "AVAL"])
    assert made.channels == ("RIML", "AVAL")
    assert not made.mask[0].any()
    assert made.mask[1].tolist() == [True] * 4 + [False] * 8 + [True] * 2
    assert np.allclose(made.signal[1, made.mask[1]], made.time_s[made.mask[1]])
    assert resample_record(version, "worm", rate_hz=2.0, max_gap_s=1.0).channels == ("1", "2")
    with pytest.raises(UsageError, match="counts frames"):
        resample_record(version, "frames", rate_hz=2.0, max_gap_s=1.0)


def test_windows_are_resampled_as_a_transform(make_store, generated):
    time_s = np.cumsum(np.random.default_rng(1).uniform(0.4, 0.6, size=60))
    version = make_store({"worm": generated.worm(time_s[None], [("1", "AVAL", "AVAL", "exact")], time_s=time_s)})
    how = Resample(rate_hz=4.0, n_samples=32, max_gap_s=1.0)
    data = WindowDataset(version, window=20, transform=how)
    batch = data.batch(range(3))
    assert batch["signal"].shape == (3, 1, 32)
    mask = batch["mask"][:, 0]
    assert mask.sum(dim=1).tolist() == [
        len(regular_times(time_s[at * 20 : at * 20 + 20], rate_hz=4.0)[:32]) for at in range(3)
    ]
    assert np.allclose(batch["signal"][:, 0][mask].numpy(), batch["time_s"][mask].numpy(), rtol=1e-6)
    assert (batch["signal"][:, 0][~mask] == 0).all()
