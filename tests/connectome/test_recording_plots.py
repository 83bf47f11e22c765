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


def apart(values, **columns):
    """Return a recording of 10 s, a gap of 5 s and 10 s more; generated."""
    n_channels, n_samples = values.shape
    half, seconds = n_samples // 2, np.arange(n_samples) / RATE_HZ
    names = [f"c{at}" for at in range(n_channels)]
    same = {"source_label": names, "source_unit": ["uV"] * n_channels, "channel_unit": ["uV"] * n_channels}
    return schema.series(
        values, channel=names, units="uV", long_name="EEG", time_s=seconds + 5.0 * (np.arange(n_samples) >= half),
        segments=[(0, half), (half, n_samples)], segment_rate_hz_numerator=RATE_HZ, segment_rate_hz_denominator=1,
        channels={name: schema.column("channel", texts, name) for name, texts in (same | columns).items()},
    )  # fmt: skip


def test_a_gap_is_drawn_as_long_as_it_is_and_no_line_crosses_it():
    data = apart(np.random.default_rng(0).normal(size=(2, N_SAMPLES)))
    (axes,) = traces(data, seizure_s=13.0).axes
    seconds, height = axes.lines[0].get_data()
    shown = seconds[np.isfinite(height)]
    assert (shown.min(), shown.max()) == (pytest.approx(8.0), pytest.approx(18.0 - 1 / RATE_HZ))
    assert not ((shown >= 10.0) & (shown < 15.0)).any()
    assert np.isnan(height).sum() == 1
    (grey,) = axes.patches
    assert (grey.get_x(), grey.get_width()) == (10.0, 5.0)
    drawn = preview(schema.record({"signal": data} | table("annotation", onset_s=np.array([1.0]), description=["T0"])))
    assert drawn[1].axes[0].get_xlim() == pytest.approx((0.0, 25.0))
    assert spectrum(data) is not None


def test_a_trace_far_larger_than_the_others_is_drawn_smaller_and_says_so():
    noise = np.random.default_rng(0).normal(size=(5, N_SAMPLES))
    noise[4] *= 40
    (axes,) = traces(apart(noise)).axes
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[:4] == ["c0", "c1", "c2", "c3"]
    factor = float(labels[4].partition("÷")[2])
    # The bar is one row; both traces keep to the scale that is said.
    row_uv = float(axes.texts[0].get_text().split()[0])
    quiet, loud = (np.nanmax(at - axes.lines[at].get_ydata()) for at in (0, 4))
    first = slice(0, 10 * RATE_HZ)
    assert quiet == pytest.approx((noise[0, first] - np.median(noise[0, first])).max() / row_uv)
    assert loud == pytest.approx((noise[4, first] - np.median(noise[4, first])).max() / row_uv / factor)


@pytest.mark.parametrize(
    ("size", "unit", "text"),
    [
        (1000, "uV", "1 mV"), (200, "uV", "200 µV"), (5e-05, "V", "50 µV"), (2e-12, "T", "2 pT"), (0.5, "uV", "500 nV"),
        (5000, "", "5,000\n(no unit)"), (0.05, "degC", "0.05 degC"), (100, "mV", "100 mV"), (10, "V", "10 V"),
    ],
)  # fmt: skip
def test_a_scale_is_written_with_the_prefix_that_makes_it_short(size, unit, text):
    data = recording()
    data["channel_unit"][:] = unit
    data["gain"][:] = 0.7 * size / (2 * AMPLITUDE_UV / 0.5)
    (axes,) = traces(data).axes
    assert [label.get_text() for label in axes.texts if label.get_text() == text] == [text]


def test_channels_of_unknown_values_are_named_and_not_drawn():
    data = recording()
    data["gain"][1] = np.nan
    (axes,) = traces(data).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b (unknown)", "c"]
    assert np.isnan(axes.lines[1].get_ydata()).all()
    data["gain"][:] = np.nan
    assert traces(data).axes[0].texts[0].get_text().startswith("each channel")


def test_long_lines_keep_their_extremes():
    values = np.zeros((1, N_SAMPLES))
    values[0, [7, 1234]] = 3.0, -2.0
    wide = np.repeat(values, 40, axis=1)
    data = apart(wide)
    data.attrs["segment_rate_hz_numerator"] = RATE_HZ * 40
    data = data.assign_coords(time=("time", np.arange(wide.shape[1]) / (RATE_HZ * 40)))
    (axes,) = traces(data).axes
    height = axes.lines[0].get_ydata()
    assert height.size < 8000
    assert (np.nanmin(height), np.nanmax(height)) == (pytest.approx(-2.0), pytest.approx(2.0))


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


def test_marks_are_drawn_once_where_a_recording_has_two_rates():
    marks = table("annotation", onset_s=np.array([1.0]), description=["T0"])
    tree = schema.record({"signal/a": recording(), "signal/b": recording()} | marks)
    titles = [figure.axes[0].get_title() for figure in preview(tree, title="night")]
    assert titles.count("night: 1 mark") == 1
