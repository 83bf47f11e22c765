"""``connectome search``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .list import report

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("text", nargs="*", help="words that must occur in the entry")
    parser.add_argument("--kind", action="append", metavar="KIND", help="series, events, graph, volume or table")
    parser.add_argument("--species", action="append", metavar="NAME", help="a species, or a part of its name")
    parser.add_argument("--licence", action="append", metavar="ID", help="a licence, for example CC-BY-4.0")


def run(args: argparse.Namespace, output: Output) -> int:
    """Search the catalogue."""
    from connectome.catalog import open_catalog

    text = " ".join(args.text) or None
    found = open_catalog(args.root).search(text, kinds=args.kind, species=args.species, licence=args.licence)
    report(found.as_json(), output)
    return 0
