"""A link prediction task: positives and negatives of every part, as one value and as a record.

As a record it has a table ``PART/positive`` per part (``source``, ``target``: nodes of the parent graph as stored;
``source_id``, ``target_id``: their ids; ``edge``: the first edge that joins them; ``n_rows``: how many do) and a table
``PART/negative/KIND`` per kind of negatives. The plan, what was counted, the proof and the scores of the baselines are
attributes of the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NotFoundError, SchemaError, UsageError
from ..schema import column, decode, record, table
from .baselines import Score, baselines
from .link_parts import place_links
from .link_plan import LinkPlan, in_order
from .link_proof import LinkProof, prove_links
from .matched import draw_matched
from .negatives import PairPool, RandomPool, SpatialPool, draw_pairs, spatial_delta
from .pairs import Links, distance_of, links_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "TASK",
    "LinkReport",
    "LinkTask",
    "make_links",
    "report_links",
    "task_from_record",
    "task_record",
]

Array = np.ndarray[Any, Any]
TASK = "link-prediction"
FACTS = (
    "n_nodes", "n_links", "n_edge_rows", "n_parallel_rows", "n_loops", "units", "n_blocks", "n_crossing", "n_guarded",
    "delta", "delta_from", "n_longer",
)  # fmt: skip
"""What is counted, in the order in which it is told."""
STREAMS = {"random": 1, "spatial": 2, "distance-matched": 3}
"""Numbers of the streams of random numbers, one per kind: a kind is the same with or without the others."""


@dataclass(frozen=True)
class LinkTask:
    """Pairs of nodes to learn from and to be tested on."""

    plan: LinkPlan
    ids: Array
    """Shape (node,): the source's ids."""
    positives: Mapping[str, Array]
    """Part to pairs of nodes as stored, shape (pair, 2), int64, the node with the lower id first; sorted by ids."""
    edges: Mapping[str, Array]
    """Part to the first edge of every pair, shape (pair,), int64."""
    n_rows: Mapping[str, Array]
    """Part to the number of edges of every pair, shape (pair,), int64."""
    negatives: Mapping[str, Mapping[str, Array]]
    """Kind to part to pairs, as the positives."""
    facts: Mapping[str, Any]
    """What was counted (JSON values): ``n_links``, ``n_parallel_rows``, ``n_loops``; ``n_blocks``, ``n_crossing`` and
    ``n_guarded`` with blocks; ``delta`` of spatial negatives; ``n_longer``, the distance-matched negatives that are
    longer than their positives because no shorter pair was left."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts."""
        return tuple(self.positives)

    @property
    def n_nodes(self) -> int:
        """Number of nodes of the graph."""
        return len(self.ids)

    def pairs(self, part: str, negatives: str | None = None) -> Array:
        """Return the pairs of one part: its positives, or its negatives of one kind.

        Raises
        ------
        NotFoundError
            When there is no such part or kind.
        """
        if negatives is not None and negatives not in self.negatives:
            raise NotFoundError(
                "the task has no such negatives", subject=negatives, expected=" or ".join(self.negatives)
            )
        known = self.positives if negatives is None else self.negatives[negatives]
        if part not in known:
            raise NotFoundError("the task has no such part", subject=part, place=negatives, expected=" or ".join(known))
        return known[part]


def make_links(graph: xr.Dataset, plan: LinkPlan, *, subject: str = "graph") -> LinkTask:
    """Split the links of a graph and draw their negatives.

    Parameters
    ----------
    graph : xarray.Dataset
        A group of the kind ``graph``.
    plan : LinkPlan
        How.
    subject : str
        For errors.

    Returns
    -------
    LinkTask
        The part of a pair depends on the plan and its two ids (with blocks also on its positions); the negatives on
        the plan, the ids, the positions and the edges: never on the order of rows, nor on how many workers there are.

    Raises
    ------
    UsageError
        When a part stays empty, there are too few pairs for the negatives, or positions are needed and missing.
    """
    links = links_of(graph, edge_types=plan.edge_types, subject=subject)
    placed = place_links(links, plan, subject=subject)
    own = {part: np.flatnonzero(placed.part == code) for code, part in enumerate(plan.parts)}
    facts: dict[str, Any] = {
        "n_nodes": links.n_nodes,
        "n_links": len(links.pair),
        "n_parallel_rows": int(links.n_rows.sum()) - len(links.pair),
        "n_loops": links.n_loops,
        "units": links.units,
        **placed.facts,
    }
    if "spatial" in plan.negatives:
        if links.position is None or links.length is None:
            raise _without_positions("spatial", subject)
        facts["delta"] = plan.delta if plan.delta is not None else spatial_delta(links.length)
        facts["delta_from"] = "the plan" if plan.delta is not None else f"mean + 2 std of {links.length_from}"
    negatives = {
        kind: {
            part: _as_stored(links, keys)
            for part, keys in _negatives(kind, links, plan, own, placed.node_part, facts, subject).items()
        }
        for kind in plan.negatives
    }
    return LinkTask(
        plan=plan,
        ids=links.ids,
        positives={part: links.node[links.pair[rows]] for part, rows in own.items()},
        edges={part: links.edge[rows] for part, rows in own.items()},
        n_rows={part: links.n_rows[rows] for part, rows in own.items()},
        negatives=negatives,
        facts=facts,
    )


def _negatives(
    kind: str,
    links: Links,
    plan: LinkPlan,
    own: Mapping[str, Array],
    node_part: Array | None,
    facts: dict[str, Any],
    subject: str,
) -> dict[str, Array]:
    """Draw one kind of negatives for all parts: from all nodes at once, or part by part where nodes have parts.

    How many distance-matched ones had to be longer than their positives is added to the facts.
    """
    rng = np.random.default_rng(np.random.SeedSequence([plan.seed & (2**64 - 1), STREAMS[kind]]))
    if node_part is None:
        domains = [(np.arange(links.n_nodes), list(own))]
    else:
        domains = [(np.flatnonzero(node_part == code), [part]) for code, part in enumerate(plan.parts)]
    found: dict[str, Array] = {}
    for nodes, parts in domains:
        about = {"subject": subject, "place": f"{kind} negatives of {', '.join(parts)}"}
        if kind == "distance-matched":
            if links.position is None:
                raise _without_positions(kind, subject)
            lengths = {part: distance_of(links.position, links.pair[own[part]]) for part in parts}
            drawn, n_longer = draw_matched(
                lengths, position=links.position, nodes=nodes, ratio=plan.ratio, taken=links.taken, rng=rng, about=about
            )
            found |= drawn
            facts["n_longer"] = facts.get("n_longer", 0) + n_longer
            continue
        pool: PairPool = RandomPool(nodes)
        if kind == "spatial" and links.position is not None:
            pool = SpatialPool(links.position, nodes, float(facts["delta"]))
        sizes = [plan.ratio * len(own[part]) for part in parts]
        keys = draw_pairs(pool, sum(sizes), taken=links.taken, n_nodes=links.n_nodes, rng=rng, about=about)
        # Which part gets which must not depend on the order of the draws: later ones are rarer pairs.
        keys = keys[rng.permutation(len(keys))]
        found |= dict(zip(parts, np.split(keys, np.cumsum(sizes)[:-1]), strict=True))
    return found


def _as_stored(links: Links, keys: Array) -> Array:
    """Turn numbers of pairs into nodes as stored, sorted by ids."""
    ordered = np.sort(keys)
    return np.asarray(links.node[np.stack([ordered // links.n_nodes, ordered % links.n_nodes], axis=1)])


def _without_positions(kind: str, subject: str) -> UsageError:
    return UsageError(
        f"{kind} negatives need positions",
        subject=subject,
        expected="a finite position for every node",
        hint="use random ones for this graph",
    )


@dataclass(frozen=True)
class LinkReport:
    """What a task holds, what was proved of it, and what is trivial."""

    plan: Mapping[str, Any]
    facts: Mapping[str, Any]
    proof: LinkProof
    scores: tuple[Score, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "facts": dict(self.facts),
            "proof": self.proof.as_dict(),
            "metrics": [score.as_dict() for score in self.scores],
        }

    @classmethod
    def from_dict(cls, plan: Mapping[str, Any], value: Mapping[str, Any]) -> LinkReport:
        """Read what :meth:`as_dict` wrote."""
        parts = dict(plan["fractions"])
        proof = LinkProof.from_dict(value["proof"], parts=parts, names=("positive", *plan["negatives"]))
        facts = in_order(value["facts"], FACTS)
        if "n_blocks" in facts:
            facts["n_blocks"] = in_order(facts["n_blocks"], parts)
        return cls(plan, facts, proof, tuple(Score(**score) for score in value["metrics"]))

    def __str__(self) -> str:
        from ..display.text import table_text

        rows = [
            (s.negatives, s.part, s.baseline, f"{s.roc_auc:.4f}", f"{s.average_precision:.4f}", _share(s.hits_at_100))
            for s in self.scores
        ]
        head = ("negatives", "part", "baseline", "ROC AUC", "avg. precision", "Hits@100")
        counted = ", ".join(
            f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.facts.items()
        )
        return (
            f"links, {self.plan['kind']} split, seed {self.plan['seed']}\n  {counted}\n{self.proof}\n\n"
            + table_text(head, rows)
        )

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def report_links(task: LinkTask, graph: xr.Dataset) -> LinkReport:
    """Prove a task and score the baselines on it; raise :class:`~connectome.errors.LeakError` where it leaks."""
    return LinkReport(task.plan.as_dict(), task.facts, prove_links(task, graph), baselines(task, graph))


def task_record(task: LinkTask, report: LinkReport, *, parent: str, group: str, **attrs: Any) -> xr.DataTree:
    """Make a record of a task.

    Parameters
    ----------
    task : LinkTask
        What is stored.
    report : LinkReport
        Of the task.
    parent : str
        ``DATASET/RECORD`` of the graph.
    group : str
        Path of the graph in it.
    **attrs
        Further attributes of the record.
    """
    return record(
        _tables(task),
        task=TASK,
        plan=task.plan.as_dict(),
        report=report.as_dict(),
        parent=parent,
        parent_group=group,
        n_nodes=task.n_nodes,
        **attrs,
    )


def _tables(task: LinkTask) -> dict[str, xr.Dataset]:
    """Return the tables of a task by their paths."""
    groups: dict[str, xr.Dataset] = {}
    for part in task.parts:
        groups[f"{part}/positive"] = table(
            _columns(task, task.positives[part])
            | {
                "edge": column(
                    "row", _small(task.edges[part]), "First edge of the parent graph that joins the pair", "1"
                ),
                "n_rows": column("row", task.n_rows[part].astype(np.int32), "Edges that join the pair", "1"),
            },
            title=f"Links of {part}",
        )
        for kind, parts in task.negatives.items():
            title = f"{kind} negatives of {part}"
            groups[f"{part}/negative/{kind}"] = table(_columns(task, parts[part]), title=title)
    return groups


def _columns(task: LinkTask, pair: Array) -> dict[str, xr.Variable]:
    made = {}
    for at, end in enumerate(("source", "target")):
        ids = task.ids[pair[:, at]]
        text = ids.dtype.kind in "OTU"
        made[end] = column("row", _small(pair[:, at]), f"Node of the parent graph ({end})", "1")
        made[f"{end}_id"] = column(
            "row", ids.tolist() if text else ids, f"Id of that node ({end})", None if text else "1"
        )
    return made


def _small(values: Array) -> Array:
    return values.astype(np.int32 if not len(values) or values.max() < 2**31 else np.int64)


def task_from_record(tree: xr.DataTree, ids: Array) -> tuple[LinkTask, LinkReport]:
    """Read what :func:`task_record` wrote.

    Parameters
    ----------
    tree : xarray.DataTree
        The record.
    ids : numpy.ndarray
        Shape (node,): ids of the parent graph's nodes.

    Raises
    ------
    SchemaError
        When the record is no such task, or not of a graph with these ids.
    """
    if tree.attrs.get("task") != TASK:
        raise SchemaError("the record is no link prediction task", subject="task", found=repr(tree.attrs.get("task")))
    ids = ids.astype(object) if ids.dtype.kind in "OTU" else ids
    plan = LinkPlan.from_dict(tree.attrs["plan"])
    report = LinkReport.from_dict(plan.as_dict(), tree.attrs["report"])

    def pairs(path: str) -> Array:
        columns = tree[path].to_dataset()
        pair = np.stack([columns[end].values.astype(np.int64) for end in ("source", "target")], axis=1)
        told = np.stack([decode(columns[f"{end}_id"]) for end in ("source", "target")], axis=1)
        if len(ids) != tree.attrs["n_nodes"] or not np.array_equal(ids[pair], told):
            raise SchemaError("the task is that of another graph", subject=path, hint="open the parent that it names")
        return pair

    def rows(part: str, name: str) -> Array:
        return np.asarray(tree[f"{part}/positive"][name].values, dtype=np.int64)

    task = LinkTask(
        plan=plan,
        ids=ids,
        positives={part: pairs(f"{part}/positive") for part in plan.parts},
        edges={part: rows(part, "edge") for part in plan.parts},
        n_rows={part: rows(part, "n_rows") for part in plan.parts},
        negatives={kind: {part: pairs(f"{part}/negative/{kind}") for part in plan.parts} for kind in plan.negatives},
        facts=report.facts,
    )
    return task, report
