"""Smoothing in seconds, against plain references, and without a look ahead where it is causal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter1d

from connectome.errors import UsageError
from connectome.loaders.recordings.smoothing import Smooth, smooth
from connectome.loaders.recordings.transforms import CausalZScore
from connectome.loaders.torch import WindowDataset
from connectome.splits import Entry, Split

KERNELS = ("exponential", "boxcar", "gaussian")
every_kernel = pytest.mark.parametrize("kernel", KERNELS)
either_way = pytest.mark.parametrize("causal", [True, False], ids=["causal", "centred"])
widths = st.sampled_from([0.1, 0.75, 2.0, 30.0])


@st.composite
def recordings(draw):
    """Draw stamps with repeats and gaps, and two channels with missing samples."""
    time_s = np.cumsum(draw(st.lists(st.integers(0, 64), min_size=2, max_size=40))) / 16
    signal = draw(arrays(np.float64, (2, len(time_s)), elements=st.floats(-1e6, 1e6) | st.just(np.nan)))
    return time_s, signal


@every_kernel
@given(recordings(), widths, st.sampled_from([None, 1.0]), st.data())
@settings(max_examples=80, deadline=None)
def test_samples_after_t_never_change_causal_outputs_up_to_t(kernel, recording, width_s, max_gap_s, data):
    time_s, signal = recording
    t = data.draw(st.integers(0, len(time_s) - 1))
    changed = signal.copy()
    changed[:, t + 1 :] = data.draw(
        arrays(np.float64, changed[:, t + 1 :].shape, elements=st.floats(-1e9, 1e9) | st.just(np.nan))
    )
    options = {"kernel": kernel, "width_s": width_s, "causal": True, "max_gap_s": max_gap_s}
    before, mask = smooth(signal, time_s, **options)
    after, mask_after = smooth(changed, time_s, **options)
    assert np.array_equal(mask[:, : t + 1], mask_after[:, : t + 1])
    assert before[:, : t + 1].tobytes() == after[:, : t + 1].tobytes()


@every_kernel
def test_a_centred_kernel_does_look_ahead(kernel):
    signal = np.zeros((1, 9))
    signal[0, 5] = 1.0
    time_s = np.arange(9) / 2
    centred, _ = smooth(signal, time_s, kernel=kernel, width_s=1.0, causal=False)
    causal, _ = smooth(signal, time_s, kernel=kernel, width_s=1.0, causal=True)
    assert centred[0, 4] > 0
    assert causal[0, 4] == 0 < causal[0, 6]


@every_kernel
@either_way
@given(recordings(), widths, st.floats(-1e6, 1e6))
@settings(max_examples=60, deadline=None)
def test_a_constant_stays_and_missing_samples_stay_missing(kernel, causal, recording, width_s, level):
    time_s, signal = recording
    constant = np.where(np.isnan(signal), np.nan, level)
    made, mask = smooth(constant, time_s, kernel=kernel, width_s=width_s, causal=causal)
    assert np.array_equal(mask, ~np.isnan(signal))
    assert np.isnan(made[~mask]).all()
    assert np.allclose(made[mask], level, rtol=1e-12, atol=0)


@every_kernel
@either_way
@given(recordings(), widths)
@settings(max_examples=60, deadline=None)
def test_outputs_are_the_weighted_means_of_the_definition(kernel, causal, recording, width_s):
    time_s, signal = recording
    made, mask = smooth(signal, time_s, kernel=kernel, width_s=width_s, causal=causal)
    for channel, at in zip(*np.nonzero(mask), strict=True):
        counts = mask[channel] & ((np.arange(len(time_s)) <= at) | (not causal))
        apart = np.abs(time_s - time_s[at])
        if kernel == "exponential":
            weight = np.exp(-apart / width_s)
        elif kernel == "gaussian":
            weight = np.where(apart <= 4 * width_s, np.exp(-0.5 * (apart / width_s) ** 2), 0)
        else:
            weight = (apart < width_s) if causal else (apart <= width_s / 2)
        expected = np.average(signal[channel][counts], weights=weight[counts].astype(float))
        scale = np.abs(signal[channel][counts]).max()
        assert made[channel, at] == pytest.approx(expected, rel=1e-9, abs=1e-12 * max(scale, 1))


def test_regular_stamps_give_what_pandas_and_scipy_give():
    rng = np.random.default_rng(3)
    signal, time_s = rng.normal(size=(2, 300)), np.arange(300) / 4
    frame = pd.DataFrame(signal.T)
    made, _ = smooth(signal, time_s, kernel="exponential", width_s=2.0, causal=True)
    assert np.allclose(made, frame.ewm(alpha=1 - np.exp(-0.25 / 2.0)).mean().to_numpy().T)
    made, _ = smooth(signal, time_s, kernel="boxcar", width_s=2.0, causal=True)
    assert np.allclose(made, frame.rolling(8, min_periods=1).mean().to_numpy().T)
    made, _ = smooth(signal, time_s, kernel="boxcar", width_s=2.0, causal=False)
    assert np.allclose(made, frame.rolling(9, min_periods=1, center=True).mean().to_numpy().T)
    made, _ = smooth(signal, time_s, kernel="gaussian", width_s=1.0, causal=False)
    inside = slice(16, -16)
    assert np.allclose(made[:, inside], gaussian_filter1d(signal, 4.0, axis=1)[:, inside])


def test_missing_samples_and_irregular_stamps_give_what_pandas_gives():
    rng = np.random.default_rng(4)
    time_s = np.cumsum(rng.uniform(0.2, 0.9, size=200))
    signal = np.where(rng.random((1, 200)) < 0.2, np.nan, rng.normal(size=(1, 200)))
    times = pd.to_datetime(time_s, unit="s")
    halflife = pd.Timedelta(seconds=3.0 * np.log(2))
    expected = pd.Series(signal[0]).ewm(halflife=halflife, times=times).mean().to_numpy()
    made, mask = smooth(signal, time_s, kernel="exponential", width_s=3.0, causal=True)
    assert np.allclose(made[mask], expected[mask[0]], rtol=1e-6)


@every_kernel
@either_way
def test_nothing_is_smoothed_across_segments_or_long_gaps(kernel, causal):
    signal, time_s = np.repeat([[0.0, 1.0]], 8, axis=1), np.arange(16) / 2
    signal = np.sort(signal, axis=1)
    made, _ = smooth(signal, time_s, kernel=kernel, width_s=5.0, causal=causal, segments=[(0, 8), (8, 16)])
    assert np.allclose(made, signal)
    late = time_s + np.where(np.arange(16) >= 8, 1.5, 0.0)
    made, _ = smooth(signal, late, kernel=kernel, width_s=5.0, causal=causal, max_gap_s=1.0)
    assert np.allclose(made, signal)
    made, _ = smooth(signal, late, kernel=kernel, width_s=5.0, causal=causal)
    assert not np.allclose(made, signal)


def test_arguments_that_cannot_be_used_are_refused():
    arguments = {"signal": np.zeros((1, 3)), "time_s": np.arange(3.0), "causal": True}
    with pytest.raises(UsageError, match="unknown kernel"):
        smooth(**arguments, kernel="sinc", width_s=1.0)
    with pytest.raises(UsageError, match="width is a duration"):
        Smooth("boxcar", 0.0, causal=True)


@pytest.fixture
def version(make_store, generated):
    """Return a worm with irregular stamps, missing samples and a split in time."""
    rng = np.random.default_rng(5)
    time_s = np.cumsum(rng.uniform(0.3, 0.7, size=400))
    signal = np.where(rng.random((2, 400)) < 0.1, np.nan, rng.normal(size=(2, 400)))
    rows = [("1", "AVAL", "AVAL", "exact"), ("2", "AVAR", "AVAR", "exact")]
    return make_store({"worm": generated.worm(signal, rows, time_s=time_s)})


@every_kernel
@either_way
def test_windows_have_the_values_of_the_whole_recording(version, kernel, causal):
    data = WindowDataset(version, window=50, stride=35, transform=Smooth(kernel, 2.0, causal=causal))
    batch = data.batch(range(len(data)))
    activity = version.open("worm")["activity"]
    whole, mask = smooth(activity["signal"].values, activity["time"].values, kernel=kernel, width_s=2.0, causal=causal)
    assert len(data) == 11
    for at, start in enumerate(batch["start"].tolist()):
        assert np.array_equal(batch["mask"][at].numpy(), mask[:, start : start + 50])
        expected = np.where(mask, whole, 0.0)[:, start : start + 50]
        assert np.allclose(batch["signal"][at].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_smoothed_window_of_one_part_has_no_sample_of_another(make_store, generated, version):
    activity = version.open("worm")["activity"]
    time_s, signal = activity["time"].values, activity["signal"].values.copy()
    signal[:, 200:] = 1e6
    at_s = float(time_s[200])
    entries = (Entry("worm", "train", 0.0, at_s), Entry("worm", "test", at_s, 1000.0))
    split = Split(name="halves", plan={"kind": "by-hand"}, entries=entries, groups={})
    rows = [("1", "AVAL", "AVAL", "exact"), ("2", "AVAR", "AVAR", "exact")]
    parts = make_store({"worm": generated.worm(signal, rows, time_s=time_s)}, splits=[split], dataset="parts")
    how = Smooth("gaussian", 20.0, causal=False)
    train = WindowDataset(parts, window=50, split="halves/train", transform=how)
    assert len(train) == 4
    assert float(train.batch(range(4))["signal"].abs().max()) < 5
    whole = WindowDataset(parts, window=50, transform=how)
    assert float(whole.batch(range(4))["signal"].abs().max()) > 1e3


def test_smoothing_in_seconds_needs_a_clock_and_comes_first(make_store, generated, version):
    frames = make_store(
        {"worm": generated.worm(np.zeros((1, 20)), [("1", "AVAL", "AVAL", "exact")], frame_start=0)}, dataset="frames"
    )
    with pytest.raises(UsageError, match="clock in seconds"):
        WindowDataset(frames, window=5, transform=Smooth("boxcar", 1.0, causal=True))
    with pytest.raises(UsageError, match="comes first"):
        WindowDataset(version, window=5, transform=[Smooth("boxcar", 1.0, causal=True), CausalZScore()])
