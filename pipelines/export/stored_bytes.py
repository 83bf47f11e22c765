"""The bytes of a volume as its file had them: stored numbers in their own dtype, byte order and order of axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectome import schema
from connectome.errors import UsageError
from connectome.volumes.nifti_bytes import image_bytes, source_format, source_numbers

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["image_bytes", "one_volume", "source_format", "source_numbers"]


def one_volume(tree: xr.DataTree, group: str | None) -> tuple[str, xr.Dataset]:
    """Return the path and the group of the volume that was asked for, or of the only one.

    Raises
    ------
    UsageError
        When the record has several volumes and none was named.
    """
    volumes = {path.strip("/"): data for path, data in schema.groups(tree) if schema.kind_of(data) == "volume"}
    if group is not None:
        return group, volumes[group.strip("/")]
    if len(volumes) > 1:
        raise UsageError("several volumes in the record", subject="group", expected=f"one of {', '.join(volumes)}")
    return next(iter(volumes.items()))
