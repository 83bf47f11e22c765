"""Generated tables in the layouts of VesselGraph's zip files: small, and no number in them is real."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NODES = "id;pos_x;pos_y;pos_z;degree;isAtSampleBorder"
MEASURES = (
    "length;distance;curveness;volume;avgCrossSection;minRadiusAvg;minRadiusStd;avgRadiusAvg;avgRadiusStd;"
    "maxRadiusAvg;maxRadiusStd;roundnessAvg;roundnessStd"
)
REGIONS = ("bgr", "root", "CUL4", "VISC")


def vessel_tables(
    folder: Path,
    identifier: str,
    *,
    n_nodes: int = 12,
    n_edges: int = 20,
    processed: bool = True,
    measured: bool = True,
    regions: bool = False,
    seed: int = 0,
) -> None:
    """Write the tables of a generated graph.

    Parameters
    ----------
    folder : Path
        Made if need be.
    identifier : str
        Begin of the file names.
    n_nodes, n_edges : int
        Sizes; two edges have no valid voxels (-1).
    processed : bool
        Degrees by endpoint and names as VesselGraph's tools write them, else as Voreen does.
    measured : bool
        Whether edges have what Voreen measures; the brains of the Kleinfeld laboratory do not.
    regions : bool
        Whether to write the one-hot table of regions too.
    seed : int
        Of all numbers.
    """
    chance = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    position = chance.integers(0, 500, (n_nodes, 3))
    ends = chance.integers(0, n_nodes, (n_edges, 2))
    degree = np.bincount(ends.ravel(), minlength=n_nodes)
    suffix = "_processed" if processed else ""
    rows = [f"{at};{x};{y};{z};{degree[at]};{int(at == 0)}" for at, (x, y, z) in enumerate(position.tolist())]
    (folder / f"{identifier}_nodes{suffix}.csv").write_text("\n".join([NODES, *rows]) + "\n")
    header = "id;node1id;node2id"
    rows = [f"{at};{one};{two}" for at, (one, two) in enumerate(ends.tolist())]
    if measured:
        header += f";{MEASURES};node1_degree;node2_degree;num_voxels;hasNodeAtSampleBorder"
        for at, (one, two) in enumerate(ends.tolist()):
            distance = float(np.linalg.norm(position[one] - position[two]))
            along = [distance * 1.1, distance, 1.1 if distance else 0]
            values = [-1.0] * 10 if at < 2 else [50, 4.5, 1.5, 0.2, 2.5, 0.3, 3.5, 0.4, 0.5, 0.1]
            degrees = [degree[one], degree[two]] if processed else sorted([degree[one], degree[two]])
            cells = [*along, *values, *degrees, 0 if at < 2 else 5, int(0 in (one, two))]
            rows[at] += "".join(f";{cell:g}" for cell in cells)
    (folder / f"{identifier}_edges{suffix}.csv").write_text("\n".join([header, *rows]) + "\n")
    if regions:
        header = ";".join(f"Region_Acronym_{name}" for name in REGIONS)
        rows = [";".join(str(int(at % len(REGIONS) == code)) for code in range(len(REGIONS))) for at in range(n_nodes)]
        (folder / f"{identifier}_atlas_processed.csv").write_text("\n".join([header, *rows]) + "\n")
