"""Recordings on a connectome, as graphs of PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from connectome.errors import UsageError

from ..graphs.whole import FINAL, EdgeIndex, EdgeTypes, load_graph
from ..reading.specs import as_version
from ..recordings.alignment import Policy, join_report
from ..recordings.transforms import BindableTransform, Transform, bind
from ..recordings.windows import WindowSource
from .data import edge_attributes
from .requirement import Data, torch

if TYPE_CHECKING:
    import pandas as pd

    from connectome.splits import Split
    from connectome.store import Version

__all__ = ["TemporalGraphDataset"]


class TemporalGraphDataset(torch.utils.data.Dataset[Data]):  # type: ignore[misc]
    """Windows of recorded activity on the nodes of a connectome, joined by the name of the neuron.

    Parameters
    ----------
    activity : str or Version
        Recordings with a table of identities.
    graph : str, Version or EdgeIndex
        ``"celegans-connectomes@1/witvliet2020-8"``, or what :func:`~connectome.loaders.graphs.load_graph` gave.
    nodes : {"present", "all"}
        Whether an item has the neurons that were recorded and identified in its animal, with the edges among them, or
        all nodes of the connectome, those without a trace masked.
    horizon : int
        Samples after the window that become ``y``; a window and its horizon lie in one range.
    edge_types, node_kinds, weight
        As for :func:`~connectome.loaders.graphs.load_graph`.
    policy : {"exact+normalised", "exact", "all-candidates"}
        Which labels are believed.
    transform : transform or sequence of transforms, optional
        Applied to the windows, ``y`` included, before they become graphs.
    root : path or URL, optional
        The store of both, for texts.
    window, window_s, stride, stride_s, records, split, group, fill
        As for :class:`~connectome.loaders.recordings.windows.WindowSource`.

    Attributes
    ----------
    source : WindowSource
    graph : EdgeIndex

    Notes
    -----
    An item has ``x`` (node, time) and ``x_mask``, with a horizon ``y`` (node, horizon) and ``y_mask``, ``edge_index``,
    ``edge_weight``, ``edge_type``, ``node_id`` (node,) (position in ``graph.nodes``), ``names``, ``record``, ``start``
    and ``time_s`` (1, time). Neurons that are not joined are listed by :meth:`report`.
    """

    def __init__(
        self,
        activity: str | Version,
        *,
        graph: str | Version | EdgeIndex,
        window: int | None = None,
        window_s: float | None = None,
        horizon: int = 0,
        nodes: Literal["present", "all"] = "present",
        edge_types: EdgeTypes = FINAL,
        node_kinds: Sequence[str] | None = None,
        weight: str | None = None,
        policy: Policy = "exact+normalised",
        split: str | tuple[Split, str] | None = None,
        records: Sequence[str] | None = None,
        transform: Transform | BindableTransform | Sequence[Transform | BindableTransform] | None = None,
        root: str | Path | None = None,
        **options: Any,
    ) -> None:
        if horizon < 0 or (horizon and window is None):
            raise UsageError(
                "a horizon counts samples after a window in samples", subject="horizon", found=str(horizon)
            )
        if nodes not in {"present", "all"}:
            raise UsageError("unknown choice of nodes", subject="nodes", expected="present or all", found=nodes)
        graph_root = root if isinstance(graph, str) else None
        self.graph = load_graph(graph, edge_types=edge_types, node_kinds=node_kinds, weight=weight, root=graph_root)
        version = as_version(activity, root=root if isinstance(activity, str) else None)
        if window is not None:
            # The horizon makes what is read longer, not the step.
            if "stride_s" not in options:
                options.setdefault("stride", window)
            window += horizon
        self.source = WindowSource(
            version,
            window=window,
            window_s=window_s,
            neurons=self.graph.nodes,
            policy=policy,
            split=split,
            records=records,
            **options,
        )
        self.horizon, self.nodes = horizon, nodes
        self._transforms = bind(transform, self.source)
        self._report = join_report(self.source.identities, self.graph.nodes, where=self.graph.record)
        self._parts = [self._part(present) for present in self.source.coverage().to_numpy()]

    def _part(self, present: np.ndarray[Any, Any]) -> tuple[EdgeIndex, np.ndarray[Any, Any]]:
        """Return the graph of one animal, and which nodes of the whole it has."""
        if self.nodes == "all":
            return self.graph, np.arange(self.graph.n_nodes)
        here = np.flatnonzero(present)
        return self.graph.select(self.graph.nodes[at] for at in here.tolist()), here

    def report(self) -> pd.DataFrame:
        """Tell of every ROI of every animal whether it is joined, and if not, why.

        Returns
        -------
        pandas.DataFrame
            ``record``, ``roi``, ``label``, ``status``, ``neuron``, ``matched``, ``reason``; also of animals without
            any joined neuron, which give no windows.
        """
        return self._report.copy()

    @property
    def records(self) -> tuple[str, ...]:
        """Names of the records that have windows."""
        return self.source.records

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Data:
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Data]:
        """Return several windows, read at once."""
        windows = self.source.windows(np.asarray(indices, dtype=np.int64))
        for transform in self._transforms:
            windows = transform(windows)
        size = windows.signal.shape[2] - self.horizon
        items = []
        for at in range(len(windows)):
            record = int(windows.record[at])
            graph, here = self._parts[record]
            signal = torch.from_numpy(windows.signal[at][here])
            mask = torch.from_numpy(windows.mask[at][here])
            item = Data(x=signal[:, :size], x_mask=mask[:, :size], num_nodes=graph.n_nodes)
            if self.horizon:
                item.y, item.y_mask = signal[:, size:], mask[:, size:]
            for name, value in edge_attributes(graph).items():
                item[name] = value
            item.node_id = torch.from_numpy(here)
            item.names = {"node": list(graph.nodes), "edge_type": list(graph.edge_types)}
            item.record = self.source.records[record]
            item.start = torch.tensor([int(windows.start[at])])
            item.time_s = torch.from_numpy(windows.time_s[at : at + 1, :size].copy())
            items.append(item)
        return items
