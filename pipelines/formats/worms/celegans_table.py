"""The format ``celegans-table``: connectomes of *C. elegans* as edge lists, matrices, NemaNode JSON or sparse MATLAB.

Known headers are recognised (``DIALECTS``); any other table is read when the options name its columns. Names become
those of :mod:`connectome.pipelines.homogenise.celegans_names`; nothing else is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import FormatError, UsageError
from connectome.schema import record, warning

from ...homogenise.celegans_graph import EdgeType, connectome_graph
from ...homogenise.celegans_names import match_label
from ..tables.spreadsheet import Sheet, read_sheet, sheet_names
from . import celegans_sparse, nemanode
from .celegans_edges import edges_of_list, edges_of_matrix

if TYPE_CHECKING:
    import xarray as xr

    from ...homogenise.edge_list import EdgeList, Note

__all__ = ["DIALECTS", "Dialect", "edges_of_dialect", "read", "sniff", "standard_types"]

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Dialect:
    """A header that is known, and what its columns and words mean."""

    name: str
    source: str
    target: str
    weight: str
    types: Mapping[str, str]
    type_column: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    target_first: frozenset[str] = frozenset()
    keep_zero: bool = False
    weight_units: str = ""

    def fits(self, sheet: Sheet) -> bool:
        """Tell whether the first row of a sheet is this header."""
        header = {str(cell).casefold() for cell in sheet.rows[0] if cell is not None} if sheet.rows else set()
        wanted = (self.source, self.target, self.weight, *([self.type_column] if self.type_column else []), *self.extra)
        return all(name.casefold() in header for name in wanted)


DIALECTS: tuple[Dialect, ...] = (
    # NemaNode and its re-exports: White et al. (1986), Witvliet et al. (2021).
    Dialect("nemanode", "pre", "post", "synapses", {"chemical": "chemical", "electrical": "gap_junction_listed"},
            "type", weight_units="synapses"),
    # Varshney et al. (2011), NeuronConnect: S and Sp are sent (alone, polyadic), R and Rp the same synapses as the
    # receiving cell sees them, EJ electric junctions, NMJ all neuromuscular junctions of a neuron together.
    Dialect("neuronconnect", "Neuron 1", "Neuron 2", "Nbr",
            {"S": "chemical_listed", "Sp": "chemical_listed", "R": "chemical_received", "Rp": "chemical_received",
             "EJ": "gap_junction_listed", "NMJ": "neuromuscular"},
            "Type", {"Type": "listed_type"}, frozenset({"R", "Rp"}), keep_zero=True, weight_units="synapses"),
    Dialect("openworm", "Origin", "Target", "Number of Connections",
            {"Send": "chemical", "GapJunction": "gap_junction_listed"},
            "Type", {"Neurotransmitter": "listed_transmitter"}, weight_units="synapses"),
    Dialect("openworm-muscle", "Neuron", "Muscle", "Number of Connections", {"": "neuromuscular"},
            extra={"Neurotransmitter": "listed_transmitter"}, weight_units="synapses"),
)  # fmt: skip
"""Headers that are recognised; a new one is one entry here."""


def standard_types(
    weight_units: str,
    weight_meaning: str,
    lineage: str,
    *,
    listed: bool = False,
    comment: str = "",
    series: tuple[str, ...] = (),
    based_on: tuple[str, ...] = (),
) -> dict[str, EdgeType]:
    """Describe the edge types that the readers of this format make.

    Parameters
    ----------
    weight_units, weight_meaning, lineage : str
        Of all of them.
    listed : bool
        Whether ``chemical`` is the sum of rows listed as ``chemical_listed``.
    comment : str
        On ``gap_junction_listed``: how the source lists pairs.
    series, based_on : tuple of str
        Of all of them; see :class:`~connectome.pipelines.homogenise.celegans_graph.EdgeType`.
    """
    plain = EdgeType(weight_units, weight_meaning, lineage, series=series, based_on=based_on)
    received = "the synapses of chemical_listed as the receiving cell sees them: never to be added to those"
    pairs = comment or "pairs as the source lists them: the order of the two is no direction"
    return {
        "chemical": replace(plain, derived_from="chemical_listed", how="sum") if listed else plain,
        "gap_junction": replace(plain, directed=False, derived_from="gap_junction_listed", how="symmetrise"),
        "gap_junction_listed": replace(plain, directed=False, comment=pairs),
        "neuromuscular": plain,
        "chemical_listed": replace(plain, comment="rows as the source lists them"),
        "chemical_received": replace(plain, comment=received),
    }


def edges_of_dialect(sheet: Sheet, name: str) -> EdgeList:
    """Read a sheet in a known dialect."""
    dialect = next(item for item in DIALECTS if item.name == name)
    return edges_of_list(
        sheet, source=dialect.source, target=dialect.target, weight=dialect.weight, types=dialect.types,
        type_column=dialect.type_column, extra=dialect.extra, target_first=dialect.target_first,
        keep_zero=dialect.keep_zero,
    )  # fmt: skip


def sniff(path: Path) -> bool:
    """Tell whether a file looks like a connectome: a known header, or a matrix with neurons along both sides."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        return nemanode.sniff(path)
    if suffix == ".mat":
        return celegans_sparse.sniff(path)
    for name in sheet_names(path):
        sheet = read_sheet(path, name or None, first=4)
        if any(dialect.fits(sheet) for dialect in DIALECTS) or _is_matrix(sheet):
            return True
    return False


def read(
    paths: list[Path],
    *,
    sheet: str | None = None,
    source: str | None = None,
    target: str | None = None,
    weight: str | None = None,
    type_column: str | None = None,
    edge_type: str | None = None,
    header_row: int = 1,
    label_column: int = 1,
    weight_units: str = "",
    weight_meaning: str = "",
    lineage: str = "",
    sex: str = "",
    stage: str = "",
) -> xr.DataTree:
    """Read one connectome.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file: ``.csv``, ``.tsv``, ``.txt``, ``.xlsx``, ``.xls`` (edge list or matrix), ``.json`` (NemaNode) or
        ``.mat`` (sparse matrices).
    sheet : str, optional
        Sheet of a workbook; may be left out when one sheet alone has a known header.
    source, target, weight, type_column : str, optional
        Columns of an edge list whose header is not known. The words of the type column must be ``chemical`` and
        ``electrical`` (or ``gap_junction``).
    edge_type : str, optional
        ``chemical`` or ``gap_junction``: type of all edges of a matrix, or of a list without a type column.
    header_row, label_column : int
        1-based position of the names of a matrix, whose rows are sources.
    weight_units, weight_meaning, lineage : str
        What the numbers count and which preparation they come from, for example ``synapses`` and ``N2U``. What is
        not given and not known from the header is recorded as not stated, with a warning.
    sex, stage : str
        Of the animal.

    Raises
    ------
    FormatError
        When the file is not such a table; the place is a row or a cell.
    UsageError
        When the options do not suffice to read it.
    """
    if len(paths) != 1:
        raise UsageError("one file is one connectome", subject="celegans-table", found=f"{len(paths)} files")
    path = paths[0]
    notes: list[Note] = []
    suffix = path.suffix.lower()
    known_units, listed = "", False
    if suffix == ".json":
        edges, known_units, listed = nemanode.read_nemanode(path), "synapses", True
    elif suffix == ".mat":
        edges, known_units = celegans_sparse.read_sparse(path), "synapses"
    else:
        table, others = _find_sheet(path, sheet, choose=source is None and edge_type is None)
        notes += [
            warning("unused-sheet", f"sheet {name!r}", "not read: name it with the option sheet") for name in others
        ]
        dialect = next((item for item in DIALECTS if item.fits(table)), None)
        if source is not None or target is not None or weight is not None:
            edges = _by_columns(table, source, target, weight, type_column, edge_type)
        elif dialect is not None:
            edges, known_units = edges_of_dialect(table, dialect.name), dialect.weight_units
            listed = "chemical_listed" in dialect.types.values()
        else:
            kind = _edge_type(edge_type, path.name)
            edges = edges_of_matrix(table, edge_type=kind, header_row=int(header_row), label_column=int(label_column))
    units = weight_units or known_units
    for name, value in (("weight_units", units), ("lineage", lineage)):
        if not value:
            code = f"{name.replace('_', '-')}-not-stated"
            notes.append(warning(code, path.name, f"give it with the option {name}"))
    types = standard_types(units or NOT_STATED, weight_meaning or NOT_STATED, lineage or NOT_STATED, listed=listed)
    dataset, more = connectome_graph(edges, types)
    return record(
        {"connectome": dataset},
        warnings=[*notes, *more],
        title=path.stem,
        species="Caenorhabditis elegans",
        sex=sex,
        stage=stage,
        form=suffix.removeprefix("."),
    )


def _find_sheet(path: Path, wanted: str | None, *, choose: bool) -> tuple[Sheet, list[str]]:
    """Return the sheet to read and the names of those left out."""
    names = sheet_names(path)
    if wanted is None and len(names) > 1 and choose:
        fitting = [
            name for name in names if any(d.fits(read_sheet(path, name, first=1)) for d in DIALECTS if d.type_column)
        ]
        if len(fitting) == 1:
            wanted = fitting[0]
    table = read_sheet(path, wanted)
    if not table.rows:
        raise FormatError("the table is empty", subject=path.name, expected="a header and rows", found="nothing")
    return table, [name for name in names if name != table.name]


def _by_columns(
    table: Sheet,
    source: str | None,
    target: str | None,
    weight: str | None,
    type_column: str | None,
    edge_type: str | None,
) -> EdgeList:
    named = {"source": source, "target": target, "weight": weight}
    missing = [name for name, value in named.items() if value is None]
    if missing or source is None or target is None or weight is None:
        raise UsageError(
            "columns must be named together", subject=table.path.name, expected="source, target and weight",
            found=f"no {', '.join(missing)}",
        )  # fmt: skip
    if type_column is None:
        words = {"": _edge_type(edge_type, table.path.name)}
    else:
        words = {
            "chemical": "chemical", "electrical": "gap_junction_listed", "gap_junction": "gap_junction_listed"
        }  # fmt: skip
    return edges_of_list(table, source=source, target=target, weight=weight, types=words, type_column=type_column)


def _edge_type(edge_type: str | None, subject: str) -> str:
    allowed = {"chemical": "chemical", "gap_junction": "gap_junction_listed"}
    if edge_type not in allowed:
        raise UsageError(
            "the table does not say what kind of edges it lists", subject=subject, place="option edge_type",
            expected=" or ".join(allowed), found=str(edge_type), hint="--option edge_type=chemical",
        )  # fmt: skip
    return allowed[edge_type]


def _is_matrix(sheet: Sheet) -> bool:
    if len(sheet.rows) < 3 or len(sheet.rows[0]) < 3 or sheet.rows[0][0] is not None:
        return False
    names = [*sheet.rows[0][1:3], *(row[0] if row else None for row in sheet.rows[1:3])]
    return all(isinstance(name, str) and match_label(name).identified for name in names)
