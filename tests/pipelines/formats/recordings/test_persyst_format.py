"""Persyst recordings: integers and their scale, channels by their map, pauses as segments. All generated."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import FORMATS, read, recognise
from connectome.schema.series import time_s
from support.eeg_files import codes
from support.persyst_files import persyst

SAMPLES = np.random.default_rng(1).integers(-500, 500, (4, 800)).astype(np.int16)
"""Four seconds at 200 Hz."""


def onsets(tree) -> list[tuple[str, float, float]]:
    table = tree["annotation"]
    rows = zip(table["description"].values, table["onset_s"].values, table["duration_s"].values, strict=True)
    return [(str(text), float(onset), float(lasts)) for text, onset, lasts in rows]


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize("lead", [b"", b"twelve bytes"])
def test_integers_labels_rate_and_comments_are_those_of_the_files(dtype, lead, tmp_path):
    samples = SAMPLES.astype(dtype)
    path = persyst(tmp_path, samples, comments=["1.500000,0.250000,0,100,seizure, left?"], lead=lead)
    assert recognise([path]).name == "mne"
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    assert signal["signal"].dtype == dtype
    assert np.array_equal(signal["signal"].values, samples)
    assert (set(signal["gain"].values), set(signal["channel_unit"].values)) == ({0.5}, {"uV"})
    assert set(signal["unit_origin"].values) == {"assumed"}
    assert signal["source_label"].values.tolist() == ["E0-Ref", "E1-Ref", "E2-Ref", "E3-Ref"]
    assert signal.attrs["rate_hz_numerator"] == 200
    assert signal.attrs["recorded_at"] == "2020-01-02T10:11:12"
    assert onsets(tree) == [("seizure, left?", 1.5, 0.25)]
    assert tree["persyst/comment"]["type"].values.tolist() == ["100"]
    assert {file.name for file in FORMATS["mne"].inputs([path], {})} == {"rec.lay", "rec.dat"}
    assert codes(tree) == []


def test_values_are_those_that_mne_reads(tmp_path):
    path = persyst(tmp_path, SAMPLES)
    theirs = mne.io.read_raw_persyst(path, verbose="error").get_data()
    tree = read(path, "mne")["signal"]
    ours = tree["signal"].values * tree["gain"].values[:, None] * 1e-6
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_channels_stand_where_the_map_says_and_not_in_the_order_of_its_lines(tmp_path):
    path = persyst(tmp_path, SAMPLES, labels=["C3-Ref=4", "a=b=2", "c3-ref=1"])
    tree = read(path, "mne")
    assert tree["signal"]["source_label"].values.tolist() == ["c3-ref", "a=b", "", "C3-Ref"]
    assert codes(tree) == ["unnamed-channels"]


def test_a_pause_is_a_gap_between_segments_and_comments_move_with_their_samples(tmp_path):
    comments = ["0.5,0,0,100,first", "2.0,0.5,0,100,at the cut", "1.5,1.0,0,100,over the pause", "3.99,0,0,100,last"]
    times = [(0, 36672.25), (200, 36673.252), (400, 36734.25), (600, 36735.25)]
    tree = read(persyst(tmp_path, SAMPLES, times=times, comments=comments), "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    assert np.array_equal(signal["signal"].values, SAMPLES)
    assert signal["segment_start"].values.tolist() == [0, 400]
    assert time_s(signal)[[0, 399, 400, 799]].tolist() == [0.0, 1.995, 62.0, 63.995]
    assert onsets(tree) == [
        ("first", 0.5, 0.0),
        ("at the cut", 62.0, 0.5),
        ("over the pause", 1.5, 61.0),
        ("last", pytest.approx(63.99), 0.0),
    ]
    assert signal.attrs["recorded_at"] == "2020-01-02T10:11:12.250000"
    assert codes(tree) == ["gaps"]


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([(0, 0.0), (400, 2.01)], []),
        ([(0, 86399.0), (400, 86401.0)], []),
        ([(0, 50.0), (400, 10.0)], ["sample-times"]),
        ([(0, 0.0), (9000, 99.0)], ["sample-times"]),
    ],
    ids=["drift", "midnight", "back", "after the end"],
)
def test_drift_is_no_pause_and_times_that_cannot_be_are_told(times, said, tmp_path):
    tree = read(persyst(tmp_path, SAMPLES, times=times), "mne")
    assert codes(tree) == said
    assert "segment_start" not in tree["signal"]


def test_a_date_of_unknown_form_is_told(tmp_path):
    tree = read(persyst(tmp_path, SAMPLES, patient={"TestDate": "next week", "TestTime": "10"}), "mne")
    assert codes(tree) == ["date"]
    assert "recorded_at" not in tree["signal"].attrs


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"SamplingRate": "0"}, "no recording has such a rate"),
        ({"SamplingRate": "nan"}, "not a number"),
        ({"Calibration": ""}, "not a number"),
        ({"WaveformCount": "0"}, "not a whole number"),
        ({"WaveformCount": "3"}, "not a place"),
        ({"DataType": "1"}, "not known"),
        ({"FileType": "Nihon"}, "another vendor"),
        ({"File": "other.dat"}, "missing"),
        ({"File": "../rec.dat/"}, None),
        ({"HeaderLength": "-1"}, "not a whole number"),
    ],
)
def test_a_header_that_does_not_say_what_is_needed_is_refused(keys, message, tmp_path):
    path = persyst(tmp_path, SAMPLES, keys=keys)
    if message is None:
        assert read(path, "mne")["signal"].sizes["time"] == 800
        return
    with pytest.raises(FormatError, match=message):
        read(path, "mne")


@pytest.mark.parametrize("labels", [["a=1", "b=1", "c=2", "d=3"], ["no number"], ["a=9"]])
def test_a_map_that_fits_no_samples_is_refused(labels, tmp_path):
    with pytest.raises(FormatError, match="place"):
        read(persyst(tmp_path, SAMPLES, labels=labels), "mne")


def test_cut_samples_and_broken_comments_are_refused(tmp_path):
    path = persyst(tmp_path, SAMPLES)
    file = tmp_path / "rec.dat"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(TruncatedError):
        read(path, "mne")
    with pytest.raises(FormatError, match="not a comment"):
        read(persyst(tmp_path, SAMPLES, comments=["1.0,text"]), "mne")
    with pytest.raises(FormatError, match="not a number"):
        read(persyst(tmp_path, SAMPLES, comments=["soon,0,0,100,text"]), "mne")
