"""Witvliet et al., Nature 596:257 (2021), doi:10.1038/s41586-021-03778-8: the brains of two adults, series 7 and 8.

Each comes as XLSX and TSV with one row per pair (gap junctions once), in two releases that differ, and adult 7 also as
JSON with every synapse (gap junctions in both directions). Weights are numbers of synapses. The XLSX is the primary
form; which release is the later one is not stated anywhere, so both are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..formats.tables.spreadsheet import read_sheet
from ..formats.worms.celegans_table import edges_of_dialect, standard_types
from ..formats.worms.nemanode import read_nemanode
from ..homogenise.celegans_graph import connectome_graph
from ..jobs import RemoteFile
from .celegans_connectomes import Annotation, ConnectomeSource, Made, cect, facts, wormgraph, wormneuroatlas

if TYPE_CHECKING:
    from ..homogenise.celegans_cells import CellTable

__all__ = ["Witvliet2020"]

_FOLDER = "white1986_witvliet2020"
_DOI = "10.1038/s41586-021-03778-8"
_JSON = f"{_FOLDER}/witvliet_2020_7.json"
_JSON_URL = (
    "https://raw.githubusercontent.com/flavell-lab/NSM_5HTR_analysis/47bc3704c13b389d58946e3e76df359c412b8716/"
    "data/connectome/witvliet_2020_7.json"
)


def _lineage(animal: int) -> str:
    return f"Witvliet et al. 2021, series of animal {animal} of 8, reconstructed anew"


def _series(animal: int) -> tuple[str, ...]:
    return (f"witvliet2020-{animal}",)


def _pairs(animal: int, paths: Sequence[Path], table: CellTable) -> Made:
    types = standard_types(
        "synapses", "number of synapses", _lineage(animal), comment="every pair once", series=_series(animal)
    )
    return Made(*connectome_graph(edges_of_dialect(read_sheet(paths[0]), "nemanode"), types, table=table))


def _synapses(animal: int, paths: Sequence[Path], table: CellTable) -> Made:
    types = standard_types(
        "synapses",
        "number of synapses",
        _lineage(animal),
        listed=True,
        comment="every synapse, in both directions",
        series=_series(animal),
    )
    return Made(*connectome_graph(read_nemanode(paths[0]), types, table=table))


def _annotation(
    animal: int,
    suffix: str,
    file: str,
    release: str,
    read: Callable[[int, Sequence[Path], CellTable], Made],
    agreement: str = "",
) -> Annotation:
    return Annotation(
        record=f"witvliet2020-{animal}{suffix}",
        title=f"Brain of the adult hermaphrodite, animal {animal} (Witvliet et al. 2021)",
        paths=(f"{_FOLDER}/{file}",),
        read=partial(read, animal),
        annotation=f"witvliet2020-{animal}",
        form={"xlsx": "xlsx", "json": "json"}.get(file.rpartition(".")[2], "tsv"),
        release=release,
        sex="hermaphrodite",
        stage="adult",
        doi=_DOI,
        agreement=agreement,
    )


_SAME = "the same rows in the same order as the workbook"
_ATLAS = "wormneuroatlas 0.0.7.3"
_PREPROCESS = "worm-data-preprocess c61ab02"


_FACTS = {
    "witvliet2020-7": facts(
        222,
        {"chemical": (2202, 7467), "gap_junction": (576, 794), "gap_junction_listed": (291, 400)},
        neurons=180,
        connected=180,
        within={"chemical": (1944, 6587), "gap_junction": (528, 732), "gap_junction_listed": (267, 369)},
    ),
    "witvliet2020-8": facts(
        219,
        {"chemical": (2186, 7970), "gap_junction": (612, 851), "gap_junction_listed": (310, 430)},
        neurons=180,
        connected=180,
        within={"chemical": (1933, 7099), "gap_junction": (600, 839), "gap_junction_listed": (304, 424)},
    ),
    "witvliet2020-7.tsv": facts(
        222,
        {"chemical": (2202, 7467), "gap_junction": (576, 794), "gap_junction_listed": (291, 400)},
        neurons=180,
        connected=180,
        within={"chemical": (1944, 6587), "gap_junction": (528, 732), "gap_junction_listed": (267, 369)},
    ),
    "witvliet2020-8.tsv": facts(
        219,
        {"chemical": (2186, 7970), "gap_junction": (612, 851), "gap_junction_listed": (310, 430)},
        neurons=180,
        connected=180,
        within={"chemical": (1933, 7099), "gap_junction": (600, 839), "gap_junction_listed": (304, 424)},
    ),
    "witvliet2020-7.wormneuroatlas": facts(
        224,
        {"chemical": (2204, 7465), "gap_junction": (586, 806), "gap_junction_listed": (296, 406)},
        neurons=180,
        connected=180,
        within={"chemical": (1944, 6587), "gap_junction": (530, 736), "gap_junction_listed": (268, 371)},
    ),
    "witvliet2020-8.wormneuroatlas": facts(
        220,
        {"chemical": (2194, 7981), "gap_junction": (612, 851), "gap_junction_listed": (310, 430)},
        neurons=180,
        connected=180,
        within={"chemical": (1936, 7108), "gap_junction": (600, 839), "gap_junction_listed": (304, 424)},
    ),
    "witvliet2020-7.nemanode": facts(
        224,
        {
            "chemical": (2202, 7467),
            "gap_junction": (582, 800),
            "gap_junction_listed": (797, 797),
            "chemical_listed": (7467, 7467),
        },
        neurons=180,
        connected=180,
        within={
            "chemical": (1944, 6587),
            "gap_junction": (528, 732),
            "gap_junction_listed": (732, 732),
            "chemical_listed": (6587, 6587),
        },
    ),
}


class Witvliet2020(ConnectomeSource):
    """Adults 7 and 8, every form and release."""

    id = "witvliet2020"
    version = "2"
    raw_files = (
        cect(
            f"{_FOLDER}/witvliet_2020_7 adult.xlsx",
            "witvliet_2020_7 adult.xlsx",
            size=53165,
            sha256="d0fd2dd32adbe5f04ce90a2e5b74c01c9a831876527b0a2b8bd5b94edc86b037",
            records=("witvliet2020-7",),
        ),
        cect(
            f"{_FOLDER}/witvliet_2020_8 adult.xlsx",
            "witvliet_2020_8 adult.xlsx",
            size=53143,
            sha256="fdead89606257c1b26e57069fbe1de14c7696633b75b59b79e74c0bcc3497e62",
            records=("witvliet2020-8",),
        ),
        wormgraph(
            f"{_FOLDER}/witvliet_2020_7.csv",
            "witvliet_2020_7.csv",
            size=54935,
            sha256="613bfa8fb52f0ec85d65c5a878f6a40620e6c960337a4d1d1ac2ffa2af2d6e57",
            records=("witvliet2020-7.tsv",),
            optional=True,
        ),
        wormgraph(
            f"{_FOLDER}/witvliet_2020_8.csv",
            "witvliet_2020_8.csv",
            size=54974,
            sha256="d6627c50f4295291e68c071e001e1e302b03d2d472a7f251f90cb36839e9be1a",
            records=("witvliet2020-8.tsv",),
            optional=True,
        ),
        wormneuroatlas(
            f"{_FOLDER}/aconnectome_witvliet_2020_7.csv",
            "aconnectome_witvliet_2020_7.csv",
            size=55102,
            sha256="1370d2a7e26a17e0765edfa834c95ca59ab44d8587efb5fda330432233074165",
            records=("witvliet2020-7.wormneuroatlas",),
            optional=True,
        ),
        wormneuroatlas(
            f"{_FOLDER}/aconnectome_witvliet_2020_8.csv",
            "aconnectome_witvliet_2020_8.csv",
            size=55153,
            sha256="530a6d6b1c0c621d70a019e478ac79c8107cde475b55e79f225582f77b342ce4",
            records=("witvliet2020-8.wormneuroatlas",),
            optional=True,
        ),
        RemoteFile(
            _JSON,
            _JSON_URL,
            854336,
            "350b247214763fe6b5a89b76a95cc018f7551c0446ad6501bd9c4774fb05fbae",
            licence="none-stated",
            records=("witvliet2020-7.nemanode",),
            optional=True,
        ),
    )
    annotations = (
        _annotation(7, "", "witvliet_2020_7 adult.xlsx", "cect 0.3.5", _pairs),
        _annotation(8, "", "witvliet_2020_8 adult.xlsx", "cect 0.3.5", _pairs),
        _annotation(7, ".tsv", "witvliet_2020_7.csv", _PREPROCESS, _pairs, _SAME),
        _annotation(8, ".tsv", "witvliet_2020_8.csv", _PREPROCESS, _pairs, _SAME),
        _annotation(
            7,
            ".wormneuroatlas",
            "aconnectome_witvliet_2020_7.csv",
            _ATLAS,
            _pairs,
            "pairs of the workbook: all, 4 with another number; 7 pairs more (5 gap junctions, 2 chemical to excgl)",
        ),
        _annotation(
            8,
            ".wormneuroatlas",
            "aconnectome_witvliet_2020_8.csv",
            _ATLAS,
            _pairs,
            "pairs of the workbook: all but 7, 50 with another number; 15 pairs more; all of them chemical",
        ),
        _annotation(
            7,
            ".nemanode",
            "witvliet_2020_7.json",
            "NSM_5HTR_analysis 47bc370",
            _synapses,
            "pairs of the workbook: all, with the same numbers; 3 gap junctions more, with fragments of neurites",
        ),
    )
    facts = _FACTS
