"""``connectome import``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.display.text import table_text
from connectome.errors import UsageError

from .ingest import report

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.usage = "connectome import [FORMAT] PATH... --dataset NAME [--record ID] [--option K=V]..."
    parser.add_argument(
        "words", nargs="*", metavar="[FORMAT] PATH", help="the files of one record; FORMAT is recognised"
    )
    parser.add_argument("--dataset", metavar="NAME", help="any name; it is made if there is none")
    parser.add_argument("--record", metavar="ID", help="default: the first file's name")
    parser.add_argument("--option", action="append", default=[], metavar="K=V", help="an option of the format's reader")
    parser.add_argument("--list", action="store_true", help="list the formats and their options")


def run(args: argparse.Namespace, output: Output) -> int:
    """Import files, or list the formats."""
    from ..formats import FORMATS, recognise

    if args.list:
        return _list(output)
    if not args.words or not args.dataset:
        raise UsageError("files and a dataset are needed", subject="import", expected="[FORMAT] PATH... --dataset NAME")
    words = list(args.words)
    named = words[0] in FORMATS
    if not named and not Path(words[0]).exists() and len(words) > 1:
        raise UsageError(
            "unknown format", subject=words[0], expected=", ".join(FORMATS), hint="connectome import --list"
        )
    paths = words[1:] if named else words
    if not paths:
        raise UsageError("no file was given", subject="import", expected="[FORMAT] PATH...")
    from connectome.store import Repository

    from ..importing import import_files, parse_options

    chosen = words[0] if named else recognise([Path(path) for path in paths]).name
    result = import_files(
        Repository(args.root),
        paths,
        dataset=args.dataset,
        format=chosen,
        record=args.record,
        options=parse_options(chosen, args.option),
    )
    report(result, output)
    return 0


def _list(output: Output) -> int:
    from connectome.errors import MissingExtraError

    from ..formats import FORMATS

    rows: list[dict[str, Any]] = []
    for item in FORMATS.values():
        try:
            options = {name: str(parameter.annotation) for name, parameter in item.options().items()}
        except MissingExtraError:
            options = {}
        rows.append({"format": item.name, "title": item.title, "kinds": list(item.kinds),
                     "suffixes": list(item.suffixes), "extra": item.extra, "options": options})  # fmt: skip
    shown = [
        (row["format"], " ".join(item.kinds), " ".join(item.suffixes), ", ".join(row["options"]), item.title)
        for row, item in zip(rows, FORMATS.values(), strict=True)
    ]
    output.result(rows, table_text(("format", "kinds", "suffixes", "options", "title"), shown))
    return 0
