"""The proof that a link prediction task does not leak.

:func:`prove_links` looks at the pairs, the graph and the plan only. It counts with pairs of node numbers as the graph
stores them and shares no step with the code that made the task but the look-up of sorted numbers, so a task that was
edited, or made elsewhere, is held to the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LeakError
from ..schema import decode
from .link_plan import PUBLISHED, TRAIN, in_order
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
    """What was proved of a task, and what was not."""

    sizes: Mapping[str, Mapping[str, int]]
    """Part to ``positive`` and every kind of negatives to the number of pairs."""
    proved: tuple[str, ...]
    """What holds, in sentences."""
    unproved: tuple[str, ...] = ()
    """What does not hold of a published task; ours would not be made."""

    def as_dict(self) -> dict[str, Any]:
        """Return the proof as JSON values."""
        return {
            "sizes": {part: dict(sizes) for part, sizes in self.sizes.items()},
            "proved": list(self.proved),
            "unproved": list(self.unproved),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, parts: Iterable[str], names: Sequence[str]) -> LinkProof:
        """Read what :meth:`as_dict` wrote; ``sizes`` in the order of these parts and names."""
        sizes = {part: in_order(own, names) for part, own in in_order(value["sizes"], parts).items()}
        return cls(sizes, tuple(value["proved"]), tuple(value["unproved"]))

    def __str__(self) -> str:
        lines = [
            f"  {part}: " + ", ".join(f"{count:,} {name}" for name, count in sizes.items())
            for part, sizes in self.sizes.items()
        ]
        lines += [f"  proved: {line}" for line in self.proved]
        return "\n".join([*lines, *(f"  does not hold: {line}" for line in self.unproved)])


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
        Of a published task also what does not hold.

    Raises
    ------
    LeakError
        When something does not hold of a task that was made here: pairs of a node with itself, a pair twice or in two
        parts, a positive that is no edge, a negative that is one, fewer negatives than the ratio asks for, an edge that
        was lost, or, with blocks, a node that is in two parts or too near to another one. All that was found is listed.
    """
    claims = _claims(task, graph)
    problems = [problem for _, found in claims for problem in found]
    if problems and task.plan.kind != PUBLISHED:
        raise LeakError(
            f"the task does not hold: {len(problems)} problem{'s' if len(problems) > 1 else ''}",
            subject="links",
            found="; ".join(problems[:20]),
            hint="make the task anew from its plan",
        )
    sizes = {
        part: {
            "positive": len(task.positives[part]),
            **{kind: len(own[part]) for kind, own in task.negatives.items() if part in own},
        }
        for part in task.parts
    }
    return LinkProof(sizes, tuple(claim for claim, found in claims if not found), tuple(problems))


def _claims(task: LinkTask, graph: xr.Dataset) -> list[tuple[str, list[str]]]:
    """Return what should hold, each with what speaks against it."""
    n_nodes = int(graph.sizes["node"])
    published = task.plan.kind == PUBLISHED
    edges, chosen = _edges(graph, task)
    positives = {part: _numbers(pair, n_nodes) for part, pair in task.positives.items()}
    negatives = {
        kind: {part: _numbers(pair, n_nodes) for part, pair in parts.items()} for kind, parts in task.negatives.items()
    }
    named = {f"positives of {part}": pair for part, pair in task.positives.items()}
    named |= {
        f"{kind} negatives of {part}": pair for kind, parts in task.negatives.items() for part, pair in parts.items()
    }
    loops = {name: int((pair[:, 0] == pair[:, 1]).sum()) for name, pair in named.items()}
    strange = {name: int(((pair < 0) | (pair >= n_nodes)).any(axis=1).sum()) for name, pair in named.items()}
    # What is published may keep its held-out edges apart from the graph.
    known = {part: keys for part, keys in positives.items() if not published or part == TRAIN}
    absent = {part: int((~among(keys, chosen)).sum()) for part, keys in known.items()}
    forbidden = distinct(np.concatenate([edges, *positives.values()]))
    joined = {
        f"{kind} negatives of {part}": int(among(keys, forbidden).sum())
        for kind, parts in negatives.items()
        for part, keys in parts.items()
    }
    kinds = ", ".join(task.negatives)
    claims = [
        (
            "no pair joins a node with itself",
            [f"{n} of the {name} join a node with itself" for name, n in loops.items() if n],
        ),
        ("all pairs are of nodes of the graph", [f"{n} of the {name} are not" for name, n in strange.items() if n]),
        (f"no link is there twice, in one part or in two ({', '.join(positives)})", _repeated(positives, "positives")),
        (
            f"all links of {', '.join(known)} are edges",
            [f"{n} positives of {part} are no edges" for part, n in absent.items() if n],
        ),
        (
            f"no negative ({kinds}) is an edge, of any part or of none",
            [f"{n} {name} are edges" for name, n in joined.items() if n],
        ),
        (
            f"no negative ({kinds}) is there twice, in one part or in two",
            [line for kind, parts in negatives.items() for line in _repeated(parts, f"{kind} negatives")],
        ),
    ]
    if published:
        return claims
    n_left_out = int(task.facts.get("n_crossing", 0)) + int(task.facts.get("n_guarded", 0))
    n_placed = sum(map(len, positives.values()))
    left = f", {n_left_out:,} left out of all parts" if n_left_out else ""
    ratio = task.plan.ratio
    uneven = [
        f"{len(keys)} {kind} negatives of {part} for {len(positives.get(part, ()))} positives"
        for kind, parts in negatives.items()
        for part, keys in parts.items()
        if len(keys) != ratio * len(positives.get(part, ()))
    ]
    claims += [
        (
            f"all {len(chosen):,} pairs that edges join are in one part each{left}",
            [f"{len(chosen)} pairs are joined, {n_placed} are placed and {n_left_out} left out"]
            if n_placed + n_left_out != len(chosen)
            else [],
        ),
        (f"there {'is one negative' if ratio == 1 else f'are {ratio} negatives'} per positive in every part", uneven),
    ]
    if task.plan.kind == "blocks":
        claim = f"no node is in two parts, and those of two parts are at least {task.plan.guard!r} apart"
        claims.append((claim, _apart(task, graph)))
    return claims


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
