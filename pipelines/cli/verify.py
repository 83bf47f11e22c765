"""``connectome verify``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from connectome.display.text import human_bytes

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")


def run(args: argparse.Namespace, output: Output) -> int:
    """Verify a version; exit code 1 when anything is damaged."""
    from connectome.store import Repository, verify

    result = verify(Repository(args.root), args.spec, progress=lambda record: output.note(f"verify   {record}"))
    lines = [f"{result.dataset}@{result.version}: {result.n_records} records, {human_bytes(result.size_bytes)} hashed"]
    lines += [f"  {item.record} ({item.what}): {item.message}" for item in result.damaged]
    lines.append("everything is as it was" if result.ok else f"{len(result.damaged)} damaged")
    output.result(result.as_dict(), "\n".join(lines))
    return 0 if result.ok else 1
