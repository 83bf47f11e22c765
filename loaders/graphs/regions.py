"""Regions of the brain as nodes: columns of every patient's tables on one list of regions, with masks. Plain NumPy.

A record has a row per region (``regions``: cortex; ``aseg``: segmented structures). Rows are joined to nodes by what
their names mean (:func:`connectome.regions.region_of`), so that the order of a table, its spelling and its gaps do not
matter; what a patient lacks is masked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from connectome.cohorts import POST_OP, warn_post_op
from connectome.errors import NotFoundError, UsageError
from connectome.regions import DESIKAN_KILLIANY, region_of
from connectome.schema import decode, is_category

from ..reading.chunks import RecordReader, Shelf
from ..reading.specs import record_file
from ..volumes.subjects import SubjectColumn, subject_column

if TYPE_CHECKING:
    from connectome.store import Version

    from .whole import EdgeIndex

__all__ = ["RegionTables", "RegionTarget", "edges_among", "region_id", "region_tables"]

Array = np.ndarray[Any, Any]
NAME_COLUMNS = ("region", "structure")


@dataclass(frozen=True)
class RegionTarget:
    """What is to be predicted."""

    per_node: bool
    values: Array
    """Shape (record, node) or (record,): float64, NaN where missing, or int64 codes, -1 where missing."""
    labels: tuple[str, ...]
    """What the codes mean; empty for numbers."""


@dataclass(frozen=True)
class RegionTables:
    """Measures of regions over the records of a version."""

    records: tuple[str, ...]
    nodes: tuple[str, ...]
    """Ids of regions, as ``Region.id``; names that are of no known atlas stay as they are."""
    features: tuple[str, ...]
    values: Array
    """Shape (record, node, feature), float32; 0 where ``mask`` is False."""
    mask: Array
    """The same shape, bool: False where the record gives nothing."""
    target: RegionTarget | None


@lru_cache(maxsize=4096)
def region_id(name: str, hemisphere: str = "") -> str:
    """Return the id of a region by any of its spellings; an unknown name stays, with its hemisphere before it."""
    found = region_of(name, hemisphere)
    if found is not None:
        return found.id
    return f"{hemisphere}-{name}" if hemisphere else name


def region_tables(
    version: Version,
    *,
    features: Sequence[str],
    target: str | None = None,
    nodes: Sequence[str] | None = None,
    groups: Sequence[str] = ("regions",),
    atlas: str | None = None,
    records: Iterable[str] | None = None,
    stacklevel: int = 2,
) -> RegionTables:
    """Read measures of regions of every patient.

    Parameters
    ----------
    version : Version
        An opened version.
    features : sequence of str
        Columns of numbers (``thickness_mm``, ``volume_mm3``, ``thickness_z``).
    target : str, optional
        ``"GROUP/COLUMN"``: of one of ``groups`` for a value per region, of a table of one row (``subject/op_side``) for
        one per patient.
    nodes : sequence of str, optional
        Ids of the regions, in order; by default those that any record has, in the order of the Desikan-Killiany atlas,
        others after them by name.
    groups : sequence of str
        Tables with a row per region.
    atlas : str, optional
        Only rows whose column ``atlas`` says so.
    records : iterable of str, optional
        Which; default all that have one of the groups.
    stacklevel : int
        Of the warning, as for :func:`warnings.warn`.

    Returns
    -------
    RegionTables

    Raises
    ------
    NotFoundError
        When no record has such tables, or no record has a column.
    UsageError
        When a column is no number, or two rows of a record are one region.

    Warns
    -----
    PostOpWarning
        When a feature is known only after surgery.
    """
    target_group, target_column = _parse_target(target)
    per_node = target_group in groups
    wanted = list(dict.fromkeys([*features, *([target_column] if per_node and target is not None else [])]))
    chosen = list(version.manifest.records) if records is None else list(records)
    shelf = Shelf([record_file(version, name) for name in chosen], cache_bytes=0)
    found: dict[int, dict[str, dict[str, float]]] = {}
    seen: set[str] = set()
    late: dict[str, str] = {}
    for number, record in enumerate(chosen):
        reader = shelf.reader(number)
        present = [group for group in groups if reader.has(group)]
        if not present and records is None:
            continue
        rows = found.setdefault(number, {})
        for group in present:
            known = {name: _column(reader, f"{group}/{name}") for name in wanted if reader.has(f"{group}/{name}")}
            seen.update(known)
            default = reader.attributes(group).get("available")
            named = {name: known[name].attrs.get("available", default) for name in features if name in known}
            late |= {f"{group}/{name}": when for name, when in named.items() if when == POST_OP}
            numbers = {name: _numbers(variable, record, f"{group}/{name}") for name, variable in known.items()}
            _join(rows, _rows_of(reader, group, record), numbers, atlas, f"{record}, {group}")
    if not any(found.values()):
        raise NotFoundError(
            "no record has a table of regions", subject=version.spec, place=", ".join(groups),
            hint="groups=[...] names tables with a row per region",
        )  # fmt: skip
    absent = [name for name in wanted if name not in seen]
    if absent:
        raise NotFoundError("no table of regions has such a column", subject=version.spec, place=", ".join(absent))
    if late:
        about = pd.DataFrame()
        about.attrs["available"] = late
        warn_post_op(sorted(late), about, stacklevel=stacklevel + 1)
    names_of = [chosen[number] for number in found]
    order = _nodes(found) if nodes is None else tuple(region_id(name) for name in nodes)
    values = np.full((len(found), len(order), len(wanted)), np.nan)
    for at, rows in enumerate(found.values()):
        for place, name in enumerate(order):
            for column, value in rows.get(name, {}).items():
                values[at, place, wanted.index(column)] = value
    mask = ~np.isnan(values)
    made = None
    if target is not None and per_node:
        made = RegionTarget(per_node=True, values=values[:, :, wanted.index(target_column)], labels=())
    elif target is not None:
        made = _patient_target(subject_column(shelf, chosen, target_group, target_column), list(found))
    kept = [wanted.index(name) for name in features]
    filled = np.where(mask, values, 0.0)[:, :, kept].astype(np.float32)
    return RegionTables(tuple(names_of), order, tuple(features), filled, mask[:, :, kept], made)


def _parse_target(target: str | None) -> tuple[str, str]:
    if target is None:
        return "", ""
    group, slash, name = target.rpartition("/")
    if not slash or not group or not name:
        raise UsageError("a target is a column of a table", subject="target", expected="GROUP/COLUMN", found=target)
    return group, name


def _column(reader: RecordReader, path: str) -> xr.Variable:
    return xr.Variable(("row",), reader.array(path).read(), attrs=dict(reader.attributes(path)))


def _rows_of(reader: RecordReader, group: str, record: str) -> list[tuple[str, str]]:
    """Return the region and the atlas of every row of a table."""
    label = next((name for name in NAME_COLUMNS if reader.has(f"{group}/{name}")), None)
    if label is None:
        raise UsageError(
            "the table does not name its regions", subject=record, place=group, expected=" or ".join(NAME_COLUMNS),
            found=", ".join(reader.columns(group)),
        )  # fmt: skip
    names = decode(_column(reader, f"{group}/{label}")).tolist()
    sides, atlases = (
        decode(_column(reader, f"{group}/{name}")).tolist() if reader.has(f"{group}/{name}") else [""] * len(names)
        for name in ("hemisphere", "atlas")
    )
    return [(region_id(name, side), source) for name, side, source in zip(names, sides, atlases, strict=True)]


def _join(
    rows: dict[str, dict[str, float]],
    listed: Sequence[tuple[str, str]],
    columns: Mapping[str, Array],
    atlas: str | None,
    place: str,
) -> None:
    """Add the rows of one table by region."""
    taken: set[str] = set()
    for at, (region, source) in enumerate(listed):
        if atlas is not None and source != atlas:
            continue
        if region in taken:
            raise UsageError(
                "two rows are one region", subject=place, place=region, expected="one row per region",
                hint="atlas=NAME chooses among parcellations",
            )  # fmt: skip
        taken.add(region)
        known = rows.setdefault(region, {})
        for column, values in columns.items():
            if not np.isnan(values[at]):
                known.setdefault(column, float(values[at]))


def _numbers(variable: xr.Variable, record: str, place: str) -> Array:
    if is_category(variable) or variable.dtype.kind not in "biuf":
        found = "a category" if is_category(variable) else str(variable.dtype)
        raise UsageError("only numbers become features of regions", subject=record, place=place, found=found)
    values = np.asarray(variable.values, dtype=np.float64)
    missing = variable.attrs.get("missing_value")
    return values if missing is None else np.where(values == missing, np.nan, values)


def _nodes(found: Mapping[int, Mapping[str, Any]]) -> tuple[str, ...]:
    named = {name for rows in found.values() for name in rows}
    first = [region.id for region in DESIKAN_KILLIANY if region.id in named]
    return (*first, *sorted(named - set(first)))


def _patient_target(found: SubjectColumn, kept: Sequence[int]) -> RegionTarget:
    return RegionTarget(per_node=False, values=found.values[list(kept)], labels=found.names or ())


def edges_among(graph: EdgeIndex, nodes: Sequence[str]) -> tuple[Array, Array | None]:
    """Return a graph's edges among regions, undirected ones in both directions.

    Parameters
    ----------
    graph : EdgeIndex
        Nodes are regions in any spelling.
    nodes : sequence of str
        Ids of regions, as :func:`region_id` gives them.

    Returns
    -------
    edge_index : numpy.ndarray
        Shape (2, edge), int64: positions in ``nodes``, by source, then target.
    weight : numpy.ndarray or None
        Shape (edge,), float64.

    Raises
    ------
    UsageError
        When two nodes of the graph are one region, or none is among the regions.
    """
    ids = [region_id(name) for name in graph.nodes]
    if len(set(ids)) != len(ids):
        twice = sorted({name for name in ids if ids.count(name) > 1})
        raise UsageError("two nodes are one region", subject=graph.record, found=", ".join(twice[:5]))
    place = {name: at for at, name in enumerate(nodes)}
    at = np.array([place.get(name, -1) for name in ids], dtype=np.int64)
    if (at < 0).all():
        raise UsageError(
            "the graph has none of the regions", subject=graph.record, expected=", ".join(nodes[:5]),
            found=", ".join(ids[:5]),
        )  # fmt: skip
    both = np.array([not graph.about[name]["directed"] for name in graph.edge_types], dtype=bool)[graph.edge_type]
    ends = at[graph.edge_index]
    back = both & (ends[0] != ends[1])
    edges = np.concatenate([ends, ends[::-1, back]], axis=1)
    weight = None if graph.weight is None else np.concatenate([graph.weight, graph.weight[back]])
    kept = np.flatnonzero((edges >= 0).all(axis=0))
    kept = kept[np.lexsort((edges[1, kept], edges[0, kept]))]
    return edges[:, kept], None if weight is None else weight[kept]
