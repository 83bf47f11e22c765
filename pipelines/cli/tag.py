"""``connectome tag``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")
    parser.add_argument("name", metavar="TAG", nargs="?", help="left out: list the tags")
    parser.add_argument("--move", action="store_true", help="let an existing tag point here")


def run(args: argparse.Namespace, output: Output) -> int:
    """Tag a version, or list the tags of a dataset."""
    from connectome.store import Repository

    repository = Repository(args.root)
    dataset = args.spec.partition("@")[0]
    if args.name is not None:
        repository.tag(args.spec, args.name, move=args.move)
    tags = repository.tags(dataset)
    output.result(
        {"dataset": dataset, "tags": tags}, "\n".join(f"{name}  {version}" for name, version in sorted(tags.items()))
    )
    return 0
