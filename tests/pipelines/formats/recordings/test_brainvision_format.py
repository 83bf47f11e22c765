"""BrainVision recordings: integers, gains, layouts and exact rates; bad ones refused by name."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UnsafeError
from connectome.pipelines.formats import read
from connectome.schema.series import rate_hz
from support.eeg_files import codes, vhdr


def test_brainvision_keeps_integers_gains_units_and_references(tmp_path):
    tree = read(
        vhdr(tmp_path, markers="Mk1=New Segment,,1,1,0,20240102030405000006\nMk2=Stimulus,S\\1 1,4,2,2\n"), "mne"
    )
    schema.validate(tree, subject="generated")
    signal = tree["signal"]
    assert signal["signal"].values.tolist() == [list(range(0, 20, 2)), list(range(1, 20, 2))]
    assert signal["gain"].values.tolist() == [0.5, 2.0]
    assert signal["channel_unit"].values.tolist() == ["uV", "mV"]
    assert signal["source_unit"].values.tolist() == ["µV", "mV"]
    assert signal["reference"].values.tolist() == ["", "ref"]
    assert signal.attrs["recorded_at"] == "2024-01-02T03:04:05.000006"
    marks = tree["annotation"]
    assert marks["onset_s"].values.tolist() == [0.0, 0.003]
    assert marks["duration_s"].values.tolist() == [0.001, 0.002]
    assert marks["description"].values.tolist() == ["", "S, 1"]
    assert marks["channel"].values.tolist() == ["", "Cz"]


@pytest.mark.parametrize(
    ("stored", "name"), [("<i2", "INT_16"), ("<i4", "INT_32"), ("<f4", "IEEE_FLOAT_32"), (">i2", "INT_16")]
)
@pytest.mark.parametrize("orientation", ["MULTIPLEXED", "VECTORIZED"])
def test_brainvision_layouts_give_the_same_samples(stored, name, orientation, tmp_path):
    values = np.random.default_rng(5).integers(-999, 999, (10, 2)).astype(stored)
    samples = values if orientation == "MULTIPLEXED" else np.ascontiguousarray(values.T)
    extra = ["[Binary Infos]", "UseBigEndianOrder=YES"] if stored.startswith(">") else []
    tree = read(vhdr(tmp_path, samples=samples, BinaryFormat=name, DataOrientation=orientation, extra=extra), "mne")
    assert np.array_equal(tree["signal"]["signal"].values, values.T)
    assert tree["signal"]["signal"].dtype == np.dtype(stored).newbyteorder("=")


@pytest.mark.parametrize(
    ("interval", "rate"), [("200", 5000), ("3906.25", 256), ("976.5625", 1024), ("1500", Fraction(2000, 3))]
)
def test_the_sampling_interval_gives_an_exact_rate(interval, rate, tmp_path):
    assert rate_hz(read(vhdr(tmp_path, SamplingInterval=interval), "mne")["signal"].dataset) == rate


def test_further_segments_are_rows_of_the_segment_table(tmp_path):
    tree = read(vhdr(tmp_path, markers="Mk1=New Segment,,1,1,0\nMk2=New Segment,,7,1,0\n"), "mne")
    assert tree["signal"]["segment_start"].values.tolist() == [0, 6]
    assert tree["signal"]["segment_stop"].values.tolist() == [6, 10]
    assert codes(tree) == ["segments"]


def test_files_that_lie_elsewhere_may_be_given(tmp_path):
    header = vhdr(tmp_path)
    for name in ("rec.eeg", "rec.vmrk"):
        (tmp_path / name.replace(".", "-")).mkdir()
        (tmp_path / name).rename(tmp_path / name.replace(".", "-") / name)
    with pytest.raises(FormatError, match="missing") as caught:
        read(header, "mne")
    assert caught.value.expected == "rec.eeg"
    tree = read([tmp_path / "rec-vmrk" / "rec.vmrk", header, tmp_path / "rec-eeg" / "rec.eeg"], "mne")
    assert schema.measure(tree)["/signal"]["n_samples"] == 10


def test_a_cut_or_missing_part_of_a_brainvision_recording_is_named(tmp_path):
    header = vhdr(tmp_path, markers="Mk1=Stimulus,a,10,1,0\n")
    whole = (tmp_path / "rec.eeg").read_bytes()
    for cut in (0, 1, 39):
        (tmp_path / "rec.eeg").write_bytes(whole[:cut])
        with pytest.raises(TruncatedError) as caught:
            read(header, "mne")
        assert caught.value.expected == "a multiple of 4 bytes"
        assert caught.value.found == f"{cut} bytes"
    (tmp_path / "rec.eeg").write_bytes(whole[:32])
    with pytest.raises(TruncatedError, match="after the last sample") as caught:
        read(header, "mne")
    assert caught.value.found == "8 samples"
    (tmp_path / "rec.eeg").write_bytes(whole)
    (tmp_path / "rec.vmrk").unlink()
    with pytest.raises(FormatError, match="missing") as caught:
        read(header, "mne")
    assert caught.value.expected == "rec.vmrk"


@pytest.mark.parametrize(("points", "error"), [("11", TruncatedError), ("9", FormatError)])
def test_an_announced_number_of_points_is_checked(points, error, tmp_path):
    with pytest.raises(error):
        read(vhdr(tmp_path, DataPoints=points), "mne")


@pytest.mark.parametrize(
    ("changes", "error", "place"),
    [
        ({"NumberOfChannels": "3"}, FormatError, "[Channel Infos]"),
        ({"NumberOfChannels": "none"}, FormatError, "numberofchannels"),
        ({"SamplingInterval": "0"}, FormatError, "samplinginterval"),
        ({"SamplingInterval": None}, FormatError, "samplinginterval"),
        ({"BinaryFormat": "INT_12"}, FormatError, "BinaryFormat"),
        ({"DataOrientation": "SPIRAL"}, FormatError, "DataOrientation"),
        ({"DataType": "FREQUENCYDOMAIN"}, FormatError, "DataType"),
        ({"DataFile": "../secret.eeg"}, UnsafeError, "datafile"),
        ({"DataFile": "/etc/hostname"}, UnsafeError, "datafile"),
        ({"MarkerFile": "..\\x.vmrk"}, UnsafeError, "markerfile"),
        ({"Ch2": "Cz,,two,µV"}, FormatError, "Ch2, resolution"),
        ({"extra": ["Ch2=again"]}, FormatError, "line 16"),
        ({"markers": "Mk1=Stimulus,a\n"}, FormatError, "mk1"),
        ({"markers": "Mk1=Stimulus,a,0,1,0\n"}, FormatError, "mk1"),
    ],
)
def test_a_header_that_cannot_be_followed_is_refused_at_its_place(changes, error, place, tmp_path):
    with pytest.raises(error) as caught:
        read(vhdr(tmp_path, **changes), "mne")
    assert caught.value.place == place
