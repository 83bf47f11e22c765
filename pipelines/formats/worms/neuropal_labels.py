"""The label file of Dag et al. 2023: which neuron each ROI of an animal was taken for, as the labellers wrote it.

``NeuroPAL_labels`` (JLD2) holds ``dict_match_dict``: animal -> (ROI -> match, class -> matches with the confidence of
the registration between the NeuroPAL image and the recording). ROI numbers count the columns of the recording's traces
from 1; ``roi_id`` counts the ROIs of the NeuroPAL image from 1. Every entry is kept as written; what a label means is
decided by :mod:`~connectome.pipelines.homogenise.celegans_names` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, NotFoundError
from connectome.schema import column, table, warning

from ...homogenise.celegans_names import LabelMatch, match_labels
from ..files.jld2 import as_dict, read_jld2
from .celegans_record import match_columns

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["RoiLabel", "is_label_file", "label_columns", "label_groups", "labelled_animals", "read_labels"]

_TOP = "NeuroPAL_labels"
_MATCH_KEYS = {"label", "neuron_class", "LR", "DV", "region", "roi_id", "confidence"}


@dataclass(frozen=True)
class RoiLabel:
    """One match of the label file."""

    roi: int
    """Column of the traces, counted from 1."""
    label: str
    neuron_class: str
    side: str
    """``L``, ``R``, ``undefined`` (the class has no sides) or ``missing`` (the labeller did not tell)."""
    dorsoventral: str
    """``D``, ``V`` or ``undefined``."""
    region: str
    """Free text; the labellers used it for remarks. ``""`` where nothing is written."""
    neuropal_rois: tuple[int, ...]
    """ROIs of the NeuroPAL image, counted from 1; one label has two."""
    confidence: float
    """Of the labeller, 1 to 5."""
    registration_confidence: float
    """Of the match between the NeuroPAL image and the recording; NaN where the file gives none."""


def is_label_file(file: h5py.File) -> bool:
    """Tell whether an open file has the variable of the label file."""
    return _TOP in file


def labelled_animals(path: Path) -> list[str]:
    """Return the animals of a label file, sorted."""
    found = _match_dicts(path, lambda place: place.count("/") >= 3)
    return sorted(found)


def read_labels(path: Path, *, uid: str) -> list[RoiLabel]:
    """Return the labels of one animal, sorted by ROI.

    Raises
    ------
    NotFoundError
        When the file has no labels of that animal.
    FormatError
        When the file is not such a label file.
    """
    found = _match_dicts(path, lambda place: place.count("/") == 3 and not place.endswith(f"/{uid}"))
    if uid not in found:
        raise NotFoundError(
            "the label file does not know the animal", subject=str(path), expected=", ".join(sorted(found)), found=uid
        )
    return _labels_of(found[uid], subject=str(path), place=f"/{_TOP}/dict_match_dict/{uid}")


def label_columns(labels: Sequence[RoiLabel]) -> dict[str, xr.Variable]:
    """Return what the label file says beyond the label itself, as columns along ``row``."""
    dims = "row"
    return {
        "confidence": column(dims, np.array([x.confidence for x in labels]), "Confidence of the labeller, 1 to 5", "1"),
        "registration_confidence": column(
            dims,
            np.array([x.registration_confidence for x in labels], dtype=np.float64),
            "Confidence of the registration of the NeuroPAL image to the recording",
            "1",
        ),
        "source_class": column(dims, [x.neuron_class for x in labels], "Neuron class as the source gives it"),
        "source_side": column(dims, [x.side for x in labels], "Side as the source gives it"),
        "source_dorsoventral": column(
            dims, [x.dorsoventral for x in labels], "Dorsal or ventral as the source gives it"
        ),
        "source_region": column(dims, [x.region for x in labels], "Region field of the source, used for remarks"),
        "neuropal_roi": column(
            dims,
            [" ".join(map(str, x.neuropal_rois)) for x in labels],
            "ROIs of the NeuroPAL image, counted from 1, separated by blanks",
        ),
    }


def label_groups(path: Path) -> tuple[dict[str, xr.Dataset], list[dict[str, str]]]:
    """Return a whole label file as tables, and what is odd about it.

    Returns
    -------
    groups : dict of str to xarray.Dataset
        ``label`` (one row per animal and ROI), ``class_match`` (how many matches each animal has of each class; classes
        that were looked for and not found have 0), ``nsm`` (ROIs of the neuron NSM) and ``class`` (classes found in any
        animal, with and without dorsal and ventral told apart).
    warnings : list of dict
    """
    subject = str(path)
    variables = as_dict(read_jld2(path).get(_TOP), subject=subject, place=f"/{_TOP}")
    matches = as_dict(variables.get("dict_match_dict"), subject=subject, place=f"/{_TOP}/dict_match_dict")
    uids = sorted(matches)
    if not uids:
        raise _not_labels(subject)
    labels = {uid: _labels_of(matches[uid], subject=subject, place=f"/{_TOP}/dict_match_dict/{uid}") for uid in uids}
    known = {"dict_match_dict", "list_match_dict", "list_uid", "nsm_idx_dict", "list_class_any", "list_class_any_dv"}
    warnings = [
        warning("not-stored", f"/{_TOP}/{name}", "an entry of the label file that no rule covers")
        for name in sorted(set(variables) - known)
    ]
    listed = dict(zip(variables.get("list_uid") or (), variables.get("list_match_dict") or (), strict=False))
    warnings += [
        warning("contradiction", f"/{_TOP}/list_match_dict", f"{uid} differs from dict_match_dict")
        for uid in uids
        if uid not in listed
        or _labels_of(listed[uid], subject=subject, place=f"/{_TOP}/list_match_dict") != labels[uid]
    ]
    nsm = as_dict(variables.get("nsm_idx_dict"), subject=subject, place=f"/{_TOP}/nsm_idx_dict")
    classes = {name: list(variables.get(name) or ()) for name in ("list_class_any", "list_class_any_dv")}
    groups = {
        "label": _label_table(labels),
        "class_match": _class_table(matches, subject),
        "nsm": table(
            {
                "animal": column("row", [uid for uid in sorted(nsm) for _ in nsm[uid]], "Animal"),
                "roi": column(
                    "row", [str(int(roi)) for uid in sorted(nsm) for roi in nsm[uid]], "ROI of the neuron NSM"
                ),
            },
            channel_base=1,
        ),
        "class": table(
            {
                "list": column(
                    "row", [name for name, items in classes.items() for _ in items], "List of the label file"
                ),
                "neuron_class": column("row", [item for items in classes.values() for item in items], "Neuron class"),
            }
        ),
    }
    return groups, warnings


def _match_dicts(path: Path, skip: Callable[[str], bool]) -> dict[str, Any]:
    wanted = f"/{_TOP}/dict_match_dict"

    def skip_all_else(place: str) -> bool:
        return not place.startswith(wanted) or skip(place)

    variables = read_jld2(path, skip=skip_all_else)
    top = as_dict(variables.get(_TOP), subject=str(path), place=f"/{_TOP}")
    found = as_dict(top.get("dict_match_dict"), subject=str(path), place=wanted)
    if not found:
        raise _not_labels(str(path))
    return found


def _not_labels(subject: str) -> FormatError:
    return FormatError(
        "no labels in the file",
        subject=subject,
        place=f"/{_TOP}",
        expected="dict_match_dict: animal to (ROI to match, class to matches)",
        found="nothing of that name",
    )


def _labels_of(pair: Any, *, subject: str, place: str) -> list[RoiLabel]:
    if not isinstance(pair, dict) or set(pair) != {"1", "2"}:
        raise FormatError(
            "not the matches of an animal", subject=subject, place=place, expected="a pair of dictionaries"
        )
    try:
        return _labels_of_pair(pair, subject, place)
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            "the matches are not built as expected",
            subject=subject,
            place=place,
            found=f"{type(error).__name__}: {error}",
        ) from error


def _labels_of_pair(pair: dict[str, Any], subject: str, place: str) -> list[RoiLabel]:
    by_roi = as_dict(pair["1"], subject=subject, place=f"{place}.1")
    registration = _registration_confidence(pair["2"], subject, f"{place}.2")
    labels = []
    for roi in sorted(by_roi):
        fields = as_dict(by_roi[roi], subject=subject, place=f"{place}.1/{roi}")
        if set(fields) != _MATCH_KEYS:
            raise FormatError(
                "a match has other fields than expected",
                subject=subject,
                place=f"{place}.1/{roi}",
                expected=", ".join(sorted(_MATCH_KEYS)),
                found=", ".join(sorted(map(str, fields))),
            )
        label = RoiLabel(
            roi=int(roi),
            label=fields["label"] or "",
            neuron_class=fields["neuron_class"] or "",
            side=fields["LR"] or "",
            dorsoventral=fields["DV"] or "",
            region=fields["region"] or "",
            neuropal_rois=tuple(int(item) for item in fields["roi_id"]),
            confidence=float(fields["confidence"]),
            registration_confidence=registration.get((int(roi), fields["label"]), float("nan")),
        )
        labels.append(label)
    return labels


def _registration_confidence(value: Any, subject: str, place: str) -> dict[tuple[int, str], float]:
    found = {}
    for neuron_class, entries in as_dict(value, subject=subject, place=place).items():
        for entry in entries:
            fields = as_dict(entry["1"], subject=subject, place=f"{place}/{neuron_class}")
            found[int(entry["2"]), str(fields["label"])] = float(entry["3"])
    return found


def _label_table(labels: dict[str, list[RoiLabel]]) -> xr.Dataset:
    matched: list[LabelMatch] = []
    for rows in labels.values():
        # A name may be given once per animal, so each animal is matched by itself.
        matched += match_labels([row.label for row in rows])
    flat = [row for rows in labels.values() for row in rows]
    return table(
        {
            "animal": column("row", [uid for uid, rows in labels.items() for _ in rows], "Animal"),
            "roi": column("row", [str(row.roi) for row in flat], "ROI of the recording"),
            **match_columns(matched),
            **label_columns(flat),
        },
        channel_base=1,
        numbering="column of the traces of the animal's recording, counted from 1",
    )


def _class_table(matches: dict[str, Any], subject: str) -> xr.Dataset:
    rows = [
        (uid, str(name), len(entries))
        for uid in sorted(matches)
        for name, entries in sorted(as_dict(matches[uid]["2"], subject=subject, place=f"/{_TOP}/{uid}").items())
    ]
    return table(
        {
            "animal": column("row", [row[0] for row in rows], "Animal"),
            "neuron_class": column("row", [row[1] for row in rows], "Class as the source names it"),
            "n_matches": column("row", np.array([row[2] for row in rows], dtype=np.int64), "ROIs matched to it", "1"),
        }
    )
