"""Lines in VTK files: the real ones to the last count, every coding alike, and damage refused at its place."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UnsafeError, UsageError
from connectome.graphs import edge_lengths, parallel_edges
from connectome.pipelines.formats import read, recognise
from support.line_layouts import TREE, legacy_vtk, xml_vtk

LINES = [[0, 1, 2], [4, 3], [2, 3]]
ARRAYS = {
    "points": {"Radius": np.array([1, 2, 3, 4, 5.5], dtype=np.float32), "uv w": np.arange(10.0).reshape(5, 2)},
    "cells": {"flow": np.array([0.1, -2, 3e-9]), "code": np.array([3, 1, 2], dtype=np.int32)},
}
REAL = (
    "human_brain_mra/arteries_smooth.vtk",
    "microvesselchaste/markelc_network.vtp",
    "microvesselchaste/bio_original.vtp",
    "microvesselchaste/tapmeier_network.vtp",
    "microvesselchaste/retinal.vtp",
    "vesselgraph_example/example_graph.vtk",
    "bbp_formats/penetrating_artery.vtk",
)


def load(path, **options):
    tree = read(path, **{"units": "um", **options})
    schema.validate(tree, subject=str(path))
    return tree


def save(folder, data, name):
    path = folder / name
    path.write_bytes(data)
    return path


def refusal(path) -> str:
    """Return why a file is refused, or nothing."""
    try:
        load(path, format=path.suffix[1:])
    except FormatError as error:
        return error.message
    return ""


def facts(tree):
    return schema.measure(tree)["/vessels"]


def by_row(group, name):
    """Return a column in the order of the source."""
    along = "node_row" if group[name].dims[0] == "node" else "edge_row"
    return group[name].values[np.argsort(group[along].values)]


@pytest.fixture(scope="module")
def known(data_dir):
    return json.loads((data_dir / "vessel" / "facts.json").read_text())


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_the_counts_of_a_real_file_are_reproduced(name, data_dir, known) -> None:
    path, wanted = data_dir / "vessel" / name, known[name]
    assert recognise([path]).name == path.suffix[1:]
    tree = load(path, edges="segments")
    group, found = tree["vessels"], facts(tree)
    assert (found["n_nodes"], found["n_edges"]) == (wanted["points"], wanted["segments"])
    assert found["degree_histogram"] == wanted["degree_histogram_by_index"]
    assert found["n_components"] == wanted["components_by_index"]
    assert round(float(edge_lengths(group.to_dataset()).values.sum()), 6) == wanted["total_length"]
    n_lines = group["line"].values.max() + 1 if "line" in group else found["n_edges"]
    assert n_lines == wanted["lines"]
    stated = {
        variable.attrs["source_name"]: [round(float(variable.values.min()), 6), round(float(variable.values.max()), 6)]
        for variable in group.data_vars.values()
        if "source_name" in variable.attrs
    }
    assert stated == {**wanted["point_arrays"], **wanted["cell_arrays"]}
    together = load(path, edges="segments", merge_points=1e-4)
    group, found = together["vessels"], facts(together)
    assert found["n_nodes"] == wanted["unique_points_rounded_1e4"]
    assert found["n_components"] == wanted["components_after_merge"]
    assert found["n_edges"] == wanted["segments"], "merging points drops no segment"
    ends = np.sort(np.stack([group["source"].values, group["target"].values], axis=1), axis=1)
    assert len(np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)) == wanted["unique_segments_after_merge"]


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_lines_hold_the_same_way_as_their_segments(name, data_dir, known) -> None:
    tree = load(data_dir / "vessel" / name)
    group, wanted = tree["vessels"], known[name]
    length = edge_lengths(group.to_dataset()).values
    assert len(length) == wanted["lines"], "no line of a real file is touched between its ends"
    assert float(length.sum()) == pytest.approx(wanted["total_length"], rel=1e-6)
    assert facts(tree)["n_components"] == wanted["components_by_index"]
    if "point_ptr" in group:
        pointer, row = group["point_ptr"].values, group["point_row"].values
        nodes = group["node"].values
        assert np.array_equal(row[pointer[:-1]], nodes[group["source"].values])
        assert np.array_equal(row[pointer[1:] - 1], nodes[group["target"].values])


@pytest.mark.data
def test_the_arteries_of_a_brain_keep_the_two_points_that_rounding_makes_one(data_dir) -> None:
    path = data_dir / "vessel" / "human_brain_mra" / "arteries_smooth.vtk"
    tree = load(path, units="m")
    group = tree["vessels"]
    assert facts(tree)["degree_histogram"] == [0, 147, 12417, 145]
    degree = np.bincount(np.concatenate([group["source"].values, group["target"].values]))
    assert np.array_equal(group["root"].values > 0, degree == 1), "1 and 2 mark the ends and the roots"
    assert group["radius"].attrs["units"] == "m"
    assert group["radius"].dtype == np.float32
    merged = load(path, units="m", merge_points=1e-4)
    assert merged["merged_points"].sizes["row"] == 2
    assert facts(merged)["n_self_loops"] == 1
    assert facts(load(path, units="m", merge_points="exact"))["n_nodes"] == 12709


@pytest.mark.data
def test_the_tumour_networks_are_graphs_once_equal_points_are_merged(data_dir) -> None:
    tree = load(data_dir / "vessel" / "microvesselchaste" / "markelc_network.vtp", merge_points="exact")
    assert facts(tree)["n_nodes"] == 12377
    assert facts(tree)["n_edges"] == 12656
    node, listed = tree["vessels"], tree["merged_points"]
    assert int(node["n_points"].values.sum()) == 25312
    assert listed.sizes["row"] == int(node["n_points"].values[node["n_points"].values > 1].sum())
    assert "node_id" in node, "the file's own ids agree with the positions"
    assert len(np.unique(node["node_id"].values)) <= 12377


@pytest.mark.data
def test_the_vessels_of_a_retina_and_of_a_tumour_meet_at_branch_points(data_dir) -> None:
    folder = data_dir / "vessel" / "microvesselchaste"
    retina = load(folder / "retinal.vtp", units="voxel", voxel_size_um="unknown")
    assert facts(retina)["degree_histogram"] == [0, 564, 0, 956]
    assert facts(retina)["n_points"] == 7684 + 1716
    assert [warning["code"] for warning in retina.attrs["warnings"]] == ["vertex-cells"]
    tumour = load(folder / "tapmeier_network.vtp", merge_points="exact", missing="Radius=0")
    assert np.isnan(tumour["vessels"]["point_radius"].values).any()
    assert float(np.nanmin(tumour["vessels"]["point_radius"].values)) > 0
    assert tumour["vessels"]["point_radius"].attrs["missing_sentinel"] == 0
    assert tumour.attrs["warnings"][0]["code"] == "missing-values"
    assert facts(tumour)["n_nodes"] == 78
    assert facts(tumour)["n_edges"] == 77
    assert tumour["vessels"]["topology"].dims == ("edge", "topology_component")
    assert tumour["vessels"]["topology"].dtype == np.int64


@pytest.mark.data
def test_the_drawing_of_the_voreen_example_has_its_loops_and_parallels(data_dir, known) -> None:
    tree = load(data_dir / "vessel" / "vesselgraph_example" / "example_graph.vtk", units="", voxel_size_um=3)
    group, wanted = tree["vessels"], known["vesselgraph_example"]
    assert facts(tree)["n_self_loops"] == wanted["self_loop_rows"]
    assert facts(tree)["degree_histogram"] == wanted["degree_histogram_multigraph"]
    several = parallel_edges(group["source"].values, group["target"].values, group.sizes["node"])
    assert several is not None
    degree = np.bincount(np.concatenate([group["source"].values, group["target"].values]))
    assert np.array_equal(degree, group["degree"].values)


CODINGS = {
    "text, version 3": ("a.vtk", legacy_vtk, {}),
    "text, version 5.1": ("a.vtk", legacy_vtk, {"offsets": True}),
    "binary, version 3": ("a.vtk", legacy_vtk, {"binary": True}),
    "binary, version 5.1": ("a.vtk", legacy_vtk, {"binary": True, "offsets": True}),
    "scalars": ("a.vtk", legacy_vtk, {"scalars": True}),
    "binary scalars": ("a.vtk", legacy_vtk, {"binary": True, "scalars": True}),
    "grid": ("a.vtk", legacy_vtk, {"grid": True}),
    "binary grid, version 5.1": ("a.vtk", legacy_vtk, {"grid": True, "binary": True, "offsets": True}),
    "xml text": ("a.vtp", xml_vtk, {}),
    "xml grid": ("a.vtu", xml_vtk, {"grid": True}),
    **{
        f"xml {coding}{' packed' * packed} {order}{header}": (
            "a.vtp",
            xml_vtk,
            {"coding": coding, "packed": packed, "order": order, "header": header},
        )
        for coding in ("binary", "binary-apart", "appended-base64", "appended-raw")
        for packed in (False, True)
        for order in "<>"
        for header in ("u4", "u8")
    },
}


@pytest.mark.parametrize("coding", CODINGS)
def test_every_coding_says_the_same(coding, tmp_path) -> None:
    name, write, options = CODINGS[coding]
    path = save(tmp_path, write(TREE, LINES, **ARRAYS, **options), name)
    assert recognise([path]).name == ("vtk" if name == "a.vtk" else "vtp")
    group = load(path, edges="segments")["vessels"]
    assert np.array_equal(by_row(group, "position"), TREE)
    assert by_row(group, "position").dtype == np.float32
    for own, wanted in (("radius", ARRAYS["points"]["Radius"]), ("uv_w", ARRAYS["points"]["uv w"])):
        assert np.array_equal(by_row(group, own), wanted)
        assert group[own].dtype == wanted.dtype
    ends = group["node"].values[np.stack([by_row(group, "source"), by_row(group, "target")], axis=1)]
    assert ends.tolist() == [[0, 1], [1, 2], [4, 3], [2, 3]]
    for own, wanted in ARRAYS["cells"].items():
        assert np.array_equal(by_row(group, own), wanted[[0, 0, 1, 2]])
        assert group[own].dtype == wanted.dtype
    assert by_row(group, "line").tolist() == [0, 0, 1, 2]


def test_pieces_are_put_together(tmp_path) -> None:
    path = save(tmp_path, xml_vtk(TREE, LINES, **ARRAYS, pieces=3, coding="appended-raw", packed=True), "a.vtp")
    group = load(path, edges="segments")["vessels"]
    assert group.sizes["node"] == 15
    ends = group["node"].values[np.stack([by_row(group, "source"), by_row(group, "target")], axis=1)]
    assert ends.tolist() == [[0, 1], [1, 2], [9, 8], [12, 13]]
    assert by_row(group, "code").tolist() == [3, 3, 1, 2]


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_written_is_read_back_exactly(data, tmp_path) -> None:
    n_points = data.draw(st.integers(1, 8))
    row = st.lists(numbers, min_size=3, max_size=3)
    position = np.array(data.draw(st.lists(row, min_size=n_points, max_size=n_points)), dtype=np.float32)
    line = st.lists(st.integers(0, n_points - 1), min_size=2, max_size=4)
    lines = data.draw(st.lists(line, min_size=1, max_size=5))
    values = np.array(data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=len(lines), max_size=len(lines))))
    name, write, options = data.draw(st.sampled_from(list(CODINGS.values())))
    path = save(tmp_path, write(position, lines, cells={"id": values}, **options), name)
    group = load(path, edges="segments")["vessels"]
    assert np.array_equal(by_row(group, "position"), position)
    ends = group["node"].values[np.stack([by_row(group, "source"), by_row(group, "target")], axis=1)]
    steps = [(number, pair) for number, one in enumerate(lines) for pair in itertools.pairwise(one)]
    assert [tuple(pair) for pair in ends.tolist()] == [pair for _, pair in steps]
    assert by_row(group, "id").tolist() == [values[number] for number, _ in steps]


def test_other_keywords_of_a_legacy_file(tmp_path) -> None:
    text = (
        "# vtk DataFile Version 2.0\nby hand\nASCII\nDATASET POLYDATA\n"
        "FIELD FieldData 1\nTIME 1 1 double\n2.5\n"
        "POINTS 3 double\n0 0 0 1 0 0\n2 0 0\nMETADATA\nINFORMATION 0\n\n"
        "VERTICES 1 2\n1 0\nLINES 1 4\n3 0 1 2\n"
        "CELL_DATA 2\nSCALARS code int\nLOOKUP_TABLE mine\n7 8\nLOOKUP_TABLE mine 1\n0 0 0 1\n"
        "POINT_DATA 3\nVECTORS flow float\n1 2 3 4 5 6 7 8 9\nNORMALS n float\n0 0 1 0 0 1 0 0 1\n"
        "COLOR_SCALARS rgb 3\n0 0 0.5 0 0 1 1 1 1\nTEXTURE_COORDINATES uv 2 float\n0 0 1 1 2 2\nGLOBAL_IDS gid int\n"
        "5 6 7\n"
    )
    tree = load(save(tmp_path, text.encode(), "hand.vtk"))
    group = tree["vessels"]
    assert group["code"].values.tolist() == [8], "the row of the vertex cell is not that of the line"
    assert group["point_flow"].values.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert by_row(group, "gid").tolist() == [5, 7]
    assert group.attrs["field_data"] == {"TIME": [2.5]}
    assert group.attrs["title"] == "by hand"
    assert [warning["code"] for warning in tree.attrs["warnings"]] == ["vertex-cells"]


def test_the_unit_is_demanded_and_other_options_are_checked(tmp_path) -> None:
    path = save(tmp_path, legacy_vtk(TREE, LINES), "a.vtk")
    with pytest.raises(UsageError, match="must be stated"):
        read(path)
    with pytest.raises(UsageError):
        read(path, units="um", voxel_size_um=3)
    for missing in ("Radius", "Radius=x", "=", "Radius=nan"):
        with pytest.raises(UsageError):
            read(path, units="um", missing=missing)
    with pytest.raises(FormatError, match="no such array"):
        read(path, units="um", missing="Radius=0")
    with pytest.raises(FormatError, match="one file"):
        read([path, path], "vtk", units="um")


BASE = legacy_vtk(TREE, LINES, **ARRAYS).decode()


@pytest.mark.parametrize(
    ("old", "new", "kind", "place"),
    [
        ("# vtk DataFile", "# vtk datafile", FormatError, "line 1"),
        ("ASCII", "HEX", FormatError, "line 4"),
        ("DATASET POLYDATA", "DATASET STRUCTURED_GRID", FormatError, "line 5"),
        ("POINTS 5 float", "POINTS five float", FormatError, "line 6"),
        ("POINTS 5 float", "POINTS 5", FormatError, "line 6"),
        ("POINTS 5 float", "POINTS 5 string", FormatError, "line 6"),
        ("POINTS 5 float", "POINTS 4 float", FormatError, None),
        ("POINTS 5 float", "POINTS 6 float", FormatError, "line 7"),
        ("POINTS 5 float", "POINTS 999999999999999999 float", TruncatedError, "line 6"),
        ("POINTS 5 float", "POINTS " + "9" * 5000 + " float", FormatError, None),
        ("10.0", "1_0.0", FormatError, "line 6"),
        ("10.0", "ten", FormatError, "line 6"),
        ("10.0", "nan", FormatError, "point 1 (from 0)"),
        ("LINES 3 10", "LINES 3 11", FormatError, None),
        ("LINES 3 10", "LINES 4 10", FormatError, "line 8"),
        ("LINES 3 10", "POLYGONS 3 10", FormatError, None),
        ("3 0 1 2 2 4", "3 0 1 2 2 5", FormatError, "line 1, vertex 0 (from 0)"),
        ("3 0 1 2 2 4", "3 0 1 2 2 -1", FormatError, "line 1, vertex 0 (from 0)"),
        ("3 0 1 2 2 4", "3 0 1 2 -2 4", FormatError, "line 8"),
        ("3 0 1 2 2 4", "3 0 1.5 2 2 4", FormatError, "line 8"),
        ("3 0 1 2 2 4", "3 0 1 9999999999 2 4", FormatError, "line 8"),
        ("POINT_DATA 5", "POINT_DATA 4", FormatError, None),
        ("CELL_DATA 3", "CELL_DATA 2", FormatError, None),
        ("Radius 1 5 float", "Radius 1 5 string", FormatError, None),
        ("Radius 1 5 float", "Radius 1 4 float", FormatError, None),
        ("Radius 1 5 float", "Radius 5 float", FormatError, None),
        ("code 1 3 int", "flow 1 3 int", FormatError, None),
        ("code 1 3 int", "code 1 3 unsigned_char", None, None),
        ("CELL_DATA 3", "CELL_DATA 3\nWHATEVER x", FormatError, None),
        ("LINES 3 10", "TRIANGLE_STRIPS 1 4\n3 0 1 2\nLINES 3 10", FormatError, None),
    ],
)
def test_a_damaged_legacy_text_is_refused_at_its_place(old, new, kind, place, tmp_path) -> None:
    assert old in BASE
    path = save(tmp_path, BASE.replace(old, new, 1).encode(), "a.vtk")
    if kind is None:
        load(path)
        return
    with pytest.raises(kind) as caught:
        load(path, format="vtk")
    assert caught.value.subject == str(path)
    assert "make sense" not in caught.value.message
    assert caught.value.place is not None
    if place is not None:
        assert caught.value.place == place


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("offsets", [False, True])
def test_a_legacy_file_that_is_cut_anywhere_is_refused_or_lacks_nothing_but_arrays(binary, offsets, tmp_path) -> None:
    whole = legacy_vtk(TREE, LINES, **ARRAYS, binary=binary, offsets=offsets)
    lacking = whole.index(b"POINT_DATA")
    for size in range(len(whole) - 1):
        path = save(tmp_path, whole[:size], "a.vtk")
        message = refusal(path)
        # A cut between two arrays, or within the digits of the last number of text, leaves a whole file.
        assert message or size >= lacking - 2, size
        assert "make sense" not in message, size


@pytest.mark.parametrize("coding", ["ascii", "binary", "appended-base64", "appended-raw"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_xml_file_that_is_cut_anywhere_is_refused(coding, packed, tmp_path) -> None:
    whole = xml_vtk(TREE, LINES, **ARRAYS, coding=coding, packed=packed).rstrip()
    for size in [*range(0, len(whole) - 1, 7), len(whole) - 1]:
        path = save(tmp_path, whole[:size], "a.vtp")
        with pytest.raises(FormatError) as caught:
            load(path, format="vtp")
        assert "make sense" not in caught.value.message, size


@pytest.mark.parametrize("coding", ["binary", "appended-base64", "appended-raw"])
@pytest.mark.parametrize("packed", [False, True])
def test_no_flipped_bit_of_the_data_leaves_our_own_words(coding, packed, tmp_path) -> None:
    whole = xml_vtk(TREE, LINES, **ARRAYS, coding=coding, packed=packed)
    chance = np.random.default_rng(5)
    refused = 0
    for at in chance.integers(0, len(whole), 80):
        broken = bytearray(whole)
        broken[at] ^= 1 << int(chance.integers(8))
        message = refusal(save(tmp_path, bytes(broken), "a.vtp"))
        refused += bool(message)
        assert "make sense" not in message, at
    assert refused > 10


XML = xml_vtk(TREE, LINES, **ARRAYS).decode()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("PolyData", "ImageData", "not a set of lines"),
        ('byte_order="LittleEndian"', 'byte_order="PDP"', "packed in a way"),
        ('header_type="UInt32"', 'header_type="UInt16"', "packed in a way"),
        ('header_type="UInt32"', 'header_type="UInt32" compressor="vtkLZ4DataCompressor"', "packed in a way"),
        ('NumberOfPoints="5"', 'NumberOfPoints="6"', "not as long"),
        ('NumberOfPoints="5"', 'NumberOfPoints="-5"', "count is missing"),
        ('NumberOfPoints="5"', 'NumberOfPoints="900000000000000000"', "not as long"),
        ('NumberOfLines="3"', 'NumberOfLines="4"', "not as long"),
        ('NumberOfLines="3"', 'NumberOfLines="3" NumberOfPolys="1"', "a surface"),
        ('type="Float32" Name="Points"', 'type="String" Name="Points"', "does not hold numbers"),
        ('Name="connectivity" format="ascii"', 'Name="connectivity" format="appended" offset="0"', "not there"),
        ('Name="connectivity" format="ascii"', 'Name="connectivity" format="hex"', "not there"),
        ('Name="offsets"', 'Name="ends"', "without their arrays"),
        ("0 1 2 4 3 2 3", "0 1 2 5 3 2 3", "not there"),
        ("0 1 2 4 3 2 3", "0 1 2 x 3 2 3", "not numbers"),
        ("3 5 7", "5 3 7", "fall"),
        ("10.0", "inf", "not finite"),
        ('Name="uv w"', 'Name="Radius"', "one name"),
        ("</Piece>", "", "not whole XML"),
        ("<Piece", "&unknown;<Piece", "not whole XML"),
    ],
)
def test_a_damaged_xml_file_is_refused_with_its_reason(old, new, message, tmp_path) -> None:
    assert old in XML
    with pytest.raises(FormatError, match=message) as caught:
        load(save(tmp_path, XML.replace(old, new).encode(), "a.vtp"), format="vtp")
    assert caught.value.subject.endswith("a.vtp")


def test_a_document_type_is_refused_before_an_entity_is_expanded(tmp_path) -> None:
    bomb = '<!DOCTYPE b [<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 12)
    )
    for start in (bomb + "]>", '<!DOCTYPE b SYSTEM "file:///etc/hostname">'):
        text = XML.replace('<?xml version="1.0"?>\n', f'<?xml version="1.0"?>\n{start}').replace("10.0", "&a11;")
        with pytest.raises(UnsafeError, match="document type") as caught:
            load(save(tmp_path, text.encode(), "a.vtp"), format="vtp")
        assert caught.value.subject.endswith("a.vtp")


def test_a_block_that_claims_more_than_its_bytes_can_hold_is_refused(tmp_path) -> None:
    whole = xml_vtk(TREE, LINES, coding="appended-raw", packed=True, header="u8")
    start = whole.index(b"_") + 1
    for at, value in ((0, 2**60), (0, 0), (8, 2**60), (16, 2**63), (24, 2**62), (24, 2**20)):
        broken = bytearray(whole)
        broken[start + at : start + at + 8] = value.to_bytes(8, "little")
        with pytest.raises(FormatError) as caught:
            load(save(tmp_path, bytes(broken), "a.vtp"), format="vtp")
        assert "make sense" not in caught.value.message


def test_empty_files_and_files_of_other_things_are_refused(tmp_path) -> None:
    for name in ("a.vtk", "a.vtp"):
        with pytest.raises(TruncatedError, match="empty"):
            read(save(tmp_path, b"", name), name[-3:], units="um")
        for rubbish in (b"\x00" * 300, b"<VTKFile/>", b"{}", b"\x1f\x8b\x08"):
            with pytest.raises(FormatError):
                read(save(tmp_path, rubbish, name), name[-3:], units="um")


def test_a_mesh_is_not_taken_for_lines(tmp_path) -> None:
    text = legacy_vtk(TREE, [[0, 1, 2]], grid=True).decode().replace("CELL_TYPES 1\n4", "CELL_TYPES 1\n5")
    with pytest.raises(FormatError, match="a mesh") as caught:
        load(save(tmp_path, text.encode(), "a.vtk"))
    assert caught.value.found == "5"
    text = (
        xml_vtk(TREE, [[0, 1, 2]], grid=True)
        .decode()
        .replace('Name="types" format="ascii">4', 'Name="types" format="ascii">5')
    )
    with pytest.raises(FormatError, match="a mesh"):
        load(save(tmp_path, text.encode(), "a.vtu"))
