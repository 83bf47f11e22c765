"""A generated session of Visual Coding - Neuropixels with natural scenes: the layout is real, no spike was measured.

118 scenes and a blank, shown for 0.25 s back to back in three blocks, each scene as often in every block. Units fire
at a rate of their own for every scene, 50 ms after its onset, times a gain that drifts from block to block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from support.allen_layouts import CHANNELS, _electrodes, _started
from support.nwb_sessions import add_units, table

if TYPE_CHECKING:
    from pathlib import Path

SESSION_ID, N_BLOCKS, N_FRAMES, LAG_S, DURATION_S = 900000007, 3, 119, 0.05, 0.25


def scenes(path: Path, *, n_units: int = 40, repeats_per_block: int = 2, seed: int = 0) -> None:
    """Write a session; the last two units fail the default filter."""
    random = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    starts, frames, blocks = [], [], []
    for block in range(N_BLOCKS):
        order = random.permutation(np.tile(np.arange(-1, N_FRAMES - 1), repeats_per_block))
        begin = 10.0 + block * (len(order) * DURATION_S + 30.0)
        starts.append(begin + np.arange(len(order)) * DURATION_S)
        frames.append(order)
        blocks.append(np.full(len(order), float(block + 2)))
    start, frame, block = np.concatenate(starts), np.concatenate(frames), np.concatenate(blocks)
    rate_hz = random.lognormal(2.0, 0.9, size=(n_units, N_FRAMES))
    gain = random.lognormal(0.0, 0.2, size=(n_units, N_BLOCKS))
    trains = []
    for unit in range(n_units):
        expected = rate_hz[unit, frame + 1] * gain[unit, (block - 2).astype(int)] * DURATION_S
        counts = random.poisson(expected)
        onset = np.repeat(start + LAG_S, counts)
        times = np.unique(np.round(onset + random.uniform(0, DURATION_S, len(onset)), 6))
        trains.append(np.concatenate([[1.0], times, [start[-1] + 5.0]]))
    good = np.arange(n_units) < n_units - 2
    with _started(path, str(SESSION_ID), "brain_observatory_1.1") as file:
        _electrodes(file)
        units = add_units(
            file, trains, index="int64", peak_channel_id=np.full(n_units, CHANNELS[0]),
            quality=np.where(good, "good", "noise").tolist(), presence_ratio=np.full(n_units, 0.99),
            isi_violations=np.full(n_units, 0.1), amplitude_cutoff=np.full(n_units, 0.05),
        )  # fmt: skip
        units["id"][...] = 960000000 + np.arange(n_units)
        table(file, "intervals/natural_scenes_presentations", {
            "id": np.arange(len(start)), "start_time": start, "stop_time": start + DURATION_S,
            "frame": frame.astype(np.float64), "stimulus_block": block,
            "stimulus_name": ["natural_scenes"] * len(start),
        }, kind="TimeIntervals")  # fmt: skip
