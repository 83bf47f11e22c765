"""Generated graphs in the layouts of graph files of which nobody has a small real one; nothing was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def graphml(path: Path, *, seed: int = 0, n_nodes: int = 30, n_edges: int = 60) -> None:
    """Write a directed multigraph with typed keys, as igraph and networkx do."""
    rng = np.random.default_rng(seed)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        '<key id="k0" for="node" attr.name="kind" attr.type="string"><default>capillary</default></key>',
        '<key id="k1" for="edge" attr.name="weight" attr.type="double"/>',
        '<key id="k2" for="edge" attr.name="count" attr.type="long"/>',
        '<graph id="G" edgedefault="directed">',
    ]
    lines += [
        f'<node id="n{at}"><data key="k0">{"artery" if at % 3 else "vein"}</data></node>' for at in range(n_nodes)
    ]
    for start, stop in rng.integers(0, n_nodes, (n_edges, 2)):
        lines.append(
            f'<edge source="n{start}" target="n{stop}"><data key="k1">{rng.random()!r}</data>'
            f'<data key="k2">{rng.integers(1, 2**40)}</data></edge>'
        )
    path.write_text("\n".join([*lines, "</graph>", "</graphml>", ""]))


def ogb_npz(path: Path, *, seed: int = 0, n_nodes: int = 40, n_edges: int = 70) -> dict[str, np.ndarray]:
    """Write ``raw/data.npz`` as ``ogb.io.DatasetSaver`` does: positions as features, every edge in both directions."""
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, n_nodes, (2, n_edges))
    ends = ends[:, ends[0] != ends[1]]
    length = rng.random(ends.shape[1]).astype(np.float32)
    arrays = {
        "edge_index": np.concatenate([ends, ends[::-1]], axis=1),
        "edge_feat": np.concatenate([length, length])[:, None],
        "node_feat": rng.normal(0, 50, (n_nodes, 3)).astype(np.float32),
        "num_nodes_list": np.array([n_nodes]),
        "num_edges_list": np.array([2 * ends.shape[1]]),
    }
    np.savez_compressed(path, **arrays)
    return arrays


def in_source_order(tree: xr.DataTree, group: str = "vessels") -> xr.Dataset:
    """Return the columns of a graph in the order in which the file lists nodes and edges; ends stay as stored."""
    dataset = tree[group].to_dataset()
    if "node_row" not in dataset:
        return dataset
    return dataset.isel(node=np.argsort(dataset["node_row"].values), edge=np.argsort(dataset["edge_row"].values))


def listed_ends(tree: xr.DataTree, group: str = "vessels") -> list[tuple[object, object]]:
    """Return the ids of both ends of every edge, in the order in which the file lists the edges."""
    ids, listed = tree[group]["node"].values, in_source_order(tree, group)
    return [(ids[one], ids[other]) for one, other in zip(listed["source"].values, listed["target"].values, strict=True)]
