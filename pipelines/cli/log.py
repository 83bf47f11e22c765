"""``connectome log``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("dataset", metavar="DATASET", help="name of a dataset; connectome list prints them")


def run(args: argparse.Namespace, output: Output) -> int:
    """List versions, newest first, with tags and reasons."""
    from connectome.store import Repository

    repository = Repository(args.root)
    tags = repository.tags(args.dataset)
    rows: list[dict[str, Any]] = [
        {
            "version": manifest.version,
            "digest": manifest.digest,
            "created": manifest.created,
            "previous": manifest.previous,
            "records": len(manifest.records),
            "bytes": manifest.size_bytes,
            "tags": sorted(name for name, version in tags.items() if version == manifest.version),
            "reasons": {name: list(items) for name, items in manifest.reasons.items()},
        }
        for manifest in repository.log(args.dataset)
    ]
    lines = []
    for row in rows:
        tagged = f"  ({', '.join(row['tags'])})" if row["tags"] else ""
        lines.append(
            f"{args.dataset}@{row['version']}{tagged}  {row['digest'][:12]}  {row['created']}  {row['records']} records"
        )
        lines += [f"    {name if name != '*' else 'all'}: {'; '.join(items)}" for name, items in row["reasons"].items()]
    output.result(rows, "\n".join(lines))
    return 0
