"""EEGLAB data sets: float32 as stored, latencies between samples, boundaries and epochs as segments."""

from __future__ import annotations

from fractions import Fraction

import h5py
import mne
import numpy as np
import pytest
import scipy.io

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import FORMATS, read
from connectome.schema.series import rate_hz
from support.eeg_files import codes


def dataset(folder, *, data="rec.fdt", trials=1, pnts=200, events=(), nested=True, samples=None, **changes):
    """Write a generated data set of three channels."""
    chance = np.random.default_rng(5)
    samples = chance.normal(0, 30, (3, pnts * trials)).astype(np.float32) if samples is None else samples
    places = [{"labels": name, "X": 1.0 + at, "Y": 2.0, "Z": 3.0, "type": "EEG"} for at, name in enumerate("ABC")]
    fields = {
        "setname": "generated",
        "nbchan": 3.0,
        "trials": float(trials),
        "pnts": float(pnts),
        "srate": 250.0,
        "xmin": -0.2 if trials > 1 else 0.0,
        "data": data if isinstance(data, str) else samples.reshape((3, pnts, trials), order="F").squeeze(),
        "chanlocs": places,
        "event": list(events),
        "ref": "common",
        **changes,
    }
    path = folder / "rec.set"
    scipy.io.savemat(path, {"EEG": fields} if nested else fields, oned_as="row")
    (folder / "rec.fdt").write_bytes(samples.T.astype("<f4").tobytes())
    return path, samples


@pytest.mark.data
def test_the_samples_of_the_tutorial_data_set_are_those_of_its_file(data_dir):
    folder = data_dir / "eeg/eeglab_sample"
    tree = read(folder / "eeglab_data.set", "mne")
    schema.validate(tree, subject="eeglab_data")
    signal = tree["signal"].dataset
    stored = np.fromfile(folder / "eeglab_data.fdt", dtype="<f4").reshape(30504, 32).T
    assert signal["signal"].dtype == np.float32
    assert np.array_equal(signal["signal"].values, stored)
    in_volts = mne.io.read_raw_eeglab(folder / "eeglab_data.set", verbose="error").get_data()
    np.testing.assert_allclose(in_volts, stored * 1e-6, rtol=1e-6)
    assert set(signal["unit_origin"].values) == {"assumed"}
    assert set(signal["channel_unit"].values) == {"uV"}
    assert signal["reference"].values.tolist() == ["common"] * 32
    table = tree["eeglab/event"]
    assert table["latency"].values[0] == 129.00875
    assert tree["annotation"]["onset_s"].values[0] == float((Fraction(129.00875) - 1) / 128)
    texts, counts = np.unique(tree["annotation"]["description"].values.astype(str), return_counts=True)
    assert dict(zip(texts.tolist(), counts.tolist(), strict=True)) == {"rt": 74, "square": 80}


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_samples_are_the_same_beside_and_inside_the_set(inside, nested, tmp_path):
    path, samples = dataset(tmp_path, data=None if inside else "rec.fdt", nested=nested)
    tree = read(path, "mne")
    assert tree["signal"]["signal"].dtype == np.float32
    assert np.array_equal(tree["signal"]["signal"].values, samples)
    assert rate_hz(tree["signal"].dataset) == 250
    names = [file.name for file in FORMATS["mne"].inputs([path], {})]
    assert names == (["rec.set"] if inside else ["rec.set", "rec.fdt"])


def test_boundaries_cut_segments_and_their_length_stays_with_the_event(tmp_path):
    events = [
        {"type": "cue", "latency": 10.25, "duration": 5.0},
        {"type": "boundary", "latency": 100.5, "duration": 4000.0},
        {"type": "boundary", "latency": 151.0, "duration": np.nan},
        {"type": 7.0, "latency": 160.0, "duration": np.array([])},
        {"type": "lost", "latency": np.nan, "duration": 0.0},
    ]
    tree = read(dataset(tmp_path, events=events)[0], "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    assert signal["segment_start"].values.tolist() == [0, 100, 150]
    assert codes(tree) == ["segments", "no-latency"]
    table = tree["annotation"]
    assert table["description"].values.tolist() == ["cue", "boundary", "boundary", "7"]
    assert table["onset_s"].values.tolist() == [9.25 / 250, 99.5 / 250, 0.6, 159 / 250]
    assert table["duration_s"].values[:2].tolist() == [0.02, 16.0]
    assert np.isnan(table["duration_s"].values[2:]).all()
    assert tree["eeglab/event"].sizes["row"] == 5


def test_epochs_are_segments_in_the_order_of_the_file(tmp_path):
    for data in ("rec.fdt", None):
        path, samples = dataset(tmp_path, data=data, trials=4, pnts=50)
        tree = read(path, "mne")
        assert np.array_equal(tree["signal"]["signal"].values, samples)
        assert tree["signal"]["segment_start"].values.tolist() == [0, 50, 100, 150]
        assert tree["signal"].attrs["epoch_start_s"] == -0.2
        assert codes(tree) == ["epochs"]


def test_a_renamed_file_of_samples_is_found_and_said(tmp_path):
    path, samples = dataset(tmp_path, data="D:\\study\\before.fdt")
    tree = read(path, "mne")
    assert np.array_equal(tree["signal"]["signal"].values, samples)
    assert codes(tree) == ["renamed"]


def test_a_set_of_version_7_3_is_read_too(tmp_path):
    samples = np.random.default_rng(1).normal(size=(3, 40)).astype(np.float32)
    path = tmp_path / "rec.set"
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group("EEG")
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for name, value in {"nbchan": 3.0, "trials": 1.0, "pnts": 40.0, "srate": 100.0}.items():
            group.create_dataset(name, data=np.array([[value]])).attrs["MATLAB_class"] = np.bytes_("double")
        group.create_dataset("data", data=samples.T).attrs["MATLAB_class"] = np.bytes_("single")
    content = bytearray(path.read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file, generated".ljust(124) + b"\x00\x02IM"
    path.write_bytes(content)
    tree = read(path, "mne")
    assert np.array_equal(tree["signal"]["signal"].values, samples)
    assert tree["signal"]["channel"].values.tolist() == ["channel-1", "channel-2", "channel-3"]


@pytest.mark.parametrize(
    ("changes", "error", "place"),
    [
        ({"data": "rec.dat"}, FormatError, "data"),
        ({"srate": 0.0}, FormatError, "srate"),
        ({"nbchan": 4.0}, TruncatedError, None),
        ({"pnts": 100}, FormatError, None),
        ({"chanlocs": [{"labels": "A"}, {"labels": "B"}]}, FormatError, "chanlocs"),
    ],
)
def test_a_data_set_that_contradicts_itself_is_refused_at_its_place(changes, error, place, tmp_path):
    samples = np.zeros((3, 200), np.float32)
    path, _ = dataset(tmp_path, samples=samples, **changes)
    with pytest.raises(error) as caught:
        read(path, "mne")
    assert type(caught.value) is error
    assert caught.value.place == place


def test_missing_samples_and_several_data_sets_are_refused(tmp_path):
    path, _ = dataset(tmp_path)
    (tmp_path / "rec.fdt").unlink()
    with pytest.raises(FormatError, match="missing"):
        read(path, "mne")
    scipy.io.savemat(path, {"ALLEEG": [{"data": 1.0}, {"data": 2.0}]})
    with pytest.raises(FormatError, match="several data sets"):
        read(path, "mne")
