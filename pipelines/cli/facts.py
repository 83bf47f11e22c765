"""``connectome facts``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from connectome.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from connectome.store import Version

    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")
    parser.add_argument("--record", metavar="ID", help="one record; default all")
    parser.add_argument(
        "--details", action="store_true", help="read the graphs too: every column overall and by region"
    )
    parser.add_argument("--by", metavar="COLUMN", help="category that names the regions of graphs, for --details")


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the facts by group path, or by record and group path."""
    from connectome.store import open_version

    if args.by is not None and not args.details:
        raise UsageError("regions are part of the details", subject="--by", hint="add --details")
    version = open_version(args.spec, root=args.root)
    facts = version.facts
    if args.record is not None and args.record not in facts:
        raise NotFoundError("no such record", subject=args.record, place=args.spec, expected=", ".join(facts))
    if args.details:
        chosen = list(facts) if args.record is None else [args.record]
        facts |= {name: _with_summaries(version, name, args.by) for name in chosen}
    if args.record is not None:
        facts = facts[args.record]
    output.result(facts, _text(facts))
    return 0


def _with_summaries(version: Version, record: str, by: str | None) -> dict[str, Any]:
    from connectome.graphs import summarise_graph
    from connectome.schema import groups, kind_of

    facts = {path: dict(values) for path, values in version.facts[record].items()}
    for path, dataset in groups(version.open(record)):
        if kind_of(dataset) == "graph":
            facts[path]["summary"] = summarise_graph(dataset, by=by).as_json()
    return facts


def _text(facts: dict[str, Any]) -> str:
    lines: list[str] = []

    def walk(value: Any, name: str, depth: int) -> None:
        if isinstance(value, dict):
            lines.append(f"{'  ' * depth}{name}")
            for key, item in value.items():
                walk(item, key, depth + 1)
        else:
            lines.append(f"{'  ' * depth}{name}: {value}")

    for name, value in facts.items():
        walk(value, name, 0)
    return "\n".join(lines)
