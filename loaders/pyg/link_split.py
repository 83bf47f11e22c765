"""Link prediction for PyTorch Geometric: pairs as tensors, and a graph that knows the training edges only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr

from connectome.errors import NotFoundError, UsageError
from connectome.tasks import (
    LinkPlan,
    LinkReport,
    LinkTask,
    average_precision,
    degree_of,
    graph_group,
    has_published_links,
    hits_at,
    make_links,
    node_columns,
    published_links,
    report_links,
    roc_auc,
    task_from_record,
)
from connectome.tasks.baselines import HITS
from connectome.tasks.keyed import keyed, names_of, part_of
from connectome.tasks.link_plan import TRAIN
from connectome.tasks.link_task import TASK
from connectome.tasks.pairs import positions_of

from ..reading.specs import as_version, parse_record_spec
from .requirement import data as pyg
from .requirement import torch
from .sampling import NeighborSampler

if TYPE_CHECKING:
    from connectome.store import Version
    from connectome.store.manifest import Manifest

__all__ = ["LinkSplit"]

Array = np.ndarray[Any, Any]


class LinkSplit:
    """A link prediction task over one graph.

    Parameters
    ----------
    data : str, Version or xarray.Dataset
        A stored task (``"brains-links@1/one"``), or a graph (``"brains@1/one"``, or a group of the kind ``graph``), of
        which a task is made in memory. A graph that came with a task (an archive of the Open Graph Benchmark) has that
        one unless a plan is given.
    plan : LinkPlan, optional
        How to make it; default ``LinkPlan()``. A stored task has its own.
    record, group : str, optional
        Where ``data`` does not name the record, or the record has several graphs.
    negatives : str, optional
        Kind that is used where none is named; default the plan's first.
    features : sequence of str
        Columns of the node table for ``data.x``. Degrees of the whole graph are refused.
    disjoint : float
        Share of the training pairs that are only predicted and not walked along, from 0 to below 1: without it a model
        sees the very edge that it is to predict, in training only. Chosen by a hash of the pair.
    root : path or URL, optional
        The store, for a text.

    Attributes
    ----------
    task : LinkTask
    data : torch_geometric.data.Data
        ``edge_index`` (2, 2 * pair), int64: the training edges, in both directions, and no other; ``num_nodes``;
        ``training_degree`` (node,), int64, along these; where there are positions ``pos`` (node, axis), float32; with
        ``features`` ``x`` (node, feature), float32.
    negatives : str
        The kind that is used where none is named.

    Raises
    ------
    NotFoundError
        When there is no such record or kind, or the graph of a stored task is not in the store.
    LeakError
        When a feature gives held-out edges away.
    UsageError
        When a stored task is given a plan, or the plan does not go with the graph.

    Notes
    -----
    A pair counts as one, whatever its direction and however many edges join it.
    """

    def __init__(
        self,
        data: str | Version | xr.Dataset,
        *,
        plan: LinkPlan | None = None,
        record: str | None = None,
        group: str | None = None,
        negatives: str | None = None,
        features: Sequence[str] = (),
        disjoint: float = 0.0,
        root: str | Path | None = None,
    ) -> None:
        if not 0 <= disjoint < 1:
            raise UsageError(
                "a share of the training pairs", subject="disjoint", expected="0 to below 1", found=repr(disjoint)
            )
        self._report: LinkReport | None = None
        if isinstance(data, xr.Dataset):
            self._graph, self.name = data, "graph"
            self.task = make_links(data, plan or LinkPlan())
        else:
            self._graph, self.task = self._open(data, record, group, plan, root)
        self.negatives = self.task.plan.negatives[0] if negatives is None else negatives
        if self.negatives not in self.task.negatives:
            raise NotFoundError(
                "the task has no such negatives", subject=self.negatives, expected=" or ".join(self.task.negatives)
            )
        self.disjoint = disjoint
        training = self.task.positives[TRAIN]
        walked = training[~self._supervised(training)] if disjoint else training
        self.data = self._data(walked, features)

    def _open(
        self, data: str | Version, record: str | None, group: str | None, plan: LinkPlan | None, root: str | Path | None
    ) -> tuple[xr.Dataset, LinkTask]:
        """Open a stored task with its graph, or a graph of which a task is made."""
        if isinstance(data, str):
            data, named = parse_record_spec(data)
            record = named if record is None else record
        version = as_version(data, root=root)
        names = list(version.manifest.records)
        if record is None and len(names) != 1:
            raise UsageError("which record is meant", subject=version.spec, expected=", ".join(names[:20]))
        record = names[0] if record is None else record
        tree = version.open(record)
        self.name = f"{version.spec}/{record}"
        if tree.attrs.get("task") != TASK:
            graph = _group(tree, graph_group(tree, group, subject=self.name))
            if plan is None and has_published_links(tree):
                return graph, published_links(tree, graph, subject=self.name)
            return graph, make_links(graph, plan or LinkPlan(), subject=self.name)
        if plan is not None:
            raise UsageError("a stored task has its plan", subject=self.name, hint="leave out plan, or name the graph")
        graph = _group(_parent(version, record, tree), str(tree.attrs["parent_group"]))
        task, self._report = task_from_record(tree, graph["node"].values)
        return graph, task

    @property
    def plan(self) -> LinkPlan:
        """How the task was made."""
        return self.task.plan

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts."""
        return self.task.parts

    def edge_label_index(self, part: str, negatives: str | None = None) -> torch.Tensor:
        """Return the pairs of a part, shape (2, pair), int64: positives first, then negatives of one kind.

        With ``disjoint`` those of the training part are the ones that are not walked along, and as large a share of
        its negatives.

        Raises
        ------
        NotFoundError
            When there is no such part or kind.
        """
        return torch.from_numpy(np.concatenate(self._sides(part, negatives)).T.copy())

    def edge_label(self, part: str, negatives: str | None = None) -> torch.Tensor:
        """Return the labels of the pairs, shape (pair,), float32: 1 for positives, 0 for negatives."""
        sizes = [len(pairs) for pairs in self._sides(part, negatives)]
        return torch.from_numpy(np.repeat(np.array([1, 0], dtype=np.float32), sizes))

    def loader(
        self,
        part: str,
        num_neighbors: Sequence[int],
        *,
        negatives: str | None = None,
        seed: int = 0,
        shuffle: bool | None = None,
        **options: Any,
    ) -> Any:
        """Return PyG's ``LinkLoader`` over the pairs of a part, with neighbours along training edges only.

        Parameters
        ----------
        part, negatives : str
            As for :meth:`edge_label_index`.
        num_neighbors : sequence of int
            Edges per node and hop; -1 for all.
        seed : int
            Of the order and of the neighbours that are drawn.
        shuffle : bool, optional
            Default for the training part only.
        **options
            Of the loader: ``batch_size``, ``num_workers``, ``transform``, ...

        Returns
        -------
        torch_geometric.loader.LinkLoader
            Batches have ``edge_label_index``, ``edge_label`` and, where ``data`` has them, ``pos`` and ``x``.
        """
        from torch_geometric.loader import LinkLoader

        return LinkLoader(
            self.data,
            link_sampler=NeighborSampler(self.data, num_neighbors, seed=seed),
            edge_label_index=self.edge_label_index(part, negatives),
            edge_label=self.edge_label(part, negatives),
            shuffle=part == TRAIN if shuffle is None else shuffle,
            generator=torch.Generator().manual_seed(seed),
            **options,
        )

    def evaluate(self, scores: Any, part: str = "test", negatives: str | None = None) -> Mapping[str, float]:
        """Score a model's predictions as the baselines of the report are.

        Parameters
        ----------
        scores : tensor or array
            Shape (pair,), in the order of :meth:`edge_label_index`; higher means a link.
        part, negatives : str
            As for :meth:`edge_label_index`.

        Returns
        -------
        dict
            ``roc_auc``, ``average_precision`` and ``hits_at_100`` (1 with fewer negatives).
        """
        values = np.asarray(scores.detach().cpu() if isinstance(scores, torch.Tensor) else scores).ravel()
        positive, negative = self._sides(part, negatives)
        if len(values) != len(positive) + len(negative):
            raise UsageError(
                "one score per pair", subject=part, expected=str(len(positive) + len(negative)), found=str(len(values))
            )
        above, below = values[: len(positive)], values[len(positive) :]
        return {
            "roc_auc": roc_auc(above, below),
            "average_precision": average_precision(above, below),
            "hits_at_100": hits_at(above, below, HITS),
        }

    def report(self) -> LinkReport:
        """Tell what the task holds, what was proved of it, and how far what is trivial goes.

        A stored task has its report; that of another is made when it is first asked for.
        """
        if self._report is None:
            self._report = report_links(self.task, self._graph)
        return self._report

    def _sides(self, part: str, negatives: str | None) -> tuple[Array, Array]:
        sides = self.task.pairs(part), self.task.pairs(part, negatives or self.negatives)
        if part == TRAIN and self.disjoint:
            return sides[0][self._supervised(sides[0])], sides[1][self._supervised(sides[1])]
        return sides

    def _supervised(self, pairs: Array) -> Array:
        """Tell which training pairs are predicted only."""
        share = Fraction(repr(float(self.disjoint)))
        names = names_of(self.task.ids)[pairs] if len(pairs) else np.zeros((0, 2), dtype=np.uint64)
        hashes = keyed(self.plan.seed, names.min(axis=1), names.max(axis=1), purpose="supervision")
        return np.asarray(part_of(hashes, [share, 1 - share]) == 0)

    def _data(self, walked: Array, features: Sequence[str]) -> pyg.Data:
        both = np.concatenate([walked, walked[:, ::-1]]).T
        made = pyg.Data(edge_index=torch.from_numpy(both.copy()), num_nodes=self.task.n_nodes)
        made.training_degree = torch.from_numpy(degree_of(walked, self.task.n_nodes))
        position, _ = positions_of(self._graph)
        if position is not None:
            made.pos = torch.from_numpy(position.astype(np.float32))
        if features:
            made.x = torch.from_numpy(node_columns(self._graph, features))
        return made

    def __repr__(self) -> str:
        sizes = ", ".join(f"{part} {len(pairs):,}" for part, pairs in self.task.positives.items())
        return f"<LinkSplit of {self.name}: {sizes} links; {self.negatives} negatives>"

    def _repr_html_(self) -> str:
        import html

        # A report that is not there yet would take minutes for a brain.
        told = self._report._repr_html_() if self._report is not None else "<p>report() tells what is trivial</p>"
        return f"<div>{html.escape(repr(self))}{told}</div>"


def _group(tree: xr.DataTree, path: str) -> xr.Dataset:
    return cast("xr.DataTree", tree[path]).to_dataset(inherit=False)


def _parent(version: Version, record: str, tree: xr.DataTree) -> xr.DataTree:
    """Open the graph that a stored task was made of: the very content that its recipe names."""
    dataset, _, name = str(tree.attrs["parent"]).partition("/")
    (wanted,) = (item["sha256"] for item in version.manifest.records[record].recipe["inputs"])
    repository = version.repository
    for spec in version.manifest.parents:
        parent, _, number = spec.partition("@")
        if parent != dataset or number not in repository.versions(dataset):
            continue
        manifest: Manifest = repository.manifest(dataset, number)
        receipt = manifest.records.get(name)
        if receipt is not None and receipt.content == wanted:
            return repository.open(dataset, receipt)
    raise NotFoundError(
        "the graph of this task is not in the store",
        subject=f"{version.spec}/{record}",
        expected=", ".join(version.manifest.parents),
        hint=f"connectome pull {dataset}",
    )
