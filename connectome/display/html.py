"""HTML for notebooks and reports: self-contained, without scripts, readable on light and on dark pages.

Every piece of text goes through :func:`escape`; what is already HTML is of the type :class:`Html` and nothing else is.
Colours are taken from the page (``currentColor``) and thinned, so that no theme needs to be known.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .text import human_bytes, short_digest

if TYPE_CHECKING:
    from connectome.catalog.model import Catalog, Citation, Dataset
    from connectome.splits import Split
    from connectome.store.diff import ChangedRecord, Diff
    from connectome.store.opened import Version
    from connectome.store.verify import Verification

__all__ = [
    "Html",
    "catalog_html",
    "dataset_html",
    "details",
    "diff_html",
    "escape",
    "link",
    "table_html",
    "verification_html",
    "version_html",
    "wrap",
]

MAX_ROWS = 200
"""Rows of a table that are shown; the rest is counted."""

STYLE = """
.connectome{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:.92em;
line-height:1.4;max-width:72em}
.connectome header{margin:0 0 .5em}
.connectome .name{font-weight:600}
.connectome .muted{opacity:.7}
.connectome code{font-family:ui-monospace,"DejaVu Sans Mono",Consolas,monospace;font-size:.92em}
.connectome table{border-collapse:collapse;margin:.4em 0;text-align:left}
.connectome th,.connectome td{padding:.2em .8em .2em 0;vertical-align:top;text-align:left;
border-bottom:1px solid rgba(128,128,128,.25);background:none}
.connectome th{font-weight:600}
.connectome td.number,.connectome th.number{text-align:right;font-variant-numeric:tabular-nums}
.connectome details{margin:.2em 0;padding-left:.2em}
.connectome summary{cursor:pointer}
.connectome dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1em;margin:.3em 0}
.connectome dt{opacity:.7}.connectome dd{margin:0}
.connectome .good{color:#1a7f37}.connectome .bad{color:#cf222e}
@media (prefers-color-scheme:dark){.connectome .good{color:#3fb950}.connectome .bad{color:#ff7b72}}
"""


class Html(str):
    """Text that is HTML already and must not be escaped again."""

    __slots__ = ()


def escape(value: Any) -> Html:
    """Write any value as HTML text; :class:`Html` passes unchanged, characters that HTML forbids become visible."""
    if isinstance(value, Html):
        return value
    if value is None:
        return Html("")
    text = f"{value:,}" if type(value) is int else str(value)
    visible = "".join(f"\\x{ord(character):02x}" if _forbidden(character) else character for character in text)
    return Html(html.escape(visible, quote=True))


def _forbidden(character: str) -> bool:
    """Tell whether XML does not allow a character (XML 1.0, section 2.2); C1 controls are left out too."""
    return (unicodedata.category(character) in {"Cc", "Cs"} and character not in "\n\t") or character in "\ufffe\uffff"


def link(text: str, address: str) -> Html:
    """Return a link; an address that is not http(s) stays text."""
    if not re.match(r"https?://", address, flags=re.IGNORECASE):
        return escape(text)
    return Html(f'<a href="{escape(address)}" rel="noopener">{escape(text)}</a>')


def wrap(*parts: Html) -> Html:
    """Join parts into one block with its style."""
    return Html(f'<div class="connectome"><style>{STYLE}</style>{"".join(parts)}</div>')


def details(summary: Any, *parts: Html, open_: bool = False) -> Html:
    """Return a part that can be folded."""
    state = ' open="open"' if open_ else ""
    return Html(f"<details{state}><summary>{escape(summary)}</summary>{''.join(parts)}</details>")


def table_html(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, max_rows: int = MAX_ROWS) -> Html:
    """Return a table; columns of numbers are set to the right, rows beyond ``max_rows`` are counted."""
    listed = [list(row) for row in rows]
    numeric = [
        bool(listed) and all(isinstance(row[at], int | float) and not isinstance(row[at], bool) for row in listed)
        for at in range(len(columns))
    ]
    marks = [' class="number"' if number else "" for number in numeric]
    head = "".join(f"<th{mark}>{escape(name)}</th>" for mark, name in zip(marks, columns, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{mark}>{escape(value)}</td>" for mark, value in zip(marks, row, strict=True)) + "</tr>"
        for row in listed[:max_rows]
    )
    if len(listed) > max_rows:
        body += f'<tr><td class="muted" colspan="{len(columns)}">and {len(listed) - max_rows:,} more</td></tr>'
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _pairs(values: Mapping[str, Any]) -> Html:
    shown = ((name, value) for name, value in values.items() if value not in (None, "", ()))
    return Html("<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in shown) + "</dl>")


def _header(name: str, *rest: Any) -> Html:
    tail = "".join(f" <span>{escape(part)}</span>" for part in rest if part not in (None, ""))
    return Html(f'<header><span class="name">{escape(name)}</span>{tail}</header>')


def _muted(text: Any) -> Html:
    return Html(f'<span class="muted">{escape(text)}</span>')


def _code(text: Any) -> Html:
    return Html(f"<code>{escape(text)}</code>")


def _list(items: Iterable[Any]) -> Html:
    return Html("<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def catalog_html(catalog: Catalog) -> Html:
    """Return the catalogue as a table, and each dataset folded below it."""
    rows = []
    for identifier, entry in catalog.items():
        versions = catalog.versions(identifier)
        rows.append(
            (
                Html(f"<strong>{escape(identifier)}</strong>"),
                entry.title,
                ", ".join(entry.kinds),
                Html("".join(f"<i>{escape(name)}</i> " for name in entry.species).strip()),
                ", ".join(entry.licences),
                versions[-1] if versions else _muted("not in the store"),
            )
        )
    columns = ("dataset", "title", "kinds", "species", "licences", "latest")
    return wrap(
        _header("Catalog", _muted(_count(len(catalog), "dataset"))),
        table_html(columns, rows),
        *(details(entry.id, _dataset(entry)) for entry in catalog.values()),
    )


def dataset_html(dataset: Dataset) -> Html:
    """Return what the catalogue says about a dataset."""
    return wrap(_header(dataset.id, dataset.title), _dataset(dataset))


def _dataset(dataset: Dataset) -> Html:
    facts = {
        "description": dataset.description,
        "kinds": ", ".join(dataset.kinds),
        "species": ", ".join(dataset.species),
        "licences": ", ".join(dataset.licences),
        "redistribution": "allowed" if dataset.redistributable else "not for all parts, or not known",
        "keywords": ", ".join(dataset.keywords),
        "homepage": link(dataset.homepage, dataset.homepage) if dataset.homepage else "",
        "listed": "" if dataset.listed else "no: only in this store",
    }
    parts = [_pairs(facts)]
    if dataset.sources:
        rows = [
            (source.id, link(source.title, source.homepage), ", ".join(source.licences), source.licence_note)
            for source in dataset.sources
        ]
        table = table_html(("source", "title", "licences", "note"), rows)
        parts.append(details(_count(len(rows), "source"), table))
    if dataset.works:
        parts.append(details(f"{_count(len(dataset.works), 'work')} to cite", _works(dataset.works)))
    return Html("".join(parts))


def _works(works: Sequence[Citation]) -> Html:
    from connectome.catalog.cite import text

    items = []
    for work in works:
        reference = text([work])
        address = f"https://doi.org/{work.doi}" if work.doi else work.url
        bare = reference.removesuffix(address).rstrip() if address else reference
        items.append(Html(f"{escape(bare)} {link(address, address)}") if address else escape(bare))
    return _list(items)


def version_html(version: Version) -> Html:
    """Return a version: what it is, its records, what was rejected, warnings, splits, facts and how to cite it."""
    manifest = version.manifest
    census = manifest.census
    facts = {
        "title": manifest.about.get("title", ""),
        "digest": _code(version.digest),
        "records": f"{len(manifest.records):,}, {human_bytes(manifest.size_bytes)}",
        "files": f"{census.seen:,} seen = {census.used:,} used + {census.rejected:,} rejected",
        "created": manifest.created,
        "previous": manifest.previous,
        "derived from": ", ".join(manifest.parents),
        "licence": ", ".join(manifest.about.get("licences", ())) or manifest.about.get("licence", ""),
    }
    rows = [
        (
            name,
            receipt.recipe.get("source", ""),
            " ".join(sorted({facts_["kind"] for facts_ in receipt.facts.values()})),
            human_bytes(receipt.size_bytes),
            _code(short_digest(receipt.content)),
            len(receipt.warnings),
        )
        for name, receipt in manifest.records.items()
    ]
    warnings = [
        (name, warning.get("code", ""), warning.get("place", ""), warning.get("message", ""))
        for name, receipt in manifest.records.items()
        for warning in receipt.warnings
    ]
    rejected = [(item["file"], item["kind"], item["reason"]) for item in manifest.rejected]
    measured = [
        (name, path, ", ".join(f"{fact} {_fact(value)}" for fact, value in values.items() if fact != "kind"))
        for name, receipt in manifest.records.items()
        for path, values in receipt.facts.items()
    ]
    reasons = [(name, "; ".join(why)) for name, why in manifest.reasons.items()]
    folded = (
        (_count(len(rows), "record"), ("record", "source", "kinds", "size", "content", "warnings"), rows),
        (_count(len(warnings), "warning"), ("record", "code", "place", "message"), warnings),
        (f"{_count(len(rejected), 'file')} rejected", ("file", "kind", "reason"), rejected),
        ("facts", ("record", "group", "measured"), measured),
        ("why it differs from the version before", ("record", "reason"), reasons),
        (_count(len(manifest.splits), "split"), ("split", "parts"), _split_rows(version.splits)),
    )
    parts = [details(summary, table_html(columns, values)) for summary, columns, values in folded if values]
    cited = details("how to cite", Html(f"<p>{escape(version.cite(style='text')).replace(chr(10), '<br/>')}</p>"))
    return wrap(_header(version.dataset, _muted(f"version {version.version}")), _pairs(facts), *parts, cited)


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_fact(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list) and len(str(value)) > 80:
        return f"[{len(value)} values]"
    return f"{value:,}" if type(value) is int else f"{value:.6g}" if isinstance(value, float) else str(value)


def _split_rows(splits: Mapping[str, Split]) -> list[tuple[str, str]]:
    return [
        (name, ", ".join(f"{part}: {_count(len(split.records(part)), 'record')}" for part in split.parts))
        for name, split in splits.items()
    ]


def diff_html(diff: Diff) -> Html:
    """Return what differs between two versions and why."""
    summary = (
        f"{len(diff.added):,} added, {len(diff.removed):,} removed, {len(diff.changed):,} changed, "
        f"{diff.unchanged:,} unchanged"
    )
    parts = [_header(diff.dataset, f"{diff.old} → {diff.new}", _muted(summary))]
    if not diff:
        parts.append(Html("<p>The versions hold the same.</p>"))
    for label, names in (("added", diff.added), ("removed", diff.removed), ("other parts that differ", diff.metadata)):
        if names:
            parts.append(details(f"{label} ({len(names):,})", _list(names), open_=len(names) <= 20))
    if diff.changed:
        rows = [(change.record, "; ".join(change.reasons), _what(change)) for change in diff.changed]
        table = table_html(("record", "why", "what"), rows)
        parts.append(details(f"changed ({len(rows):,})", table, open_=len(rows) <= 20))
    return wrap(*parts)


def _what(change: ChangedRecord) -> Html:
    lines = []
    for label, names in (
        ("arrays added", change.arrays_added),
        ("arrays removed", change.arrays_removed),
        ("arrays changed", change.arrays_changed),
        ("attributes changed", change.attributes_changed),
    ):
        if names:
            lines.append(f"{label}: {', '.join(names)}")
    lines += [f"{name}: {_fact(old)} → {_fact(new)}" for name, (old, new) in (change.facts_changed or {}).items()]
    if not change.content_changed:
        lines.append("the content is the same")
    return Html("<br/>".join(escape(line) for line in lines))


def verification_html(result: Verification) -> Html:
    """Return what a verification found."""
    verdict = '<span class="good">whole</span>' if result.ok else '<span class="bad">damaged</span>'
    checked = f"{_count(result.n_records, 'record')}, {human_bytes(result.size_bytes)} hashed"
    parts = [_header(f"{result.dataset}@{result.version}", Html(verdict), _muted(checked))]
    if result.damaged:
        rows = [(damage.record, damage.what, damage.message) for damage in result.damaged]
        parts.append(table_html(("record", "what", "message"), rows))
    return wrap(*parts)
