"""Spikes: windows, bins and trials, ours against what one would write with one array of times per unit.

Generated data: 750 units, 1200 s. Where the real files are (``CONNECTOME_TEST_DATA``), the units are those of mouse
A2929 (Viejo et al. 2023, eLife 12:RP85786), 50 copies moved by a random offset and jitter, so that firing is as
irregular as it is in animals; elsewhere they are Poisson trains of the same rates. Both are generated sessions, and
nothing about an animal follows from them. All ways are timed in turn in one process, several rounds; figures are
medians. Every way's counts are compared before its time is taken.

``CONNECTOME_BENCHMARK_SCALE=1`` takes all 50 copies; the default is a fifth of them.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from connectome import schema, store
from connectome.loaders.events.source import EventSource
from connectome.spikes import SpikeTrains, aligned_counts, bin_counts, bin_edges

Array = np.ndarray[Any, Any]
SESSION_S, TICK_HZ, COPIES, ROUNDS = 1200, 1_000_000, 50, 3
RATES_HZ = (7.3, 5.7, 8.1, 6.7, 10.8, 11.0, 16.5, 2.2, 2.0, 1.1, 3.9, 3.3, 1.1, 1.3, 1.3)
"""Mean rates of the 15 units of A2929."""
N_WINDOWS, N_TRIALS = 200, 1000
A2929 = Path("neuropixels") / "peyrache_adn_ca1" / "A2929-200711.nwb"


def generate(copies: int) -> tuple[list[Array], str]:
    """Return one sorted array of whole microseconds per unit, and what they were made of."""
    rng = np.random.default_rng(0)
    data = Path(os.environ.get("CONNECTOME_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    length = SESSION_S * TICK_HZ
    if (data / A2929).is_file():
        from connectome.pipelines import read

        group = read(data / A2929, format="nwb")["spikes"].to_dataset()
        seeds = [group["tick"].values[group["unit"].values == unit] for unit in range(group.sizes["unit_id"])]
        about = "A2929, copied with offsets and jitter"
    else:
        seeds = [np.sort(rng.integers(0, length, size=int(rate * SESSION_S))) for rate in RATES_HZ]
        about = "Poisson trains with the rates of A2929"
    trains = []
    for _ in range(copies):
        for seed in seeds:
            jitter = rng.integers(-5000, 5001, size=len(seed))
            trains.append(np.sort((seed + rng.integers(0, length) + jitter) % length))
    return trains, about


def run() -> dict[str, Any]:
    """Return seconds of every way, their ratios, and the sizes on disk."""
    scale = float(os.environ.get("CONNECTOME_BENCHMARK_SCALE", "0.2"))
    per_unit, about = generate(max(1, round(COPIES * scale)))
    n_units, n_spikes = len(per_unit), sum(map(len, per_unit))
    seconds = [ticks / TICK_HZ for ticks in per_unit]
    group = schema.events(
        np.concatenate(per_unit),
        np.repeat(np.arange(n_units), [len(ticks) for ticks in per_unit]),
        unit_id=[str(at) for at in range(n_units)],
        observed_s=[(0.0, float(SESSION_S))],
        tick_hz=Fraction(TICK_HZ),
    )
    trains = SpikeTrains.of(group)
    rng = np.random.default_rng(1)
    starts = rng.integers(0, SESSION_S - 1, size=N_WINDOWS)
    onsets = np.sort(rng.integers(0, (SESSION_S - 1) * 1000, size=max(50, round(N_TRIALS * scale)))) / 1000
    edges = bin_edges(0, 0.02, SESSION_S * 50)
    trial_edges = [bin_edges(onset, 0.02, 25) for onset in onsets.tolist()]
    with tempfile.TemporaryDirectory() as folder:
        version, size_bytes = write(Path(folder) / "store", group)
        source = EventSource(version, window_s=1, bin_s=0.02)
        ways: dict[str, dict[str, Callable[[], Any]]] = {
            "spikes of a window of 1 s": {
                "two searches per unit": lambda: [
                    sum(int(np.diff(np.searchsorted(train, [at, at + 1]))[0]) for train in seconds)
                    for at in starts.tolist()
                ],
                "one slice": lambda: [
                    (part := trains.window(float(at), float(at + 1))).stop - part.start for at in starts.tolist()
                ],
            },
            "counts of a window of 1 s, 20 ms bins": {
                "searchsorted per unit": lambda: np.stack([
                    np.stack([np.diff(np.searchsorted(train, edges[50 * at : 50 * at + 51])) for train in seconds])
                    for at in starts.tolist()
                ]),
                "bin_counts": lambda: np.stack(
                    [bin_counts(trains, edges[50 * at : 50 * at + 51]) for at in starts.tolist()]
                ),
                "EventSource, from the file": lambda: source.bins(starts).counts,
            },
            "the whole session in 20 ms bins": {
                "np.histogram per unit": lambda: np.stack([np.histogram(train, edges)[0] for train in seconds]),
                "searchsorted per unit": lambda: np.stack(
                    [np.diff(np.searchsorted(train, edges)) for train in seconds]
                ),
                "bin_counts": lambda: bin_counts(trains, edges),
            },
            "trials, 25 bins of 20 ms": {
                "searchsorted per unit and trial": lambda: np.stack([
                    np.stack([np.diff(np.searchsorted(train, own)) for train in seconds]) for own in trial_edges
                ]),
                "searchsorted per unit, all trials": lambda: np.stack(
                    [np.diff(np.searchsorted(train, np.stack(trial_edges)), axis=1) for train in seconds], axis=1
                ),
                "aligned_counts": lambda: aligned_counts(trains, onsets, before_s=0, after_s=0.5, width_s=0.02)[0],
            },
        }  # fmt: skip
        figures = {what: timed(own) for what, own in ways.items()}
    return {
        "made of": about,
        "n_units": n_units,
        "n_spikes": n_spikes,
        "n_windows": N_WINDOWS,
        "n_trials": len(onsets),
        **figures,
        "bytes": {"store, unit order and pointers included": size_bytes, "float64 times alone": 8 * n_spikes},
    }


def write(root: Path, group: Any) -> tuple[store.Version, int]:
    """Write the session; return the version and the size of its record."""
    repository = store.Repository(root)
    receipt = store.write_record(
        schema.record({"spikes": group}),
        repository.folder("generated"),
        record="session",
        recipe=store.Recipe(source="generated", source_version="1", inputs=()),
        staging=repository.staging,
    )
    repository.commit("generated", [receipt])
    return store.open_version("generated", root=root), receipt.size_bytes


def timed(ways: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Return medians and how many times faster than the first way each is; all must give the same numbers."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    first: Any = None
    for round_ in range(ROUNDS + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            found = way()
            took = time.perf_counter() - started
            if round_:
                times[name].append(took)
            elif first is None:
                first = found
            elif not np.array_equal(np.asarray(first), np.asarray(found)):
                raise AssertionError(f"{name} counts otherwise")
    medians = {name: statistics.median(values) for name, values in times.items()}
    slowest = next(iter(medians.values()))
    return {
        "seconds": {name: float(f"{value:.4g}") for name, value in medians.items()},
        "times_faster": {name: float(f"{slowest / value:.3g}") for name, value in medians.items()},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=1) + "\n")
