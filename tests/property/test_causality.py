"""Changing samples after t never changes, by a single bit, what is called causal up to t.

And what is not causal looks ahead as far as it says: resampling by the maximal gap, or half a step.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema, store
from connectome.loaders.recordings.moments import Moments, causal_moments
from connectome.loaders.recordings.resampling import resample
from connectome.loaders.recordings.smoothing import Smooth, smooth
from connectome.loaders.recordings.transforms import CausalZScore
from connectome.loaders.torch import WindowDataset

Array = np.ndarray[Any, Any]
METHODS = ("linear", "mean", "nearest")
WIDTHS_S = (0.3, 2.0, 45.0)


def z_score(signal: Array, time_s: Array) -> Array:
    del time_s
    moments = causal_moments(np.nan_to_num(signal), ~np.isnan(signal), Moments.none(len(signal)))
    with np.errstate(invalid="ignore", divide="ignore"):
        made: Array = (signal - moments.mean) / moments.std()
    return made


def smoothed(kernel: Any, width_s: float, max_gap_s: float | None) -> Callable[[Array, Array], Array]:
    return lambda signal, time_s: smooth(
        signal, time_s, kernel=kernel, width_s=width_s, causal=True, max_gap_s=max_gap_s
    )[0]


CAUSAL: dict[str, Callable[[Array, Array], Array]] = {
    "z-score": z_score,
    **{
        f"{kernel} {width_s:g} s, gaps {max_gap_s}": smoothed(kernel, width_s, max_gap_s)
        for kernel in ("exponential", "boxcar", "gaussian")
        for width_s in WIDTHS_S
        for max_gap_s in (None, 1.0)
    },
    "z-score of boxcar": lambda signal, time_s: z_score(smoothed("boxcar", 3.0, None)(signal, time_s), time_s),
}


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Array, Array, Array, int]:
    """Draw stamps with repeats and gaps, two recordings of three channels that are the same up to t, and t."""
    n_samples = draw(st.integers(2, 200))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    time_s = np.cumsum(generator.integers(0, 8, n_samples)) / 8
    t = draw(st.integers(0, n_samples - 1))
    pair = []
    for share in (draw(st.sampled_from([0.0, 0.2])), draw(st.sampled_from([0.0, 0.2, 1.0]))):
        signal = generator.normal(scale=10.0 ** draw(st.integers(-3, 6)), size=(3, n_samples))
        # The channels miss different samples, so that they are worked on apart or together.
        signal[generator.random(signal.shape) < share * np.array([[1.0], [0.5], [0.0]])] = np.nan
        pair.append(signal)
    first, other = pair
    other[:, : t + 1] = first[:, : t + 1]
    return time_s, first, other, t


@pytest.mark.parametrize("name", CAUSAL)
@given(recording=recordings())
@settings(max_examples=40, deadline=None)
def test_nothing_that_is_called_causal_looks_ahead(name: str, recording: Any) -> None:
    time_s, signal, other, t = recording
    one, two = (CAUSAL[name](values, time_s)[:, : t + 1] for values in (signal, other))
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("method", METHODS)
@given(recording=recordings(), rate_hz=st.sampled_from([0.5, 3.0, 10.0]), max_gap_s=st.sampled_from([0.5, 2.0]))
@settings(max_examples=40, deadline=None)
def test_resampling_looks_ahead_as_far_as_it_says_and_no_further(
    method: Any, recording: Any, rate_hz: float, max_gap_s: float
) -> None:
    time_s, signal, other, t = recording
    one, two = (
        resample(values, time_s, rate_hz=rate_hz, max_gap_s=max_gap_s, method=method) for values in (signal, other)
    )
    # Whether a stretch goes on is known once the next sample that counts is, at most a gap later.
    known = one.time_s < time_s[t] - max(max_gap_s, 0.5 / rate_hz) - 1e-6
    assert np.array_equal(one.time_s, two.time_s)
    assert one.mask[:, known].tobytes() == two.mask[:, known].tobytes()
    assert one.signal[:, known].tobytes() == two.signal[:, known].tobytes()


@pytest.mark.parametrize(
    "transform",
    [
        CausalZScore(),
        Smooth("exponential", 2.0, causal=True),
        Smooth("boxcar", 3.0, causal=True),
        Smooth("gaussian", 1.5, causal=True, max_gap_s=1.0),
    ],
    ids=["z-score", "exponential", "boxcar", "gaussian"],
)
@pytest.mark.parametrize("t", [3, 77, 140])
def test_windows_of_a_store_do_not_change_when_the_future_of_the_recording_does(
    transform: Any, t: int, tmp_path: Path
) -> None:
    generator = np.random.default_rng(t)
    signal = generator.normal(size=(3, 160))
    signal[0, 20:25] = np.nan
    other = signal.copy()
    other[:, t + 1 :] = generator.normal(100, 50, size=(3, 159 - t))
    other[1, t + 1 :] = np.nan
    batches = []
    for name, values in (("one", signal), ("two", other)):
        repository = store.Repository(tmp_path / name)
        group = schema.series(
            values, channel=["a", "b", "c"], units="1", long_name="Generated signal", rate_hz=Fraction(2)
        )
        receipt = store.write_record(
            schema.record({"activity": group}),
            repository.folder("generated"),
            record="worm",
            recipe=store.Recipe(source="generated", source_version="1", inputs=()),
            staging=repository.staging,
        )
        repository.commit("generated", [receipt])
        windows = WindowDataset("generated", root=tmp_path / name, window=16, stride=5, transform=transform)
        batches.append(windows.batch(range(len(windows))))
    one, two = batches
    past = one["time_s"][:, None, :].expand_as(one["mask"]) <= t / 2
    assert past.any()
    for key in ("mask", "signal"):
        assert bool((one[key][past] == two[key][past]).all()), key
