"""``connectome import``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.display.text import table_text
from connectome.errors import UsageError

from .ingest import report

if TYPE_CHECKING:
    from ..importing_elsewhere import ImportPlan
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.usage = (
        "connectome import [FORMAT] PATH... --dataset NAME [--record ID] [--option K=V]... "
        "[--remote whole|ranges] [--references] [--dry-run]"
    )
    parser.add_argument(
        "words", nargs="*", metavar="[FORMAT] PATH", help="the files of one record, or one URL; FORMAT is recognised"
    )
    parser.add_argument("--dataset", metavar="NAME", help="any name; it is made if there is none")
    parser.add_argument("--record", metavar="ID", help="default: the first file's name")
    parser.add_argument("--option", action="append", default=[], metavar="K=V", help="an option of the format's reader")
    parser.add_argument(
        "--remote", default="whole", metavar="HOW",
        help="of a URL: whole (fetched and hashed, the default), or ranges (what is needed; no checksum of the whole)",
    )  # fmt: skip
    parser.add_argument(
        "--references", action="store_true", help="refer to arrays where they lie in the file instead of copying them"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the bytes to fetch, copy and refer to, and stop")
    parser.add_argument("--list", action="store_true", help="list the formats and their options")


def run(args: argparse.Namespace, output: Output) -> int:
    """Import files, or list the formats."""
    from ..formats import FORMATS, recognise

    if args.list:
        return _list(output)
    if not args.words or not (args.dataset or args.dry_run):
        raise UsageError("files and a dataset are needed", subject="import", expected="[FORMAT] PATH... --dataset NAME")
    words = list(args.words)
    named = words[0] in FORMATS
    if _is_url(words[-1]) or args.dry_run:
        return _one(args, words, output, named=named)
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
        by_reference=args.references,
    )
    report(result, output)
    return 0


def _is_url(word: str) -> bool:
    return word.lower().startswith(("http://", "https://"))


def _one(args: argparse.Namespace, words: list[str], output: Output, *, named: bool) -> int:
    """Import one URL, or plan the import of one file."""
    from connectome.store import Repository

    from ..importing import parse_options
    from ..importing_elsewhere import import_url, plan_import

    if len(words) != 1 + named:
        raise UsageError(
            "one address makes one record", subject="import", expected="[FORMAT] URL", found=" ".join(words)
        )
    chosen = words[0] if named else None
    # Options are those of a format, and of all formats only this one is planned or read by ranges.
    known = chosen or ("nwb" if args.dry_run or args.remote == "ranges" else None)
    if known is None and args.option:
        raise UsageError("options need a format", subject="--option", expected="FORMAT URL")
    options = parse_options(known, args.option) if known else {}
    if args.dry_run:
        plan = plan_import(words[-1], format=known, options=options, remote=args.remote, by_reference=args.references)
        output.result(plan.as_dict(), _describe(plan))
        return 0
    result = import_url(
        Repository(args.root), words[-1], dataset=args.dataset, format=known, record=args.record, options=options,
        remote=args.remote, by_reference=args.references,
    )  # fmt: skip
    report(result, output)
    return 0


def _describe(plan: ImportPlan) -> str:
    lines = [
        ("file", plan.source_bytes, "bytes of the file"),
        ("to fetch", plan.fetch_bytes, "bytes to be fetched"),
        ("to copy", plan.copy_bytes, "bytes of values to be copied, before compression"),
        ("by reference", plan.reference_bytes, f"of {plan.referable_bytes} bytes that --references leaves in the file"),
    ]
    return "\n".join(f"{name:13}{n_bytes:>15,}  {about}" for name, n_bytes, about in lines)


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
