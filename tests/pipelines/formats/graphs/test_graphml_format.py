"""GraphML: generated graphs that networkx writes and reads, and XML that is damaged or would do more than describe."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UnsafeError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.graphs.graphml import exact_ids
from support import graph_layouts
from support.graph_layouts import in_source_order, listed_ends

HEAD = '<?xml version="1.0"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
GOOD = (
    HEAD
    + """<key id="k" for="edge" attr.name="weight" attr.type="double"/>
<key id="n" for="node" attr.name="count" attr.type="long"/>
<graph edgedefault="undirected">
<node id="a"><data key="n">648518346349539437</data></node>
<node id="b"/>
<edge source="a" target="b"><data key="k">1.5</data></edge>
<edge source="b" target="b"><data key="k">2.5</data></edge>
</graph>
</graphml>
"""
)


def save(folder: Path, text: str | bytes) -> Path:
    path = folder / "graph.graphml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


VALUE = {
    "real": st.floats(allow_nan=False),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "truth": st.booleans(),
    "word": st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8),
}


@st.composite
def graphs(draw) -> nx.MultiGraph:
    made = nx.MultiDiGraph() if draw(st.booleans()) else nx.MultiGraph()
    ids = draw(
        st.one_of(
            st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8, unique=True),
            st.lists(st.text("abc07é<&", max_size=5).map("v{}".format), min_size=1, max_size=8, unique=True),
        )
    )
    for name in ids:
        made.add_node(name, **{key: draw(kind) for key, kind in VALUE.items() if draw(st.booleans())})
    for _ in range(draw(st.integers(0, 12))):
        ends = draw(st.tuples(st.sampled_from(ids), st.sampled_from(ids)))
        made.add_edge(
            *ends, weight=draw(VALUE["real"]), **({"kind": draw(VALUE["word"])} if draw(st.booleans()) else {})
        )
    return made


@settings(deadline=None, max_examples=30)
@given(made=graphs())
def test_what_networkx_writes_is_read_as_networkx_reads_it(tmp_path_factory, made) -> None:
    path = tmp_path_factory.mktemp("graphml") / "graph.graphml"
    nx.write_graphml(made, path)
    tree = read(path, "graphml")
    schema.validate(tree, subject="generated")
    graph = tree["graph"].to_dataset()
    plain = all(isinstance(name, int) for name in made)
    oracle = nx.read_graphml(path, node_type=int if plain else str, force_multigraph=True)
    assert graph["node"].values.tolist() == list(oracle)
    assert graph.attrs["edge_types"]["edge"]["directed"] is made.is_directed()
    edges = [ends if made.is_directed() else frozenset(ends) for ends in listed_ends(tree, "graph")]
    wanted = [(one, other) if made.is_directed() else frozenset((one, other)) for one, other in oracle.edges()]
    assert edges == wanted
    if wanted:
        assert graph["weight"].values.tolist() == [about["weight"] for _, _, about in oracle.edges(data=True)]
    for key in VALUE:
        listed = [about.get(key) for _, about in oracle.nodes(data=True)]
        if any(value is not None for value in listed):
            assert _plain(graph[key]) == listed


def _plain(variable) -> list[object]:
    """Return the values of a column, None where the file has none."""
    values = schema.decode(variable).tolist()
    if schema.is_category(variable):
        return [{"true": True, "false": False, "": None}[value] for value in values]
    if "missing_value" in variable.attrs:
        return [None if value == variable.attrs["missing_value"] else value for value in values]
    if variable.dtype.kind == "f":
        return [None if np.isnan(value) else value for value in values]
    if variable.dtype.kind == "O":
        return [value or None for value in values]
    return values


def test_long_ids_are_whole_numbers_to_the_last_digit(tmp_path) -> None:
    made = nx.DiGraph()
    made.add_edge(648518346349539437, 648518346349539438, weight=1.0)
    path = tmp_path / "graph.graphml"
    nx.write_graphml(made, path)
    assert read(path)["graph"]["node"].values.tolist() == [648518346349539437, 648518346349539438]


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        (["0", "-5", "9223372036854775807"], [0, -5, 9223372036854775807]),
        (["0", "9223372036854775808"], ["0", "9223372036854775808"]),
        (["007", "7"], ["007", "7"]),
        (["+1", "2"], ["+1", "2"]),
        (["-0", "2"], ["-0", "2"]),
        (["n0", "1"], ["n0", "1"]),
    ],
)
def test_ids_are_numbers_only_where_no_text_is_lost(texts, kept) -> None:
    assert exact_ids(texts).tolist() == kept


def test_positions_are_the_keys_x_y_z_or_those_named(tmp_path) -> None:
    made = nx.Graph()
    for at in range(9):
        made.add_node(f"n{at}", x=at / 3, y=float(at % 4), z=-1.0 * at, r=2.0 * at)
    made.add_edges_from([("n0", "n8"), ("n3", "n3")])
    path = tmp_path / "graph.graphml"
    nx.write_graphml(made, path)
    with pytest.raises(UsageError, match="must be stated"):
        read(path)
    tree = read(path, units="mm")
    schema.validate(tree, subject="positions")
    listed = in_source_order(tree, "graph")
    assert listed["position"].values.tolist() == [[at / 3, at % 4, -at] for at in range(9)]
    assert listed["r"].values.tolist() == [2.0 * at for at in range(9)]
    assert listed_ends(tree, "graph") == [("n0", "n8"), ("n3", "n3")]
    flat = in_source_order(read(path, position="r,x", units="um"), "graph")
    assert flat["position"].values.tolist() == [[2.0 * at, at / 3] for at in range(9)]
    assert flat["z"].values.tolist() == [-at for at in range(9)]
    assert "position" not in read(path, position="none")["graph"]
    with pytest.raises(UsageError, match="not keys that give every node a position"):
        read(path, position="x,y,depth", units="um")


def test_edges_of_both_directions_are_two_types(tmp_path) -> None:
    text = GOOD.replace('<edge source="b" target="b">', '<edge source="b" target="a" directed="true" id="e1">')
    tree = read(save(tmp_path, text))
    schema.validate(tree, subject="mixed")
    graph = tree["graph"].to_dataset()
    assert schema.decode(graph["edge_type"]).tolist() == ["edge_undirected", "edge"]
    directed = {name: about["directed"] for name, about in graph.attrs["edge_types"].items()}
    assert directed == {"edge": True, "edge_undirected": False}
    assert graph["edge_id"].values.tolist() == ["", "e1"]


def test_defaults_stand_for_values_that_are_not_given(tmp_path) -> None:
    text = GOOD.replace('attr.type="long"/>', 'attr.type="long"><default>7</default></key>')
    graph = read(save(tmp_path, text))["graph"]
    assert graph["count"].values.tolist() == [648518346349539437, 7]
    assert "missing_value" not in graph["count"].attrs


def test_elements_of_other_programs_are_left_out_with_a_warning(tmp_path) -> None:
    text = GOOD.replace('attr.name="count" attr.type="long"', 'yfiles.type="nodegraphics"').replace(
        "648518346349539437",
        '<y:ShapeNode xmlns:y="http://www.yworks.com/xml/graphml"><y:Fill color="#1"/></y:ShapeNode>',
    )
    tree = read(save(tmp_path, text))
    assert "n" not in tree["graph"]
    (warning,) = tree.attrs["warnings"]
    assert warning["code"] == "not-stored"


BOMB = '<!DOCTYPE graphml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>\n'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (GOOD.replace("<graphml", BOMB + "<graphml", 1), "line 2"),
        (
            GOOD.replace(
                "<graphml", '<!DOCTYPE graphml [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n<graphml', 1
            ).replace("1.5", "&x;"),
            "line 2",
        ),
        (GOOD.replace("<graphml", '<!DOCTYPE graphml [<!ENTITY % p SYSTEM "x.dtd"> %p;]>\n<graphml', 1), "line 2"),
    ],
)
def test_entities_are_refused_whatever_they_say(tmp_path, text, place) -> None:
    with pytest.raises(UnsafeError) as caught:
        read(save(tmp_path, text), "graphml")
    assert caught.value.place == place


@pytest.mark.parametrize(
    ("old", "new", "error", "place"),
    [
        ("<graphml", "<html", FormatError, "line 2"),
        ('edgedefault="undirected"', "", FormatError, "line 5"),
        ('<node id="b"/>', '<node id="a"/>', FormatError, "line 7"),
        ('<node id="b"/>', "<node/>", FormatError, "line 7"),
        ('<node id="b"/>', '<node id="b"><graph edgedefault="directed"/></node>', FormatError, "line 7"),
        ('<node id="b"/>', '<node id="b"/><hyperedge/>', FormatError, "line 7"),
        ('target="b"><data key="k">1.5', 'target="c"><data key="k">1.5', FormatError, "line 8"),
        ('source="a" target="b"', 'source="a"', FormatError, "line 8"),
        ('source="a" target="b"', 'source="a" target="b" sourceport="p"', FormatError, "line 8"),
        ('source="a" target="b"', 'source="a" target="b" directed="maybe"', FormatError, "line 8"),
        ("1.5</data>", '1.5</data><data key="k">2</data>', FormatError, "line 8"),
        ("1.5", "thick", FormatError, "line 8"),
        ("1.5", "1_0", FormatError, "line 8"),
        ("648518346349539437", "6485183463495394370000", FormatError, "line 6"),
        ("648518346349539437", "6.5", FormatError, "line 6"),
        ('key="k">1.5', 'key="q">1.5', FormatError, "line 8"),
        ('attr.type="double"', 'attr.type="quaternion"', FormatError, "line 3"),
        ('id="n"', 'id="k"', FormatError, "line 4"),
        ("</graph>\n</graphml>\n", "", TruncatedError, "line 10, column 1"),
        ("</node>", "</knot>", FormatError, "line 6, column 55"),
        (GOOD[GOOD.index("<node") : GOOD.index("</graph>")], "", FormatError, None),
        (GOOD[GOOD.index("<graph ") : GOOD.index("</graphml>")], "", FormatError, "line 6"),
        (GOOD, "", TruncatedError, None),
    ],
)
def test_damaged_xml_is_refused_with_its_line(tmp_path, old, new, error, place) -> None:
    text = GOOD.replace(old, new, 1)
    path = save(tmp_path, text.replace("</graphml>", "</html>") if "<html" in text else text)
    with pytest.raises(error) as caught:
        read(path, "graphml")
    assert caught.value.subject == str(path)
    assert caught.value.place == place


def test_a_graph_in_the_layout_of_igraph_is_recognised(tmp_path) -> None:
    path = tmp_path / "graph.graphml"
    graph_layouts.graphml(path)
    assert recognise([path]).name == "graphml"
    tree = read(path)
    schema.validate(tree, subject="generated")
    graph = tree["graph"].to_dataset()
    assert (graph.sizes["node"], graph.sizes["edge"]) == (30, 60)
    assert graph["count"].values.max() > 2**32
    assert set(graph["kind"].values) == {"artery", "vein"}
