"""The format ``mne`` on real recordings: stored samples, exact rates and honest times."""

from __future__ import annotations

from fractions import Fraction

import mne
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import FORMATS, read
from connectome.pipelines.formats.recordings.mne_raw import sniff
from connectome.schema.series import rate_hz
from support.eeg_files import HFO, TINY, codes, vhdr

# File, channels, samples, rate, stored type, annotations: from the README of each folder and its header.
REAL = (
    (TINY, 69, 10000, Fraction(5000), "int16", 2),
    (HFO, 50, 10000, Fraction(2000), "float32", 69),
    ("mne_python_formats/test.vhdr", 32, 7900, Fraction(1000), "int16", 14),
    ("physionet_eegmmidb/S001R04.edf", 64, 20000, Fraction(160), "int16", 30),
    ("mne_misc_ecog_seizure/sub-pat01_ses-test_acq-ecog_ieeg.edf", 78, 21658, 238 / Fraction("0.23814"), "int16", 1),
    ("mne_misc_seeg/sample_seeg.edf", 98, 20000, Fraction(1000), "int16", 3),
    ("mne_python_formats/biosemi_test.bdf", 73, 2048, Fraction(2048), "int32", 0),
    ("gdf_from_eegmmidb/S001R04_22ch.gdf", 22, 20000, Fraction(160), "int16", 15),
    ("eeglab_sample/eeglab_data.set", 32, 30504, Fraction(128), "float32", 154),
    ("mne_python_formats/ctf_comp_raw.fif", 340, 241, Fraction(480), "float64", 0),
    ("mne_python_formats/kit_test.sqd", 193, 2000, Fraction(1000), "float64", 0),
)
STORED = [item[0] for item in REAL if item[4] != "float64" and not item[0].endswith(".set")]
TO_SI = {"uV": 1e-6, "mV": 1e-3, "V": 1.0}


@pytest.mark.data
@pytest.mark.parametrize(("name", "n_channels", "n_samples", "rate", "dtype", "n_annotations"), REAL)
def test_a_real_recording_has_its_known_size_rate_and_type(
    name, n_channels, n_samples, rate, dtype, n_annotations, data_dir
):
    tree = read(data_dir / "eeg" / name, "mne")
    schema.validate(tree, subject=name)
    facts = schema.measure(tree)
    assert (facts["/signal"]["n_channels"], facts["/signal"]["n_samples"]) == (n_channels, n_samples)
    assert facts["/signal"]["dtype"] == dtype
    assert rate_hz(tree["signal"].dataset) == rate
    assert facts["/annotation"]["n_rows"] == n_annotations
    assert name.endswith(".sqd") or sniff(data_dir / "eeg" / name)


@pytest.mark.data
@pytest.mark.parametrize("name", STORED)
def test_stored_samples_times_their_gain_are_what_mne_reads(name, data_dir):
    path = data_dir / "eeg" / name
    signal = read(path, "mne")["signal"]
    other = mne.io.read_raw(path, verbose="error", preload=True)
    values = other.get_data()
    physical = signal["signal"].values * signal["gain"].values[:, None] + signal["offset"].values[:, None]
    units = signal["channel_unit"].values
    known = [at for at, unit in enumerate(units) if unit in TO_SI and signal["source_unit"].values[at]]
    assert len(known) > len(units) // 2
    for at in known:
        np.testing.assert_allclose(values[at], physical[at] * TO_SI[units[at]], rtol=1e-9, atol=1e-15)
    assert float(rate_hz(signal.dataset)) == pytest.approx(other.info["sfreq"], rel=1e-12)


@pytest.mark.data
@pytest.mark.parametrize("name", [item[0] for item in REAL if item[5] and "vhdr" not in item[0]])
def test_annotations_lie_where_mne_puts_them_after_the_first_sample(name, data_dir):
    path = data_dir / "eeg" / name
    table = read(path, "mne")["annotation"]
    other = mne.io.read_raw(path, verbose="error")
    # Those of EEGLAB lie between samples, and MNE-Python rounds to microseconds.
    nearest = 1e-6 if name.endswith(".set") else 1e-9
    np.testing.assert_allclose(
        table["onset_s"].values, other.annotations.onset - other.first_time, rtol=0, atol=nearest
    )
    assert table["description"].values.tolist() == other.annotations.description.tolist()


@pytest.mark.data
def test_a_first_record_that_starts_late_shifts_the_onset(data_dir):
    tree = read(data_dir / "eeg/mne_misc_ecog_seizure/sub-pat01_ses-test_acq-ecog_ieeg.edf", "mne")
    assert tree["annotation"]["onset_s"].values.tolist() == [10.22874]
    assert tree["annotation"]["description"].values.tolist() == ["eeg sz start"]
    assert tree["signal"].attrs["first_sample_after_start_s"] == 0.77126


@pytest.mark.data
def test_signals_of_two_rates_keep_their_rates(data_dir):
    tree = read(data_dir / "eeg/physionet_sleepedf_sc4001/short_psg.edf", "mne")
    schema.validate(tree, subject="short_psg")
    facts = schema.measure(tree)
    assert [facts["/signal/100hz"][key] for key in ("n_channels", "n_samples", "duration_s")] == [3, 30000, 300.0]
    assert [facts["/signal/1hz"][key] for key in ("n_channels", "n_samples", "duration_s")] == [4, 300, 300.0]
    assert tree["signal/100hz"]["kind"].values.tolist() == ["eeg", "eeg", "eog"]
    assert tree["signal/1hz"]["channel_unit"].values.tolist() == ["", "uV", "degC", ""]


@pytest.mark.data
def test_a_file_of_annotations_only_is_a_table(data_dir):
    tree = read(data_dir / "eeg/physionet_sleepedf_sc4001/SC4001EC-Hypnogram.edf", "mne")
    assert [path for path, _ in schema.groups(tree)] == ["/annotation", "/edf/annotations", "/edf/header"]
    stages, counts = np.unique(tree["annotation"]["description"].values.astype(str), return_counts=True)
    expected = {"W": 12, "1": 24, "2": 40, "3": 48, "4": 23, "R": 6, "?": 1}
    assert dict(zip(stages.tolist(), counts.tolist(), strict=True)) == {
        f"Sleep stage {k}": n for k, n in expected.items()
    }
    assert tree["annotation"]["duration_s"].values[0] == 30630.0


@pytest.mark.data
def test_repeated_labels_become_unique_ids_and_stay_as_source_labels(data_dir):
    tree = read(data_dir / "eeg/physionet_chbmit_meta/stub_chb05_06_random_signal.edf", "mne")
    labels = tree["signal"]["source_label"].values.tolist()
    assert labels.count("T8-P8") == 2
    assert tree["signal"]["channel"].values.tolist().count("T8-P8") == 1
    assert "T8-P8#2" in tree["signal"]["channel"].values
    assert codes(tree) == ["repeated-labels"]


@pytest.mark.data
def test_a_cut_copy_of_a_real_edf_file_is_told_with_both_sizes(data_dir, tmp_path):
    whole = (data_dir / "eeg/physionet_eegmmidb/S001R04.edf").read_bytes()
    cut = tmp_path / "cut.edf"
    for size in (len(whole) - 1, len(whole) // 2, 5000, 100, 0):
        cut.write_bytes(whole[:size])
        with pytest.raises(TruncatedError) as caught:
            read(cut, "mne")
        assert f"{size} bytes" in caught.value.found
    cut.write_bytes(whole.replace(b"\n", b"\r\n"))
    with pytest.raises(FormatError, match="line ends were changed") as caught:
        read(cut, "mne")
    assert "CR LF" in caught.value.hint


@pytest.mark.data
def test_a_copy_damaged_by_text_mode_in_its_annotations_is_refused(data_dir, tmp_path):
    whole = bytearray((data_dir / "eeg/physionet_eegmmidb/S001R04.edf").read_bytes())
    at = whole.index(b"+0\x14\x14")
    whole[at : at + 2] = b"\r\n"
    path = tmp_path / "damaged.edf"
    path.write_bytes(whole)
    with pytest.raises(FormatError, match="not an annotation list") as caught:
        read(path, "mne")
    assert caught.value.place == "record 1, signal 65"


@pytest.mark.data
def test_sidecars_beside_a_recording_are_joined_by_name(data_dir):
    tree = read(data_dir / "eeg" / TINY, "mne")
    signal = tree["signal"]
    kinds, counts = np.unique(signal["kind"].values.astype(str), return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True))["eeg"] == 64
    assert signal["low_cutoff"].attrs["units"] == "Hz"
    assert tree["events"]["onset_s"].values.tolist() == [0.0, 0.2]
    assert tree["events"]["text"].values.tolist() == ["start_experiment", "show_stimulus"]
    assert tree["electrodes_CapTrak"].attrs["coordinate_system"]["EEGCoordinateUnits"] == "m"
    assert [code for code in codes(tree) if code != "byte-order-mark"] == [
        "several-electrode-files",
        "units-differ",
        "duration-differs",
    ]
    alone = read(data_dir / "eeg" / TINY, "mne", sidecars="given")
    assert [path for path, _ in schema.groups(alone)] == ["/annotation", "/signal"]
    assert set(alone["signal"]["kind"].values) == {""}


@pytest.mark.data
def test_the_recordings_own_unit_wins_over_a_sidecars(data_dir):
    tree = read(data_dir / "eeg" / HFO, "mne")
    assert set(tree["signal"]["channel_unit"].values) == {"uV"}
    assert set(tree["signal"]["sidecar_unit"].values) == {"V"}
    assert codes(tree) == ["byte-order-mark", "byte-order-mark", "units-differ"]


@pytest.mark.data
def test_electrodes_given_as_a_further_path_are_joined(data_dir):
    folder = data_dir / "eeg/mne_misc_seeg"
    tree = read([folder / "sample_seeg.edf", folder / "sample_seeg_electrodes.tsv"], "mne")
    signal, channels = tree["signal"], tree["signal"]["source_label"].values.tolist()
    row = channels.index("L'1")
    assert [signal[axis].values[row] for axis in "xyz"] == [4.52036, 61.73, 66.4995]
    assert signal["x"].attrs["units"] == "unknown"
    assert "desikan-killiany" in tree["electrodes"]


@pytest.mark.data
def test_what_mne_converts_says_so(data_dir):
    signal = read(data_dir / "eeg/mne_python_formats/kit_test.sqd", "mne")["signal"]
    assert "float64 in SI units" in signal.attrs["conversion"]
    edf_signal = read(data_dir / "eeg/physionet_eegmmidb/S001R04.edf", "mne")["signal"]
    assert "conversion" not in edf_signal.attrs


@pytest.mark.data
def test_every_file_that_is_read_counts_as_an_input(data_dir, tmp_path):
    names = {path.name for path in FORMATS["mne"].inputs([data_dir / "eeg" / TINY], {})}
    assert len(names) == 10
    assert {"sub-01_ses-eeg_task-rest_eeg.eeg", "sub-01_ses-eeg_task-rest_channels.tsv"} <= names
    given = FORMATS["mne"].inputs([data_dir / "eeg" / TINY], {"sidecars": "given"})
    assert [path.suffix for path in given] == [".vhdr", ".eeg", ".vmrk"]
    eeglab = FORMATS["mne"].inputs([data_dir / "eeg/eeglab_sample/eeglab_data.set"], {})
    assert [path.name for path in eeglab] == ["eeglab_data.set", "eeglab_data.fdt"]
    header = vhdr(tmp_path)
    files = [header, tmp_path / "rec.eeg", tmp_path / "rec.vmrk"]
    assert FORMATS["mne"].inputs(files[::-1], {}) == [header, *files[:0:-1]]
