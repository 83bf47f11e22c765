"""The proof that a link prediction task does not leak.

:func:`prove_links` looks at the pairs, the graph and the plan only. It counts with pairs of node numbers as the graph
stores them and shares no step with the code that made the task but the look-up of sorted numbers, so a task that was
edited, or made elsewhere, is held to the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LeakError
from ..schema import decode
from .link_plan import TRAIN
from .pairs import positions_of
from .point_grid import PointGrid
from .sorted_keys import among, distinct

if TYPE_CHECKING:
    import xarray as xr

    from .link_task import LinkTask

__all__ = ["LinkProof", "prove_links"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LinkProof:
    """What was proved of a task."""

    sizes: Mapping[str, Mapping[str, int]]
    """Part to ``positive`` and every kind of negatives to the number of pairs."""
    proved: tuple[str, ...]
    """What holds, in sentences."""

    def as_dict(self) -> dict[str, Any]:
        """Return the proof as JSON values."""
        return {"sizes": {part: dict(sizes) for part, sizes in self.sizes.items()}, "proved": list(self.proved)}

    def __str__(self) -> str:
        lines = [
            f"  {part}: " + ", ".join(f"{count:,} {name}" for name, count in sizes.items())
            for part, sizes in self.sizes.items()
        ]
        return "\n".join([*lines, *(f"  proved: {line}" for line in self.proved)])


def prove_links(task: LinkTask, graph: xr.Dataset) -> LinkProof:
    """Prove that a task does not leak.

    Parameters
    ----------
    task : LinkTask
        What is to be proved; its plan says what must hold.
    graph : xarray.Dataset
        The graph that it was made of.

    Returns
    -------
    LinkProof

    Raises
    ------
    LeakError
        When something does not hold: pairs of a node with itself, a pair twice or in two parts, a positive that is no
        edge, a negative that is one, fewer negatives than the ratio asks for, an edge that was lost, or, with blocks, a
        node that is in two parts or too near to another one. All that was found is listed.
    """
    n_nodes = int(graph.sizes["node"])
    edges, chosen = _edges(graph, task)
    positives = {part: _numbers(pair, n_nodes) for part, pair in task.positives.items()}
    problems = []
    named = {f"positives of {part}": pair for part, pair in task.positives.items()}
    named |= {
        f"{kind} negatives of {part}": pair for kind, parts in task.negatives.items() for part, pair in parts.items()
    }
    for name, pair in named.items():
        loops = int((pair[:, 0] == pair[:, 1]).sum())
        if loops:
            problems.append(f"{loops} of the {name} join a node with itself")
        if len(pair) and (pair.min() < 0 or pair.max() >= n_nodes):
            problems.append(f"{name} name nodes that the graph does not have")
    problems += _repeated(positives, "positives")
    strange = {part: int((~among(keys, chosen)).sum()) for part, keys in positives.items()}
    problems += [f"{count} positives of {part} are no edges" for part, count in strange.items() if count]
    n_left_out = int(task.facts.get("n_crossing", 0)) + int(task.facts.get("n_guarded", 0))
    n_placed = sum(map(len, positives.values()))
    if n_placed + n_left_out != len(chosen):
        problems.append(f"{len(chosen)} pairs are joined, {n_placed} are placed and {n_left_out} left out")
    for kind, parts in task.negatives.items():
        keys = {part: _numbers(pair, n_nodes) for part, pair in parts.items()}
        problems += _repeated(keys, f"{kind} negatives")
        for part, own in keys.items():
            joined = int(among(own, edges).sum())
            if joined:
                problems.append(f"{joined} {kind} negatives of {part} are edges")
            if len(own) != task.plan.ratio * len(positives.get(part, ())):
                problems.append(f"{len(own)} {kind} negatives of {part} for {len(positives.get(part, ()))} positives")
    if task.plan.kind == "blocks":
        problems += _apart(task, graph)
    if problems:
        raise LeakError(
            f"the task does not hold: {len(problems)} problem{'s' if len(problems) > 1 else ''}",
            subject="links",
            found="; ".join(problems[:20]),
            hint="make the task anew from its plan",
        )
    return LinkProof(
        {
            part: {"positive": len(positives[part]), **{kind: len(own[part]) for kind, own in task.negatives.items()}}
            for part in task.parts
        },
        tuple(_sentences(task, len(chosen), n_left_out)),
    )


def _edges(graph: xr.Dataset, task: LinkTask) -> tuple[Array, Array]:
    """Return the numbers of all pairs that any edge joins, and of those that edges of the plan's types do."""
    ends = np.stack([np.asarray(graph[end].values) for end in ("source", "target")], axis=1).astype(np.int64)
    numbers = _numbers(ends, int(graph.sizes["node"]))
    joined = ends[:, 0] != ends[:, 1]
    every = distinct(numbers[joined])
    if task.plan.edge_types is None:
        return every, every
    return every, distinct(numbers[joined & np.isin(decode(graph["edge_type"]), list(task.plan.edge_types))])


def _numbers(pair: Array, n_nodes: int) -> Array:
    ordered = np.sort(np.asarray(pair, dtype=np.int64), axis=1)
    return np.asarray(ordered[:, 0] * n_nodes + ordered[:, 1])


def _repeated(keys: Mapping[str, Array], what: str) -> list[str]:
    problems = []
    for part, own in keys.items():
        twice = len(own) - len(distinct(own))
        if twice:
            problems.append(f"{twice} {what} of {part} are there twice")
    for one, other in combinations(keys, 2):
        shared = int(among(keys[one], np.sort(keys[other])).sum())
        if shared:
            problems.append(f"{shared} {what} are in {one} and in {other}")
    return problems


def _apart(task: LinkTask, graph: xr.Dataset) -> list[str]:
    """List nodes of two parts, and nodes to be predicted from that are too near to those of another part."""
    used = {part: distinct(pair.ravel()) for part, pair in task.positives.items()}
    for parts in task.negatives.values():
        used = {part: distinct(np.append(nodes, parts[part])) for part, nodes in used.items()}
    problems = []
    for one, other in combinations(used, 2):
        shared = int(among(used[one], used[other]).sum())
        if shared:
            problems.append(f"{shared} nodes are in {one} and in {other}")
    position, _ = positions_of(graph)
    if task.plan.guard > 0 and position is not None and not problems:
        nodes = np.concatenate(list(used.values()))
        owner = np.repeat(np.arange(len(used)), [len(own) for own in used.values()])
        grid = PointGrid(position[nodes].astype(np.float64), task.plan.guard)
        near = 0
        for first, second in grid.pairs():
            close = np.square(grid.position[first] - grid.position[second]).sum(axis=1) < task.plan.guard**2
            near += int((close & (owner[grid.order[first]] != owner[grid.order[second]])).sum())
        if near:
            problems.append(f"{near} pairs of nodes of two parts are nearer than the guard of {task.plan.guard!r}")
    return problems


def _sentences(task: LinkTask, n_pairs: int, n_left_out: int) -> list[str]:
    left = f", {n_left_out:,} left out of all parts" if n_left_out else ""
    kinds = ", ".join(task.negatives)
    told = [
        f"all {n_pairs:,} pairs that edges join are in one part each{left}",
        f"no negative ({kinds}) is an edge, of any part or of none",
        f"no negative ({kinds}) is there twice, in one part or in two",
        "no pair joins a node with itself",
        f"there are {task.plan.ratio} negatives per positive in every part",
    ]
    if task.plan.kind == "blocks":
        told.append(f"no node is in two parts, and those of two parts are at least {task.plan.guard!r} apart")
    else:
        told.append(f"the training graph has the edges of {TRAIN} only")
    return told
