"""``connectome pull``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from connectome.display.text import human_bytes

from .progress import listening

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")
    parser.add_argument(
        "--from", dest="source", required=True, metavar="PLACE", help="a folder, https://, s3:// or hf://ORG/NAME"
    )


def run(args: argparse.Namespace, output: Output) -> int:
    """Copy a version from another store."""
    from ..pull import pull

    with listening(output) as (_, progress):
        result = pull(args.spec, args.source, args.root, progress=progress)
    made = "" if result.created else " (it was here already)"
    output.result(
        result.as_dict(),
        f"{result.dataset}@{result.version}{made}  {result.digest[:12]}\n"
        f"{len(result.copied)} records copied ({human_bytes(result.size_bytes)}), {len(result.reused)} reused",
    )
    return 0
