"""The benchmark of EEG windows on generated recordings: every way gives the windows that are asked for."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from benchmarks import eeg

pytestmark = [
    # Where braindecode can be imported, it imports libraries that call what torch deprecates,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # and says of its own lazy windows that they are slow.
    pytest.mark.filterwarnings("ignore:The provided mne.Epochs object"),
]

N_SAMPLES, N_CHANNELS, N_WINDOWS, BATCH = 3200, 5, 24, 8


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Make short recordings, and few windows of them; the real files are not looked at."""
    sizes = {"N_SAMPLES": N_SAMPLES, "N_CHANNELS": N_CHANNELS, "N_WINDOWS": N_WINDOWS, "BATCH": BATCH, "ROUNDS": 1}
    for name, value in sizes.items():
        monkeypatch.setattr(eeg, name, value)
    monkeypatch.setenv("CONNECTOME_TEST_DATA", str(tmp_path / "nothing"))


def test_every_way_gives_the_windows_of_the_generated_files(tmp_path):
    files, data = eeg.find_files(tmp_path)
    assert data == "generated"
    assert [path.name for path in files] == [f"{run}.edf" for run in eeg.RUNS]
    ways = eeg.Ways(files, tmp_path)
    eeg.check(ways)
    whole = [mne.io.read_raw_edf(path, verbose="error").get_data() * 1e6 for path in files]
    assert all(run.shape == (N_CHANNELS, N_SAMPLES) and np.ptp(run) > 100 for run in whole)
    expected = [
        whole[record][:, start : start + eeg.WINDOW] for record, start in zip(ways.record, ways.start, strict=True)
    ]
    named = ways.named()
    assert set(ways.braindecode) <= set(named)
    stream = named.pop("WindowStream")
    for name, way in named.items():
        found = np.concatenate([eeg.signal_of(batch).numpy() for batch in way()])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3, err_msg=name)
    seen = 0
    for batch in stream():
        for at, signal in enumerate(batch["signal"].numpy()):
            record = [path.stem for path in files].index(ways.stream.records[int(batch["record"][at])])
            start = int(batch["start"][at])
            np.testing.assert_allclose(signal, whole[record][:, start : start + eeg.WINDOW], rtol=1e-5, atol=1e-3)
        seen += len(batch["signal"])
    assert seen == len(ways.stream) * BATCH > 0


def test_the_figures_name_every_way_and_every_size():
    figures = eeg.run()
    assert figures["data"] == "generated"
    ways = set(figures["ms_per_window"])
    assert {"WindowDataset", "WindowStream", "np.memmap int16, scaled", "MNE lazy, get_data"} <= ways
    for name in ("ms_per_window_first_epoch", "dataset_rate_over", "stream_rate_over"):
        assert set(figures[name]) == ways
    assert figures["dataset_rate_over"]["WindowDataset"] == figures["stream_rate_over"]["WindowStream"] == 1
    n_bytes = len(eeg.RUNS) * N_CHANNELS * N_SAMPLES * 2
    assert figures["bytes"]["np.memmap int16"] == n_bytes
    assert figures["bytes"]["MNE preloaded, memory"] == 4 * n_bytes
    assert all(size > 0 for size in figures["bytes"].values())
    assert n_bytes < figures["bytes"]["EDF"] < 1.2 * n_bytes


def test_windows_that_differ_are_told(tmp_path):
    files, _ = eeg.find_files(tmp_path)
    ways = eeg.Ways(files, tmp_path)
    ways.gain = ways.gain * 1.01
    with pytest.raises(AssertionError, match="MNE lazy"):
        eeg.check(ways)
