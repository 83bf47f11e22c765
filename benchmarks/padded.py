"""The way of the 2024 release: one pickle per set, every worm a zero-padded half-precision array of 300 slots.

Written anew after its published form, to be timed beside the store: named neurons at
their fixed slot, the others in free slots at random (seeded here), and windows cut into a list in memory. What the
release does besides (imputing, smoothing, resampling, z-scores, and seven more arrays of this size per worm) is left
out, so its figures here are kinder than they were.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from .worms import SLOTS, Worm, load_raw

__all__ = ["build", "load", "pad", "windows"]

_SLOT_OF = {name: at for at, name in enumerate(SLOTS)}


def pad(worm: Worm) -> dict[str, Any]:
    """Return a worm as a padded array (time, 300), its stamps in half precision, and where named neurons are."""
    found = load_raw(worm)
    slots = np.array([_SLOT_OF.get(label, -1) for label in found.labels])
    named = np.zeros(len(SLOTS), dtype=bool)
    named[slots[slots >= 0]] = True
    generator = np.random.default_rng(worm.number)
    slots[slots < 0] = generator.choice(np.flatnonzero(~named), size=int((slots < 0).sum()), replace=False)
    padded = np.zeros((len(found.time_s), len(SLOTS)), dtype=np.float16)
    padded[:, slots] = found.traces.T
    return {
        "source_dataset": worm.set.name,
        "worm": f"worm{worm.number}",
        "calcium_data": padded,
        "time_in_seconds": found.time_s.astype(np.float16),
        "labeled_neurons_mask": named,
    }


def build(worms: list[Worm], folder: Path) -> None:
    """Write one pickle per set."""
    folder.mkdir()
    for name, group in groupby(worms, key=lambda worm: worm.set.name):
        made = {f"worm{worm.number}": pad(worm) for worm in group}
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(made))


def load(folder: Path) -> Iterator[dict[str, Any]]:
    """Read every worm back, set by set, from pickles that this process's own benchmark wrote."""
    for path in sorted(folder.glob("*.pickle")):
        yield from pickle.loads(path.read_bytes()).values()


def windows(folder: Path, *, window: int) -> list[dict[str, Any]]:
    """Cut all windows into memory, as tensors of their own."""
    import torch

    samples = []
    for worm in load(folder):
        padded, mask = torch.from_numpy(worm["calcium_data"]), torch.from_numpy(worm["labeled_neurons_mask"])
        for start in range(0, len(padded) - window + 1, window):
            signal = padded[start : start + window].clone()
            samples.append({"signal": signal, "mask": mask, "worm": f"{worm['source_dataset']}-{worm['worm'][4:]}"})
    return samples
