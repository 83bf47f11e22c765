"""``connectome export``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")
    parser.add_argument("--record", required=True, metavar="ID", help="the record to write")
    parser.add_argument("--to", required=True, metavar="FORMAT", help="zarr, csv, parquet, nifti, mgh, ogb")
    parser.add_argument("--group", metavar="PATH", help="one group of the record")
    parser.add_argument("--overwrite", action="store_true", help="replace what is at DEST")
    parser.add_argument("destination", metavar="DEST", help="a file or a folder, as the format demands")


def run(args: argparse.Namespace, output: Output) -> int:
    """Write a record in another format."""
    from connectome.store import open_version

    from ..export import export, remarks

    tree = open_version(args.spec, root=args.root).open(args.record)
    paths = export(tree, to=args.to, destination=Path(args.destination), group=args.group, overwrite=args.overwrite)
    said = remarks(tree, to=args.to, group=args.group)
    for remark in said:
        output.note(remark)
    document = {"path": str(paths[0]) if len(paths) == 1 else args.destination, "paths": [str(path) for path in paths]}
    if said:
        document["remarks"] = said
    output.result(document, "\n".join(map(str, paths)))
    return 0
