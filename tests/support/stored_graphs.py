"""Generated records with a graph in space, or with one of several types of edges, for the loaders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from connectome import schema
from connectome.pipelines.homogenise.spatial_graph import spatial_graph
from connectome.schema import category, column

if TYPE_CHECKING:
    import xarray as xr

LABELS = ["capillary", "arteriole", "venule"]


def vessel_record(n_nodes: int = 600, n_edges: int = 900, *, seed: int = 0, n_axes: int = 3) -> xr.DataTree:
    """Return a generated vessel graph: near nodes joined, every 50th edge a loop, every 40th a parallel of another."""
    rng = np.random.default_rng(seed)
    position = rng.uniform(0, 100, size=(n_nodes, n_axes)).astype(np.float32)
    order = np.argsort(position[:, 0] // 10 * 1000 + position[:, 1])
    first = rng.integers(0, n_nodes, n_edges)
    second = np.clip(first + rng.integers(1, 6, n_edges) * rng.choice([-1, 1], n_edges), 0, n_nodes - 1)
    source, target = order[first], order[second]
    target[::50] = source[::50]
    source[::40], target[::40] = target[0], source[0]
    source[1::40], target[1::40] = source[2], target[2]
    length = rng.gamma(2.0, 5.0, n_edges).astype(np.float32)
    length[3::70] = np.nan
    nodes = {
        "degree": column("node", rng.integers(0, 9, n_nodes).astype(np.uint8), "Generated", "1"),
        "time": column("node", rng.integers(0, 100, n_nodes), "Generated", "1"),
        "region": category("node", [LABELS[at % 3] if at % 7 else None for at in range(n_nodes)], LABELS, "Generated"),
        "label": column("node", [f"node {at}" for at in range(n_nodes)], "Generated"),
    }
    edges = {
        "length": column("edge", length, "Generated", "um"),
        "radius": column("edge", rng.gamma(2.0, 2.0, n_edges), "Generated", "um"),
        "made": column("edge", rng.integers(0, 100, n_edges), "Generated time", "1"),
        "row": column("edge", np.arange(n_edges), "Row as it was given", "1"),
    }
    group = spatial_graph(
        node=rng.permutation(10 * n_nodes)[:n_nodes] + 7_000_000_000,
        position=position,
        position_units="um",
        source=source,
        target=target,
        nodes=nodes,
        edges=edges,
        subject="generated",
    )
    return schema.record({"vessels": group})


def typed_record(n_nodes: int = 40, n_edges: int = 300, *, seed: int = 0) -> xr.DataTree:
    """Return a generated connectome: directed synapses, contacts listed once, and gap junctions listed both ways."""
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, n_nodes, (2, n_edges))
    kinds = ["chemical"] * (n_edges // 3) + ["contact"] * (n_edges // 3)
    half = (n_edges - len(kinds)) // 2
    kinds += ["gap_junction"] * (n_edges - len(kinds))
    source[-half:], target[-half:] = target[-2 * half : -half].copy(), source[-2 * half : -half].copy()
    about = {
        name: {"directed": name == "chemical", "weight_units": "1", "weight_meaning": "generated", "lineage": "none"}
        for name in ("chemical", "contact", "gap_junction")
    }
    order = rng.permutation(n_edges)
    group = schema.graph(
        node=[f"n{at:03d}" for at in range(n_nodes)],
        source=source[order],
        target=target[order],
        edge_type=[kinds[at] for at in order.tolist()],
        edge_types=about,
        weight=np.arange(n_edges, dtype=np.float32),
        nodes={axis: column("node", rng.normal(size=n_nodes), "Position", "um") for axis in "xyz"},
    )
    return schema.record({"connectome": group})
