"""Epochs, filters and channel sets on real recordings, against what MNE makes of the same files."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome import pipelines, store
from connectome.loaders.recordings import Baseline, EpochSource
from connectome.loaders.recordings.channel_sets import ChannelSet
from connectome.loaders.recordings.filters import Filter
from connectome.loaders.recordings.windows import WindowSource

mne = pytest.importorskip("mne")
RUNS = ("S001R06", "S001R10", "S001R14")
HANDS_AND_FEET = {"T1": "hands", "T2": "feet"}
BAND = Filter(7.0, 30.0)


@pytest.fixture(scope="module")
def eegmmidb(
    data_dir: Path, tmp_path_factory: pytest.TempPathFactory, commit_records: Callable[..., store.Version]
) -> store.Version:
    """Return runs 6, 10 and 14 of S001."""
    folder = data_dir / "eeg" / "physionet_eegmmidb"
    found = {path.stem: path for path in sorted(folder.rglob("S001R*.edf"))}
    trees = {run: pipelines.read([found[run]]) for run in RUNS}
    return commit_records(tmp_path_factory.mktemp("eegmmidb"), "eegmmidb", trees)


def raw_of(data_dir: Path, run: str) -> Any:
    """Return a run as MNE reads it, in microvolts."""
    path = next((data_dir / "eeg" / "physionet_eegmmidb").rglob(f"{run}.edf"))
    return mne.io.read_raw_edf(path, preload=True, verbose="error")


def test_a_filtered_run_is_what_mne_makes_of_the_file(eegmmidb: store.Version, data_dir: Path) -> None:
    source = WindowSource(eegmmidb, group="signal", window=160, records=[RUNS[0]], filters=BAND, dtype="float64")
    raw = raw_of(data_dir, RUNS[0]).filter(7.0, 30.0, fir_design="firwin", verbose="error")
    signal, mask = source.stretch(0, 0, source.infos[0].n_samples)
    assert mask.all()
    expected = raw.get_data() * 1e6
    assert np.abs(signal - expected).max() < 1e-9 * np.abs(expected).max()


def test_epochs_are_those_of_mne(eegmmidb: store.Version, data_dir: Path) -> None:
    source = EpochSource(
        eegmmidb, group="signal", tmin_s=-1, tmax_s=4, closed=True, labels=HANDS_AND_FEET, filters=BAND, dtype="float64"
    )
    made = source.windows(np.arange(len(source))).signal
    at = 0
    for run in RUNS:
        raw = raw_of(data_dir, run).filter(7.0, 30.0, fir_design="firwin", verbose="error")
        events, _ = mne.events_from_annotations(raw, event_id={"T1": 0, "T2": 1}, verbose="error")
        epochs = mne.Epochs(raw, events, tmin=-1, tmax=4, baseline=None, preload=True, verbose="error")
        expected = epochs.get_data(copy=False) * 1e6
        assert np.array_equal(source.label[at : at + len(expected)], epochs.events[:, 2])
        assert np.abs(made[at : at + len(expected)] - expected).max() < 1e-9 * np.abs(expected).max()
        assert np.array_equal(source.time_s, epochs.times)
        at += len(expected)
    assert at == len(source) == 45
    assert len(source.dropped) == 0
    assert source.label_names == ("hands", "feet")


def test_a_baseline_is_that_of_mne(eegmmidb: store.Version, data_dir: Path) -> None:
    source = EpochSource(
        eegmmidb, group="signal", tmin_s=-1, tmax_s=2, closed=True, labels=HANDS_AND_FEET, records=[RUNS[0]],
        dtype="float64",
    )  # fmt: skip
    raw = raw_of(data_dir, RUNS[0])
    events, _ = mne.events_from_annotations(raw, event_id={"T1": 0, "T2": 1}, verbose="error")
    windows = source.windows(np.arange(len(source)))
    # The second stretch ends between two samples.
    for stretch in ((None, 0), (-0.5, -0.203), (0, 2)):
        epochs = mne.Epochs(raw, events, tmin=-1, tmax=2, baseline=stretch, preload=True, verbose="error")
        expected = epochs.get_data(copy=False) * 1e6
        made = Baseline(*stretch).bind(source)(windows)
        assert made.mask.all()
        assert np.abs(made.signal - expected).max() < 1e-9 * np.abs(expected).max()


def test_hands_against_feet_has_the_accuracy_of_mnes_example(eegmmidb: store.Version) -> None:
    from mne.decoding import CSP
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import ShuffleSplit, cross_val_score
    from sklearn.pipeline import make_pipeline

    source = EpochSource(
        eegmmidb, group="signal", tmin_s=1, tmax_s=2, closed=True, labels=HANDS_AND_FEET, filters=BAND, dtype="float64"
    )
    signal = source.windows(np.arange(len(source))).signal * 1e-6
    with mne.utils.use_log_level("error"):
        scores = cross_val_score(
            make_pipeline(CSP(4, reg=None, log=True, norm_trace=False), LinearDiscriminantAnalysis()),
            signal,
            source.label,
            cv=ShuffleSplit(10, test_size=0.2, random_state=42),
        )
    assert round(float(scores.mean()), 4) == 0.9333


def test_plain_names_find_channels_that_the_file_writes_with_dots(eegmmidb: store.Version) -> None:
    plain = ChannelSet(names=["C3", "Cz", "C4", "T99"], spelling="plain")
    source = WindowSource(eegmmidb, group="signal", window=160, records=[RUNS[0]], channels=plain)
    stored = WindowSource(eegmmidb, group="signal", window=160, records=[RUNS[0]], channels=["C3..", "Cz..", "C4.."])
    assert source.channels == ("C3", "Cz", "C4", "T99")
    batch = source.windows([3])
    assert np.array_equal(batch.signal[:, :3], stored.windows([3]).signal)
    assert batch.mask.all(axis=(0, 2)).tolist() == [True, True, True, False]
    assert stored.channel_info().mask.all()


@pytest.mark.parametrize(
    ("low_hz", "high_hz", "rate_hz"),
    [(7, 30, 160), (None, 40, 160), (1, None, 160), (0.5, 70, 512), (0.1, None, 100), (4, 79, 160), (13, 100, 1000)],
)
def test_coefficients_are_those_of_mne(low_hz: float | None, high_hz: float | None, rate_hz: int) -> None:
    taps = Filter(low_hz, high_hz).at(Fraction(rate_hz)).taps  # type: ignore[attr-defined]
    expected = mne.filter.create_filter(None, float(rate_hz), low_hz, high_hz, verbose="error")
    assert len(taps) == len(expected)
    assert np.abs(taps - expected).max() < 1e-15


def test_epochs_travel_to_another_process_whole(eegmmidb: store.Version) -> None:
    source = EpochSource(eegmmidb, group="signal", tmin_s=0, tmax_s=1, labels=HANDS_AND_FEET, filters=BAND)
    there = pickle.loads(pickle.dumps(source))
    assert there.index.digest == source.index.digest
    assert np.array_equal(there.windows([44, 3]).signal, source.windows([44, 3]).signal)
    assert there.description() == source.description()
