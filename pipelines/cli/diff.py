"""``connectome diff``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectome.store import Diff

    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("old", metavar="A")
    parser.add_argument("new", metavar="B")


def run(args: argparse.Namespace, output: Output) -> int:
    """Compare two versions."""
    from connectome.store import Repository

    found = Repository(args.root).diff(args.dataset, args.old, args.new)
    output.result(found.as_dict(), describe(found))
    return 0


def describe(diff: Diff) -> str:
    """Return a diff as text."""
    lines = [f"{diff.dataset}: {diff.old} -> {diff.new}"]
    lines += [f"+ {name}" for name in diff.added]
    lines += [f"- {name}" for name in diff.removed]
    for change in diff.changed:
        lines.append(f"~ {change.record}: {'; '.join(change.reasons)}")
        for word, paths in (
            ("added", change.arrays_added),
            ("removed", change.arrays_removed),
            ("changed", change.arrays_changed),
        ):
            lines += [f"    {word} {path}" for path in paths]
        lines += [f"    attribute {name}" for name in change.attributes_changed]
        lines += [f"    {name}: {old} -> {new}" for name, (old, new) in (change.facts_changed or {}).items()]
    lines += [f"  {part} changed" for part in diff.metadata]
    lines.append(f"{diff.unchanged} records unchanged")
    return "\n".join(lines)
