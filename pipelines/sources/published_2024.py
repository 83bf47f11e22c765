"""What Simeon et al. (2024), arXiv:2411.12091, publish of the twelve sets of recordings that they compiled.

Numbers of worms, and of neurons that are labelled and recorded on average, are those of the table of data sets in the
fourth version of the paper. They are that compilation's counts, made by its rules: an adapter may hold more animals
(``here``), because the release loses or leaves out some, or the publisher has more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["PUBLISHED", "PublishedSet"]


@dataclass(frozen=True)
class PublishedSet:
    """One row of the table."""

    source: str
    """Our source of the same recordings."""
    name: str
    """What the release calls the set."""
    worms: int
    labelled: int
    """Mean number of labelled neurons per worm, rounded."""
    recorded: int
    """Mean number of recorded neurons per worm, rounded."""
    here: str
    """How many animals the adapter lists, and by whose word where it is not the release's."""


_ROWS = (
    PublishedSet("kato2015", "Kato2015", 12, 42, 127, "12, and AVA_HisCl.mat, which the release leaves out"),
    PublishedSet("nichols2017", "Nichols2017", 44, 34, 108, "44 (12 + 11 + 11 + 10, the publisher's)"),
    PublishedSet("skora2018", "Skora2018", 12, 46, 129, "12"),
    PublishedSet("kaplan2020", "Kaplan2020", 19, 36, 114, "19"),
    PublishedSet("nejatbakhsh2020", "Nejatbakhsh2020", 21, 173, 175, "as many as files are given"),
    PublishedSet("yemini2021", "Yemini2021", 49, 110, 110, "49 (7 + 21 + 21, the laboratory's)"),
    PublishedSet("uzel2022", "Uzel2022", 6, 50, 138, "6"),
    PublishedSet("dag2023", "Dag2023", 7, 100, 143, "8 with labels, all of the label file, and 2 of 7 without"),
    PublishedSet("leifer2023", "Leifer2023", 103, 63, 67, "113 + 18 in the publisher's archives, as many as given"),
    PublishedSet("lin2023", "Lin2023", 577, 8, 8, "as many as files are given"),
    PublishedSet("atanas2023", "Flavell2023", 40, 88, 136, "68, of which 40 have labels (the laboratory's manifest)"),
    PublishedSet("venkatachalam2024", "Venkatachalam2024", 22, 187, 187, "as many as files are given"),
)

PUBLISHED: Mapping[str, PublishedSet] = MappingProxyType({row.source: row for row in _ROWS})
"""Our source to what is published of it."""
