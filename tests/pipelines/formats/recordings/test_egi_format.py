"""EGI's simple binary: samples in their type, microvolts by range and bits, tracks of events. All generated."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import read, recognise
from support.eeg_files import codes
from support.mne_layouts import egi

SAMPLES = np.random.default_rng(6).integers(-32768, 32768, (4, 500)).astype(np.int16)
TRACKS = {"DIN1": np.zeros(500, np.int16), "stm+": np.zeros(500, np.int16)}
TRACKS["DIN1"][[10, 11, 12, 300]] = 1
TRACKS["stm+"][[0, 12]] = 1


@pytest.mark.parametrize("dtype", ["i2", "f4", "f8"])
def test_samples_labels_rate_events_and_milliseconds_are_those_of_the_file(dtype, tmp_path):
    samples = (SAMPLES / (1 if dtype == "i2" else 3)).astype(dtype)
    path = egi(tmp_path / "rec.raw", samples, TRACKS)
    assert recognise([path]).name == "mne"
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    assert signal["signal"].dtype == np.dtype(dtype)
    assert np.array_equal(signal["signal"].values[:4], samples)
    assert np.array_equal(signal["signal"].values[5], TRACKS["stm+"])
    assert signal["channel"].values.tolist() == ["E1", "E2", "E3", "E4", "DIN1", "stm+"]
    assert signal["kind"].values.tolist() == ["eeg"] * 4 + ["trig"] * 2
    assert signal["channel_unit"].values.tolist() == ["uV"] * 4 + ["1"] * 2
    assert signal.attrs["recorded_at"] == "2012-06-30T23:59:01.250000"
    rows = zip(tree["annotation"]["onset_s"].values * 250, tree["annotation"]["description"].values, strict=True)
    assert [(round(float(at), 9), str(text)) for at, text in rows] == [
        (0, "stm+"), (10, "DIN1"), (12, "stm+"), (300, "DIN1"),
    ]  # fmt: skip
    assert codes(tree) == ["no-channel-names"]


def test_range_and_bits_lead_to_microvolts_which_mne_takes_for_volts(tmp_path):
    path = egi(tmp_path / "rec.raw", SAMPLES, {}, extent=(16, 20_000))
    data = read(path, "mne")["signal"]
    assert set(data["gain"].values) == {20_000 / 2**16}
    theirs = mne.io.read_raw_egi(path, verbose="error").get_data()
    np.testing.assert_allclose(data["signal"].values * data["gain"].values[:, None], theirs, rtol=1e-12)
    path = egi(tmp_path / "plain.raw", SAMPLES, {})
    np.testing.assert_allclose(SAMPLES * 1e-6, mne.io.read_raw_egi(path, verbose="error").get_data(), rtol=1e-12)
    assert set(read(path, "mne")["signal"]["gain"].values) == {1.0}


def test_a_date_that_is_none_is_told(tmp_path):
    tree = read(egi(tmp_path / "rec.raw", SAMPLES, {}, date=(0, 0, 0, 0, 0, 0, 0)), "mne")
    assert codes(tree) == ["no-channel-names", "date"]


def test_cut_long_segmented_and_impossible_files_are_refused(tmp_path):
    path = egi(tmp_path / "rec.raw", SAMPLES, TRACKS)
    whole = path.read_bytes()
    for cut in (20, 40, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(TruncatedError):
            read(path, "mne")
    path.write_bytes(whole + b"\0")
    with pytest.raises(FormatError, match="more samples"):
        read(path, "mne")
    with pytest.raises(FormatError, match="not a continuous recording"):
        read(egi(path, SAMPLES, TRACKS, version=3), "mne")
    with pytest.raises(FormatError, match="what cannot be"):
        read(egi(path, SAMPLES, TRACKS, rate_hz=0), "mne")
