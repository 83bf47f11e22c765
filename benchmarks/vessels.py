"""A generated brain of vessels from its two tables to a committed record, beside what merely reads the tables.

The whole brain has the 3.5 M nodes and 5.3 M edges of ``ogbl-vessel`` (``brain``). ``CONNECTOME_BENCHMARK_SCALE`` says
which part is made, by default a twentieth. Every step runs in a process of its own; its peak of memory is what it adds
to the interpreter with everything imported. The ingest hashes, checks, sorts, compresses, reads back and commits; its
peers stop when the numbers are in memory (the parsers) or at what VesselGraph's loader builds of them (``pyg``: pandas,
edges in both directions, ``torch.save``; ``networkx``: a multigraph in memory, at small scales only). Then the record,
opened and read whole, beside the reader of the package ``ogb`` on what our export writes of it, and the regions of all
nodes (``atlas``).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import atlas
from .brain import BRAIN_EDGES, BRAIN_NODES, write_generated_brain
from .stages import part_of_whole, run_stage, run_timed

SCALE = 0.05
MOST_NETWORKX_EDGES = 600_000
"""A whole brain as a networkx graph takes tens of gigabytes."""
NODES, EDGES = "generated_nodes.csv", "generated_edges.csv"
OGB = Path("ogb", "raw")
DATASET, RECORD = "generated-brain", "brain"
NODE_FEATURES = ["pos_x", "pos_y", "pos_z", "degree", "isAtSampleBorder"]
EDGE_FEATURES = ["length", "distance", "avgRadiusAvg", "roundnessAvg", "curveness"]
"""Columns that VesselGraph's link loader takes (GitHub jocpae/VesselGraph, ``link_dataset.py``)."""
FLOATS = (
    "pos_x", "pos_y", "pos_z", "length", "distance", "curveness", "volume", "avgCrossSection", "minRadiusAvg",
    "minRadiusStd", "avgRadiusAvg", "avgRadiusStd", "maxRadiusAvg", "maxRadiusStd", "roundnessAvg", "roundnessStd",
)  # fmt: skip


def ingest(root: Path) -> Callable[[], dict[str, Any]]:
    """Import the tables into a store."""
    import connectome.pipelines.formats.vessels.voreen
    import connectome.pipelines.importing
    from connectome.store import Repository

    def work() -> dict[str, Any]:
        result = connectome.pipelines.importing.import_files(
            Repository(root / "store"),
            [root / NODES, root / EDGES],
            dataset=DATASET,
            format="voreen",
            record=RECORD,
            options={"voxel_size_um": 3.0},
        )
        return {"digest": result.digest}

    return work


def reopen(root: Path) -> Callable[[], dict[str, Any]]:
    """Open the version and the record, and do it again when everything has been imported."""
    from connectome.store import open_version

    def work() -> dict[str, Any]:
        times = [time.perf_counter()]
        for _ in range(2):
            graph = open_version(DATASET, root=root / "store").open(RECORD)["vessels"]
            times.append(time.perf_counter())
        first_s, again_s = (round(stop - start, 4) for start, stop in pairwise(times))
        counts = {"nodes": graph.sizes["node"], "edges": graph.sizes["edge"]}
        return {**counts, "first_s": first_s, "again_s": again_s}

    return work


def read_all(root: Path) -> Callable[[], dict[str, Any]]:
    """Open the version and the record, and read every column into memory."""
    from connectome.store import open_version

    def work() -> dict[str, Any]:
        graph = open_version(DATASET, root=root / "store").open(RECORD)["vessels"].to_dataset().load()
        return {"nodes": graph.sizes["node"], "edges": graph.sizes["edge"], "bytes": graph.nbytes}

    return work


def ogb_export(root: Path) -> Callable[[], dict[str, Any]]:
    """Write the record as an archive of the Open Graph Benchmark."""
    from connectome.pipelines.export import export
    from connectome.store import open_version

    def work() -> dict[str, Any]:
        export(open_version(DATASET, root=root / "store").open(RECORD), to="ogb", destination=root / "ogb")
        return {"bytes": (root / OGB / "data.npz").stat().st_size}

    return work


def ogb_read(root: Path) -> Callable[[], dict[str, Any]]:
    """Read that archive as the package does."""
    from ogb.io.read_graph_raw import read_binary_graph_raw  # type: ignore[import-untyped]

    def work() -> dict[str, Any]:
        # It prints.
        with redirect_stdout(sys.stderr):
            (graph,) = read_binary_graph_raw(str(root / OGB), False)
        arrays = [value for value in graph.values() if hasattr(value, "nbytes")]
        return {
            "nodes": int(graph["num_nodes"]),
            "directed_edges": int(graph["edge_index"].shape[1]),
            "bytes": sum(value.nbytes for value in arrays),
        }

    return work


def arrow(root: Path) -> Callable[[], dict[str, Any]]:
    """Parse both tables with pyarrow."""
    import pyarrow as pa
    from pyarrow import csv

    parse = csv.ParseOptions(delimiter=";")
    convert = csv.ConvertOptions(column_types=dict.fromkeys(FLOATS, pa.float64()))

    def work() -> dict[str, Any]:
        tables = [csv.read_csv(root / name, parse_options=parse, convert_options=convert) for name in (NODES, EDGES)]
        return {"rows": sum(table.num_rows for table in tables)}

    return work


def polars(root: Path) -> Callable[[], dict[str, Any]]:
    """Parse both tables with polars."""
    import polars as pl

    def types(name: str) -> dict[str, Any]:
        names = (root / name).open().readline().strip().split(";")
        return {column: pl.Float64 for column in names if column in FLOATS}

    def work() -> dict[str, Any]:
        tables = [pl.read_csv(root / name, separator=";", schema_overrides=types(name)) for name in (NODES, EDGES)]
        return {"rows": sum(len(table) for table in tables)}

    return work


def pandas(root: Path) -> Callable[[], dict[str, Any]]:
    """Parse both tables with pandas."""
    import pandas as pd

    return lambda: {"rows": sum(len(pd.read_csv(root / name, sep=";")) for name in (NODES, EDGES))}


def pyg(root: Path) -> Callable[[], dict[str, Any]]:
    """Build what an InMemoryDataset keeps, with both directions of every edge, and save it."""
    import numpy as np
    import pandas as pd
    import torch
    from torch_geometric.data import Data
    from torch_geometric.utils import to_undirected

    def work() -> dict[str, Any]:
        nodes, edges = (pd.read_csv(root / name, sep=";") for name in (NODES, EDGES))
        ends = torch.from_numpy(np.ascontiguousarray(edges[["node1id", "node2id"]].to_numpy().T))
        features = torch.from_numpy(edges[EDGE_FEATURES].to_numpy())
        index, features = to_undirected(ends, features, num_nodes=len(nodes), reduce="mean")
        data = Data(x=torch.from_numpy(nodes[NODE_FEATURES].to_numpy()), edge_index=index, edge_attr=features)
        torch.save(data.to_dict(), root / "data.pt")
        return {"directed_edges": data.num_edges, "bytes": (root / "data.pt").stat().st_size}

    return work


def pyg_reopen(root: Path) -> Callable[[], dict[str, Any]]:
    """Load what was saved."""
    import torch

    return lambda: {"nodes": len(torch.load(root / "data.pt", weights_only=True)["x"])}


def networkx(root: Path) -> Callable[[], dict[str, Any]]:
    """Build a multigraph with the columns that VesselGraph uses."""
    import networkx as nx  # type: ignore[import-untyped]
    import pandas as pd

    def work() -> dict[str, Any]:
        nodes, edges = (pd.read_csv(root / name, sep=";") for name in (NODES, EDGES))
        graph = nx.from_pandas_edgelist(edges, "node1id", "node2id", EDGE_FEATURES, create_using=nx.MultiGraph)
        nx.set_node_attributes(graph, nodes.set_index("id")[NODE_FEATURES].to_dict("index"))
        return {"edges": graph.number_of_edges()}

    return work


STEPS: dict[str, Callable[[Path], Callable[[], dict[str, Any]]]] = {
    "arrow": arrow,
    "polars": polars,
    "pandas": pandas,
    "ingest": ingest,
    "reopen": reopen,
    "pyg": pyg,
    "pyg_reopen": pyg_reopen,
    "networkx": networkx,
    "read_all": read_all,
    "ogb_export": ogb_export,
    "ogb_read": ogb_read,
    "atlas": atlas.join,
    "atlas_search": atlas.search,
}
"""Each imports what it needs and returns the work that is timed."""
BUILDERS = ("arrow", "polars", "pandas", "pyg", "networkx")
"""Those that start from the tables, as the ingest does."""
PACKAGES = {
    "arrow": "pyarrow",
    "polars": "polars",
    "pandas": "pandas",
    "pyg": "torch_geometric",
    "networkx": "networkx",
    "ogb_read": "ogb",
}


def run(scale: float | None = None, *, names: Sequence[str] = tuple(STEPS)) -> dict[str, Any]:
    """Write a brain, run every step in its own process, and compare.

    Parameters
    ----------
    scale : float, optional
        Part of the brain; default ``CONNECTOME_BENCHMARK_SCALE``, else ``SCALE``.
    names : sequence of str
        Steps, ``ingest`` among them.
    """
    scale = part_of_whole(scale, SCALE)
    n_nodes, n_edges = round(scale * BRAIN_NODES), round(scale * BRAIN_EDGES)
    steps: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        started = time.perf_counter()
        made = write_generated_brain(root, n_nodes=n_nodes, n_edges=n_edges)
        generate_s = time.perf_counter() - started
        sizes = {"csv": made.nodes.stat().st_size + made.edges.stat().st_size}
        for name in names:
            package = PACKAGES.get(name)
            if package is not None and find_spec(package) is None:
                steps[name] = {"skipped": f"{package} is not installed"}
            elif name == "pyg_reopen" and "bytes" not in steps.get("pyg", {}):
                steps[name] = {"skipped": "nothing was saved"}
            elif name == "ogb_read" and "bytes" not in steps.get("ogb_export", {}):
                steps[name] = {"skipped": "nothing was exported"}
            elif name == "networkx" and n_edges > MOST_NETWORKX_EDGES:
                steps[name] = {"skipped": "a graph of this size takes tens of gigabytes in networkx"}
            else:
                steps[name] = run_stage(__name__, name, root)
        records = [path for path in (root / "store").rglob("*.zarr.zip") if path.is_file()]
        sizes["record"] = sum(path.stat().st_size for path in records)
    seconds = {name: found["seconds"] for name, found in steps.items() if "seconds" in found}
    ratios = {f"ingest_over_{name}": seconds["ingest"] / seconds[name] for name in BUILDERS if name in seconds}
    if {"pyg_reopen", "reopen"} <= set(seconds):
        ratios["reopen_over_pyg"] = steps["reopen"]["first_s"] / seconds["pyg_reopen"]
        ratios["memory_over_pyg"] = steps["ingest"]["peak_bytes"] / steps["pyg"]["peak_bytes"]
    if {"ogb_read", "read_all"} <= set(seconds):
        ratios["read_all_over_ogb"] = seconds["read_all"] / seconds["ogb_read"]
        ratios["read_all_memory_over_ogb"] = steps["read_all"]["peak_bytes"] / steps["ogb_read"]["peak_bytes"]
    if {"atlas", "atlas_search"} <= set(seconds):
        # Scaled to all nodes.
        whole_s = seconds["atlas_search"] / steps["atlas_search"]["nodes"] * n_nodes
        steps["atlas_search"]["seconds_for_all"] = round(whole_s, 1)
        ratios["atlas_over_search"] = seconds["atlas"] / whole_s
    return {
        "generated": {"nodes": n_nodes, "edges": n_edges, "seconds": round(generate_s, 1)},
        "versions": {name: version(package) for name, package in PACKAGES.items() if find_spec(package) is not None},
        "bytes": sizes,
        "record_over_csv": round(sizes["record"] / sizes["csv"], 3),
        "ratios": {name: float(f"{value:.3g}") for name, value in ratios.items()},
        "steps": steps,
    }


def main() -> None:
    """Run one step in this process."""
    run_timed(STEPS)


if __name__ == "__main__":
    main()
