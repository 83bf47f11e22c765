"""Recordings that MNE-Python reads: what was not recorded is a gap, further files count as inputs, all generated."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import mne
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import FORMATS, read
from connectome.pipelines.formats.recordings.through_mne import in_segments
from connectome.schema.series import time_s
from support.eeg_files import codes


def recording(n_samples=1000, *, n_channels=3, dated=False, first_samp=0) -> mne.io.RawArray:
    """Make a generated recording of 100 Hz."""
    values = np.random.default_rng(3).normal(0, 1e-5, (n_channels, n_samples))
    info = mne.create_info([f"E{number}" for number in range(n_channels)], 100.0, "eeg")
    raw = mne.io.RawArray(values, info, first_samp=first_samp, verbose="error")
    if dated:
        raw.set_meas_date(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC))
    return raw


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("first_samp", [0, 750])
def test_what_a_fif_file_skips_is_a_gap_between_segments(dated, first_samp, tmp_path):
    raw = recording(dated=dated, first_samp=first_samp)
    values = raw.get_data()
    shift = raw.first_time if dated else 0.0
    # Whole buffers of the writer, because only those are left out.
    marks = mne.Annotations([2.0 + shift, 7.5 + shift], [3.0, 0.1], ["BAD_ACQ_SKIP", "cue"], raw.info["meas_date"])
    raw.set_annotations(marks)
    path = tmp_path / "generated_raw.fif"
    raw.save(path, buffer_size_sec=1.0, verbose="error")
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    stored = values.astype(np.float32)
    np.testing.assert_allclose(signal["signal"].values, np.delete(stored, np.s_[200:500], axis=1), rtol=1e-6)
    assert signal["segment_start"].values.tolist() == [0, 200]
    assert time_s(signal)[[0, 199, 200, -1]].tolist() == [0.0, 1.99, 5.0, 9.99]
    assert "gaps" in codes(tree)
    at = tree["annotation"]["description"].values.tolist().index("cue")
    assert tree["annotation"]["onset_s"].values[at] == pytest.approx(7.5, abs=1e-6)
    assert signal.attrs.get("first_sample_number", 0) == first_samp


@pytest.mark.parametrize("first_samp", [0, 750])
def test_recordings_that_were_put_together_are_segments_without_a_known_gap(first_samp, tmp_path):
    parts = [recording(400, first_samp=first_samp), recording(300), recording(300)]
    raw = mne.concatenate_raws(parts, verbose="error")
    path = tmp_path / "generated_raw.fif"
    raw.save(path, fmt="double", verbose="error")
    tree = read(path, "mne")
    signal = tree["signal"].dataset
    assert np.array_equal(signal["signal"].values, raw.get_data())
    assert signal["segment_start"].values.tolist() == [0, 400, 700]
    assert time_s(signal)[-1] == 9.99
    assert codes(tree) == ["segments"]


def test_a_boundary_beside_a_gap_cuts_at_its_true_time(tmp_path):
    raw = recording()
    raw.set_annotations(mne.Annotations([2.0, 7.0], [3.0, 0.0], ["BAD_ACQ_SKIP", "EDGE boundary"]))
    path = tmp_path / "generated_raw.fif"
    raw.save(path, buffer_size_sec=1.0, verbose="error")
    tree = read(path, "mne")
    signal = tree["signal"].dataset
    assert signal["segment_start"].values.tolist() == [0, 200, 400]
    assert time_s(signal)[[199, 200, 399, 400]].tolist() == [1.99, 5.0, 6.99, 7.0]
    assert codes(tree) == ["gaps", "segments"]


@pytest.mark.parametrize(("onset", "starts"), [(0.0, [2]), (8.0, [])])
def test_what_was_not_recorded_at_either_end_is_left_out_and_told(onset, starts):
    raw = recording()
    values = raw.get_data()
    at = round(onset * 100)
    values[:, at : at + 200] = 0
    raw.set_annotations(mne.Annotations([onset], [2.0], ["BAD_ACQ_SKIP"]))
    signal, segments, found, told = in_segments(raw, values, Fraction(100))
    assert np.array_equal(signal, np.delete(values, np.s_[at : at + 200], axis=1))
    assert (segments, found) == ([(0, 800)], starts)
    assert [item["code"] for item in told] == ["gaps"]


@pytest.mark.parametrize("first", [200, 201, 333])
@pytest.mark.parametrize("shift", [0.0, -0.5])
def test_gaps_are_found_whether_their_marks_lie_on_a_sample_or_before_it(first, shift):
    raw = recording()
    values = raw.get_data()
    values[:, first : first + 100] = 0
    raw.set_annotations(mne.Annotations([(first + shift) / 100], [1.0], ["BAD_ACQ_SKIP"]))
    signal, segments, starts, _ = in_segments(raw, values, Fraction(100))
    assert np.array_equal(signal, np.delete(values, np.s_[first : first + 100], axis=1))
    assert segments == [(0, first), (first, 900)]
    assert starts == [0, Fraction(first + 100, 100)]


def test_all_parts_of_a_split_recording_are_read_and_count_as_inputs(tmp_path):
    raw = recording(40_000, n_channels=16)
    path = tmp_path / "generated_raw.fif"
    raw.save(path, split_size="2MB", buffer_size_sec=10, verbose="error")
    assert len(list(tmp_path.iterdir())) > 1
    tree = read(path, "mne")
    assert tree["signal"].sizes["time"] == 40_000
    assert {file.name for file in FORMATS["mne"].inputs([path], {})} == {item.name for item in tmp_path.iterdir()}
    next(item for item in sorted(tmp_path.iterdir()) if item != path).unlink()
    with pytest.raises(FormatError):
        read(path, "mne")


def test_bad_channels_and_the_origin_of_units_are_columns(tmp_path):
    raw = recording()
    raw.info["bads"] = ["E1"]
    path = tmp_path / "generated_raw.fif"
    raw.save(path, verbose="error")
    tree = read(path, "mne")
    assert schema.decode(tree["signal"]["status"]).tolist() == ["", "bad", ""]
    assert set(tree["signal"]["unit_origin"].values) == {"file"}
    assert "float64 in SI units" in tree["signal"].attrs["conversion"]


def test_folders_and_files_that_only_have_the_name_are_refused_before_anything_guesses(tmp_path):
    folder = tmp_path / "sub.ds"
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing")
    with pytest.raises(FormatError, match="not a folder of a recording"):
        read(folder, "mne")
    for suffix in (".cnt", ".eeg", ".fif", ".lay"):
        path = tmp_path / f"fake{suffix}"
        path.write_bytes(np.random.default_rng(0).bytes(5000))
        with pytest.raises(FormatError, match="as its suffix demands"):
            read(path, "mne")
        path.write_bytes(b"")
        with pytest.raises(TruncatedError):
            read(path, "mne")
