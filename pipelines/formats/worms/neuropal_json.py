"""Identities of ROIs in JSON, as the Flavell laboratory writes them: in recordings, and for a whole study in one file.

A ROI number, counted from 1, leads to one match or to a list of them; a match has ``label``, ``neuron_class``, ``LR``,
``DV``, ``region``, ``roi_id`` (ROIs of the NeuroPAL image) and ``confidence`` (1 to 5). Every match is kept as written:
which of several the laboratory's website shows, the most confident, is not decided here. ``neuropal_label.json`` has
``data``: animal to ``roi_to_neuron`` and ``neuron_to_roi`` (flavell-lab/WormWideWebData.jl, ``label.jl``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from connectome.errors import FormatError, NotFoundError

from ..files.pointers import refuse_pointer
from .neuropal_labels import RoiLabel

__all__ = ["labelled_animals", "read_labels", "roi_labels"]

_KNOWN = {"label", "neuron_class", "LR", "DV", "region", "roi_id", "confidence"}


def roi_labels(matches: Any, *, subject: str, place: str) -> list[RoiLabel]:
    """Return the labels of one animal, sorted by ROI and otherwise in the file's order.

    Raises
    ------
    FormatError
        When an entry is not a match of a ROI.
    """
    if not isinstance(matches, dict):
        raise FormatError("not labels by ROI", subject=subject, place=place, found=type(matches).__name__)
    found: list[RoiLabel] = []
    for roi in sorted(matches, key=_number):
        entries = matches[roi] if isinstance(matches[roi], list) else [matches[roi]]
        for entry in entries:
            where = f"{place}/{roi}"
            if not str(roi).isdecimal() or not isinstance(entry, dict) or "label" not in entry:
                raise FormatError(
                    "not a match of a ROI", subject=subject, place=where, expected="ROI number: {label, ...}"
                )
            strange = sorted(set(entry) - _KNOWN)
            if strange:
                raise FormatError(
                    "a match has fields that are not known", subject=subject, place=where, found=", ".join(strange)
                )
            found.append(_label(int(roi), entry, subject, where))
    return found


def labelled_animals(path: Path) -> list[str]:
    """Return the animals of a label file, sorted."""
    return sorted(_data(path))


def read_labels(path: Path, *, uid: str) -> list[RoiLabel]:
    """Return the labels of one animal of a label file.

    Raises
    ------
    NotFoundError
        When the file has no labels of that animal.
    FormatError
        When the file is not such a label file.
    """
    data = _data(path)
    if uid not in data:
        raise NotFoundError(
            "the label file does not know the animal", subject=str(path), expected=", ".join(sorted(data)), found=uid
        )
    animal = data[uid]
    matches = animal.get("roi_to_neuron") if isinstance(animal, dict) else None
    return roi_labels(matches, subject=str(path), place=f"data/{uid}/roi_to_neuron")


def _number(roi: str) -> tuple[int, str]:
    return (int(roi) if str(roi).isdecimal() else -1, str(roi))


def _data(path: Path) -> dict[str, Any]:
    refuse_pointer(path)
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError("not JSON", subject=str(path), found=str(error)) from error
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, dict):
        raise FormatError("not a label file", subject=str(path), place="data", expected="animal to labels")
    return data


def _label(roi: int, entry: dict[str, Any], subject: str, place: str) -> RoiLabel:
    ids, confidence = entry.get("roi_id"), entry.get("confidence")
    try:
        return RoiLabel(
            roi=roi,
            label=_text(entry.get("label")),
            neuron_class=_text(entry.get("neuron_class")),
            side=_text(entry.get("LR")),
            dorsoventral=_text(entry.get("DV")),
            region=_text(entry.get("region")),
            neuropal_rois=tuple(int(item) for item in (ids if isinstance(ids, list) else [ids]) if item is not None),
            confidence=float("nan") if confidence is None else float(confidence),
            registration_confidence=float("nan"),
        )
    except (TypeError, ValueError) as error:
        raise FormatError("a match is not built as expected", subject=subject, place=place, found=str(error)) from error


def _text(value: Any) -> str:
    return "" if value is None else str(value)
