"""``connectome ingest``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connectome.errors import UsageError

from .plan import DATASET, add_signals, note_catalogued
from .progress import listening
from .show import rejected_lines

if TYPE_CHECKING:
    from ..ingest import IngestResult
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("dataset", metavar="DATASET", help=DATASET)
    parser.add_argument("--mirror", metavar="P", help="take raw files from this folder or URL; checksums still apply")
    parser.add_argument(
        "--select", metavar="GLOB,...", help="only records whose id matches; the others stay as they are"
    )
    parser.add_argument("--runner", default="serial", metavar="R", help="serial, processes, dask[:ADDRESS], slurm:FILE")
    parser.add_argument("--workers", type=int, metavar="N", help="how many, where the runner starts them")
    parser.add_argument("--allow-missing", action="store_true", help="commit although promised records are missing")
    parser.add_argument(
        "--remote", default="whole", metavar="HOW",
        help="whole (fetched and checked, the default), or ranges (only what is needed; no checksum of the whole)",
    )  # fmt: skip
    parser.add_argument(
        "--references", action="store_true", help="refer to arrays in the raw files instead of copying them"
    )
    parser.add_argument("--flow", action="store_true", help="run as a Prefect flow: retries, artifacts, a dashboard")
    add_signals(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")


def run(args: argparse.Namespace, output: Output) -> int:
    """Ingest a dataset."""
    from connectome.store import Repository

    repository = Repository(args.root)
    note_catalogued(args.dataset, output)
    if args.dry_run:
        from ..planning import plan
        from .plan import describe

        found = plan(
            repository, args.dataset, select=args.select, signals=args.signals, mirror=args.mirror, relist=args.relist
        )  # fmt: skip
        output.result(found.as_dict(), describe(found))
        return 0
    from ..planning import terms_of
    from .plan import terms_line

    for licence in terms_of(args.dataset, select=args.select):
        output.note(terms_line(licence))
    chosen = {"select": args.select, "mirror": args.mirror, "runner": args.runner, "workers": args.workers,
              "allow_missing": args.allow_missing, "signals": args.signals, "relist": args.relist}  # fmt: skip
    if args.flow:
        from ..flows import run_ingest

        if args.references or args.remote != "whole":
            raise UsageError("a flow copies whole files", subject="--flow", hint="leave out --flow")
        result = run_ingest(str(repository.path), args.dataset, **chosen)
    else:
        from ..ingest import ingest

        with listening(output) as (observer, progress):
            result = ingest(
                repository, args.dataset, **chosen, observer=observer, progress=progress, remote=args.remote,
                by_reference=args.references,
            )  # fmt: skip
    report(result, output)
    return 0


def report(result: IngestResult, output: Output) -> None:
    """Print what an ingest did; ``import`` prints the same."""
    census = result.census
    made = "" if result.created else " (nothing changed)"
    parts = {"added": result.added, "changed": result.changed, "withdrawn": result.withdrawn, "reused": result.reused}
    counts = ", ".join(f"{len(names)} {word}" for word, names in parts.items())
    lines = [
        f"{result.dataset}@{result.version}{made}  {result.digest[:12]}",
        counts,
        f"files: {census.seen} seen = {census.used} used + {census.rejected} rejected{_parts(result.rejected)}",
    ]
    lines += [
        f"read by ranges: {item['path']}: {item['bytes_fetched']:,} of {item['bytes_of_source']:,} bytes"
        + (f" in {item['requests']} requests" if "requests" in item else "")
        + "; compared with no checksum of the whole"
        for item in result.by_ranges
    ]
    lines += [f"  {line}" for line in rejected_lines(result.rejected)]
    output.result(result.as_dict(), "\n".join(lines))


def _parts(rejected: Sequence[Mapping[str, str]]) -> str:
    n_parts = sum("#" in item["file"] for item in rejected)
    return f"; {n_parts} parts of used files left out" if n_parts else ""
