"""Recordings out again: EDF and BDF to the byte, integers of other origin as EDF+, anything as FIF."""

from __future__ import annotations

import json
from fractions import Fraction

import edfio
import mne
import numpy as np
import pyedflib
import pytest
import xarray as xr

from connectome import schema
from connectome.errors import UsageError
from connectome.mne_raw import raw_array
from connectome.pipelines.cli import main
from connectome.pipelines.export import export, exports_for, remarks
from connectome.pipelines.formats import read
from connectome.pipelines.privacy import strip
from connectome.schema.series import rate_hz, time_s
from support.eeg_files import ONE, TINY, edf
from support.gdf_files import gdf

REAL = (
    "mne_misc_ecog_seizure/sub-pat01_ses-test_acq-ecog_ieeg.edf",
    "mne_misc_seeg/sample_seeg.edf",
    "mne_python_formats/biosemi_test.bdf",
    "physionet_chbmit_meta/stub_chb05_06_random_signal.edf",
    "physionet_eegmmidb/S001R04.edf",
    "physionet_sleepedf_sc4001/SC4001EC-Hypnogram.edf",
    "physionet_sleepedf_sc4001/short_psg.edf",
)


@pytest.mark.data
@pytest.mark.parametrize("name", REAL, ids=[name.rpartition("/")[2] for name in REAL])
def test_a_real_edf_or_bdf_file_comes_out_byte_for_byte(name, data_dir, tmp_path):
    source = data_dir / "eeg" / name
    tree = read(source, "mne")
    assert "edf" in exports_for(tree)
    (path,) = export(tree, to="edf", destination=tmp_path / f"out{source.suffix}")
    assert path.read_bytes() == source.read_bytes()
    assert remarks(tree, to="edf") == []


@pytest.mark.data
def test_the_command_gives_back_what_it_was_given(data_dir, tmp_path, capsys):
    source = data_dir / "eeg/physionet_eegmmidb/S001R06.edf"
    root = ["--root", str(tmp_path / "root"), "--json"]
    assert main(["import", "mne", str(source), "--dataset", "mine", *root]) == 0
    capsys.readouterr()
    dest = tmp_path / "again.edf"
    assert main(["export", "mine", "--record", "S001R06", "--to", "edf", str(dest), *root]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(dest)
    assert dest.read_bytes() == source.read_bytes()


def test_gaps_several_annotation_lists_and_unclosed_files_come_out_byte_for_byte(tmp_path):
    records = [[np.arange(4) * k] for k in range(3)]
    plus = {"signals": [ONE], "records": records, "variant": "EDF+D", "times": ["+0.5", "+1.5", "+9"]}
    for name, changes in (
        ("gap.edf", {"texts": {1: b"+1.75\x150.5\x14caf\xc3\xa9\x14\0"}}),
        ("unclosed.edf", {"n_records": -1}),
        ("gap.bdf", {"bdf": True}),
        ("marks.edf", {"signals": [], "records": [[]] * 3}),
        ("unclosed-marks.edf", {"signals": [], "records": [[]] * 3, "n_records": -1}),
    ):
        path = edf(tmp_path / name, **(plus | changes))
        (made,) = export(read(path, "mne"), to="edf", destination=tmp_path / f"out-{name}")
        assert made.read_bytes() == path.read_bytes(), name


def test_a_changed_signal_is_not_passed_off_as_the_file_that_was_read(tmp_path):
    tree = read(edf(tmp_path / "a.edf", signals=[ONE], records=[[np.arange(4)]] * 3), "mne")
    series = tree["signal"].to_dataset()
    series["gain"] = series["gain"] * 2
    changed = xr.DataTree.from_dict(
        {"/": tree.to_dataset(), "/signal": series, "/edf/header": tree["edf/header"].to_dataset()}
    )
    (path,) = export(changed, to="edf", destination=tmp_path / "b.edf")
    again = read(path, "mne")
    assert np.array_equal(again["signal"]["signal"].values, series["signal"].values)
    assert again["signal"]["gain"].values[0] == pytest.approx(series["gain"].values[0], rel=1e-4)
    assert remarks(changed, to="edf")


@pytest.mark.data
@pytest.mark.parametrize("name", ["mne_python_formats/test.vhdr", TINY])
def test_integers_of_another_origin_are_the_same_for_three_readers_of_edf(name, data_dir, tmp_path):
    tree = read(data_dir / "eeg" / name, "mne", sidecars="given")
    (path,) = export(tree, to="edf", destination=tmp_path / "made.edf")
    series = tree["signal"].dataset
    stored = series["signal"].values
    again = read(path, "mne")
    assert np.array_equal(again["signal"]["signal"].values, stored)
    assert rate_hz(again["signal"].dataset) == rate_hz(series)
    np.testing.assert_allclose(again["signal"]["gain"].values, series["gain"].values, rtol=1e-6)
    assert again["annotation"]["onset_s"].values.tolist() == tree["annotation"]["onset_s"].values.tolist()
    with pyedflib.EdfReader(str(path)) as other:
        assert other.signals_in_file == stored.shape[0]
        assert all(np.array_equal(other.readSignal(k, digital=True), stored[k]) for k in range(stored.shape[0]))
        assert len(other.readAnnotations()[0]) == tree["annotation"].sizes["row"]
    third = edfio.read_edf(path)
    assert all(np.array_equal(signal.digital, row) for signal, row in zip(third.signals, stored, strict=True))
    assert len(third.annotations) == tree["annotation"].sizes["row"]
    fourth = mne.io.read_raw_edf(path, verbose="error")
    assert fourth.info["sfreq"] == float(rate_hz(series))
    assert fourth.n_times == stored.shape[1]


def test_wide_integers_and_two_rates_become_bdf(tmp_path):
    chance = np.random.default_rng(2)
    wide = chance.integers(-(2**22), 2**22, (6, 50))
    narrow = chance.integers(-99, 99, (6, 10)).astype("i2")
    scale = (-1.0, 1.0, -8388608.0, 8388607.0)
    channels = [("A", "i24", 4275, scale, wide), ("B", "i2", 4274, (-8.0, 8.0, -100.0, 100.0), narrow)]
    tree = read(gdf(tmp_path / "a.gdf", channels=channels, record_s=(1, 2), events=[(3, 769)], event_hz=20.0), "mne")
    with pytest.raises(UsageError, match="does not fit"):
        export(tree, to="edf", destination=tmp_path / "a.edf")
    (path,) = export(tree, to="edf", destination=tmp_path / "a.bdf")
    again = read(path, "mne")
    assert np.array_equal(again["signal/100hz"]["signal"].values[0], wide.ravel())
    assert np.array_equal(again["signal/20hz"]["signal"].values[0], narrow.ravel())
    assert again["signal/20hz"]["gain"].values[0] == 0.08
    assert again["annotation"]["onset_s"].values.tolist() == [0.1]


def test_a_gap_of_another_origin_becomes_a_discontinuous_edf(tmp_path):
    signal = np.arange(60, dtype=np.int16).reshape(2, 30)
    stamps = np.concatenate([np.arange(20) / 10, 7.5 + np.arange(10) / 10])
    series = schema.series(
        signal, channel=["a", "b"], units="uV", long_name="Generated", time_s=stamps, segments=[(0, 20), (20, 30)],
        gain=np.array([0.5, 2.0]), offset=np.zeros(2), segment_rate_hz_numerator=10, segment_rate_hz_denominator=1,
    )  # fmt: skip
    (path,) = export(schema.record({"lfp": series}), to="edf", destination=tmp_path / "gap.edf")
    again = read(path, "mne")["signal"].dataset
    assert np.array_equal(again["signal"].values, signal)
    assert again["segment_start"].values.tolist() == [0, 20]
    np.testing.assert_allclose(time_s(again), stamps, atol=1e-12)
    assert again["gain"].values.tolist() == [0.5, 2.0]
    assert again.attrs["file_format"] == "EDF+D"


def test_what_edf_would_have_to_round_is_refused(tmp_path):
    series = schema.series(np.zeros((1, 9)), channel=["a"], units="V", long_name="x", rate_hz=Fraction(9))
    with pytest.raises(UsageError, match="rounded") as caught:
        export(schema.record({"signal": series}), to="edf", destination=tmp_path / "a.edf")
    assert "fif" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    ["physionet_eegmmidb/S001R04.edf", "eeglab_sample/eeglab_data.set", "mne_python_formats/ctf_comp_raw.fif"],
)
def test_fif_holds_the_physical_values_bit_for_bit(name, data_dir, tmp_path):
    tree = read(data_dir / "eeg" / name, "mne")
    (path,) = export(tree, to="fif", destination=tmp_path / "out_raw.fif")
    series = tree["signal"].dataset
    expected = raw_array(tree)
    back = mne.io.read_raw_fif(path, verbose="error")
    assert np.array_equal(back.get_data(), expected.get_data())
    assert back.ch_names == series["channel"].values.tolist()
    assert back.info["sfreq"] == float(rate_hz(series))
    first, second = (
        sorted(zip(raw.annotations.onset, raw.annotations.description, strict=True)) for raw in (back, expected)
    )
    assert [text for _, text in first] == [text for _, text in second]
    np.testing.assert_allclose([at for at, _ in first], [at for at, _ in second], atol=1e-5)
    again = read(path, "mne")
    assert np.array_equal(again["signal"]["signal"].values, expected.get_data())


def test_a_gap_survives_fif_and_one_of_several_rates_must_be_chosen(tmp_path):
    records = [[np.arange(10) + 1] for _ in range(4)]
    times = ["+0", "+1", "+6", "+7"]
    tree = read(edf(tmp_path / "d.edf", signals=[ONE], records=records, variant="EDF+D", times=times), "mne")
    (path,) = export(tree, to="fif", destination=tmp_path / "d_raw.fif")
    again = read(path, "mne")
    assert time_s(again["signal"].dataset).tolist() == time_s(tree["signal"].dataset).tolist()
    two = read(edf(tmp_path / "2.edf", signals=[ONE, ONE], records=[[np.arange(4), np.arange(2)]]), "mne")
    with pytest.raises(UsageError, match="which series") as caught:
        export(two, to="fif", destination=tmp_path / "2_raw.fif")
    assert "signal/4hz" in caught.value.expected
    export(two, to="fif", destination=tmp_path / "2_raw.fif", group="signal/2hz")
    with pytest.raises(UsageError, match="name does not fit"):
        export(two, to="fif", destination=tmp_path / "2.txt", group="signal/2hz")


@pytest.mark.data
def test_a_copy_without_identifying_fields_has_none_in_its_kept_header_either(data_dir, tmp_path):
    source = data_dir / "eeg/mne_misc_ecog_seizure/sub-pat01_ses-test_acq-ecog_ieeg.edf"
    stripped = strip(read(source, "mne"))
    schema.validate(stripped.tree, subject="stripped")
    (path,) = export(stripped.tree, to="edf", destination=tmp_path / "stripped.edf")
    content, whole = path.read_bytes(), source.read_bytes()
    assert b"pat01" in whole[:256]
    assert content[8:176] == b"X X X X".ljust(80) + b"Startdate X X X X".ljust(80) + b"01.01.85"
    assert content[176:] == whole[176:]
    again = read(path, "mne")
    assert b"pat01" not in str([data.attrs for _, data in schema.groups(again)]).encode()


def test_texts_that_are_taken_out_do_not_stay_in_the_annotation_signals(tmp_path):
    text = b"+0\x14mail jane.doe@clinic.example\x14\0"
    path = edf(
        tmp_path / "a.edf", signals=[ONE], records=[[np.arange(4)]], variant="EDF+C", times=["+0"], texts={0: text}
    )
    stripped = strip(read(path, "mne")).tree
    (made,) = export(stripped, to="edf", destination=tmp_path / "b.edf")
    assert b"jane.doe" in path.read_bytes()
    assert b"jane.doe" not in made.read_bytes()
    assert not any("edf" in name for name, _ in schema.groups(stripped))
    assert np.array_equal(read(made, "mne")["signal"]["signal"].values, [np.arange(4)])
