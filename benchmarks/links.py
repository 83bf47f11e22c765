"""Negatives and line graphs of a generated brain: ours beside what one would use instead, in one run.

*Spatial negatives*, one per vessel: ours (:mod:`connectome.tasks`); a SciPy KD-tree asked for the box around every
drawn node; and VesselGraph's sampler, which looks at every node at every try (written anew after GitHub
jocpae/VesselGraph, commit d9b7e50: 1.5 tries per vessel). The last two are measured over some tries and scaled, which
favours them: making the pairs distinct and telling edges from others is left out.

*Line graph*: ours as a stream and as one array, PyG's ``LineGraph`` on the doubled edges, and networkx, each in a
process of its own. networkx gets at most ``MOST_NETWORKX`` vessels.

``CONNECTOME_BENCHMARK_SCALE`` (0 to 1; 1 is the whole brain of 3.5 M nodes) says how many nodes are made.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .stages import part_of_whole, peak_bytes, print_figures, resident_bytes, run_stage

SCALE = 0.05
"""Part of the brain's nodes, by default."""
SCANS, BOXES = 200, 20_000
"""Tries over which the scan and the KD-tree are measured."""
TRIES = 1.5
"""Tries per vessel of VesselGraph's sampler."""
MOST_NETWORKX = 200_000
DELTA_SEED = 1


def generate(folder: Path, scale: float) -> dict[str, Any]:
    """Write a generated brain, and its graph in the order of the store."""
    import pandas as pd

    from connectome.pipelines.homogenise.spatial_graph import spatial_graph
    from connectome.schema import column

    from .brain import BRAIN_EDGES, BRAIN_NODES, write_generated_brain

    made = write_generated_brain(folder, n_nodes=round(BRAIN_NODES * scale), n_edges=round(BRAIN_EDGES * scale))
    nodes = pd.read_csv(made.nodes, sep=";", usecols=["id", "pos_x", "pos_y", "pos_z"])
    edges = pd.read_csv(made.edges, sep=";", usecols=["node1id", "node2id", "distance"])
    graph = spatial_graph(
        node=nodes["id"].to_numpy(),
        position=nodes[["pos_x", "pos_y", "pos_z"]].to_numpy(dtype=np.float32),
        position_units="voxel",
        source=edges["node1id"].to_numpy(),
        target=edges["node2id"].to_numpy(),
        edges={"distance": column("edge", edges["distance"].to_numpy(), "Distance", "voxel")},
        subject="generated",
    )
    for name in ("node", "position", "source", "target", "distance"):
        np.save(folder / f"{name}.npy", graph[name].values)
    return {"nodes": len(nodes), "edges": len(edges)}


def load(folder: Path) -> Any:
    """Return the generated graph."""
    from connectome.schema import column, graph

    found = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    about = {"directed": False, "weight_units": "", "weight_meaning": "none", "lineage": "generated"}
    return graph(
        node=found["node"],
        source=found["source"],
        target=found["target"],
        edge_type="vessel",
        edge_types={"vessel": about},
        nodes={"position": column(("node", "axis"), found["position"], "Position", "voxel")},
        edges={"distance": column("edge", found["distance"], "Distance", "voxel")},
    )


def negatives_of(kind: str) -> Callable[[Path, float], dict[str, Any]]:
    """Return the stage that makes a whole task with one kind of negatives."""

    def stage(folder: Path, scale: float) -> dict[str, Any]:  # noqa: ARG001 - every stage is called alike
        from connectome.tasks import LinkPlan, make_links

        graph = load(folder)
        return _measured(lambda: make_links(graph, LinkPlan(negatives=(kind,))), _count_negatives)

    return stage


def _count_negatives(task: Any) -> dict[str, Any]:
    (parts,) = task.negatives.values()
    facts = {name: task.facts[name] for name in ("delta", "n_longer") if name in task.facts}
    return {"negatives": sum(map(len, parts.values())), **facts}


def report(folder: Path, scale: float) -> dict[str, Any]:  # noqa: ARG001
    """Prove a task and score the baselines."""
    from connectome.tasks import NEGATIVES, LinkPlan, make_links, report_links

    graph = load(folder)
    task = make_links(graph, LinkPlan(negatives=NEGATIVES))

    def told(found: Any) -> dict[str, Any]:
        return {
            f"roc_auc_{score.negatives}_{score.baseline}": score.roc_auc
            for score in found.scores
            if score.part == "test" and score.baseline in {"distance", "degree_leak"}
        }

    return _measured(lambda: report_links(task, graph), told)


def scan(folder: Path, scale: float) -> dict[str, Any]:  # noqa: ARG001
    """Draw a few spatial pairs as VesselGraph does, and scale."""
    graph = load(folder)
    position, delta = graph["position"].values, _delta(graph)
    rng = np.random.default_rng(DELTA_SEED)
    started = time.perf_counter()
    for _ in range(SCANS):
        middle = position[rng.integers(len(position))]
        inside = ((position > middle - delta) & (position < middle + delta)).all(axis=1)
        rng.choice(np.flatnonzero(inside))
    each = (time.perf_counter() - started) / SCANS
    return {"try_s": each, "seconds": each * TRIES * graph.sizes["edge"]}


def kd_tree(folder: Path, scale: float) -> dict[str, Any]:  # noqa: ARG001
    """Draw some spatial pairs with a KD-tree, and scale."""
    from scipy.spatial import cKDTree

    graph = load(folder)
    position, delta = graph["position"].values, _delta(graph)
    rng = np.random.default_rng(DELTA_SEED)
    before = resident_bytes()
    started = time.perf_counter()
    tree = cKDTree(position)
    built = time.perf_counter() - started
    drawn = rng.integers(len(position), size=min(BOXES, graph.sizes["edge"]))
    started = time.perf_counter()
    for node in drawn.tolist():
        rng.choice(tree.query_ball_point(position[node], delta, p=np.inf))
    each = (time.perf_counter() - started) / len(drawn)
    seconds = built + each * TRIES * graph.sizes["edge"]
    return {"build_s": built, "try_s": each, "seconds": seconds, "above_bytes": peak_bytes(children=True) - before}


def _delta(graph: Any) -> float:
    from connectome.tasks.negatives import spatial_delta

    return spatial_delta(graph["distance"].values.astype(np.float64))


def line_stream(folder: Path, scale: float) -> dict[str, Any]:  # noqa: ARG001
    """Make the edges of the line graph piece by piece, and count them."""
    from connectome.tasks import line_graph

    graph = load(folder)
    return _measured(lambda: line_graph(graph).n_edges(), lambda count: {"directed_edges": count})


def line_array(folder: Path, scale: float) -> dict[str, Any]:  # noqa: ARG001
    """Make them as one array."""
    from connectome.tasks import line_graph

    graph = load(folder)
    return _measured(lambda: line_graph(graph).edge_index(), lambda found: {"directed_edges": found.shape[1]})


def line_pyg(folder: Path, scale: float) -> dict[str, Any]:  # noqa: ARG001
    """Double the edges and make the line graph with PyG."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.data import Data
        from torch_geometric.transforms import LineGraph
        from torch_geometric.utils import remove_self_loops, to_undirected

    graph = load(folder)
    listed = torch.from_numpy(np.stack([graph[end].values for end in ("source", "target")]).astype(np.int64))

    def make() -> Any:
        both = to_undirected(remove_self_loops(listed)[0])
        return LineGraph(force_directed=False)(Data(edge_index=both, num_nodes=graph.sizes["node"]))

    return _measured(make, lambda found: {"directed_edges": found.edge_index.shape[1]})


def line_networkx(folder: Path, scale: float) -> dict[str, Any]:  # noqa: ARG001
    """Make the line graph of some vessels with networkx."""
    import networkx as nx

    graph = load(folder)
    pairs = np.stack([graph[end].values for end in ("source", "target")], axis=1)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]][:MOST_NETWORKX].tolist()

    def make() -> Any:
        whole = nx.Graph()
        whole.add_edges_from(pairs)
        return nx.line_graph(whole)

    return {**_measured(make, lambda found: {"directed_edges": 2 * found.number_of_edges()}), "edges": len(pairs)}


def _measured(work: Callable[[], Any], told: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    before = resident_bytes()
    started, busy = time.perf_counter(), time.process_time()
    value = work()
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    return {"seconds": seconds, "cpu_s": busy, "above_bytes": peak_bytes(children=True) - before, **told(value)}


STAGES: dict[str, Callable[[Path, float], dict[str, Any]]] = {
    "generate": generate,
    "random": negatives_of("random"),
    "spatial": negatives_of("spatial"),
    "distance_matched": negatives_of("distance-matched"),
    "report": report,
    "scan": scan,
    "kd_tree": kd_tree,
    "line_stream": line_stream,
    "line_array": line_array,
    "line_pyg": line_pyg,
    "line_networkx": line_networkx,
}


def run(scale: float | None = None) -> dict[str, Any]:
    """Run every stage on one generated brain.

    Parameters
    ----------
    scale : float, optional
        Part of the brain's nodes; default ``CONNECTOME_BENCHMARK_SCALE``, else ``SCALE``.
    """
    scale = part_of_whole(scale, SCALE)
    with tempfile.TemporaryDirectory() as folder:
        found = {stage: run_stage(__name__, stage, folder, scale) for stage in STAGES}
    edges = found["generate"]["edges"]
    ours, pieces = found["spatial"]["seconds"], found["line_stream"]["seconds"]
    networkx = found["line_networkx"]["seconds"] * edges / found["line_networkx"]["edges"]
    ratios = {
        "spatial_negatives_time_kd_tree": ours / found["kd_tree"]["seconds"],
        "spatial_negatives_time_scan": ours / found["scan"]["seconds"],
        "line_graph_time_pyg": pieces / found["line_pyg"]["seconds"],
        "line_graph_time_networkx": pieces / networkx,
        "line_graph_memory_pyg": found["line_stream"]["above_bytes"] / max(1, found["line_pyg"]["above_bytes"]),
    }
    return {
        "generated": True,
        "nodes": found["generate"]["nodes"],
        "edges": edges,
        "ours_over_theirs": {name: float(f"{value:.3g}") for name, value in ratios.items()},
        "steps": {
            stage: {name: round(value, 6) if isinstance(value, float) else value for name, value in figures.items()}
            for stage, figures in found.items()
            if stage != "generate"
        },
    }


def main() -> None:
    """Run one stage in this process."""
    stage, folder, scale = sys.argv[1:]
    print_figures(STAGES[stage](Path(folder), float(scale)))


if __name__ == "__main__":
    main()
