"""``connectome gc``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from connectome.display.text import human_bytes

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument("--grace-s", type=float, metavar="S", help="leave files younger than this (default: one day)")
    parser.add_argument("--raw", action="store_true", help="also empty the cache of raw files")


def run(args: argparse.Namespace, output: Output) -> int:
    """Remove what no version refers to."""
    from connectome.store import Repository, collect
    from connectome.store.collect import GRACE_S

    grace_s = GRACE_S if args.grace_s is None else args.grace_s
    found = collect(Repository(args.root), grace_s=grace_s, dry_run=args.dry_run, raw=args.raw)
    verb = "would be removed" if found.dry_run else "removed"
    lines = [*found.removed, f"{len(found.removed)} files, {human_bytes(found.size_bytes)} {verb}"]
    if found.kept_young:
        lines.append(f"{found.kept_young} younger files were left alone (--grace-s)")
    output.result(found.as_dict(), "\n".join(lines))
    return 0
