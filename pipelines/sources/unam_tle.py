"""Temporal-lobe epilepsy at UNAM: 39 patients and 35 healthy people, T1-weighted images and cognition.

Fajardo-Valdez et al. 2024, PLoS ONE 19:e0295142, doi:10.1371/journal.pone.0295142; OpenNeuro ds004469 1.1.4, CC0. Of
the 74 people of the table 66 have images. The code book says of ``hasMTS`` that 0 is yes and 1 no, yet all healthy
people hold 0: codes and descriptions are kept as published, and every record says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from .openneuro import OpenNeuroSource

if TYPE_CHECKING:
    from ..jobs import Expected

__all__ = ["UnamTle"]

NO_IMAGES = ("sub-28982", "sub-31231", "sub-31323", "sub-32756", "sub-34548", "sub-34926", "sub-35495", "sub-36207")
"""People of the table who are not in the tree."""


class UnamTle(OpenNeuroSource):
    """Everybody of the table."""

    id = "unam_tle"
    version = "1"
    dataset = "unam-temporal-lobe-epilepsy"
    accession = "ds004469"
    commit = "a4d940040422f4b3411eccaa286640a817d627e8"
    title = "temporal-lobe epilepsy and health (UNAM)"
    tables: ClassVar[Mapping[str, tuple[int, str]]] = {
        "participants.tsv": (8526, "ded105592ff9fd081be9099e77ca80d418bc4a137ea930c5eea8f829ba23b4cc"),
        "participants.json": (2772, "5a15d8555bace26de61417d3dbbdf404d3a4a9eb72d4c5c90106513f82427d9c"),
        "dataset_description.json": (1854, "5f180010789ba235efc6569f1a6eb251555ef658ab039aea20a9521296e1f7b5"),
    }
    about: ClassVar[Mapping[str, str]] = {
        "citation": "Fajardo-Valdez et al., PLoS ONE 19:e0295142 (2024)",
        "doi": "10.1371/journal.pone.0295142",
        "dataset_doi": "10.18112/openneuro.ds004469.v1.1.4",
        "licence": "CC0-1.0",
    }

    def expected(self) -> Expected:
        """Return that everybody has a row of 25 columns."""
        names = sorted({path.partition("/")[0] for path in self.listing()} | set(NO_IMAGES))
        return self._facts(names, {"/subject": {"n_rows": 1, "n_columns": 25}})
