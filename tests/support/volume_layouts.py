"""Generated files of volumes' layouts. Nothing here was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def write_analyze(path: Path) -> None:
    """Write an Analyze 7.5 header and, beside it, its image."""
    numbers = np.random.default_rng(3).integers(0, 300, (9, 8, 7)).astype("<i2")
    header = nibabel.AnalyzeHeader(endianness="<")
    header.set_data_dtype(numbers.dtype)
    header.set_data_shape(numbers.shape)
    header.set_zooms((2.0, 2.0, 3.0))
    path.write_bytes(header.binaryblock)
    path.with_suffix(".img").write_bytes(numbers.tobytes(order="F"))
