"""The brain region of every node: our lookup beside a search through the list of structures per node.

The list has 1,328 rows, as that of the Allen Mouse Brain Common Coordinate Framework has, and is generated, as the
volume of labels is (voxels of 25 um): the real ones are not redistributed. The other way is that of VesselGraph (GitHub
jocpae/VesselGraph, commit 855b714, ``generate_node_atlas_labels.py``), written anew without what it prints: per node
the frame of structures is searched twice. It is timed on a few hundred nodes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["SEARCHED", "join", "search"]

Array = np.ndarray[Any, Any]

STRUCTURES = 1_328
SEARCHED = 500
"""Nodes that are searched for one by one."""
LABEL_VOXELS = 25 / 3
"""Size of a voxel of labels in those of the graph, of 3 um."""
CUBE = 8
"""Voxels of labels along the edge of a cube of one label."""


def join(root: Path) -> Callable[[], dict[str, Any]]:
    """Look all nodes up in the volume, and their labels in the list, as columns of a node table."""
    from connectome import schema
    from connectome.pipelines.homogenise.allen_ccf import BACKGROUND, Ontology, Structure, annotate, region_columns

    position, volume, ids = _generated(root)
    listed = [
        Structure(number, _acronym(row), _acronym(row), _colour(row), 0, row, 1)
        for row, number in enumerate(ids.tolist())
    ]
    ontology = Ontology((BACKGROUND, *listed))

    def work() -> dict[str, Any]:
        labels, inside = annotate(position, volume, voxel_size=LABEL_VOXELS)
        columns, _ = region_columns(ontology, labels, inside)
        first = schema.decode(columns["region"][:SEARCHED])
        return {"nodes": len(position), "crc_of_first": _checksum(first.tolist())}

    return work


def search(root: Path) -> Callable[[], dict[str, Any]]:
    """Search the frame of structures for the acronym and the colour of the first nodes, one by one."""
    import pandas as pd

    position, volume, ids = _generated(root)
    acronyms, colours = ([name(row) for row in range(STRUCTURES)] for name in (_acronym, _colour))
    frame = pd.DataFrame({"id": ids, "acronym": acronyms, "colour": colours})

    def work() -> dict[str, Any]:
        found = []
        for at in np.floor(position[:SEARCHED] / LABEL_VOXELS + 0.5).astype(int):
            label = volume[tuple(at)]
            acronym = frame.loc[frame["id"] == label, "acronym"].item()
            colour = frame.loc[frame["id"] == label, "colour"].item()
            found.append((acronym, colour))
        return {"nodes": len(found), "crc_of_first": _checksum([acronym for acronym, _ in found])}

    return work


def _generated(root: Path) -> tuple[Array, Array, Array]:
    """Return the positions of the generated brain, labels for its space, and the ids of all structures."""
    import pandas as pd

    frame = pd.read_csv(root / "generated_nodes.csv", sep=";", usecols=["pos_x", "pos_y", "pos_z"])
    position = frame.to_numpy()
    rng = np.random.default_rng(0)
    ids = (rng.choice(10**6, STRUCTURES, replace=False) + 1).astype(np.uint32)
    shape = np.floor(position.max(axis=0) / LABEL_VOXELS).astype(int) + 2
    volume = rng.choice(ids, shape // CUBE + 1)
    for axis in range(3):
        volume = np.repeat(volume, CUBE, axis=axis)
    return position, volume, ids


def _acronym(row: int) -> str:
    return f"S{row}"


def _colour(row: int) -> str:
    return f"{row // 4:06X}"


def _checksum(texts: Sequence[str]) -> int:
    return zlib.crc32("\n".join(texts).encode())
