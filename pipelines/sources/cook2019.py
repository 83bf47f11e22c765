"""Cook et al., Nature 571:63 (2019), doi:10.1038/s41586-019-1352-7: connectomes of both adult sexes.

The workbook is supplementary table SI 5 as corrected in July 2020: matrices with names in row 3 and column C. Weights
are numbers of EM serial sections, not of synapses. The gap junctions stand in two sheets: "asymmetric" lists every
pair once, "symmetric" both ways; the second is read to prove that it is the first, symmetrised.

The CSV files are an export of the hermaphrodite's matrices by K. Premaratne, with gap junctions once per pair, partly
in the other order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.schema import warning

from ..formats.tables.spreadsheet import read_sheet
from ..formats.worms.celegans_edges import edges_of_list, edges_of_matrix
from ..formats.worms.celegans_table import standard_types
from ..homogenise.celegans_graph import connectome_graph, join
from ..homogenise.edge_list import EdgeList
from .celegans_connectomes import Annotation, ConnectomeSource, Made, cect, facts, wormgraph

if TYPE_CHECKING:
    from ..homogenise.celegans_cells import CellTable
    from ..homogenise.edge_list import Note

__all__ = ["Cook2019"]

_BOOK = "cook2019/SI 5 Connectome adjacency matrices, corrected July 2020.xlsx"
_CSV = tuple(
    f"cook2019/{name}.csv"
    for name in ("GHermChem_Edges", "GHermChem_Nodes", "GHermElec_Sym_Edges", "GHermElec_Sym_Nodes")
)
_DOI = "10.1038/s41586-019-1352-7"
_LINEAGE = (
    "several animals, among them those of White et al. 1986, annotated anew, with connections added by extrapolation "
    "in gaps where no data were available (legend of the table)"
)
_TYPES = standard_types(
    "EM sections",
    "number of EM serial sections of connectivity, from the number and the sizes of synapses",
    _LINEAGE,
    comment="sheet 'gap jn asymmetric': every pair once",
    based_on=("white1986-whole",),
)


def _workbook(sex: str, paths: Sequence[Path], table: CellTable) -> Made:
    sheets = {
        name: edges_of_matrix(read_sheet(paths[0], f"{sex} {name}"), edge_type=edge_type, header_row=3, label_column=3)
        for name, edge_type in (
            ("chemical", "chemical"),
            ("gap jn asymmetric", "gap_junction_listed"),
            ("gap jn symmetric", "gap_junction"),
        )
    }
    dataset, notes = connectome_graph(sheets["chemical"] + sheets["gap jn asymmetric"], _TYPES, table=table)
    notes += _compare(sheets["gap jn asymmetric"], sheets["gap jn symmetric"], paths[0].name)
    return Made(dataset, notes)


def _compare(listed: EdgeList, symmetric: EdgeList, subject: str) -> list[Note]:
    """Note every cell in which the symmetric sheet is not the asymmetric one written both ways."""
    expected = {(row.source, row.target): row.weight for row in listed.rows}
    expected |= {(row.target, row.source): row.weight for row in listed.rows}
    found = {(row.source, row.target): row.weight for row in symmetric.rows}
    return [
        warning(
            "symmetric-sheet-differs",
            f"{subject}, {pair[0]} to {pair[1]}",
            f"asymmetric sheet {expected.get(pair)}, symmetric sheet {found.get(pair)}; the first is used",
        )
        for pair in sorted({*expected, *found})
        if expected.get(pair) != found.get(pair)
    ]


def _export(paths: Sequence[Path], table: CellTable) -> Made:
    edges = EdgeList(())
    groups: dict[str, str] = {}
    for edge_path, node_path, edge_type in (
        (paths[0], paths[1], "chemical"),
        (paths[2], paths[3], "gap_junction_listed"),
    ):
        listed = edges_of_list(
            read_sheet(edge_path), source="EndNodes_1", target="EndNodes_2", weight="Weight", types={"": edge_type}
        )
        rows = read_sheet(node_path).below("Name", "Group", "Subgroup")
        told = {str(name): f"{group}/{part}" if part else str(group) for name, group, part, *_ in rows}
        groups = told | groups
        edges += EdgeList(listed.rows, tuple(dict.fromkeys((*told, *listed.labels))), listed.notes)
    dataset, notes = connectome_graph(edges, _TYPES, table=table)
    return Made(join(dataset, "group", groups, "Group and subgroup as the export has them"), notes)


_FACTS = {
    "cook2019-hermaphrodite": facts(
        473,
        {"chemical": (4879, 28113), "gap_junction": (2883, 23313), "gap_junction_listed": (1450, 11680)},
        neurons=300,
        connected=300,
        within={"chemical": (3707, 20905), "gap_junction": (2188, 9519), "gap_junction_listed": (1101, 4777)},
    ),
    "cook2019-male": facts(
        598,
        {"chemical": (5306, 45959), "gap_junction": (3482, 31702), "gap_junction_listed": (1758, 15910)},
        neurons=382,
        connected=378,
        within={"chemical": (4046, 36919), "gap_junction": (2576, 17355), "gap_junction_listed": (1299, 8713)},
    ),
    "cook2019-hermaphrodite.csv": facts(
        473,
        {"chemical": (4879, 28113), "gap_junction": (2883, 23313), "gap_junction_listed": (1450, 11680)},
        neurons=300,
        connected=300,
        within={"chemical": (3707, 20905), "gap_junction": (2188, 9519), "gap_junction_listed": (1101, 4777)},
    ),
}


class Cook2019(ConnectomeSource):
    """Both sexes from the workbook; the hermaphrodite once more from the CSV export."""

    id = "cook2019"
    version = "2"
    raw_files = (
        cect(
            _BOOK,
            "SI 5 Connectome adjacency matrices, corrected July 2020.xlsx",
            size=4188190,
            sha256="1f4fdbf84746b69b49a8da0816f52787860ce349b638dce37924ba80f90c70c9",
            records=("cook2019-hermaphrodite", "cook2019-male"),
        ),
        *(
            wormgraph(
                path,
                path.rpartition("/")[2],
                size=size,
                sha256=sha256,
                records=("cook2019-hermaphrodite.csv",),
                optional=True,
            )
            for path, size, sha256 in zip(
                _CSV,
                (62296, 13663, 18302, 15075),
                (
                    "d9fd48fefbed9d7c0ae066983f702198f2b7b09d4c677b924ff9aef636011efd",
                    "b197adee797fdb0383e7b593f513efbdd095ffdd9c0f117ce2064fed57dc3e45",
                    "921a1abb013a2c645039573d34fc4ec06cf3a7eb32ad8c49d9fd218664bf921c",
                    "ded0dda5b07f2c7ce633a2d469dbfbd36aaef7599e7e9f3002a1a69a196eb1ba",
                ),
                strict=True,
            )
        ),
    )
    annotations = (
        *(
            Annotation(
                record=f"cook2019-{sex}",
                title=f"Whole-animal connectome of the adult {sex} (Cook et al. 2019, corrected July 2020)",
                paths=(_BOOK,),
                read=partial(_workbook, sex),
                annotation=f"cook2019-{sex}",
                form="xlsx",
                release="SI 5, corrected July 2020",
                sex=sex,
                stage="adult",
                doi=_DOI,
            )
            for sex in ("hermaphrodite", "male")
        ),
        Annotation(
            record="cook2019-hermaphrodite.csv",
            title="Whole-animal connectome of the adult hermaphrodite (Cook et al. 2019), CSV export",
            paths=_CSV,
            read=_export,
            annotation="cook2019-hermaphrodite",
            form="csv",
            release="export by K. Premaratne",
            sex="hermaphrodite",
            stage="adult",
            doi=_DOI,
            agreement="same cells and weights as the workbook; 535 of 1450 gap junctions are written the other way",
        ),
    )
    facts = _FACTS
