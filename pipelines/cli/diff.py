"""``connectome diff``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("dataset", metavar="DATASET", help="name of a dataset; connectome list prints them")
    parser.add_argument("old", metavar="A", help="the older version or tag")
    parser.add_argument("new", metavar="B", help="the newer version or tag")


def run(args: argparse.Namespace, output: Output) -> int:
    """Compare two versions."""
    from connectome.store import Repository

    found = Repository(args.root).diff(args.dataset, args.old, args.new)
    output.result(found.as_dict(), str(found))
    return 0
