"""Curry recordings: float32 samples in either order, channels at their place, events beside them. All generated."""

from __future__ import annotations

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import FORMATS, read, recognise
from support.curry_files import GROUPS, curry
from support.eeg_files import codes

SAMPLES = np.random.default_rng(9).normal(0, 30, (3, 400)).astype(np.float32)
EVENTS = [(0, 0, 7, 0, 0, 0, 0, 0), (100, 0, 12, 0, 100, 150, 0, 0), (399, 0, 7, 0, 399, 399, 0, 0)]


@pytest.mark.parametrize("later", [True, False])
@pytest.mark.parametrize("order", ["SAMP", "CHAN"])
def test_samples_places_units_rate_date_and_events_are_those_of_the_files(later, order, tmp_path):
    path = curry(
        tmp_path, SAMPLES, later=later, keys={"DataSampOrder": order}, events=EVENTS, remarks=["a", "long", "a"]
    )
    assert recognise([path]).name == "mne"
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    assert signal["signal"].dtype == np.float32
    assert np.array_equal(signal["signal"].values, SAMPLES)
    assert signal["channel"].values.tolist() == ["Cz", "Fp1", "Trigger"]
    assert signal["kind"].values.tolist() == ["eeg", "eeg", "misc"]
    assert set(signal["channel_unit"].values) == {"uV"}
    assert set(signal["unit_origin"].values) == {"file"}
    assert signal["x"].values.tolist()[:2] == [1.5, 0.5]
    assert signal["x"].attrs["units"] == "mm"
    assert (signal.attrs["rate_hz_numerator"], signal.attrs["recorded_at"]) == (500, "2019-12-24T23:59:01.125000")
    table = tree["annotation"]
    assert table["onset_s"].values.tolist() == [0.0, 0.2, 0.798]
    assert table["duration_s"].values[1] == 0.1
    assert np.isnan(table["duration_s"].values[[0, 2]]).all()
    assert table["description"].values.tolist() == ["7", "12", "7"]
    assert table["label"].values.tolist() == ["a", "long", "a"]
    names = {"rec.cdt", "rec.cdt.dpa", "rec.cdt.cef"} if later else {"rec.dat", "rec.dap", "rec.rs3", "rec.cef"}
    assert {item.name for item in FORMATS["mne"].inputs([path], {})} == names
    assert codes(tree) == []


@pytest.mark.parametrize("name", ["rec.cdt.dpa", "rec.cdt.cef"])
def test_any_file_of_a_recording_stands_for_it(name, tmp_path):
    curry(tmp_path, SAMPLES, events=EVENTS)
    assert read(tmp_path / name, "mne")["signal"].sizes["time"] == 400


def test_numbers_in_text_and_magnetometers_are_read(tmp_path):
    groups = [("_MAG1", "fT", ("M1", "M2"), (1, 2)), GROUPS[1]]
    tree = read(curry(tmp_path, SAMPLES, keys={"DataFormat": "ASCII"}, groups=groups), "mne")
    assert np.array_equal(tree["signal"]["signal"].values.astype(np.float32), SAMPLES)
    assert tree["signal"]["kind"].values.tolist() == ["mag", "mag", "misc"]
    assert tree["signal"]["channel_unit"].values.tolist() == ["fT", "fT", "uV"]
    assert codes(tree) == ["sensor-directions"]


def test_trials_are_segments_and_rates_that_differ_and_missing_events_are_told(tmp_path):
    path = curry(tmp_path, SAMPLES, keys={"NumSamples": "100", "NumTrials": "4", "SampleTimeUsec": "4000"}, events=None)
    tree = read(path, "mne")
    assert np.array_equal(tree["signal"]["signal"].values, SAMPLES)
    assert tree["signal"]["segment_start"].values.tolist() == [0, 100, 200, 300]
    assert codes(tree) == ["rates-differ", "trials", "no-events"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"NumSamples": "401"}, "end early"),
        ({"NumSamples": "399"}, "more samples"),
        ({"NumTrials": "0"}, "positive number"),
        ({"NumChannels": "x"}, "positive number"),
        ({"SampleFreqHz": "0", "SampleTimeUsec": "0"}, "no sampling rate"),
        ({"DataByteOrder": "MOTOROLA"}, "not read"),
        ({"NumChannels": "4", "NumSamples": "300"}, "do not match"),
        ({"NumChannels": "2", "NumSamples": "600"}, "not a place"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(keys, message, tmp_path):
    with pytest.raises(FormatError, match=message) as caught:
        read(curry(tmp_path, SAMPLES, keys=keys), "mne")
    assert isinstance(caught.value, TruncatedError) == (message == "end early")


def test_broken_events_and_missing_samples_are_refused(tmp_path):
    path = curry(tmp_path, SAMPLES, events=[(1, 2)])
    with pytest.raises(FormatError, match="not an event"):
        read(path, "mne")
    path.unlink()
    with pytest.raises(FormatError, match="missing"):
        read(tmp_path / "rec.cdt.dpa", "mne")
