"""The format ``mne``: stored samples, exact rates and honest times of real recordings; bad ones refused by name."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from pathlib import Path

import mne
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, MissingExtraError, TruncatedError, UnsafeError, UsageError
from connectome.pipelines.formats import FORMATS, read
from connectome.pipelines.formats.mne_raw import exact_rate, sniff
from connectome.pipelines.formats.recording import udunits, unique_ids
from connectome.schema.series import rate_hz, time_s

TINY = "mne_bids_tiny/sub-01/ses-eeg/eeg/sub-01_ses-eeg_task-rest_eeg.vhdr"
HFO = "openneuro_ds003498_hfo/sub-01/ses-interictalsleep/ieeg/sub-01_ses-interictalsleep_run-01_ieeg.vhdr"
# File, channels, samples, rate, stored type, annotations: from the README of each folder and its header.
REAL = (
    (TINY, 69, 10000, Fraction(5000), "int16", 2),
    (HFO, 50, 10000, Fraction(2000), "float32", 69),
    ("mne_python_formats/test.vhdr", 32, 7900, Fraction(1000), "int16", 14),
    ("physionet_eegmmidb/S001R04.edf", 64, 20000, Fraction(160), "int16", 30),
    ("mne_misc_ecog_seizure/sub-pat01_ses-test_acq-ecog_ieeg.edf", 78, 21658, 238 / Fraction("0.23814"), "int16", 1),
    ("mne_misc_seeg/sample_seeg.edf", 98, 20000, Fraction(1000), "int16", 3),
    ("mne_python_formats/biosemi_test.bdf", 73, 2048, Fraction(2048), "int32", 0),
    ("gdf_from_eegmmidb/S001R04_22ch.gdf", 22, 20000, Fraction(160), "float64", 15),
    ("eeglab_sample/eeglab_data.set", 32, 30504, Fraction(128), "float64", 154),
    ("mne_python_formats/ctf_comp_raw.fif", 340, 241, Fraction(480), "float64", 0),
    ("mne_python_formats/kit_test.sqd", 193, 2000, Fraction(1000), "float64", 0),
)
STORED = [item[0] for item in REAL if item[4] != "float64"]
TO_SI = {"uV": 1e-6, "mV": 1e-3, "V": 1.0}


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


def vhdr(folder: Path, *, samples=None, markers="", name="rec", **changes) -> Path:
    """Write a generated BrainVision recording of two channels."""
    samples = np.arange(20, dtype="<i2").reshape(10, 2) if samples is None else samples
    common = {
        "Codepage": "UTF-8",
        "DataFile": f"{name}.eeg",
        "MarkerFile": f"{name}.vmrk",
        "DataFormat": "BINARY",
        "DataOrientation": "MULTIPLEXED",
        "NumberOfChannels": "2",
        "SamplingInterval": "1000",
        **{key: value for key, value in changes.items() if key not in {"BinaryFormat", "Ch1", "Ch2", "extra"}},
    }
    lines = ["Brain Vision Data Exchange Header File Version 1.0", "; generated", "[Common Infos]"]
    lines += [f"{key}={value}" for key, value in common.items() if value is not None]
    lines += ["[Binary Infos]", f"BinaryFormat={changes.get('BinaryFormat', 'INT_16')}"]
    lines += ["[Channel Infos]", f"Ch1={changes.get('Ch1', 'Fz,,0.5,µV')}", f"Ch2={changes.get('Ch2', 'Cz,ref,2,mV')}"]
    lines += changes.get("extra", [])
    path = folder / f"{name}.vhdr"
    path.write_text("\n".join(lines), encoding="utf-8")
    (folder / f"{name}.eeg").write_bytes(samples.tobytes())
    marker = "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\n[Marker Infos]\n" + markers
    (folder / f"{name}.vmrk").write_text(marker, encoding="utf-8")
    return path


def edf(
    path: Path, *, signals, records, record_s="1", variant="", n_records=None, times=None, texts=None, bdf=False
) -> Path:
    """Write a generated EDF file; a signal is (label, unit, phys min, phys max, dig min, dig max)."""
    width = 3 if bdf else 2
    count = len(records[0][0]) if signals else 0
    lists = times is not None
    rows = [(*signal, len(records[0][k])) for k, signal in enumerate(signals)]
    if lists:
        rows.append(("BDF Annotations" if bdf else "EDF Annotations", "", "-1", "1", "-32768", "32767", 60 // width))
    head = b"\xffBIOSEMI" if bdf else b"0       "
    fields = [("X", 80), ("Startdate X", 80), ("01.01.01", 8), ("00.00.00", 8), (str(256 * (1 + len(rows))), 8)]
    stated = len(records) if n_records is None else n_records
    fields += [(variant, 44), (str(stated), 8), (record_s, 8), (str(len(rows)), 4)]
    content = head + b"".join(text.encode().ljust(size) for text, size in fields)
    columns = [[row[0] for row in rows], ["" for _ in rows], *[[row[k] for row in rows] for k in range(1, 6)]]
    columns += [["" for _ in rows], [str(row[6]) for row in rows], ["" for _ in rows]]
    for values, size in zip(columns, (16, 80, 8, 8, 8, 8, 8, 80, 8, 32), strict=True):
        content += b"".join(str(value).encode().ljust(size) for value in values)
    for number, record in enumerate(records):
        for samples in record:
            little = np.asarray(samples, dtype="<i4").view(np.uint8).reshape(-1, 4)
            content += little[:, :width].tobytes()
        if lists:
            text = f"{times[number]}\x14\x14\0".encode() + (texts or {}).get(number, b"")
            content += text.ljust(60 // width * width, b"\0")
    assert count or lists
    path.write_bytes(content)
    return path


ONE = ("EEG Fz", "uV", "-100", "100", "-2048", "2047")


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
    np.testing.assert_allclose(table["onset_s"].values, other.annotations.onset - other.first_time, atol=1e-9)
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
    assert [path for path, _ in schema.groups(tree)] == ["/annotation"]
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
    with pytest.raises(FormatError, match="longer") as caught:
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
    assert tree["events"]["onset"].values.tolist() == [0.0, 0.2]
    assert tree["events"]["trial_type"].values.tolist() == ["start_experiment", "show_stimulus"]
    assert tree["electrodes_CapTrak"].attrs["coordinate_system"]["EEGCoordinateUnits"] == "m"
    assert codes(tree) == ["several-electrode-files", "units-differ", "duration-differs"]
    alone = read(data_dir / "eeg" / TINY, "mne", sidecars="given")
    assert [path for path, _ in schema.groups(alone)] == ["/annotation", "/signal"]
    assert set(alone["signal"]["kind"].values) == {""}


@pytest.mark.data
def test_the_recordings_own_unit_wins_over_a_sidecars(data_dir):
    tree = read(data_dir / "eeg" / HFO, "mne")
    assert set(tree["signal"]["channel_unit"].values) == {"uV"}
    assert set(tree["signal"]["sidecar_unit"].values) == {"V"}
    assert codes(tree) == ["units-differ"]


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
    signal = read(data_dir / "eeg/gdf_from_eegmmidb/S001R04_22ch.gdf", "mne")["signal"]
    assert "float64 in SI units" in signal.attrs["conversion"]
    edf_signal = read(data_dir / "eeg/physionet_eegmmidb/S001R04.edf", "mne")["signal"]
    assert "conversion" not in edf_signal.attrs


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


def sidecar(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_sidecar_rows_that_fit_no_channel_are_named(tmp_path):
    table = sidecar(
        tmp_path, "channels.tsv", "﻿name\ttype\tunits\tstatus\tnote\nCz\tEEG\tmV\tbad\tn/a\nXx\tEOG\tuV\tgood\tx\n"
    )
    tree = read([vhdr(tmp_path), table], "mne")
    schema.validate(tree, subject="generated")
    assert codes(tree) == ["channels-without-row", "rows-without-channel"]
    assert [item["message"] for item in tree.attrs["warnings"]] == ["no row for Fz", "no channel for Xx"]
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
        ("x_events.tsv", "a b\ta/b\n1\t2\n", "one name"),
        ("x_eeg.json", "{", "not JSON"),
        ("x_eeg.json", "[1]", "not a JSON object"),
        ("x_eeg.json", '{"a": NaN}', "not a JSON number"),
    ],
)
def test_a_broken_sidecar_is_refused(name, text, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        read([vhdr(tmp_path), sidecar(tmp_path, name, text)], "mne")


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


def test_a_missing_mne_names_the_extra_but_brainvision_and_edf_need_none(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mne", None)
    read(vhdr(tmp_path), "mne")
    read(edf(tmp_path / "a.edf", signals=[ONE], records=[[np.arange(4)]]), "mne")
    path = tmp_path / "a.gdf"
    path.write_bytes(b"GDF 2.20" + bytes(1000))
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
