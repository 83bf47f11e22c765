"""Activity, connectome and node table of many animals at once, on one list of neurons: padded arrays with masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from connectome.errors import MissingExtraError, NotFoundError, UsageError

from ..graphs.whole import FINAL, EdgeIndex, EdgeTypes, load_graph
from ..reading.records import reasons
from ..reading.specs import as_version, record_file
from ..recordings.alignment import Policy, join_report
from ..recordings.resampling import Method, Recording, read_recording, resample, why_unusable

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from connectome.store import Version

__all__ = ["Panel", "load_panel"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Panel:
    """Recordings of many animals on one list of neurons."""

    signal: Array
    """Shape (record, neuron, time), floats; the fill where ``mask`` is False."""
    mask: Array
    """The same shape, bool: True where the animal has the neuron, the sample is in the recording, and it counts."""
    time_s: Array
    """Shape (record, time), float64 seconds on each record's own clock; NaN beyond its end."""
    records: tuple[str, ...]
    neurons: tuple[str, ...]
    graph: EdgeIndex | None
    """The connectome among these neurons, in their order, with its node table; None where none was asked for."""
    report: pd.DataFrame = field(repr=False)
    """One row per ROI: ``record``, ``roi``, ``label``, ``status``, ``neuron``, ``matched``, ``reason``."""
    skipped: Mapping[str, str] = field(repr=False)
    """Records that are not in the panel, with the reason."""

    def adjacency(self, edge_type: str) -> Array:
        """Return the weights of one type of edges, shape (source neuron, target neuron), float64.

        Parallel edges are summed; where a graph has no weights, edges are counted.

        Raises
        ------
        UsageError
            When the panel was loaded without a graph.
        NotFoundError
            When the graph has no such type of edges.
        """
        if self.graph is None:
            raise UsageError("the panel has no connectome", subject="adjacency", hint="load_panel(..., graph=...)")
        if edge_type not in self.graph.edge_types:
            raise NotFoundError(
                "the graph has no such edge type",
                subject=self.graph.record,
                found=edge_type,
                expected=", ".join(self.graph.edge_types),
            )
        chosen = self.graph.edge_type == self.graph.edge_types.index(edge_type)
        made = np.zeros((len(self.neurons), len(self.neurons)))
        weight = np.ones(int(chosen.sum())) if self.graph.weight is None else self.graph.weight[chosen]
        np.add.at(made, tuple(self.graph.edge_index[:, chosen]), weight)
        return made

    def as_tensors(self) -> dict[str, torch.Tensor]:
        """Return ``signal``, ``mask``, ``time_s`` and, with a graph, ``edge_index``, ``edge_type``, ``edge_weight``.

        The tensors of the recordings share memory with the panel.

        Raises
        ------
        MissingExtraError
            When PyTorch is not installed.
        """
        try:
            import torch
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "PyTorch is not installed", subject="as_tensors", hint='pip install "connectome[torch]"'
            ) from error
        arrays = {"signal": self.signal, "mask": self.mask, "time_s": self.time_s}
        if self.graph is not None:
            arrays |= {"edge_index": self.graph.edge_index, "edge_type": self.graph.edge_type}
            if self.graph.weight is not None:
                arrays["edge_weight"] = self.graph.weight.astype(np.float32)
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}


def load_panel(
    activity: str | Version,
    *,
    graph: str | Version | EdgeIndex | None = None,
    neurons: Literal["union", "common", "graph"] | Sequence[str] = "union",
    records: Sequence[str] | None = None,
    rate_hz: float | None = None,
    max_gap_s: float | None = None,
    method: Method = "linear",
    group: str = "activity",
    edge_types: EdgeTypes = FINAL,
    node_kinds: Sequence[str] | None = None,
    weight: str | None = None,
    policy: Policy = "exact+normalised",
    fill: float = 0.0,
    dtype: str = "float32",
    root: str | Path | None = None,
) -> Panel:
    """Load whole recordings, and a connectome among the same neurons.

    Parameters
    ----------
    activity : str or Version
        Recordings with tables of identities.
    graph : str, Version or EdgeIndex, optional
        As for :func:`~connectome.loaders.graphs.load_graph`. Then only neurons that it has are in the panel.
    neurons : {"union", "common", "graph"} or sequence of str
        All that any record has, in the graph's order, else by text; those that every record has; all of the graph;
        or these. Names that are not in the graph, if there is one, are an error.
    records : sequence of str, optional
        Names of records; default all that can be used, the others are in ``skipped``.
    rate_hz, max_gap_s, method
        As for :func:`~connectome.loaders.recordings.resampling.resample`, together; default every record's own stamps.
    group, policy, fill, dtype
        As for :class:`~connectome.loaders.recordings.windows.WindowSource`.
    edge_types, node_kinds, weight
        As for :func:`~connectome.loaders.graphs.load_graph`.
    root : path or URL, optional
        The store of both, for texts.

    Returns
    -------
    Panel

    Raises
    ------
    UsageError
        When an argument cannot be used, a record that was named has no clock in seconds or no table of identities, or
        no record is left.
    NotFoundError
        When a record, the graph or a node of it does not exist.
    """
    if (rate_hz is None) != (max_gap_s is None):
        raise UsageError(
            "a rate and a maximal gap belong together", subject="rate_hz", expected="both or none", found=str(rate_hz)
        )
    if dtype not in {"float32", "float64"}:
        raise UsageError("signals are floats", subject="dtype", expected="float32 or float64", found=dtype)
    wiring = None
    if graph is not None:
        graph_root = root if isinstance(graph, str) else None
        wiring = load_graph(graph, edge_types=edge_types, node_kinds=node_kinds, weight=weight, root=graph_root)
    version = as_version(activity, root=root if isinstance(activity, str) else None)
    recordings, skipped = _read(version, records, group.strip("/"), policy)
    names = _choose_neurons(neurons, recordings, wiring)
    for record, found in list(recordings.items()):
        if found.identities is not None and not set(names) & set(found.identities.channel_of):
            skipped[record] = "none of the neurons"
    identities = {name: found.identities for name, found in recordings.items() if found.identities is not None}
    report = join_report(identities, names, where="the panel" if wiring is None else wiring.record)
    kept = {name: found for name, found in recordings.items() if name not in skipped}
    if not kept:
        raise UsageError("no record can be used", subject=version.spec, place=group, found=reasons(skipped))
    parts = [_on(found, names, rate_hz, max_gap_s, method) for found in kept.values()]
    shape = (len(kept), len(names), max(part[2].size for part in parts))
    signal, mask = np.full(shape, fill, dtype=dtype), np.zeros(shape, dtype=bool)
    time_s = np.full((shape[0], shape[2]), np.nan)
    for at, (values, counts, stamps) in enumerate(parts):
        np.copyto(signal[at, :, : stamps.size], values, where=counts, casting="same_kind")
        mask[at, :, : stamps.size], time_s[at, : stamps.size] = counts, stamps
    return Panel(
        signal=signal,
        mask=mask,
        time_s=time_s,
        records=tuple(kept),
        neurons=names,
        graph=None if wiring is None else wiring.select(names),
        report=report,
        skipped=skipped,
    )


def _read(
    version: Version, records: Sequence[str] | None, group: str, policy: Policy
) -> tuple[dict[str, Recording], dict[str, str]]:
    """Return recordings with identities by record, and the reasons of those that cannot be used."""
    if isinstance(records, str):
        raise UsageError("records is a list of names", subject="records", found=repr(records))
    recordings, skipped = {}, {}
    for record in dict.fromkeys(records) if records is not None else version.manifest.records:
        record_file(version, record)
        reason = why_unusable(version, record, group)
        found = None if reason else read_recording(version, record, group=group, policy=policy)
        if found is not None and found.identities is None:
            reason = "no table of identities"
        elif found is not None:
            recordings[record] = found
        if reason and records is not None:
            raise UsageError("the record cannot be used", subject=record, place=group, found=reason)
        if reason:
            skipped[record] = reason
    return recordings, skipped


def _choose_neurons(
    neurons: str | Sequence[str], recordings: Mapping[str, Recording], graph: EdgeIndex | None
) -> tuple[str, ...]:
    if not isinstance(neurons, str):
        if not neurons or len(set(neurons)) != len(neurons):
            raise UsageError("a view needs different names in a list", subject="neurons", found=repr(neurons))
        return tuple(neurons)
    if neurons not in {"union", "common", "graph"} or (neurons == "graph" and graph is None):
        raise UsageError(
            "unknown choice of neurons",
            subject="neurons",
            expected="union, common, graph (with a graph=) or a list of names",
            found=repr(neurons),
        )
    if neurons == "graph" and graph is not None:
        return graph.nodes
    known = [set(found.identities.channel_of) for found in recordings.values() if found.identities is not None]
    if neurons == "common":
        # Animals in which nobody was named would leave nothing to share.
        wanted = set.intersection(*filter(None, known)) if any(known) else set()
    else:
        wanted = set().union(*known)
    if graph is None:
        return tuple(sorted(wanted))
    return tuple(name for name in graph.nodes if name in wanted)


def _on(
    found: Recording, names: Sequence[str], rate_hz: float | None, max_gap_s: float | None, method: Method
) -> tuple[Array, Array, Array]:
    """Return signal, mask and stamps of one recording on the neurons of the panel."""
    channel_of = found.identities.channel_of if found.identities is not None else {}
    signal, mask = np.full((len(names), len(found.time_s)), np.nan), np.zeros((len(names), len(found.time_s)), bool)
    for at, name in enumerate(names):
        if name in channel_of:
            signal[at], mask[at] = found.signal[channel_of[name]], found.mask[channel_of[name]]
    if rate_hz is None or max_gap_s is None:
        return signal, mask, found.time_s
    made = resample(
        signal, found.time_s, mask, rate_hz=rate_hz, max_gap_s=max_gap_s, method=method, segments=found.segments
    )
    return made.signal, made.mask, made.time_s
