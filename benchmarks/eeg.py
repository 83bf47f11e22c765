"""Windows of scalp EEG: ours beside MNE-Python, braindecode, a memory map, Arrow rows and HDF5 slices, in one run.

Four runs of subject S001 of the EEG Motor Movement/Imagery Dataset (Schalk et al. 2004,
doi:10.1109/TBME.2004.827072) where the real files are at hand (``CONNECTOME_TEST_DATA``), else generated EDF files of
their shape: 64 channels, 160 Hz, 125 s each, int16. An epoch is 320 windows of 4 s that start anywhere, the same for
all ways, in batches of 32 as float32, in one process; the first epoch of each is not in the medians and given apart.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mne
import numpy as np
import torch
from torch.utils.data import DataLoader

from connectome import store
from connectome.loaders.torch import WindowDataset, WindowStream
from connectome.pipelines.importing import import_files

if TYPE_CHECKING:
    from mne.io import BaseRaw

Array = np.ndarray[Any, Any]
RUNS = ("S001R04", "S001R06", "S001R10", "S001R14")
N_CHANNELS, N_SAMPLES, RATE_HZ, WINDOW = 64, 20_000, 160, 640
N_WINDOWS, BATCH, ROUNDS = 320, 32, 7
ROW = WINDOW
"""Samples of a row of the Arrow table: rows cannot be cut elsewhere, so a window needs two of them."""


def find_files(folder: Path) -> tuple[list[Path], str]:
    """Return the EDF files and what they are; generated ones are written into the folder."""
    default = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    real = Path(os.environ.get("CONNECTOME_TEST_DATA", default)) / "eeg" / "physionet_eegmmidb"
    if all((real / f"{run}.edf").is_file() for run in RUNS):
        return [real / f"{run}.edf" for run in RUNS], "eegmmidb S001"
    import edfio

    generator = np.random.default_rng(0)
    for run in RUNS:
        walk = np.cumsum(generator.normal(size=(N_CHANNELS, N_SAMPLES)), axis=1)
        walk -= walk.mean(axis=1, keepdims=True)
        edfio.Edf(
            [
                edfio.EdfSignal(
                    np.clip(np.round(row * 5), -8092, 8092), RATE_HZ, label=f"c{at}", physical_dimension="uV",
                    physical_range=(-8092, 8092), digital_range=(-8092, 8092),
                )
                for at, row in enumerate(walk)
            ]
        ).write(folder / f"{run}.edf")  # fmt: skip
    return [folder / f"{run}.edf" for run in RUNS], "generated"


def braindecode_datasets(lazy: list[BaseRaw], loaded: list[BaseRaw]) -> dict[str, Any]:
    """Return its datasets of all windows that start anywhere; none where it cannot be imported.

    It imports torchaudio for its models; where a build of that does not fit torch, neither can be imported.
    """
    try:
        # A second try to import braindecode would succeed, with what the first one left half made.
        import torchaudio  # noqa: F401
        from braindecode.datasets import BaseConcatDataset, RawDataset
        from braindecode.preprocessing import create_fixed_length_windows
    except (ImportError, OSError):
        return {}

    def windows(raws: list[BaseRaw], *, epochs: bool) -> Any:
        recordings = BaseConcatDataset([RawDataset(raw, {"record": at}) for at, raw in enumerate(raws)])
        return create_fixed_length_windows(
            recordings, window_size_samples=WINDOW, window_stride_samples=1, drop_last_window=True, preload=False,
            use_mne_epochs=epochs,
        )  # fmt: skip

    return {
        "braindecode, lazy EEGWindowsDataset": windows(lazy, epochs=False),
        "braindecode, preloaded EEGWindowsDataset": windows(loaded, epochs=False),
        "braindecode, lazy WindowsDataset": windows(lazy, epochs=True),
    }


def signal_of(batch: Any) -> torch.Tensor:
    """Return the samples of a batch of any way, in microvolts."""
    if isinstance(batch, dict):
        signal: torch.Tensor = batch["signal"]
        return signal
    # braindecode gives (X, y, crop_inds), in volts.
    return batch[0] * 1e6 if isinstance(batch, list) else batch


class Ways:
    """Every way to the same windows: epochs of float32 batches of shape (window, channel, time), in microvolts."""

    def __init__(self, files: list[Path], folder: Path) -> None:
        self.folder = folder
        random = np.random.default_rng(1)
        self.record = random.integers(0, len(files), N_WINDOWS)
        self.start = random.integers(0, N_SAMPLES - WINDOW + 1, N_WINDOWS)
        for path in files:
            import_files(store.Repository(folder / "store"), [path], dataset="eeg", format="mne", record=path.stem)
        self.version = store.open_version("eeg", root=folder / "store")
        options: dict[str, Any] = {"group": "signal", "window": WINDOW}
        self.dataset = WindowDataset(self.version, stride=1, **options)
        self.cold = WindowDataset(self.version, stride=1, cache_bytes=2 << 20, **options)
        # As many windows as the others have: the stream chooses its own order.
        self.stream = WindowStream(
            self.version, stride=len(files) * (N_SAMPLES - WINDOW) // N_WINDOWS, batch_size=BATCH, **options
        )
        at = self.dataset.source.index.first[[self.dataset.records.index(path.stem) for path in files]]
        self.numbers = (at[self.record] + self.start).tolist()
        self.anywhere = (self.record * (N_SAMPLES - WINDOW + 1) + self.start).tolist()
        self.lazy = [mne.io.read_raw_edf(path, preload=False, verbose="error") for path in files]
        self.loaded = [raw.copy().load_data(verbose="error") for raw in self.lazy]
        self.epochs = [self._epochs(raw, at) for at, raw in enumerate(self.lazy)]
        self.braindecode = braindecode_datasets(self.lazy, self.loaded)
        self.place = [int((self.record[:at] == self.record[at]).sum()) for at in range(N_WINDOWS)]
        groups = [self.version.open(path.stem)["signal"].to_dataset() for path in files]
        self.stored = np.stack([group["signal"].values for group in groups])
        self.gain = np.stack([group["gain"].values for group in groups]).astype(np.float32)[:, :, None]
        self.stored.tofile(folder / "memmap.i16")
        self.mapped = np.memmap(folder / "memmap.i16", dtype="<i2", mode="r", shape=self.stored.shape)
        self.rows = self._arrow()
        self.hdf5 = self._hdf5()

    def _epochs(self, raw: BaseRaw, at: int) -> mne.Epochs:
        starts = self.start[self.record == at]
        events = np.column_stack([starts, np.zeros_like(starts), np.arange(len(starts))])
        return mne.Epochs(
            raw, events, tmin=0, tmax=(WINDOW - 1) / RATE_HZ, baseline=None, preload=False, event_repeated="error",
            reject_by_annotation=False, verbose="error",
        ).drop_bad(verbose="error")  # fmt: skip

    def _arrow(self) -> Any:
        """Rows of 4 s with all channels, as a library of rows wants them."""
        from datasets import Array2D, Dataset, Features
        from datasets.utils.logging import disable_progress_bar

        count = N_SAMPLES // ROW
        made = {"signal": [run[:, at * ROW : (at + 1) * ROW] for run in self.stored for at in range(count)]}
        features = Features({"signal": Array2D((N_CHANNELS, ROW), "int16")})
        disable_progress_bar()
        Dataset.from_dict(made, features=features).save_to_disk(self.folder / "rows")
        return Dataset.load_from_disk(str(self.folder / "rows")).with_format("numpy")

    def _hdf5(self) -> list[Any]:
        """One lazily opened file per run; (time, channel), as temporaldata and torch_brain have them."""
        import h5py
        from temporaldata import Data, RegularTimeSeries

        found = []
        for at, run in enumerate(self.stored):
            path = self.folder / f"{at}.h5"
            series = RegularTimeSeries(signal=np.ascontiguousarray(run.T), sampling_rate=float(RATE_HZ))
            with h5py.File(path, "w") as file:
                Data(eeg=series, domain=series.domain).to_hdf5(file)
            found.append(Data.from_hdf5(h5py.File(path), lazy=True))
        return found

    def batches(self, window: Callable[[int], Array]) -> Iterator[torch.Tensor]:
        """Stack what one function gives per window, as float32."""
        for first in range(0, N_WINDOWS, BATCH):
            batch = np.empty((BATCH, N_CHANNELS, WINDOW), dtype=np.float32)
            for at in range(BATCH):
                batch[at] = window(first + at)
            yield torch.from_numpy(batch)

    def map_batches(self) -> Iterator[torch.Tensor]:
        """Give what a careful user gets from a memory-mapped array: one cast into the batch, scaled in place."""
        for first in range(0, N_WINDOWS, BATCH):
            batch = np.empty((BATCH, N_CHANNELS, WINDOW), dtype=np.float32)
            for at in range(BATCH):
                record, start = self.record[first + at], self.start[first + at]
                batch[at] = self.mapped[record, :, start : start + WINDOW]
                batch[at] *= self.gain[record]
            yield torch.from_numpy(batch)

    def from_rows(self, at: int) -> Array:
        """Join the two rows that a window touches and cut it out."""
        count = N_SAMPLES // ROW
        first = min(self.start[at] // ROW, count - 2)
        rows = self.rows[self.record[at] * count + first : self.record[at] * count + first + 2]["signal"]
        start = min(self.start[at] - first * ROW, ROW)
        return np.concatenate(list(rows), axis=1)[:, start : start + WINDOW] * self.gain[self.record[at]]

    def from_hdf5(self, at: int) -> Array:
        """Slice by time, as a torch_brain dataset does."""
        start_s = self.start[at] / RATE_HZ
        values = self.hdf5[self.record[at]].slice(start_s, start_s + WINDOW / RATE_HZ).eeg.signal
        return values[:WINDOW].T * self.gain[self.record[at]]

    def from_raw(self, raws: list[Any], at: int) -> Array:
        """Ask MNE for the samples, in microvolts: what braindecode's EEGWindowsDataset does per item."""
        start = self.start[at]
        return raws[self.record[at]].get_data(start=start, stop=start + WINDOW) * 1e6

    def from_epochs(self, at: int) -> Array:
        """Ask lazy epochs for one item, as braindecode's WindowsDataset does."""
        return self.epochs[self.record[at]].get_data(item=self.place[at], copy=False, verbose="error")[0] * 1e6

    def named(self) -> dict[str, Callable[[], Any]]:
        """Return every way by its name."""
        return {
            "np.memmap int16, scaled": self.map_batches,
            "MNE lazy, get_data": lambda: self.batches(lambda at: self.from_raw(self.lazy, at)),
            "MNE preloaded, get_data": lambda: self.batches(lambda at: self.from_raw(self.loaded, at)),
            "mne.Epochs lazy, get_data(item=i)": lambda: self.batches(self.from_epochs),
            **{
                name: lambda dataset=dataset: DataLoader(dataset, batch_size=BATCH, sampler=self.anywhere)
                for name, dataset in self.braindecode.items()
            },
            "datasets (Arrow), rows of 4 s": lambda: self.batches(self.from_rows),
            "temporaldata (HDF5), slice": lambda: self.batches(self.from_hdf5),
            "WindowDataset": lambda: DataLoader(self.dataset, batch_size=BATCH, sampler=self.numbers),
            "WindowDataset, cache of 2 MiB": lambda: DataLoader(self.cold, batch_size=BATCH, sampler=self.numbers),
            "WindowStream": lambda: self.stream,
        }


def check(ways: Ways) -> None:
    """Compare all that give the same windows in the same order."""
    first = {}
    for name, way in ways.named().items():
        first[name] = signal_of(next(iter(way()))).numpy()
    expected = first["np.memmap int16, scaled"]
    for name, found in first.items():
        # The last 160 samples of a run are in no whole row, and the stream has an order of its own.
        if name not in {"WindowStream", "datasets (Arrow), rows of 4 s"}:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3, err_msg=name)


def size_bytes(path: Path) -> int:
    """Return the bytes of a file or of all files in a folder."""
    return (
        path.stat().st_size if path.is_file() else sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    )


def run() -> dict[str, Any]:
    """Return milliseconds per window of every way, ratios, and bytes on disk."""
    mne.set_log_level("ERROR")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, data = find_files(folder)
        ways = Ways(files, folder)
        check(ways)
        times: dict[str, list[float]] = {name: [] for name in ways.named()}
        for _ in range(ROUNDS + 1):
            for name, way in ways.named().items():
                n_windows, started = 0, time.perf_counter()
                for batch in way():
                    n_windows += len(batch[0] if isinstance(batch, list) else signal_of(batch))
                times[name].append((time.perf_counter() - started) * 1e3 / n_windows)
        medians = {name: statistics.median(found[1:]) for name, found in times.items()}
        edf = sum(size_bytes(path) for path in files)
        disk = {
            "EDF": edf,
            "store": ways.version.manifest.size_bytes,
            "np.memmap int16": size_bytes(folder / "memmap.i16"),
            "datasets (Arrow)": size_bytes(folder / "rows"),
            "temporaldata (HDF5)": sum(size_bytes(path) for path in folder.glob("*.h5")),
            "MNE preloaded, memory": sum(8 * int(raw.n_times) * len(raw.ch_names) for raw in ways.loaded),
        }
        return {
            "data": data,
            "ms_per_window": {name: round(value, 4) for name, value in medians.items()},
            "ms_per_window_first_epoch": {name: round(found[0], 4) for name, found in times.items()},
            "dataset_rate_over": {name: round(value / medians["WindowDataset"], 2) for name, value in medians.items()},
            "stream_rate_over": {name: round(value / medians["WindowStream"], 2) for name, value in medians.items()},
            "bytes": disk,
            "bytes_over_edf": {name: round(value / edf, 3) for name, value in disk.items()},
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=1) + "\n")
