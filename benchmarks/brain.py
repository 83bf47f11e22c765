"""A generated whole-brain vessel graph, written as the two Voreen CSV files that VesselGraph starts from.

No real brain's files can be redistributed here, so this one is made up, and everything that uses it says "generated".
It follows the one Voreen export that VesselGraph ever committed (J. C. Paetzold, J. McGinnis et al., "Whole Brain
Vessel Graphs", NeurIPS 2021 Datasets and Benchmarks, arXiv:2108.13233, ``sample_data``) in its layout: ``;``, six
digits, leaves first in order of z at whole voxels, branch nodes after them at centroids, ``node1_degree`` the smaller
of both degrees, parallel edges, self loops, ``-1`` where an edge had no valid voxel. Its means are those of BALBc_no1
as printed in the notebooks of GitHub jqmcginnis/vessel_graph_pipeline, commit 76fd8ee.

Nodes lie on short random walks inside an ellipsoid; what is left of a node's degree is joined to neighbours along a
Hilbert curve. So edges are short, degrees are exact, and no number is a real vessel's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from connectome.pipelines.homogenise.hilbert import hilbert_index

__all__ = ["BRAIN_EDGES", "BRAIN_NODES", "MEANS", "GeneratedBrain", "write_generated_brain"]

Array = np.ndarray[Any, Any]

BRAIN_NODES, BRAIN_EDGES = 3_538_495, 5_345_897
"""Of BALBc_no1, which is also ``ogbl-vessel`` (Open Graph Benchmark)."""
MEANS: Mapping[str, float] = {
    "length": 12.798689,
    "distance": 11.450001,
    "curveness": 1.088693,
    "volume": 389.961664,
    "avgCrossSection": 28.243327,
    "minRadiusAvg": 2.476473,
    "minRadiusStd": 0.364957,
    "avgRadiusAvg": 3.508176,
    "avgRadiusStd": 0.419654,
    "maxRadiusAvg": 4.739847,
    "maxRadiusStd": 0.713872,
    "roundnessAvg": 0.5314,
    "roundnessStd": 0.091849,
    "num_voxels": 8.902883,
}
"""Published means over the edges of BALBc_no1 (voxels of 3 um), self loops left out."""
MEAN_END_DEGREE = (3.133139 + 3.268482) / 2
"""Mean degree of an edge's end there: the mean of the squared degrees over the mean degree."""

LOOPS, INVALID = 0.004, 0.0005
"""Parts of the rows: self loops, rows without a voxel. Chance makes 0.7 % further rows of a pair."""
NODE_VOXELS = 5_000.0
"""Voxels per node: half a cubic centimetre of brain over 3.5 M nodes."""
AXES_RATIO = (1.1, 1.3, 0.8)
STEP_SIGMA = 0.8
BLOCK_ROWS = 1 << 18

NODE_COLUMNS = ("id", "pos_x", "pos_y", "pos_z", "degree", "isAtSampleBorder")
EDGE_COLUMNS = (
    "id", "node1id", "node2id", "length", "distance", "curveness", "volume", "avgCrossSection", "minRadiusAvg",
    "minRadiusStd", "avgRadiusAvg", "avgRadiusStd", "maxRadiusAvg", "maxRadiusStd", "roundnessAvg", "roundnessStd",
    "node1_degree", "node2_degree", "num_voxels", "hasNodeAtSampleBorder",
)  # fmt: skip
ATLAS_COLUMNS = (*NODE_COLUMNS, "Blob_NumOfVoxels", "Blob_AtlasLabel", "Region_ColorHex", "Region_Acronym")


@dataclass(frozen=True)
class GeneratedBrain:
    """Where the files of a generated brain lie."""

    nodes: Path
    edges: Path
    atlas: Path | None


def write_generated_brain(
    folder: Path,
    *,
    n_nodes: int = BRAIN_NODES,
    n_edges: int = BRAIN_EDGES,
    seed: int = 0,
    atlas: Mapping[int, tuple[str, str]] | None = None,
) -> GeneratedBrain:
    """Write ``generated_nodes.csv`` and ``generated_edges.csv`` (raw Voreen convention) into a folder.

    Parameters
    ----------
    folder : Path
        An existing folder.
    n_nodes, n_edges : int
        Rows; ``2 * n_edges / n_nodes``, the mean degree, from 2.7 to 3.5.
    seed : int
        Equal arguments give equal bytes.
    atlas : mapping, optional
        Structure id to (colour, acronym): writes the companion ``generated_nodes_Atlas.csv``, in which the
        structures fill slabs of space.

    Returns
    -------
    GeneratedBrain
    """
    if not 2.7 <= 2 * n_edges / n_nodes <= 3.5 or n_nodes < 100:
        raise ValueError(f"{n_nodes} nodes and {n_edges} edges are not like a brain's vessels")
    rng = np.random.default_rng(seed)
    source, target, position, leaf = _wire(rng, n_nodes, n_edges)
    position, source, target = _number(rng, position, leaf, source, target)
    degree = np.bincount(source, minlength=n_nodes) + np.bincount(target, minlength=n_nodes)
    border = np.zeros(n_nodes, dtype=np.uint8)
    border[: max(3, round(3e-6 * n_nodes))] = 1
    nodes: dict[str, Array] = {"id": np.arange(n_nodes)}
    nodes |= {f"pos_{axis}": position[:, column] for column, axis in enumerate("xyz")}
    nodes |= {"degree": degree, "isAtSampleBorder": border}
    ends = np.sort(degree[np.stack([source, target])], axis=0)
    edges: dict[str, Array] = {"id": np.arange(n_edges), "node1id": source, "node2id": target}
    edges |= _measure(rng, position, source, target)
    edges |= {"node1_degree": ends[0], "node2_degree": ends[1], "num_voxels": edges.pop("num_voxels")}
    edges["hasNodeAtSampleBorder"] = border[source] | border[target]
    made = GeneratedBrain(
        folder / "generated_nodes.csv",
        folder / "generated_edges.csv",
        None if atlas is None else folder / "generated_nodes_Atlas.csv",
    )
    _write(made.nodes, {name: nodes[name] for name in NODE_COLUMNS}, ";")
    _write(made.edges, {name: edges[name] for name in EDGE_COLUMNS}, ";")
    if atlas is not None and made.atlas is not None:
        _write(made.atlas, {**{name: nodes[name] for name in NODE_COLUMNS}, **_annotate(position, atlas)}, ",")
    return made


def _wire(rng: np.random.Generator, n_nodes: int, n_edges: int) -> tuple[Array, Array, Array, Array]:
    """Return source, target (edge,), position (node, 3) and which nodes are leaves, in no order."""
    n_loops = round(LOOPS * n_edges)
    degree = _degrees(rng, n_nodes, 2 * (n_edges - n_loops))
    leaf = degree == 1
    chained = np.zeros(n_nodes, dtype=bool)
    chained[1:] = ~leaf[:-1]
    position = _walk(rng, chained)
    follows = np.flatnonzero(chained)
    spare = degree - chained
    spare[follows - 1] -= 1
    near = _join(rng, position, spare)
    loops = rng.choice(np.flatnonzero(~leaf), n_loops)
    source = np.concatenate([follows - 1, near[:, 0], loops])
    target = np.concatenate([follows, near[:, 1], loops])
    # The unit of the walk is arbitrary until here: the mean distance is the published one.
    apart = np.linalg.norm(position[source] - position[target], axis=1)
    position *= MEANS["distance"] / apart[apart > 0].mean()
    return source, target, position, leaf


def _degrees(rng: np.random.Generator, n_nodes: int, total: int) -> Array:
    """Draw degrees of exactly this sum: the spread of BALBc_no1 about the mean that is asked for."""
    above = total / n_nodes - 3
    rare = {2: 0.005, 5: 0.012, 6: 0.002}
    variance = (MEAN_END_DEGREE - 3.021565) * 3.021565 + 0.021565**2
    # Leaves (two below three) and fours (one above) carry what the rare degrees leave of mean and variance.
    mean_left = above + rare[2] - 2 * rare[5] - 3 * rare[6]
    variance_left = variance - rare[2] - 4 * rare[5] - 9 * rare[6]
    one = min(max((variance_left - mean_left) / 6, 0.0, -mean_left / 2), 0.35)
    part = {1: one, 4: max(mean_left + 2 * one, 0.0), **rare}
    part[3] = 1 - sum(part.values())
    values = np.array(sorted(part))
    degree = rng.choice(values, n_nodes, p=[part[value] for value in values]).astype(np.int64)
    missing = total - int(degree.sum())
    changed = rng.permutation(np.flatnonzero(degree == (3 if missing > 0 else 4)))[: abs(missing)]
    degree[changed] += np.sign(missing)
    if len(changed) != abs(missing):
        raise ValueError("no degrees of this sum")
    return degree


def _walk(rng: np.random.Generator, chained: Array) -> Array:
    """Place nodes on walks: one that is chained lies one step from the node before it."""
    n_nodes = len(chained)
    radius = (3 / (4 * np.pi) * n_nodes * NODE_VOXELS / np.prod(AXES_RATIO)) ** (1 / 3)
    step = rng.standard_normal((n_nodes, 3))
    step *= ((1.5 + rng.lognormal(np.log(5.0), STEP_SIGMA, n_nodes)) / np.linalg.norm(step, axis=1))[:, None]
    first = np.flatnonzero(~chained)
    ball = rng.standard_normal((len(first), 3))
    ball *= (rng.random(len(first)) ** (1 / 3) / np.linalg.norm(ball, axis=1))[:, None]
    step[first] = 0
    walked = np.cumsum(step, axis=0)
    start = ball * radius * np.array(AXES_RATIO) - walked[first]
    placed: Array = walked + np.repeat(start, np.diff(np.append(first, n_nodes)), axis=0)
    return placed


def _join(rng: np.random.Generator, position: Array, spare: Array) -> Array:
    """Pair the free ends of nodes with those next to them in space; shape (pair, 2)."""
    low = position.min(axis=0)
    cells = ((position - low) / (position - low).max() * 1023).astype(np.int64)
    order = np.argsort(hilbert_index(cells, 10), kind="stable")
    ends = np.repeat(order, spare[order])
    # Ends of one node lie side by side: move each by up to two places.
    ends = ends[np.argsort(np.arange(len(ends)) + rng.random(len(ends)) * 2, kind="stable")]
    pairs: Array = ends.reshape(-1, 2)
    for away in (1, 2, 3) * 6:
        # A node with itself or its neighbour on the walk changes partners with a pair near it.
        close = np.flatnonzero(np.abs(pairs[:-away, 0] - pairs[:-away, 1]) <= 1)
        close = close[np.diff(close, prepend=-1 - away) > away]
        pairs[close, 1], pairs[close + away, 1] = pairs[close + away, 1], pairs[close, 1]
    return pairs


def _number(
    rng: np.random.Generator, position: Array, leaf: Array, source: Array, target: Array
) -> tuple[Array, Array, Array]:
    """Give ids as Voreen does: leaves by z at whole voxels, then branches nearly by z at centroids of some voxels."""
    n_nodes = len(position)
    parts = np.where(leaf | (rng.random(n_nodes) < 0.6), 1, rng.integers(2, 8, n_nodes))[:, None]
    position = np.rint((position - position.min(axis=0) + 1) * parts) / parts
    order = np.lexsort((position[:, 2] + np.where(leaf, 0, rng.standard_normal(n_nodes)), ~leaf))
    number = np.empty(n_nodes, dtype=np.int64)
    number[order] = np.arange(n_nodes)
    ends = number[np.stack([source, target])]
    ends = ends[:, np.argsort(ends.max(axis=0), kind="stable")]
    turned = rng.random(ends.shape[1]) < 0.5
    return _six_digits(position[order]), np.where(turned, ends[1], ends[0]), np.where(turned, ends[0], ends[1])


def _measure(rng: np.random.Generator, position: Array, source: Array, target: Array) -> dict[str, Array]:
    """Draw what Voreen measures along every edge, with the published means."""
    n_edges = len(source)
    distance = np.linalg.norm(position[source] - position[target], axis=1)
    flat = distance == 0
    # Longer vessels wind more: the means of length, distance and curveness hold together.
    winding = rng.exponential(1.0, n_edges) * _weighted(distance, MEANS["length"] - MEANS["distance"], "curveness")
    length = np.where(flat, rng.lognormal(1, 0.5, n_edges), distance * (1 + winding))
    average = _with_mean(rng.lognormal(0, 0.35, n_edges), MEANS["avgRadiusAvg"])
    smallest = average * _with_mean(rng.beta(12, 5, n_edges), MEANS["minRadiusAvg"] / MEANS["avgRadiusAvg"])
    largest = average * (1 + _with_mean(rng.gamma(2, 1, n_edges), MEANS["maxRadiusAvg"] / MEANS["avgRadiusAvg"] - 1))
    roundness = np.minimum(_with_mean(smallest / largest, MEANS["roundnessAvg"]), 1)
    voxels = np.maximum(1, rng.poisson(length * (MEANS["num_voxels"] - 0.07) / MEANS["length"]))
    section = _with_mean(
        average**2 * _weighted(length, MEANS["volume"] / MEANS["avgCrossSection"], "volume"), 28.243327
    )
    volume = np.maximum(1, np.rint(section * length))
    measured: dict[str, Array] = {
        "length": length,
        "distance": distance,
        "curveness": np.where(flat, 0, 1 + winding),
        "volume": volume,
        "avgCrossSection": volume / length,
        "num_voxels": voxels,
        "minRadiusAvg": smallest,
        "avgRadiusAvg": average,
        "maxRadiusAvg": largest,
        "roundnessAvg": roundness,
    }
    for name in ("minRadius", "avgRadius", "maxRadius", "roundness"):
        spread = np.where(voxels > 1, measured[f"{name}Avg"] * rng.gamma(4, 1, n_edges), 0)
        measured[f"{name}Std"] = _with_mean(spread, MEANS[f"{name}Std"])
    invalid = np.flatnonzero(rng.random(n_edges) < INVALID)
    for name in ("volume", *(name for name in measured if name.startswith(("min", "avgR", "max", "round")))):
        measured[name][invalid] = -1
    measured["avgCrossSection"][invalid] = -1 / length[invalid]
    measured["num_voxels"][invalid] = 0
    return {
        name: values if name in {"volume", "num_voxels"} else _six_digits(values) for name, values in measured.items()
    }


def _weighted(size: Array, wanted: float, what: str) -> Array:
    """Return weights by a power of size such that a draw times them has its mean and its product's mean right."""
    alone = MEANS["curveness"] - 1 if what == "curveness" else 1.0
    known = size[size > 0]
    low, high = -1.0, 2.0
    for _ in range(40):
        power = (low + high) / 2
        weight = known**power
        product = (weight * known).mean() / weight.mean() * alone
        low, high = (power, high) if product < wanted else (low, power)
    weights: Array = np.zeros(len(size))
    np.power(size, power, out=weights, where=size > 0)
    weights *= alone / (known**power).mean()
    return weights


def _with_mean(values: Array, mean: float) -> Array:
    scaled: Array = values * (mean / values.mean())
    return scaled


def _six_digits(values: Array) -> Array:
    """Round to six significant digits; as float32 their shortest text has no more (C11, FLT_DIG)."""
    size = np.abs(values)
    exponent = np.floor(np.log10(np.where(size > 0, size, 1)))
    scale = 10.0 ** (5 - exponent)
    rounded: Array = (np.rint(values * scale) / scale).astype(np.float32)
    return rounded


def _annotate(position: Array, atlas: Mapping[int, tuple[str, str]]) -> dict[str, Any]:
    import pyarrow as pa

    labels = np.array(sorted(atlas))
    slab = (position[:, 1] / (position[:, 1].max() + 1) * len(labels)).astype(np.int64)
    indices = pa.array(slab.astype(np.int32))
    texts = [pa.array([atlas[label][which] for label in labels.tolist()]) for which in (0, 1)]
    return {
        "Blob_NumOfVoxels": np.ones(len(slab), dtype=np.uint8),
        "Blob_AtlasLabel": labels[slab],
        "Region_ColorHex": texts[0].take(indices),
        "Region_Acronym": texts[1].take(indices),
    }


def _write(path: Path, columns: Mapping[str, Any], separator: str) -> None:
    import pyarrow as pa
    from pyarrow import csv

    # Where one text needs quotes pyarrow puts all in them; where none does, pandas writes none either.
    words = [text for item in columns.values() if isinstance(item, pa.Array) for text in item.unique().to_pylist()]
    style = "needed" if any(mark in text for text in words for mark in (separator, '"', "\r", "\n")) else "none"
    options = csv.WriteOptions(include_header=False, delimiter=separator, quoting_style=style)
    with path.open("wb") as file:
        file.write(separator.join(columns).encode() + b"\n")
        for rows in _blocks(len(columns["id"])):
            csv.write_csv(pa.table({name: values[rows] for name, values in columns.items()}), file, options)


def _blocks(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, BLOCK_ROWS):
        yield slice(start, start + BLOCK_ROWS)
