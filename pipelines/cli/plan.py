"""``connectome plan``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from connectome.display.text import human_bytes, table_text

if TYPE_CHECKING:
    from connectome.catalog import Licence

    from ..planning import Plan
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("dataset", metavar="DATASET", help="name of a dataset; connectome list prints them")
    parser.add_argument("--select", metavar="GLOB", help="only records whose id matches")


def run(args: argparse.Namespace, output: Output) -> int:
    """Print what an ingest would do."""
    from connectome.store import Repository

    from ..planning import plan

    found = plan(Repository(args.root), args.dataset, select=args.select)
    output.result(found.as_dict(), describe(found))
    return 0


def describe(plan: Plan) -> str:
    """Return a plan as text; ``ingest --dry-run`` prints the same."""
    rows = [(item.record, item.source, item.action, "; ".join(item.why)) for item in plan.records]
    n_here = sum(file.here for file in plan.files)
    told = f"{len(plan.files)} raw files, {n_here} here, {human_bytes(plan.fetch_bytes)} to fetch"
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


def terms_line(licence: Licence) -> str:
    """Return what a licence that is not open asks for, in one line."""
    return f"terms: {licence.title} ({licence.id}): {licence.note} {licence.url or ''}".rstrip()
