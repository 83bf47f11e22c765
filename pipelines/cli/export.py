"""``connectome export``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")
    parser.add_argument("--record", metavar="ID", help="the record to write; bids takes all records without it")
    parser.add_argument(
        "--to", required=True, metavar="FORMAT", help="zarr, csv, parquet, nifti, mgh, ome-zarr, bids, ogb, edf, fif"
    )
    parser.add_argument("--group", metavar="PATH", help="one group of the record")
    parser.add_argument("--overwrite", action="store_true", help="replace what is at DEST")
    parser.add_argument("--strip", action="store_true", help="leave out fields that may identify people")
    parser.add_argument(
        "--keep", action="append", default=[], metavar="PLACE", help="what --strip leaves alone; * stands for any text"
    )
    parser.add_argument("destination", metavar="DEST", help="a file or a folder, as the format demands")


def run(args: argparse.Namespace, output: Output) -> int:
    """Write a record in another format."""
    from connectome.store import open_version

    from ..export import export, remarks
    from ..export.versions import export_version
    from ..privacy import strip

    version, destination = open_version(args.spec, root=args.root), Path(args.destination)
    if args.record is None:
        paths, left = export_version(
            version, to=args.to, destination=destination, strip=args.strip, keep=args.keep, overwrite=args.overwrite
        )
        said = [f"{record}: no place for {', '.join(groups)}" for record, groups in left.items()]
        return _finish(output, args.destination, paths, said, [])
    tree = version.open(args.record)
    removed = []
    if args.strip:
        stripped = strip(tree, record=args.record, keep=args.keep)
        tree, removed = stripped.tree, [{"place": item.place, "kind": item.kind} for item in stripped.removed]
    paths = export(tree, to=args.to, destination=destination, group=args.group, overwrite=args.overwrite)
    return _finish(output, args.destination, paths, remarks(tree, to=args.to, group=args.group), removed)


def _finish(output: Output, destination: str, paths: list[Path], said: list[str], removed: list[dict[str, str]]) -> int:
    for remark in said:
        output.note(remark)
    document: dict[str, Any] = {
        "path": str(paths[0]) if len(paths) == 1 else destination,
        "paths": [str(path) for path in paths],
    }
    if said:
        document["remarks"] = said
    if removed:
        output.note(f"{len(removed)} fields were left out: {', '.join(item['place'] for item in removed)}")
        document["removed"] = removed
    output.result(document, "\n".join(map(str, paths)))
    return 0
