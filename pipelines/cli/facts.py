"""``connectome facts``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from connectome.errors import NotFoundError

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")
    parser.add_argument("--record", metavar="ID", help="one record; default all")


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the facts by group path, or by record and group path."""
    from connectome.store import open_version

    facts = open_version(args.spec, root=args.root).facts
    if args.record is not None:
        if args.record not in facts:
            raise NotFoundError("no such record", subject=args.record, place=args.spec, expected=", ".join(facts))
        facts = facts[args.record]
    output.result(facts, _text(facts))
    return 0


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
