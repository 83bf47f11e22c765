"""Images in space: axis orders, grids, statistics and the blocks that hold something.

NumPy over the arrays of a ``volume`` group; nothing here reads files of vendors. Axis orders are views: what is read
of one touches only its chunks.
"""

from __future__ import annotations

from .alignment import TOLERANCE_VOXELS, Alignment, align, aligned, compare_grids, corner_distance_mm, corner_error_mm
from .narrow import is_lossless, narrow, native
from .occupancy import BLOCK_VOXELS, LabelBlocks, block_grid, label_blocks, occupied_blocks
from .orientation import ORDERS, UNKNOWN, Turn, View, axis_codes, canonical, reorient, shear_deg, voxel_size_mm
from .resample import resample
from .statistics import PERCENTILES, statistics, value_counts

__all__ = [
    "BLOCK_VOXELS",
    "ORDERS",
    "PERCENTILES",
    "TOLERANCE_VOXELS",
    "UNKNOWN",
    "Alignment",
    "LabelBlocks",
    "Turn",
    "View",
    "align",
    "aligned",
    "axis_codes",
    "block_grid",
    "canonical",
    "compare_grids",
    "corner_distance_mm",
    "corner_error_mm",
    "is_lossless",
    "label_blocks",
    "narrow",
    "native",
    "occupied_blocks",
    "reorient",
    "resample",
    "shear_deg",
    "statistics",
    "value_counts",
    "voxel_size_mm",
]
