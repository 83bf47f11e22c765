"""The format ``edgelist``: connectomes and other graphs as a table of edges, with or without a table of nodes.

A row is an edge, whatever other rows say: several rows of one pair stay several edges, and columns of the file beside
its ends stay columns of the edges. Ids are 64-bit whole numbers or words and never pass through a float. Known headers
are recognised (``DIALECTS``); any other table is read when the options name its columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import column, graph, record

from ...homogenise.spatial_graph import spatial_graph
from ..tables.block_columns import Ids, Restart, ValueColumn, Words
from ..tables.listed_columns import coded_category, edge_column_names
from ..tables.table_blocks import TEXT_SUFFIXES, TableBlocks, column_named, first_cells, open_table
from ..tables.text_rows import unfinished
from .node_table import ListedNodes
from .position_units import VoxelSize, stated_units

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["DIALECTS", "Dialect", "read", "sniff"]

Array = np.ndarray[Any, Any]

NOT_STATED = "not stated"
_HEADERS = {"auto": None, "yes": True, "no": False}
_IDS = ("auto", "int", "text")
_SNIFFED_ROWS = 3


@dataclass(frozen=True)
class Dialect:
    """A header that is known."""

    source: str
    target: str
    weight: str = ""
    """Column of the weight, where the table has it."""
    weight_units: str = ""


DIALECTS: tuple[Dialect, ...] = (
    Dialect("source", "target", "weight"),
    # FlyWire Codex and MICrONS tables.
    Dialect("pre_root_id", "post_root_id", "syn_count", "synapses"),
    # CAVE, as FlyWire's proofread connections and MICrONS synapse tables are published.
    Dialect("pre_pt_root_id", "post_pt_root_id", "syn_count", "synapses"),
    # neuPrint: hemibrain and its like.
    Dialect("bodyId_pre", "bodyId_post", "weight", "synapses"),
    # MaleCNS flat connectome.
    Dialect("body_pre", "body_post", "weight", "synapses"),
    # FlyWire optic lobes, type to type (Matsliah et al. 2024, Nature 634:166).
    Dialect("from type", "to type", "synapses total", "synapses"),
)


@dataclass(frozen=True)
class _Columns:
    """Which columns are what."""

    source: str
    target: str
    weight: str
    kind: str
    weight_units: str


@dataclass
class _Rows:
    """What the rows of a table say."""

    ends: tuple[Ids, Ids]
    values: dict[str, ValueColumn]
    words: Words
    n_rows: int = 0
    kinds: Words = field(default_factory=Words)
    kind: list[Array] = field(default_factory=list)


def sniff(path: Path) -> bool:
    """Tell whether a table has a known header, or three columns without a header of which two are whole numbers."""
    try:
        if not path.name.lower().endswith(TEXT_SUFFIXES):
            return _dialect(open_table(path).names) is not None
        _, _, cells = first_cells(path)
        if _dialect(cells) is not None:
            return True
        table = open_table(path)
        batch = next(table.blocks(), None) if not table.named and len(table.names) == 3 else None
    except FormatError:
        return False
    if batch is None or batch.num_rows < 2:
        return False
    rows = zip(*(batch.column(at).slice(0, _SNIFFED_ROWS).to_pylist() for at in range(3)), strict=True)
    return all(_is_whole(row[0]) and _is_whole(row[1]) and _is_number(row[2]) for row in rows)


def read(
    paths: list[Path],
    *,
    source: str = "",
    target: str = "",
    weight: str = "",
    type_column: str = "",
    edge_type: str = "connection",
    directed: bool = True,
    weight_units: str = "",
    weight_meaning: str = "",
    lineage: str = "",
    ids: str = "auto",
    id_column: str = "",
    position: str = "",
    units: str = "",
    voxel_size_um: VoxelSize = "",
    separator: str = "",
    header: str = "auto",
    group: str = "connectome",
) -> xr.DataTree:
    """Read one graph.

    Parameters
    ----------
    paths : list of pathlib.Path
        The table of edges and, if there is one, the table of nodes: text (``.csv``, ``.tsv``, ``.txt``, also with
        ``.gz``; set apart by tabs, commas, semicolons or blanks), Parquet or Feather.
    source, target, weight : str
        Columns of the edges, by name or number (from 1). Known headers and tables of three columns without a header
        need none; a weight is optional.
    type_column : str
        Column whose words are the types of the edges.
    edge_type : str
        Type of all edges, without such a column.
    directed : bool
        Whether edges lead from source to target.
    weight_units, weight_meaning, lineage : str
        What the weights count and which preparation they come from; recorded as not stated if left out.
    ids : str
        ``"int"``, ``"text"``, or ``"auto"``: whole numbers if both ids of the first row are, else words, of which
        none may look like a number that was held in a float.
    id_column : str
        Column of ids in the table of nodes; by default its first.
    position : str
        Two or three numeric columns of the table of nodes that are the position, ``"soma_x,soma_y,soma_z"``.
    units, voxel_size_um
        Unit of the positions; must be stated where there are positions.
    separator : str
        Of text: one character, or ``"blanks"``; by default told from the first line.
    header : str
        ``"yes"``, ``"no"``, or ``"auto"``: no header if the first two cells are numbers.
    group : str
        Path of the group in the record.

    Returns
    -------
    xarray.DataTree
        One graph. Nodes are those of the table of nodes in its order, then those that only edges name, ascending
        (``listed`` says which are which); without a table, all ids ascending. Edges are in the order of the file, or,
        where there are positions, in that of the store.

    Raises
    ------
    FormatError
        When a row is not as the first one, an id or a weight is none, or an id stands twice in the table of nodes; the
        place is the line.
    UsageError
        When the options do not suffice, or contradict the file.
    """
    if not 1 <= len(paths) <= 2:
        raise UsageError(
            "one graph is one table of edges", subject="edgelist", expected="EDGES [NODES]", found=f"{len(paths)} files"
        )
    if header not in _HEADERS or ids not in _IDS:
        raise UsageError(
            "an option has another value", subject="header, ids", expected=f"{', '.join(_HEADERS)}; {', '.join(_IDS)}",
            found=f"{header}; {ids}",
        )  # fmt: skip
    table = open_table(paths[0], separator=separator, header=_HEADERS[header])
    chosen = _columns(table, source, target, weight, type_column)
    rows = _read_edges(table, chosen, ids)
    stored = edge_column_names([name for name in rows.values if name != chosen.weight], {"weight"})
    edges: dict[str, xr.Variable] = {}
    for name in list(rows.values):
        # Taken out one by one: what a column was read into is let go.
        values = rows.values.pop(name)
        if name == chosen.weight:
            edges["weight"] = _weight(table, values, weight_units or chosen.weight_units or "1")
        else:
            edges[stored[name]] = values.variable("edge", units="unknown")
    notes: list[Note] = [note for path in paths if open_table(path).form == "text" for note in _ends_well(path)]
    nodes = ListedNodes.of_edges(*rows.ends)
    if len(paths) == 2:
        nodes, more = nodes.joined(paths[1], id_column, edges)
        notes += more
    elif id_column or position:
        raise UsageError("there is no table of nodes", subject="edgelist", place="option id_column or position")
    types = {
        name: {
            "directed": directed,
            "weight_units": (weight_units or chosen.weight_units or NOT_STATED) if chosen.weight else "",
            "weight_meaning": (weight_meaning or NOT_STATED) if chosen.weight else "none: a row is an edge",
            "lineage": lineage or NOT_STATED,
        }
        for name in (sorted(rows.kinds.code) if chosen.kind else [edge_type])
    }
    common: dict[str, Any] = {
        "node": nodes.ids, "source": nodes.source, "target": nodes.target, "edge_type": next(iter(types)),
        "edge_types": types, "edges": edges,
    }  # fmt: skip
    if position:
        unit, attrs = stated_units(units, voxel_size_um, n_axes=position.count(",") + 1, subject=str(paths[1]))
        place, columns = nodes.positions(position)
        dataset = spatial_graph(
            position=place, position_units=unit, nodes=columns, subject=str(paths[1]), **common, **attrs
        )
    elif units or voxel_size_um:
        raise UsageError("no columns are named as positions", subject=str(paths[0]), place="option position")
    else:
        dataset = graph(nodes=nodes.columns, **common)
    if chosen.kind:
        dataset["edge_type"] = _types(rows, dataset)
    return record({group: dataset}, warnings=notes, title=paths[0].name.partition(".")[0])


def _ends_well(path: Path) -> list[Note]:
    return [] if path.name.lower().endswith(".gz") else unfinished(path)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _dialect(names: Sequence[str]) -> Dialect | None:
    return next((item for item in DIALECTS if item.source in names and item.target in names), None)


def _columns(table: TableBlocks, source: str, target: str, weight: str, kind: str) -> _Columns:
    dialect = _dialect(table.names) if table.named else None
    units = ""
    if not source and not target:
        if dialect is not None:
            source, target = dialect.source, dialect.target
            if not weight and dialect.weight in table.names and dialect.weight != kind:
                weight, units = dialect.weight, dialect.weight_units
        elif not table.named:
            source, target = "1", "2"
            weight = weight or ("3" if len(table.names) == 3 and not kind else "")
    if not source or not target:
        raise UsageError(
            "the table does not say which columns are the ends of its edges",
            subject=str(table.path),
            place="option source, target",
            expected=f"two of {', '.join(table.names)}"[:300],
            found=f"source {source!r}, target {target!r}",
            hint="--option source=COLUMN --option target=COLUMN",
        )
    wanted = {"source": source, "target": target, "weight": weight, "type_column": kind}
    found = [column_named(table, name, option) if name else "" for option, name in wanted.items()]
    given = [name for name in found if name]
    if len(set(given)) != len(given):
        raise UsageError("one column has two meanings", subject=str(table.path), found=", ".join(given))
    return _Columns(found[0], found[1], found[2], found[3], units)


def _read_edges(table: TableBlocks, chosen: _Columns, ids: str) -> _Rows:
    stages: dict[str, int] = {}
    while True:
        rows: _Rows | None = None
        try:
            for batch in table.blocks():
                if rows is None:
                    rows = _start(table, chosen, ids, batch, stages)
                _take(rows, chosen, batch, table)
        except Restart:
            assert rows is not None
            stages = {name: values.stage for name, values in rows.values.items()}
            continue
        if rows is None or not rows.n_rows:
            raise FormatError("the table lists no edge", subject=str(table.path), expected="rows", found="none")
        return rows


def _start(table: TableBlocks, chosen: _Columns, ids: str, batch: Any, stages: Mapping[str, int]) -> _Rows:
    first = [str(batch.column(name)[0].as_py()) if batch.num_rows else "" for name in (chosen.source, chosen.target)]
    whole = ids == "int" or (ids == "auto" and all(_is_whole(text.removeprefix("-")) for text in first))
    words = Words()
    left = [name for name in table.names if name not in {chosen.source, chosen.target, chosen.kind}]
    return _Rows(
        ends=(
            Ids(table, chosen.source, whole=whole, words=words, floats=ids == "text"),
            Ids(table, chosen.target, whole=whole, words=words, floats=ids == "text"),
        ),
        values={
            name: ValueColumn(table, name, stage=stages.get(name, 0), numbers=name == chosen.weight) for name in left
        },
        words=words,
    )


def _take(rows: _Rows, chosen: _Columns, batch: Any, table: TableBlocks) -> None:
    for end in rows.ends:
        end.add(batch.column(end.name))
    for name, values in rows.values.items():
        values.add(batch.column(name))
    if chosen.kind:
        # A type that is missing is refused like an id that is.
        words = Ids(table, chosen.kind, whole=False, words=rows.kinds)
        words.n_rows = rows.n_rows
        words.add(batch.column(chosen.kind))
        rows.kind.append(words.values())
    rows.n_rows += batch.num_rows


def _weight(table: TableBlocks, values: ValueColumn, units: str) -> xr.Variable:
    if values.textual:
        raise FormatError(
            "weights have more digits than a number holds", subject=str(table.path), place=f"column {values.name}"
        )
    numbers, _ = values.values()
    return column("edge", numbers, "Weight as given by the source", units, source_column=values.name)


def _types(rows: _Rows, dataset: xr.Dataset) -> xr.Variable:
    labels = sorted(rows.kinds.code)
    place = {word: at for at, word in enumerate(labels)}
    own = np.array([place[word] for word in rows.kinds.code], dtype=np.int64)
    codes = own[np.concatenate(rows.kind)]
    if "edge_row" in dataset:
        codes = codes[dataset["edge_row"].values]
    return coded_category("edge", codes, labels, "Type of the edge")
