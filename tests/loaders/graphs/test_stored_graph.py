"""Graphs read where they lie, against the whole record in memory and against references written with loops."""

from __future__ import annotations

import functools
import importlib
import mmap
import multiprocessing
import os
import pickle
import threading
from collections import Counter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema, store
from connectome.errors import DamagedError, NotFoundError, UsageError
from connectome.loaders.graphs import mapped_cache, open_graph, stored_adjacency
from connectome.loaders.graphs.adjacency import adjacency_of
from connectome.loaders.graphs.blocks import Blocks
from connectome.loaders.graphs.mapped_cache import MappedCache, default_cache
from connectome.loaders.graphs.stored_adjacency import EdgeTable, build, is_mirrored
from connectome.pipelines.homogenise.spatial_graph import spatial_graph
from connectome.schema.graph import compressed_rows
from support.stored_graphs import typed_record, vessel_record


@pytest.fixture(scope="module")
def version(tmp_path_factory, commit_records):
    records = {"brain": vessel_record(), "flat": vessel_record(seed=1, n_axes=2), "typed": typed_record()}
    return commit_records(tmp_path_factory.mktemp("graphs") / "store", "graphs", records)


@pytest.fixture
def graph(version, tmp_path):
    return open_graph(version, record="brain", cache=tmp_path)


@pytest.fixture
def typed(version, tmp_path):
    return open_graph(version, record="typed", cache=tmp_path)


@pytest.fixture(scope="module")
def cut(tmp_path_factory, commit_records):
    """Return the same graph with its columns cut into chunks of 128 rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("connectome.schema.graph"), "CHUNK_ITEMS", 128)
        return commit_records(tmp_path_factory.mktemp("cut") / "store", "graphs", {"brain": vessel_record()})


@pytest.fixture
def cached(monkeypatch):
    """Keep every array that is made, however small, in the cache."""
    monkeypatch.setattr(mapped_cache, "IN_MEMORY_BYTES", 0)


def whole(version, record):
    (name,) = version.open(record).children
    return version.open(record)[name].to_dataset()


def listed(adjacency):
    """Return (centre, neighbour, edge) of every slot."""
    slot = np.arange(len(adjacency.neighbour))
    centre = np.repeat(np.arange(adjacency.n_nodes), np.diff(adjacency.pointer))
    return list(zip(centre.tolist(), adjacency.neighbour.tolist(), adjacency.edges_at(slot).tolist(), strict=True))


def is_mapped(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(getattr(array, "obj", array), mmap.mmap)


# -- opening ---------------------------------------------------------------------------------------------------------


def test_a_graph_is_opened_by_name_and_says_what_it_holds(version, tmp_path):
    root = version.repository.path
    graph = open_graph("graphs@1/brain", root=root, cache=tmp_path)
    assert (graph.n_nodes, graph.n_edges, graph.edge_types) == (600, 900, ("vessel",))
    assert repr(graph) == "<StoredGraph brain/vessels: 600 nodes, 900 edges (vessel)>"
    assert {"position", "degree", "region", "label", "node_row"} <= set(graph.node_columns)
    assert {"length", "radius", "edge_row", "edge_type"} <= set(graph.edge_columns)
    assert "source" not in graph.edge_columns
    assert graph.about("length")["units"] == "um"
    html = graph._repr_html_()
    assert "vessel" in html
    assert "undirected" in html
    assert "length" in html


@pytest.mark.parametrize("n_nodes", [0, 1, 5])
def test_a_graph_without_edges_is_a_graph(tmp_path, commit_records, n_nodes):
    group = spatial_graph(
        node=np.arange(n_nodes),
        position=np.zeros((n_nodes, 3)),
        position_units="um",
        source=np.zeros(0, dtype=int),
        target=np.zeros(0, dtype=int),
        subject="generated",
    )
    version = commit_records(tmp_path / "store", "graphs", {"bare": schema.record({"vessels": group})})
    graph = open_graph(version, record="bare", cache=tmp_path)
    assert (graph.n_nodes, graph.n_edges) == (n_nodes, 0)
    for direction in (None, "in", "out", "both"):
        assert not len(graph.adjacency(direction).neighbour)
    assert len(graph.within([[-1] * 3, [1] * 3]).node) == n_nodes
    assert graph.subgraph(range(n_nodes)).edge_index.shape == (2, 0)
    blocks = Blocks(graph, block_nodes=1)
    assert sum(blocks.block(at).n_core for at in range(len(blocks))) == n_nodes
    if n_nodes:
        assert graph.ego(0, 2).node.tolist() == [0]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, UsageError),
        ({"record": "two"}, NotFoundError),
        ({"record": "brain", "group": "connectome"}, NotFoundError),
        ({"record": "brain", "group": "vessels/position"}, UsageError),
    ],
)
def test_what_is_no_graph_is_named(version, options, kind):
    with pytest.raises(kind):
        open_graph(version, **options)


def test_end_points_pointers_and_positions_are_mapped_and_nothing_is_copied(version, graph):
    dataset = whole(version, "brain")
    for name in ("source", "target", "in_ptr", "in_edge", "out_ptr", "out_edge", "position", "cell_ptr", "edge_row"):
        array = graph.array(name)
        assert is_mapped(array), name
        assert not array.flags.writeable
        assert array.ctypes.data % 64 == 0
        assert np.array_equal(array, dataset[name].values)
    incoming = graph.incoming
    assert incoming.edge is None
    assert np.shares_memory(incoming.neighbour, graph.array("source"))
    assert np.shares_memory(incoming.pointer, graph.array("in_ptr"))


@pytest.mark.parametrize("chunks", ["one", "many"])
def test_columns_are_the_same_by_rows_and_whole(version, cut, chunks, cached, tmp_path):
    dataset = whole(version, "brain")
    graph = open_graph(version if chunks == "one" else cut, record="brain", cache=tmp_path)
    n_chunks = [-(-900 // graph.reader.array(f"vessels/{name}").chunks[0]) for name in ("length", "source")]
    assert n_chunks == ([1, 1] if chunks == "one" else [8, 1])
    rng = np.random.default_rng(0)
    for dim, names, size in (("node", graph.node_columns, 600), ("edge", graph.edge_columns, 900)):
        rows = rng.integers(0, size, 50)
        for name in names:
            expected = dataset[name].values
            got, all_of_it = graph.column(dim, name, rows), graph.column(dim, name, None)
            assert got.shape == (50, *expected.shape[1:])
            for values, wanted in ((got, expected[rows]), (all_of_it, expected)):
                same = values.astype(object) if values.dtype.kind == "T" else values
                assert np.array_equal(same, wanted, equal_nan=wanted.dtype.kind == "f")
            assert not len(graph.column(dim, name, np.zeros(0, dtype=int)))
    with pytest.raises(NotFoundError, match="no such column of nodes"):
        graph.node_column("length")
    with pytest.raises(IndexError):
        graph.node_column("label", np.array([600]))


def test_features_of_rows_are_those_of_the_whole_table(version, graph):
    rows = np.array([5, 0, 599])
    some, all_of_it = graph.features(["position", "region"], rows), graph.features(["position", "region"])
    assert some.names == (
        "position[x]", "position[y]", "position[z]", "region=capillary", "region=arteriole", "region=venule"
    )  # fmt: skip
    assert np.array_equal(some.values, all_of_it.values[rows])
    assert np.array_equal(all_of_it.values[:, :3], whole(version, "brain")["position"].values)
    length = graph.features(["length"], dim="edge")
    missing = np.isnan(graph.edge_column("length"))
    assert missing.any()
    assert np.array_equal(length.mask[:, 0], ~missing)
    assert not length.values[missing].any()


def test_nodes_are_found_by_their_ids(version, graph, typed):
    ids = whole(version, "brain")["node"].values
    assert graph.find(ids[[3, 599, 3]]).tolist() == [3, 599, 3]
    assert graph.find(int(ids[7])).tolist() == [7]
    assert typed.find(["n003", "n000"]).tolist() == [3, 0]
    with pytest.raises(NotFoundError, match="no such nodes"):
        graph.find([ids[0], 1])
    with pytest.raises(NotFoundError, match="no such nodes"):
        typed.find("AVAL")


def in_another_process(graph, queue):
    found = graph.array("source")[:5].tolist(), graph.incident.neighbour[:5].tolist()
    # Nothing that the parent had opened is used here.
    queue.put((*found, is_mapped(graph.position) and graph._pid == os.getpid()))


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_graph_goes_to_another_process_as_a_few_names(graph, method):
    graph.array("source")
    expected = (graph.array("source")[:5].tolist(), graph.incident.neighbour[:5].tolist(), True)
    assert len(pickle.dumps(graph)) < 1500
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=in_another_process, args=(graph, queue))
    process.start()
    assert queue.get(timeout=60) == expected
    process.join(60)
    assert process.exitcode == 0


def test_a_graph_on_a_web_server_is_the_local_one(version, graph, cached, tmp_path):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(version.repository.path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        remote = open_graph("graphs@1/brain", root=url, cache=tmp_path / "remote")
        box = [[10, 10, 10], [60, 60, 60]]
        assert np.array_equal(remote.nodes_within(box), graph.nodes_within(box))
        assert listed(remote.incident) == listed(graph.incident)
        assert is_mapped(remote.array("source"))
        assert np.array_equal(remote.node_column("label", [4, 2]), graph.node_column("label", [4, 2]))
        server.shutdown()


def test_a_changed_byte_is_found_when_that_is_asked_for(tmp_path, commit_records):
    version = commit_records(tmp_path / "store", "graphs", {"one": vessel_record(100, 150)})
    clean = open_graph(version, record="one", verify=True)
    source = clean.array("source")
    start, size = clean.reader.store.span("vessels/source/c/0")
    file = version.file("one")
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    data[start + size // 2] ^= 1
    file.write_bytes(data)
    open_graph(version, record="one").array("source")
    with pytest.raises(DamagedError, match="have changed"):
        open_graph(version, record="one", verify=True).array("source")
    assert len(source) == 150
    file.write_bytes(data[:-100])
    with pytest.raises(DamagedError, match="length"):
        open_graph(version, record="one")


# -- neighbours ------------------------------------------------------------------------------------------------------


def table_of(source, target, codes, n_nodes):
    pointers = {}
    for side, end in (("out", source), ("in", target)):
        pointer, order = compressed_rows(end, n_nodes)
        pointers |= {f"{side}_ptr": pointer, f"{side}_edge": order.astype(np.int32)}
    return EdgeTable(source=source, target=target, **pointers, edge_type=lambda: codes)


@settings(deadline=None)
@given(
    edges=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 2)), max_size=40),
    inward=st.sets(st.integers(0, 2)),
    outward=st.sets(st.integers(0, 2)),
    by_target=st.booleans(),
    block=st.sampled_from([1, 4, 100]),
)
def test_neighbours_are_merged_from_both_tables_as_a_loop_over_the_edges_lists_them(
    edges, inward, outward, by_target, block
):
    if by_target:
        edges = sorted(edges, key=lambda edge: edge[1])
    table = np.array(edges, dtype=np.int32).reshape(-1, 3)
    source, target, codes = table.T
    before, stored_adjacency.NODES_AT_ONCE = stored_adjacency.NODES_AT_ONCE, block
    try:
        built = build(table_of(source, target, codes, 9), inward, outward, 3, MappedCache("unused", "0"), "test")
    finally:
        stored_adjacency.NODES_AT_ONCE = before
    expected = []
    for edge, (a, b, code) in enumerate(edges):
        if code in inward:
            expected.append((b, a, edge))
        if code in outward and not (a == b and code in inward):
            expected.append((a, b, edge))
    assert Counter(listed(built)) == Counter(expected)
    # Incoming edges come first, both in their order.
    for centre in range(9):
        own = [edge for at, _, edge in listed(built) if at == centre]
        n_in = sum(1 for a, b, code in edges if b == centre and code in inward)
        assert own[:n_in] == sorted(own[:n_in])
        assert own[n_in:] == sorted(own[n_in:])


@given(edges=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12), twice=st.booleans())
def test_a_type_is_mirrored_when_every_pair_is_listed_as_often_one_way_as_the_other(edges, twice):
    if twice:
        edges = [*edges, *((b, a) for a, b in edges)]
    table = np.array(edges, dtype=np.int32).reshape(-1, 2)
    codes = np.zeros(len(edges), dtype=np.int8)
    there, back = Counter(e for e in edges if e[0] != e[1]), Counter((b, a) for a, b in edges if a != b)
    expected = bool(there) and there == back
    edge_table = table_of(table[:, 0], table[:, 1], codes, 4)
    assert is_mirrored(edge_table, 0, 1) is expected
    assert is_mirrored(edge_table, 0, 2) is expected


def test_undirected_edges_are_walked_both_ways_unless_both_are_listed(graph, typed):
    assert graph.direction_of("vessel") == "both"
    assert {name: typed.direction_of(name) for name in typed.edge_types} == {
        "chemical": "in",
        "contact": "both",
        "gap_junction": "in",
    }
    source, target, codes = (typed.array(name) for name in ("source", "target", "edge_type"))
    contact = typed.codes(["contact"])[0]
    expected = [(int(b), int(a), at) for at, (a, b) in enumerate(zip(source, target, strict=True))]
    expected += [(a, b, at) for b, a, at in expected if codes[at] == contact and a != b]
    assert Counter(listed(typed.adjacency())) == Counter(expected)


@pytest.mark.parametrize("record", ["brain", "typed"])
@pytest.mark.parametrize("direction", ["in", "out", "both"])
def test_stored_neighbours_are_those_of_the_edges_in_memory(version, record, direction, tmp_path, cached):
    graph = open_graph(version, record=record, cache=tmp_path)
    source, target, codes = (np.asarray(graph.array(name)) for name in ("source", "target", "edge_type"))
    for types in (None, list(graph.edge_types)[:1], list(graph.edge_types)[-2:]):
        kept = np.flatnonzero(np.isin(codes, graph.codes(types or graph.edge_types)))
        expected = adjacency_of(source[kept], target[kept], graph.n_nodes, direction)
        found = graph.adjacency(direction, types)
        assert Counter(listed(found)) == Counter((a, b, int(kept[edge])) for a, b, edge in listed(expected))
        assert is_mapped(found.neighbour)


def test_what_was_made_once_is_mapped_from_the_cache_and_made_again_where_it_is_damaged(
    version, tmp_path, cached, monkeypatch
):
    expected = listed(open_graph(version, record="brain", cache=tmp_path).incident)
    files = sorted(tmp_path.rglob("*.npy"))
    assert [file.stem.rsplit("-", 1)[1] for file in files if "out-0" in file.stem] == ["edge", "neighbour", "pointer"]
    assert not list(tmp_path.rglob("*.tmp"))
    stamps = {file: file.stat().st_mtime_ns for file in files}
    again = open_graph(version, record="brain", cache=tmp_path)
    assert listed(again.incident) == expected
    assert is_mapped(again.incident.neighbour)
    assert {file: file.stat().st_mtime_ns for file in files} == stamps
    for file in files:
        file.write_bytes(file.read_bytes()[:-10])
    assert listed(open_graph(version, record="brain", cache=tmp_path).incident) == expected
    for file in files:
        file.write_bytes(b"not an array")
    assert listed(open_graph(version, record="brain", cache=tmp_path).incident) == expected
    for file in files:
        np.save(file, np.load(file)[:-1])
    assert listed(open_graph(version, record="brain", cache=tmp_path).incident) == expected


def test_without_a_cache_that_can_be_written_arrays_are_kept_in_memory(version, tmp_path, cached):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    graph = open_graph(version, record="brain", cache=blocked)
    assert Counter(listed(graph.incident)) == Counter(
        listed(open_graph(version, record="brain", cache=tmp_path / "free").incident)
    )
    assert not is_mapped(graph.incident.neighbour)


def test_names_out_of_files_do_not_lead_out_of_the_cache(tmp_path):
    cache = MappedCache(str(tmp_path), "../../../elsewhere")
    for name in ("../../up", "/root", "group/column"):
        assert cache.path(name).parent.parent == tmp_path / "graphs"


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("CONNECTOME_CACHE", str(tmp_path))
    assert default_cache() == str(tmp_path)
    monkeypatch.delenv("CONNECTOME_CACHE")
    assert default_cache().endswith("connectome") or default_cache().endswith("Cache/connectome")


# -- queries ---------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(data=st.data(), record=st.sampled_from(["brain", "flat"]))
def test_a_box_holds_the_nodes_that_lie_in_it(version, data, record):
    graph = open_graph(version, record=record)
    corner = st.floats(-20, 120, width=32)
    box = np.array(data.draw(st.lists(st.tuples(corner, corner), min_size=graph.n_axes, max_size=graph.n_axes))).T
    at = data.draw(st.none() | st.integers(0, graph.n_nodes - 1))
    if at is not None:
        # A corner on a node, which is inside.
        box[1] = graph.position[at]
    box.sort(axis=0)
    position = np.asarray(graph.position)
    expected = np.flatnonzero(((position >= box[0]) & (position <= box[1])).all(axis=1))
    assert np.array_equal(graph.nodes_within(box), expected)


def test_a_box_looks_only_at_the_cells_that_overlap_it(commit_records, tmp_path):
    version = commit_records(tmp_path / "store", "graphs", {"large": vessel_record(20_000, 30_000)})
    graph = open_graph(version, record="large", cache=tmp_path)
    looked_at = []
    positions = graph.positions
    graph.positions = lambda rows: looked_at.append(len(rows)) or positions(rows)
    found = graph.nodes_within([[40, 40, 40], [50, 50, 50]])
    assert 0 < len(found) <= looked_at[0] < 2000


def test_a_graph_without_cells_is_searched_whole(typed):
    position = np.stack([typed.node_column(axis) for axis in "xyz"], axis=1)
    inside = np.flatnonzero((np.abs(position) <= 0.8).all(axis=1))
    assert typed.nodes_within([[-0.8] * 3, [0.8] * 3]).tolist() == inside.tolist()
    assert typed.within([[-0.8] * 3, [0.8] * 3]).node.tolist() == inside.tolist()


def test_what_is_no_box_is_refused(graph, version, commit_records, tmp_path):
    inverted, unknown = [[0, 5, 0], [1, 4, 1]], [[np.nan, 0, 0], [1, 1, 1]]
    for box in ([0, 1], [[0, 0], [1, 1]], [[0, 0, 0]] * 3, inverted, unknown):
        with pytest.raises(UsageError, match="not a box"):
            graph.nodes_within(box)


@settings(deadline=None)
@given(data=st.data(), record=st.sampled_from(["brain", "typed"]))
def test_a_subgraph_has_every_edge_among_its_nodes_once(version, data, record):
    graph = open_graph(version, record=record)
    nodes = data.draw(st.lists(st.integers(0, min(graph.n_nodes, 60) - 1), unique=True, max_size=40))
    types = data.draw(st.none() | st.just(list(graph.edge_types)[:1]))
    part = graph.subgraph(nodes, edge_types=types)
    codes = graph.codes(types or graph.edge_types)
    ends = zip(*(graph.array(name).tolist() for name in ("source", "target", "edge_type")), strict=True)
    expected = [at for at, (a, b, code) in enumerate(ends) if a in nodes and b in nodes and code in codes]
    assert part.node.tolist() == nodes
    assert part.edge.tolist() == expected
    for end, name in zip(part.edge_index, ("source", "target"), strict=True):
        assert np.array_equal(part.node[end], graph.array(name)[part.edge])
    assert np.array_equal(part.node_id, graph.node_column("node", nodes))
    assert np.array_equal(part.edge_column("edge_type"), graph.edge_column("edge_type")[part.edge])


@pytest.mark.parametrize("k", [0, 1, 3])
@pytest.mark.parametrize(("record", "direction"), [("brain", None), ("typed", "out"), ("typed", "in")])
def test_an_ego_graph_has_the_nodes_that_a_breadth_first_search_finds(version, record, direction, k):
    graph = open_graph(version, record=record)
    pairs = {(a, b) for a, b, _ in listed(graph.adjacency(direction))}
    distance = {5: 0}
    for hop in range(k):
        for a, b in pairs:
            if distance.get(a) == hop:
                distance.setdefault(b, hop + 1)
    part = graph.ego(5, k, direction=direction)
    assert dict(zip(part.node.tolist(), part.hop.tolist(), strict=True)) == distance
    assert part.node[0] == 5
    assert part.edge.tolist() == graph.subgraph(part.node).edge.tolist()
    assert repr(part).startswith(f"<Subgraph of {record}")


def test_nodes_that_cannot_be_asked_for_are_refused(graph):
    with pytest.raises(UsageError, match="given twice"):
        graph.subgraph([1, 2, 1])
    with pytest.raises(UsageError, match="not a node"):
        graph.subgraph([600])
    with pytest.raises(UsageError, match="not a node"):
        graph.ego(-1, 2)
    with pytest.raises(UsageError, match="counted from 0"):
        graph.ego(1, -2)
    with pytest.raises(NotFoundError, match="no such edge type"):
        graph.adjacency("in", ["artery"])
    with pytest.raises(NotFoundError, match="no such edge type"):
        graph.adjacency("in", "vessel")


# -- blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("block_nodes", "halo"), [(1, 0), (100, 1), (250, 2), (10_000, 1)])
def test_blocks_cut_the_nodes_at_cells_and_hold_every_edge_into_what_is_near_enough(graph, block_nodes, halo):
    blocks = Blocks(graph, block_nodes=block_nodes, halo=halo)
    assert set(blocks.bound.tolist()) <= set(graph.array("cell_ptr").tolist())
    cores = [blocks.block(at).node[: blocks.block(at).n_core].tolist() for at in range(len(blocks))]
    assert [node for core in cores for node in core] == list(range(600))
    assert max(map(len, cores)) < block_nodes + np.diff(graph.array("cell_ptr")).max()
    neighbours = listed(graph.adjacency())
    block = blocks.block(len(blocks) // 2)
    core = set(block.node[: block.n_core].tolist())
    reached, wanted = set(core), set()
    for _ in range(halo):
        wanted = {(a, b, edge) for a, b, edge in neighbours if a in reached}
        reached |= {b for _, b, _ in wanted}
    if not halo:
        wanted = {(a, b, edge) for a, b, edge in neighbours if a in core and b in core}
    found = zip(block.node[block.col].tolist(), block.node[block.row].tolist(), block.edge.tolist(), strict=True)
    assert Counter(found) == Counter(wanted)
    assert set(block.node.tolist()) == reached


def test_blocks_need_cells_and_a_size(graph, typed):
    with pytest.raises(UsageError, match="spatial order"):
        Blocks(typed)
    with pytest.raises(UsageError, match="size of blocks"):
        Blocks(graph, block_nodes=0)


def test_a_shared_store_is_opened_as_a_version_too(version):
    assert open_graph(store.open_version("graphs", root=version.repository.path), record="flat").n_axes == 2
