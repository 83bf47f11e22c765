"""``connectome list``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from connectome.display.text import table_text

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    del parser


def run(args: argparse.Namespace, output: Output) -> int:
    """List all datasets."""
    from connectome.catalog import open_catalog

    report(open_catalog(args.root).as_json(), output)
    return 0


def report(rows: list[dict[str, object]], output: Output) -> None:
    """Print catalogue lines; ``search`` prints them alike."""
    shown = [
        (row["dataset"], row["latest"] or "-", " ".join(_texts(row["kinds"])), row["licence"], row["title"])
        for row in rows
    ]
    output.result(
        rows, table_text(("dataset", "latest", "kinds", "licence", "title"), shown) if rows else "nothing found"
    )


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
