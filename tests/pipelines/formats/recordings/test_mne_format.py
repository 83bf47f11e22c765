"""The format ``mne`` whatever the file: strange files, sidecars, ids, units and rates."""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, MissingExtraError, TruncatedError, UsageError
from connectome.pipelines.formats import read
from connectome.pipelines.formats.recordings.mne_raw import sniff
from connectome.pipelines.formats.recordings.recording import exact_rate, udunits, unique_ids
from support.eeg_files import ONE, codes, edf, sidecar, vhdr


@pytest.mark.parametrize("suffix", [".vhdr", ".edf", ".bdf", ".gdf", ".set", ".fif"])
@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(3000), b"a,b\n1,2\n" * 300], ids=["empty", "png", "text"]
)
def test_something_else_under_the_name_of_a_recording_is_refused(suffix, content, tmp_path):
    path = tmp_path / f"fake{suffix}"
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read(path, "mne")
    assert str(path) in caught.value.subject
    assert isinstance(caught.value, TruncatedError) == (content == b"")
    assert not sniff(path)


def test_a_pointer_in_place_of_a_recording_is_refused(tmp_path):
    path = tmp_path / "sub-1_eeg.edf"
    path.write_text("/annex/objects/MD5E-s1234--abc.edf\n")
    with pytest.raises(TruncatedError, match="git-annex") as caught:
        read(path, "mne")
    assert caught.value.expected == "1234 bytes"


def test_sidecar_rows_that_fit_no_channel_are_named(tmp_path):
    table = sidecar(
        tmp_path, "channels.tsv", "﻿name\ttype\tunits\tstatus\tnote\nCz\tEEG\tmV\tbad\tn/a\nXx\tEOG\tuV\tgood\tx\n"
    )
    tree = read([vhdr(tmp_path), table], "mne")
    schema.validate(tree, subject="generated")
    assert codes(tree) == ["byte-order-mark", "channels-without-row", "rows-without-channel"]
    assert [item["message"] for item in tree.attrs["warnings"]][1:] == ["no row for Fz", "no channel for Xx"]
    assert schema.decode(tree["signal"]["status"]).tolist() == ["", "bad"]
    assert tree["signal"]["kind"].values.tolist() == ["", "eeg"]
    assert tree["signal"]["note"].values.tolist() == ["", ""]


def test_repeated_names_in_file_and_sidecar_are_matched_in_order(tmp_path):
    table = sidecar(tmp_path, "channels.tsv", "name\ttype\nA\tEEG\nA\tECOG\n")
    tree = read([vhdr(tmp_path, Ch1="A,,1,µV", Ch2="A,,1,µV"), table], "mne")
    assert tree["signal"]["channel"].values.tolist() == ["A", "A#2"]
    assert tree["signal"]["kind"].values.tolist() == ["eeg", "ecog"]


def test_a_sidecar_that_speaks_of_another_rate_or_length_is_flagged(tmp_path):
    text = '{"SamplingFrequency": 500, "RecordingDuration": 90.0}'
    tree = read([vhdr(tmp_path), sidecar(tmp_path, "x_ieeg.json", text)], "mne")
    assert codes(tree) == ["rate-differs", "duration-differs"]
    assert tree["signal"].attrs["sidecar"]["RecordingDuration"] == 90.0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x_events.tsv", "onset\tduration\n1.0\n", "does not fit the columns"),
        ("x_events.tsv", "onset\tonset\n1\t2\n", "column names repeat"),
        ("x_events.tsv", "", "empty"),
        ("x_events.tsv", "onset\ta b\ta/b\n1\t1\t2\n", "one name"),
        ("x_events.tsv", "a\tb\n1\t2\n", "a column is missing"),
        ("x_eeg.json", "{", "not JSON"),
        ("x_eeg.json", "[1]", "not a JSON object"),
        ("x_eeg.json", '{"a": NaN}', "not a JSON number"),
    ],
)
def test_a_broken_sidecar_is_refused(name, text, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        read([vhdr(tmp_path), sidecar(tmp_path, name, text)], "mne")


def test_a_missing_mne_names_the_extra_but_brainvision_and_edf_need_none(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mne", None)
    read(vhdr(tmp_path), "mne")
    read(edf(tmp_path / "a.edf", signals=[ONE], records=[[np.arange(4)]]), "mne")
    path = tmp_path / "a.gdf"
    path.write_bytes(b"GDF 1.25" + bytes(1000))
    with pytest.raises(MissingExtraError) as caught:
        read(path, "mne")
    assert caught.value.hint == 'pip install "connectome[eeg]"'


def test_two_recordings_or_strange_sidecars_are_refused(tmp_path):
    with pytest.raises(UsageError, match="one recording"):
        read([vhdr(tmp_path), vhdr(tmp_path, name="other")], "mne")
    with pytest.raises(UsageError, match="not a sidecar"):
        read([vhdr(tmp_path), sidecar(tmp_path, "participants.tsv", "a\tb\n")], "mne")
    with pytest.raises(UsageError, match="unknown value"):
        read(vhdr(tmp_path), "mne", sidecars="no")


@given(st.lists(st.sampled_from(["A", "A#2", "A#3", "B", ""]), max_size=12))
def test_channel_ids_are_unique_and_first_ones_keep_their_label(labels):
    ids = unique_ids(labels)
    assert len(set(ids)) == len(ids) == len(labels)
    for at, label in enumerate(labels):
        if label and label not in labels[:at]:
            assert ids[at] == label


def test_units_are_spelled_as_udunits_does():
    assert [udunits(text) for text in ("µV", "μV", "uV", "mV", "DegC", "", "n/a")] == [
        "uV",
        "uV",
        "uV",
        "mV",
        "degC",
        "",
        "n/a",
    ]


def test_rates_from_floats_become_simple_fractions_only_where_they_are_equal():
    assert exact_rate(1000 / 3) == Fraction(1000, 3)
    assert exact_rate(999.4121105232217) == Fraction(999.4121105232217)
    assert float(exact_rate(1017.2526245117188)) == 1017.2526245117188
    assert exact_rate(0.1 + 0.2) == Fraction(0.1 + 0.2)
