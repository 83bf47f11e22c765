"""Joining recorded traces to cells by the name of the neuron, with a reason for every one that is not joined.

A record of worm activity has a table ``neuron``: one row per label and one per ROI (region of interest) without a
label. ``roi`` is the channel id, ``raw_label`` the source's word, ``neuron`` the name that it stands for, ``status``
what became of the label. Nothing is guessed here: a label that fits several neurons, a neuron that two labels claim,
and an ROI that has two names are left out and reported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
import xarray as xr

from connectome.errors import NotFoundError, UsageError
from connectome.schema import decode

if TYPE_CHECKING:
    from ..reading.chunks import RecordReader

__all__ = ["COLUMNS", "Identities", "Policy", "identify", "join_report", "read_labels", "rows_of"]

COLUMNS = ("roi", "raw_label", "neuron", "candidates", "status")

Policy = Literal["exact", "exact+normalised", "all-candidates"]
"""Which labels are believed: names as the source writes them; also those that a named rule turned into a name; also
ambiguous ones, whose ROI then stands for every candidate that no other ROI claims, so one trace may be there twice."""


class _Row(NamedTuple):
    """One row of the ``neuron`` table; fields in the order of ``COLUMNS``."""

    roi: str
    label: str
    neuron: str
    candidates: str
    status: str


@dataclass(frozen=True)
class Identities:
    """Which channel of a record is which neuron."""

    channel_of: Mapping[str, int]
    """Neuron to position of its channel, in the order of the channels."""
    rows: tuple[_Row, ...] = field(repr=False)
    """Rows of the ``neuron`` table."""
    used_as: tuple[str, ...] = field(repr=False)
    """Of every row, the neurons that it stands for, separated by blanks."""
    reasons: tuple[str, ...] = field(repr=False)
    """Of every row, why it stands for none; empty where it does."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per row of the ``neuron`` table.

        Columns ``roi``, ``label``, ``neuron``, ``candidates``, ``status``, ``used_as``, ``identified`` and, where it
        is not, the ``reason``.
        """
        table = pd.DataFrame(self.rows, columns=list(_Row._fields), dtype="str")
        table["used_as"] = list(self.used_as)
        table["identified"] = [reason == "" for reason in self.reasons]
        table["reason"] = list(self.reasons)
        return table

    def counts(self) -> pd.DataFrame:
        """Return how many ROIs have a label of each status, and how many of them are used.

        Returns
        -------
        pandas.DataFrame
            ``n_rois`` and ``n_used`` by ``status``; an ROI with two labels counts under both.
        """
        by_status = self.table.groupby("status")
        used = self.table[self.table["identified"]].groupby("status")["roi"].nunique()
        n_rois = by_status["roi"].nunique()
        return pd.DataFrame({"n_rois": n_rois, "n_used": used.reindex(n_rois.index, fill_value=0)})


def read_labels(reader: RecordReader, *, record: str) -> dict[str, np.ndarray[Any, Any]]:
    """Read the table of identities of a record.

    Returns
    -------
    dict of str to numpy.ndarray
        The columns in ``COLUMNS``, in words.

    Raises
    ------
    NotFoundError
        When the record has no table ``neuron``.
    """
    if not reader.has("neuron"):
        raise NotFoundError(
            "the record does not say which channel is which neuron",
            subject=record,
            place="neuron",
            expected="a table of identities",
            found="none",
            hint="leave out neurons=, or choose channels by their ids with channels=",
        )
    paths = {name: f"neuron/{name}" for name in COLUMNS}
    return {
        name: decode(xr.Variable("row", reader.array(path).read(), attrs=dict(reader.attributes(path))))
        for name, path in paths.items()
    }


def identify(
    labels: Mapping[str, np.ndarray[Any, Any]], channels: Sequence[str], *, policy: Policy = "exact+normalised"
) -> Identities:
    """Find out which channel of a record is which neuron.

    Parameters
    ----------
    labels : mapping of str to numpy.ndarray
        From :func:`read_labels`.
    channels : sequence of str
        Channel ids of the series, in stored order.
    policy : {"exact+normalised", "exact", "all-candidates"}
        Which labels are believed.

    Returns
    -------
    Identities

    Raises
    ------
    UsageError
        When the policy is unknown.
    """
    believed = _statuses(policy)
    position = {name: at for at, name in enumerate(channels)}
    # Plain lists: a table costs a hundred times more, and most of a thousand worms are never looked at as tables.
    rows = [_Row(*map(str, values)) for values in zip(*(labels[name].tolist() for name in COLUMNS), strict=True)]
    names_of: dict[str, set[str]] = {}
    rois_of: dict[str, set[str]] = {}
    for row in rows:
        if row.status in believed and row.neuron and row.roi in position:
            names_of.setdefault(row.roi, set()).add(row.neuron)
            rois_of.setdefault(row.neuron, set()).add(row.roi)
    reasons = [_reason(row, believed, position, names_of, rois_of) for row in rows]
    used_as = [row.neuron if not why else "" for row, why in zip(rows, reasons, strict=True)]
    if policy == "all-candidates":
        used_as, reasons = _with_candidates(rows, used_as, reasons, position)
    channel_of = {name: position[row.roi] for row, names in zip(rows, used_as, strict=True) for name in names.split()}
    return Identities(
        dict(sorted(channel_of.items(), key=lambda item: item[1])), tuple(rows), tuple(used_as), tuple(reasons)
    )


def _with_candidates(
    rows: Sequence[_Row], used_as: Sequence[str], reasons: Sequence[str], position: Mapping[str, int]
) -> tuple[list[str], list[str]]:
    """Let ambiguous ROIs stand for every candidate that they alone may be; what is left keeps a reason."""
    rois, names = [row.roi for row in rows], [row.neuron for row in rows]
    offers = {
        at: row.candidates.split() for at, row in enumerate(rows) if row.status == "ambiguous" and row.roi in position
    }
    # A neuron that a label names for sure is taken, even where two labels quarrel over it.
    taken = set(names)
    claims: dict[str, set[str]] = {}
    for at, candidates in offers.items():
        for name in candidates:
            claims.setdefault(name, set()).add(rois[at])
    named = {roi for roi, name in zip(rois, names, strict=True) if name}
    found, left = list(used_as), list(reasons)
    for at, candidates in offers.items():
        free = [name for name in candidates if name not in taken and len(claims[name]) == 1]
        if rois[at] in named:
            left[at] = "the ROI has several names"
        elif not free:
            left[at] = f"other ROIs claim {', '.join(candidates)}"
        else:
            found[at], left[at] = " ".join(free), ""
    return found, left


def _statuses(policy: str) -> tuple[str, ...]:
    if policy not in get_args(Policy):
        raise UsageError("unknown policy", subject="policy", expected=" or ".join(get_args(Policy)), found=repr(policy))
    return ("exact", "normalised") if policy == "all-candidates" else tuple(policy.split("+"))


def _reason(
    row: _Row,
    believed: Sequence[str],
    position: Mapping[str, int],
    names_of: Mapping[str, Collection[str]],
    rois_of: Mapping[str, Collection[str]],
) -> str:
    """Say why a row names no neuron; empty when it does."""
    roi, _, neuron, candidates, status = row
    if status == "unlabelled":
        return "the ROI has no label"
    if status == "ambiguous":
        return f"the label fits {candidates.replace(' ', ', ')}"
    if status == "duplicate":
        return f"several labels claim {neuron}"
    if status not in believed or not neuron:
        return f"the policy does not take {status} labels" if neuron else f"the label is {status}"
    if roi not in position:
        return "the ROI has no trace"
    if len(names_of.get(roi, ())) > 1:
        return "the ROI has several names"
    if len(rois_of.get(neuron, ())) > 1:
        return f"several ROIs claim {neuron}"
    return ""


def rows_of(names: Sequence[str], channel_of: Mapping[str, int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the channel of every name, -1 for one that is not there."""
    return np.array([channel_of.get(name, -1) for name in names], dtype=np.int64)


def join_report(identities: Mapping[str, Identities], nodes: Collection[str], *, where: str) -> pd.DataFrame:
    """Tell of every ROI whether it is joined to a node, and why not.

    Parameters
    ----------
    identities : mapping of str to Identities
        Record to its identities.
    nodes : collection of str
        Names of the cells to join to.
    where : str
        What has these cells, in words.

    Returns
    -------
    pandas.DataFrame
        ``record``, ``roi``, ``label``, ``status``, ``neuron``, ``matched`` (bool), ``reason`` (empty when matched).
    """
    nodes = frozenset(nodes)
    parts = []
    for record, found in identities.items():
        part = found.table[["roi", "label", "status", "neuron"]].copy()
        part.insert(0, "record", record)
        inside = found.table["used_as"].map(lambda names: not nodes.isdisjoint(names.split()))
        identified = found.table["identified"]
        part["matched"] = identified & inside
        part["reason"] = found.table["reason"].where(~(identified & ~inside), f"{where} has no such cell")
        parts.append(part)
    columns = ["record", "roi", "label", "status", "neuron", "matched", "reason"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
