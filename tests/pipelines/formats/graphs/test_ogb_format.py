"""OGB archives: written and read beside the packages ``ogb`` and ``torch``; splits that are hostile pickles."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import shutil
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, UnsafeError, UsageError
from connectome.pipelines.export import export
from connectome.pipelines.export.ogb import with_links
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.files.torch_file import read_torch_file, write_torch_file
from connectome.tasks import LinkPlan, make_links, report_links, task_record
from support import graph_layouts
from support.graph_layouts import in_source_order, listed_ends


def archive(
    folder: Path, *, split: bool = True
) -> tuple[Path, dict[str, np.ndarray], dict[str, dict[str, np.ndarray]]]:
    """Write a generated archive in the layout of ``ogbl-vessel``; the split as arrays."""
    root = folder / "vessel"
    (root / "raw").mkdir(parents=True)
    arrays = graph_layouts.ogb_npz(root / "raw" / "data.npz")
    n_nodes = int(arrays["num_nodes_list"][0])
    rng = np.random.default_rng(5)
    training = arrays["edge_index"][:, : arrays["edge_index"].shape[1] // 2].T
    parts = {
        part: {key: rng.integers(0, n_nodes, (9, 2)) for key in ("edge", "edge_neg")} for part in ("valid", "test")
    }
    parts = {"train": {"edge": training, "edge_neg": rng.integers(0, n_nodes, training.shape)}, **parts}
    if split:
        (root / "split" / "spatial").mkdir(parents=True)
    return root, arrays, parts


def save_pickled(path: Path, parts: object, *, tensors: bool) -> None:
    import torch

    if tensors and isinstance(parts, dict):
        parts = {
            part: {key: torch.from_numpy(values) for key, values in lists.items()} for part, lists in parts.items()
        }
    torch.save(parts, path)


def check(tree, arrays, parts) -> None:
    schema.validate(tree, subject="archive")
    listed = in_source_order(tree)
    assert listed_ends(tree) == [tuple(pair) for pair in arrays["edge_index"].T.tolist()]
    np.testing.assert_array_equal(listed["position"].values, arrays["node_feat"])
    assert listed["position"].dtype == np.float32
    np.testing.assert_array_equal(listed["feat"].values, arrays["edge_feat"][:, 0])
    about = tree["vessels"].attrs["edge_types"]["vessel"]
    assert about["directed"]
    assert "both directions" in about["comment"]
    ids = tree["vessels"]["node"].values
    for part, lists in parts.items():
        for key, path in (("edge", "positive"), ("edge_neg", "negative/spatial")):
            table = tree[f"links/{part}/{path}"]
            found = np.stack([table["source_id"].values, table["target_id"].values], axis=1)
            np.testing.assert_array_equal(found, lists[key])
            stored = np.stack([ids[table[end].values] for end in ("source", "target")], axis=1)
            np.testing.assert_array_equal(stored, lists[key])


@pytest.mark.parametrize("form", ["tensors", "arrays", "npz", "three files"])
def test_an_archive_is_read_with_its_split_in_every_form(tmp_path, form) -> None:
    root, arrays, parts = archive(tmp_path)
    folder = root / "split" / "spatial"
    if form == "npz":
        np.savez(
            folder / "split_dict.npz", **{f"{part}_{key}": item for part in parts for key, item in parts[part].items()}
        )
    elif form == "three files":
        for part, lists in parts.items():
            save_pickled(folder / f"{part}.pt", lists, tensors=False)
    else:
        save_pickled(folder / "split_dict.pt", parts, tensors=form == "tensors")
    check(read(root, "ogb", units="um"), arrays, parts)
    check(read(root / "raw" / "data.npz", "ogb", units="um"), arrays, parts)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "vessel"))
    assert recognise([packed]).name == "ogb"
    check(read(packed, units="um"), arrays, parts)


def test_what_the_packages_own_writer_makes_is_read(tmp_path) -> None:
    from ogb.io import DatasetSaver

    rng = np.random.default_rng(0)
    ends = np.array([[0, 1, 2, 2], [1, 2, 0, 2]])
    graph = {
        "edge_index": ends,
        "num_nodes": 3,
        "node_feat": rng.random((3, 5)),
        "edge_feat": rng.integers(0, 5, (4, 2)),
        "node_species": np.array([[7], [8], [9]]),
    }
    with (
        contextlib.chdir(tmp_path),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        saver = DatasetSaver("ogbn-generated", is_hetero=False, version=1)
        saver.save_graph_list([graph])
        saver.save_target_labels(np.array([[0.0], [1.0], [2.0]]))
        saver.save_split({"train": np.array([2]), "valid": np.array([0]), "test": np.array([1])}, "time")
        root = tmp_path / saver.dataset_dir
    tree = read(root, "ogb", position="1,0,4", voxel_size_um=3, directed=True)
    schema.validate(tree, subject="saved")
    listed = in_source_order(tree)
    assert listed_ends(tree) == [(0, 1), (1, 2), (2, 0), (2, 2)]
    np.testing.assert_array_equal(listed["position"].values, graph["node_feat"][:, [1, 0, 4]].astype(np.float32))
    np.testing.assert_array_equal(listed["node_feat"].values, graph["node_feat"][:, [2, 3]].astype(np.float32))
    assert listed["species"].values.tolist() == [7, 8, 9]
    assert listed["label"].values.tolist() == [0.0, 1.0, 2.0]
    assert schema.decode(listed["part"]).tolist() == ["valid", "test", "train"]
    np.testing.assert_array_equal(listed["feat"].values, graph["edge_feat"])
    assert "comment" not in tree["vessels"].attrs["edge_types"]["vessel"]


def generated(seed: int = 0, *, directed: bool = False, n_nodes: int = 30, n_edges: int = 50):
    """Return a generated record of a graph in space with a loop and parallel edges."""
    from connectome.pipelines.homogenise.spatial_graph import UNDIRECTED, spatial_graph

    rng = np.random.default_rng(seed)
    ends = rng.integers(0, n_nodes, (2, n_edges))
    ends[:, 0] = 3
    ends[:, 1] = ends[:, 2]
    dataset = spatial_graph(
        node=rng.permutation(n_nodes) + 10**17,
        position=rng.normal(0, 9, (n_nodes, 3)),
        position_units="um",
        source=ends[0],
        target=ends[1],
        edge_types={"vessel": {**UNDIRECTED, "directed": directed}},
        nodes={"radius": schema.column("node", rng.random(n_nodes), "Radius", "um")},
        edges={
            "length": schema.column("edge", rng.random(n_edges), "Length", "um"),
            "name": schema.column("edge", [f"e{at}" for at in range(n_edges)], "Name"),
        },
        subject="generated",
    )
    return schema.record({"vessels": dataset}, title="generated"), ends


def pairs(tree) -> list[tuple[int, int, float]]:
    listed = in_source_order(tree)
    ids = tree["vessels"]["node"].values
    rows = zip(listed["source"].values, listed["target"].values, listed["length"].values, strict=True)
    return [(int(ids[one]), int(ids[other]), float(length)) for one, other, length in rows]


@pytest.mark.parametrize("directed", [False, True])
def test_the_package_reads_what_is_exported(tmp_path, directed) -> None:
    from ogb.io.read_graph_raw import read_binary_graph_raw

    tree, ends = generated(directed=directed)
    export(tree, to="ogb", destination=tmp_path / "out")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        (graph,) = read_binary_graph_raw(str(tmp_path / "out" / "raw"))
    listed = in_source_order(tree)
    back = ends[::-1][:, ends[0] != ends[1]]
    wanted = ends if directed else np.concatenate([ends, back], axis=1)
    np.testing.assert_array_equal(graph["edge_index"], wanted)
    np.testing.assert_array_equal(graph["node_feat"], listed["position"].values)
    np.testing.assert_array_equal(graph["node_radius"], listed["radius"].values)
    np.testing.assert_array_equal(graph["edge_length"][:50], listed["length"].values)
    assert graph["num_nodes"] == 30
    text = (tmp_path / "out" / "mapping" / "README.md").read_text()
    assert "Left out, for they are no numbers: name." in text
    rows = (tmp_path / "out" / "mapping" / "nodeidx2id.csv").read_text().splitlines()
    assert rows[1:] == [f"{at},{name}" for at, name in enumerate(listed["node"].values.tolist())]


def test_types_that_list_both_directions_already_are_not_doubled(tmp_path) -> None:
    about = {"weight_units": "1", "weight_meaning": "generated", "lineage": ""}
    dataset = schema.graph(
        node=["A", "B", "C"],
        source=np.array([0, 0, 1, 2]),
        target=np.array([1, 1, 0, 1]),
        edge_type=["listed", "gap", "gap", "chemical"],
        edge_types={
            "listed": {**about, "directed": False},
            "gap": {**about, "directed": False, "derived_from": "listed", "rule": "both directions"},
            "chemical": {**about, "directed": True},
        },
        weight=np.array([3, 3, 3, 5]),
    )
    export(schema.record({"connectome": dataset}), to="ogb", destination=tmp_path / "out")
    with np.load(tmp_path / "out" / "raw" / "data.npz") as arrays:
        assert arrays["edge_index"].T.tolist() == [[0, 1], [0, 1], [1, 0], [2, 1], [1, 0]]
        assert arrays["edge_type"].tolist() == [0, 1, 1, 2, 0]
        assert arrays["edge_weight"].tolist() == [3, 3, 3, 5, 3]
    assert "Types of edges: 0 listed, 1 gap, 2 chemical." in (tmp_path / "out" / "mapping" / "README.md").read_text()
    assert (tmp_path / "out" / "mapping" / "nodeidx2id.csv").read_text() == "node idx,node id\n0,A\n1,B\n2,C\n"


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), n_nodes=st.integers(4, 40), n_edges=st.integers(3, 60))
def test_what_is_exported_is_read_again(tmp_path_factory, seed, n_nodes, n_edges) -> None:
    tree, _ = generated(seed, directed=True, n_nodes=n_nodes, n_edges=n_edges)
    folder = tmp_path_factory.mktemp("ogb")
    export(tree, to="ogb", destination=folder / "out")
    again = read(folder / "out", "ogb", units="um", directed=True)
    schema.validate(again, subject="again")
    before, after = in_source_order(tree), in_source_order(again)
    for name in ("position", "radius", "length"):
        np.testing.assert_array_equal(after[name].values, before[name].values)
    row_of = {name: at for at, name in enumerate(before["node"].values.tolist())}
    assert pairs(again) == [(row_of[one], row_of[other], length) for one, other, length in pairs(tree)]


def test_an_export_has_the_same_bytes_every_time(tmp_path) -> None:
    tree, _ = generated()
    made = [export(tree, to="ogb", destination=tmp_path / name) for name in ("one", "two")]
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]


def test_a_record_with_links_is_exported_with_its_split_and_training_edges_only(tmp_path) -> None:
    import torch

    with warnings.catch_warnings():
        # The package imports graph libraries, which warn of one another.
        warnings.simplefilter("ignore")
        from ogb.linkproppred import LinkPropPredDataset

    root, arrays, parts = archive(tmp_path)
    save_pickled(root / "split" / "spatial" / "split_dict.pt", parts, tensors=True)
    tree = read(root, "ogb", units="um")
    export(tree, to="ogb", destination=tmp_path / "out")
    again = read(tmp_path / "out", "ogb", units="um")
    check(again, arrays, parts)
    loaded = torch.load(tmp_path / "out" / "split" / "spatial" / "split_dict.pt", weights_only=True)
    for part, lists in parts.items():
        for key, values in lists.items():
            np.testing.assert_array_equal(loaded[part][key].numpy(), values)
    about = {
        "dir_path": str(tmp_path / "out"), "binary": "True", "is hetero": "False", "add_inverse_edge": "False",
        "additional node files": "None", "additional edge files": "None", "eval metric": "rocauc", "version": 1,
        "task type": "link prediction", "download_name": "vessel", "split": "spatial", "url": "",
        "has_node_attr": "True", "has_edge_attr": "True",
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        dataset = LinkPropPredDataset("ogbl-vessel", root=str(tmp_path), meta_dict=about)
    np.testing.assert_array_equal(dataset.graph["edge_index"], arrays["edge_index"])
    split = dataset.get_edge_split()
    np.testing.assert_array_equal(split["test"]["edge_neg"], parts["test"]["edge_neg"])


def test_a_task_made_here_becomes_an_archive_that_does_not_show_what_is_held_out(tmp_path) -> None:
    from ogb.io.read_graph_raw import read_binary_graph_raw

    tree, _ = generated(n_nodes=60, n_edges=150)
    graph = tree["vessels"].to_dataset()
    source, target = graph["source"].values, graph["target"].values
    degree = np.bincount(np.concatenate([source, target]), minlength=60)
    graph["size"] = schema.column("node", degree, "A degree under another name", "1")
    graph["node1_degree"] = schema.column("edge", np.minimum(degree[source], degree[target]), "As Voreen has it", "1")
    graph["most"] = schema.column("edge", np.maximum(degree[source], degree[target]).astype(float), "Disguised", "1")
    tree = schema.record({"vessels": graph})
    task = make_links(graph, LinkPlan(seed=4, negatives=("random", "spatial"), delta=30.0))
    made = task_record(task, report_links(task, graph), parent="generated/generated", group="vessels")
    export(with_links(tree, made), to="ogb", destination=tmp_path / "out")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        (raw,) = read_binary_graph_raw(str(tmp_path / "out" / "raw"))
    assert {"node_radius", "edge_length"} <= set(raw)
    assert not {"node_size", "edge_node1_degree", "edge_most"} & set(raw)
    text = (tmp_path / "out" / "mapping" / "README.md").read_text()
    assert "Left out, for they tell which edges are held out: most, node1_degree, size." in text
    row_of = graph["node_row"].values
    shown = {frozenset(pair) for pair in raw["edge_index"].T.tolist()}
    assert shown == {frozenset(row_of[pair].tolist()) for pair in task.positives["train"]}
    assert {tuple(pair) for pair in raw["edge_index"].T.tolist()} == {
        tuple(pair[::-1]) for pair in raw["edge_index"].T.tolist()
    }
    for kind in ("random", "spatial"):
        split = read_torch_file(tmp_path / "out" / "split" / kind / "split_dict.pt", subject=kind)
        for part, name in (("train", "train"), ("val", "valid"), ("test", "test")):
            np.testing.assert_array_equal(split[name]["edge"], row_of[task.positives[part]])
            np.testing.assert_array_equal(split[name]["edge_neg"], row_of[task.negatives[kind][part]])
            held_out = {frozenset(pair) for pair in split[name]["edge"].tolist()}
            assert name == "train" or not shown & held_out
    again = read(tmp_path / "out", "ogb", units="um", split="spatial")
    schema.validate(again, subject="again")
    with pytest.raises(UsageError, match="another graph"):
        with_links(generated(seed=1)[0], made)


def rewrite(root: Path, **changed: np.ndarray | None) -> None:
    """Write ``data.npz`` again with other arrays; None drops one."""
    with np.load(root / "raw" / "data.npz") as stored:
        arrays = {**dict(stored), **changed}
    np.savez(root / "raw" / "data.npz", **{name: values for name, values in arrays.items() if values is not None})


@pytest.mark.parametrize(
    ("changed", "error", "place"),
    [
        ({"edge_index": None}, FormatError, None),
        ({"num_nodes_list": None}, FormatError, None),
        ({"edge_index": np.zeros((3, 4), dtype=np.int64)}, FormatError, "edge_index"),
        ({"edge_index": np.zeros((2, 4))}, FormatError, "edge_index"),
        ({"edge_index": np.zeros((2, 4), dtype=np.int64)}, FormatError, "edge_index"),
        ({"num_nodes_list": np.array([10**18])}, FormatError, "node_feat"),
        ({"num_nodes_list": np.array([3])}, FormatError, "node_feat"),
        ({"num_nodes_list": np.array([-40])}, FormatError, "num_nodes_list"),
        ({"num_nodes_list": np.array([20, 20])}, FormatError, "num_edges_list"),
        ({"node_feat": np.zeros((40, 3)) + np.nan}, FormatError, "node 0"),
        ({"edge_feat": np.zeros((1, 3))}, FormatError, "edge_feat"),
        ({"graph_feat": np.zeros((1, 3))}, FormatError, None),
        ({"node_name": np.array(["a"] * 40)}, FormatError, "node_name.npy"),
        ({"node_name": np.array([{}] * 40)}, UnsafeError, "node_name.npy"),
    ],
)
def test_arrays_that_contradict_are_refused(tmp_path, changed, error, place) -> None:
    root, *_ = archive(tmp_path, split=False)
    rewrite(root, **changed)
    with pytest.raises(error) as caught:
        read(root, "ogb", units="um")
    assert caught.value.subject.endswith("data.npz")
    assert caught.value.place == place


def test_an_edge_without_its_node_is_refused_with_its_column(tmp_path) -> None:
    root, arrays, _ = archive(tmp_path, split=False)
    index = arrays["edge_index"].copy()
    index[1, 7] = 40
    rewrite(root, edge_index=index)
    with pytest.raises(FormatError, match="not listed") as caught:
        read(root, "ogb", units="um")
    assert caught.value.place == "edge_index, column 7"


def test_one_of_several_graphs_is_chosen(tmp_path) -> None:
    root, arrays, _ = archive(tmp_path, split=False)
    n_edges = arrays["edge_index"].shape[1]
    two = {
        "edge_index": np.concatenate([arrays["edge_index"], np.array([[0, 1], [1, 1]])], axis=1),
        "edge_feat": np.concatenate([arrays["edge_feat"], np.array([[5.0], [6.0]], dtype=np.float32)]),
        "node_feat": np.concatenate([arrays["node_feat"], np.ones((2, 3), dtype=np.float32)]),
        "num_nodes_list": np.array([40, 2]),
        "num_edges_list": np.array([n_edges, 2]),
    }
    rewrite(root, **two)
    with pytest.raises(UsageError, match="several graphs"):
        read(root, "ogb", units="um")
    tree = read(root, "ogb", units="um", graph_number=1)
    assert listed_ends(tree) == [(0, 1), (1, 1)]
    assert in_source_order(tree)["feat"].values.tolist() == [5.0, 6.0]
    with pytest.raises(UsageError, match="no such graph"):
        read(root, "ogb", units="um", graph_number=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda parts: {**parts, "test": {"edge": np.array([[0, 40]])}}, "nodes that are not listed"),
        (lambda parts: {**parts, "test": {"edge": np.array([[-1, 4]])}}, "nodes that are not listed"),
        (lambda parts: {**parts, "test": {"edge": np.array([[0.5, 4]])}}, "nodes that are not listed"),
        (lambda parts: {part: parts[part] for part in ("train", "valid")}, "lacks parts"),
        (lambda parts: {"train": np.array([1, 2]), "valid": np.array([2]), "test": np.array([3])}, "in two parts"),
        (lambda _: [1, 2, 3], "lacks parts"),
    ],
)
def test_splits_that_contradict_the_graph_are_refused(tmp_path, change, message) -> None:
    root, _, parts = archive(tmp_path)
    save_pickled(root / "split" / "spatial" / "split_dict.pt", change(parts), tensors=False)
    with pytest.raises(FormatError, match=message):
        read(root, "ogb", units="um")
    assert "links" not in read(root, "ogb", units="um", split="none")


def test_which_of_two_splits_must_be_said(tmp_path) -> None:
    root, arrays, parts = archive(tmp_path)
    (root / "split" / "random").mkdir()
    for name in ("spatial", "random"):
        save_pickled(root / "split" / name / "split_dict.pt", parts, tensors=True)
    with pytest.raises(UsageError, match="which split"):
        read(root, "ogb", units="um")
    check(read(root, "ogb", units="um", split="spatial"), arrays, parts)


@pytest.mark.parametrize("position", ["0,1", "5,6,7", "a,b,c", "0,0,1"])
def test_positions_must_be_columns_of_the_features(tmp_path, position) -> None:
    root, *_ = archive(tmp_path, split=False)
    if position == "0,1":
        assert read(root, "ogb", units="um", position=position)["vessels"].sizes["axis"] == 2
        return
    with pytest.raises(UsageError, match="not columns of node_feat"):
        read(root, "ogb", units="um", position=position)


class Evil:
    """What a hostile pickle carries: a call of the shell when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def torch_zip(path: Path, data: bytes, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("x/data.pkl", data)
        for name, content in members.items():
            packed.writestr(f"x/data/{name}", content)
    return path


def test_a_split_that_would_run_a_command_is_refused_and_runs_nothing(tmp_path) -> None:
    root, *_ = archive(tmp_path)
    mark = tmp_path / "ran"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps({"train": {}, "test": Evil(f"touch {mark}")}, protocol=protocol)
        torch_zip(root / "split" / "spatial" / "split_dict.pt", data)
        with pytest.raises(UnsafeError) as caught:
            read(root, "ogb", units="um")
        assert "system" in str(caught.value.found)
        assert not mark.exists()
    pickle.loads(data)
    assert mark.exists(), "the pickle is as hostile as it should be"


GETATTR = b"\x80\x02cbuiltins\ngetattr\n(cnumpy\nndarray\nX\x06\x00\x00\x00tofiletR."
HOSTILE = {
    "getattr": GETATTR,
    "eval": b"\x80\x02cbuiltins\neval\n(X\x03\x00\x00\x001+1tR.",
    "numpy's own loader": b"\x80\x02cnumpy\nload\n(X\x01\x00\x00\x00atR.",
    "a name with a dot": b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.",
    "instances": b"(i__builtin__\nlist\n.",
    "objects": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
    "extension registry": b"\x80\x02\x82\x01.",
    "a persistent id as text": b"Pstorage\n.",
    "the torch namespace": b"\x80\x02ctorch\nload\n(X\x01\x00\x00\x00atR.",
}
DAMAGED = {
    "no end": b"\x80\x02}",
    "nothing": b"",
    "an empty stack": b"\x80\x02.",
    "two results": b"\x80\x02}}.",
    "a key of a list": b"\x80\x02}]K\x01s.",
    "no mark": b"\x80\x02}u.",
    "a memo that is not there": b"\x80\x02h\x07.",
    "an array without values": b"\x80\x02}K\x01cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n)C\x01btRs.",
    "a state for a dictionary": b"\x80\x02}}b.",
    "a storage that is none": b"\x80\x02K\x01Q.",
    "text cut short": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "no opcode": b"\x80\x02\xff.",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_pickles_that_name_anything_else_are_refused_as_unsafe(tmp_path, what) -> None:
    with pytest.raises(UnsafeError):
        read_torch_file(torch_zip(tmp_path / "a.pt", HOSTILE[what]), subject="a.pt")


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_pickles_are_refused(tmp_path, what) -> None:
    with pytest.raises(FormatError):
        read_torch_file(torch_zip(tmp_path / "a.pt", DAMAGED[what]), subject="a.pt")


def tensor(size: tuple[int, ...], stride: tuple[int, ...], offset: int, count: int) -> bytes:
    def number(value: int) -> bytes:
        return b"\x8a\x08" + struct.pack("<q", value)

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    storage = b"(X\x07\x00\x00\x00storagectorch\nLongStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + number(count)
    view = number(offset) + numbers(size) + numbers(stride) + b"\x89ccollections\nOrderedDict\n)R"
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQ" + view + b"tR."


@pytest.mark.parametrize(
    ("size", "stride", "offset", "count"),
    [
        ((5,), (1,), 0, 4),
        ((4,), (1,), 1, 4),
        ((4,), (2,), 0, 4),
        ((1 << 40, 1 << 40), (0, 0), 0, 4),
        ((4,), (-1,), 3, 4),
        ((4,), (1,), -1, 4),
        ((2, 2), (1,), 0, 4),
        ((4,), (1,), 0, 1 << 60),
        ((4,), (1,), 0, 3),
    ],
)
def test_tensors_beyond_their_storage_are_refused(tmp_path, size, stride, offset, count) -> None:
    path = torch_zip(tmp_path / "a.pt", tensor(size, stride, offset, count), **{"0": np.arange(4).tobytes()})
    with pytest.raises(FormatError):
        read_torch_file(path, subject="a.pt")


def test_views_of_a_storage_are_read_as_torch_reads_them(tmp_path) -> None:
    import torch

    base = torch.arange(24).reshape(4, 6)
    views = {"a": base[1:, ::2], "b": base.T, "c": base[:0], "d": torch.tensor(3.5), "e": base.to(torch.int8) > 5}
    torch.save(views, tmp_path / "a.pt")
    found = read_torch_file(tmp_path / "a.pt", subject="a.pt")
    for name, view in views.items():
        np.testing.assert_array_equal(found[name], view.numpy())


ARRAYS = st.one_of(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(0, 9)), max_size=9).map(
        lambda rows: np.array(rows, dtype=np.int64).reshape(-1, 2)
    ),
    st.lists(st.floats(width=32), max_size=9).map(lambda row: np.array(row, dtype=np.float32)),
)


@settings(deadline=None, max_examples=40)
@given(parts=st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), ARRAYS, max_size=3), max_size=3))
def test_torch_reads_what_is_written_without_it(tmp_path_factory, parts) -> None:
    import torch

    path = tmp_path_factory.mktemp("torch") / "split_dict.pt"
    write_torch_file(path, parts)
    loaded, found = torch.load(path, weights_only=True), read_torch_file(path, subject="a")
    assert list(loaded) == list(found) == list(parts)
    for part, lists in parts.items():
        for key, values in lists.items():
            np.testing.assert_array_equal(loaded[part][key].numpy(), values)
            np.testing.assert_array_equal(found[part][key], values)


@settings(deadline=None, max_examples=150)
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.booleans())
def test_a_pickle_altered_anywhere_is_refused_or_read_and_never_more(tmp_path_factory, at, byte, cut) -> None:
    path = tmp_path_factory.mktemp("torch") / "split_dict.pt"
    write_torch_file(path, {"train": {"edge": np.arange(8).reshape(4, 2)}, "test": {"edge": np.arange(2.0)}})
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    data = bytearray(members["split_dict/data.pkl"])
    data[at % len(data)] = byte
    members["split_dict/data.pkl"] = bytes(data[: at % len(data) + 1] if cut else data)
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    with contextlib.suppress(FormatError):
        found = read_torch_file(path, subject="altered")
        assert isinstance(found, (dict, np.ndarray))


def test_files_of_torch_before_its_archives_are_refused(tmp_path) -> None:
    import torch

    torch.save({"train": torch.arange(3)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(FormatError, match=r"1\.6 or later"):
        read_torch_file(tmp_path / "old.pt", subject="old.pt")


@pytest.mark.parametrize("names", [[], ["a/raw/data.npz", "b/raw/data.npz"], ["raw/data.csv"]])
def test_archives_without_one_graph_are_refused(tmp_path, names) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            packed.writestr(name, b"")
    with pytest.raises(FormatError):
        read(path, "ogb")
    with pytest.raises(FormatError):
        recognise([path])
