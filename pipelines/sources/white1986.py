"""White et al., Phil. Trans. R. Soc. B 314:1 (1986), doi:10.1098/rstb.1986.0056, as NemaNode's edge lists.

One list joins all series ("whole"); the others are single EM series: N2U (adult), JSH (L4 larva), JSE (tail). Gap
junctions are listed once per pair. Weights are numbers of synapses.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..formats.tables.spreadsheet import read_sheet
from ..formats.worms.celegans_table import edges_of_dialect, standard_types
from ..homogenise.celegans_graph import connectome_graph
from .celegans_connectomes import Annotation, ConnectomeSource, Made, facts, wormgraph, wormneuroatlas

if TYPE_CHECKING:
    from ..homogenise.celegans_cells import CellTable

__all__ = ["White1986"]

_FOLDER = "white1986_witvliet2020"
_DOI = "10.1098/rstb.1986.0056"


def _read(lineage: str, series: tuple[str, ...], paths: Sequence[Path], table: CellTable) -> Made:
    types = standard_types("synapses", "number of synapses", lineage, comment="every pair once", series=series)
    return Made(*connectome_graph(edges_of_dialect(read_sheet(paths[0]), "nemanode"), types, table=table))


def _annotation(
    name: str, file: str, title: str, stage: str, lineage: str, series: tuple[str, ...], release: str
) -> Annotation:
    return Annotation(
        record=f"white1986-{name}",
        title=f"{title} (White et al. 1986)",
        paths=(f"{_FOLDER}/{file}",),
        read=partial(_read, lineage, series),
        annotation=f"white1986-{name}",
        form="tsv",
        release=release,
        sex="hermaphrodite",
        stage=stage,
        doi=_DOI,
    )


_FACTS = {
    "white1986-whole": facts(
        309,
        {"chemical": (2386, 7943), "gap_junction": (1144, 1928), "gap_junction_listed": (575, 971)},
        neurons=300,
        connected=299,
        within={"chemical": (2266, 6509), "gap_junction": (1132, 1916), "gap_junction_listed": (569, 965)},
    ),
    "white1986-n2u": facts(
        221,
        {"chemical": (1629, 4538), "gap_junction": (538, 672), "gap_junction_listed": (270, 337)},
        neurons=180,
        connected=180,
        within={"chemical": (1414, 3740), "gap_junction": (526, 660), "gap_junction_listed": (264, 331)},
    ),
    "white1986-jsh": facts(
        215,
        {"chemical": (1480, 4340), "gap_junction": (576, 1522), "gap_junction_listed": (289, 763)},
        neurons=178,
        connected=178,
        within={"chemical": (1291, 3702), "gap_junction": (570, 1510), "gap_junction_listed": (286, 757)},
    ),
    "white1986-jse": facts(
        34,
        {"chemical": (94, 261)},
        neurons=34,
        connected=34,
        within={"chemical": (94, 261)},
    ),
}


class White1986(ConnectomeSource):
    """The joined annotation and three of its series."""

    id = "white1986"
    version = "2"
    raw_files = (
        wormneuroatlas(
            f"{_FOLDER}/aconnectome_white_1986_whole.csv",
            "aconnectome_white_1986_whole.csv",
            size=64492,
            sha256="768d2b16557d768b51f81548f630adb45d76c1f99586e8fd4c90279293cc9dae",
            records=("white1986-whole",),
        ),
        wormneuroatlas(
            f"{_FOLDER}/aconnectome_white_1986_A.csv",
            "aconnectome_white_1986_A.csv",
            size=41889,
            sha256="6b63f6c0281b7bbc3be75fa3962e26caa020ddf3756bfc8dd9aad6577655fc16",
            records=("white1986-n2u",),
        ),
        wormneuroatlas(
            f"{_FOLDER}/aconnectome_white_1986_L4.csv",
            "aconnectome_white_1986_L4.csv",
            size=39065,
            sha256="afe7a37a5bae62630a773b5e7815a408e3a72063caf0ed49ecc91e213077fb12",
            records=("white1986-jsh",),
        ),
        wormgraph(
            f"{_FOLDER}/white_1986_jse.csv",
            "white_1986_jse.csv",
            size=1966,
            sha256="a80fc1805528f59c2f4520e4fdd2bc438b3ef5e282329042cdfa747dc83f887b",
            records=("white1986-jse",),
        ),
    )
    annotations = (
        _annotation(
            "whole",
            "aconnectome_white_1986_whole.csv",
            "Whole nervous system of the hermaphrodite",
            "adult and L4",
            "White et al. 1986, several series joined, among them N2U, JSH and JSE",
            ("N2U", "JSH", "JSE"),
            "wormneuroatlas 0.0.7.3",
        ),
        _annotation(
            "n2u",
            "aconnectome_white_1986_A.csv",
            "Series N2U",
            "adult",
            "White et al. 1986, series N2U",
            ("N2U",),
            "wormneuroatlas 0.0.7.3",
        ),
        _annotation(
            "jsh",
            "aconnectome_white_1986_L4.csv",
            "Series JSH",
            "L4",
            "White et al. 1986, series JSH",
            ("JSH",),
            "wormneuroatlas 0.0.7.3",
        ),
        _annotation(
            "jse",
            "white_1986_jse.csv",
            "Series JSE, tail",
            "adult",
            "White et al. 1986, series JSE",
            ("JSE",),
            "worm-data-preprocess c61ab02",
        ),
    )
    facts = _FACTS
