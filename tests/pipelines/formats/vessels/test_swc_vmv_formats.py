"""Trees in SWC and strands in VMV: the real arteries to the last count, the same arbor both ways, damage by line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.graphs import edge_lengths
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.graphs.swc import sniff

BRAVA = ("BG0002.CNG.swc", "BG0003.CNG.swc", "BG001.CNG.swc", "BG04.CNG.swc")
TREE = "# by hand\n10 1 0 0 0 2.5 -1\n7 3 1 0 0 0 10\n30 3 1 1 0 -1 7\n8 3 2 0 0 1 7\n9 3 3 0 0 1 8\n"


def load(path, **options):
    tree = read(path, **{"units": "mm", **options})
    schema.validate(tree, subject=str(path))
    return tree


def save(folder, text, name="tree.swc"):
    path = folder / name
    path.write_text(text)
    return path


def facts(tree):
    return schema.measure(tree)["/vessels"]


def ends(group):
    """Return the edges as ids, in the order of the source."""
    order = np.argsort(group["edge_row"].values)
    ids = group["node"].values
    return list(
        zip(ids[group["source"].values][order].tolist(), ids[group["target"].values][order].tolist(), strict=True)
    )


def codes(tree):
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


@pytest.fixture(scope="module")
def known(data_dir):
    return json.loads((data_dir / "vessel" / "facts.json").read_text())


@pytest.mark.data
@pytest.mark.parametrize("name", BRAVA)
def test_the_counts_of_the_arteries_are_reproduced(name, data_dir, known) -> None:
    path, wanted = data_dir / "vessel" / "vessmorphovis" / name, known[f"vessmorphovis/{name}"]
    assert recognise([path]).name == "swc"
    tree = load(path)
    group, found = tree["vessels"], facts(tree)
    assert (found["n_nodes"], found["n_edges"]) == (wanted["points"], wanted["edges"])
    assert found["degree_histogram"] == wanted["degree_histogram"]
    assert found["n_components"] == wanted["components"]
    assert group.attrs["n_roots"] == wanted["roots"]
    length = edge_lengths(group.to_dataset()).values
    assert round(float(length.sum()), 3) == wanted["cable_length"]
    assert int((length == 0).sum()) == wanted["zero_length_edges"]
    radius = group["radius"].values
    assert (float(radius.min()), float(radius.max())) == (wanted["radius_min"], wanted["radius_max"])
    kinds, counts = np.unique(group["type"].values, return_counts=True)
    assert dict(zip(map(str, kinds), counts.tolist(), strict=True)) == wanted["type_counts"]
    assert "warnings" not in tree.attrs


@pytest.mark.data
@pytest.mark.parametrize("name", BRAVA)
def test_sections_between_branch_points_hold_every_point(name, data_dir, known) -> None:
    path, wanted = data_dir / "vessel" / "vessmorphovis" / name, known[f"vessmorphovis/{name}"]
    tree = load(path, edges="lines")
    group, found = tree["vessels"], facts(tree)
    ones, twos, threes = wanted["degree_histogram"][1:]
    assert found["degree_histogram"] == [0, ones, 0, threes]
    assert found["n_edges"] == ones + threes - 1
    assert found["n_points"] == twos + 2 * found["n_edges"]
    assert round(float(edge_lengths(group.to_dataset()).values.sum()), 3) == wanted["cable_length"]
    assert set(group["point_row"].values.tolist()) == set(range(wanted["points"]))


@pytest.mark.data
@pytest.mark.parametrize("name", ["BG0002.CNG.vmv", "sample-1.vmv"])
def test_the_counts_of_strands_are_reproduced(name, data_dir, known) -> None:
    path, wanted = data_dir / "vessel" / "vessmorphovis" / name, known[f"vessmorphovis/{name}"]
    assert recognise([path]).name == "vmv"
    steps = load(path, edges="segments")
    assert facts(steps)["n_nodes"] == wanted["vertices"]
    assert facts(steps)["n_edges"] == wanted["strand_points"] - wanted["strands"]
    tree = load(path)
    assert facts(tree)["n_edges"] == wanted["strands"]
    assert facts(tree)["n_points"] == wanted["strand_points"]
    columns = sum(1 for variable in steps["vessels"].variables.values() if variable.dims[0] == "node")
    # Id, position (three), radius and the rest; the rows and the pointers are ours.
    own = {"position", "node", "node_row"}
    assert columns - len(own) + 4 == wanted["columns_per_vertex"]


@pytest.mark.data
def test_strands_that_share_no_vertex_are_the_tree_without_the_links_between_them(data_dir) -> None:
    folder = data_dir / "vessel" / "vessmorphovis"
    tree, strands = (
        load(folder / "BG0002.CNG.swc")["vessels"],
        load(folder / "BG0002.CNG.vmv", edges="segments")["vessels"],
    )
    at, there = (np.argsort(group["node"].values) for group in (tree, strands))
    assert np.array_equal(tree["node"].values[at], strands["node"].values[there])
    assert np.array_equal(tree["position"].values[at], strands["position"].values[there])
    difference = np.abs(tree["radius"].values[at] - strands["radius"].values[there])
    assert difference.max() <= 0.005 + 1e-9, "strands give the radius to two decimals"
    missing = set(ends(tree)) - set(ends(strands))
    assert set(ends(strands)) < set(ends(tree))
    assert len(missing) == 109 - 1


def test_ids_parents_radii_and_comments_are_kept(tmp_path) -> None:
    tree = load(save(tmp_path, TREE), units="um")
    group = tree["vessels"]
    assert ends(group) == [(10, 7), (7, 30), (7, 8), (8, 9)]
    at = np.argsort(group["node_row"].values)
    assert group["node"].values[at].tolist() == [10, 7, 30, 8, 9]
    assert np.array_equal(group["radius"].values[at], [2.5, 0, np.nan, 1, 1], equal_nan=True)
    assert group["radius"].attrs["units"] == "um"
    assert group["radius"].attrs["missing_sentinel"] == -1
    assert group.attrs["comments"] == ["# by hand"]
    assert group.attrs["edge_types"]["vessel"]["direction"] == "from the parent to the child"
    assert codes(tree) == ["missing-values"]
    lines = load(save(tmp_path, TREE), edges="lines")["vessels"]
    assert ends(lines) == [(10, 7), (7, 30), (7, 9)]


def test_forests_and_parents_after_their_children_are_read(tmp_path) -> None:
    tree = load(save(tmp_path, "3 0 0 0 0 1 2\n2 0 1 0 0 1 1\n1 0 2 0 0 1 -1\n5 0 9 9 9 1 -1\n"), group="connectome")
    assert ends(tree["connectome"]) == [(2, 3), (1, 2)]
    assert tree["connectome"].attrs["n_roots"] == 2
    assert list(tree["connectome"].attrs["edge_types"]) == ["neurite"]


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("1 1 0 0 0 1 -1\n1 3 1 0 0 1 1\n", "there twice", "line 2"),
        ("1 1 0 0 0 1 -1\n2 3 1 0 0 1 7\n", "parent is not there", "line 2"),
        ("1 1 0 0 0 1 -1\n2 3 1 0 0 1 0\n", "parent is not there", "line 2"),
        ("1 1 0 0 0 1 -2\n", "parent is not there", "line 1"),
        ("1 1 0 0 0 1 1\n", "its own parent", "line 1"),
        ("1 1 0 0 0 1 -1\n2 3 0 0 0 1 3\n3 3 0 0 0 1 4\n4 3 0 0 0 1 2\n5 3 0 0 0 1 4\n", "own ancestors", "line 2"),
        ("# c\n\n1 1 0 0 0 1\n", "one value per column", "line 3"),
        ("1 1 0 0 0 1 -1 9\n", "one value per column", "line 1"),
        ("1 1 0 0 x 1 -1\n", "the z is not", "line 1"),
        ("1 1 0 nan 0 1 -1\n", "the y is not", "line 1"),
        ("1 1 0 0 0 inf -1\n", "the radius is not", "line 1"),
        ("1.5 1 0 0 0 1 -1\n", "the id is not", "line 1"),
        ("1 1 0 0 0 1 -1\n2 3 1 0 0 1 1.0\n", "the parent is not", "line 2"),
        ("99999999999999999999 1 0 0 0 1 -1\n", "the id is not", "line 1"),
        ("# nothing\n", "no points", None),
    ],
)
def test_a_tree_that_is_none_is_refused_at_its_line(text, message, place, tmp_path) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        load(save(tmp_path, text), format="swc")
    assert caught.value.place == place
    assert caught.value.subject.endswith("tree.swc")


def test_what_is_not_text_is_refused_and_a_missing_end_is_said(tmp_path) -> None:
    path = save(tmp_path, "")
    with pytest.raises(TruncatedError):
        load(path, format="swc")
    path.write_bytes(b"1 1 0 0 0 1 -1\n\xff\xfe")
    with pytest.raises(FormatError, match="UTF-8"):
        load(path, format="swc")
    assert codes(load(save(tmp_path, TREE.rstrip()))) == ["no-final-newline", "missing-values"]
    with pytest.raises(UsageError, match="must be stated"):
        read(save(tmp_path, TREE), "swc")
    with pytest.raises(UsageError):
        load(save(tmp_path, TREE), edges="branches")


def test_other_tables_are_not_taken_for_trees(tmp_path) -> None:
    for text in ("a,b,c\n1,2,3\n", "1 2 3\n", "1 1 0 0 0 1 -5\n", "# only this\n", "id type x y z r parent\n"):
        assert not sniff(save(tmp_path, text))
    assert sniff(save(tmp_path, "# " + "long comment " * 100 + "\n" + TREE))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_forest_in_any_order_is_read_as_it_is(data, tmp_path) -> None:
    ids = data.draw(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=12, unique=True))
    parents = [data.draw(st.sampled_from([-1, *ids[:at]])) for at in range(len(ids))]
    order = data.draw(st.permutations(range(len(ids))))
    lines = [f"{ids[at]} 3 {at} {at * 0.5} 0 1 {parents[at]}" for at in order]
    group = load(save(tmp_path, "\n".join(lines) + "\n"))["vessels"]
    assert ends(group) == [(parents[at], ids[at]) for at in order if parents[at] != -1]
    sections = load(save(tmp_path, "\n".join(lines) + "\n"), edges="lines")["vessels"]
    children = [parents.count(own) for own in ids]
    inner = {own for own, parent, n in zip(ids, parents, children, strict=True) if parent != -1 and n == 1}
    assert set(sections["node"].values.tolist()) == set(ids) - inner
    assert edge_lengths(sections.to_dataset()).values.sum() == pytest.approx(
        edge_lengths(group.to_dataset()).values.sum()
    )


STRANDS = (
    "$PARAM_BEGIN\nNUM_VERTS\t4\nNUM_STRANDS\t2\nNUM_ATTRIB_PER_VERT\t5\n$PARAM_END\n\n"
    "$VERT_LIST_BEGIN\n1\t0\t0\t0\t1.5\t9\n2 1 0 0 1 8\n5 2 0 0 1 7\n4 1 1 0 0 6\n$VERT_LIST_END\n\n"
    "$STRANDS_LIST_BEGIN\n1 1 2 5\n7 2 4\n$STRANDS_LIST_END\n\n"
)


def test_strands_meet_at_the_vertices_they_name(tmp_path) -> None:
    tree = load(save(tmp_path, STRANDS, "s.vmv"))
    group = tree["vessels"]
    assert ends(group) == [(1, 2), (2, 5), (2, 4)]
    at = np.argsort(group["edge_row"].values)
    assert group["strand"].values[at].tolist() == [1, 1, 7]
    assert group["line"].values[at].tolist() == [0, 0, 1]
    at = np.argsort(group["node_row"].values)
    assert group["attribute_5"].values[at].tolist() == [9, 8, 7, 6]
    more = STRANDS + "$NOTES_BEGIN\nsomething\n$NOTES_END\n"
    assert codes(load(save(tmp_path, more, "s.vmv"))) == ["unknown-block"]


@pytest.mark.parametrize(
    ("old", "new", "message", "place"),
    [
        ("NUM_VERTS\t4", "NUM_VERTS\t5", "parameters say", "NUM_VERTS"),
        ("NUM_STRANDS\t2", "NUM_STRANDS\t1", "parameters say", "NUM_STRANDS"),
        ("NUM_STRANDS\t2", "NUM_STRANDS two", "NUM_STRANDS is not", "line 3"),
        ("NUM_STRANDS\t2", "NUM_STRANDS", "a name and a number", "line 3"),
        ("NUM_ATTRIB_PER_VERT\t5", "NUM_ATTRIB_PER_VERT\t3", "too few", "NUM_ATTRIB_PER_VERT"),
        ("NUM_ATTRIB_PER_VERT\t5", "NUM_ATTRIB_PER_VERT\t4", "number of columns", "line 8"),
        ("2 1 0 0 1 8", "2 1 0 0 1", "number of columns", "line 9"),
        ("2 1 0 0 1 8", "1 1 0 0 1 8", "there twice", "line 9"),
        ("2 1 0 0 1 8", "2 1 nan 0 1 8", "not a finite number", "line 9"),
        ("2 1 0 0 1 8", "two 1 0 0 1 8", "the id is not", "line 9"),
        ("1 1 2 5", "1 1 3 5", "not there", "line 15"),
        ("1 1 2 5", "1 1 2.0 5", "a vertex of the strand", "line 15"),
        ("$VERT_LIST_END\n", "", "do not follow", "line 13"),
        ("$STRANDS_LIST_END", "", "not whole", "line 18"),
        ("$PARAM_END", "$PARAM_END\nloose", "outside the blocks", "line 6"),
        ("$STRANDS_LIST_BEGIN", "$VERT_LIST_BEGIN", "do not follow", "line 14"),
        ("$PARAM_BEGIN", "$PARAM", "do not follow", "line 1"),
    ],
)
def test_damaged_strands_are_refused_at_their_place(old, new, message, place, tmp_path) -> None:
    assert old in STRANDS
    with pytest.raises(FormatError, match=message) as caught:
        load(save(tmp_path, STRANDS.replace(old, new, 1), "s.vmv"), format="vmv")
    assert caught.value.place == place


def test_a_file_of_strands_that_is_cut_anywhere_is_refused(tmp_path) -> None:
    whole = STRANDS.rstrip()
    for size in range(0, len(whole), 2):
        with pytest.raises(FormatError) as caught:
            load(save(tmp_path, whole[:size], "s.vmv"), format="vmv")
        assert "make sense" not in caught.value.message
