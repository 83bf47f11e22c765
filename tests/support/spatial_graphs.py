"""Small generated graphs in space, in any order of rows, and the real Voreen example as it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.pipelines.formats import read
from connectome.pipelines.homogenise.spatial_graph import spatial_graph
from connectome.schema import column

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

Array = np.ndarray[Any, Any]


def generated_graph(n_nodes: int = 300, *, seed: int = 0, shuffle: int | None = None, n_axes: int = 3) -> xr.Dataset:
    """Return a generated graph whose edges join near nodes, with some parallel rows and self loops.

    ``shuffle`` changes the order of the rows in the source, nothing else.
    """
    rng = np.random.default_rng(seed)
    position = rng.uniform(-50, 50, size=(n_nodes, n_axes))
    ids = rng.permutation(10 * n_nodes)[:n_nodes].astype(np.int64) - n_nodes
    apart = np.sqrt(np.square(position[:, None] - position[None]).sum(axis=2))
    near = np.argsort(apart, axis=1)[:, 1:3]
    source = np.concatenate([np.repeat(np.arange(n_nodes), 2), [0, 0, 1]])
    target = np.concatenate([near.ravel(), [0, near[0, 0], near[1, 0]]])
    node_rows, edge_rows = np.arange(n_nodes), np.arange(len(source))
    if shuffle is not None:
        order = np.random.default_rng(shuffle)
        node_rows, edge_rows = order.permutation(n_nodes), order.permutation(len(source))
        flipped = order.random(len(source)) < 0.5
        source, target = np.where(flipped, target, source), np.where(flipped, source, target)
    return graph_of(position, source, target, ids=ids, node_rows=node_rows, edge_rows=edge_rows)


def graph_of(
    position: Array,
    source: Array,
    target: Array,
    *,
    ids: Array | None = None,
    node_rows: Array | None = None,
    edge_rows: Array | None = None,
    **edges: Array,
) -> xr.Dataset:
    """Return a graph of the store from rows, with the edge column ``distance``."""
    position = np.asarray(position, dtype=np.float64)
    node_rows = np.arange(len(position)) if node_rows is None else node_rows
    edge_rows = np.arange(len(source)) if edge_rows is None else edge_rows
    ids = np.arange(len(position)) if ids is None else ids
    place = np.argsort(node_rows)
    source, target = (np.asarray(end, dtype=np.int64)[edge_rows] for end in (source, target))
    distance = np.sqrt(np.square(position[source] - position[target]).sum(axis=1))
    columns = {"distance": column("edge", distance, "Distance of the ends", "um")}
    columns |= {name: column("edge", values, name, "um") for name, values in edges.items()}
    return spatial_graph(
        node=ids[node_rows],
        position=position[node_rows],
        position_units="um",
        source=place[source],
        target=place[target],
        edges=columns,
        subject="generated",
    )


def voreen_example(data_dir: Path) -> xr.Dataset:
    """Return the graph of the one real Voreen export at hand."""
    folder = data_dir / "vessel" / "vesselgraph_example"
    tree = read([folder / "example_nodes.csv", folder / "example_edges.csv"], "voreen", voxel_size_um=3.0)
    return tree["vessels"].to_dataset(inherit=False)  # type: ignore[union-attr]
