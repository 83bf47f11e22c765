"""Spikes for PyTorch Geometric: one graph per window, units as nodes, their counts as features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

from ..events.trials import TrialSource
from .requirement import Data, torch

if TYPE_CHECKING:
    from ..events.sessions import EventSessions
    from ..events.source import EventSource

__all__ = ["event_graphs", "shared_edges"]

Array = np.ndarray[Any, Any]


def shared_edges(values: Array) -> Array:
    """Return edges between all pairs of units that share a value.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (unit,): numbers or text. Missing ones (NaN, ``""``) share nothing.

    Returns
    -------
    numpy.ndarray
        Shape (2, edge), int64: both directions, no loops, by source, then target.
    """
    named = np.array([value != "" for value in values.tolist()], dtype=bool)
    known: Array = ~np.isnan(values) if values.dtype.kind == "f" else named
    _, code = np.unique(values.astype(str), return_inverse=True)
    parts = []
    for at in np.unique(code[known]).tolist():
        members = np.flatnonzero((code == at) & known)
        pairs = np.stack(np.meshgrid(members, members, indexing="ij")).reshape(2, -1)
        parts.append(pairs[:, pairs[0] != pairs[1]])
    edges = np.concatenate(parts, axis=1) if parts else np.zeros((2, 0), dtype=np.int64)
    return edges[:, np.lexsort((edges[1], edges[0]))].astype(np.int64)


def event_graphs(
    source: EventSource | TrialSource,
    indices: Sequence[int] | Array,
    *,
    shared: str | None = None,
    columns: Sequence[str] = (),
) -> list[Data]:
    """Make one graph per window or trial.

    Parameters
    ----------
    source : EventSource or TrialSource
        Windows with bins, or trials.
    indices : sequence of int
        Which of them.
    shared : str, optional
        Column of the unit table (``"electrode_group"``, ``"location"``): units with the same value are joined, in both
        directions. Default no edges.
    columns : sequence of str
        Numeric columns of the unit table that come along as ``unit_columns``.

    Returns
    -------
    list of torch_geometric.data.Data
        ``x`` (unit, bin) float32 and ``mask``, the same shape; ``edge_index`` (2, edge) int64; ``unit`` (unit,) int64,
        global ids; ``record`` and ``start_s`` (``onset_s`` of trials); with ``columns`` ``unit_columns`` (unit, column)
        float32; labels of trials as ``label_COLUMN``. Only units of the session are nodes: nothing is padded, and a
        batch of PyG joins graphs of different sizes.

    Raises
    ------
    NotFoundError
        When a session's units have no such column.
    UsageError
        When a column of ``columns`` holds no numbers.
    """
    found = source.trials(indices) if isinstance(source, TrialSource) else source.bins(indices)
    known: dict[int, tuple[Array, Array]] = {}
    graphs = []
    for row, record in enumerate(found.record.tolist()):
        if record not in known:
            known[record] = _about(source, record, shared, columns)
        edges, numbers = known[record]
        here = found.unit_mask[row]
        made = Data(
            x=torch.from_numpy(found.counts[row, here].astype(np.float32)),
            mask=torch.from_numpy(found.mask[row, here]),
            edge_index=torch.from_numpy(edges.copy()),
            unit=torch.from_numpy(found.unit[row, here]),
            record=record,
        )
        if columns:
            made.unit_columns = torch.from_numpy(numbers.copy())
        if isinstance(source, TrialSource):
            made.onset_s = float(found.onset_s[row])  # type: ignore[union-attr]
            for name, values in found.labels.items():  # type: ignore[union-attr]
                made[f"label_{name}"] = values[row].item()
        else:
            made.start_s = float(found.start_s[row])  # type: ignore[union-attr]
        graphs.append(made)
    return graphs


def _about(source: EventSessions, record: int, shared: str | None, columns: Sequence[str]) -> tuple[Array, Array]:
    """Return the edges among the chosen units of a record, and the columns asked for."""
    wanted = [*columns, *([shared] if shared is not None else [])]
    table = source.unit_columns(record, wanted)
    texts = [name for name in columns if table[name].dtype.kind not in "biuf"]
    if texts:
        raise UsageError("only numbers become features", subject=source.records[record], place=", ".join(texts))
    edges = shared_edges(table[shared]) if shared is not None else np.zeros((2, 0), dtype=np.int64)
    numbers = [table[name].astype(np.float32) for name in columns]
    return edges, np.stack(numbers, axis=1) if numbers else np.zeros((0, 0), dtype=np.float32)
