"""Pictures of graphs in space: what is drawn lies where it lies, to scale, and what is left out is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome import schema
from connectome.display import plots
from connectome.display.plots import strands as strands_module
from connectome.display.plots.projection import along, best_view, nice_length, oblique
from connectome.display.plots.space import HALO, THICKEST, THINNEST
from connectome.display.plots.strands import chosen_edges, density, segments, strands_of
from connectome.errors import UsageError
from connectome.graphs import edge_thickness, straight_lengths
from connectome.pipelines.homogenise.spatial_graph import spatial_graph
from connectome.schema import category, column

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

LABELS = ["cortex", "thalamus", "stem"]


def vessels(n_nodes: int = 200, n_edges: int = 320, *, seed: int = 0, units: str = "um", **options: Any) -> xr.Dataset:
    """Return a generated graph in a box of 100 x 200 x 400."""
    rng = np.random.default_rng(seed)
    given_: dict[str, Any] = {
        "node": np.arange(n_nodes),
        "position": rng.uniform(size=(n_nodes, 3)) * (100, 200, 400),
        "position_units": units,
        "source": rng.integers(0, n_nodes, n_edges),
        "target": rng.integers(0, n_nodes, n_edges),
        "edges": {"radius_avg": column("edge", rng.lognormal(1, 0.5, n_edges), "Radius", units)},
        "nodes": {"region": category("node", [LABELS[at % 3] for at in range(n_nodes)], LABELS, "Region")},
        "subject": "generated",
        **options,
    }
    return spatial_graph(**given_)


def curved(n_edges: int = 6) -> xr.Dataset:
    """Return a star whose edges have polylines of 0, 2, 3, ... points."""
    rng = np.random.default_rng(5)
    counts = [0, *range(2, n_edges + 1)]
    return vessels(
        n_edges + 1, n_edges, nodes={}, source=np.zeros(n_edges, int), target=np.arange(1, n_edges + 1),
        edges={}, point_ptr=np.concatenate([[0], np.cumsum(counts)]),
        points={
            "point_position": column(("point", "axis"), rng.uniform(0, 50, size=(sum(counts), 3)), "Position", "um"),
            "point_radius": column("point", rng.uniform(1, 2, sum(counts)), "Radius", "um"),
        },
    )  # fmt: skip


def lines_of(figure: Figure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ends, widths and colours of the lines that are drawn, without the paper below them."""
    (drawn,) = figure.axes[0].collections
    return (
        np.array(drawn.get_segments())[1::2],
        np.array(drawn.get_linewidths())[1::2],
        np.array(drawn.get_colors())[1::2],
    )


def texts(figure: Figure) -> str:
    axes = figure.axes[0]
    return "\n".join([figure.get_suptitle(), *(text.get_text() for text in axes.texts)])


@given(st.floats(-180, 180), st.floats(-89, 89))
def test_a_view_turns_and_never_stretches(azimuth: float, elevation: float):
    view = oblique(azimuth, elevation)
    turn = np.stack([view.right, view.up, view.towards])
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert view.up[2] >= 0


def test_looking_along_an_axis_shows_the_other_two():
    position = np.array([[1.0, 2.0, 3.0]])
    shown = {axis: along(axis).project(position)[0, :2].tolist() for axis in range(3)}
    assert shown == {0: [2, 3], 1: [1, 3], 2: [1, 2]}
    assert best_view(np.array([100.0, 90.0, 1.0])).name == "along z"
    assert best_view(np.array([100.0, 90.0, 80.0])).name.startswith("from azimuth")


@given(st.floats(1e-6, 1e9))
def test_the_scale_bar_has_a_round_length_that_fits(most: float):
    length = nice_length(most)
    assert length <= most * (1 + 1e-8)
    assert length > most / 2.6
    assert f"{length:.0e}"[0] in "125"


def test_every_edge_is_drawn_from_node_to_node_far_ones_first():
    dataset = vessels()
    figure = plots.in_space(dataset, view=(30, 10), title="generated $x$")
    drawn, _, colours = lines_of(figure)
    seen = oblique(30, 10).project(dataset["position"].values)
    ends = np.stack([seen[dataset["source"].values], seen[dataset["target"].values]], axis=1)
    order = np.argsort(ends[:, :, 2].sum(axis=1), kind="stable")
    np.testing.assert_allclose(drawn, ends[order][:, :, :2], atol=1e-9)
    assert (colours[0, :3] > 0.55).all(), "the farthest line is pale"
    assert "200 nodes, 320 edges" in texts(figure)
    assert r"generated \$x\$" in texts(figure)
    assert figure.axes[1].get_ylabel() == "radius avg (µm)"


def test_lines_are_as_thick_as_their_radius_says_and_the_picture_is_to_scale():
    dataset = vessels()
    figure = plots.in_space(dataset)
    plots.png_bytes(figure)
    axes = figure.axes[0]
    _, widths, _ = lines_of(figure)
    box = axes.get_window_extent()
    points_per_unit = box.width / figure.dpi * 72 / float(np.ptp(axes.get_xlim()))
    assert box.height / float(np.ptp(axes.get_ylim())) == pytest.approx(box.width / float(np.ptp(axes.get_xlim())))
    order = np.argsort(dataset["radius_avg"].values, kind="stable")
    expected = np.clip(2 * dataset["radius_avg"].values[order] * points_per_unit, THINNEST, THICKEST)
    np.testing.assert_allclose(np.sort(widths), expected, rtol=0.1)
    assert THINNEST < np.median(widths) < THICKEST


def test_a_diameter_is_not_doubled():
    values = np.full(320, 3.0)
    radius = plots.in_space(vessels(edges={"radius": column("edge", values, "Radius", "um")}))
    diameter = plots.in_space(vessels(edges={"diameter": column("edge", 2 * values, "Diameter", "um")}))
    np.testing.assert_allclose(lines_of(radius)[1], lines_of(diameter)[1])


def test_the_bar_is_as_long_as_it_says_in_the_unit_of_the_record():
    figure = plots.in_space(vessels())
    (said,) = re.findall(r"(\d+) µm", texts(figure))
    assert float(np.ptp(figure.axes[0].lines[0].get_xdata())) == pytest.approx(float(said))
    assert f"{said} voxels" in texts(plots.in_space(vessels(units="voxel")))
    assert "(no unit)" in texts(plots.in_space(vessels(units="1")))
    assert "100 mm" in texts(
        plots.in_space(vessels(position=np.random.default_rng(0).uniform(0, 0.4, (200, 3)), units="m"))
    )


def test_voxels_that_are_no_cubes_are_drawn_in_micrometres():
    figure = plots.in_space(vessels(units="voxel", voxel_size_um=[1.0, 1.0, 4.0]), view="x")
    drawn, _, _ = lines_of(figure)
    assert float(np.ptp(drawn[:, :, 1])) > 1500
    (said,) = re.findall(r"(\d+) µm\n", texts(figure))
    assert float(np.ptp(figure.axes[0].lines[0].get_xdata())) == pytest.approx(float(said))
    assert "one voxel is 1 × 1 × 4 µm" in texts(figure)
    assert figure.axes[1].get_ylabel() == "radius avg (voxels)"


def test_polylines_are_drawn_along_their_points():
    dataset = curved()
    strands = strands_of(dataset)
    piece, owner = segments(strands, np.arange(6))
    pointer, points = dataset["point_ptr"].values, dataset["point_position"].values
    for edge in range(6):
        mine = piece[owner == edge]
        first, last = pointer[edge], pointer[edge + 1]
        if last - first < 2:
            ends = [dataset["position"].values[dataset[end].values[edge]] for end in ("source", "target")]
            np.testing.assert_array_equal(mine, [ends])
        else:
            np.testing.assert_array_equal(mine[:, 0], points[first : last - 1])
            np.testing.assert_array_equal(mine[:, 1], points[first + 1 : last])
    some, owners = segments(strands, np.array([1, 4]))
    np.testing.assert_array_equal(some[owners == 4], piece[owner == 4])
    assert plots.png_bytes(plots.in_space(dataset), dpi=40).startswith(b"\x89PNG")


def test_of_too_many_edges_the_thickest_are_drawn_over_the_density_of_all(monkeypatch: pytest.MonkeyPatch):
    dataset = vessels(2000, 3000)
    thickness = edge_thickness(dataset)
    chosen = chosen_edges(strands_of(dataset), thickness, most=100)
    radius = dataset["radius_avg"].values
    assert len(chosen) == 100
    assert radius[chosen].min() >= np.delete(radius, chosen).max()
    assert (np.diff(chosen) > 0).all()
    few = chosen_edges(strands_of(dataset), thickness, most=100, ink=np.ones(3000), most_ink=40.0)
    assert len(few) == 40
    assert set(few) <= set(chosen)
    monkeypatch.setattr(strands_module, "MAX_SEGMENTS", 100)
    monkeypatch.setattr(chosen_edges, "__kwdefaults__", {**(chosen_edges.__kwdefaults__ or {}), "most": 100})
    figure = plots.in_space(dataset)
    drawn, _, _ = lines_of(figure)
    said = re.search(r"the (\d+) thickest edges over the density of all", texts(figure))
    assert said is not None
    assert 0 < len(drawn) == int(said[1]) <= 100
    assert len(figure.axes[0].images) == 1
    assert plots.png_bytes(figure, dpi=50) == plots.png_bytes(plots.in_space(dataset), dpi=50)
    longest = plots.in_space(vessels(2000, 3000, edges={}))
    assert "longest edges over the density of all" in texts(longest)


def test_the_density_holds_the_length_of_every_edge():
    dataset = vessels(300, 500)
    strands = strands_of(dataset)
    flat = np.array(strands.position)
    flat[:, 2] = 0
    length = straight_lengths(flat, *strands.ends).sum()
    for block in (7, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(strands_module, "BLOCK_EDGES", block)
            counted = density(strands, along(2), low=np.zeros(2), pixel=4.0, shape=(51, 26))
        assert counted.sum() * 4.0 == pytest.approx(length)
    alone = vessels(2, 1, position=np.array([[2.0, 6.0, 0.0], [38.0, 6.0, 9.0]]), nodes={}, edges={},
                    source=np.array([0]), target=np.array([1]))  # fmt: skip
    counted = density(strands_of(alone), along(2), low=np.zeros(2), pixel=4.0, shape=(4, 10))
    assert counted[1].sum() == pytest.approx(9)
    assert counted.sum() == pytest.approx(9)
    assert (counted[1, 1:] > 0).all()


def test_colours_may_tell_regions_or_any_number():
    dataset = vessels()
    figure = plots.in_space(dataset, colour="region")
    legend = figure.axes[0].get_legend()
    region = schema.decode(dataset["region"])
    one, other = region[dataset["source"].values], region[dataset["target"].values]
    counts = {label: int(((one == label) & (other == label)).sum()) for label in LABELS}
    shown = {text.get_text() for text in legend.get_texts()}
    assert shown == {
        *(f"{label} ({count})" for label, count in counts.items()),
        f"others or none ({320 - sum(counts.values())})",
    }
    numbers = plots.in_space(dataset, colour="node_row")
    assert numbers.axes[1].get_ylabel() == "node row"
    assert len({tuple(row) for row in lines_of(numbers)[2].round(3).tolist()}) > 100
    with pytest.raises(UsageError, match="radius_avg"):
        plots.in_space(dataset, colour="length")
    with pytest.raises(UsageError, match="no such view"):
        plots.in_space(dataset, view="w")


@pytest.mark.parametrize(
    "dataset",
    [
        vessels(edges={"radius": column("edge", np.full(320, 2.0), "Radius", "um")}),
        vessels(edges={"radius": column("edge", np.full(320, np.nan), "Radius", "um")}),
        vessels(1, 0, edges={}, nodes={}),
        vessels(5, 0, edges={}, nodes={}),
        vessels(2, 1, position=np.zeros((2, 3)), edges={}, nodes={}),
        vessels(9, 9, position=np.random.default_rng(0).normal(size=(9, 2)), edges={}, nodes={}),
    ],
    ids=["constant radius", "no radius known", "one node", "no edges", "one place", "two axes"],
)
def test_odd_graphs_are_drawn_too(dataset: xr.Dataset):
    assert plots.png_bytes(plots.in_space(dataset), dpi=30).startswith(b"\x89PNG")
    assert plots.png_bytes(plots.distributions(dataset), dpi=30).startswith(b"\x89PNG")


def test_a_thickness_that_is_the_same_everywhere_is_said_and_not_coloured():
    figure = plots.in_space(vessels(edges={"radius": column("edge", np.full(320, 2.0), "Radius", "um")}))
    assert "radius (µm): 2 everywhere" in texts(figure)
    assert len(figure.axes) == 1


def test_what_has_no_place_cannot_be_drawn_in_space():
    about = {"directed": True, "weight_units": "1", "weight_meaning": "sections", "lineage": "generated"}
    flat = schema.graph(
        node=["a"], source=np.zeros(0, int), target=np.zeros(0, int), edge_type=[], edge_types={"x": about}
    )
    with pytest.raises(UsageError, match="no positions"):
        plots.in_space(flat)
    with pytest.raises(UsageError, match="nothing to draw"):
        plots.in_space(vessels(0, 0, nodes={}, edges={}))


def test_paper_lies_below_every_line_that_has_room_for_it():
    (drawn,) = plots.in_space(vessels()).axes[0].collections
    widths = np.array(drawn.get_linewidths())
    np.testing.assert_allclose(widths[::2], widths[1::2] + HALO)
    assert set(np.array(drawn.get_colors())[::2, 3].round(2)) <= {0.0, 0.8}


def test_histograms_hold_every_edge_that_their_axis_shows_and_count_the_rest():
    lengths = np.concatenate([np.geomspace(1, 1000, 300), np.zeros(17), [np.nan] * 3])
    dataset = vessels(edges={"length": column("edge", lengths, "Length", "um")})
    figure = plots.distributions(dataset, title="generated")
    degree, length = figure.axes
    assert length.get_xscale() == "log"
    counted = int(length.patches[0].get_data().values.sum())
    said = re.findall(r"([\d,]+) (not known|beyond the axis)", length.get_xlabel())
    assert {what: int(number) for number, what in said} == {"not known": 3, "beyond the axis": 317 - counted}
    assert f"median {np.nanmedian(lengths):.4g}" in length.get_title()
    heights = [int(bar.get_height()) for bar in degree.patches]
    ends = np.bincount(np.append(dataset["source"].values, dataset["target"].values), minlength=200)
    assert heights == np.bincount(ends).tolist()
    assert degree.get_yscale() == "log"


def test_hubs_share_the_last_bar():
    n_nodes = 100
    dataset = vessels(n_nodes, n_nodes - 1, source=np.zeros(n_nodes - 1, int), target=np.arange(1, n_nodes), edges={})
    bars = plots.degree_histogram(dataset).axes[0]
    assert [int(bar.get_height()) for bar in bars.patches][-1] == 1
    assert sum(int(bar.get_height()) for bar in bars.patches) == n_nodes


def test_regions_are_told_apart_with_their_counts():
    dataset = vessels()
    figure = plots.regions(dataset, title="generated")
    assert figure is not None
    length, thickness = figure.axes
    names = [label.get_text() for label in length.get_yticklabels()]
    assert {name.split(" (")[0] for name in names} == {*LABELS, "between regions"}
    assert names[-1].startswith("between regions")
    assert sum(int(re.findall(r"\((\d+) edge", name)[0]) for name in names) == 320
    assert thickness.get_xlabel().startswith("radius avg (µm)")
    assert plots.regions(vessels(nodes={})) is None


def test_the_preview_of_vessels_shows_space_and_distributions_and_of_weighted_graphs_the_matrix_too():
    tree = schema.record({"vessels": vessels()})
    titles = [
        figure.get_suptitle() or figure.axes[0].get_title(loc="left") for figure in plots.preview(tree, title="a")
    ]
    assert [title.split("\n")[0] for title in titles] == [
        "a vessels",
        "a vessels: 200 nodes, 320 edges",
        "a vessels: by region",
    ]
    about = {"directed": True, "weight_units": "1", "weight_meaning": "synapses", "lineage": "generated"}
    neurons = vessels(edges={}, nodes={}, edge_type="chemical", edge_types={"chemical": about}).assign(
        weight=column("edge", np.ones(320), "Weight", "1")
    )
    figures = plots.preview(schema.record({"connectome": neurons}))
    assert len(figures) == 4
    assert "chemical (directed)" in figures[2].axes[0].get_title()


@pytest.mark.data
def test_the_arteries_of_a_real_brain_are_drawn_to_their_bounding_box(data_dir: Path):
    from connectome.pipelines.formats import read

    tree = read(data_dir / "vessel" / "human_brain_mra" / "arteries_smooth.vtk", units="m")
    ((_, dataset),) = schema.groups(tree)
    figure = plots.in_space(dataset, view="y")
    drawn, _, _ = lines_of(figure)
    assert len(drawn) == 12_708
    position = dataset["position"].values
    np.testing.assert_allclose(drawn.min(axis=(0, 1)), position[:, [0, 2]].min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(drawn.max(axis=(0, 1)), position[:, [0, 2]].max(axis=0), rtol=1e-6)
    assert "20 mm" in texts(figure)
