"""Spikes: windows, bins and trials, ours against one array of times per unit and against the peers that read spikes.

Generated data: 750 units, 1200 s. Where the real files are (``CONNECTOME_TEST_DATA``), the units are those of mouse
A2929 (Viejo et al. 2023, eLife 12:RP85786), 50 copies moved by a random offset and jitter, so that firing is as
irregular as it is in animals; elsewhere they are Poisson trains of the same rates. Both are generated sessions, and
nothing about an animal follows from them. All ways are timed in turn in one process, several rounds; figures are the
fewest seconds of processor time, which other work on the machine stretches less than the clock. Every way's counts are
compared with those of the first way before its time is taken: ours and NumPy's must be the same, of a peer it is told
in how many cells it counts otherwise. What pynapple compiles on first use is compiled before.

``CONNECTOME_BENCHMARK_SCALE=1`` or ``--full`` takes all 50 copies; the default is a fifth of them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import spike_peers as peers
from benchmarks.stages import part_of_whole
from connectome import schema, store
from connectome.loaders.events.source import EventSource
from connectome.spikes import SpikeTrains, aligned_counts, bin_counts, bin_edges

Array = np.ndarray[Any, Any]
SESSION_S, TICK_HZ, COPIES, ROUNDS, PROCESSES = 1200, 1_000_000, 50, 3, 2
RATES_HZ = (7.3, 5.7, 8.1, 6.7, 10.8, 11.0, 16.5, 2.2, 2.0, 1.1, 3.9, 3.3, 1.1, 1.3, 1.3)
"""Mean rates of the 15 units of A2929."""
N_WINDOWS, N_TRIALS, TRIAL_S = 100, 1000, 0.5
A2929 = Path("neuropixels") / "peyrache_adn_ca1" / "A2929-200711.nwb"


def generate(copies: int) -> tuple[list[Array], str]:
    """Return one sorted array of whole microseconds per unit, and what they were made of."""
    rng = np.random.default_rng(0)
    data = data_folder()
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


def run(scale: float | None = None) -> dict[str, Any]:
    """Return seconds of every way, their ratios, and the sizes on disk."""
    scale = part_of_whole(scale, 0.2)
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
    rng = np.random.default_rng(1)
    starts = rng.integers(0, SESSION_S - 1, size=N_WINDOWS)
    # Trials do not overlap: an IntervalSet of pynapple would join those that do.
    step = SESSION_S * 1000 // max(50, round(N_TRIALS * scale))
    grid = np.arange(0, SESSION_S * 1000 - step, step)
    onsets = (grid + rng.integers(0, step - round(1000 * TRIAL_S), size=len(grid))) / 1000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        version, size_bytes = write(folder / "store", group)
        sizes = {"store": size_bytes, "float64 times alone": 8 * n_spikes}
        sizes |= peers.write_forms(folder, seconds, SESSION_S)
        ways = work(SpikeTrains.of(group), seconds, version, starts, onsets)
        for what, further in work_of_peers(folder, n_units, starts, onsets).items():
            ways[what] |= further
        figures = {what: timed(own) for what, own in ways.items()}
        processes = in_processes([peers.OURS, *peers.here()], folder, starts[:20].tolist())
    return {
        "made of": about, "n_units": n_units, "n_spikes": n_spikes, "n_windows": N_WINDOWS, "n_trials": len(onsets),
        **figures, "open, in a fresh process": processes, "bytes": sizes, "left_out": peers.missing(),
        "A2929 itself, 20 ms": on_real_edges(),
    }  # fmt: skip


def on_real_edges() -> dict[str, Any]:
    """Return in how many bins of the real session, whose spikes often lie on edges, each way counts otherwise."""
    if not (data_folder() / A2929).is_file():
        return {}
    from connectome.pipelines import read

    group = read(data_folder() / A2929, format="nwb")["spikes"].to_dataset()
    trains, edges = SpikeTrains.of(group), bin_edges(0, 0.02, SESSION_S * 50)
    times, unit, n_units = trains.seconds(), trains.unit, trains.n_units
    whole = np.zeros((n_units, SESSION_S * 50), dtype=np.int64)
    np.add.at(whole, (unit, group["tick"].values // (TICK_HZ // 50)), 1)
    found = {
        "bin_counts": compared(whole, bin_counts(trains, edges)),
        "floor(t x 50)": compared(whole, peers.floor_bins(times, unit, n_units, SESSION_S * 50)),
    }
    if "pynapple" in peers.here():
        import pynapple as nap

        own = nap.TsGroup({at: nap.Ts(t=times[unit == at]) for at in range(n_units)})
        counts = own.count(0.02, nap.IntervalSet(0.0, float(SESSION_S))).values.T
        found["pynapple count"] = compared(whole, counts)
    return {"spikes on an edge": int((group["tick"].values % (TICK_HZ // 50) == 0).sum()), **found}


def data_folder() -> Path:
    """Return where the real files may be."""
    return Path(os.environ.get("CONNECTOME_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


Ways = dict[str, dict[str, Callable[[], Any]]]
SPIKES, WINDOWS, SESSION, TRIALS = (
    "spikes of each unit in a window of 1 s",
    "counts of a window of 1 s, 20 ms bins",
    "the whole session in 20 ms bins",
    "trials, 25 bins of 20 ms",
)
EXACT = {"two searches per unit", "one slice", "searchsorted per unit", "bin_counts", "EventSource, from the file",
         "np.histogram per unit", "searchsorted per unit and trial", "searchsorted per unit, all trials",
         "aligned_counts"}  # fmt: skip
"""Ways that must give the same numbers as the first."""


def work(trains: SpikeTrains, seconds: list[Array], version: store.Version, starts: Array, onsets: Array) -> Ways:
    """Return our ways and NumPy's, with one array per unit."""
    source = EventSource(version, window_s=1, bin_s=0.02, origin_s=0)
    edges = bin_edges(0, 0.02, SESSION_S * 50)
    trial_edges = [bin_edges(onset, 0.02, 25) for onset in onsets.tolist()]
    return {
        SPIKES: {
            "two searches per unit": lambda: np.stack([
                [int(np.diff(np.searchsorted(train, [at, at + 1]))[0]) for train in seconds] for at in starts.tolist()
            ]),
            "one slice": lambda: np.stack([
                np.bincount(trains.unit[trains.window(float(at), float(at + 1))], minlength=trains.n_units)
                for at in starts.tolist()
            ]),
        },
        WINDOWS: {
            "searchsorted per unit": lambda: np.stack([
                np.stack([np.diff(np.searchsorted(train, edges[50 * at : 50 * at + 51])) for train in seconds])
                for at in starts.tolist()
            ]),
            "bin_counts": lambda: np.stack(
                [bin_counts(trains, edges[50 * at : 50 * at + 51]) for at in starts.tolist()]
            ),
            "EventSource, from the file": lambda: source.bins(starts).counts,
        },
        SESSION: {
            "np.histogram per unit": lambda: np.stack([np.histogram(train, edges)[0] for train in seconds]),
            "searchsorted per unit": lambda: np.stack([np.diff(np.searchsorted(train, edges)) for train in seconds]),
            "bin_counts": lambda: bin_counts(trains, edges),
        },
        TRIALS: {
            "searchsorted per unit and trial": lambda: np.stack([
                np.stack([np.diff(np.searchsorted(train, own)) for train in seconds]) for own in trial_edges
            ]),
            "searchsorted per unit, all trials": lambda: np.stack(
                [np.diff(np.searchsorted(train, np.stack(trial_edges)), axis=1) for train in seconds], axis=1
            ),
            "aligned_counts": lambda: aligned_counts(trains, onsets, before_s=0, after_s=0.5, width_s=0.02)[0],
        },
    }  # fmt: skip


def work_of_peers(folder: Path, n_units: int, starts: Array, onsets: Array) -> Ways:
    """Return what the peers that are here do for the same."""
    able = peers.here()
    ways: Ways = {SPIKES: {}, WINDOWS: {}, SESSION: {}, TRIALS: {}}
    peers.quiet()
    if "pynapple" in able:
        import pynapple as nap

        peers.warm_up()
        group = peers.open_pynapple(folder)
        whole = nap.IntervalSet(0.0, float(SESSION_S))
        trials = nap.IntervalSet(start=onsets, end=onsets + TRIAL_S)
        ways[SPIKES]["pynapple restrict"] = lambda: np.stack(
            [peers.pynapple_window(group, float(at)) for at in starts.tolist()]
        )
        ways[WINDOWS]["pynapple count"] = lambda: np.stack(
            [group.count(0.02, nap.IntervalSet(float(at), float(at + 1))).values.T for at in starts.tolist()]
        )
        ways[SESSION]["pynapple count"] = lambda: group.count(0.02, whole).values.T
        ways[TRIALS]["pynapple trial_count"] = lambda: group.trial_count(trials, 0.02).transpose(1, 0, 2)
    if "temporaldata" in able:
        _, session = peers.open_temporaldata(folder)

        def binned(start: float, stop: float, n_bins: int) -> Array:
            part = session.spikes.slice(start, stop)
            counts: Array = peers.floor_bins(part.timestamps, part.unit_index, n_units, n_bins)
            return counts

        ways[SPIKES]["temporaldata, from the file"] = lambda: np.stack(
            [peers.temporaldata_window(session, float(at), n_units) for at in starts.tolist()]
        )
        ways[WINDOWS]["temporaldata, from the file, floor(t x 50)"] = lambda: np.stack(
            [binned(float(at), float(at + 1), 50) for at in starts.tolist()]
        )
        ways[SESSION]["temporaldata, from the file, floor(t x 50)"] = lambda: binned(
            0.0, float(SESSION_S), SESSION_S * 50
        )
        ways[TRIALS]["temporaldata, from the file, floor(t x 50)"] = lambda: np.stack(
            [binned(at, at + TRIAL_S, 25) for at in onsets.tolist()]
        )
    return ways


def in_processes(names: list[str], folder: Path, starts: list[int]) -> dict[str, Any]:
    """Return how long each way takes to open the session and count one second, and its memory after 20 windows.

    Seconds are the fewest of some processes, memory the most.
    """
    rounds = [{name: peers.in_fresh_process(name, folder, starts) for name in names} for _ in range(PROCESSES)]
    expected = rounds[0][peers.OURS]["counts"]
    found = {}
    for name in names:
        if any(sum(one[name]["counts"]) != sum(expected) for one in rounds) and name in (peers.OURS, "pynwb"):
            raise AssertionError(f"{name} counts otherwise")
        quickest = {key: min(one[name][key] for one in rounds) for key in ("import_s", "open_s")}
        peak = max(one[name]["peak_bytes"] for one in rounds)
        imports = max(one[name]["imports_bytes"] for one in rounds)
        found[name] = {key: float(f"{value:.4g}") for key, value in quickest.items()} | {
            "peak_bytes": peak, "imports_bytes": imports,
            "spikes_otherwise": sum(rounds[0][name]["counts"]) - sum(expected),
        }  # fmt: skip
    return found


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
    """Return the fewest seconds, how many times faster than the first way each is, and what peers count otherwise."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    otherwise: dict[str, Any] = {}
    first: Any = None
    for round_ in range(ROUNDS + 1):
        for name, way in ways.items():
            started = time.process_time()
            found = way()
            took = time.process_time() - started
            if round_:
                times[name].append(took)
                continue
            first = found if first is None else first
            if name not in EXACT:
                otherwise[name] = compared(first, found)
            elif not np.array_equal(first, found):
                raise AssertionError(f"{name} counts otherwise")
    fewest = {name: min(values) for name, values in times.items()}
    usual = next(iter(fewest.values()))
    return {
        "seconds": {name: float(f"{value:.4g}") for name, value in fewest.items()},
        "times_faster": {name: float(f"{usual / value:.3g}") for name, value in fewest.items()},
        "counts_otherwise": otherwise,
    }


def compared(first: Array, found: Array) -> dict[str, Any]:
    """Return in how many cells counts differ, and by how many spikes the sums do."""
    shared = tuple(slice(0, min(one, other)) for one, other in zip(first.shape, found.shape, strict=True))
    cells = int((first[shared] != found[shared]).sum())
    told: dict[str, Any] = {"cells": cells, "of": first.size, "spikes": int(found.sum()) - int(first.sum())}
    return told if first.shape == found.shape else {**told, "shape": f"{found.shape} instead of {first.shape}"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=1) + "\n")
