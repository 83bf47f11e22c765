"""``connectome plan``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectome.display.text import human_bytes, table_text

if TYPE_CHECKING:
    from connectome.catalog import Licence

    from ..planning import Plan
    from .output import Output


DATASET = "name of a dataset (connectome list prints them), or openneuro-dsNNNNNN"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("dataset", metavar="DATASET", help=DATASET)
    parser.add_argument("--select", metavar="GLOB,...", help="only records whose id matches")
    parser.add_argument("--mirror", metavar="P", help="list the files of an accession in this folder")
    add_signals(parser)


def add_signals(parser: argparse.ArgumentParser) -> None:
    """Add what to take of recordings; ``ingest`` has the same."""
    parser.add_argument(
        "--signals", metavar="GLOB,...",
        help="recordings whose signals to take, 'none' for tables only (default: all; of an accession, what is there)",
    )  # fmt: skip
    parser.add_argument("--relist", action="store_true", help="list the files of an accession anew")


def run(args: argparse.Namespace, output: Output) -> int:
    """Print what an ingest would do."""
    from connectome.store import Repository

    from ..planning import plan

    note_catalogued(args.dataset, output)
    found = plan(
        Repository(args.root), args.dataset, select=args.select, signals=args.signals, mirror=args.mirror,
        relist=args.relist,
    )  # fmt: skip
    output.result(found.as_dict(), describe(found))
    return 0


def describe(plan: Plan) -> str:
    """Return a plan as text; ``ingest --dry-run`` prints the same."""
    rows = [(item.record, item.source, item.action, "; ".join(item.why)) for item in plan.records]
    n_here = sum(file.here for file in plan.files)
    told = f"{len(plan.files)} raw files, {n_here} here, {human_bytes(plan.fetch_bytes)} to fetch"
    left = [file for file in plan.files if not file.asked]
    if left:
        size = human_bytes(sum(file.size_bytes or 0 for file in left))
        told += f"\n{aside_line(len(left), size)}"
    if plan.listing:
        told = f"{listed_line(plan.listing)}\n{told}"
    if plan.parents:
        missing = [f"  missing: {item.record} ({item.why})" for item in plan.parents if not item.here]
        told = "\n".join([f"{len(plan.parents)} parent records, {len(plan.parents) - len(missing)} here", *missing])
    if plan.copy_bytes:
        told += (
            f"\n{human_bytes(plan.copy_bytes)} of values to copy before compression, "
            f"{human_bytes(plan.referable_bytes)} of raw files that --references would leave where they are"
        )
    lines = [
        f"{plan.dataset}: latest version {plan.latest or 'none'}",
        told,
        *(terms_line(item) for item in plan.terms),
        "",
        table_text(("record", "source", "action", "why"), rows),
    ]
    return "\n".join(lines)


def note_catalogued(dataset: str, output: Output) -> None:
    """Tell who takes by its accession what the catalogue has; ``ingest`` does the same."""
    from ..datasets import catalogued_as

    for name in catalogued_as(dataset):
        accession = dataset.removeprefix("openneuro-")
        output.note(f"the catalogue has {accession} as {name}: the same people, never to be split apart")


def aside_line(n_files: int, size: str = "") -> str:
    """Return in one line how many signals were not asked for."""
    many = f"{n_files} file{'' if n_files == 1 else 's'}" + (f", {size}," if size else "")
    return f"signals of {many} were not asked for: --signals GLOB takes them"


def listed_line(listing: Mapping[str, Any]) -> str:
    """Return in one line which list of an accession's files was gone by."""
    where = listing["address"] if listing["origin"] == "bucket" else "a copy"
    size = human_bytes(listing["bytes"])
    return f"{listing['accession']}: {listing['n_files']} files, {size}, listed {listing['listed_at']} in {where}"


def terms_line(licence: Licence) -> str:
    """Return what a licence that is not open asks for, in one line."""
    return f"terms: {licence.title} ({licence.id}): {licence.note} {licence.url or ''}".rstrip()
