"""Views of filtered and resampled recordings, on generated signals."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.signal import resample_poly

from connectome import schema
from connectome.errors import UsageError
from connectome.loaders.recordings import filtering
from connectome.loaders.recordings.filters import Filter, Polyphase
from connectome.loaders.recordings.transforms import ZScore
from connectome.loaders.recordings.windows import WindowSource
from connectome.splits import Entry, Split

RATE = Fraction(200)
BANDS = {
    "fir": Filter(1.0, 40.0),
    "low-pass": Filter(high_hz=30.0),
    "band-stop": Filter(48.0, 52.0, stop=True),
    "butterworth": Filter(1.0, 40.0, kind="butterworth"),
    "causal fir": Filter(4.0, 40.0, causal=True),
    "causal butterworth": Filter(1.0, 40.0, kind="butterworth", causal=True),
}
AT_ONCE = {"fir": 1e-12, "low-pass": 1e-12, "band-stop": 1e-12, "causal fir": 1e-12}
RECURSIVE = 1e-9


def drift(n_channels: int = 3, n_samples: int = 6000, seed: int = 0) -> np.ndarray:
    """Return a walk with an offset: the hard case for the ends of a filter."""
    return np.random.default_rng(seed).standard_normal((n_channels, n_samples)).cumsum(axis=1) + 1000.0


def source_of(version: Any, **options: Any) -> WindowSource:
    return WindowSource(version, **{"group": "signal", "window": 50, "dtype": "float64", **options})


@pytest.fixture
def one(make_store: Callable[..., Any], generated: Any) -> Callable[..., Any]:
    """Return a function that stores one recording."""

    def make(signal: np.ndarray, **options: Any) -> Any:
        group = generated.series(signal, **{"rate_hz": RATE, **options})
        return make_store({"a": schema.record({"signal": group})})

    return make


@pytest.mark.parametrize("name", BANDS)
def test_blocks_are_what_filtering_the_whole_recording_gives(
    name: str, one: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = drift(n_samples=40_000)
    version, band = one(signal), BANDS[name]
    expected = band.at(RATE)(signal)
    monkeypatch.setattr(filtering, "BLOCK_SAMPLES", 512)
    source = source_of(version, filters=band)
    found, mask = source.stretch(0, 0, signal.shape[1])
    assert mask.all()
    assert source._blocks.n_filtered > 1
    assert np.abs(found - expected).max() <= AT_ONCE.get(name, RECURSIVE) * np.abs(signal).max()


@pytest.mark.parametrize("name", ["fir", "butterworth"])
def test_windows_are_the_same_bits_in_any_order_and_with_any_memory(
    name: str, one: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtering, "BLOCK_SAMPLES", 256)
    version = one(drift(n_samples=20_000))
    options = {"filters": BANDS[name], "resample_hz": 128, "stride": 13}
    plenty, scarce = source_of(version, **options), source_of(version, **options, filter_bytes=1)
    forward = plenty.windows(np.arange(len(plenty)))
    order = np.random.default_rng(1).permutation(len(scarce))[:60]
    shuffled = scarce.windows(order)
    assert np.array_equal(shuffled.signal, forward.signal[order])
    whole, _ = scarce.stretch(0, 0, scarce.infos[0].n_samples)
    assert np.array_equal(forward.signal[5], whole[:, 65:115])


@pytest.mark.parametrize("name", BANDS)
def test_nothing_passes_a_gap(
    name: str, one: Callable[..., Any], make_store: Callable[..., Any], generated: Any
) -> None:
    signal = drift()
    other = signal.copy()
    other[:, 2500:] += 500 * drift(seed=7)[:, 2500:]
    found = {}
    for key, values in (("a", signal), ("b", other)):
        group = generated.series(values, rate_hz=RATE, segments=[(0, 2500), (2500, 6000)])
        version = make_store({key: schema.record({"signal": group})}, dataset=f"gap-{key}")
        source = source_of(version, filters=BANDS[name])
        assert len(source.index.record) == 2
        found[key] = source.stretch(0, 0, 2500)[0]
    assert np.array_equal(found["a"], found["b"])
    assert np.allclose(found["a"], BANDS[name].at(RATE)(signal[:, :2500]), rtol=0, atol=1e-9)


def test_samples_that_were_not_taken_are_gaps_of_their_channel_alone(one: Callable[..., Any]) -> None:
    signal, band = drift(), BANDS["fir"]
    signal[1, 3000:3100] = np.nan
    found, mask = source_of(one(signal), filters=band).stretch(0, 0, 6000)
    assert mask[[0, 2]].all()
    assert not mask[1, 3000:3100].any()
    assert mask[1].sum() == 5900
    assert np.allclose(found[[0, 2]], band.at(RATE)(signal[[0, 2]]), rtol=0, atol=1e-9)
    assert np.allclose(found[1, :3000], band.at(RATE)(signal[1:2, :3000])[0], rtol=0, atol=1e-9)
    assert np.allclose(found[1, 3100:], band.at(RATE)(signal[1:2, 3100:])[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["causal fir", "causal butterworth"])
def test_a_causal_filter_does_not_know_the_future(name: str, make_store: Callable[..., Any], generated: Any) -> None:
    signal = drift()
    other = signal.copy()
    other[:, 3001:] = 0.0
    found = []
    for key, values in (("a", signal), ("b", other)):
        tree = schema.record({"signal": generated.series(values, rate_hz=RATE)})
        version = make_store({key: tree}, dataset=f"future-{key}")
        low = Filter(high_hz=20.0, kind=BANDS[name].kind, causal=True)
        for options in ({"filters": BANDS[name]}, {"filters": [BANDS[name], low], "resample_hz": 50}):
            source = source_of(version, **options)
            stop = 3001 if len(options) == 1 else 751
            found.append(source.stretch(0, 0, stop)[0])
    assert np.array_equal(found[0], found[2])
    assert np.array_equal(found[1], found[3])
    assert found[0].std() > 0


def test_no_sample_of_another_part_of_the_split_has_a_say(make_store: Callable[..., Any], generated: Any) -> None:
    signal = drift()
    entries = (Entry("r", "train", 0.0, 15.0), Entry("r", "test", 15.0, 30.0))
    found = []
    for factor in (1.0, 100.0):
        values = signal.copy()
        values[:, 3000:] *= factor
        tree = schema.record({"signal": generated.series(values, rate_hz=RATE)})
        split = Split(name="time", plan={"kind": "by-hand"}, entries=entries, groups={})
        version = make_store({"r": tree}, [split], dataset=f"parts-{factor:g}")
        source = source_of(version, filters=BANDS["fir"], resample_hz=100, split="time/train")
        assert source.index.end.tolist() == [1500]
        found.append(source.stretch(0, 0, 1500)[0])
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize(("new_hz", "up", "down"), [(125, 5, 8), (100, 1, 2), (256, 32, 25), (Fraction(1000, 3), 5, 3)])
def test_resampling_is_that_of_scipy_on_an_exact_clock(
    new_hz: Fraction, up: int, down: int, one: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtering, "BLOCK_SAMPLES", 700)
    signal = drift()
    source = source_of(one(signal), resample_hz=new_hz)
    n_new = (signal.shape[1] - 1) * up // down + 1
    assert source.infos[0].n_samples == n_new
    assert source.infos[0].rate_hz == Fraction(new_hz)
    found, mask = source.stretch(0, 0, n_new)
    expected = resample_poly(signal - 1000.0, up, down, axis=1)[:, :n_new] + 1000.0
    inside = slice(200, n_new - 200)
    assert mask.all()
    # Scipy's low-pass has a ripple of a thousandth, which its phases do not share.
    assert np.abs(found - expected)[:, inside].max() < 2e-3 * np.abs(signal - 1000.0).max()
    assert np.array_equal(source.times(0, 0, n_new), np.arange(n_new) * down / (200 * up) if up == 1 else
                          np.arange(n_new) * Fraction(new_hz).denominator / Fraction(new_hz).numerator)  # fmt: skip


def test_a_constant_stays_a_constant_at_any_rate(one: Callable[..., Any]) -> None:
    version = one(np.full((1, 3000), 1234.5))
    for new_hz in (125, 256, Fraction(1000, 3)):
        found, _ = source_of(version, resample_hz=new_hz).stretch(0, 0, 1000)
        assert np.abs(found - 1234.5).max() < 1e-9


def test_a_segment_begins_on_its_own_sample_of_the_new_clock(one: Callable[..., Any]) -> None:
    signal = drift(n_samples=2003)
    stamps = np.concatenate([np.arange(1001) / 200, 60.0 + np.arange(1002) / 200])
    version = one(
        signal, rate_hz=None, time_s=stamps, segments=[(0, 1001), (1001, 2003)], segment_rate_hz_numerator=200,
        segment_rate_hz_denominator=1,
    )  # fmt: skip
    source = source_of(version, resample_hz=80)
    assert source.infos[0].segments == ((0, 401), (401, 802))
    assert source.times(1, 401, 404).tolist() == [60.0, 60.0125, 60.025]
    assert source.times(0, 0, 2).tolist() == [0.0, 0.0125]


def test_a_run_that_begins_between_two_samples_keeps_the_clock() -> None:
    signal = drift(n_samples=3000)
    change = Polyphase(5, 8)
    whole, _ = change(signal, 0)
    part, start = change(signal[:, 777:2501], 777)
    assert start == -(-777 * 5 // 8)
    assert np.allclose(part[:, 30:-30], whole[:, start + 30 : start + part.shape[1] - 30], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": Filter(high_hz=120.0)}, "beyond half the rate"),
        ({"resample_hz": Fraction(200_003, 1000)}, "small numbers"),
        ({"filters": Filter(4, 90, causal=True), "resample_hz": 100}, "causal"),
        ({"filters": [Filter(4, 40), Filter(4, 40, causal=True)]}, "looks ahead"),
        ({"resample_hz": 0}, "not a rate"),
    ],
)
def test_what_cannot_be_filtered_is_refused(options: dict[str, Any], message: str, one: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=message):
        source_of(one(drift()), **options)


def test_a_filter_longer_than_what_it_filters_is_told(make_store: Callable[..., Any], generated: Any) -> None:
    stamps = np.concatenate([np.arange(400), np.arange(1000, 1100), np.arange(2000, 2004)]) / 100
    told = {"segment_rate_hz_numerator": 100, "segment_rate_hz_denominator": 1}
    series = generated.series(
        np.random.default_rng(0).normal(size=(1, 504)),
        time_s=stamps,
        segments=[(0, 400), (400, 500), (500, 504)],
        **told,
    )
    version = make_store({"a": schema.record({"signal": series})})
    # A high-pass at 2 Hz is 165 samples long: the second stretch is shorter, and the third has no window.
    with pytest.warns(UserWarning, match=r"a filter of 165 samples .* a \(100 samples\)$"):
        WindowSource(version, group="signal", window=50, filters=[Filter(2), Filter(None, 30)])
    WindowSource(version, group="signal", window=200, filters=Filter(2))
    WindowSource(version, group="signal", window=50, filters=Filter(2, kind="butterworth"))


def test_a_recording_without_an_exact_rate_is_not_filtered(one: Callable[..., Any]) -> None:
    stamps = np.cumsum(np.random.default_rng(0).uniform(0.004, 0.006, 6000))
    with pytest.raises(UsageError, match="exact rate"):
        source_of(one(drift(), rate_hz=None, time_s=stamps), filters=BANDS["fir"])


def test_statistics_of_one_view_are_refused_for_another(one: Callable[..., Any]) -> None:
    version = one(drift())
    fitted = ZScore.fit(source_of(version, filters=BANDS["fir"]), allow_leak=True)
    fitted.bind(source_of(version, filters=BANDS["fir"]))
    with pytest.raises(UsageError, match="another view"):
        fitted.bind(source_of(version))


def test_what_was_done_is_in_the_description(one: Callable[..., Any]) -> None:
    told = source_of(one(drift()), filters=BANDS["butterworth"], resample_hz=Fraction(1000, 9)).description()
    assert told["resample_hz"] == "1000/9"
    assert told["filters"][0]["low_hz"] == 1.0
    assert told["filters"][0]["kind"] == "butterworth"
