"""Stages of a benchmark: each in a process of its own, so that its imports, caches and peak of memory are its own.

``python -m benchmarks.NAME STAGE ARGUMENT...`` runs one stage and prints its figures as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "part_of_whole", "peak_bytes", "print_figures", "resident_bytes", "run_stage", "run_timed", "timed",
]  # fmt: skip

SCALE = "CONNECTOME_BENCHMARK_SCALE"
"""Variable of the environment: which part of the whole is made, 0 to 1."""


def part_of_whole(given: float | None, default: float) -> float:
    """Return which part of the whole is made: the one given, else that of the environment, else the default."""
    return given if given is not None else float(os.environ.get(SCALE, default))


def run_stage(module: str, stage: str, *arguments: object, options: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run one stage in a fresh interpreter and return its figures.

    Parameters
    ----------
    module : str
        Whose ``main`` takes the stage, ``benchmarks.corpus``.
    stage : str
        Its name, the first argument.
    *arguments : object
        Further ones, as text.
    options : tuple of str
        Of the interpreter.

    Raises
    ------
    RuntimeError
        When the stage fails; with the end of what it said.
    """
    done = subprocess.run(
        [sys.executable, *options, "-m", module, stage, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    if done.returncode:
        raise RuntimeError(f"{stage}: {done.stderr[-2000:]}")
    # Libraries may print lines of their own before.
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def print_figures(figures: Mapping[str, Any]) -> None:
    """Print the figures of a stage for :func:`run_stage`."""
    sys.stdout.write(json.dumps(figures) + "\n")


def run_timed(steps: Mapping[str, Callable[[Path], Callable[[], dict[str, Any]]]], *, children: bool = False) -> None:
    """Run the step that the command line names in the folder that it names, and print its figures.

    A step imports what it needs and returns the work; ``seconds``, ``cpu_seconds`` and ``peak_bytes`` are those of the
    work alone, the peak above what the process held at its most before.

    Parameters
    ----------
    steps : mapping of str to callable
        By name; each takes the folder.
    children : bool
        Whether the peak may be that of a child, as for :func:`peak_bytes`.
    """
    name, folder = sys.argv[1:]
    work = steps[name](Path(folder))
    before, cpu, started = peak_bytes(children=children), time.process_time(), time.perf_counter()
    figures = work()
    figures |= {
        "seconds": round(time.perf_counter() - started, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "peak_bytes": peak_bytes(children=children) - before,
    }
    print_figures(figures)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that some work took, and what it gave."""
    started = time.perf_counter()
    value = work()
    return time.perf_counter() - started, value


def peak_bytes(*, children: bool = False) -> int:
    """Return the largest resident size so far.

    Parameters
    ----------
    children : bool
        False: of this process. True: of this process or of the largest single child that has ended, whichever is
        greater; they are not summed, and what they share counts in each.
    """
    own = _status("VmHWM")
    if own is None:
        # Where the system keeps no such count; this one takes in what the parent held when it started this process.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024) if children else own


def resident_bytes() -> int:
    """Return what this process holds now; 0 where the system does not say."""
    return _status("VmRSS") or 0


def _status(name: str) -> int | None:
    """Return a size in bytes of ``/proc/self/status`` (proc(5)), which counts in KiB; None where there is none."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith(f"{name}:"))
