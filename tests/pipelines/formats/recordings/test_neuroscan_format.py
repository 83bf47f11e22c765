"""Neuroscan's continuous files: integers and their scale, events at their sample, the header's own clock. Generated."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import read, recognise
from support.eeg_files import codes
from support.mne_layouts import neuroscan

LABELS, SCALES = ("Fp1", "Cz", "VEOG"), ((0, 2.5, 1.0), (-7, 100.0, 0.25), (3, 1.0, 204.8))
SAMPLES = np.random.default_rng(4).integers(-32768, 32768, (3, 600)).astype(np.int16)
EVENTS = [(11, 0, 0, 0), (12, 0, 0, 99), (0, 0, 3, 250), (0, 4, 0, 251), (13, 0, 0xC0, 300), (13, 0, 0xD0, 400)]


def made(folder, samples=SAMPLES, **options):
    options = {"labels": LABELS, "scales": SCALES, "events": EVENTS, **options}
    return neuroscan(folder / "rec.cnt", samples, **options)


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize("in_a_row", [1, 40])
def test_integers_scale_labels_rate_and_date_are_those_of_the_file(dtype, in_a_row, tmp_path):
    samples = SAMPLES.astype(dtype) * (70_000 if dtype == np.int32 else 1)
    path = made(tmp_path, samples.astype(dtype), in_a_row=in_a_row, bad=[1])
    assert recognise([path]).name == "mne"
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    assert signal["signal"].dtype == dtype
    assert np.array_equal(signal["signal"].values, samples)
    np.testing.assert_allclose(signal["gain"].values, [2.5 / 204.8, 25 / 204.8, 1.0], rtol=1e-7)
    np.testing.assert_allclose(signal["offset"].values, [0, 7 * 25 / 204.8, -3.0], rtol=1e-7)
    assert signal["source_label"].values.tolist() == list(LABELS)
    assert schema.decode(signal["status"]).tolist() == ["", "bad", ""]
    assert set(signal["channel_unit"].values) == {"uV"}
    assert signal["position_on_screen"].values.tolist()[1:] == ["10 5", "20 5"]
    assert "x" not in signal
    assert (signal.attrs["rate_hz_numerator"], signal.attrs["recorded_at"]) == (250, "2019-12-24T23:59:58")
    assert codes(tree) == []


def test_values_are_those_that_mne_reads_and_its_clock_is_not_taken(tmp_path):
    path = made(tmp_path)
    raw = mne.io.read_raw_cnt(path, verbose="error")
    data = read(path, "mne")["signal"]
    ours = data["signal"].values * data["gain"].values[:, None] + data["offset"].values[:, None]
    np.testing.assert_allclose(ours * 1e-6, raw.get_data(), rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_events_of_every_type_lie_at_their_sample(kind, tmp_path):
    annotation = read(made(tmp_path, kind=kind), "mne")["annotation"]
    assert (annotation["onset_s"].values * 250).round(9).tolist() == [sample for *_, sample in EVENTS]
    assert annotation["description"].values.tolist() == ["11", "12", "3", "4", "13", "13"]
    assert annotation["kind"].values.tolist() == [
        "stimulus", "stimulus", "keypad", "keyboard", "start of rejection", "end of rejection",
    ]  # fmt: skip


def test_strange_dates_scales_and_events_are_told(tmp_path):
    path = made(tmp_path, start=("soon", "now"), events=[(1, 0, 0, 10_000)], scales=[(0, 0.0, 1.0), *SCALES[1:]])
    tree = read(path, "mne")
    assert sorted(codes(tree)) == ["date", "events-outside", "no-scale"]
    assert "recorded_at" not in tree["signal"].attrs
    assert np.isnan(tree["signal"]["gain"].values[0])


def test_cut_files_and_lengths_that_say_nothing_are_refused(tmp_path):
    path = made(tmp_path)
    whole = path.read_bytes()
    for cut in (500, 1000, len(whole) - 60, len(whole) - 125, 3000):
        path.write_bytes(whole[:cut])
        with pytest.raises(TruncatedError):
            read(path, "mne")
    broken = bytearray(whole)
    broken[864:868] = (0).to_bytes(4, "little")
    path.write_bytes(broken)
    with pytest.raises(FormatError, match="how many bytes"):
        read(path, "mne")
    path.write_bytes(whole[: len(whole) - 9 - 19 * len(EVENTS)] + b"\x09" + whole[-8 - 19 * len(EVENTS) :])
    with pytest.raises(FormatError, match="not a table of events"):
        read(path, "mne")
