"""A record as a plain Zarr v3 folder, laid out as in the store, for tools that know Zarr and nothing else."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import zarr

from connectome import schema
from connectome.store.encode import RESERVED, write_folder

if TYPE_CHECKING:
    import xarray as xr


def write(tree: xr.DataTree, destination: Path, *, group: str | None, to: str) -> list[Path]:  # noqa: ARG001 - one signature for all
    """Write the record (or the record with one group only) and its consolidated metadata."""
    write_folder(tree if group is None else _only(tree, group), destination, reserved={})
    with warnings.catch_warnings():
        # Zarr v3 has no text yet for consolidated metadata (zarr-specs#309); xarray and zarr read it all the same.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(str(destination))
    return [destination]


def _only(tree: xr.DataTree, group: str) -> xr.DataTree:
    """Return a record with one of its groups; digests of the whole do not travel with a part."""
    chosen = {path: data for path, data in schema.groups(tree) if path.strip("/") == group.strip("/")}
    attrs = {name: value for name, value in tree.attrs.items() if name not in RESERVED}
    return type(tree).from_dict({"/": tree.to_dataset().drop_attrs(deep=False).assign_attrs(attrs), **chosen})
