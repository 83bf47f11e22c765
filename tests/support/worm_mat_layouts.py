"""Generated files in the layouts of the worm recordings that are published as MATLAB files. Nothing was measured.

Every writer is seeded and returns what it wrote, so that tests compare with the numbers themselves. Sizes are small;
``worms`` says how many animals a file gets.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from connectome.pipelines.jobs import RawFile, RawFiles

from .matlab_files import StructArray, write_mat73

EMPTY = np.zeros((0, 0))
N_ROIS, N_SAMPLES = 9, 40
LABELS: tuple[Any, ...] = (
    "AVAL", "VB02", ["RIML", "RIMR", EMPTY], [EMPTY, EMPTY, EMPTY], EMPTY, ["AVBL", EMPTY, EMPTY], "AIB", "---", "XYZ7",
)  # fmt: skip
"""One worm's identities with every form that the laboratories write: name, padded name, several candidates, a cell of
nothing, nothing, a cell with one name, a class without a side, dashes, and no neuron's name."""
STATES_8 = ("fwd", "slow", "dt", "vt", "rev1", "rev2", "revsus", "nostate")


@dataclass
class Written:
    """What a file was made of."""

    path: Path
    worms: list[dict[str, Any]] = field(default_factory=list)


def raw_files(folder: Path) -> RawFiles:
    """Return every file below a folder by its relative path, as a fetch from a mirror would."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return RawFiles(
        [
            RawFile(
                path.relative_to(folder).as_posix(),
                path,
                path.stat().st_size,
                hashlib.sha256(path.read_bytes()).hexdigest(),
                verified=False,
            )
            for path in files
        ]
    )


def _traces(rng: np.random.Generator, dtype: Any = np.float64) -> np.ndarray:
    return rng.normal(0.1, 0.3, (N_SAMPLES, N_ROIS)).astype(dtype)


def _stamps(rng: np.random.Generator, fps: float) -> np.ndarray:
    return ((np.arange(N_SAMPLES) + rng.uniform(-0.01, 0.01, N_SAMPLES)) / fps + 0.35)[:, np.newaxis]


def kato_stim(path: Path, worms: int = 2, seed: int = 0) -> Written:
    """WT_Stim.mat: struct array with IDs, traces, states as codes and an oxygen stimulus."""
    rng = np.random.default_rng(seed)
    elements = []
    for at in range(worms):
        traces = _traces(rng)
        elements.append(
            {
                "dataset": f"TS2014060{at}_generated_1080s",
                "traces": traces,
                "traces_raw": traces + 0.5,
                "tracesDif": np.gradient(traces, axis=0),
                "IDs": list(LABELS),
                "timeVectorSeconds": _stamps(rng, 2.9),
                "fps": np.array([[2.9]]),
                "States": rng.integers(1, 5, (N_SAMPLES, 1)).astype(np.float64),
                "stimulus": {
                    "identity": "o2",
                    "type": "binarysteps",
                    "switchtimes": np.array([[4.0, 8.0, 12.0]]),
                    "initialstate": np.array([[1.0]]),
                    "conc": np.array([[4.0, 21.0]]),
                    "concunits": "%",
                },
            }
        )
    return Written(write_mat73(path, {"WT_Stim": StructArray(elements)}), elements)


def kato_nostim(path: Path, worms: int = 2, seed: int = 1) -> Written:
    """WT_NoStim.mat: other field names, single precision, ROIs named by their number, states as eight indicators."""
    rng = np.random.default_rng(seed)
    elements = []
    for at in range(worms):
        traces = _traces(rng, np.float32)
        codes = rng.integers(0, len(STATES_8), N_SAMPLES)
        names = ["AVAL", "2", "AVAR", "4", "VB02", "SMDDR", "7", "8", "RIS"]
        elements.append(
            {
                "dataset": f"TS2014071{at}_generated",
                "deltaFOverF": traces + np.float32(0.25),
                "deltaFOverF_bc": traces,
                "derivs": np.gradient(traces, axis=0),
                "NeuronNames": names,
                "tv": _stamps(rng, 3.1),
                "fps": np.array([[3.1]]),
                "States": {
                    name: (codes == code).astype(np.float64)[:, np.newaxis] for code, name in enumerate(STATES_8)
                },
            }
        )
    return Written(write_mat73(path, {"WT_NoStim": StructArray(elements)}), elements)


def zimmer_ids(path: Path, variable: str, worms: int = 2, seed: int = 2, stamps: str = "timeVectorSeconds") -> Written:
    """Files of Nichols 2017 and Skora 2018 (``timeVectorSeconds``) and of Uzel 2022 (``tv``)."""
    rng = np.random.default_rng(seed)
    elements = []
    for at in range(worms):
        traces = _traces(rng)
        element = {
            "dataset": f"{variable}_{at}_generated",
            "IDs": list(LABELS),
            "traces": traces,
            stamps: _stamps(rng, 4.1),
            "fps": np.array([[4.1]]),
        }
        if stamps == "tv":
            element |= {
                "derivatives": np.gradient(traces, axis=0),
                "options": {"derivAlpha": np.array([[1e-4]]), "derivIter": np.array([[10.0]]), "label": "tvd"},
            }
        else:
            element["FourStates"] = {"fourStates": rng.integers(1, 5, (N_SAMPLES, 1)).astype(np.uint8)}
        elements.append(element)
    return Written(write_mat73(path, {variable: StructArray(elements)}), elements)


def kaplan(path: Path, variable: str, worms: int = 2, seed: int = 3) -> Written:
    """Neuron2019_Data_*.mat: one struct whose fields are cells, one per worm."""
    rng = np.random.default_rng(seed)
    elements = [
        {
            "neuron_ID": list(LABELS),
            "traces_bleach_corrected": _traces(rng),
            "time_vector": _stamps(rng, 5.0),
            "fps": np.array([[5.0]]),
        }
        for _ in range(worms)
    ]
    fields = {name: [element[name] for element in elements] for name in elements[0]}
    return Written(write_mat73(path, {variable: fields}), elements)


def _cells(values: list[Any], *, row: bool = False) -> np.ndarray:
    """Return a cell array of MATLAB in the form that scipy writes."""
    cells = np.empty((len(values), 1), dtype=object)
    for at, value in enumerate(values):
        cells[at, 0] = value
    return cells.T if row else cells


YEMINI_CLASSES: tuple[tuple[str, bool], ...] = (
    ("AVA", True),
    ("AVG", False),
    ("AWC", True),
    ("RMD", True),
    ("I5", False),
)
"""Class, and whether it has two sides and so twice as many cells as there are worms."""


def yemini(path: Path, worms: int = 3, seed: int = 4, *, raw: bool = True) -> Written:
    """Head_Activity_*.mat: classes, all left cells and then all right ones, a mask, and empty cells for lost neurons.

    In worm 2 the right AVA is missing; AWC of worm 1 has NaN in the mask although it has two sides.
    """
    rng = np.random.default_rng(seed)
    made: list[dict[str, Any]] = [{"traces": {}, "sides": {}} for _ in range(worms)]
    norm, plain, masks = [], [], []
    for at, (name, sided) in enumerate(YEMINI_CLASSES):
        n_cells = worms * (2 if sided else 1)
        mask = np.full((1, n_cells), np.nan)
        if sided:
            mask[0, :worms], mask[0, worms:] = 1, 0
        if name == "AWC":
            mask[0, [0, worms]] = np.nan
        cells, raw_cells = [], []
        for cell in range(n_cells):
            lost = name == "AVA" and worms > 1 and cell == worms + 1
            trace = rng.uniform(0, 1, (1, N_SAMPLES))
            trace[0, :3] = 0
            trace[0, 5] = np.nan
            cells.append(EMPTY if lost else trace)
            raw_cells.append(EMPTY if lost else 100 * trace)
            if not lost:
                made[cell % worms]["traces"][f"{at + 1}:{cell + 1}"] = trace[0]
                made[cell % worms]["sides"][f"{at + 1}:{cell + 1}"] = float(mask[0, cell])
        norm.append(_cells(cells, row=True))
        plain.append(_cells(raw_cells, row=True))
        masks.append(mask)
    variables: dict[str, Any] = {
        "fps": np.array([[4.0]]),
        "files": _cells([f"generated_{at}_head" for at in range(1, worms + 1)]),
        "neurons": _cells([name for name, _ in YEMINI_CLASSES]),
        "is_L": _cells(masks),
        "norm_traces": _cells(norm),
        "stim_names": _cells(["butanone", "pentanedione", "NaCl"]),
        "stim_times": np.array([[2.0, 4.0], [5.0, 7.0]]),
        "stims": np.array([[1 + at % 3, 1 + (at + 1) % 3] for at in range(worms)], dtype=np.uint8),
    }
    if raw:
        variables["traces"] = _cells(plain)
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, variables)
    return Written(path, made)


LIN_LABELS = ("AWAL", "AWAR", "ASEL", "ASH", "", "AWAL")


def lin(path: Path, seed: int = 5) -> Written:
    """One worm of Lin 2023: the first sample NaN, the stamps last in a struct, the last ROI not used by the authors."""
    rng = np.random.default_rng(seed)
    n_rois = len(LIN_LABELS)
    traces = rng.uniform(50, 200, (n_rois, N_SAMPLES))
    traces[:, 0] = np.nan
    traces[2, 7:9] = np.nan
    baseline = rng.uniform(50, 60, (n_rois, 2))
    used = np.array([[1.0], [1.0], [1.0], [1.0], [0.0], [0.0]])
    stamps = np.cumsum(rng.uniform(0.35, 0.4, N_SAMPLES))[np.newaxis]
    times = np.empty((1, 1), dtype=[("odor_inds", object), ("times", object)])
    times[0, 0] = (np.array([[3.0, 9.0]]), stamps)
    labels = _cells([label or EMPTY for label in LIN_LABELS])
    variables = {
        "use_flag": used,
        "proofread_neurons": labels,
        "times": times,
        "corrected_F": traces,
        "F_0": baseline,
        "odor_seq": _cells(["1-octanol", "geraniol"]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, variables)
    return Written(path, [{"traces": traces, "stamps": stamps[0], "used": used.ravel(), "baseline": baseline}])
