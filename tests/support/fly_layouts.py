"""Generated tables of neurons in the layouts of FlyWire, the hemibrain, MaleCNS and CAVE: no number in them is real.

Sizes are small and ids as long as the real ones, so that a detour through a float would change them.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import feather, parquet

ROOT_IDS = 720575940600000001
"""FlyWire's ids have 18 digits, more than a float holds."""
NEUROPILS = ("AL_L", "AL_R", "MB_CA_R", "LO_R")
TRANSMITTERS = ("gaba", "ach", "glut", "oct", "ser", "da")


def root_ids(n_neurons: int, *, seed: int = 0) -> np.ndarray[Any, Any]:
    """Return ids of neurons, in no order."""
    chance = np.random.default_rng(seed)
    return ROOT_IDS + 2 * chance.permutation(n_neurons * 10)[:n_neurons].astype(np.int64)


def flywire(folder: Path, *, n_neurons: int = 40, n_rows: int = 300, seed: int = 0) -> np.ndarray[Any, Any]:
    """Write connections, neurons and annotations of a generated brain; return its ids."""
    chance = np.random.default_rng(seed)
    ids = root_ids(n_neurons, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "proofread_root_ids_783.npy", ids.astype(np.uint64))
    columns = {
        "pre_pt_root_id": chance.choice(ids, n_rows),
        "post_pt_root_id": chance.choice(ids, n_rows),
        "neuropil": pa.array(chance.choice(NEUROPILS, n_rows).tolist()),
        "syn_count": chance.integers(1, 30, n_rows),
        **{f"{name}_avg": chance.random(n_rows).astype(np.float32) for name in TRANSMITTERS},
    }
    feather.write_feather(pa.table(columns), str(folder / "proofread_connections_783.feather"))
    head = "supervoxel_id root_id pos_x pos_y pos_z soma_x soma_y soma_z super_class cell_type top_nt top_nt_conf side"
    lines = ["\t".join(head.split())]
    for at, identifier in enumerate(ids[1:].tolist()):
        soma = ["", "", ""] if at % 3 == 0 else [str(at), "2.5", "3"]
        row = [
            str(7 * 10**16 + at),
            str(identifier),
            "1",
            "2",
            "3",
            *soma,
            "central",
            f"T{at % 5}",
            "gaba",
            "0.91",
            "left",
        ]
        lines.append("\t".join(row))
    (folder / "Supplemental_file1_neuron_annotations.tsv").write_text("\n".join(lines) + "\n")
    return ids


def hemibrain(path: Path, *, n_neurons: int = 30, n_pairs: int = 200, seed: int = 0) -> None:
    """Write the archive of traced adjacencies of a generated brain."""
    chance = np.random.default_rng(seed)
    ids = np.sort(chance.choice(np.arange(200_000_000, 5_900_000_000, 977), n_neurons, replace=False))
    neurons = ["bodyId,type,instance"]
    neurons += [f'{body},{f"PEN{at % 4}" if at % 5 else ""},"PEN(PB05a)_L{at},x"' for at, body in enumerate(ids)]
    totals, regions = ["bodyId_pre,bodyId_post,weight"], ["bodyId_pre,bodyId_post,roi,weight"]
    pairs = chance.choice(n_neurons**2, n_pairs, replace=False)
    for pair in pairs.tolist():
        ends = f"{ids[pair // n_neurons]},{ids[pair % n_neurons]}"
        weights = chance.integers(1, 20, 2)
        totals.append(f"{ends},{weights.sum()}")
        regions += [f"{ends},EB,{weights[0]}", f"{ends},NotPrimary,{weights[1]}"]
    tables = {"traced-neurons": neurons, "traced-total-connections": totals, "traced-roi-connections": regions}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, lines in tables.items():
            content = ("\n".join(lines) + "\n").encode()
            member = tarfile.TarInfo(f"exported-traced-adjacencies-v1.2/{name}.csv")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    # A fixed time, or the bytes differ from second to second.
    path.write_bytes(gzip.compress(archive.getvalue(), mtime=0))


def malecns(folder: Path, *, n_bodies: int = 30, n_rows: int = 200, seed: int = 0) -> None:
    """Write weights, annotations and transmitters of a generated nervous system; one body is not annotated."""
    chance = np.random.default_rng(seed)
    bodies = np.sort(chance.choice(np.arange(10_000, 900_000, 7), n_bodies, replace=False)).astype(np.int64)
    folder.mkdir(parents=True, exist_ok=True)
    release = "male-cns-v1.0"
    types = [f"DNge{at % 6}" if at % 4 else None for at in range(n_bodies)]
    pre, post = chance.choice(bodies, n_rows), chance.choice(bodies, n_rows)
    pre[0] = bodies[-1]
    weights = {"body_pre": pre, "body_post": post, "weight": chance.integers(1, 99, n_rows).astype(np.int32)}
    edges = folder / f"connectome-weights-{release}-minconf-0.5-traced-only.feather"
    feather.write_feather(pa.table(weights), str(edges))
    annotations = pa.table({
        "bodyId": bodies[:-1],
        "type": pa.array(types[:-1]),
        "status": pa.array(["Traced"] * (n_bodies - 1)).dictionary_encode(),
        "somaLocation": pa.array([[at, 2, 3] if at % 2 else None for at in range(n_bodies - 1)]),
        "assignedOlHex1": pa.array([float(at) if at % 3 else None for at in range(n_bodies - 1)]),
        "group": pa.array([at if at % 3 else None for at in range(n_bodies - 1)], pa.int64()),
        "somaNeuromere": pa.array([None] * (n_bodies - 1), pa.string()),
    })  # fmt: skip
    feather.write_feather(annotations, str(folder / f"body-annotations-{release}-minconf-0.5.feather"))
    transmitters = pa.table({
        "body": bodies[::-1],
        "consensus_nt": pa.array(["acetylcholine" if at % 2 else "gaba" for at in range(n_bodies)]),
        "type": pa.array(["another word"] * n_bodies),
    })  # fmt: skip
    feather.write_feather(transmitters, str(folder / f"body-neurotransmitters-{release}.feather"))


def cave_synapses(path: Path, *, n_rows: int = 50, seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Write a table of synapses as a CAVE client saves it; return both columns of ids."""
    chance = np.random.default_rng(seed)
    ids = 864691135000000001 + 2 * chance.permutation(100)[:12].astype(np.int64)
    pre, post = chance.choice(ids, n_rows), chance.choice(ids, n_rows)
    columns = {
        "id": np.arange(n_rows) + 10**8,
        "pre_pt_root_id": pre,
        "post_pt_root_id": post,
        "size": chance.integers(100, 9000, n_rows),
        **{f"ctr_pt_position_{axis}": chance.integers(0, 10**5, n_rows) for axis in "xyz"},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if path.suffix == ".csv":
        cells = zip(*(values.tolist() for values in columns.values()), strict=True)
        rows = [",".join(columns), *(",".join(map(str, row)) for row in cells)]
        path.write_text("\n".join(rows) + "\n")
    elif path.suffix == ".parquet":
        parquet.write_table(table, str(path))
    else:
        feather.write_feather(table, str(path))
    return pre, post
