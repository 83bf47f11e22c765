"""Nihon Kohden recordings: integers and their scale, blocks as segments, events at their true time. All generated."""

from __future__ import annotations

from datetime import datetime, timedelta

import mne
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import FORMATS, read, recognise
from connectome.schema.series import time_s
from support.eeg_files import codes
from support.nihon_kohden_files import nihon_kohden

CODES = (0, 17, 42, 76, 100)
BEGAN = datetime(2019, 12, 31, 23, 59, 58)
SAMPLES = np.random.default_rng(2).integers(-32768, 32768, (6, 800)).astype(np.int16)


def made(folder, *pauses, **options):
    """Write 4 s in as many blocks as there are pauses before them, and one."""
    parts = np.split(SAMPLES, len(pauses) + 1, axis=1)
    lasts = parts[0].shape[1] / 200
    starts = [BEGAN + timedelta(seconds=at * lasts + sum(pauses[:at])) for at in range(len(parts))]
    return nihon_kohden(folder, list(zip(starts, parts, strict=True)), codes=CODES, **options)


def test_integers_scale_labels_rate_date_and_events_are_those_of_the_files(tmp_path):
    names = {0: "Fp1", 17: "Cé", 100: ""}
    events = [(1.25, b"REC START"), (2.000001, "Anfall mit Bewußtsein".encode("latin-1"))]
    path = made(tmp_path, labels=names, events=events, parts_of_seconds=True)
    assert recognise([path]).name == "mne"
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    assert signal["signal"].dtype == np.int16
    assert np.array_equal(signal["signal"].values, SAMPLES)
    assert signal["source_label"].values.tolist() == ["Fp1", "Cé", "DC01", "Mark1", "", "Events/Markers"]
    assert signal["channel"].values.tolist()[4] == "channel-5"
    assert signal["channel_unit"].values.tolist() == ["uV", "uV", "mV", "mV", "uV", "1"]
    assert signal["kind"].values.tolist() == ["", "", "misc", "trig", "", "trig"]
    assert (signal.attrs["rate_hz_numerator"], signal.attrs["recorded_at"]) == (200, "2019-12-31T23:59:58")
    assert tree["annotation"]["description"].values.tolist() == ["REC START", "Anfall mit Bewußtsein"]
    np.testing.assert_allclose(tree["annotation"]["onset_s"].values, [1.25, 2.000001], rtol=1e-12)
    assert {item.name for item in FORMATS["mne"].inputs([path], {})} == {"rec.EEG", "rec.21E", "rec.LOG"}
    assert codes(tree) == []


def test_values_are_those_that_mne_reads_without_the_markers(tmp_path):
    path = made(tmp_path, 60, labels={})
    raw = mne.io.read_raw_nihon(path, verbose="error")
    data = read(path, "mne")["signal"]
    ours = data["signal"].values * data["gain"].values[:, None] + data["offset"].values[:, None]
    factors = np.array([{"uV": 1e-6, "mV": 1e-3}[unit] for unit in data["channel_unit"].values[:-1]])
    np.testing.assert_allclose(ours[:-1] * factors[:, None], raw.get_data(), rtol=1e-9, atol=1e-15)
    assert raw.ch_names == data["channel"].values.tolist()[:-1]


def test_a_pause_between_blocks_is_a_gap_and_events_move_with_their_block(tmp_path):
    events = [(0.0, b"a"), (1.5, b"b"), (2.5, b"c"), (3.0, b"d")]
    path = made(tmp_path, 60, 0, 5, events=events, parts_of_seconds=True, labels={})
    tree = read(path, "mne")
    signal = tree["signal"].dataset
    assert signal["segment_start"].values.tolist() == [0, 200, 400, 600]
    assert time_s(signal)[[0, 200, 400, 600, 799]].tolist() == [0.0, 61.0, 62.0, 68.0, 68.995]
    assert tree["annotation"]["onset_s"].values.tolist() == [0.0, 61.5, 62.5, 68.0]
    assert codes(tree) == ["gaps"]


def test_blocks_that_follow_each_other_are_segments_of_one_clock(tmp_path):
    path = made(tmp_path, 0.6, labels={}, events=[(3.0, b"x")])
    tree = read(path, "mne")
    assert tree["signal"]["segment_start"].values.tolist() == [0, 400]
    assert tree["annotation"]["onset_s"].values.tolist() == [3.0]
    assert codes(tree) == ["segments"]


@pytest.mark.parametrize("second", [BEGAN - timedelta(days=1), None])
def test_blocks_whose_dates_cannot_be_are_told_and_the_clock_counts_samples(second, tmp_path):
    path = nihon_kohden(
        tmp_path, [(BEGAN, SAMPLES[:, :400]), (second, SAMPLES[:, 400:])], codes=CODES, labels={}, events=[(3.0, b"x")]
    )
    tree = read(path, "mne")
    assert tree["annotation"]["onset_s"].values.tolist() == [3.0]
    assert codes(tree) == ["segments"]
    assert "no order" in tree.attrs["warnings"][0]["message"]


def test_missing_names_and_events_are_told(tmp_path):
    tree = read(made(tmp_path, events=None), "mne")
    assert tree["signal"]["source_label"].values.tolist()[:2] == ["FP1", "CZ"]
    assert codes(tree) == ["no-channel-names", "no-events"]


def test_events_without_a_time_are_left_out_and_told(tmp_path):
    path = made(tmp_path, events=[(1.0, b"one"), (2.0, b"two")], labels={})
    log = path.with_suffix(".LOG")
    log.write_bytes(log.read_bytes().replace(b"000002", b"      "))
    tree = read(path, "mne")
    assert tree["annotation"]["description"].values.tolist() == ["one"]
    assert codes(tree) == ["events-without-time"]


@pytest.mark.parametrize("cut", [1, 3000, 0x1810, 0x600])
def test_a_cut_file_is_refused(cut, tmp_path):
    path = made(tmp_path, 60)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut] if cut < 0x600 or cut == 3000 else whole[:cut])
    with pytest.raises(TruncatedError):
        read(path, "mne")


def test_blocks_that_do_not_go_together_and_other_devices_are_refused(tmp_path):
    path = made(tmp_path, 60)
    whole = bytearray(path.read_bytes())
    second = int.from_bytes(whole[0x400 + 38 : 0x400 + 42], "little")
    whole[second + 0x27] = 5
    path.write_bytes(whole)
    with pytest.raises(FormatError, match="same channels"):
        read(path, "mne")
    path.write_bytes(b"EEG-9999Z V01.00" + bytes(whole[16:]))
    with pytest.raises(FormatError, match="as its suffix demands"):
        read(path, "mne")
    log = made(tmp_path, 60).with_suffix(".LOG")
    log.write_bytes(b"something else altogether" * 20)
    with pytest.raises(FormatError, match="not a log"):
        read(path, "mne")
