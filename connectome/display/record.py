"""A record as HTML: what it is, its groups with facts, columns and first rows, its warnings; graphs in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectome.graphs import Distribution, GraphSummary, summarise_graph
from connectome.schema import KINDS, decode, groups, is_category, kind_of

from .html import Html, details, escape, table_html, wrap
from .text import clean

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["graph_html", "record_html"]

HIDDEN = {"encoding-type", "encoding-version", "warnings", "edge_types", "provenance", "digests", "fetched"}
MOST_LISTED = 12
"""Degrees or components that are listed one by one."""
MOST_ROWS = {"table": ("row", 20), "series": ("channel", 128)}
"""Rows of a table, and channels of a series, that are listed."""
HEADINGS = ("", "n", "not known", "mean", "sd", "5%", "median", "95%", "largest", "sum", "unit")


def record_html(tree: xr.DataTree, *, title: str = "", by: str | None = None) -> Html:
    """Return a record as HTML: attributes, warnings, and every group with its facts and columns.

    Parameters
    ----------
    tree : xarray.DataTree
        A record.
    title : str
        Its name.
    by : str, optional
        For graphs: the category that names regions; see :func:`connectome.graphs.summarise_graph`.

    Returns
    -------
    Html
        Graphs are measured in full, which reads their columns.
    """
    parts = [Html(f'<header><span class="name">{escape(title or tree.attrs.get("title", "record"))}</span></header>')]
    parts.append(_pairs({str(name): value for name, value in tree.attrs.items() if name not in HIDDEN}))
    provenance = tree.attrs.get("provenance", {})
    inputs = [(raw["path"], raw.get("bytes", ""), raw["sha256"]) for raw in provenance.get("inputs", ())]
    if inputs:
        made = f"made from {len(inputs):,} file{'' if len(inputs) == 1 else 's'} by {provenance['source']}"
        version = f"version {provenance['source_version']}"
        parts.append(details(f"{made}, {version}", table_html(("file", "bytes", "SHA-256"), inputs)))
    digests = tree.attrs.get("digests", {})
    if digests:
        parts.append(
            details(f"{len(digests):,} arrays", table_html(("array", "content SHA-256"), sorted(digests.items())))
        )
    warnings = [(item["code"], item["place"], item["message"]) for item in tree.attrs.get("warnings", ())]
    if warnings:
        parts.append(
            details(
                f"{len(warnings):,} warning{'' if len(warnings) == 1 else 's'}",
                table_html(("code", "place", "message"), warnings),
            )
        )
    for path, dataset in groups(tree):
        kind = kind_of(dataset)
        inner = _graph(dataset, by) if kind == "graph" else [_pairs(KINDS[kind].measure(dataset))]
        inner += _rows(dataset, kind)
        parts.append(details(f"{path.strip('/')} ({kind})", *inner, _columns(dataset), open_=kind == "graph"))
    return wrap(*parts)


def graph_html(dataset: xr.Dataset, *, title: str = "graph", by: str | None = None) -> Html:
    """Return a graph group as HTML: its shape, and how every column is distributed, overall and by region."""
    head = Html(f'<header><span class="name">{escape(title)}</span></header>')
    return wrap(head, *_graph(dataset, by), _columns(dataset))


def _graph(dataset: xr.Dataset, by: str | None) -> list[Html]:
    summary = summarise_graph(dataset, by=by)
    parts = [_pairs(_shape(summary))]
    types = [
        (name, "directed" if about["directed"] else "undirected", about["weight_meaning"], about["lineage"])
        for name, about in dataset.attrs["edge_types"].items()
    ]
    parts.append(details("edge types", table_html(("type", "direction", "weight", "lineage"), types)))
    truths = {name for name in summary.columns if dataset[name].dtype.kind == "b"}
    rows = [_row(name, item) for name, item in _distributions(summary).items() if name not in truths]
    if rows:
        parts.append(details("numbers", table_html(HEADINGS, rows), open_=True))
    held = [(name, summary.columns[name].total, summary.columns[name].n) for name in sorted(truths)]
    if held:
        parts.append(details("truths", table_html(("", "true", "of"), held)))
    for name, counts in summary.categories.items():
        present = ((label or "not given", count) for label, count in counts.items() if count)
        listed = sorted(present, key=lambda item: -item[1])
        parts.append(details(f"{name} ({len(counts):,} labels)", table_html((name, "rows"), listed)))
    if summary.regions:
        parts.append(details(f"by {summary.region_column}", _regions(summary)))
    return parts


def _distributions(summary: GraphSummary) -> dict[str, Distribution]:
    found = dict(summary.columns)
    for measure in (summary.length, summary.thickness):
        if measure is not None and not measure.origin.partition(": ")[2].startswith("column"):
            found[measure.origin.replace(": ", ", ")] = measure
    return found


def _shape(summary: GraphSummary) -> dict[str, Any]:
    histogram = summary.degree_histogram
    degrees = ", ".join(f"{degree}: {count:,}" for degree, count in enumerate(histogram[:MOST_LISTED]) if count)
    beyond = sum(histogram[MOST_LISTED:])
    sizes = ", ".join(f"{size:,}" for size in summary.component_sizes[:MOST_LISTED])
    more = summary.n_components - min(len(summary.component_sizes), MOST_LISTED)
    parallel = summary.parallel
    groups_ = parallel.n_groups + parallel.n_loop_groups
    shape = {
        "nodes": f"{summary.n_nodes:,}, {summary.n_isolated:,} of them without an edge to another",
        "edges": f"{summary.n_edges:,} rows between {parallel.n_pairs:,} different pairs of nodes",
        "parallel edges": f"{parallel.n_surplus:,} rows beyond the first, in {groups_:,} groups",
        "self loops": f"{summary.n_self_loops:,}",
        "components": f"{summary.n_components:,} ({sizes}{f', and {more:,} more' if more > 0 else ''} nodes)",
        "independent cycles": f"{summary.n_independent_cycles:,}",
        "edges per node": degrees + (f", {MOST_LISTED} or more: {beyond:,}" if beyond else ""),
    }
    if summary.bounding_box is not None:
        low, high = summary.bounding_box
        box = " × ".join(f"{one:,g} to {other:,g}" for one, other in zip(low, high, strict=True))
        shape["extent"] = f"{box} {summary.position_units}"
    return shape


def _row(name: str, found: Distribution) -> tuple[Any, ...]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:,.5g}"

    total = f"{found.total:,}" if isinstance(found.total, int) else number(found.total)
    marks = found.quantiles
    return (
        name, found.n, found.n_missing, number(found.mean), number(found.sd), number(marks.get("5%")),
        number(marks.get("50%")), number(marks.get("95%")), number(found.maximum), total, found.units,
    )  # fmt: skip


def _regions(summary: GraphSummary) -> Html:
    heading, rows = ["region", "edges", "nodes"], []
    measures = [("length", summary.length), ("thickness", summary.thickness)]
    known = [(which, item) for which, item in measures if item is not None]
    for _, item in known:
        name = item.origin.partition(":")[0]
        heading += [f"median {name} ({item.units})" if item.units else f"median {name}", f"sum of {name}"]
    for label, region in summary.regions.items():
        cells: list[Any] = [label, region.n_edges, region.n_nodes]
        for which, _ in known:
            item = getattr(region, which)
            empty = item is None or not item.n
            cells += ["", ""] if empty else [f"{item.quantiles['50%']:,.5g}", f"{item.total:,.6g}"]
        rows.append(cells)
    return table_html(heading, rows)


def _rows(dataset: xr.Dataset, kind: str) -> list[Html]:
    """Return the first rows of a table, or what is known of the channels of a series."""
    if kind not in MOST_ROWS:
        return []
    dim, most = MOST_ROWS[kind]
    names = [str(name) for name, variable in dataset.variables.items() if variable.dims == (dim,)]
    count = int(dataset.sizes.get(dim, 0))
    # Bytes of a file say nothing to a reader, and a channel's name alone is in the columns.
    if not count or (len(names) == 1 and (kind == "series" or dataset[names[0]].dtype == "uint8")):
        return []
    names.sort(key=lambda name: (name != dim, list(dataset.variables).index(name)))
    columns = [decode(dataset[name][:most]).tolist() for name in names]
    what = {"row": "rows", "channel": "channels"}[dim]
    label = f"{count:,} {what}" if count <= most else f"the first {most} of {count:,} {what}"
    shown = [[_value(value) if value == value else "" for value in row] for row in zip(*columns, strict=True)]
    return [details(label, table_html(names, shown, max_rows=most))]


def _columns(dataset: xr.Dataset) -> Html:
    rows = [
        (
            str(name),
            " × ".join(f"{size:,} {dim}" for dim, size in zip(variable.dims, variable.shape, strict=True)),
            "category" if is_category(variable) else "text" if variable.dtype.kind in "OTU" else str(variable.dtype),
            variable.attrs.get("units", ""),
            variable.attrs.get("long_name", ""),
        )
        for name, variable in dataset.variables.items()
    ]
    return details(f"{len(rows)} columns", table_html(("column", "shape", "type", "unit", "meaning"), rows))


def _pairs(values: Mapping[str, Any]) -> Html:
    shown = ((name, value) for name, value in values.items() if value not in (None, "", [], {}, ()))
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(_value(value))}</dd>" for name, value in shown)
    return Html(f"<dl>{items}</dl>")


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_value(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value)) if len(value) <= MOST_LISTED else f"{len(value):,} values"
    return f"{value:.6g}" if isinstance(value, float) else clean(value)
