"""Generated files of FreeSurfer's layouts, written by nibabel or byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

GEOMETRY = {
    "head": np.array([2, 0, 20]), "valid": "1  # volume info valid", "filename": "../mri/filled.mgz",
    "volume": np.array([256, 256, 256]), "voxelsize": np.array([1.0, 1.0, 1.0]), "xras": np.array([-1.0, 0.0, 0.0]),
    "yras": np.array([0.0, 0.0, -1.0]), "zras": np.array([0.0, 1.0, 0.0]), "cras": np.array([-0.5, 29.37, -48.9]),
}  # fmt: skip
"""Of a conformed volume."""


def octahedron() -> tuple[np.ndarray, np.ndarray]:
    """Return six points at distance 1 and eight triangles whose normals point outwards."""
    points = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float32)
    triangles = np.array(
        [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]], dtype=np.int32
    )
    return points, triangles


def write_surface(path: Path, *, scale: float = 10.0, geometry: dict | None = GEOMETRY) -> None:
    """Write an octahedron as FreeSurfer writes a surface."""
    from nibabel.freesurfer import write_geometry

    points, triangles = octahedron()
    write_geometry(str(path), points * scale, triangles, create_stamp="generated", volume_info=geometry)


def write_old_annot(path: Path, values: list[int], table: list[tuple[str, tuple[int, int, int, int]]]) -> None:
    """Write labels with a colour table of the first version."""
    parts = [struct.pack(">i", len(values))]
    parts += [struct.pack(">ii", vertex, value) for vertex, value in enumerate(values)]
    parts += [struct.pack(">ii", 1, len(table)), _text("old.ctab")]
    parts += [_text(name) + struct.pack(">4i", *colour) for name, colour in table]
    path.write_bytes(b"".join(parts))


def write_old_morph(path: Path, hundredths: list[int], n_triangles: int = 0) -> None:
    """Write a measure in the old layout: whole hundredths."""
    head = len(hundredths).to_bytes(3, "big") + n_triangles.to_bytes(3, "big")
    path.write_bytes(head + struct.pack(f">{len(hundredths)}h", *hundredths))


def write_matrix(path: Path) -> None:
    """Write a symmetric matrix of streamline counts between the regions of both hemispheres, all made up here."""
    from connectome.regions import DESIKAN_KILLIANY

    names = [region.id for region in DESIKAN_KILLIANY]
    half = np.triu(np.random.default_rng(0).integers(0, 900, (len(names), len(names))), 1)
    rows = [",".join([name, *map(str, row)]) for name, row in zip(names, (half + half.T).tolist(), strict=True)]
    path.write_text("\n".join([",".join(["region", *names]), *rows]) + "\n")


def _text(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack(">i", len(raw)) + raw
