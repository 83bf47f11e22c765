"""What valid data looks like: five kinds of groups, and records made of them.

A record is an :class:`xarray.DataTree`. Each group below the root is of one kind, told by its attribute
``encoding-type``; each kind is one module with ``check`` (what is wrong), ``measure`` (facts) and ``layout`` (how it
lies on disk). A new kind is one new module and one line in ``KINDS``. A kind whose older versions still open lists
them in ``READABLE``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import xarray as xr

from connectome.errors import SchemaError

from . import events as _events
from . import graph as _graph
from . import series as _series
from . import table as _table
from . import volume as _volume
from .columns import MISSING_CODE, Layout, Problem, category, column, decode, is_category
from .remarks import warning

__all__ = [
    "KINDS",
    "MISSING_CODE",
    "Layout",
    "Problem",
    "category",
    "column",
    "decode",
    "events",
    "graph",
    "groups",
    "is_category",
    "kind_of",
    "kinds_of",
    "measure",
    "problems",
    "record",
    "schema_versions",
    "series",
    "table",
    "validate",
    "volume",
    "warning",
]

KINDS: Mapping[str, ModuleType] = {module.KIND: module for module in (_series, _events, _graph, _volume, _table)}

events, graph, series, table, volume = _events.events, _graph.graph, _series.series, _table.table, _volume.volume

RECORD_VERSION = "1"


def record(
    groups: Mapping[str, xr.Dataset], *, warnings: list[dict[str, str]] | None = None, **attrs: Any
) -> xr.DataTree:
    """Join groups into a record.

    Parameters
    ----------
    groups : mapping of str to xarray.Dataset
        Path (``"activity"``, ``"labels/t1w"``) to a group made by one of the kinds.
    warnings : list of dict, optional
        What is odd but usable, each ``{"code", "place", "message"}``.
    **attrs
        Attributes of the record (JSON values): ``title``, ``subject``, ``species``, ...

    Returns
    -------
    xarray.DataTree
    """
    described = {"encoding-type": "record", "encoding-version": RECORD_VERSION, **attrs}
    if warnings:
        described["warnings"] = warnings
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=described), **dict(groups)})


def groups(tree: xr.DataTree) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield (path, dataset) of every data group, sorted by path; nodes that only hold others are skipped."""
    for node in sorted(tree.subtree, key=lambda node: node.path):
        if node.path != tree.path and "encoding-type" in node.attrs:
            yield node.path, node.to_dataset(inherit=False)


def kind_of(dataset: xr.Dataset) -> str:
    """Return the kind of a group; raise :class:`~connectome.errors.SchemaError` when it is none of ``KINDS``."""
    kind = str(dataset.attrs.get("encoding-type"))
    if kind not in KINDS:
        raise SchemaError("unknown kind of group", subject=kind, expected=", ".join(KINDS), found=kind)
    return kind


def kinds_of(tree: xr.DataTree) -> list[str]:
    """Return the kinds of data in a record, sorted."""
    return sorted({kind_of(dataset) for _, dataset in groups(tree)})


def problems(tree: xr.DataTree) -> list[Problem]:
    """List everything that is wrong with a record; empty when it is valid."""
    found: list[Problem] = []
    if tree.attrs.get("encoding-type") != "record":
        found.append(Problem("/", "encoding-type record", str(tree.attrs.get("encoding-type"))))
    n_groups = 0
    for path, dataset in groups(tree):
        n_groups += 1
        kind = dataset.attrs["encoding-type"]
        module = KINDS.get(kind)
        if module is None:
            found.append(Problem(path, f"one of {', '.join(KINDS)}", str(kind)))
        elif dataset.attrs.get("encoding-version") not in getattr(module, "READABLE", (module.VERSION,)):
            found.append(Problem(path, f"{kind} version {module.VERSION}", str(dataset.attrs.get("encoding-version"))))
        else:
            found.extend(module.check(dataset, path))
    for node in tree.subtree:
        # What lies outside a group of data would be left behind without a word.
        if node.path == tree.path:
            found.extend(Problem(f"/{name}", "arrays inside groups only", "an array") for name in node.variables)
        elif "encoding-type" not in node.attrs and (node.dataset.variables or node.attrs):
            held = [*map(str, node.dataset.variables), *map(str, node.attrs)]
            found.append(Problem(node.path, "the attribute encoding-type", f"none beside {', '.join(held)}"))
    if not n_groups:
        found.append(Problem("/", "at least one group of data", "none"))
    return found


def validate(tree: xr.DataTree, *, subject: str) -> None:
    """Raise one :class:`~connectome.errors.SchemaError` that lists everything that is wrong with a record."""
    found = problems(tree)
    if found:
        raise SchemaError(
            f"the record is not valid ({len(found)} problem{'s' if len(found) > 1 else ''})",
            subject=subject,
            place=found[0].place,
            expected=found[0].expected,
            found="; ".join(str(problem) for problem in found[:20]),
            hint="mend the reader or the source file; nothing was written",
        )


def measure(tree: xr.DataTree) -> dict[str, dict[str, Any]]:
    """Return the facts of every group of a record: path to ``{"kind": ..., ...}``."""
    return {
        path: {"kind": kind_of(dataset), **KINDS[kind_of(dataset)].measure(dataset)} for path, dataset in groups(tree)
    }


def schema_versions() -> dict[str, str]:
    """Return the version of every kind's schema; part of what a record's bytes depend on."""
    return {"record": RECORD_VERSION, **{kind: module.VERSION for kind, module in KINDS.items()}}
