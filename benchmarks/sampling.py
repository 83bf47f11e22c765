"""Neighbours sampled from a generated brain: from the store where it lies, against the ways that need it in memory.

Every way samples the same seeds with the same fan-out over the same generated vessel graph (``brain``), undirected
edges walked both ways, edge numbers kept. Steps run in processes of their own, so that peaks of memory are their own;
the rates that are compared are taken in turn in one process. ``CONNECTOME_BENCHMARK_SCALE`` (0 to 1; 1 is 3.5 million
nodes) says how large the brain is; the default is a twentieth.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from connectome.loaders.graphs import open_graph
from connectome.loaders.graphs.adjacency import adjacency_of
from connectome.loaders.graphs.neighbours import ANY, Neighbours

from .brain import BRAIN_EDGES, BRAIN_NODES, write_generated_brain
from .stages import part_of_whole, peak_bytes, print_figures, run_stage, timed

SCALE = 0.05
"""Part of the brain, by default."""
SEEDS, FAN_OUT, BATCHES, ROUNDS = 1024, (10, 5), 20, 5
DATASET, RECORD = "generated-brain", "one"
EDGE_ATTRIBUTES = ["length", "distance", "radius_avg"]


def _graph(root: Path) -> Any:
    return open_graph(f"{DATASET}@1/{RECORD}", root=root / "store", cache=root / "cache")


def _seeds(n_nodes: int) -> list[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(0)
    size = min(SEEDS, n_nodes // 4)
    return [generator.choice(n_nodes, size, replace=False) for _ in range(BATCHES)]


def _draw(sampler: Any, seeds: list[np.ndarray[Any, Any]]) -> int:
    return sum(
        len(sampler.sample(batch, FAN_OUT, np.random.default_rng([0, at])).edge[ANY]) for at, batch in enumerate(seeds)
    )


def _rates(ways: dict[str, Callable[[], int]], n_batches: int) -> dict[str, Any]:
    """Return batches per second of every way, taken in turn: medians of rounds after a first that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    edges = {}
    for round_ in range(ROUNDS + 1):
        for name, way in ways.items():
            taken, edges[name] = timed(way)
            if round_:
                seconds[name].append(taken)
    return {
        name: {
            "batches_per_s": n_batches / statistics.median(values),
            "slowest_per_s": n_batches / max(values),
            "fastest_per_s": n_batches / min(values),
            "edges_per_batch": edges[name] / n_batches,
        }
        for name, values in seconds.items()
    }


# -- steps -----------------------------------------------------------------------------------------------------------


def generate(root: Path, scale: float) -> dict[str, Any]:
    """Write the CSV files."""
    (root / "raw").mkdir()
    write_generated_brain(
        root / "raw", n_nodes=max(1000, round(BRAIN_NODES * scale)), n_edges=max(1511, round(BRAIN_EDGES * scale))
    )
    return {}


def ingest(root: Path, scale: float) -> dict[str, Any]:
    """Import them into a store."""
    del scale
    from connectome.pipelines.formats.vessels import voreen
    from connectome.store import Recipe, Repository, write_record

    repository = Repository(root / "store")
    started = time.perf_counter()
    tree = voreen.read([root / "raw" / "generated_nodes.csv", root / "raw" / "generated_edges.csv"], voxel_size_um=3)
    recipe = Recipe(source="generated", source_version="1", inputs=())
    receipt = write_record(tree, repository.folder(DATASET), record=RECORD, recipe=recipe, staging=repository.staging)
    repository.commit(DATASET, [receipt])
    return {"ingest_s": time.perf_counter() - started, "file_bytes": receipt.size_bytes}


def first_use(root: Path, scale: float) -> dict[str, Any]:
    """Open the graph for the first time: the table of neighbours at both ends is built and kept."""
    del scale
    open_s, graph = timed(lambda: _graph(root))
    build_s, adjacency = timed(lambda: graph.incident)
    cached = sum(path.stat().st_size for path in (root / "cache").rglob("*") if path.is_file())
    return {
        "nodes": graph.n_nodes,
        "edges": graph.n_edges,
        "neighbours": len(adjacency.neighbour),
        "open_s": open_s,
        "build_neighbours_s": build_s,
        "cache_bytes": cached,
    }


def from_store(root: Path, scale: float) -> dict[str, Any]:
    """Open again, and sample."""
    del scale
    open_s, graph = timed(lambda: _graph(root))
    ready_s, sampler = timed(lambda: Neighbours(graph.incident))
    seeds = _seeds(graph.n_nodes)
    first_s, _ = timed(lambda: _draw(sampler, seeds[:1]))
    return {
        "open_s": open_s,
        "neighbours_s": ready_s,
        "first_batch_s": first_s,
        **_rates({"store": lambda: _draw(sampler, seeds)}, BATCHES)["store"],
    }


def from_memory(root: Path, scale: float) -> dict[str, Any]:
    """Read the edges, build the table of neighbours in memory, and sample with the same sampler."""
    del scale
    sampler_s, (sampler, n_nodes) = timed(lambda: _in_memory(root))
    seeds = _seeds(n_nodes)
    return {
        "ready_s": sampler_s,
        **_rates({"memory": lambda: _draw(sampler, seeds)}, BATCHES)["memory"],
    }


def _in_memory(root: Path) -> tuple[Any, int]:
    graph = _graph(root)
    source, target = (np.array(graph.array(end)) for end in ("source", "target"))
    return Neighbours(adjacency_of(source, target, graph.n_nodes, "both")), graph.n_nodes


def in_turn(root: Path, scale: float) -> dict[str, Any]:
    """Sample from the store, from memory, and from a CSR matrix of SciPy, in turn in one process."""
    del scale
    graph = _graph(root)
    stored = Neighbours(graph.incident)
    memory, n_nodes = _in_memory(root)
    seeds = _seeds(n_nodes)
    ways: dict[str, Callable[[], int]] = {
        "store": lambda: _draw(stored, seeds),
        "memory": lambda: _draw(memory, seeds),
    }
    rates = _rates(ways, BATCHES)
    few = seeds[:2]
    matrix = _scipy_matrix(graph)
    if matrix is not None:
        # Fewer batches: it goes through the nodes one by one.
        rates |= _rates({"scipy": lambda: sum(_scipy_batch(matrix, batch) for batch in few)}, len(few))
    return rates


def _scipy_matrix(graph: Any) -> Any:
    """Return the symmetric matrix of edge numbers from 1 up; SciPy adds up those of parallel edges."""
    try:
        from scipy import sparse
    except ModuleNotFoundError:
        return None
    source, target = (np.array(graph.array(end)) for end in ("source", "target"))
    number = np.arange(1, graph.n_edges + 1)
    size = (graph.n_nodes, graph.n_nodes)
    one_way = sparse.coo_array((number, (target, source)), shape=size)
    return (one_way + one_way.T).tocsr()


def _scipy_batch(matrix: Any, seeds: np.ndarray[Any, Any]) -> int:
    """Sample as one does with a CSR matrix: a slice per hop, a choice per node."""
    generator = np.random.default_rng(0)
    frontier, known, n_edges = seeds, set(seeds.tolist()), 0
    for limit in FAN_OUT:
        rows = matrix[frontier]
        fresh: list[int] = []
        for at in range(len(frontier)):
            neighbours = rows.indices[rows.indptr[at] : rows.indptr[at + 1]]
            if len(neighbours) > limit:
                neighbours = generator.choice(neighbours, limit, replace=False)
            n_edges += len(neighbours)
            for node in neighbours.tolist():
                if node not in known:
                    known.add(node)
                    fresh.append(node)
        frontier = np.array(fresh, dtype=np.int64)
    return n_edges


def pyg_save(root: Path, scale: float) -> dict[str, Any]:
    """Make the graph a user of PyG would: undirected, attributes copied for both directions, saved as one object."""
    del scale
    import torch
    from torch_geometric.data import Data
    from torch_geometric.utils import to_undirected

    graph = _graph(root)
    started = time.perf_counter()

    ends = np.stack([graph.array("source"), graph.array("target")]).astype(np.int64)
    attributes = np.stack([graph.edge_column(name) for name in EDGE_ATTRIBUTES], axis=1).astype(np.float32)
    # PyG merges parallel edges into one here; the store keeps each.
    edge_index, edge_attr = to_undirected(
        torch.from_numpy(ends), torch.from_numpy(attributes), num_nodes=graph.n_nodes, reduce="mean"
    )
    position = torch.from_numpy(np.array(graph.position, dtype=np.float32))
    torch.save(Data(pos=position, edge_index=edge_index, edge_attr=edge_attr).to_dict(), root / "data.pt")
    return {"make_s": time.perf_counter() - started, "file_bytes": (root / "data.pt").stat().st_size}


def loader_store(root: Path, scale: float) -> dict[str, Any]:
    """PyG's ``NodeLoader`` over our stores, with positions and edge attributes."""
    del scale
    import torch
    from torch_geometric.loader import NodeLoader

    from connectome.loaders.pyg import EdgeAttributes, FeatureStore, GraphStore, NeighborSampler

    def make() -> Any:
        graph = _graph(root)
        stores = FeatureStore(graph, {"pos": "position"}), GraphStore(graph)
        seeds = torch.from_numpy(np.concatenate(_seeds(graph.n_nodes)))
        return NodeLoader(
            stores,
            NeighborSampler(stores, FAN_OUT),
            seeds,
            batch_size=len(seeds) // BATCHES,
            transform=EdgeAttributes(graph, {"edge_attr": EDGE_ATTRIBUTES}),
        )

    return _loader(make)


def loader_pyg(root: Path, scale: float) -> dict[str, Any]:
    """PyG's ``NodeLoader`` over its own object in memory; its own sampler where its compiled extras are, else ours."""
    del scale
    import torch
    from torch_geometric.data import Data
    from torch_geometric.loader import NeighborLoader, NodeLoader
    from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE

    from connectome.loaders.pyg import NeighborSampler

    def make() -> Any:
        data = Data.from_dict(torch.load(root / "data.pt", weights_only=True))
        seeds = torch.from_numpy(np.concatenate(_seeds(data.num_nodes)))
        if WITH_PYG_LIB or WITH_TORCH_SPARSE:
            return NeighborLoader(data, list(FAN_OUT), input_nodes=seeds, batch_size=len(seeds) // BATCHES)
        sampler = NeighborSampler(data, FAN_OUT)
        return NodeLoader(data, sampler, seeds, batch_size=len(seeds) // BATCHES)

    return {"own_sampler": bool(WITH_PYG_LIB or WITH_TORCH_SPARSE), **_loader(make)}


def _loader(make: Callable[[], Any]) -> dict[str, Any]:
    started = time.perf_counter()
    loader = make()
    next(iter(loader))
    first_s = time.perf_counter() - started

    def epoch() -> int:
        return sum(batch.edge_attr.shape[0] for batch in _batches(loader))

    return {"until_first_batch_s": first_s, **_rates({"loader": epoch}, BATCHES)["loader"]}


def _batches(loader: Any) -> Iterator[Any]:
    yield from loader


STEPS: dict[str, Callable[[Path, float], dict[str, Any]]] = {
    "generate": generate,
    "ingest": ingest,
    "first_use": first_use,
    "from_store": from_store,
    "from_memory": from_memory,
    "in_turn": in_turn,
    "pyg_save": pyg_save,
    "loader_store": loader_store,
    "loader_pyg": loader_pyg,
}


def run(scale: float | None = None) -> dict[str, Any]:
    """Sample the brain in every way.

    Parameters
    ----------
    scale : float, optional
        Part of a whole brain; default ``CONNECTOME_BENCHMARK_SCALE``, else ``SCALE``.
    """
    scale = part_of_whole(scale, SCALE)
    with tempfile.TemporaryDirectory() as folder:
        found = {step: run_stage(__name__, step, folder, scale) for step in STEPS}
    rates = found["in_turn"]
    ratios = {
        "batches_per_s_store_over_memory": rates["store"]["batches_per_s"] / rates["memory"]["batches_per_s"],
        "open_time_store_over_memory": (found["from_store"]["open_s"] + found["from_store"]["neighbours_s"])
        / found["from_memory"]["ready_s"],
        "peak_memory_store_over_memory": found["from_store"]["peak_bytes"] / found["from_memory"]["peak_bytes"],
        "loader_batches_per_s_store_over_pyg": found["loader_store"]["batches_per_s"]
        / found["loader_pyg"]["batches_per_s"],
        "until_first_batch_store_over_pyg": found["loader_store"]["until_first_batch_s"]
        / found["loader_pyg"]["until_first_batch_s"],
        "loader_peak_memory_store_over_pyg": found["loader_store"]["peak_bytes"] / found["loader_pyg"]["peak_bytes"],
    }
    if "scipy" in rates:
        ratios["batches_per_s_store_over_scipy"] = rates["store"]["batches_per_s"] / rates["scipy"]["batches_per_s"]
    first = found["first_use"]
    return {
        "data": "generated",
        "nodes": first["nodes"],
        "edges": first["edges"],
        "seeds_per_batch": min(SEEDS, first["nodes"] // 4),
        "fan_out": list(FAN_OUT),
        "ratios": {name: round(value, 3) for name, value in ratios.items()},
        "steps": {step: _rounded(figures) for step, figures in found.items() if step != "generate"},
    }


def _rounded(figures: Any) -> Any:
    if isinstance(figures, dict):
        return {name: _rounded(value) for name, value in figures.items()}
    return round(figures, 4) if isinstance(figures, float) else figures


def main() -> None:
    """Run one step in this process."""
    step, root, scale = sys.argv[1:]
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    figures = STEPS[step](Path(root), float(scale))
    print_figures({**figures, "peak_bytes": peak_bytes(children=True)})


if __name__ == "__main__":
    main()
