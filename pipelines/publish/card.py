"""The dataset card: ``README.md`` with the front matter that the Hub reads and the facts that a person needs.

The front matter names every table as a configuration with its files, features and row counts, so that
``datasets.load_dataset(FOLDER, TABLE)`` works offline and notices missing rows.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from connectome.catalog import LICENCES, from_about
from connectome.rows import DEFAULT_SPLIT, arrow_schema
from connectome.store.canonical import canonical_json

from .parquet import NO_PART, UNSPLIT, WHOLE

if TYPE_CHECKING:
    from connectome.rows import Column
    from connectome.store import Version

    from .values import PublishedTable

__all__ = ["card", "front_matter", "hub_licence"]

MOST_LINES = 200
"""Longest table in the text; whatever is longer lies in the tables ``records`` and ``groups`` and the version file."""
MOST_LABELS = 12

_HUB_LICENCES = {
    "CC0-1.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-ND-4.0", "CC-BY-NC-4.0",
    "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0", "MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "Unlicense",
    "MPL-2.0",
}  # fmt: skip
"""Licences whose SPDX id is the Hub's id in capitals (https://huggingface.co/docs/hub/repositories-licenses)."""
_RENAMED = {
    "PDDL-1.0": "pddl",
    "ODC-By-1.0": "odc-by",
    "ODbL-1.0": "odbl",
    "GPL-2.0-only": "gpl-2.0",
    "GPL-2.0-or-later": "gpl-2.0",
    "GPL-3.0-only": "gpl-3.0",
    "GPL-3.0-or-later": "gpl-3.0",
    "LGPL-2.1-or-later": "lgpl-2.1",
    "LGPL-3.0-or-later": "lgpl-3.0",
    "AGPL-3.0-only": "agpl-3.0",
    "AGPL-3.0-or-later": "agpl-3.0",
}
_SIZES = (
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"),
)  # fmt: skip


def hub_licence(licence: str) -> str | None:
    """Return the Hub's id of a licence; None where it has none."""
    return licence.casefold() if licence in _HUB_LICENCES else _RENAMED.get(licence)


def card(
    version: Version,
    written: Sequence[PublishedTable],
    *,
    licences: Mapping[str, Sequence[str]],
    place: str | None = None,
) -> str:
    """Return the text of ``README.md``.

    Parameters
    ----------
    version : Version
        What is published.
    written : sequence of PublishedTable
        Its tables.
    licences : mapping
        Licence id to the records under it.
    place : str, optional
        Where it will lie (``hf://datasets/ORG/NAME``), for the examples.

    Returns
    -------
    str
    """
    header = yaml.safe_dump(
        front_matter(version, written, licences=licences), sort_keys=False, allow_unicode=True, width=100
    )
    described = from_about(version.dataset, version.manifest.about)
    sections = [
        f"# {_text(described.title)}",
        _text(described.description),
        _identity(version),
        _loading(version, written, place),
        _licences(version, licences),
        "## Citation\n\n```bibtex\n" + version.cite("bibtex").replace("```", "'''") + "\n```",
        _splits(version, written),
        _tables(written),
        _facts(version),
        _census(version),
    ]
    return f"---\n{header}---\n\n" + "\n\n".join(section for section in sections if section) + "\n"


def front_matter(
    version: Version, written: Sequence[PublishedTable], *, licences: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Return what the Hub and ``datasets`` read from the card."""
    described = from_about(version.dataset, version.manifest.about)
    total = sum(item.n_rows for item in written)
    main = next((item.table.name for item in written if item.table.primary), written[0].table.name)
    return {
        **_licence_fields(licences),
        "pretty_name": described.title,
        "size_categories": [next((name for limit, name in _SIZES if total < limit), "10B<n<100B")],
        "tags": sorted({"neuroscience", "connectome", *described.kinds, *described.keywords}),
        "configs": [
            {
                "config_name": item.table.name,
                **({"default": True} if item.table.name == main else {}),
                "data_files": [
                    {"split": split, "path": f"data/{item.table.name}/{split}-*.parquet"} for split in item.splits
                ],
            }
            for item in written
        ],
        "dataset_info": [_info(item) for item in written],
    }


def _licence_fields(licences: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    known = {name: hub_licence(name) for name in sorted(licences)}
    ids = sorted({identifier or "other" for identifier in known.values()})
    fields: dict[str, Any] = {"license": ids[0] if len(ids) == 1 else ids}
    others = [name for name, identifier in known.items() if identifier is None]
    if others:
        links = [licence.url for name in others if (licence := LICENCES.get(name)) is not None and licence.url]
        # The Hub takes one name and one link; the table in the text has all of them.
        fields |= {"license_name": ", ".join(others).casefold(), "license_link": links[0] if links else "README.md"}
    return fields


def _info(item: PublishedTable) -> dict[str, Any]:
    from datasets import DatasetInfo, Features, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    splits = SplitDict()
    for name, split in item.splits.items():
        splits.add(SplitInfo(name, num_bytes=split.n_bytes, num_examples=split.n_rows))
    info = DatasetInfo(
        features=Features.from_arrow_schema(arrow_schema(item.table)),
        config_name=item.table.name,
        splits=splits,
        download_size=sum(file.size_bytes for file in item.files),
        dataset_size=sum(split.n_bytes for split in item.splits.values()),
    )
    # The library's own writer, so that its reader understands every type.
    data = DatasetCardData()
    DatasetInfosDict({item.table.name: info}).to_dataset_card_data(data)
    found: dict[str, Any] = data.to_dict()["dataset_info"]
    return {"config_name": item.table.name, **found}


def _identity(version: Version) -> str:
    manifest = version.manifest
    rows = [
        ("dataset", version.dataset),
        ("version", version.version),
        ("digest", f"sha256:{version.digest}"),
        ("records", str(len(version))),
        ("bytes of records", f"{manifest.size_bytes:,}"),
        ("committed", manifest.created),
        ("species", ", ".join(manifest.about.get("species") or [])),
        ("derived from", ", ".join(manifest.parents)),
        ("written with", ", ".join(f"{name} {number}" for name, number in sorted(manifest.environment.items()))),
    ]
    return "## Version\n\n" + _grid(("", ""), [row for row in rows if row[1]])


def _loading(version: Version, written: Sequence[PublishedTable], place: str | None) -> str:
    main = next((item for item in written if item.table.primary), written[0])
    repository = (place or "").removeprefix("hf://").removeprefix("datasets/") or "FOLDER"
    root = place or "FOLDER"
    split = next(iter(main.splits))
    record = next(iter(version.manifest.records))
    return f"""## How to load

Tables, with [datasets](https://huggingface.co/docs/datasets):

```python
from datasets import load_dataset

rows = load_dataset({repository!r}, {main.table.name!r}, split={split!r})
```

Whole records with all their attributes, exactly as stored, with `connectome`:

```python
import connectome

version = connectome.open({version.spec!r}, root={root!r})
tree = version.open({record!r})  # an xarray.DataTree, read when asked for
```

A copy, every file checked by SHA-256: `connectome pull {version.spec} --from {root}`. The files below
`{version.dataset}/` are that store; any Zarr tool opens a record (`zarr.storage.ZipStore`). Numbers have the type of
their source. In single cells null means missing; inside lists (signals, positions) missing numbers are NaN."""


def _licences(version: Version, licences: Mapping[str, Sequence[str]]) -> str:
    rows = []
    for name, records in licences.items():
        licence = LICENCES.get(name)
        title = licence.title if licence else name
        link = f"[{_text(title)}]({licence.url})" if licence and licence.url else _text(title)
        rows.append((name, link, _some(records), licence.note if licence else ""))
    notes = [
        f"- {_text(source.id)}: {_text(source.licence_note)}"
        for source in from_about(version.dataset, version.manifest.about).sources
        if source.licence_note
    ]
    grid = _grid(("licence", "title", "records", "note"), rows, links=(1,))
    return "## Licence\n\n" + grid + ("\n\n" + "\n".join(notes) if notes else "")


def _splits(version: Version, written: Sequence[PublishedTable]) -> str:
    names = list(dict.fromkeys(split for item in written for split in item.splits))
    if not version.splits:
        return (
            "## Splits\n\nThis version stores no split. As is usual on the Hub, all rows are in "
            f"`{UNSPLIT}`; that says nothing about how to divide them."
        )
    lines = [f"- `{name}`: {_text(repr(split).strip('<>'))}" for name, split in sorted(version.splits.items())]
    text = "## Splits\n\nStored with the version (table `splits`):\n\n" + "\n".join(lines) + "\n\n"
    if DEFAULT_SPLIT not in version.splits:
        return text + f"None of them is called `{DEFAULT_SPLIT}`, so all rows are in `{UNSPLIT}`, divided by nothing."
    if WHOLE in names and len(names) == 1:
        return text + (
            f"The split `{DEFAULT_SPLIT}` cuts records in time. Rows cannot follow it, so all of them are in `{WHOLE}`."
        )
    return text + (
        f"The splits of the tables below follow `{DEFAULT_SPLIT}`"
        + (f"; records that it leaves out are in `{NO_PART}`" if NO_PART in names else "")
        + f". Tables about the version are in `{WHOLE}`."
    )


def _tables(written: Sequence[PublishedTable]) -> str:
    parts = ["## Tables"]
    for item in written:
        counts = ", ".join(f"{name} {split.n_rows:,}" for name, split in item.splits.items())
        about = f"group `{item.table.group}` ({item.table.kind})" if item.table.group else "about the version"
        rows = [_column(column) for column in item.table.columns]
        parts.append(
            f"### `{item.table.name}`\n\n{_text(about, code=True)}; rows: {counts}\n\n"
            + _grid(("column", "type", "unit", "meaning"), rows)
        )
    return "\n\n".join(parts)


def _column(column: Column) -> tuple[str, str, str, str]:
    kind = column.dtype
    for length in reversed(column.shape):
        kind = f"list of {kind}" if length is None else f"list of {length} {kind}"
    meaning = column.long_name
    if column.labels and len(column.labels) <= MOST_LABELS:
        meaning += f" (one of: {', '.join(column.labels)})"
    if column.source:
        meaning += f" (column {column.source} where it has this type)"
    return column.name, kind, column.units, meaning


def _facts(version: Version) -> str:
    rows = [
        (record, path.strip("/"), str(facts["kind"]), _short({k: v for k, v in facts.items() if k != "kind"}))
        for record, groups in version.facts.items()
        for path, facts in groups.items()
    ]
    return "## Facts\n\nMeasured when the records were written.\n\n" + _grid(("record", "group", "kind", "facts"), rows)


def _short(facts: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value if isinstance(value, (str, int, float)) else canonical_json(value)}"
        for name, value in facts.items()
        if value is not None
    )


def _census(version: Version) -> str:
    census = version.manifest.census
    text = (
        f"## Census\n\n{census.seen} files were seen: {census.used} used, {census.rejected} rejected. "
        f"{len(version.warnings)} warnings lie in the table `records`."
    )
    rows = [(item["file"], item["kind"], item["reason"]) for item in version.manifest.rejected]
    return text + ("\n\n" + _grid(("rejected", "kind", "reason"), rows) if rows else "")


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]], *, links: Iterable[int] = ()) -> str:
    shown = rows[:MOST_LINES]
    kept = set(links)
    lines = [
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
        *(
            "| " + " | ".join(cell if at in kept else _text(cell) for at, cell in enumerate(row)) + " |"
            for row in shown
        ),
    ]
    if len(rows) > len(shown):
        lines.append(f"\n{len(rows) - len(shown)} more rows are left out here.")
    return "\n".join(lines)


def _text(value: str, *, code: bool = False) -> str:
    """Keep text from being read as Markdown or HTML."""
    flat = " ".join(str(value).split())
    escaped = re.sub(r"([\\|\[\]*_])" if not code else r"([\\|])", r"\\\1", html.escape(flat, quote=False))
    return escaped if code else escaped.replace("`", "'")


def _some(records: Sequence[str], most: int = 20) -> str:
    more = f" and {len(records) - most} more" if len(records) > most else ""
    return ", ".join(records[:most]) + more
