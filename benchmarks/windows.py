"""Batches of windows: ours against reading each window with xarray, and against a memory-mapped array as the limit.

Generated data: AR(1) noise, 64 channels, int16 with gain, four records of 100,000 samples; windows of 640 samples in
batches of 32, one process, warm disk cache. All ways are timed in turn, several rounds; figures are medians.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from connectome import schema, store
from connectome.loaders.recordings.transforms import CausalZScore
from connectome.loaders.torch import WindowDataset, WindowStream

if TYPE_CHECKING:
    import xarray as xr

N_RECORDS, N_CHANNELS, N_SAMPLES, WINDOW, BATCH = 4, 64, 100_000, 640, 32
ROUNDS = 5
GAIN = 0.1


class PerWindow(Dataset):  # type: ignore[type-arg]
    """What one writes first: open with xarray, select a window, let the loader collate."""

    def __init__(self, version: store.Version) -> None:
        self.groups = [version.open(name)["activity"].to_dataset() for name in version.manifest.records]
        self.per_record = N_SAMPLES // WINDOW

    def __len__(self) -> int:
        return len(self.groups) * self.per_record

    def __getitem__(self, index: int) -> torch.Tensor:
        group: xr.Dataset = self.groups[index // self.per_record]
        at = index % self.per_record * WINDOW
        return torch.from_numpy(group["signal"].isel(time=slice(at, at + WINDOW)).values.astype("float32") * GAIN)


def memmap_batches(path: Path, order: list[int], dtype: str) -> Iterator[torch.Tensor]:
    """Give batches of float32 windows from one memory-mapped array: the limit of copying memory."""
    signal = np.memmap(path, dtype=dtype, mode="r", shape=(N_RECORDS, N_CHANNELS, N_SAMPLES))
    gain = np.full((N_CHANNELS, 1), GAIN, dtype=np.float32)
    for first in range(0, len(order), BATCH):
        chosen = order[first : first + BATCH]
        batch = np.empty((len(chosen), N_CHANNELS, WINDOW), dtype=np.float32)
        for row, index in enumerate(chosen):
            record, at = divmod(index, N_SAMPLES // WINDOW)
            batch[row] = signal[record, :, at * WINDOW : (at + 1) * WINDOW]
            if dtype == "int16":
                batch[row] *= gain
        yield torch.from_numpy(batch)


def generate(root: Path) -> store.Version:
    """Write the generated records and the memory-mapped array."""
    generator = np.random.default_rng(0)
    repository = store.Repository(root / "store")
    recipe = store.Recipe(source="generated", source_version="1", inputs=())
    receipts, stored = [], []
    for at in range(N_RECORDS):
        noise = generator.normal(size=(N_CHANNELS, N_SAMPLES))
        for t in range(1, N_SAMPLES):
            noise[:, t] += 0.95 * noise[:, t - 1]
        signal = np.round(noise * 40).astype(np.int16)
        gain = np.full(N_CHANNELS, GAIN)
        names = [f"c{channel}" for channel in range(N_CHANNELS)]
        group = schema.series(
            signal, channel=names, units="uV", long_name="Generated", rate_hz=Fraction(160), gain=gain
        )
        receipts.append(
            store.write_record(
                schema.record({"activity": group}),
                repository.folder("generated"),
                record=f"r{at}",
                recipe=recipe,
                staging=repository.staging,
            )
        )
        stored.append(signal)
    repository.commit("generated", receipts)
    np.stack(stored).tofile(root / "memmap.i16")
    (np.stack(stored) * GAIN).astype(np.float32).tofile(root / "memmap.f32")
    return store.open_version("generated", root=root / "store")


def run() -> dict[str, Any]:
    """Return windows per second of every way, their ratios, and the sizes on disk."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        version = generate(root)
        dataset = WindowDataset(version, window=WINDOW)
        small_cache = WindowDataset(version, window=WINDOW, cache_bytes=8 << 20)
        causal = WindowDataset(version, window=WINDOW, transform=CausalZScore())
        stream = WindowStream(version, window=WINDOW, batch_size=BATCH)
        naive = PerWindow(version)
        order = np.random.default_rng(1).permutation(len(dataset)).tolist()
        ways: dict[str, Callable[[], Any]] = {
            "xarray isel per window, default_collate": lambda: DataLoader(naive, batch_size=BATCH, sampler=order),
            "memmap float32": lambda: memmap_batches(root / "memmap.f32", order, "float32"),
            "memmap int16, scaled": lambda: memmap_batches(root / "memmap.i16", order, "int16"),
            "WindowDataset, random order": lambda: DataLoader(dataset, batch_size=BATCH, sampler=order),
            "WindowDataset, random order, cache of 8 MiB": lambda: DataLoader(
                small_cache, batch_size=BATCH, sampler=order
            ),
            "WindowDataset, random order, causal z-score": lambda: DataLoader(causal, batch_size=BATCH, sampler=order),
            "WindowStream": lambda: stream,
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for round_ in range(ROUNDS + 1):
            for name, way in ways.items():
                started = time.perf_counter()
                for _ in way():
                    pass
                if round_:
                    times[name].append(time.perf_counter() - started)
        rates = {name: len(order) / statistics.median(values) for name, values in times.items()}
        limit, peer = rates["memmap float32"], rates["xarray isel per window, default_collate"]
        return {
            "windows_per_s": {name: round(rate) for name, rate in rates.items()},
            "ratio_to_xarray": {name: round(rate / peer, 2) for name, rate in rates.items()},
            "ratio_to_memmap": {name: round(rate / limit, 2) for name, rate in rates.items()},
            "bytes": {
                "store": version.manifest.size_bytes,
                "memmap float32": (root / "memmap.f32").stat().st_size,
                "memmap int16": (root / "memmap.i16").stat().st_size,
            },
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=1) + "\n")
