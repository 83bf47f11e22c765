"""The raw images of a person as a table: what the sidecars say, typed, whether the images are at hand or not.

Sidecars of the release are not quite BIDS: keys of their own (``Dimensions``, ``VoxelSizes``), null for what is not
known, integers and floats mixed. Null is missing here, and stays null in the sidecar that goes with an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema

if TYPE_CHECKING:
    import xarray as xr

    from .ideas_files import RawScan

__all__ = ["images_table"]

NUMBERS: Mapping[str, tuple[str, str, str]] = {
    "field_strength_t": ("MagneticFieldStrength", "Field strength", "T"),
    "slice_thickness_mm": ("SliceThickness", "Thickness of a slice", "mm"),
    "flip_angle_deg": ("FlipAngle", "Flip angle", "degree"),
    "inversion_time_s": ("InversionTime", "Inversion time", "s"),
    "pixel_bandwidth_hz": ("PixelBandwidth", "Bandwidth per pixel", "Hz"),
}
TEXTS: Mapping[str, tuple[str, str]] = {
    "scanner": ("ManufacturersModelName", "Model of the scanner"),
    "software": ("SoftwareVersions", "Software of the scanner"),
}


def images_table(scans: Sequence[RawScan], sidecars: Mapping[str, Mapping[str, Any]], *, here: Set[str]) -> xr.Dataset:
    """Make the table ``images``: one row per raw image of the release.

    Parameters
    ----------
    scans : sequence of RawScan
        Of one person.
    sidecars : mapping of str to mapping
        Path of an image to its sidecar.
    here : set of str
        Paths (ending with those of scans) of images that are at hand.

    Returns
    -------
    xarray.Dataset
        A table; what a sidecar does not say or says to be null is missing. The sidecars stand in its attribute
        ``sidecars`` as they are, null kept.
    """
    about = [sidecars.get(scan.path, {}) for scan in scans]
    columns = {
        "modality": schema.column("row", [scan.suffix for scan in scans], "Suffix of the image"),
        "source_file": schema.column("row", [scan.path for scan in scans], "Path in the BIDS tree"),
        "size_bytes": schema.column(
            "row", np.array([scan.size_bytes for scan in scans], dtype=np.int64), "Length of the file", "byte"
        ),
        "sha256": schema.column("row", [scan.sha256 for scan in scans], "SHA-256 of the file"),
        "is_here": schema.column(
            "row", np.array([any(path.endswith(f"/{scan.path}") for path in here) for scan in scans], dtype=bool),
            "Whether the record holds the image",
        ),
    }  # fmt: skip
    for name, (key, words) in TEXTS.items():
        columns[name] = schema.column("row", [str(item.get(key) or "") for item in about], words, source_key=key)
    for name, (key, words, unit) in NUMBERS.items():
        columns[name] = schema.column("row", _floats([item.get(key) for item in about]), words, unit, source_key=key)
    for at, axis in enumerate("ijk"):
        sizes = [_part(item.get("Dimensions"), at) for item in about]
        steps = [_part(item.get("VoxelSizes"), at) for item in about]
        columns[f"n_{axis}"] = schema.column(
            "row", _floats(sizes), f"Voxels along {axis}", "1", source_key="Dimensions"
        )
        columns[f"step_{axis}_mm"] = schema.column(
            "row", _floats(steps), f"Voxel size along {axis}", "mm", source_key="VoxelSizes"
        )
    return schema.table(columns, **({"sidecars": dict(sidecars)} if sidecars else {}))


def _part(values: Any, at: int) -> Any:
    return values[at] if isinstance(values, list) and len(values) == 3 else None


def _floats(values: Sequence[Any]) -> np.ndarray:
    numbers = [
        float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else np.nan for value in values
    ]
    return np.array(numbers, dtype=np.float64)
