"""The peers that read spikes: the same session in the form each of them reads, and what each does with it.

``pynwb`` reads an NWB file, one array of times per unit; ``pynapple`` makes a ``TsGroup`` of the same file;
``temporaldata`` slices an HDF5 file per session lazily, as torch_brain trains from. A peer that is not installed is
left out and named. ``python -m benchmarks.spike_peers WAY FOLDER START...`` opens one form in a fresh process, counts
the spikes of a second from each start, and prints how long opening took and the largest memory above the bare
interpreter.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .stages import peak_bytes, print_figures, run_stage

PEERS = ("pynwb", "pynapple", "temporaldata")
OURS = "EventSource"
SECONDS_PER_BIN = 0.02


def missing() -> dict[str, str]:
    """Return the peers that cannot run, and why."""
    absent = {name: "not installed (group bench)" for name in PEERS if find_spec(name) is None}
    if "pynwb" in absent:
        absent.setdefault("pynapple", "its reader of NWB needs pynwb, which is not installed")
    return absent


def here() -> tuple[str, ...]:
    """Return the peers that can run."""
    absent = missing()
    return tuple(name for name in PEERS if name not in absent)


def quiet() -> None:
    """Keep the peers' remarks on their own future out of the figures."""
    warnings.simplefilter("ignore")


def write_forms(folder: Path, seconds: list[Any], session_s: float) -> dict[str, int]:
    """Write the session in the form of every peer that is here; return the sizes in bytes."""
    able, sizes = here(), {}
    if "pynwb" in able:
        sizes["NWB, float64 as pynwb writes it"] = _write_nwb(folder / "session.nwb", seconds)
    if "temporaldata" in able:
        sizes["HDF5 of temporaldata"] = _write_temporaldata(folder / "session.h5", seconds, session_s)
    return sizes


def _write_nwb(path: Path, seconds: list[Any]) -> int:
    from datetime import UTC, datetime

    import pynwb

    quiet()
    session = pynwb.NWBFile("generated", "generated", datetime(2020, 1, 1, tzinfo=UTC))
    for at, train in enumerate(seconds):
        session.add_unit(spike_times=train, id=at)
    with pynwb.NWBHDF5IO(str(path), "w") as stream:
        stream.write(session)
    return path.stat().st_size


def _write_temporaldata(path: Path, seconds: list[Any], session_s: float) -> int:
    import h5py
    import numpy as np
    from temporaldata import Data, Interval, IrregularTimeSeries

    times = np.concatenate(seconds)
    unit = np.repeat(np.arange(len(seconds)), [len(train) for train in seconds])
    order = np.argsort(times, kind="stable")
    domain = Interval(0.0, float(session_s))
    spikes = IrregularTimeSeries(timestamps=times[order], unit_index=unit[order], domain=domain)
    with h5py.File(path, "w") as file:
        Data(spikes=spikes, domain=domain).to_hdf5(file)
    return path.stat().st_size


def open_pynwb(folder: Path) -> tuple[Any, list[Any]]:
    """Return the open file and one array of times per unit."""
    import pynwb

    stream = pynwb.NWBHDF5IO(str(folder / "session.nwb"), "r")
    return stream, stream.read().units["spike_times"][:]


def open_pynapple(folder: Path) -> Any:
    """Return the TsGroup of the units."""
    import pynapple

    return pynapple.load_file(str(folder / "session.nwb"))["units"]


def open_temporaldata(folder: Path) -> tuple[Any, Any]:
    """Return the open file and the session, lazy."""
    import h5py
    from temporaldata import Data

    file = h5py.File(folder / "session.h5", "r")
    return file, Data.from_hdf5(file, lazy=True)


def warm_up() -> None:
    """Compile what pynapple compiles on first use."""
    import numpy as np
    import pynapple as nap

    group = nap.TsGroup({at: nap.Ts(t=np.arange(10.0)) for at in range(2)})
    part = nap.IntervalSet(start=np.array([1.0, 4.0]), end=np.array([3.0, 6.0]))
    group.restrict(part)
    group.trial_count(part, 0.5)
    nap.compute_perievent(group[0], nap.Ts(t=np.array([2.0, 5.0])), window=(0.0, 1.0))


def pynapple_window(group: Any, start: float) -> Any:
    """Count the spikes of each unit in a second."""
    import numpy as np
    import pynapple as nap

    part = group.restrict(nap.IntervalSet(start, start + 1.0))
    return np.array([len(part[unit]) for unit in group.index])


def temporaldata_window(session: Any, start: float, n_units: int) -> Any:
    """Count the spikes of each unit in a second, read from the file."""
    import numpy as np

    part = session.spikes.slice(start, start + 1.0)
    return np.bincount(part.unit_index, minlength=n_units)


def floor_bins(times: Any, unit: Any, n_units: int, n_bins: int) -> Any:
    """Count by the arithmetic of ``torch_brain.utils.bin_spikes``: the bin is floor(time x rate)."""
    import numpy as np

    at = np.floor(times * (1 / SECONDS_PER_BIN)).astype(np.int64)
    kept = (at >= 0) & (at < n_bins)
    counts = np.zeros((n_units, n_bins), dtype=np.int64)
    np.add.at(counts, (unit[kept], at[kept]), 1)
    return counts


def opened(way: str, folder: Path) -> Callable[[float], int]:
    """Open one form; return what counts the spikes of a second."""
    import numpy as np

    if way == OURS:
        from connectome.loaders.events.source import EventSource
        from connectome.store import open_version

        source = EventSource(open_version("generated", root=folder / "store"), window_s=1, bin_s=1, origin_s=0)
        return lambda start: int(source.bins(np.array([round(start)])).counts.sum())
    if way == "pynwb":
        _, trains = open_pynwb(folder)
        return lambda start: int(sum(np.diff(np.searchsorted(train, [start, start + 1.0]))[0] for train in trains))
    if way == "pynapple":
        group = open_pynapple(folder)
        return lambda start: int(pynapple_window(group, start).sum())
    _, session = open_temporaldata(folder)
    return lambda start: len(session.spikes.slice(start, start + 1.0).unit_index)


def in_fresh_process(way: str, folder: Path, starts: Sequence[int]) -> dict[str, Any]:
    """Return what :func:`main` prints for a way: seconds, bytes, and the spikes of a second from each start."""
    return run_stage(__name__, way, folder, *starts, options=("-W", "ignore"))


def main() -> None:
    """Open one form and count in some windows."""
    way, folder, starts = sys.argv[1], Path(sys.argv[2]), [float(one) for one in sys.argv[3:]]
    bare = peak_bytes()
    started = time.process_time()
    quiet()
    if way == "pynapple":
        warm_up()
    elif way == "pynwb":
        import pynwb  # noqa: F401 - imported here, so that opening is opening
    elif way == "temporaldata":
        import h5py  # noqa: F401 - as above
        import temporaldata  # noqa: F401 - as above
    else:
        import connectome.loaders.events.source
        import connectome.store  # noqa: F401 - as above
    imported = time.process_time()
    above_imports = peak_bytes()
    count = opened(way, folder)
    first = count(starts[0])
    ready = time.process_time()
    counts = [first, *map(count, starts[1:])]
    found = {
        "import_s": imported - started,
        "open_s": ready - imported,
        "peak_bytes": peak_bytes() - bare,
        "imports_bytes": above_imports - bare,
        "counts": counts,
    }
    print_figures(found)


if __name__ == "__main__":
    main()
