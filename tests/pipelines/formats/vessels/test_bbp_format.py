"""Vasculature of the Blue Brain Project: three HDF5 layouts, CSV and JSON agree, and the real counts are reproduced."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UnsafeError, UsageError
from connectome.graphs import edge_lengths
from connectome.pipelines.formats import read, recognise

SECTIONS = ("vessmorphovis/sample_1.h5", "vessmorphovis/sample_3.h5", "bbp_formats/capillary_with_loops.h5")


def load(path, **options):
    tree = read(path, **{"format": "bbp", "units": "um", **options})
    schema.validate(tree, subject=str(path))
    return tree


def facts(tree):
    return schema.measure(tree)["/vessels"]


def by_row(group, name):
    """Return a column in the order of the source."""
    along = "node_row" if group[name].dims[0] == "node" else "edge_row"
    return group[name].values[np.argsort(group[along].values)]


def in_space(group, *names):
    """Return the edges as sorted pairs of positions, each with columns of its ends, for comparing layouts."""
    table = np.column_stack([group["position"].values, *(group[name].values for name in names)])
    pairs = np.stack([table[group["source"].values], table[group["target"].values]], axis=1)
    return sorted(sorted(map(tuple, pair)) for pair in pairs.astype(np.float32).tolist())


@pytest.fixture(scope="module")
def vessel(data_dir):
    return data_dir / "vessel"


@pytest.fixture(scope="module")
def known(vessel):
    return json.loads((vessel / "facts.json").read_text())


@pytest.mark.data
@pytest.mark.parametrize("name", SECTIONS)
def test_the_counts_of_sections_are_reproduced(name, vessel, known) -> None:
    path, wanted = vessel / name, known[name]
    assert recognise([path]).name == "bbp"
    tree = load(path)
    group, found = tree["vessels"], facts(tree)
    assert (found["n_edges"], found["n_points"]) == (wanted["sections"], wanted["points"])
    assert found["n_components"] == wanted["section_components"] == wanted["graph_components"]
    assert tree["connections"].sizes["row"] == wanted["connections"]
    length = np.diff(group["point_ptr"].values)
    assert [int(length.min()), int(length.max())] == wanted["points_per_section_min_max"]
    assert round(float(edge_lengths(group.to_dataset()).values.sum()), 2) == wanted["cable_length"]
    diameter = group["point_diameter"].values
    measured = [round(float(value), 4) for value in (diameter.min(), diameter.max(), diameter.mean())]
    assert measured == wanted["diameter_min_max_mean"]
    low, high = (np.round(one(group["point_position"].values, axis=0), 2).tolist() for one in (np.min, np.max))
    assert (low, high) == (wanted["bbox_min"], wanted["bbox_max"])
    assert group["point_diameter"].attrs["units"] == "um"
    assert not any("radius" in str(column) for column in group.variables)


@pytest.mark.data
@pytest.mark.parametrize("name", SECTIONS)
def test_sections_meet_where_their_ends_lie_at_one_place(name, vessel, known) -> None:
    # In sample_1 an end also touches another section between its ends, which cuts that section when points are merged.
    tree = load(vessel / name, merge_points="none" if name.endswith("sample_1.h5") else "exact")
    wanted = known[name]
    assert facts(tree)["n_nodes"] == wanted["graph_nodes_by_coordinate"]
    assert facts(tree)["n_edges"] == wanted["graph_edges"]
    assert facts(tree)["degree_histogram"] == wanted["graph_degree_histogram"]


@pytest.mark.data
def test_only_connected_sections_are_joined_unless_equal_points_are_merged(vessel) -> None:
    tree = load(vessel / "vessmorphovis" / "sample_3.h5")
    assert facts(tree)["n_nodes"] == 3477
    assert facts(load(vessel / "vessmorphovis" / "sample_3.h5", merge_points="exact"))["n_nodes"] == 3466
    touching = load(vessel / "vessmorphovis" / "sample_1.h5", merge_points="exact")
    assert facts(touching)["n_edges"] == 13
    assert np.bincount(touching["vessels"]["line"].values).max() == 2, "one section is cut where an end touches it"


@pytest.mark.data
def test_the_fork_is_the_same_in_every_layout(vessel) -> None:
    folder = vessel / "bbp_formats"
    forks = [load(folder / f"fork_diameters_{layout}_spec.h5")["vessels"] for layout in ("point", "section", "sonata")]
    forks.append(read(folder / "fork_diameters_point_spec.vtk", units="um")["vessels"])
    told = [in_space(fork, "diameter") for fork in forks]
    assert told[0] == told[1] == told[2] == told[3]
    assert len(told[0]) == 3
    assert [fork.attrs.get("layout") for fork in forks] == ["point", "section", "sonata", None]


@pytest.mark.data
def test_the_capillary_is_the_same_as_sections_and_as_points(vessel) -> None:
    folder = vessel / "bbp_formats"
    sections = load(folder / "capillary_with_loops.h5", edges="segments")["vessels"]
    points = load(folder / "capillary_with_loops_point_connectivity.json")["vessels"]
    assert recognise([folder / "capillary_with_loops_point_connectivity.json"]).name == "bbp"
    assert in_space(sections, "diameter") == in_space(points, "diameter")
    assert (
        sections["line"].values[np.argsort(sections["edge_row"].values)].tolist()
        == by_row(points, "section_id").tolist()
    )


@pytest.mark.data
def test_the_toy_graph_is_the_same_as_sonata_and_as_tables(vessel, known) -> None:
    folder, wanted = vessel / "bbp_formats", known["bbp_formats/astrovascpy"]
    files = [folder / "astrovascpy_node_dataset.csv", folder / "astrovascpy_edge_dataset.csv"]
    assert recognise(files).name == "bbp"
    tables, sonata = load(files), load(folder / "astrovascpy_toy_graph.h5")
    for tree in (tables, sonata):
        assert (facts(tree)["n_nodes"], facts(tree)["n_edges"]) == (wanted["nodes"], wanted["edges"])
    group, other = tables["vessels"], sonata["vessels"]
    assert round(float(group["length"].values.sum()), 4) == wanted["sum_length"]
    assert int((group["endfeet_id"].values >= 0).sum()) == wanted["endfeet"]
    assert group["length"].attrs["units"] == "um"
    assert np.allclose(by_row(group, "position"), by_row(other, "position"), atol=1e-5)
    assert np.allclose(by_row(group, "diameter"), by_row(other, "diameter"), atol=1e-5)
    for name in ("type", "section_id", "segment_id"):
        assert np.array_equal(by_row(group, name), by_row(other, name))
    ends = [
        one["node"].values[np.stack([by_row(one, "source"), by_row(one, "target")], axis=1)] for one in (group, other)
    ]
    assert np.array_equal(*ends)
    assert set(other["model_type"].values.tolist()) == {"vasculature"}


def sections(path, *, points=None, structure=((0, 0), (2, 1)), connectivity=((0, 1),), **more):
    """Write two sections that touch, or something like it."""
    rows = [(0, 0, 0, 2), (1, 0, 0, 2), (1, 0, 0, 2), (2, 0, 0, 1)] if points is None else points
    with h5py.File(path, "w") as file:
        file["points"] = np.asarray(rows, dtype=np.float32)
        file["structure"] = np.asarray(structure)
        file["connectivity"] = np.asarray(connectivity)
        for name, values in more.items():
            file[name] = values
    return path


def test_an_empty_connectivity_may_have_lost_its_columns(tmp_path) -> None:
    tree = load(sections(tmp_path / "s.h5", connectivity=np.zeros(0, dtype=np.int64)))
    assert facts(tree)["n_components"] == 2
    assert "connections" not in tree.children
    assert facts(load(sections(tmp_path / "t.h5")))["n_components"] == 1


def test_connected_ends_may_lie_apart_by_the_stated_length_only(tmp_path) -> None:
    apart = [(0, 0, 0, 2), (1, 0, 0, 2), (1.001, 0, 0, 2), (2, 0, 0, 1)]
    path = sections(tmp_path / "s.h5", points=apart)
    with pytest.raises(FormatError, match="do not touch") as caught:
        load(path)
    assert caught.value.place == "/connectivity, row 0"
    tree = load(path, merge_points=0.01)
    assert facts(tree)["n_nodes"] == 3
    assert tree["merged_points"]["x"].values.tolist() == [1, np.float32(1.001)]


@pytest.mark.parametrize(
    ("change", "message", "place"),
    [
        ({"structure": ((1, 0), (2, 1))}, "follow one another", "/structure, row 0"),
        ({"structure": ((0, 0), (0, 1))}, "follow one another", "/structure, row 0"),
        ({"structure": ((0, 0), (4, 1))}, "follow one another", "/structure, row 1"),
        ({"structure": ((0, 0), (9, 1))}, "follow one another", "/structure, row 1"),
        ({"structure": ((0.0, 0.0), (2.5, 0.0))}, "whole numbers", "/structure"),
        ({"structure": ((0.0, 0.0), (np.nan, 0.0))}, "whole numbers", "/structure"),
        ({"structure": ((0, 0, -1), (2, 1, 0))}, "another shape", "/structure"),
        ({"structure": np.zeros((0, 2), dtype=int)}, "follow one another", "/structure, row 0"),
        ({"connectivity": ((0, 2),)}, "not there", "/connectivity, row 0"),
        ({"connectivity": ((0, 1), (-1, 0))}, "not there", "/connectivity, row 1"),
        ({"connectivity": ((0, 1, 2),)}, "another shape", "/connectivity"),
        ({"points": [(0, 0, 0), (1, 0, 0), (1, 0, 0), (2, 0, 0)]}, "another shape", "/points"),
        ({"points": [(0, 0, np.nan, 1), (1, 0, 0, 1), (1, 0, 0, 1), (2, 0, 0, 1)]}, "not finite", "point 0 (from 0)"),
    ],
)
def test_sections_that_contradict_themselves_are_refused(change, message, place, tmp_path) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        load(sections(tmp_path / "s.h5", **change))
    assert caught.value.place == place
    assert caught.value.subject.endswith("s.h5")


def points(path, edges=((0, 1), (1, 2)), **properties):
    with h5py.File(path, "w") as file:
        file["points"] = np.eye(3, dtype=np.float32)
        file["edges"] = np.asarray(edges)
        for name, values in properties.items():
            file[name.replace("__", "/")] = values
    return path


def test_points_with_properties_are_checked(tmp_path) -> None:
    path = points(tmp_path / "p.h5", point_properties__diameter=np.arange(3.0), edge_properties__type=np.array([4, 5]))
    group = load(path)["vessels"]
    assert by_row(group, "type").tolist() == [4, 5]
    with pytest.raises(FormatError, match="does not fit") as caught:
        load(points(tmp_path / "p.h5", point_properties__diameter=np.arange(2.0)))
    assert caught.value.place == "/point_properties/diameter"
    with pytest.raises(FormatError, match="point that is not there"):
        load(points(tmp_path / "p.h5", edges=((0, 3),)))
    with pytest.raises(FormatError, match="whole numbers"):
        load(points(tmp_path / "p.h5", edges=((0.0, 0.5),)))
    assert facts(load(points(tmp_path / "p.h5", edges=np.zeros(0))))["n_edges"] == 0


def sonata(path, population="vasculature", **change):
    columns = {f"{end}_{axis}": np.zeros(2, np.float32) for end in ("start", "end") for axis in "xyz"}
    columns |= {"start_node": np.array([5, 7], np.uint64), "end_node": np.array([7, 2**40], np.uint64)}
    columns |= {"end_x": np.array([1, 2], np.float32), "start_x": np.array([0, 1], np.float32)}
    columns |= {"start_diameter": np.array([3, 2], np.float32), "end_diameter": np.array([2, 1], np.float32)}
    with h5py.File(path, "a") as file:
        group = file.require_group(f"nodes/{population}/0")
        for name, values in {**columns, **change}.items():
            if values is not None:
                group[name] = values
    return path


def test_sonata_columns_are_checked(tmp_path) -> None:
    group = load(sonata(tmp_path / "0.h5"))["vessels"]
    assert sorted(group["node"].values.tolist()) == [5, 7, 2**40]
    assert by_row(group, "diameter").tolist() == [3, 2, 1]
    differing = load(sonata(tmp_path / "1.h5", start_diameter=np.array([3, 9], np.float32)))["vessels"]
    assert "diameter" not in differing
    assert by_row(differing, "start_diameter").tolist() == [3, 9]
    for number, (change, message) in enumerate(
        [
            ({"start_x": np.array([0, 4], np.float32)}, "two places"),
            ({"end_node": None}, "columns are missing"),
            ({"end_z": None}, "columns are missing"),
            ({"end_z": np.zeros(3)}, "does not fit"),
            ({"end_node": np.array([7, 2**64 - 1], np.uint64)}, "whole numbers"),
            ({"end_x": np.array([1, np.inf], np.float32)}, "not finite"),
        ]
    ):
        with pytest.raises(FormatError, match=message):
            load(sonata(tmp_path / f"bad{number}.h5", **change))
    both = sonata(sonata(tmp_path / "2.h5"), "other")
    with pytest.raises(FormatError, match="more than one"):
        load(both)


def test_numbers_of_a_library_are_spelled_and_checked(tmp_path) -> None:
    path = sonata(tmp_path / "0.h5", kind=np.array([1, 0]))
    with h5py.File(path, "a") as file:
        file["nodes/vasculature/0/@library/kind"] = ["artery", "vein"]
    assert by_row(load(path)["vessels"], "kind").tolist() == ["vein", "artery"]
    with h5py.File(path, "a") as file:
        file["nodes/vasculature/0/kind"][:] = [2, 0]
    with pytest.raises(FormatError, match="library does not"):
        load(path)


def test_links_out_of_the_file_are_refused_and_not_followed(tmp_path) -> None:
    outside = sections(tmp_path / "outside.h5")
    with h5py.File(tmp_path / "in.h5", "w") as file:
        for name in ("points", "structure", "connectivity"):
            file[name] = h5py.ExternalLink(outside.name, f"/{name}")
    with pytest.raises(FormatError, match="cannot be told"):
        recognise([tmp_path / "in.h5"])
    with pytest.raises(UnsafeError, match="another file"):
        load(tmp_path / "in.h5")


def test_a_dataset_that_claims_more_than_the_file_holds_is_refused(tmp_path) -> None:
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("points", shape=(10**9, 4), dtype="f8", chunks=(1000, 4))
        file["structure"], file["connectivity"] = np.zeros((1, 2), int), np.zeros(0, int)
    with pytest.raises(FormatError, match="claims more"):
        load(tmp_path / "huge.h5")


@pytest.mark.data
@pytest.mark.parametrize("name", ["fork_diameters_section_spec.h5", "fork_diameters_sonata_spec.h5"])
def test_a_cut_file_is_refused(name, vessel, tmp_path) -> None:
    whole = (vessel / "bbp_formats" / name).read_bytes()
    path = tmp_path / name
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError) as caught:
            load(path)
        assert "make sense" not in caught.value.message, size


JSON = {
    "points": [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]],
    "diameters": [2.0, 1.5],
    "edge_properties": {"beg_node": [0], "end_node": [1], "section_id": [4]},
}


def test_points_in_json_are_checked(tmp_path) -> None:
    path = tmp_path / "p.json"

    def write(**change):
        path.write_text(json.dumps({**JSON, **change}))
        return path

    group = load(write())["vessels"]
    assert group["section_id"].values.tolist() == [4]
    assert by_row(group, "diameter").tolist() == [2, 1.5]
    for change, message in (
        ({"diameters": [1.0]}, "differ in length"),
        ({"points": [[0.0, 1.0], [1.0, 1.0]]}, "not numbers"),
        ({"points": [[0, 0, "x"], [1, 1, 1]]}, "not numbers"),
        ({"points": [[0, 0, float("nan")], [1, 1, 1]]}, "not finite"),
        ({"edge_properties": {"beg_node": [0]}}, "whole numbers for their ends"),
        ({"edge_properties": {"beg_node": [0], "end_node": [1.5]}}, "whole numbers for their ends"),
        ({"edge_properties": {"beg_node": [0], "end_node": [10**30]}}, "too large"),
        ({"edge_properties": {"beg_node": [0], "end_node": [2]}}, "point that is not there"),
        ({"edge_properties": []}, "not points and edges"),
    ):
        with pytest.raises(FormatError, match=message):
            load(write(**change))
    whole = json.dumps(JSON)
    for size in range(1, len(whole)):
        path.write_text(whole[:size])
        with pytest.raises(TruncatedError):
            load(path)
    path.write_text("[" * 100_000)
    with pytest.raises(FormatError):
        load(path)


def test_the_pair_of_tables_is_checked(tmp_path) -> None:
    nodes, edges = tmp_path / "n.csv", tmp_path / "e.csv"

    def write(rows="0,0,0,1\n1,0,0,2\n", lines="start_node,end_node,length\n0,1,1.0\n"):
        nodes.write_text("x,y,z,diameter\n" + rows)
        edges.write_text(lines)
        return [nodes, edges]

    assert by_row(load(write())["vessels"], "length").tolist() == [1]
    assert "warnings" not in load(write()).attrs
    cut = load(write(lines="start_node,end_node,length\n0,1,1."))
    assert [(note["code"], note["place"]) for note in cut.attrs["warnings"]] == [("no-final-newline", "e.csv")]
    for change, message, place in (
        ({"rows": "0,0,0,1\n1,0,0\n"}, "number of cells", "line 3"),
        ({"rows": "0,0,0,1\n1,0,nan,2\n"}, "not a finite number", "line 3"),
        ({"lines": "start_node,length\n0,1.0\n"}, "columns are missing", "line 1"),
        ({"lines": "start_node,end_node\n0,2\n"}, "not there", "row 0 (from 0)"),
        ({"lines": "start_node,end_node\n0,1.0\n"}, "whole number", "line 2"),
    ):
        with pytest.raises(FormatError, match=message) as caught:
            load(write(**change))
        assert caught.value.place == place
    with pytest.raises(FormatError, match="one record"):
        load(write()[0])
    with pytest.raises(UsageError, match="must be stated"):
        read(write(), "bbp")
