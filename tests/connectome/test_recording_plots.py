"""Pictures of recordings: what is drawn is what the record says, in its units and at its times."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from connectome import schema
from connectome.display.plots import electrode_map, preview, spectrum, timeline, traces
from connectome.pipelines import read

RATE_HZ, N_SAMPLES = 200, 4000
BASE_HZ, AMPLITUDE_UV = 13.0, 40.0


def recording(**columns):
    """Return three channels of a sine, stored as integers of 0.5 uV; generated."""
    seconds = np.arange(N_SAMPLES) / RATE_HZ
    wave = AMPLITUDE_UV * np.sin(2 * np.pi * BASE_HZ * seconds)
    names = ["a", "b", "c"]
    same = {"source_label": names, "source_unit": ["uV"] * 3, "channel_unit": ["uV"] * 3}
    channels = {name: schema.column("channel", values, name) for name, values in (same | columns).items()}
    return schema.series(
        np.round(np.stack([wave, wave, wave]) / 0.5).astype(np.int16), channel=names, units="uV", long_name="EEG",
        rate_hz=Fraction(RATE_HZ), gain=np.full(3, 0.5), offset=np.zeros(3), channels=channels,
    )  # fmt: skip


def table(name, **columns):
    made = {
        key: schema.column("row", values, key, "s" if key.endswith("_s") else None) for key, values in columns.items()
    }
    return {name: schema.table(made)}


def test_the_spectrum_has_the_power_of_a_sine_at_its_frequency():
    (axes,) = spectrum(recording()).axes
    (line,) = axes.lines
    frequency, power = line.get_data()
    assert frequency[np.argmax(power)] == BASE_HZ
    # The power of a sine is half its amplitude squared, whatever the windows.
    assert np.sum(power) * (frequency[1] - frequency[0]) == pytest.approx(AMPLITUDE_UV**2 / 2, rel=0.02)
    assert "µV" in axes.get_ylabel()


def test_traces_are_drawn_around_the_seizure_at_their_own_times():
    (axes,) = traces(recording(), seizure_s=12.0).axes
    seconds, _ = axes.lines[0].get_data()
    assert (seconds[0], seconds[-1]) == (pytest.approx(7.0), pytest.approx(17.0 - 1 / RATE_HZ))
    assert axes.lines[-1].get_xdata()[0] == 12.0
    assert "10 s of 20 s at 200 Hz" in axes.get_title()


def test_what_happened_is_drawn_at_its_onset_for_its_duration():
    tree = schema.record(
        {"signal": recording()}
        | table(
            "annotation", onset_s=np.array([1.0, 5.0]), duration_s=np.array([2.0, np.nan]), description=["T0", "T1"]
        )
        | table("seizure", onset_s=np.array([8.0]), offset_s=np.array([11.0]), label=["sz"])
    )
    (axes,) = timeline(tree, duration_s=20.0).axes
    bars = sorted((bar.get_x(), bar.get_width()) for bar in axes.patches)
    assert bars == [(1.0, 2.0), (8.0, 3.0)]
    assert [line.get_xdata()[0] for line in axes.lines] == [5.0]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[0].startswith("sz ")
    assert timeline(schema.record({"signal": recording()}), duration_s=20.0) is None


def test_electrodes_without_a_position_are_counted_not_drawn():
    away = np.array([0.0, 1.0, np.nan])
    figure = electrode_map(recording(x=away, y=away, z=away))
    assert "2 of 3 channels" in figure.get_suptitle()
    assert electrode_map(recording()) is None


def test_real_recordings_have_their_pictures(data_dir):
    ecog = read(data_dir / "eeg/mne_misc_ecog_seizure/sub-pat01_ses-test_acq-ecog_ieeg.edf")
    titles = [axes.get_title() or figure.get_suptitle() for figure in preview(ecog) for axes in figure.axes[:1]]
    assert any("78 channels, 24 drawn" in title for title in titles)
    assert any("64 of 78 channels have a position" in title for title in titles)
    sleep = preview(read(data_dir / "eeg/physionet_sleepedf_sc4001/short_psg.edf"))
    assert {figure.get_label().strip("/") for figure in sleep} == {"signal/100hz", "signal/1hz"}
