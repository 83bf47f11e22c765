"""The clinical tables of IDEAS as typed columns: patients and controls in one form.

The code book is the release's ``readme_metadata.pdf``. ``NA`` is missing, ``0`` a frequency below one per month and
``FALSE`` no such seizures: three things that stay three. Ages are bins as the authors made them, and those of patients
and controls do not fit each other, so each keeps its own column. Fields that only surgery makes known say so.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from connectome import schema
from connectome.cohorts import POST_OP, PRE_OP, bin_category
from connectome.errors import FormatError

from ..formats.tables.text_rows import read_lines

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ILAE_YEARS", "ClinicalTable", "operation_of", "read_clinical", "subject_table"]

MISSING = ("NA", "")
ILAE_YEARS = (1, 2, 3, 4, 5)
LOBES: Mapping[str, str] = {"T": "temporal", "F": "frontal", "P": "parietal", "O": "occipital"}
OPERATIONS: Mapping[str, str] = {
    "Lx": "lobe resection", "Lesx": "lesion resection", "Hx": "hemispherectomy",
}  # fmt: skip
PATHOLOGIES: Mapping[str, str] = {
    "HS": "hippocampal sclerosis", "DNT": "dysembryoplastic neuroepithelial tumour", "CAV": "cavernoma", "GL": "glioma",
    "FCD": "focal cortical dysplasia", "DUAL": "two pathologies, see the note",
    "TREBLE": "three pathologies, see the note", "TBC": "not in the code book",
    "OTHER": "another pathology, see the note",
}  # fmt: skip
ONSET_BINS = (
    "Less than 1", "1 to 2", "3 to 4", "5 to 7", "8 to 10", "11 to 14", "15 to 19", "20 to 24", "25 to 29", "30 to 34",
    "35 to 39", "Over 40",
)  # fmt: skip
PATIENT_BINS = (
    "15 to 20", "20 to 24", "25 to 29", "30 to 34", "35 to 39", "40 to 44", "45 to 49", "50 to 54", "55 to 59",
    "60 to 64", "65 to 70",
)  # fmt: skip
CONTROL_BINS = (
    "Less than 20", "20 to 24", "25 to 29", "30 to 34", "35 to 39", "40 to 44", "45 to 49", "50 to 54", "Over 55",
)  # fmt: skip
ILAE_MEANINGS = (
    "completely seizure free, no auras", "only auras, no other seizures",
    "1 to 3 seizure days per year, with or without auras",
    "4 seizure days per year to 50 % fewer seizure days than before, with or without auras",
    "less than 50 % fewer to twice as many seizure days as before, with or without auras",
    "more than twice as many seizure days as before, with or without auras",
)  # fmt: skip
"""Wieser et al. 2001, Epilepsia 42:282-286, doi:10.1046/j.1528-1157.2001.35100.x."""
PATIENT_COLUMNS = (
    "ID", "Sex", "Binned_Onset_Age", "FUS", "fqFUS", "FBTCS", "fqFBTCS", "SE", "Op_Side", "Op_Type", "Pathology",
    "OP MEMO", "Number_ASMs", "Binned_Age_at_Scan", "Binned_Age_at_Surgery",
    *(f"ILAE_Year{year}" for year in ILAE_YEARS),
)  # fmt: skip
CONTROL_COLUMNS = ("ID", "Sex", "Binned_Age_at_Scan")


@dataclass(frozen=True)
class ClinicalTable:
    """One of the two tables."""

    rows: Mapping[str, Mapping[str, str]]
    """Number of a person to the row."""
    doubled: tuple[str, ...] = ()
    """People whose row is there again, the same."""
    conflicts: Mapping[str, str] = field(default_factory=dict)
    """People with rows that contradict each other, and in what."""


def read_clinical(path: Path, columns: Sequence[str]) -> ClinicalTable:
    """Read a table; the same row twice is one row, and what contradicts itself is told.

    Raises
    ------
    FormatError
        When columns are not those of the release, or a row does not fit them.
    """
    lines = list(csv.reader(read_lines(path), strict=True))
    if not lines or tuple(lines[0]) != tuple(columns):
        raise FormatError(
            "columns are not those of the release", subject=str(path), place="line 1", expected=", ".join(columns),
            found=", ".join(lines[0]) if lines else "nothing",
        )  # fmt: skip
    rows: dict[str, dict[str, str]] = {}
    doubled: list[str] = []
    conflicts: dict[str, str] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if len(cells) != len(columns):
            raise FormatError(
                "a row does not fit the columns", subject=str(path), place=f"line {number}",
                expected=f"{len(columns)} values", found=f"{len(cells)} values",
            )  # fmt: skip
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
        before = rows.setdefault(row["ID"], row)
        if before is row:
            continue
        differing = [f"{key}: {before[key]!r} and {row[key]!r}" for key in columns if row[key] != before[key]]
        if differing:
            conflicts[row["ID"]] = "; ".join(differing)
        else:
            doubled.append(row["ID"])
    return ClinicalTable(rows, tuple(doubled), conflicts)


def operation_of(code: str, *, subject: str) -> tuple[tuple[str, ...], str]:
    """Take an operation's code apart: ``"T P Lx"`` is temporal and parietal, a lobe resection.

    Returns
    -------
    lobes : tuple of str
        In the order of the code; none for a hemispherectomy.
    operation : str

    Raises
    ------
    FormatError
        When a letter is not in the code book.
    """
    *letters, kind = code.split()
    unknown = [letter for letter in letters if letter not in LOBES]
    if unknown or kind not in OPERATIONS or bool(letters) == (kind == "Hx"):
        raise FormatError(
            "an operation that the code book does not have", subject=subject, place="Op_Type",
            expected="letters of lobes, then Lx, Lesx or Hx", found=repr(code),
        )  # fmt: skip
    return tuple(LOBES[letter] for letter in letters), OPERATIONS[kind]


def subject_table(row: Mapping[str, str], *, control: bool, subject: str) -> xr.Dataset:
    """Make the table ``subject`` of one person; patients and controls have the same columns.

    Raises
    ------
    FormatError, SchemaError
        When a value is not of its column's kind.
    """
    value = {key: "" if text in MISSING else text for key, text in row.items()}
    lobes, operation = operation_of(value["Op_Type"], subject=subject) if value.get("Op_Type") else ((), "")
    side = {"": "", "L": "left", "R": "right"}.get(value.get("Op_Side", ""), value.get("Op_Side", ""))
    number = value["ID"]

    def text(name: str, source: str, words: str, when: str, given: str) -> tuple[str, xr.Variable]:
        return name, schema.column("row", [given], words, source_column=source, available=when)

    def choice(
        name: str, source: str, words: str, labels: Sequence[str], when: str, given: str, **attrs: object
    ) -> tuple[str, xr.Variable]:
        made = schema.category("row", [given], labels, words, source_column=source, available=when, **attrs)  # type: ignore[arg-type]
        return name, made

    def truth(name: str, source: str, words: str) -> tuple[str, xr.Variable]:
        return choice(name, source, words, ("false", "true"), PRE_OP, value.get(source, "").lower())

    def amount(name: str, source: str, words: str, unit: str) -> tuple[str, xr.Variable]:
        numbers = np.array([_number(value.get(source, ""), subject=subject, place=source)])
        return name, schema.column("row", numbers, words, unit, source_column=source, available=PRE_OP)

    def age(name: str, source: str, words: str, labels: Sequence[str], given: str) -> tuple[str, xr.Variable]:
        made = bin_category("row", [given], labels, words, units="year", source_column=source, available=PRE_OP)
        return name, made

    scan_age = value["Binned_Age_at_Scan"]
    columns = [
        text("participant_id", "ID", "Person, as BIDS names it", PRE_OP, f"sub-{number}"),
        choice("group", "", "Whether the person is a patient", ("control", "patient"), PRE_OP,
               "control" if control else "patient"),
        choice("sex", "Sex", "Sex", ("F", "M"), PRE_OP, value["Sex"]),
        age("age_at_onset", "Binned_Onset_Age", "Age at onset of epilepsy", ONSET_BINS,
            value.get("Binned_Onset_Age", "")),
        age("age_at_scan", "Binned_Age_at_Scan", "Age of a patient at the scan", PATIENT_BINS,
            "" if control else scan_age),
        age("age_at_scan_of_control", "Binned_Age_at_Scan", "Age of a control at the scan", CONTROL_BINS,
            scan_age if control else ""),
        age("age_at_surgery", "Binned_Age_at_Surgery", "Age at surgery", PATIENT_BINS,
            value.get("Binned_Age_at_Surgery", "")),
        truth("fus", "FUS", "Focal unaware seizures in the 12 months before surgery"),
        amount("fus_per_month", "fqFUS", "Approximate monthly frequency of focal unaware seizures", "month-1"),
        truth("fbtcs", "FBTCS", "Focal to bilateral tonic-clonic seizures in the 12 months before surgery"),
        amount("fbtcs_per_month", "fqFBTCS",
               "Approximate monthly frequency of focal to bilateral tonic-clonic seizures; 0: rarer than monthly",
               "month-1"),
        truth("status_epilepticus", "SE", "History of status epilepticus"),
        amount("n_asms", "Number_ASMs", "Anti-seizure medications at the time of surgery", "1"),
        choice("side", "Op_Side", "Hemisphere of the resection", ("left", "right"), PRE_OP, side),
        choice("lobe", "Op_Type", "Lobe of the resection, the first that is named",
               (*LOBES.values(), "hemisphere"), PRE_OP,
               lobes[0] if lobes else "hemisphere" if operation == "hemispherectomy" else ""),
        text("lobes", "Op_Type", "All lobes of the resection, in the order of the source", PRE_OP, " ".join(lobes)),
        choice("operation", "Op_Type", "Kind of operation", tuple(OPERATIONS.values()), PRE_OP, operation),
        text("operation_code", "Op_Type", "Operation as the source codes it", PRE_OP, value.get("Op_Type", "")),
        choice("pathology", "Pathology", "Histopathology of the resected specimen", tuple(PATHOLOGIES), POST_OP,
               value.get("Pathology", ""), flag_descriptions=list(PATHOLOGIES.values())),
        text("pathology_note", "OP MEMO", "Histopathology, free text (NAD: no abnormality detected)", POST_OP,
             value.get("OP MEMO", "")),
        *(choice(f"ilae_year{year}", f"ILAE_Year{year}", f"ILAE outcome class in year {year} after surgery",
                 tuple("123456"), POST_OP, value.get(f"ILAE_Year{year}", ""), ordered=True,
                 flag_descriptions=list(ILAE_MEANINGS))
          for year in ILAE_YEARS),
    ]  # fmt: skip
    return schema.table(dict(columns))


def _number(text: str, *, subject: str, place: str) -> float:
    if not text:
        return float("nan")
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number) or number < 0 or "_" in text:
        raise FormatError("not a number", subject=subject, place=place, expected="0 or more, or NA", found=repr(text))
    return number
