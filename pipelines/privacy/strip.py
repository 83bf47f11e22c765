"""A record without what the audit found: fields blank, extensions void, attributes and columns gone.

What was taken out is written into the record (``stripped``: places and kinds, never values). Nothing in the store
changes: the tree that is returned is another one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from connectome import schema
from connectome.store.canonical import plain
from connectome.volumes.nifti_bytes import source_format

from .audit import HEADER_TEXTS, audit_record
from .edf_headers import KEPT_OF_EDF, without
from .headers import blanked, blanked_trailer, fields_of

if TYPE_CHECKING:
    from .findings import Finding

__all__ = ["RULES_VERSION", "Stripped", "spared", "strip"]

RULES_VERSION = "1"
"""Raised whenever the same record would be stripped of something else."""
REMOVED = "(removed)"


@dataclass(frozen=True)
class Stripped:
    """A record and what it lost."""

    tree: xr.DataTree
    removed: tuple[Finding, ...]
    left: tuple[Finding, ...]
    """Found, and asked to be kept or nothing that can be taken out."""


def spared(finding: Finding, keep: Iterable[str]) -> bool:
    """Tell whether a finding's place fits one of the patterns (``*`` and ``?``) that are to be kept."""
    return any(fnmatchcase(finding.place, pattern) for pattern in keep)


def strip(tree: xr.DataTree, *, record: str = "", keep: Iterable[str] = ()) -> Stripped:
    """Take out of a record what may say who somebody is.

    Parameters
    ----------
    tree : xarray.DataTree
        A record; it stays as it is.
    record : str
        Its id, for the findings.
    keep : iterable of str
        Places to leave alone, as the audit names them, with ``*`` for any text: ``subject/pathology_note``,
        ``*@sidecar.ProtocolName``.

    Returns
    -------
    Stripped
        Numbers of images, signals and events are the same objects. A text field of a header is zeros, an extension has
        code 0, text after the image is gone, attributes and columns are removed. Its attribute ``stripped`` says where
        what kind of field was; without any finding the tree is the one given.
    """
    patterns = tuple(keep)
    found = audit_record(tree, record=record)
    removed = tuple(item for item in found if item.where and not spared(item, patterns))
    left = tuple(item for item in found if item not in removed)
    if not removed:
        return Stripped(tree, (), left)
    groups = {path.strip("/"): data for path, data in schema.groups(tree)}
    for name in dict.fromkeys(item.group for item in removed if item.group):
        groups[name] = _without(groups[name], [item for item in removed if item.group == name])
    if any(item.group == "annotation" and item.where[0] == "column" for item in removed):
        # The annotation signals hold the same texts; without them the header describes a file that is no more.
        groups = {name: data for name, data in groups.items() if name not in KEPT_OF_EDF}
    attrs = copy.deepcopy(plain({name: tree.attrs[name] for name in tree.attrs if name != "digests"}))
    for item in removed:
        if item.where[0] == "provenance":
            named = attrs["provenance"]["inputs"][item.where[1]]
            named["path"] = f"sha256-{named['sha256']}"
        elif not item.group:
            _remove(attrs, item.where[1:])
    attrs["stripped"] = [{"place": item.place, "kind": item.kind} for item in removed]
    attrs["stripped_by_rules"] = RULES_VERSION
    nodes: dict[str, xr.Dataset] = {"/": tree.to_dataset(inherit=False).assign_attrs(attrs)}
    nodes["/"].attrs = attrs
    nodes |= {f"/{name}": data for name, data in groups.items()}
    return Stripped(xr.DataTree.from_dict(nodes), removed, left)


def _without(data: xr.Dataset, removed: list[Finding]) -> xr.Dataset:
    changed = data.copy(deep=False)
    changed.attrs = copy.deepcopy(plain(data.attrs))
    columns = [str(item.where[1]) for item in removed if item.where[0] == "column"]
    changed = changed.drop_vars(columns)
    for item in removed:
        if item.where[0] == "attribute":
            _remove(changed.attrs, item.where[1:])
        elif item.where[0] == "variable" and item.where[1] in changed.variables:
            variable = changed.variables[item.where[1]].copy(deep=False)
            variable.attrs = copy.deepcopy(plain(variable.attrs))
            _remove(variable.attrs, item.where[2:])
            changed = changed.assign({item.where[1]: variable})
    starts = {item.where[2] for item in removed if item.where[0] == "header"}
    if starts:
        header = changed["header"].values.tobytes()
        fields = [field for field in fields_of(header, source_format(data)) if field.start in starts]
        changed = _bytes(changed, "header", blanked(header, fields))
        for text in HEADER_TEXTS:
            if any(field.name == text for field in fields):
                changed.attrs.pop(text, None)
    fields_of_edf = {str(item.where[1]) for item in removed if item.where[0] == "edf"}
    if fields_of_edf:
        changed = without(changed, fields_of_edf)
    if any(item.where[0] == "trailer" for item in removed):
        changed = _bytes(changed, "trailer", blanked_trailer(changed["trailer"].values.tobytes(), source_format(data)))
    return changed


def _bytes(data: xr.Dataset, name: str, content: bytes) -> xr.Dataset:
    """Put other bytes in place of a variable's; none at all where there are none."""
    variable = data.variables[name]
    rest = data.drop_vars(name)
    if not content:
        return rest
    return rest.assign({name: (variable.dims, np.frombuffer(content, dtype=np.uint8), dict(variable.attrs))})


def _remove(values: MutableMapping[str, Any], keys: tuple[str | int, ...]) -> None:
    """Remove a nested value; what a list or a warning holds is replaced, so that its neighbours keep their place."""
    inner: Any = values
    for key in keys[:-1]:
        inner = inner[key]
    last = keys[-1]
    if isinstance(inner, list) or keys[0] == "warnings":
        inner[last] = REMOVED
    elif isinstance(inner, MutableMapping):
        del inner[last]
