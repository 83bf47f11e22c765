"""A graph, and a task of predicting its links, as an archive of the Open Graph Benchmark (binary form).

``<destination>/raw/data.npz`` holds what ``ogb.io.read_graph_raw.read_binary_graph_raw`` reads: nodes and edges in the
order of the source, undirected edges in both directions, ``node_feat`` the positions, every other column of numbers as
``node_<name>`` or ``edge_<name>``. Where the record holds links (``links/PART/positive``, ``links/PART/negative/KIND``)
the edges are those of the pairs for training, columns that are a degree in the whole graph are left out, and
``split/<KIND>/split_dict.pt`` holds the pairs as tensors, ``split_dict.npz`` the same as arrays. ``mapping`` says which
node is which. Texts and categories have no place in the layout; the mapping's README lists what was left out.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import LeakError, UsageError
from connectome.tasks.link_features import NAMED_DEGREES, check_features

from ..formats.files.torch_file import write_torch_file
from ..formats.graphs.ogb import PARTS, both_directions

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["with_links", "write"]

Array = np.ndarray[Any, Any]

_OWN_ATTRS = {"encoding-type", "encoding-version"}
LINKS = "links"
OWN = {"val": "valid"}
"""Names of parts here to those that OGB wants."""
BUILT = {"node_row", "edge_row", "source", "target", "out_edge", "in_edge", "edge_type", "position"}
"""What the layout has in its own form, or what was made for the store."""


def with_links(tree: xr.DataTree, task: xr.DataTree) -> xr.DataTree:
    """Return the record of a graph with the links of a task on it, to be written as one archive.

    Parameters
    ----------
    tree : xarray.DataTree
        The record that the task was made from.
    task : xarray.DataTree
        A record of :func:`connectome.tasks.task_record`.

    Raises
    ------
    UsageError
        When the task is of a graph with other nodes.
    """
    _, dataset = _graph(tree, str(task.attrs.get("parent_group", "")) or None)
    joined = {path.strip("/"): data for path, data in schema.groups(tree)}
    ids = schema.decode(dataset["node"])
    for path, data in schema.groups(task):
        for end in ("source", "target"):
            rows = data[end].values
            known = (rows >= 0) & (rows < len(ids))
            if not known.all() or not np.array_equal(ids[rows], schema.decode(data[f"{end}_id"])):
                raise UsageError("the task is of another graph", subject=path, place=end, expected="its own nodes' ids")
        joined[f"{LINKS}/{path.strip('/')}"] = data
    return schema.record(joined, **{str(key): value for key, value in tree.attrs.items() if key not in _OWN_ATTRS})


def write(tree: xr.DataTree, destination: Path, *, group: str | None, to: str) -> list[Path]:  # noqa: ARG001 - one signature for all
    """Write one archive as a folder."""
    path, dataset = _graph(tree, group)
    rows = np.argsort(dataset["node_row"].values) if "node_row" in dataset else np.arange(dataset.sizes["node"])
    place = np.empty(len(rows), dtype=np.int64)
    place[rows] = np.arange(len(rows))
    splits = _splits(tree, place)
    edges = _training_edges(tree, dataset)
    leaking = _leaking(dataset) if splits else []
    arrays, left = _arrays(dataset.drop_vars(leaking), rows, place, edges)
    files = {
        "raw/data.npz": _npz(arrays),
        "mapping/nodeidx2id.csv": _mapping(dataset, rows),
        "mapping/README.md": _readme(path, dataset, arrays, left, leaking, splits).encode(),
        "RELEASE_v1.txt": b"",
    }
    for kind, parts in splits.items():
        flat = {f"{part}_{key}": values for part, lists in parts.items() for key, values in lists.items()}
        files[f"split/{kind}/split_dict.npz"] = _npz(flat)
    made = []
    for name, content in files.items():
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        made.append(target)
    # The package writes its own copy there and does not make the folder.
    (destination / "processed").mkdir()
    for kind, parts in splits.items():
        made.append(destination / "split" / kind / "split_dict.pt")
        write_torch_file(made[-1], parts)
    return sorted(made)


def _graph(tree: xr.DataTree, group: str | None) -> tuple[str, xr.Dataset]:
    graphs = {path.strip("/"): data for path, data in schema.groups(tree) if schema.kind_of(data) == "graph"}
    if group is not None:
        return group.strip("/"), graphs[group.strip("/")]
    if len(graphs) != 1:
        raise UsageError("not one graph in the record", subject="group", expected=f"one of {', '.join(graphs)}")
    return next(iter(graphs.items()))


def _splits(tree: xr.DataTree, place: Array) -> dict[str, dict[str, dict[str, Array]]]:
    """Return kind of negatives to part to lists of pairs, in rows of the archive."""
    tables = {path.strip("/"): data for path, data in schema.groups(tree) if path.strip("/").startswith(f"{LINKS}/")}
    positive: dict[str, Array] = {}
    negative: dict[str, dict[str, Array]] = {}
    for path, data in tables.items():
        _, part, *rest = path.split("/")
        pairs = np.stack([place[data[end].values.astype(np.int64)] for end in ("source", "target")], axis=1)
        if rest == ["positive"]:
            positive[OWN.get(part, part)] = pairs
        elif len(rest) == 2 and rest[0] == "negative":
            negative.setdefault(rest[1], {})[OWN.get(part, part)] = pairs
    if positive and set(positive) != set(PARTS):
        raise UsageError(
            "the layout knows three parts", subject=LINKS, expected=", ".join(PARTS), found=", ".join(positive)
        )
    kinds = negative or ({"links": {}} if positive else {})
    return {
        kind: {part: {"edge": positive[part], **({"edge_neg": lists[part]} if part in lists else {})} for part in PARTS}
        for kind, lists in sorted(kinds.items())
    }


def _training_edges(tree: xr.DataTree, dataset: xr.Dataset) -> Array:
    """Return the edges to write, in the order of the source: all rows, or those of the pairs for training."""
    chosen = np.arange(dataset.sizes["edge"])
    train = next((data for path, data in schema.groups(tree) if path.strip("/") == f"{LINKS}/train/positive"), None)
    if train is not None:
        # Every row of a pair for training, parallel ones too; of an archive that was read, these are all there are.
        n_nodes = dataset.sizes["node"]
        keys = [
            np.minimum(one, other) * n_nodes + np.maximum(one, other)
            for one, other in (
                (table["source"].values.astype(np.int64), table["target"].values.astype(np.int64))
                for table in (dataset, train)
            )
        ]
        chosen = np.flatnonzero(np.isin(keys[0], keys[1]))
    order = dataset["edge_row"].values[chosen] if "edge_row" in dataset else chosen
    return np.asarray(chosen[np.argsort(order, kind="stable")])


def _leaking(dataset: xr.Dataset) -> list[str]:
    """Return the columns that count the edges of the whole graph, and so tell which ones are held out."""
    found: list[str] = []
    source, target = (dataset[end].values for end in ("source", "target"))
    degree = np.bincount(np.concatenate([source, target]), minlength=dataset.sizes["node"])
    ends = np.stack([degree[source], degree[target]])
    for name in sorted(map(str, dataset.variables)):
        variable = dataset.variables[name]
        if name in BUILT or variable.dims not in {("node",), ("edge",)}:
            continue
        if variable.dims == ("node",):
            try:
                check_features(dataset, [name])
            except LeakError:
                found.append(name)
        elif name in NAMED_DEGREES or (
            variable.dtype.kind in "iuf"
            and any(np.array_equal(variable.values, told) for told in (*ends, ends.min(axis=0), ends.max(axis=0)))
        ):
            found.append(name)
    return found


def _arrays(dataset: xr.Dataset, rows: Array, place: Array, edges: Array) -> tuple[dict[str, Array], list[str]]:
    ends = np.stack([place[dataset[end].values[edges]] for end in ("source", "target")])
    types = dataset["edge_type"]
    both = np.zeros(len(edges), dtype=bool)
    for code, word in enumerate(types.attrs["flag_labels"]):
        rows_of, about = np.flatnonzero(types.values[edges] == code), dataset.attrs["edge_types"][word]
        # A type that was derived by listing both directions must not be listed twice.
        listed = "derived_from" in about and both_directions(ends[:, rows_of], len(rows))
        both[rows_of] = not about["directed"] and not listed
    both &= ends[0] != ends[1]
    index = np.concatenate([ends, ends[::-1][:, both]], axis=1)
    which = np.concatenate([edges, edges[both]])
    arrays: dict[str, Array] = {
        "edge_index": index,
        "num_nodes_list": np.array([len(rows)], dtype=np.int64),
        "num_edges_list": np.array([index.shape[1]], dtype=np.int64),
    }
    if len(types.attrs["flag_labels"]) > 1:
        arrays["edge_type"] = types.values[which].astype(np.int64)
    if "position" in dataset:
        arrays["node_feat"] = dataset["position"].values[rows]
    left: list[str] = []
    for name, variable in sorted(dataset.variables.items(), key=lambda item: str(item[0])):
        dim = str(variable.dims[0]) if variable.dims else ""
        if dim not in {"node", "edge"} or name in BUILT or name == "node":
            continue
        key = f"{dim}_{str(name).removeprefix(f'{dim}_')}"
        if variable.dtype.kind not in "biuf" or key in arrays or "flag_values" in variable.attrs:
            left.append(str(name))
            continue
        arrays[key] = variable.values[rows if dim == "node" else which]
    return arrays, left


def _npz(arrays: Mapping[str, Array]) -> bytes:
    """Return what ``numpy.savez_compressed`` writes, without the time of writing: same arrays, same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(values), allow_pickle=False)
    return packed.getvalue()


def _mapping(dataset: xr.Dataset, rows: Array) -> bytes:
    import pandas as pd

    ids = schema.decode(dataset["node"])[rows]
    frame = pd.DataFrame({"node idx": np.arange(len(rows)), "node id": ids})
    return str(frame.to_csv(index=False, lineterminator="\n")).encode()


def _readme(
    path: str,
    dataset: xr.Dataset,
    arrays: Mapping[str, Array],
    left: list[str],
    leaking: list[str],
    splits: Mapping[str, Any],
) -> str:
    units = {
        str(name): variable.attrs["units"] for name, variable in dataset.variables.items() if "units" in variable.attrs
    }
    lines = [
        f"# Group {path}",
        "",
        "`nodeidx2id.csv`: row of the archive, id of the node in its source.",
        "Edges of undirected types are listed in both directions: first all as they are, then all turned round.",
        "",
        "| array | shape | dtype | units |",
        "| --- | --- | --- | --- |",
    ]
    for name, values in arrays.items():
        source = "position" if name == "node_feat" else name.partition("_")[2]
        lines.append(f"| {name} | {values.shape} | {values.dtype} | {units.get(source, '')} |")
    if "voxel_size_um" in dataset.attrs:
        lines += ["", f"Voxels of {dataset.attrs['voxel_size_um']} um."]
    if "edge_type" in arrays:
        words = enumerate(dataset["edge_type"].attrs["flag_labels"])
        lines += ["", f"Types of edges: {', '.join(f'{code} {word}' for code, word in words)}."]
    if left:
        lines += ["", f"Left out, for they are no numbers: {', '.join(left)}."]
    if leaking:
        lines += ["", f"Left out, for they tell which edges are held out: {', '.join(leaking)}."]
    if splits:
        lines += ["", "The edges are those for training. `split/*/split_dict.npz` holds the arrays of `split_dict.pt`."]
    return "\n".join([*lines, ""])
