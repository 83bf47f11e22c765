"""EDF and BDF recordings: integers, gaps and unknown ranges; bad ones refused by name."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import read
from connectome.schema.series import rate_hz, time_s
from support.eeg_files import ONE, codes, edf


def test_an_edf_file_keeps_integers_with_gain_and_offset(tmp_path):
    samples = np.array([-2048, 0, 2047, 5])
    tree = read(edf(tmp_path / "a.edf", signals=[ONE], records=[[samples], [samples[::-1]]]), "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"]
    assert signal["signal"].values.tolist() == [[-2048, 0, 2047, 5, 5, 2047, 0, -2048]]
    gain, offset = signal["gain"].values[0], signal["offset"].values[0]
    assert gain == float(Fraction(200, 4095))
    assert math.isclose(-2048 * gain + offset, -100)
    assert math.isclose(2047 * gain + offset, 100)
    assert rate_hz(signal.dataset) == 4
    assert signal["kind"].values.tolist() == ["eeg"]


@given(st.lists(st.integers(-(2**23), 2**23 - 1), min_size=1, max_size=20))
def test_any_24_bit_sample_of_a_bdf_file_is_kept(tmp_path_factory, values):
    path = edf(
        tmp_path_factory.mktemp("bdf") / "a.bdf",
        signals=[("Status", "Boolean", "-8388608", "8388607", "-8388608", "8388607")],
        records=[[np.array(values)]],
        bdf=True,
    )
    signal = read(path, "mne")["signal"]
    assert signal["signal"].values[0].tolist() == values
    assert signal["signal"].dtype == np.int32
    assert signal["kind"].values.tolist() == ["trig"]


def test_a_gap_in_a_discontinuous_file_stays_a_gap(tmp_path):
    records = [[np.arange(4) + 4 * k] for k in range(4)]
    texts = {2: b"+21.25\x150.5\x14after the gap\x14\0"}
    path = edf(
        tmp_path / "d.edf",
        signals=[ONE],
        records=records,
        variant="EDF+D",
        times=["+0.5", "+1.5", "+21", "+22"],
        texts=texts,
    )
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    assert signal["segment_start"].values.tolist() == [0, 8]
    assert signal["segment_stop"].values.tolist() == [8, 16]
    assert time_s(signal).tolist() == [0.25 * k for k in range(8)] + [20.5 + 0.25 * k for k in range(8)]
    assert tree["annotation"]["onset_s"].values.tolist() == [20.75]
    assert schema.measure(tree)["/signal"]["n_segments"] == 2


def test_a_discontinuous_file_without_gaps_is_one_piece(tmp_path):
    records = [[np.arange(4)], [np.arange(4)]]
    tree = read(edf(tmp_path / "d.edf", signals=[ONE], records=records, variant="EDF+D", times=["+0", "+1"]), "mne")
    assert rate_hz(tree["signal"].dataset) == 4
    assert schema.measure(tree)["/signal"]["n_segments"] == 1


def test_records_that_overlap_are_refused(tmp_path):
    records = [[np.arange(4)], [np.arange(4)]]
    path = edf(tmp_path / "d.edf", signals=[ONE], records=records, variant="EDF+D", times=["+5", "+0"])
    with pytest.raises(FormatError, match="before the one before it ends"):
        read(path, "mne")


def test_an_unclosed_file_is_counted_and_flagged(tmp_path):
    path = edf(tmp_path / "u.edf", signals=[ONE], records=[[np.arange(4)]] * 3, n_records=-1)
    tree = read(path, "mne")
    assert schema.measure(tree)["/signal"]["n_samples"] == 12
    assert codes(tree) == ["unclosed"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TruncatedError, match="inside a record"):
        read(path, "mne")


def test_an_empty_range_means_that_values_are_unknown(tmp_path):
    path = edf(tmp_path / "n.edf", signals=[("-", "", "0", "0", "0", "0"), ONE], records=[[np.arange(4), np.arange(4)]])
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    assert np.isnan(tree["signal"]["gain"].values[0])
    assert codes(tree) == ["no-scale"]


@pytest.mark.parametrize(
    ("at", "text", "place"),
    [
        (184, b"999     ", "header bytes"),
        (236, b"many    ", "number of records"),
        (236, b"0       ", "number of records"),
        (244, b"0       ", "record duration"),
        (252, b"0   ", "number of signals"),
        (256 + 104, b"low     ", "signal 1 (EEG Fz), physical_min"),
        (256 + 216, b"0       ", "samples per record"),
    ],
)
def test_an_edf_header_that_cannot_be_followed_is_refused_at_its_place(at, text, place, tmp_path):
    path = edf(tmp_path / "h.edf", signals=[ONE], records=[[np.arange(4)]])
    content = bytearray(path.read_bytes())
    content[at : at + len(text)] = text
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read(path, "mne")
    assert caught.value.place == place
