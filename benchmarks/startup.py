"""What it costs to import the package and to ask the command for help, against an empty interpreter and the peers."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

REPEATS = 7
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import connectome": ["-c", "import connectome"],
    "connectome --help": ["-m", "connectome.pipelines.cli", "--help"],
    "connectome list": ["-m", "connectome.pipelines.cli", "list", "--json"],
    "import connectome; connectome.open": ["-c", "import connectome; connectome.open"],
    "import xarray, zarr": ["-c", "import xarray, zarr"],
    "import datasets": ["-c", "import datasets"],
    "import torch": ["-c", "import torch"],
    "import mne": ["-c", "import mne; mne.io"],
}


def run() -> dict[str, Any]:
    """Time each command as a whole process, interleaved; medians in seconds and as multiples of an empty Python."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for repeat in range(REPEATS + 1):
        for name, arguments in COMMANDS.items():
            started = time.perf_counter()
            done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
            if repeat and done.returncode == 0:  # the first round warms the disk cache
                times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in times.items() if values}
    empty = medians["python -c pass"]
    return {
        name: {"median_s": round(value, 4), "ratio_to_empty": round(value / empty, 2)}
        for name, value in medians.items()
    }
