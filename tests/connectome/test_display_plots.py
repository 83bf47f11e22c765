"""Plots: the right numbers lie in the pictures, units and labels are right, and nothing is left behind."""

from __future__ import annotations

import gzip
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome import schema
from connectome.display import plots
from connectome.display.plots.events import MAX_TICKS
from connectome.display.plots.figure import literal, spread
from connectome.display.plots.graph import adjacency_matrix, degrees, node_groups, node_order
from connectome.display.plots.series import MAX_COLUMNS, channel_order, zscore
from connectome.display.plots.volume import orientation
from connectome.errors import UsageError
from connectome.schema.events import with_unit_observed

if TYPE_CHECKING:
    import xarray as xr

ABOUT = {"weight_units": "synapses", "weight_meaning": "number of synapses", "lineage": "generated"}


def graph(n_nodes: int = 80, n_edges: int = 400, *, seed: int = 0, weights: Any = None, **nodes: Any) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, n_nodes, n_edges), rng.integers(0, n_nodes, n_edges)
    return schema.graph(
        node=[f"N{at}" for at in range(n_nodes)],
        source=source,
        target=target,
        edge_type=["chemical" if at % 3 else "gap" for at in range(n_edges)],
        edge_types={"chemical": {"directed": True, **ABOUT}, "gap": {"directed": False, **ABOUT}},
        weight=rng.integers(1, 9, n_edges) if weights is None else weights,
        weight_units="synapses",
        nodes=nodes,
    )


def expected_matrix(dataset: xr.Dataset, edge_type: str, order: np.ndarray) -> np.ndarray:
    """Sum weights edge by edge."""
    place = {int(node): at for at, node in enumerate(order)}
    matrix = np.full((len(order), len(order)), np.nan)
    types = schema.decode(dataset["edge_type"])
    for source, target, kind, weight in zip(
        dataset["source"].values, dataset["target"].values, types, dataset["weight"].values, strict=True
    ):
        if kind != edge_type:
            continue
        ways = [(source, target)]
        if not dataset.attrs["edge_types"][kind]["directed"] and source != target:
            ways.append((target, source))
        for row, column in ways:
            at = place[int(row)], place[int(column)]
            matrix[at] = weight + (0.0 if np.isnan(matrix[at]) else matrix[at])
    return matrix


@pytest.mark.parametrize("edge_type", ["chemical", "gap"])
@pytest.mark.parametrize("order", ["spectral", "name", "source"])
def test_the_adjacency_picture_holds_exactly_the_edges(edge_type: str, order: Any):
    dataset = graph()
    figure = plots.adjacency(dataset, edge_type=edge_type, order=order, title="t")
    axes = figure.axes[0]
    image = axes.images[0].get_array()
    arranged = node_order(dataset, order=order, edge_type=edge_type)
    assert sorted(arranged.tolist()) == list(range(80))
    np.testing.assert_array_equal(image.filled(np.nan), expected_matrix(dataset, edge_type, arranged))
    assert axes.get_ylabel() == "source"
    assert axes.get_xlabel() == "target"
    assert "80 nodes" in axes.get_title()
    assert ("undirected, drawn both ways" in axes.get_title()) == (edge_type == "gap")
    assert figure.axes[1].get_ylabel() == "number of synapses (synapses)"
    positive = image.compressed()
    assert (axes.images[0].norm.vmin, axes.images[0].norm.vmax) == (positive.min(), positive.max())


def test_zero_and_negative_weights_are_drawn_as_what_they_are():
    weights = np.linspace(-2.0, 4.0, 400)
    weights[7] = np.nan
    dataset = graph(weights=weights)
    image = plots.adjacency(dataset).axes[0].images[0]
    assert image.norm.vcenter == 0.0
    assert image.norm.vmax == -image.norm.vmin == np.percentile(np.abs(image.get_array().compressed()), 99)
    zeros = graph(weights=np.zeros(400))
    assert plots.png_bytes(plots.adjacency(zeros)).startswith(b"\x89PNG")
    assert plots.adjacency(zeros).axes[0].images[0].get_array().compressed().sum() == 0


def test_parts_of_a_graph_are_kept_together_and_named():
    roles = ["sensory", "motor", ""] * 26 + ["inter", "inter"]
    kinds = ["neuron"] * 40 + ["muscle"] * 40
    dataset = graph(
        role=schema.category("node", roles, ["sensory", "inter", "motor"], "Role"),
        node_kind=schema.category("node", kinds, ["neuron", "muscle"], "Kind"),
    )
    parts, listed = node_groups(dataset)
    assert listed == ["sensory", "inter", "motor", "neuron", "muscle"]
    assert [parts[at] for at in (0, 1, 2, 41, 79)] == ["sensory", "motor", "neuron", "muscle", "inter"]
    for order in ("spectral", "name", "source"):
        sequence = parts[node_order(dataset, order=order)]  # type: ignore[arg-type]
        changes = (sequence[1:] != sequence[:-1]).sum()
        assert changes == len(listed) - 1
    axes = plots.adjacency(dataset).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == listed
    assert axes.get_yticklabels()[0].get_text() == "sensory 26"


def test_names_are_ordered_with_numbers_as_numbers():
    dataset = graph(12, 30)
    names = [f"N{at}" for at in node_order(dataset, order="name")]
    assert names == [f"N{at}" for at in range(12)]
    axes = plots.adjacency(dataset, order="name").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == names


def test_the_spectral_order_sets_linked_nodes_side_by_side():
    rng = np.random.default_rng(3)
    hidden = rng.permutation(60)
    ring = [(hidden[at], hidden[at + 1]) for at in range(59)]
    dataset = schema.graph(
        node=[f"N{at}" for at in range(60)],
        source=np.array([source for source, _ in ring]),
        target=np.array([target for _, target in ring]),
        edge_type=["chain"] * 59,
        edge_types={"chain": {"directed": True, **ABOUT}},
    )
    order = node_order(dataset)
    place = np.empty(60, dtype=int)
    place[order] = np.arange(60)
    assert max(abs(place[source] - place[target]) for source, target in ring) <= 2
    np.testing.assert_array_equal(order, node_order(dataset))


def test_large_graphs_are_drawn_in_blocks_without_losing_weight():
    dataset = graph(5000, 20_000)
    order = node_order(dataset)
    matrix = adjacency_matrix(dataset, edge_type="chemical", order=order)
    assert matrix.shape == (1200, 1200)
    chemical = schema.decode(dataset["edge_type"]) == "chemical"
    assert matrix.sum() == dataset["weight"].values[chemical].sum()


def test_an_edge_type_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="chemical, gap"):
        plots.adjacency(graph(), edge_type="electric")


def test_degrees_count_distinct_partners():
    dataset = schema.graph(
        node=["a", "b", "c", "d"],
        source=np.array([0, 0, 0, 1, 2]),
        target=np.array([1, 1, 2, 1, 0]),
        edge_type=["x"] * 5,
        edge_types={"x": {"directed": True, **ABOUT}},
    )
    assert {name: values.tolist() for name, values in degrees(dataset, edge_type="x").items()} == {
        "out": [2, 1, 1, 0],
        "in": [1, 2, 1, 0],
    }
    dataset.attrs["edge_types"]["x"]["directed"] = False
    assert degrees(dataset, edge_type="x")["both"].tolist() == [2, 2, 1, 0]


def test_the_degree_picture_is_the_share_of_nodes_with_at_least_k_partners():
    dataset = graph()
    figure = plots.degree_distribution(dataset)
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    lines = {line.get_label().split(" (")[0]: line for line in axes.lines}
    assert set(lines) == {"chemical, out", "chemical, in", "gap"}
    for name, line in lines.items():
        kind, _, way = name.partition(", ")
        degree = degrees(dataset, edge_type=kind)[way or "both"]
        for k, share in zip(*line.get_data(), strict=True):
            assert share == pytest.approx(np.mean(degree >= k))
    assert f"{int((degrees(dataset, edge_type='gap')['both'] == 0).sum())} with none" in lines["gap"].get_label()


def traces(n_channels: int = 30, n_samples: int = 200, **changes: Any) -> xr.Dataset:
    rng = np.random.default_rng(1)
    drive = np.sin(np.arange(n_samples) / 9.0)
    loading = np.linspace(-1, 1, n_channels)[rng.permutation(n_channels)]
    signal = 5 + np.outer(loading, drive) + 0.05 * rng.normal(size=(n_channels, n_samples))
    given_clock = {"time_s", "rate_hz", "frame_start"} & set(changes)
    clock = {} if given_clock else {"rate_hz": Fraction(2)}
    return schema.series(
        changes.pop("signal", signal), channel=[f"c{at}" for at in range(n_channels)],
        units="1", long_name="Fluorescence", **clock, **changes,
    )  # fmt: skip


def test_the_heat_map_holds_every_sample_zscored_by_channel_in_the_order_of_the_first_component():
    dataset = traces()
    figure = plots.heat_map(dataset)
    axes, bar = figure.axes[0], figure.axes[1]
    scaled = zscore(dataset["signal"].values)
    order = channel_order(scaled)
    np.testing.assert_allclose(axes.images[0].get_array().filled(np.nan), scaled[order], rtol=0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=1), 1.0)
    mixed = np.linalg.svd(scaled, full_matrices=False)[0][:, 0]
    assert abs(np.corrcoef(np.arange(30), mixed[order])[0, 1]) > 0.9
    assert axes.get_xlabel() == "time (s)"
    np.testing.assert_allclose(axes.get_xlim(), (-0.25, 99.75))
    assert "for display only" in bar.get_ylabel()
    assert "30 channels, 200 samples" in axes.get_title()
    assert sorted(label.get_text() for label in axes.get_yticklabels()) == sorted(f"c{at}" for at in range(30))


def test_named_channels_are_marked_and_the_rest_stay_unnamed():
    axes = plots.heat_map(traces(), names={"c3": "AVAL", "c7": "$RIML$", "other": "X"}).axes[0]
    assert sorted(label.get_text() for label in axes.get_yticklabels()) == ["AVAL", literal("$RIML$")]
    assert "2 of 30 named" in axes.get_ylabel()
    row = int(axes.get_yticks()[[label.get_text() for label in axes.get_yticklabels()].index("AVAL")])
    scaled = zscore(traces()["signal"].values)
    np.testing.assert_allclose(axes.images[0].get_array()[row], scaled[3])


def test_gaps_in_time_and_samples_that_were_not_taken_are_blank():
    stamps = np.concatenate([np.arange(100) * 0.5, 200 + np.arange(100) * 0.5]) + 1e6
    valid = np.ones(200, dtype=bool)
    valid[10:20] = False
    image = plots.heat_map(traces(time_s=stamps, valid=valid)).axes[0]
    drawn = image.images[0].get_array()
    assert drawn.shape == (30, 201)
    assert drawn.mask[:, 100].all()
    assert drawn.mask[:, 10:20].all()
    assert drawn.mask.sum() == 30 * 11
    assert "after 1000000.000 s on the source's clock" in image.get_xlabel()
    np.testing.assert_allclose(image.get_xlim(), (-0.25, 249.75))


def test_frames_without_time_are_called_frames():
    axes = plots.heat_map(traces(frame_start=1)).axes[0]
    assert axes.get_xlabel() == "frame (the source gives no time)"
    np.testing.assert_allclose(axes.get_xlim(), (0.5, 200.5))


def test_long_recordings_are_averaged_and_the_picture_says_so():
    dataset = traces(4, 3 * MAX_COLUMNS, signal=np.tile(np.arange(3 * MAX_COLUMNS, dtype=float), (4, 1)))
    figure = plots.heat_map(dataset)
    drawn = figure.axes[0].images[0].get_array()
    assert drawn.shape == (4, MAX_COLUMNS)
    np.testing.assert_allclose(drawn[0], zscore(dataset["signal"].values)[0].reshape(-1, 3).mean(axis=1))
    assert any("mean of 3 samples" in text.get_text() for text in figure.axes[0].texts)


def test_integer_samples_are_shown_in_physical_units():
    signal = np.arange(2000, dtype=np.int16).reshape(2, 1000)
    dataset = schema.series(
        signal, channel=["a", "b"], units="uV", long_name="Potential", rate_hz=Fraction(1000),
        gain=np.array([0.5, 2.0]), offset=np.array([1.0, -1.0]),
    )  # fmt: skip
    figure = plots.lines(dataset)
    first, second = figure.axes
    np.testing.assert_allclose(first.lines[0].get_ydata(), signal[0] * 0.5 + 1)
    np.testing.assert_allclose(second.lines[0].get_ydata(), signal[1] * 2.0 - 1)
    np.testing.assert_allclose(first.lines[0].get_xdata(), np.arange(1000) / 1000)
    assert first.get_ylabel() == "a\n(uV)"
    assert second.get_xlabel() == "time (s)"


def test_lines_keep_every_peak_of_long_recordings():
    signal = np.zeros((1, 100_000))
    signal[0, 54_321], signal[0, 54_322] = 7.0, -3.0
    dataset = schema.series(signal, channel=["a"], units="V", long_name="Spike", rate_hz=Fraction(1000))
    line = plots.lines(dataset).axes[0].lines[0]
    assert len(line.get_xdata()) < 10_000
    assert (line.get_ydata().max(), line.get_ydata().min()) == (7.0, -3.0)
    assert line.get_xdata()[line.get_ydata().argmax()] == 54.321
    assert (np.diff(line.get_xdata()) > 0).all()


def test_a_channel_without_any_sample_is_said_to_have_none():
    signal = np.stack([np.full(50, np.nan), np.arange(50.0)])
    figure = plots.lines(traces(2, 50, signal=signal))
    assert [text.get_text() for text in figure.axes[0].texts] == ["no samples"]
    assert not figure.axes[1].texts
    assert np.isnan(zscore(signal)[0]).all()
    assert (zscore(np.ones((1, 5))) == 0).all()


def test_an_empty_signal_is_refused():
    with pytest.raises(UsageError, match="nothing to draw"):
        plots.heat_map(traces(3, 0, signal=np.zeros((3, 0))))


def spikes(n_units: int = 5, n_events: int = 300, **changes: Any) -> xr.Dataset:
    rng = np.random.default_rng(2)
    times = rng.integers(0, 300_000, n_events)
    times = times[(times < 100_000) | (times >= 200_000)]
    return schema.events(
        times, rng.integers(0, n_units - 1, len(times)), unit_id=[f"u{at}" for at in range(n_units)],
        observed_s=[(0.0, 10.0), (20.0, 30.0)], tick_hz=Fraction(10_000), **changes,
    )  # fmt: skip


def test_the_raster_holds_every_event_of_every_unit():
    dataset = spikes()
    figure = plots.raster(dataset, title="generated")
    top, bottom = figure.axes
    segments = np.array(top.collections[0].get_segments())
    np.testing.assert_allclose(segments[:, 0, 0], dataset["tick"].values / 10_000)
    np.testing.assert_allclose(segments[:, :, 1].mean(axis=1), dataset["unit"].values)
    assert "5 units (1 silent)" in top.get_title()
    assert "in 20 s observed" in top.get_title()
    assert bottom.get_xlabel() == "time (s)"
    assert top.get_ylim() == (4.5, -0.5)
    assert [label.get_text() for label in top.get_yticklabels()] == [f"u{at}" for at in range(5)]


def test_times_in_which_nobody_watched_are_grey_and_have_no_rate():
    top, bottom = plots.raster(spikes()).axes
    spans = [patch.get_bbox() for patch in bottom.patches if hasattr(patch, "get_bbox")]
    assert [(box.x0, box.x1) for box in spans] == [(10.0, 20.0)]
    assert len(top.patches) == 1
    rate = next(patch for patch in bottom.patches if not hasattr(patch, "get_bbox")).get_data()
    middle = (rate.edges[1:] + rate.edges[:-1]) / 2
    unseen = (middle > 10.2) & (middle < 19.8)
    assert np.isnan(rate.values[unseen]).all()
    width = rate.edges[1] - rate.edges[0]
    assert np.nansum(rate.values) * width * 5 == pytest.approx(spikes().sizes["event"], rel=0.02)


def test_times_in_which_a_unit_was_not_watched_are_grey_in_its_row():
    dataset = with_unit_observed(spikes(4), [[(0.0, 30.0)], [(0.0, 30.0)], [(5.0, 12.0)], [(0.0, 30.0)]])
    top, bottom = plots.raster(dataset).axes
    rows = [
        (path.get_extents().x0, path.get_extents().x1, path.get_extents().y0, path.get_extents().y1)
        for shaded in top.collections
        if shaded.get_zorder() == 0
        for path in shaded.get_paths()
    ]
    assert rows == [(0.0, 5.0, 1.5, 2.5), (12.0, 30.0, 1.5, 2.5)]
    # Below, where the rate is that of all units, what they do not share is grey.
    spans = [patch.get_bbox() for patch in bottom.patches if hasattr(patch, "get_bbox")]
    assert [(box.x0, box.x1) for box in spans] == [(0.0, 5.0), (12.0, 30.0)]


def test_of_very_many_events_the_number_per_pixel_is_drawn():
    rng = np.random.default_rng(4)
    n_events = MAX_TICKS + 1
    dataset = schema.events(
        np.sort(rng.random(n_events) * 100), rng.integers(0, 3, n_events), unit_id=["a", "b", "c"],
        observed_s=[(0.0, 100.0)],
    )  # fmt: skip
    figure = plots.raster(dataset)
    image = figure.axes[0].images[0].get_array()
    assert image.sum() == n_events
    np.testing.assert_array_equal(image.sum(axis=1), np.bincount(dataset["unit"].values))


def test_a_group_without_events_can_be_drawn():
    empty = schema.events(np.array([], dtype=np.int64), np.array([], dtype=np.int64), unit_id=["a"],
                          observed_s=[(0.0, 2.0)], tick_hz=Fraction(100))  # fmt: skip
    assert plots.png_bytes(plots.raster(empty)).startswith(b"\x89PNG")


def stored(axes: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> xr.Dataset:
    """Store one generated image in RAS space with other axes and directions."""
    shape = (12, 16, 20)
    image = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    affine = np.array([[2.0, 0, 0, -10], [0, 3, 0, -20], [0, 0, 4, -30], [0, 0, 0, 1]])
    for world, flipped in enumerate(flips):
        if flipped:
            image = np.flip(image, world)
            affine[:3, 3] += affine[:3, world] * (shape[world] - 1)
            affine[:, world] *= -1
    order = np.argsort(axes)
    image = np.transpose(image, order)
    affine = affine[:, [*order.tolist(), 3]]
    return schema.volume(np.ascontiguousarray(image), affine=affine, units="1", long_name="Image")


@given(st.permutations([0, 1, 2]), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_slices_look_the_same_however_the_image_is_stored(axes: list[int], flips: tuple[bool, bool, bool]):
    reference = np.arange(12 * 16 * 20).reshape(12, 16, 20)
    dataset = stored(tuple(axes), flips)  # type: ignore[arg-type]
    turned = orientation(dataset["affine"].values)
    assert turned.spacing_mm == (2.0, 3.0, 4.0)
    assert turned.flipped == flips
    assert turned.oblique_deg == pytest.approx(0.0, abs=1e-5)
    figure = plots.slices(dataset, at_mm=(0.0, 1.0, 10.0))
    sagittal, coronal, axial = (panel.images[0] for panel in figure.axes[:3])
    # x = 0 is voxel 5, y = 1 is voxel 7, z = 10 is voxel 10 of the reference.
    np.testing.assert_array_equal(sagittal.get_array(), reference[5, :, :].T)
    np.testing.assert_array_equal(coronal.get_array(), reference[:, 7, :].T)
    np.testing.assert_array_equal(axial.get_array(), reference[:, :, 10].T)
    np.testing.assert_allclose(axial.get_extent(), (-11, 13, -21.5, 26.5))
    np.testing.assert_allclose(sagittal.get_extent(), (-21.5, 26.5, -32, 48))
    assert [panel.get_aspect() for panel in figure.axes[:3]] == [1.0, 1.0, 1.0]
    assert [text.get_text() for text in figure.axes[2].texts] == ["L", "R", "A", "P"]
    assert figure.axes[2].lines[0].get_xdata()[0] == pytest.approx(0.0)
    assert figure.axes[2].lines[1].get_ydata()[0] == pytest.approx(1.0)


def test_scaled_voxels_are_shown_scaled_and_labels_as_they_are():
    image = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    dataset = schema.volume(image, affine=np.eye(4), units="1", long_name="Image", slope=2.0, intercept=-1.0)
    drawn = plots.slices(dataset).axes[2].images[0].get_array()
    np.testing.assert_array_equal(drawn, image[:, :, 1].T * 2.0 - 1.0)
    labels = plots.slices(dataset, labels=True)
    np.testing.assert_array_equal(labels.axes[2].images[0].get_array(), image[:, :, 1].T)
    assert len(labels.axes) == 3


def test_a_point_outside_of_the_image_is_refused():
    dataset = schema.volume(np.zeros((4, 4, 4), np.uint8), affine=np.eye(4), units="1", long_name="Image")
    with pytest.raises(UsageError, match="outside"):
        plots.slices(dataset, at_mm=(9, 0, 0))


def test_of_images_over_time_the_first_is_drawn_and_only_slices_are_read():
    data = np.zeros((4, 5, 6, 3), np.float32)
    data[..., 1:] = 100.0
    dataset = schema.volume(data, affine=np.diag([1, 1, 1, 1.0]), units="1", long_name="Image")
    figure = plots.slices(dataset)
    assert all(panel.images[0].get_array().max() == 0 for panel in figure.axes[:3])
    assert "first image" in figure.get_suptitle()


def test_a_preview_draws_every_group_by_its_kind_and_names_neurons_that_are_sure():
    neuron = schema.table(
        {
            "roi": schema.column("row", [f"c{at}" for at in range(30)], "Channel id"),
            "neuron": schema.column("row", ["AVAL", "AVAR", *[""] * 28], "Neuron"),
            "status": schema.category("row", ["exact", "ambiguous", *[None] * 28], ["exact", "ambiguous"], "Status"),
        }
    )
    volume = schema.volume(np.zeros((4, 4, 4), np.uint8), affine=np.eye(4), units="1", long_name="Image")
    tree = schema.record(
        {
            "activity": traces(),
            "behaviour": schema.series(
                np.zeros((2, 9)), channel=["v", "w"], units="1", long_name="B", rate_hz=Fraction(1)
            ),
            "graph": graph(),
            "neuron": neuron,
            "scan": volume,
            "spikes": spikes(),
        }
    )
    assert plots.channel_names(tree) == {"c0": "AVAL"}
    figures = plots.preview(tree, title="worm")
    paths = ["/activity", "/behaviour", "/graph", "/graph", "/graph", "/scan", "/spikes", "/spikes"]
    assert [figure.get_label() for figure in figures] == paths
    assert "1 of 30 named" in figures[0].axes[0].get_ylabel()
    assert figures[1].axes[0].get_ylabel() == "v"
    assert all(plots.png_bytes(figure, dpi=40).startswith(b"\x89PNG") for figure in figures)


def test_pictures_are_the_same_bytes_every_time():
    first, second = (plots.degree_distribution(graph()) for _ in range(2))
    assert plots.png_bytes(first) == plots.png_bytes(second)
    svg = plots.svg_bytes(first)
    assert svg == plots.svg_bytes(second)
    assert b"<svg" in svg
    assert plots.data_uri(b"abc") == "data:image/png;base64,YWJj"
    assert plots.data_uri(b"abc", kind="svg") == "data:image/svg+xml;base64,YWJj"


def test_plots_need_neither_pyplot_nor_a_display():
    code = (
        "import sys; from connectome.display import plots; assert 'matplotlib' not in sys.modules;"
        "from connectome.display.plots.figure import new_figure; plots.png_bytes(new_figure(1, 1));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"MPLBACKEND": "TkAgg"})


def test_without_matplotlib_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from connectome.errors import MissingExtraError\n"
        "from connectome.display.plots.figure import new_figure\n"
        "try:\n    new_figure(1, 1)\nexcept MissingExtraError as error:\n    assert 'connectome[plot]' in error.hint\n"
        "else:\n    raise SystemExit('no error')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20), st.floats(0.1, 30))
def test_labels_are_moved_apart_and_keep_their_order(positions: list[float], gap: float):
    moved = spread(sorted(positions), gap=gap, low=0.0, high=100.0)
    steps = np.diff(moved)
    fits = gap * (len(positions) - 1) < 100
    if len(moved) > 1:
        assert (steps >= (gap if fits else 100 / (len(moved) - 1)) - 1e-9).all()
        assert moved[0] >= -1e-9
        assert moved[-1] <= 100 + 1e-9


@pytest.mark.data
def test_the_real_template_lies_upright(data_dir: Path):
    from connectome.pipelines.formats import read

    file = data_dir / "mri" / "nilearn_templates" / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    (_, dataset), *_ = schema.groups(read(file, "nifti"))
    figure = plots.slices(dataset, at_mm=(0, 0, 0))
    sagittal = np.asarray(figure.axes[0].images[0].get_array())
    coronal = np.asarray(figure.axes[1].images[0].get_array())
    raw = np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8)
    image = raw[-197 * 233 * 189 :].reshape(189, 233, 197)
    np.testing.assert_array_equal(sagittal, image[:, :, 98])
    assert sagittal.shape == (189, 233)
    # The vertex of a head is above its centre and the template is nearly symmetric.
    rows = np.flatnonzero(coronal.any(axis=1))
    assert rows.max() > 140
    filled = coronal[:, 98 - 60 : 98 + 61].astype(float)
    assert np.corrcoef(filled.ravel(), filled[:, ::-1].ravel())[0, 1] > 0.95


@pytest.mark.data
def test_left_and_right_burnt_into_real_images_are_where_the_marks_say(data_dir: Path):
    from connectome.pipelines.formats import read

    pictures = []
    for name in ("RAS", "LPI", "ASR", "PIR", "SAL"):
        (_, dataset), *_ = schema.groups(read(data_dir / "mri" / "nifti_space" / f"{name}.nii.gz", "nifti"))
        axial = plots.slices(dataset, at_mm=(0, 0, 6)).axes[2].images[0]
        pictures.append(np.asarray(axial.get_array()))
    assert all(picture.shape == pictures[0].shape for picture in pictures)
    for picture in pictures[1:]:
        assert np.corrcoef(picture.ravel(), pictures[0].ravel())[0, 1] > 0.99
