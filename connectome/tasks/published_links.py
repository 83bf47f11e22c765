"""Link prediction tasks that came with their graph: tables ``links/PART/positive`` and ``links/PART/negative/KIND``.

So the reader of the format ``ogb`` stores the splits of the Open Graph Benchmark, ``ogbl-vessel`` among them. They are
taken as they are: what does not hold of them is told in the proof, not mended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import SchemaError
from ..schema import groups
from .link_plan import TRAIN, LinkPlan
from .link_task import LinkTask
from .pairs import links_of, pair_keys

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["has_published_links", "published_links"]

Array = np.ndarray[Any, Any]
LINKS = "links"


def has_published_links(tree: xr.DataTree) -> bool:
    """Tell whether a record has links beside its graph."""
    return f"/{LINKS}/{TRAIN}/positive" in tree.groups


def published_links(tree: xr.DataTree, graph: xr.Dataset, *, subject: str = "links") -> LinkTask:
    """Return the task that came with a graph.

    Parameters
    ----------
    tree : xarray.DataTree
        The record.
    graph : xarray.Dataset
        Its graph, to whose nodes the pairs belong.
    subject : str
        For errors.

    Returns
    -------
    LinkTask
        With a plan of the kind ``"published"``; ``edges`` is -1 for links that are no edges of the graph.

    Raises
    ------
    SchemaError
        When there are no links, no negatives, or pairs of nodes that the graph does not have.
    """
    n_nodes = int(graph.sizes["node"])
    positives: dict[str, Array] = {}
    negatives: dict[str, dict[str, Array]] = {}
    for path, _ in groups(tree):
        _, below, *names = path.split("/")
        if below != LINKS:
            continue
        columns = cast("xr.DataTree", tree[path]).to_dataset(inherit=False)
        pair = np.stack([columns[end].values.astype(np.int64) for end in ("source", "target")], axis=1)
        if len(pair) and (pair.min() < 0 or pair.max() >= n_nodes):
            found = f"{pair.min()} to {pair.max()}"
            raise SchemaError(
                "a pair is of no node", subject=subject, place=path, expected=f"0 to {n_nodes - 1}", found=found
            )
        if names[1:] == ["positive"]:
            positives[names[0]] = pair
        elif len(names) == 3 and names[1] == "negative":
            negatives.setdefault(names[2], {})[names[0]] = pair
    if TRAIN not in positives or not negatives:
        raise SchemaError(
            "the record has no links with negatives", subject=subject, expected=f"{LINKS}/{TRAIN}/positive, ...",
            found=", ".join(tree.groups[1:]),
        )  # fmt: skip
    order = [name for name in (TRAIN, "val", "valid", "test") if name in positives]
    order += sorted(set(positives) - set(order))
    total = sum(map(len, positives.values()))
    plan = LinkPlan(
        kind="published",
        fractions={part: len(positives[part]) / total for part in order},
        negatives=tuple(sorted(negatives)),
    )
    links = links_of(graph, subject=subject)
    keys = pair_keys(links.node[links.pair], n_nodes)
    by_key = np.argsort(keys)
    edges, n_rows = {}, {}
    for part in order:
        own = pair_keys(positives[part], n_nodes)
        at = by_key[np.minimum(np.searchsorted(keys, own, sorter=by_key), max(0, len(keys) - 1))] if len(keys) else own
        here = keys[at] == own if len(keys) else np.zeros(len(own), dtype=bool)
        edges[part] = np.where(here, links.edge[at] if len(keys) else -1, -1)
        n_rows[part] = np.where(here, links.n_rows[at] if len(keys) else 0, 0)
    return LinkTask(
        plan=plan,
        ids=links.ids,
        positives={part: positives[part] for part in order},
        edges=edges,
        n_rows=n_rows,
        negatives={kind: {part: own[part] for part in order if part in own} for kind, own in sorted(negatives.items())},
        facts={"n_nodes": n_nodes, "n_links": total, "n_edge_rows": int(graph.sizes["edge"]), "units": links.units},
    )
