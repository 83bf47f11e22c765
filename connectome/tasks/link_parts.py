"""Which part every link belongs to, and which nodes its negatives may join."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from ..splits.quota import Fractions
from .keyed import keyed, part_of
from .link_plan import PUBLISHED, TRAIN

if TYPE_CHECKING:
    from .link_plan import LinkPlan
    from .pairs import Links

__all__ = ["CROSSING", "GUARDED", "Placed", "place_links"]

Array = np.ndarray[Any, Any]
CROSSING, GUARDED = -1, -2
"""Codes of pairs that are in no part: those that cross from one part to another, and those in the guard zone."""


@dataclass(frozen=True)
class Placed:
    """Links in their parts."""

    part: Array
    """Shape (pair,), int8: position among the plan's parts, ``CROSSING`` or ``GUARDED``."""
    node_part: Array | None
    """Shape (node,), int8, by rank: the part whose negatives a node may belong to (``GUARDED``: none); None: all."""
    facts: Mapping[str, Any]
    """What was counted (JSON values)."""


def place_links(links: Links, plan: LinkPlan, *, subject: str) -> Placed:
    """Place every link.

    Parameters
    ----------
    links : Links
        All of a graph.
    plan : LinkPlan
        How.
    subject : str
        For errors.

    Returns
    -------
    Placed
        The place of a pair depends on the plan, its two ids and, for blocks, its positions.

    Raises
    ------
    UsageError
        When a part stays empty, or blocks are asked for without positions.
    """
    if plan.kind == PUBLISHED:
        raise UsageError("published parts are read, not made", subject=subject, place="kind", found=PUBLISHED)
    shares = list(Fractions(plan.fractions).shares.values())
    if plan.kind == "random":
        part, node_part = part_of(links.hashes(plan.seed), shares), None
        facts: dict[str, Any] = {}
    else:
        part, node_part, facts = _by_blocks(links, plan, subject)
    counts = {name: int((part == code).sum()) for code, name in enumerate(plan.parts)}
    empty = [name for name, count in counts.items() if not count]
    if empty:
        raise UsageError(
            "a part has no links",
            subject=subject,
            place=", ".join(empty),
            found=f"{len(links.pair)} links: " + ", ".join(f"{count} in {name}" for name, count in counts.items()),
            hint="use other fractions, another seed" + (" or smaller blocks" if plan.kind == "blocks" else ""),
        )
    return Placed(part, node_part, facts)


def _by_blocks(links: Links, plan: LinkPlan, subject: str) -> tuple[Array, Array, dict[str, Any]]:
    if links.position is None or plan.block is None:
        raise UsageError(
            "blocks need positions",
            subject=subject,
            expected="a finite position for every node",
            hint="split this graph with kind random",
        )
    position, block = links.position, plan.block
    cube = np.floor(position / block).astype(np.int64)
    shares = list(Fractions(plan.fractions).shares.values())
    train = plan.parts.index(TRAIN)

    def parts_of(cubes: Array) -> Array:
        return part_of(keyed(plan.seed, *(cubes[:, axis] for axis in range(cubes.shape[1])), purpose="block"), shares)

    own = parts_of(cube)
    node_part = own.copy()
    if plan.guard > 0:
        below, above = position - cube * block, (cube + 1) * block - position
        for offset in product((-1, 0, 1), repeat=position.shape[1]):
            square = np.zeros(len(position))
            for axis, step in enumerate(offset):
                if step:
                    square += np.square(below[:, axis] if step < 0 else above[:, axis])
            near = np.flatnonzero((square < plan.guard**2) & (own != train))
            if any(offset) and len(near):
                other = parts_of(cube[near] + np.array(offset))
                node_part[near[other != own[near]]] = GUARDED
    first, second = own[links.pair[:, 0]], own[links.pair[:, 1]]
    part = np.where(first == second, first, CROSSING).astype(np.int8)
    guarded = (part >= 0) & (node_part[links.pair] == GUARDED).any(axis=1)
    part[guarded] = GUARDED
    _, at = np.unique(cube, axis=0, return_index=True)
    in_cubes = own[at]
    return (
        part,
        node_part,
        {
            "n_blocks": {name: int((in_cubes == code).sum()) for code, name in enumerate(plan.parts)},
            "n_crossing": int((part == CROSSING).sum()),
            "n_guarded": int((part == GUARDED).sum()),
        },
    )
