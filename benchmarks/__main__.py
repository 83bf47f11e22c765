"""Run every benchmark and print its figures: ``python -m benchmarks [NAME ...]``.

Each figure is a ratio against a named peer in the same run, or a size that does not depend on the machine. Absolute
times stand beside the ratios for orientation only. ``--write`` keeps them in ``benchmarks/results.json``. ``--full``
makes the corpus of all 912 worms and the whole brain instead of a twentieth; its figures are kept beside the others, as
``corpus-full`` and ``sampling-full``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

NAMES = (
    "startup",
    "ingest",
    "windows",
    "corpus",
    "vessels",
    "sampling",
    "links",
    "spikes",
    "patches",
    "session",
    "records",
    "eeg",
)
SCALED = {"corpus", "links", "sampling", "session", "spikes", "vessels"}
"""Those that take a part of the whole, by default."""
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="default: all")
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {RESULTS.name}")
    parser.add_argument("--full", action="store_true", help="all 912 worms, and the whole brain (minutes)")
    args = parser.parse_args()
    figures = {}
    for name in args.names or NAMES:
        sys.stderr.write(f"benchmark {name}\n")
        run = import_module(f"benchmarks.{name}").run
        if name in SCALED and args.full:
            figures[f"{name}-full"] = run(1.0)
        else:
            figures[name] = run()
    machine = {"python": platform.python_version(), "processor": platform.machine(), "cores": os.cpu_count()}
    document = {"machine": machine, **figures}
    text = json.dumps(document, indent=1)
    sys.stdout.write(text + "\n")
    if args.write:
        known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        RESULTS.write_text(json.dumps({**known, **document}, indent=1) + "\n")


if __name__ == "__main__":
    main()
