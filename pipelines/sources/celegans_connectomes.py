"""What sources of connectomes share: how an annotation is declared, joined and made into a record.

A source declares files and annotations; each annotation is one record with the group ``connectome``. Where the same
annotation exists in several forms or releases, the first has the plain name and every other a suffix that names the
form or the release; attributes say which is which.

Joined to all of them by name: the cell list of the Connectome Toolbox, and the positions of Skuhersky et al. (2022).
The positions lie in a repository of their own; a record that is made while they cannot be had carries none and says
so in its warnings. The same positions stand in ``neuron_master_sheet.csv`` of worm-graph with x and y exchanged, which
is therefore not read; the positions that wormneuroatlas ships name neither unit nor origin and are not read either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import NotFoundError
from connectome.schema import record, warning

from ..formats.worms.cell_tables import read_cell_info, read_positions
from ..homogenise.celegans_cells import CellTable
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

    from ..homogenise.edge_list import Note

__all__ = ["GROUP", "Annotation", "ConnectomeSource", "Made", "cect", "facts", "wormgraph", "wormneuroatlas"]

GROUP = "connectome"
_WORMGRAPH = (
    "https://raw.githubusercontent.com/qsimeon/worm-data-preprocess/c61ab02280375e57549c995b29015560abada710/data/raw"
)
_POSITIONS = "https://raw.githubusercontent.com/openworm/NeuroPAL/85783437bea1112c1e4b1cacaac3e5337e7ce4a4/data/CanonicalPositions"


@dataclass(frozen=True)
class Made:
    """What reading an annotation gives."""

    graph: xr.Dataset
    notes: Sequence[Note] = ()
    tables: Mapping[str, xr.Dataset] = field(default_factory=dict)
    """Further groups by path."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Further attributes of the record."""


@dataclass(frozen=True)
class Annotation:
    """One record, as a source declares it."""

    record: str
    title: str
    paths: tuple[str, ...]
    """Files that it is made of, besides the joined tables."""
    read: Callable[[Sequence[Path], CellTable], Made]
    """From those files, in that order."""
    annotation: str
    """Name of the annotation that this is a form of: the id of the primary record."""
    form: str
    release: str
    sex: str
    stage: str
    doi: str
    agreement: str = ""
    """How this form compares with the primary one, as proved by the tests."""


def cect(path: str, file: str, *, size: int, sha256: str, records: tuple[str, ...]) -> RemoteFile:
    """Declare a file that the package ``cect`` carries."""
    return RemoteFile(path, f"pypi:cect==0.3.5#cect/data/{file}", size, sha256, licence="MIT", records=records)


def wormneuroatlas(
    path: str, file: str, *, size: int, sha256: str, records: tuple[str, ...], optional: bool = False
) -> RemoteFile:
    """Declare a file that the package ``wormneuroatlas`` carries."""
    url = f"pypi:wormneuroatlas==0.0.7.3#wormneuroatlas/data/{file}"
    return RemoteFile(path, url, size, sha256, licence="GPL-3.0-or-later", records=records, optional=optional)


def wormgraph(
    path: str, file: str, *, size: int, sha256: str, records: tuple[str, ...], licence: str = "", optional: bool = False
) -> RemoteFile:
    """Declare a file of the repository ``worm-data-preprocess``, which states no licence of its own."""
    url = f"{_WORMGRAPH}/{file}"
    return RemoteFile(path, url, size, sha256, licence=licence or "none-stated", records=records, optional=optional)


def _joined_files(records: tuple[str, ...]) -> tuple[RemoteFile, RemoteFile]:
    return (
        cect(
            "neuron_metadata/all_cell_info.csv",
            "all_cell_info.csv",
            size=77388,
            sha256="63c6fc5f55c90df092b24afe1cbfc96da63f577288e74621d6395fc195e6221d",
            records=records,
        ),
        RemoteFile(
            "neuron_metadata/LowResAtlasWithHighResHeadsAndTails.csv",
            f"{_POSITIONS}/LowResAtlasWithHighResHeadsAndTails.csv",
            6762,
            "bb45477c58f1a6a920fb7a9dcf800bd1d0b2c0e347311fa6745eed6c923f49d7",
            licence="none-stated",
            records=records,
            optional=True,
        ),
    )


Counts = Mapping[str, tuple[int, int]]
"""Edge type to number of edges and sum of weights."""


def facts(n_nodes: int, edges: Counts, *, neurons: int, connected: int, within: Counts) -> dict[str, Any]:
    """Write the facts of a connectome as they are measured.

    Parameters
    ----------
    n_nodes, edges
        Of all cells.
    neurons, connected, within
        Of neurons (without CANL and CANR): how many, how many of them with an edge to a neuron, edges among them.
    """
    return {
        "n_nodes": n_nodes,
        "edges": _counts(edges),
        "within": {"neuron": {"n_nodes": neurons, "n_nodes_connected": connected, "edges": _counts(within)}},
    }


def _counts(edges: Counts) -> dict[str, dict[str, int]]:
    return {name: {"n": n, "weight_sum": total} for name, (n, total) in edges.items()}


class ConnectomeSource:
    """A source whose records are connectomes; subclasses declare, and nothing else."""

    id: str
    version: str
    dataset = "celegans-connectomes"
    raw_files: tuple[RemoteFile, ...]
    annotations: tuple[Annotation, ...]
    facts: Mapping[str, Mapping[str, Any]]
    """Record id to the facts of its connectome."""
    rejected: tuple[Rejected, ...] = ()
    """Files, or parts ``FILE#PART``, that are not used and why; told when the file is there."""

    def files(self) -> Sequence[RemoteFile]:
        """List the raw files, and the tables to join."""
        return (*self.raw_files, *_joined_files(tuple(item.record for item in self.annotations)))

    def discover(self, raw: RawFiles) -> Discovery:
        """Make one job of every annotation whose files are here."""
        joined = [file.path for file in _joined_files(()) if file.path in raw]
        required = [file.path for file in _joined_files(()) if not file.optional]
        jobs = [
            Job(
                self.id,
                item.record,
                tuple(raw[path] for path in sorted({*item.paths, *joined})),
                {"annotation": item.annotation, "form": item.form},
            )
            for item in self.annotations
            if all(path in raw for path in (*item.paths, *required))
        ]
        rejected = tuple(item for item in self.rejected if item.file.partition("#")[0] in raw)
        return Discovery(tuple(jobs), rejected)

    def read(self, job: Job) -> xr.DataTree:
        """Read an annotation and join what is known of its cells."""
        chosen = next((item for item in self.annotations if item.record == job.record), None)
        if chosen is None:
            raise NotFoundError("no such annotation", subject=job.record, place=self.id)
        info, atlas = (file.path for file in _joined_files(()))
        notes: list[Note] = []
        positions: dict[str, tuple[float, float, float]] = {}
        if any(raw.path == atlas for raw in job.inputs):
            positions = read_positions(job.local(atlas))
        else:
            notes.append(warning("no-positions", atlas, "not here: x, y and z are empty"))
        made = chosen.read(
            [job.local(path) for path in chosen.paths], CellTable(read_cell_info(job.local(info)), positions)
        )
        told = {"agreement": chosen.agreement} if chosen.agreement else {}
        return record(
            {GROUP: made.graph, **made.tables},
            warnings=[*notes, *made.notes],
            title=chosen.title,
            species="Caenorhabditis elegans",
            sex=chosen.sex,
            stage=chosen.stage,
            annotation=chosen.annotation,
            form=chosen.form,
            release=chosen.release,
            citation=f"doi:{chosen.doi}",
            **told,
            **made.attrs,
        )

    def expected(self) -> Expected:
        """Return the counts of every record."""
        return Expected({name: {f"/{GROUP}": dict(facts)} for name, facts in self.facts.items()})
