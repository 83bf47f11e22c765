"""Run every benchmark and print its figures: ``python -m benchmarks [NAME ...]``.

Each figure is a ratio against a named peer in the same run, or a size that does not depend on the machine. Absolute
times stand beside the ratios for orientation only. ``--write`` keeps them in ``benchmarks/results.json``.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib import import_module
from pathlib import Path

NAMES = ("startup", "ingest", "windows")
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="default: all")
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {RESULTS.name}")
    args = parser.parse_args()
    figures = {}
    for name in args.names or NAMES:
        sys.stderr.write(f"benchmark {name}\n")
        figures[name] = import_module(f"benchmarks.{name}").run()
    document = {"machine": {"python": platform.python_version(), "processor": platform.machine()}, **figures}
    text = json.dumps(document, indent=1)
    sys.stdout.write(text + "\n")
    if args.write:
        known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        RESULTS.write_text(json.dumps({**known, **document}, indent=1) + "\n")


if __name__ == "__main__":
    main()
