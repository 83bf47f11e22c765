"""``connectome cite``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")
    parser.add_argument("--style", choices=("text", "bibtex"), default="text", help="references, or BibTeX entries")


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the citation of a dataset, or of a version that the store has."""
    from connectome.catalog import open_catalog
    from connectome.store import Repository, open_version

    dataset = args.spec.partition("@")[0]
    if "@" in args.spec or Repository(args.root).versions(dataset):
        citation = open_version(args.spec, root=args.root).cite(args.style)
    else:
        citation = open_catalog(args.root)[dataset].cite(style=args.style)
    output.result({"dataset": dataset, "style": args.style, "citation": citation}, citation)
    return 0
