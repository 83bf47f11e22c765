"""Windows of recordings as graphs for PyTorch Geometric: contacts as nodes, edges by place or correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from connectome.errors import UsageError

from .requirement import Data, torch

if TYPE_CHECKING:
    from ..recordings.channel_sets import Channels
    from ..recordings.windows import Windows, WindowSource

__all__ = ["ContactEdges", "ContactGraphs"]

Array = np.ndarray[Any, Any]
Features = Literal["signal", "statistics"]
STATISTICS = ("mean", "std", "line_length", "zero_crossings")
"""Of a contact's samples that count: mean, standard deviation, mean absolute step between neighbours, and the part of
neighbours between which the signal, less its mean, changes sign."""


@dataclass(frozen=True)
class ContactEdges:
    """Which contacts are joined; give one of the three.

    Parameters
    ----------
    within_m : float, optional
        Contacts nearer to each other than so many metres; weight: the distance in metres.
    nearest : int, optional
        From each contact to its so many nearest ones; weight: the distance in metres.
    correlation : float, optional
        Contacts whose signals in the window correlate with at least so much in absolute value; weight: Pearson's
        correlation over the samples that count for both.
    """

    within_m: float | None = None
    nearest: int | None = None
    correlation: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.within_m, self.nearest, self.correlation) if value is not None]
        usable = (
            len(given) == 1
            and (self.within_m is None or self.within_m > 0)
            and (self.nearest is None or self.nearest >= 1)
            and (self.correlation is None or 0 <= self.correlation <= 1)
        )
        if not usable:
            raise UsageError("edges are made in one way", subject="ContactEdges", found=repr(self),
                             expected="within_m above 0, nearest from 1, or correlation from 0 to 1")  # fmt: skip

    def by_place(self, position_m: Array, known: Array) -> tuple[Array, Array]:
        """Return edges (2, edge) and distances; a contact without a known place has none."""
        here = np.flatnonzero(known)
        distance = np.linalg.norm(position_m[here, None] - position_m[None, here], axis=-1)
        np.fill_diagonal(distance, np.inf)
        joined = np.zeros(distance.shape, dtype=bool)
        if self.within_m is not None:
            joined = distance < self.within_m
        elif self.nearest is not None:
            # Stable: of two that are as near, the one that comes first along the axis.
            order = np.argsort(distance, axis=1, kind="stable")[:, : min(self.nearest, max(len(here) - 1, 0))]
            np.put_along_axis(joined, order, True, axis=1)
        source, target = np.nonzero(joined)
        return np.stack([here[source], here[target]]), distance[source, target]

    def by_correlation(self, signal: Array, mask: Array) -> tuple[Array, Array]:
        """Return edges (2, edge) in both directions and correlations."""
        found = _correlations(signal.astype(np.float64), mask)
        np.fill_diagonal(found, np.nan)
        assert self.correlation is not None
        source, target = np.nonzero(np.abs(np.nan_to_num(found, nan=-np.inf, neginf=0.0)) >= self.correlation)
        there = np.isfinite(found[source, target])
        return np.stack([source[there], target[there]]), found[source[there], target[there]]


def _correlations(signal: Array, mask: Array) -> Array:
    """Return Pearson's correlation of all pairs over the samples that both have; NaN where there is no spread."""
    counts = mask.astype(np.float64)
    centre = (signal * counts).sum(axis=1, keepdims=True) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    values = (signal - centre) * counts
    n = counts @ counts.T
    total, squares = values @ counts.T, (values**2) @ counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        shared = values @ values.T - total * total.T / n
        spread = squares - total**2 / n
        # Rounding leaves a little where there is no spread at all.
        spread[spread <= 1e-12 * squares] = np.nan
        found: Array = shared / np.sqrt(spread * spread.T)
    return np.clip(found, -1.0, 1.0)


class ContactGraphs(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
    """One graph per window.

    Parameters
    ----------
    source : WindowSource, or a dataset made of one
        The windows, labelled or not.
    edges : ContactEdges
        Which contacts are joined.
    features : {"signal", "statistics"}
        What a node has: the samples of the window, or four numbers of them (``STATISTICS``).

    Notes
    -----
    Nodes are the contacts that the record has, along the channel axis. Positions are metres in the record's own frame,
    which may differ between records; distances are measured inside a record only.

    Examples
    --------
    >>> graphs = ContactGraphs(windows, edges=ContactEdges(nearest=4))  # doctest: +SKIP
    >>> loader = torch_geometric.loader.DataLoader(graphs, batch_size=8)  # doctest: +SKIP
    """

    def __init__(self, source: WindowSource | Any, *, edges: ContactEdges, features: Features = "statistics") -> None:
        if features not in get_args(Features):
            raise UsageError("no such features", subject="features", expected=", ".join(get_args(Features)),
                             found=repr(features))  # fmt: skip
        self.source: WindowSource = getattr(source, "source", source)
        self.edges, self.features = edges, features
        self.channels: Channels = self.source.channel_info()
        if edges.correlation is None and not self.channels.position_mask.any():
            raise UsageError(
                "no record says in metres where its contacts are", subject=self.source.provenance.dataset,
                place=self.source.group, hint="ContactEdges(correlation=...)",
            )  # fmt: skip
        self._placed: dict[int, tuple[Array, Array]] = {}

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Data:
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Data]:
        """Return the graphs of some windows.

        Returns
        -------
        list of torch_geometric.data.Data
            ``x`` (node, feature) float32 and ``x_mask`` (the same shape, bool; ``x`` is 0 where it is False), ``pos``
            (node, 3) float32 metres and ``pos_mask`` (node,), ``channel`` (node,) int64 along the channel axis,
            ``kind`` (node,) int64, ``edge_index``, ``edge_attr`` (edge, 1) float32, ``record`` and ``start``; of
            labelled windows ``y`` (1,) int64.
        """
        windows = self.source.windows(indices)
        labels = self.source.labels_of(indices)
        return [self._graph(windows, at, labels) for at in range(len(windows))]

    def _graph(self, windows: Windows, at: int, labels: dict[str, Array]) -> Data:
        record, known = int(windows.record[at]), self.channels
        nodes = np.flatnonzero(known.mask[record])
        signal, mask = windows.signal[at, nodes], windows.mask[at, nodes]
        if self.edges.correlation is not None:
            edge_index, weight = self.edges.by_correlation(signal, mask)
        else:
            edge_index, weight = self._by_place(record, nodes)
        values, there = (signal, mask) if self.features == "signal" else _statistics(signal, mask)
        made = Data(
            x=torch.from_numpy(np.where(there, values, 0.0).astype(np.float32)),
            x_mask=torch.from_numpy(np.ascontiguousarray(there)),
            pos=torch.from_numpy(known.position_m[record, nodes].astype(np.float32)),
            pos_mask=torch.from_numpy(known.position_mask[record, nodes]),
            channel=torch.from_numpy(nodes),
            kind=torch.from_numpy(known.kind[record, nodes]),
            edge_index=torch.from_numpy(np.ascontiguousarray(edge_index, dtype=np.int64)),
            edge_attr=torch.from_numpy(weight.astype(np.float32)[:, None]),
            record=torch.tensor(record),
            start=torch.tensor(int(windows.start[at])),
        )
        if "label" in labels:
            made.y = torch.from_numpy(labels["label"][at : at + 1])
        return made

    def _by_place(self, record: int, nodes: Array) -> tuple[Array, Array]:
        if record not in self._placed:
            known = self.channels
            self._placed[record] = self.edges.by_place(
                known.position_m[record, nodes], known.position_mask[record, nodes]
            )
        return self._placed[record]


def _statistics(signal: Array, mask: Array) -> tuple[Array, Array]:
    values = signal.astype(np.float64)
    n = mask.sum(axis=1)
    mean = (values * mask).sum(axis=1) / np.maximum(n, 1)
    centred = np.where(mask, values - mean[:, None], 0.0)
    std = np.sqrt((centred**2).sum(axis=1) / np.maximum(n, 1))
    pairs = mask[:, 1:] & mask[:, :-1]
    n_pairs = np.maximum(pairs.sum(axis=1), 1)
    steps = (np.abs(np.diff(values, axis=1)) * pairs).sum(axis=1) / n_pairs
    crossed = ((np.signbit(centred[:, 1:]) != np.signbit(centred[:, :-1])) & pairs).sum(axis=1) / n_pairs
    found = np.stack([mean, std, steps, crossed], axis=1)
    has_pair = pairs.any(axis=1)
    return found, np.stack([n > 0, n > 0, has_pair, has_pair], axis=1)
