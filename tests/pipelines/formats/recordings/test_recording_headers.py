"""Headers of recordings that say what cannot be: refused at their place, or read with a warning that says so."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import ConnectomeError, FormatError
from connectome.pipelines.export import export
from connectome.pipelines.formats import read
from connectome.pipelines.formats.recordings.numbers import decimal
from support.eeg_files import ONE, codes, edf, vhdr
from support.gdf_files import gdf

RAMP = [[np.arange(4)], [np.arange(4, 8)]]
HALF = ("a", "i2", 4275, (-32768, 32767, -32768, 32767), np.arange(12).reshape(3, 4))


@pytest.mark.parametrize("text", ["1/3", "1_000", "1e999999", "9" * 5000, "nan", "inf", "", "1,5", "٣", "0x1"])
def test_only_a_decimal_of_a_possible_length_is_a_number(text):
    assert decimal(text) is None
    assert decimal(" -1.5E-03 ") == decimal("-0.0015")


@pytest.mark.parametrize("record_s", ["1e999999", "1e-99999", "1e-50", "1e30", "1/3", "1_0"])
def test_a_rate_that_no_recording_has_is_refused_in_edf(record_s, tmp_path):
    path = edf(tmp_path / "a.edf", signals=[ONE], records=RAMP, record_s=record_s)
    with pytest.raises(FormatError) as caught:
        read(path, "mne")
    assert caught.value.place == "record duration"


@pytest.mark.parametrize("interval", ["1e999999999", "1e-30", "1/3", "9" * 5000])
def test_a_rate_that_no_recording_has_is_refused_in_brainvision(interval, tmp_path):
    with pytest.raises(FormatError) as caught:
        read(vhdr(tmp_path, SamplingInterval=interval), "mne")
    assert caught.value.place == "samplinginterval"


def test_a_rate_that_no_recording_has_is_refused_in_gdf(tmp_path):
    path = gdf(tmp_path / "a.gdf", channels=[HALF], record_s=(1, 2**32 - 1))
    with pytest.raises(FormatError) as caught:
        read(path, "mne")
    assert caught.value.place == "record duration"


def test_an_onset_of_too_many_digits_is_no_onset(tmp_path):
    path = edf(tmp_path / "a.edf", signals=[], records=[[]], variant="EDF+C", times=["+0"],
               texts={0: b"+" + b"9" * 40 + b"\x14a\x14\0"})  # fmt: skip
    with pytest.raises(FormatError) as caught:
        read(path, "mne")
    assert caught.value.place == "record 1, signal 1"


def test_an_edf_plus_file_without_its_annotation_signal_is_not_taken_for_a_plain_one(tmp_path):
    lost = edf(tmp_path / "c.edf", signals=[ONE], records=RAMP, variant="EDF+C")
    assert codes(read(lost, "mne")) == ["no-annotation-signal"]
    apart = edf(tmp_path / "d.edf", signals=[ONE], records=RAMP, variant="EDF+D")
    with pytest.raises(FormatError, match="lacks the times of its records"):
        read(apart, "mne")


@pytest.mark.parametrize(("least", "most"), [("40000", "2047"), ("-99999", "2047"), ("2047", "-2048"), ("-1", "32768")])
def test_a_digital_range_beyond_the_format_holds_and_is_flagged(least, most, tmp_path):
    signal = ("EEG Fz", "uV", "-100", "100", least, most)
    tree = read(edf(tmp_path / "a.edf", signals=[signal], records=RAMP), "mne")
    assert codes(tree) == ["odd-digital-range"]
    assert tree["signal"]["gain"].item() == pytest.approx(200 / (int(most) - int(least)))


def test_a_signal_without_samples_is_named(tmp_path):
    path = edf(tmp_path / "a.edf", signals=[ONE, ("empty", *ONE[1:])], records=[[np.arange(4), []]] * 2)
    tree = read(path, "mne")
    assert codes(tree) == ["no-samples"]
    assert tree["signal"]["channel"].values.tolist() == ["EEG Fz"]
    (made,) = export(tree, to="edf", destination=tmp_path / "b.edf")
    assert made.read_bytes() == path.read_bytes()


def test_a_file_of_marks_alone_says_when_its_clock_began(data_dir):
    table = read(data_dir / "eeg/physionet_sleepedf_sc4001/SC4001EC-Hypnogram.edf", "mne")["annotation"]
    assert table.attrs["recorded_at"] == "1989-04-24T16:13:00"
    assert table.attrs["file_format"] == "EDF+C"
    assert table.sizes["row"] == 154


def test_a_decimal_comma_is_read_as_a_point_and_flagged(tmp_path):
    signal = ("EEG Fz", "uV", "-204,8", "204,7", "-2048", "2047")
    tree = read(edf(tmp_path / "a.edf", signals=[signal], records=RAMP, record_s="0,5"), "mne")
    assert codes(tree) == ["decimal-comma", "decimal-comma"]
    assert tree["signal"]["gain"].item() == 0.1
    assert tree["signal"].attrs["rate_hz_numerator"] == 8


def test_a_brainvision_channel_of_resolution_zero_has_unknown_values(tmp_path):
    # A decimal comma splits the resolution, and zero is what is left of it.
    tree = read(vhdr(tmp_path, Ch1="Fz,,0,5,µV"), "mne")
    assert codes(tree) == ["no-scale"]
    assert math.isnan(tree["signal"]["gain"].values[0])
    assert tree["signal"]["gain"].values[1] == 2.0


def test_a_brainvision_header_cut_inside_its_last_channel_is_flagged(tmp_path):
    path = vhdr(tmp_path)
    whole = path.read_bytes()
    for cut in range(whole.index(b"Ch2=") + 4, len(whole)):
        path.write_bytes(whole[:cut])
        assert "header-without-end" in codes(read(path, "mne"))
    path.write_bytes(whole)
    assert codes(read(path, "mne")) == []


def test_a_brainvision_header_that_names_itself_is_no_file_of_samples(tmp_path):
    with pytest.raises(FormatError, match="names itself"):
        read(vhdr(tmp_path, DataFile="rec.vhdr"), "mne")


def test_what_a_brainvision_marker_cannot_say_is_left_out_and_flagged(tmp_path):
    marks = "Mk1=New Segment,,1,1,0,20201399000000000000\nMk2=Stimulus,S1,2,-7,0\nMk3=Stimulus,S2,3,1,9\n"
    tree = read(vhdr(tmp_path, markers=marks + "Mk4=New Segment,,11,1,0\n"), "mne")
    assert codes(tree) == ["odd-marker", "odd-marker"]
    assert "recorded_at" not in tree["signal"].attrs
    assert np.isnan(tree["annotation"]["duration_s"].values[1])
    assert tree["annotation"]["channel"].values.tolist() == ["", "", "", ""]
    # The last segment begins after the last sample: there is none.
    assert "segment_start" not in tree["signal"]


def test_what_a_gdf_table_of_events_contradicts_is_flagged(tmp_path):
    odd = gdf(tmp_path / "a.gdf", channels=[HALF], events=[(0, 769), (5, 770), (99, 771)], event_hz=8.0)
    assert codes(read(odd, "mne")) == ["rates-differ", "events-outside"]
    fits = gdf(tmp_path / "b.gdf", channels=[HALF], events=[(1, 769), (12, 770)], event_hz=4.0)
    assert codes(read(fits, "mne")) == []
    assert codes(read(gdf(tmp_path / "c.gdf", channels=[HALF]), "mne")) == ["no-events"]
    cut = gdf(tmp_path / "d.gdf", channels=[HALF], n_records=-1, extra=b"tail")
    assert "4 bytes" in read(cut, "mne").attrs["warnings"][0]["message"]


def test_an_eeglab_file_of_samples_with_changed_line_ends_is_named_where_the_size_is_right(data_dir, tmp_path):
    folder = data_dir / "eeg/eeglab_sample"
    shutil.copy(folder / "eeglab_data.set", tmp_path)
    whole = (folder / "eeglab_data.fdt").read_bytes()
    (tmp_path / "eeglab_data.fdt").write_bytes(whole.replace(b"\n", b"\r\n")[: len(whole)])
    with pytest.raises(FormatError, match="line ends were changed"):
        read(tmp_path / "eeglab_data.set", "mne")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("headers")
    vhdr(folder, markers="Mk1=New Segment,,1,1,0,0\nMk2=Stimulus,S1,4,2,2\n")
    return [
        edf(folder / "a.edf", signals=[ONE], records=RAMP, variant="EDF+C", times=["+0", "+1"]),
        edf(folder / "a.bdf", signals=[ONE], records=RAMP, bdf=True),
        gdf(folder / "a.gdf", channels=[HALF], events=[(1, 769)], event_hz=4.0),
        folder / "rec.vhdr",
    ]


@given(which=st.integers(0, 3), at=st.floats(0, 1, exclude_max=True), flipped=st.integers(1, 255))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_changed_byte_is_refused_or_gives_a_valid_record(small, which, at, flipped, tmp_path):
    path = small[which]
    for file in path.parent.iterdir():
        shutil.copy(file, tmp_path)
    damaged = bytearray(path.read_bytes())
    place = int(at * len(damaged))
    damaged[place] ^= flipped
    (tmp_path / path.name).write_bytes(damaged)
    message = ""
    try:
        schema.validate(read(tmp_path / path.name, "mne"), subject="generated")
    except ConnectomeError as error:
        message = error.message
    # Its own check has found it, not the net below all readers.
    assert message != "the reader cannot make sense of the file"
