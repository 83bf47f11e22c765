"""A session as large as those of Visual Coding, from its NWB file into the store and back out by the second.

Generated: 2,779 units and 131,242,535 spikes in 9,600 s, as many as session 715093703 has (Siegle, Jia et al. 2021,
doi:10.1038/s41586-020-03171-x), with rates that are log-normal over units; times are whole microseconds as float64,
grouped by unit, with an amplitude per spike, as NWB has them. Nothing about an animal follows from it.
``CONNECTOME_BENCHMARK_SCALE`` says which part of the units and spikes is made, by default a fiftieth. Every step runs
in a process of its own; its peak of memory is what it adds to the interpreter with everything imported.

Two sessions are made, one with spikes alone, whose record is what a spike takes on disk, and one with amplitudes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .stages import part_of_whole, run_stage, run_timed

SCALE = 0.02
N_UNITS, N_SPIKES, SESSION_S = 2_779, 131_242_535, 9_600
TICK_HZ = 1_000_000
N_WINDOWS = 200
DATASET, RECORD = "generated-session", "session"


def write_generated_session(path: Path, *, n_units: int, n_spikes: int, session_s: int, amplitudes: bool) -> None:
    """Write an NWB file whose units fire at random; the same arguments give the same values.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    n_units, n_spikes : int
        How many, exactly.
    session_s : int
        Length of the session in seconds.
    amplitudes : bool
        Whether every spike has one.
    """
    import h5py

    rng = np.random.default_rng(715093703)
    rate = rng.lognormal(0.8, 1.1, n_units)
    counts = rng.multinomial(n_spikes, rate / rate.sum())
    ends = np.cumsum(counts)
    with h5py.File(path, "w") as file:
        file.attrs.update({"neurodata_type": "NWBFile", "namespace": "core", "nwb_version": "2.2.2"})
        for name, text in {
            "identifier": RECORD, "session_description": "generated", "session_start_time": "2019-01-19T00:00:00+00:00",
            "timestamps_reference_time": "2019-01-19T00:00:00+00:00",
        }.items():  # fmt: skip
            file[name] = text
        units = file.create_group("units")
        columns = ["spike_times", "spike_amplitudes"] if amplitudes else ["spike_times"]
        units.attrs.update({"neurodata_type": "Units", "namespace": "core", "description": "generated units"})
        units.attrs["colnames"] = columns
        units["id"] = np.arange(n_units)
        for name in columns:
            column = units.create_dataset(name, shape=(n_spikes,), dtype="float64", chunks=(min(n_spikes, 1 << 17),))
            column.attrs.update({"neurodata_type": "VectorData", "namespace": "core", "description": name})
            index = units.create_dataset(f"{name}_index", data=ends)
            index.attrs.update({"neurodata_type": "VectorIndex", "namespace": "core", "description": "ends"})
            index.attrs["target"] = column.ref
        for start, stop in zip((ends - counts).tolist(), ends.tolist(), strict=True):
            ticks = np.sort(rng.integers(0, session_s * TICK_HZ, stop - start))
            units["spike_times"][start:stop] = ticks / TICK_HZ
            if amplitudes:
                units["spike_amplitudes"][start:stop] = rng.lognormal(-9.3, 0.3, stop - start)


def ingest(root: Path, store: str, file: str) -> Callable[[], dict[str, Any]]:
    """Import the file into a store."""
    import connectome.pipelines.formats.nwb.session
    import connectome.pipelines.importing
    from connectome.store import Repository

    def work() -> dict[str, Any]:
        result = connectome.pipelines.importing.import_files(
            Repository(root / store), [root / file], dataset=DATASET, format="nwb", record=RECORD, options={}
        )
        return {"digest": result.digest}

    return work


def spikes(root: Path) -> Callable[[], dict[str, Any]]:
    """Import the session with spikes alone."""
    return ingest(root, "spikes", "spikes.nwb")


def amplitudes(root: Path) -> Callable[[], dict[str, Any]]:
    """Import the session with an amplitude per spike."""
    return ingest(root, "amplitudes", "amplitudes.nwb")


def windows(root: Path) -> Callable[[], dict[str, Any]]:
    """Read windows of 1 s in 20 ms bins, at random, from the record."""
    from connectome.loaders.events import EventSource

    def work() -> dict[str, Any]:
        opened = time.perf_counter()
        source = EventSource(DATASET, window_s=1, bin_s=0.02, origin_s=0, root=root / "spikes")
        opened = time.perf_counter() - opened
        chosen = np.random.default_rng(1).integers(0, len(source), N_WINDOWS)
        took: list[list[float]] = [[], []]
        total = 0
        for again in took:
            # The second time the file is in the system's memory, but few of its chunks in the cache of decoded ones.
            for at in chosen.tolist():
                started = time.perf_counter()
                total += int(source.bins([at]).counts.sum())
                again.append(time.perf_counter() - started)
        first, again = (round(1e3 * float(np.median(each)), 3) for each in took)
        return {"open_s": round(opened, 4), "first_window_ms": first, "window_ms": again, "spikes": total}

    return work


def per_unit(root: Path) -> Callable[[], dict[str, Any]]:
    """Read all times into memory, then windows with a search per unit, as an array per unit asks for."""
    import h5py

    def work() -> dict[str, Any]:
        opened = time.perf_counter()
        with h5py.File(root / "spikes.nwb") as file:
            flat, ends = file["units/spike_times"][:], file["units/spike_times_index"][:]
        trains = np.split(flat, ends[:-1])
        opened = time.perf_counter() - opened
        edges = np.arange(51) / 50
        took = []
        for at in np.random.default_rng(1).integers(0, SESSION_S - 1, 20).tolist():
            started = time.perf_counter()
            np.stack([np.diff(np.searchsorted(train, at + edges)) for train in trains])
            took.append(time.perf_counter() - started)
        return {"open_s": round(opened, 4), "window_ms": round(1e3 * float(np.median(took)), 3)}

    return work


STEPS: dict[str, Callable[[Path], Callable[[], dict[str, Any]]]] = {
    "spikes": spikes,
    "amplitudes": amplitudes,
    "windows": windows,
    "per_unit": per_unit,
}
"""Each imports what it needs and returns the work that is timed."""


def run(scale: float | None = None) -> dict[str, Any]:
    """Write the sessions, run every step in its own process, and compare.

    Parameters
    ----------
    scale : float, optional
        Part of the session; default ``CONNECTOME_BENCHMARK_SCALE``, else ``SCALE``.
    """
    scale = part_of_whole(scale, SCALE)
    n_units, n_spikes = max(1, round(scale * N_UNITS)), max(1, round(scale * N_SPIKES))
    steps: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("spikes", "amplitudes"):
            write_generated_session(
                root / f"{name}.nwb", n_units=n_units, n_spikes=n_spikes, session_s=SESSION_S,
                amplitudes=name == "amplitudes",
            )  # fmt: skip
        for name in STEPS:
            steps[name] = run_stage(__name__, name, root)
        sizes = {
            name: sum(path.stat().st_size for path in (root / name).rglob("*.zarr.zip"))
            for name in ("spikes", "amplitudes")
        }
    return {
        "generated": {"units": n_units, "spikes": n_spikes, "seconds": SESSION_S},
        "bytes_per_spike": {name: round(size / n_spikes, 3) for name, size in sizes.items()},
        "record_over_float64_times": round(sizes["spikes"] / (8 * n_spikes), 4),
        "window_times_faster": float(f"{steps['per_unit']['window_ms'] / steps['windows']['window_ms']:.3g}"),
        "steps": steps,
    }


def main() -> None:
    """Run one step in this process."""
    run_timed(STEPS, children=True)


if __name__ == "__main__":
    main()
