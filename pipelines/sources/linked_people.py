"""Patients who are in several public datasets, or under two names in one: one text for all their records.

A split keeps records of one ``linked_subjects`` on one side (:mod:`connectome.splits`). ds003876
(https://openneuro.org/datasets/ds003876) and ds003029 (Li et al. 2021, doi:10.18112/openneuro.ds003029.v1.0.5) share
five patients, of whom one is ``sub-pt1`` in one and ``sub-pt01`` in the other; case chb21 of CHB-MIT is chb01, a year
and a half later (https://physionet.org/content/chbmit/1.0.0/). The clip of Fedele et al. 2017 is of ds003498. Eighteen
folders of the SWEC iEEG dataset hold the recordings of eighteen others (doi:10.82901/nemar.nm000276); they are the
patients of the older SWEC-ETHZ dataset, whose recordings are as long together (2,656 h, http://ieeg-swez.ethz.ch).
"""

from __future__ import annotations

from .listed import listed_rows

__all__ = ["LINKED", "linked_subjects"]

LINKED: tuple[tuple[str, ...], ...] = (
    ("ds003029:sub-pt01", "ds003876:sub-pt1"),
    ("ds003029:sub-pt2", "ds003876:sub-pt2"),
    ("ds003029:sub-pt3", "ds003876:sub-pt3"),
    ("ds003029:sub-jh103", "ds003876:sub-jh103"),
    ("ds003029:sub-jh105", "ds003876:sub-jh105"),
    ("chb_mit:chb01", "chb_mit:chb21"),
    ("ds003498:sub-01", "fedele2017:sub-01"),
    *(
        (f"swec_ieeg:{row['copy_of']}", f"swec_ieeg:{row['folder']}", f"swec_ethz:{row['copy_of']}")
        for row in listed_rows("swec-ieeg-subjects")
        if row["copy_of"]
    ),
)
"""``DATASET:SUBJECT`` of each patient under all names."""
_BY_NAME = {name: " ".join(names) for names in LINKED for name in names}


def linked_subjects(dataset: str, subject: str) -> dict[str, str]:
    """Return the attribute ``linked_subjects`` of a record; nothing for who has one name only."""
    found = _BY_NAME.get(f"{dataset}:{subject}")
    return {} if found is None else {"linked_subjects": found}
