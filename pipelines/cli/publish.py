"""``connectome publish``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from connectome.display.text import human_bytes

if TYPE_CHECKING:
    from ..publish import Publication
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    from pathlib import Path

    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")
    parser.add_argument("--to", required=True, metavar="PLACE", help="hf://datasets/ORG/NAME, or a folder")
    parser.add_argument("--dry-run", action="store_true", help="build the folder, list it, and send nothing")
    parser.add_argument(
        "--accept-licence",
        action="append",
        default=[],
        metavar="LICENCE",
        help="confirm to have permission to pass on data under this licence (may be given more than once)",
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help="build there (default: in the staging area)")
    parser.add_argument("--voxels", action="store_true", help="also publish the numbers of volumes as rows")
    parser.add_argument("--private", action="store_true", help="make a new repository on the Hub private")
    parser.add_argument(
        "--strip", action="store_true", help="publish a copy without fields that may identify people (NAME-stripped)"
    )
    parser.add_argument(
        "--keep", action="append", default=[], metavar="PLACE", help="leave this place alone; * stands for any text"
    )
    parser.add_argument(
        "--keep-identifying", action="store_true", help="publish in spite of fields or faces that identify people"
    )


def run(args: argparse.Namespace, output: Output) -> int:
    """Publish a version."""
    from connectome.store import open_version

    from ..publish import publish

    output.note(f"building what {args.to} needs")
    done = publish(
        open_version(args.spec, root=args.root),
        args.to,
        dry_run=args.dry_run,
        accepted=args.accept_licence,
        folder=args.folder,
        voxels=args.voxels,
        private=args.private,
        strip=args.strip,
        keep=args.keep,
        keep_identifying=args.keep_identifying,
    )
    output.result(done.as_dict(), _describe(done))
    return 0


def _describe(done: Publication) -> str:
    lines = [f"{file.size_bytes:>14,}  {file.path}" for file in done.files]
    what = "would be published" if done.dry_run else "published"
    lines.append(f"{len(done.files)} files, {human_bytes(done.size_bytes)}, built in {done.folder}")
    lines.append(f"{done.spec} {what} to {done.to}")
    lines += [
        f"  warning: {item.record} ({item.source}) is under {item.licence}: {item.reason}" for item in done.obstacles
    ]
    if done.obstacles:
        accept = " ".join(f"--accept-licence {name}" for name in sorted({item.licence for item in done.obstacles}))
        lines.append(f"  it will be refused without permission; confirm it with: {accept}")
    if done.removed:
        kinds = ", ".join(sorted({item.kind for item in done.removed}))
        lines.append(f"  {len(done.removed)} fields were removed from the copy: {kinds}")
    sure = [item for item in done.identifying if item.sure]
    if done.identifying:
        count = f"{len(sure)} fields identify people, {len(done.identifying) - len(sure)} have to be looked at"
        lines.append(f"  warning: {count}; connectome privacy lists them")
    if sure and done.dry_run:
        lines.append("  it will be refused without --strip or --keep-identifying")
    return "\n".join(lines)
