"""``connectome show``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connectome.display.text import human_bytes, table_text
from connectome.errors import NotFoundError

from ..signals import NOT_ASKED
from .plan import aside_line, listed_line

if TYPE_CHECKING:
    from connectome.catalog import Dataset
    from connectome.store import Version

    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")


def run(args: argparse.Namespace, output: Output) -> int:
    """Show a version, or the catalogue's entry where the store has none."""
    from connectome.store import Repository, open_version

    repository = Repository(args.root)
    dataset = args.spec.partition("@")[0]
    if "@" not in args.spec and not repository.versions(dataset):
        entry = _entry(dataset, args.root)
        document = {**entry.as_json(), "digest": None, "version": None, "records": [], "rejected": [], "splits": {},
                    "facts": {}, "citation": entry.cite(style="text")}  # fmt: skip
        output.result(document, f"{entry.id}: {entry.title}\n\n{entry.description}\n\n{entry.cite(style='text')}\n\n"
                      f"not in this store; connectome ingest {entry.id}")  # fmt: skip
        return 0
    version = open_version(args.spec, root=args.root)
    output.result(describe(version), _text(version))
    return 0


def _entry(dataset: str, root: str | None) -> Dataset:
    from connectome.catalog import open_catalog

    try:
        return open_catalog(root)[dataset]
    except NotFoundError as error:
        from ..sources.openneuro_accession import source_of_dataset

        if source_of_dataset(dataset) is not None:
            error.hint = f"connectome plan {dataset} asks OpenNeuro what it has, connectome ingest {dataset} brings it"
        raise


def describe(version: Version) -> dict[str, Any]:
    """Return a version as JSON values."""
    manifest = version.manifest
    return {
        "dataset": version.dataset,
        "version": version.version,
        "digest": version.digest,
        "title": manifest.about.get("title", version.dataset),
        "licence": manifest.about.get("licence"),
        "created": manifest.created,
        **({"listing": manifest.about["listing"]} if manifest.about.get("listing") else {}),
        "census": manifest.census._asdict(),
        "records": [
            {
                "record": name,
                "digest": receipt.content,
                "sha256": receipt.file_sha256,
                "source": receipt.recipe["source"],
                "bytes": receipt.size_bytes,
                "warnings": [dict(item) for item in receipt.warnings],
            }
            for name, receipt in manifest.records.items()
        ],
        "rejected": [dict(item) for item in manifest.rejected],
        "splits": {name: dict(split) for name, split in manifest.splits.items()},
        "facts": version.facts,
        "citation": version.cite("text"),
    }


def rejected_lines(rejected: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a line per rejection, one for all signals that were not asked for; ``ingest`` prints the same."""
    lines = [
        f"rejected {item['file']} ({item['kind']}): {item['reason'].splitlines()[0]}"
        for item in rejected
        if item["kind"] != NOT_ASKED
    ]
    n_aside = len(rejected) - len(lines)
    return [*lines, aside_line(n_aside)] if n_aside else lines


def _text(version: Version) -> str:
    manifest = version.manifest
    census = manifest.census
    rows = [
        (
            name,
            receipt.content[:12],
            receipt.recipe["source"],
            human_bytes(receipt.size_bytes),
            len(receipt.warnings),
        )
        for name, receipt in manifest.records.items()
    ]
    parts = [
        f"{version.spec}  {manifest.about.get('title', '')}",
        f"digest   {version.digest}",
        f"files    {census.seen} seen = {census.used} used + {census.rejected} rejected",
        f"licence  {manifest.about.get('licence', 'not stated')}",
        *([f"listed   {listed_line(manifest.about['listing'])}"] if manifest.about.get("listing") else []),
        "",
        table_text(("record", "digest", "source", "size", "warnings"), rows),
    ]
    if manifest.rejected:
        parts += ["", *rejected_lines(manifest.rejected)]
    parts += ["", version.cite("text")]
    return "\n".join(parts)
