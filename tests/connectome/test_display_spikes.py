"""Pictures of spikes: what a histogram around moments holds, what it is aligned to, and the quality of units."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from connectome import schema
from connectome.display import plots
from connectome.display.plots.units import REFRACTORY_S

if TYPE_CHECKING:
    import xarray as xr

N_UNITS = 3


def spikes(times_s: Any, unit: Any, *, observed_s: Any = ((0.0, 100.0),), **units: Any) -> xr.Dataset:
    return schema.events(
        np.round(np.asarray(times_s) * 1000).astype(np.int64), np.asarray(unit), unit_id=["a", "b", "silent"],
        observed_s=list(observed_s), tick_hz=Fraction(1000),
        units={name: schema.column("unit_id", np.asarray(values), name, "1") for name, values in units.items()},
    )  # fmt: skip


def rows(**columns: Any) -> xr.Dataset:
    return schema.table({name: schema.column("row", np.asarray(v, float), name, "s") for name, v in columns.items()})


STARTS = np.arange(1.0, 41.0, 2.0)


@pytest.fixture(scope="module")
def answering() -> xr.Dataset:
    """Unit a fires once 110 ms after each start, unit b twice at 310 ms."""
    return spikes(np.concatenate([STARTS + 0.11, STARTS + 0.31, STARTS + 0.315]), np.repeat([0, 1, 1], len(STARTS)))


def test_rates_around_starts_are_those_that_the_spikes_have(answering: xr.Dataset) -> None:
    tree = schema.record({"spikes": answering, "trials": rows(start_time=STARTS, stop_time=STARTS + 0.5)})
    figure = plots.time_histogram(answering, plots.moments(tree), title="generated")
    assert figure is not None
    top, bottom, _ = figure.axes
    rate = bottom.lines[0].get_ydata()
    assert len(rate) == 75
    # The bin from 100 to 120 ms holds one spike of one unit of three in 20 ms, that from 300 to 320 ms two.
    expected = np.zeros(75)
    expected[[30, 40]] = [1 / 0.02 / N_UNITS, 2 / 0.02 / N_UNITS]
    np.testing.assert_allclose(rate, expected)
    image = top.images[0].get_array()
    assert [int(np.argmax(image[at])) for at in (0, 1)] == [30, 40]
    assert (image[2] == 0).all()
    assert top.get_title(loc="left") == "trials, start_time\n20 starts, lasting 0.5 s"
    assert [label.get_text() for label in top.get_yticklabels()] == ["a", "b", "silent"]


def test_trials_come_before_stimuli_and_what_is_no_stimulus_is_left_out(answering: xr.Dataset) -> None:
    lasting = {"start_time": STARTS, "stop_time": STARTS + 0.25}
    tree = schema.record(
        {
            "spikes": answering,
            "epochs": rows(**lasting),
            "intervals/invalid_times": rows(**lasting),
            "intervals/ripples": rows(**lasting),
            "stimulus/flashes": rows(**lasting),
            "stimulus/few": rows(start_time=STARTS[:9], stop_time=STARTS[:9] + 1),
            "stimulus/spontaneous": rows(**lasting),
            "trials": rows(**lasting, cue_start_time=np.where(STARTS > 5, STARTS, np.nan)),
        }
    )
    found = plots.moments(tree)
    assert [one.label for one in found] == [
        "trials, start_time", "trials, cue_start_time", "stimulus/flashes, start_time", "intervals/ripples, start_time",
    ]  # fmt: skip
    assert found[0].duration_s == 0.25
    assert len(found[1].onset_s) == (STARTS > 5).sum()
    assert [figure.get_label() for figure in plots.preview(tree)] == ["/spikes"] * 3


def test_bins_that_nobody_watched_do_not_count_as_silence() -> None:
    # A spike every 10 ms while the units were watched; half of the starts lie just before a gap.
    times = np.arange(0.005, 20.0, 0.01)
    dataset = spikes(times, np.zeros(len(times), int), observed_s=[(0.0, 20.0)])
    starts = np.concatenate([np.linspace(1, 10, 10), np.full(10, 19.5)])
    tree = schema.record({"spikes": dataset, "trials": rows(start_time=starts)})
    figure = plots.time_histogram(dataset, plots.moments(tree))
    assert figure is not None
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), 100 / N_UNITS)
    assert plots.time_histogram(dataset, [plots.moments(tree)[0].__class__("later", starts + 100, None)]) is None


def test_quality_shows_the_limits_of_filters_whose_columns_are_there() -> None:
    times = [1.0, 1.001, 5.0, 9.0, 2.0]
    columns = {
        "quality": np.array(["good", "good", "noise"], dtype=object), "amplitude_cutoff": [0.05, 0.1, np.nan],
        "presence_ratio": [0.95, 0.99, 0.2], "isi_violations": [0.0, 0.5, 0.7], "snr": [1.0, 2.0, 3.0],
    }  # fmt: skip
    structure = np.array(["VISp", "", "VISp"], dtype=object)
    dataset = spikes(times, [0, 0, 0, 0, 1], **columns, structure=structure)
    figure = plots.unit_quality(dataset, title="generated")
    assert figure is not None
    assert figure.get_suptitle() == "generated: quality of 3 units; allen_default@1 keeps 1; allen_good@1 keeps 2"
    panels = {axes.get_xlabel().partition("\n")[0]: axes for axes in figure.axes if axes.get_xlabel()}
    assert panels["amplitude_cutoff"].get_title() == "<= 0.1 (allen_default)"
    assert panels["amplitude_cutoff"].get_xlabel().endswith("1 missing")
    limits = {name: axes.lines[-1].get_xdata()[0] for name, axes in panels.items() if "allen" in axes.get_title()}
    assert limits == {"amplitude_cutoff": 0.1, "presence_ratio": 0.95, "isi_violations": 0.5}
    assert panels["snr"].get_title() == "median 2"
    assert [bar.get_height() for bar in panels["quality"].patches] == [2, 1]
    assert sum(patch.get_data().values.sum() for patch in panels["snr"].patches) == 3
    short = panels[f"measured: intervals below {1000 * REFRACTORY_S:g} ms (%)"]
    # One of three intervals of unit a is 1 ms; the others have no interval.
    assert short.get_title() == "median 33.3"
    assert "2 missing" in short.get_xlabel()
    without = plots.unit_quality(dataset.drop_vars("structure"))
    assert without is not None
    assert without.get_suptitle() == "quality of 3 units; allen_good@1 keeps 2"


def test_counts_by_trial_are_drawn_as_their_mean() -> None:
    random = np.random.default_rng(0)
    counts = random.poisson(1.0, (20, 12, 5)).astype(np.uint8)
    group = schema.series(
        np.concatenate(list(counts.transpose(1, 0, 2)), axis=1), channel=[f"u{at}" for at in range(20)], units="1",
        long_name="Spikes per bin", time_s=np.add.outer(np.arange(12) * 10.0, np.arange(5) * 0.01).ravel(),
        segments=[(at * 5, at * 5 + 5) for at in range(12)],
    )  # fmt: skip
    figure = plots.segment_means(group, title="generated")
    assert figure is not None
    assert figure.get_suptitle() == "generated: Spikes per bin, mean over 12 segments of 5 samples"
    np.testing.assert_allclose(figure.axes[1].patches[0].get_data().values, counts.mean(axis=(0, 1)))
    assert plots.segment_means(group.isel(segment=slice(0, 5))) is None


@pytest.mark.data
def test_the_units_of_the_hippocampus_answer_to_the_ripples_of_a_real_session(data_dir: Path) -> None:
    from connectome.pipelines import read

    tree = read(data_dir / "neuropixels/peyrache_adn_ca1/A2929-200711.nwb")
    figure = plots.time_histogram(tree["spikes"].to_dataset(), plots.moments(tree))
    assert figure is not None
    top = figure.axes[0]
    assert top.get_title(loc="left").startswith("intervals/sleep_ripples, start_time\n594 starts")
    image = top.images[0].get_array()
    # Units 7 to 14 lie in CA1: in the mean of all of them the first 60 ms stand out of everything else.
    together = image[7:].mean(axis=0)
    assert together[25:28].min() > np.delete(together, np.arange(24, 30)).max()
