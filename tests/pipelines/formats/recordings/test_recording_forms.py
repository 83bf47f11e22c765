"""Every form of MNE-Python's table is read or refused with a reason; what is read is what was written. Generated."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import mne
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mne.io import _read_raw

from connectome import schema
from connectome.errors import ConnectomeError, FormatError, MissingExtraError, NotFoundError, TruncatedError
from connectome.pipelines.formats import FORMATS, read, recognise
from connectome.pipelines.formats.recordings.forms import FORMS, Form, form_of
from connectome.pipelines.formats.recordings.mne_raw import READERS
from support.curry_files import curry
from support.eeg_files import ONE, codes, edf, vhdr
from support.gdf_files import gdf
from support.mne_layouts import bci2000, ctf, egi, fil, neuroscan, nicolet
from support.nihon_kohden_files import nihon_kohden
from support.persyst_files import persyst

INTS = np.random.default_rng(8).integers(-3000, 3000, (3, 512)).astype(np.int16)
LABELS = ("Fp1", "Cz", "Oz")
BY_MNE = {
    "EDF": "EDF", "BDF": "BDF", "NihonKoden": "Nihon Kohden", "GDF": "GDF", "brainvision": "BrainVision",
    "MEF": "MEF 3", "FIF": "FIF", "EEGLAB": "EEGLAB", "CNT": "Neuroscan", "ANT": "ANT", "EGI": "EGI MFF",
    "eximia": "eXimia",
    "NIRx": "NIRx", "SNIRF": "SNIRF", "fieldtrip": "FieldTrip", "ARTEMIS": "Artemis123", "UCL FIL OPM": "UCL FIL OPM",
    "Nicolet": "Nicolet", "KIT": "KIT", "CTF": "CTF", "BOXY": "BOXY", "CURRY": "Curry", "BCI2K": "BCI2000",
    "NEDF": "Neuroelectrics", "EyeLink": "EyeLink", "NSx": "Blackrock", "Persyst": "Persyst",
}  # fmt: skip
"""MNE-Python's names of its readers, and ours of the forms."""


def ints(values=INTS, kind="<i2") -> bytes:
    return values.T.astype(kind).tobytes()


def rows_of(table):
    return zip(table["onset_s"].values, table["description"].values, strict=True)


def fif(path: Path) -> Path:
    info = mne.create_info(list(LABELS), 256.0, "eeg")
    with mne.utils.use_log_level("error"):
        mne.io.RawArray(INTS * 1e-6, info).save(path, fmt="double")
    return path


def eximia(path: Path) -> Path:
    path.write_bytes(ints(np.tile(INTS, (22, 3))[:64]))
    return path


def with_reader(folder: Path) -> dict[str, Callable[[], Path]]:
    """Return a way to make a file of each form that can be read without another package, by name."""
    from datetime import datetime

    scale = (-3276.8, 3276.7, -32768.0, 32767.0)
    return {
        "EDF": lambda: edf(folder / "a.edf", signals=[ONE], records=[[INTS[0, :256]], [INTS[0, 256:]]]),
        "BDF": lambda: edf(folder / "a.bdf", signals=[ONE], records=[[INTS[0]]], bdf=True),
        "BrainVision": lambda: vhdr(folder, samples=INTS[:2].T.astype("<i2")),
        "GDF": lambda: gdf(folder / "a.gdf", channels=[("A", "i2", 4275, scale, INTS[:1])]),
        "Persyst": lambda: persyst(folder, INTS),
        "Nihon Kohden": lambda: nihon_kohden(folder, [(datetime(2020, 1, 1), INTS[:, :500])], codes=(0, 1)),
        "Neuroscan": lambda: neuroscan(folder / "a.cnt", INTS, labels=LABELS, scales=[(0, 1.0, 204.8)] * 3),
        "EGI simple binary": lambda: egi(folder / "a.raw", INTS, {}),
        "Curry 7": lambda: curry(folder, INTS.astype(np.float32), later=False),
        "Curry 8 and 9": lambda: curry(folder, INTS.astype(np.float32)),
        "FIF": lambda: fif(folder / "a_raw.fif"),
        "CTF": lambda: ctf(folder / "a.ds", [INTS.astype(np.int32)], channels=[(name, 9, 1.0, 1e6) for name in LABELS]),
        "BCI2000": lambda: bci2000(folder / "a.dat", INTS, np.zeros(512, np.uint8)),
        "Nicolet": lambda: nicolet(folder / "a.data", INTS, labels=LABELS),
        "eXimia": lambda: eximia(folder / "a.nxe"),
        "UCL FIL OPM": lambda: fil(folder / "a_meg.bin", INTS, units=("fT", "fT", "V")),
    }


ELSEWHERE = {"EEGLAB", "KIT"}
"""Forms of which there are real files, in tests of their own."""
UNTRIED = {"BTi", "Artemis123"}
"""Forms that go to MNE-Python as they are, of which no file has been met."""


@pytest.mark.parametrize(
    ("suffix", "name"),
    [(suffix, name) for suffix, readers in _read_raw._get_supported().items() for name in readers],
)
def test_every_suffix_of_every_reader_of_mne_has_its_form(suffix, name):
    found = [form for form in FORMS if suffix in form.suffixes or suffix.endswith(form.suffixes[0])]
    found += [form for form in FORMS if any(own.endswith(suffix) for own in form.suffixes)]
    assert any(form.name.startswith(BY_MNE[name]) for form in found), f"{suffix} of {name}"


def test_what_mne_refuses_with_a_suggestion_is_refused_with_one():
    for suffix in _read_raw._suggested:
        assert any(suffix in form.suffixes and form.reason for form in FORMS)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_form_is_read_here_or_by_mne_or_refused(form: Form):
    assert bool(form.here or form.reader) != bool(form.reason)
    if form.reader:
        assert callable(getattr(mne.io, form.reader))
    if form.here:
        assert {"BDF": "EDF"}.get(form.name, form.name) in READERS


def test_every_form_that_can_be_read_is_met_by_a_test(tmp_path):
    possible = {form.name for form in FORMS if not form.reason and (not form.package or find_spec(form.package))}
    assert possible - UNTRIED <= set(with_reader(tmp_path)) | ELSEWHERE
    assert len(UNTRIED) == 2


@pytest.mark.parametrize("name", with_reader(Path()))
def test_a_file_of_each_form_is_recognised_and_read(name, tmp_path):
    path = with_reader(tmp_path)[name]()
    form = form_of(path)
    assert form is not None
    assert form.name == name
    assert recognise([path]).name == "mne"
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    assert tree["signal"].sizes["time"] in {500, 512, 1536}
    assert path in FORMATS["mne"].inputs([path], {}) or path.is_dir()


REFUSED = {
    "a.snirf": b"\x89HDF\r\n\x1a\n", "a.ns3": b"NEURALCD", "a.vmrk": b"Brain Vision", "a.hdr": b"[GeneralInfo]\n",
    "a.asc": b"** CONVERTED FROM", "a.mat": b"MATLAB 5.0 MAT-file", "a.txt": b"Detector Channels:",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_forms_that_are_not_read_are_refused_with_the_reason(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(REFUSED[name] + bytes(2000))
    with pytest.raises(FormatError) as caught:
        read(path, "mne")
    form = form_of(path)
    if name != "a.vmrk":
        assert form is not None
        assert caught.value.hint == form.reason


PACKAGES = {
    "a.cnt": (b"RIFF", "antio"), "a.nedf": (b"<NEDF/>", "defusedxml"), "a.mefd": (b"", "pymef"),
    "a.mff": (b"", "mffpy"),
}  # fmt: skip


@pytest.mark.parametrize("name", PACKAGES)
def test_forms_for_which_mne_needs_another_package_name_it(name, tmp_path):
    start, package = PACKAGES[name]
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    path = tmp_path / name
    if name in {"a.mefd", "a.mff"}:
        for inside in ("info.xml", "signal1.bin", "E1.timd"):
            (path / inside).parent.mkdir(exist_ok=True)
            (path / inside).write_bytes(b"x")
    else:
        path.write_bytes(start + bytes(100))
    assert recognise([path]).name == "mne"
    with pytest.raises(MissingExtraError) as caught:
        read(path, "mne")
    assert caught.value.hint == f"pip install {package}"


@pytest.mark.parametrize("name", ["a.cdt", "a.data", "x_meg.bin", "a.bin", "a.dap"])
def test_a_file_without_what_belongs_to_it_is_refused(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(bytes(2000))
    if name == "a.dap":
        path = path.rename(tmp_path / "a.rs3")
    with pytest.raises(FormatError, match="belongs to it is missing"):
        read(path, "mne")


def test_other_suffixes_are_refused_with_a_list_of_those_that_are_read(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_bytes(bytes(100))
    with pytest.raises(FormatError, match="no form of recordings"):
        read(path, "mne")
    with pytest.raises(NotFoundError):
        read(tmp_path / "missing.fif", "mne")


def test_a_compressed_fif_file_is_read_and_a_damaged_one_refused(tmp_path):
    plain = fif(tmp_path / "a_raw.fif")
    path = tmp_path / "b_raw.fif.gz"
    path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    assert recognise([path]).name == "mne"
    assert np.array_equal(read(path, "mne")["signal"]["signal"].values, read(plain, "mne")["signal"]["signal"].values)
    path.write_bytes(b"\x1f\x8b" + bytes(500))
    with pytest.raises(FormatError, match="as its suffix demands"):
        read(path, "mne")


def test_a_folder_of_ctf_gives_values_units_events_bad_channels_and_trials(tmp_path):
    trials = [INTS.astype(np.int32) * 1000, INTS.astype(np.int32) - 7]
    channels = [("BG1-1609", 0, -2.5e9, 1048576.0), ("EEG001-1609", 9, 1.0, 1e6), ("UPPT001", 11, 1.0, 1.0)]
    markers = {"stim": [(0, 0.25), (1, 0.5)], "other": [(1, 0.0)]}
    path = ctf(tmp_path / "sub.ds", trials, channels=channels, markers=markers, bad=["EEG001"])
    tree = read(path, "mne")
    signal = tree["signal"].dataset
    gains = np.array([[1 / (-2.5e9 * 1048576.0)], [1e-6], [1.0]])
    assert np.array_equal(signal["signal"].values, np.concatenate(trials, axis=1) * gains)
    assert signal["channel"].values.tolist() == [name for name, *_ in channels]
    assert signal["channel_unit"].values.tolist()[:2] == ["T", "V"]
    assert signal["kind"].values.tolist() == ["ref_meg", "eeg", "stim"]
    assert schema.decode(signal["status"]).tolist() == ["", "bad", ""]
    assert (signal.attrs["rate_hz_numerator"], signal.attrs["recorded_at"]) == (600, "2019-12-24T11:12:00")
    # MNE-Python keeps microseconds.
    onsets = {round(float(at), 6): str(text) for at, text in rows_of(tree["annotation"])}
    assert onsets == {0.25: "stim", round(512 / 600 + 0.5, 6): "stim", round(512 / 600, 6): "other"}
    assert "trials" in codes(tree)


def test_numbers_of_bci2000_have_no_unit_until_one_is_given(tmp_path):
    states = np.zeros(512, np.uint8)
    states[100:130] = 7
    tree = read(bci2000(tmp_path / "a.dat", INTS, states), "mne")
    signal = tree["signal"].dataset
    assert np.array_equal(signal["signal"].values[:3], INTS)
    assert np.array_equal(signal["signal"].values[3], states)
    assert signal["channel_unit"].values.tolist()[:3] == [""] * 3
    assert set(signal["unit_origin"].values[:3]) == {""}
    assert signal.attrs["rate_hz_numerator"] == 160
    assert codes(tree) == ["units-unknown"]


def test_nicolet_files_keep_their_scale_labels_and_milliseconds(tmp_path):
    tree = read(nicolet(tmp_path / "a.data", INTS, labels=LABELS), "mne")
    signal = tree["signal"].dataset
    np.testing.assert_allclose(signal["signal"].values, INTS * 0.179e-6, rtol=1e-12)
    assert signal["channel"].values.tolist() == list(LABELS)
    assert signal.attrs["recorded_at"] == "2008-11-11T06:18:40.250000"


def test_magnetometers_of_fil_keep_femtotesla_and_other_channels_their_millivolts(tmp_path):
    values = np.random.default_rng(2).normal(0, 100, (4, 60)).astype(np.float32)
    path = fil(tmp_path / "a_meg.bin", values, units=("fT", "fT", "mV", "uV"))
    tree = read(path, "mne")
    scale = np.array([[1e-15], [1e-15], [1e-3], [1e-6]])
    np.testing.assert_allclose(tree["signal"]["signal"].values, values * scale, rtol=1e-9)
    assert tree["signal"]["channel_unit"].values.tolist() == ["T", "T", "V", "V"]
    assert schema.decode(tree["signal"]["status"]).tolist() == ["", "bad", "", ""]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(TruncatedError):
        read(path, "mne")


HERE = ["Persyst", "Nihon Kohden", "Neuroscan", "EGI simple binary", "Curry 7", "Curry 8 and 9"]


@given(name=st.sampled_from(HERE), file=st.integers(0, 3), at=st.integers(0, 2**20), new=st.binary(max_size=3))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_are_refused_by_the_reader_or_give_a_valid_record(name, file, at, new, tmp_path_factory):
    path = with_reader(tmp_path_factory.mktemp("damaged"))[name]()
    files = sorted(path.parent.iterdir())
    damaged = bytearray(files[file % len(files)].read_bytes())
    place = at % len(damaged)
    damaged[place : place + max(1, len(new))] = new
    files[file % len(files)].write_bytes(damaged)
    message = ""
    try:
        schema.validate(read(path, "mne"), subject="generated")
    except ConnectomeError as error:
        message = error.message
    # Its own check has found it, not the net below all readers.
    assert message != "the reader cannot make sense of the file"


def test_a_form_without_a_mark_takes_no_file_of_another_kind(tmp_path):
    whole = eximia(tmp_path / "a.nxe").read_bytes()
    path = tmp_path / "b.nxe"
    for wrong in (
        whole[:-1], whole[: 128 * 1449], b"\x89HDF\r\n\x1a\n" + whole[8:], b"PK\x03\x04" + whole[4:],
        b"onset,duration\n" * 12_800,
    ):  # fmt: skip
        path.write_bytes(wrong)
        with pytest.raises(FormatError):
            read(path, "mne")
    path.write_bytes(whole)
    assert read(path, "mne")["signal"].sizes["time"] == 1536
