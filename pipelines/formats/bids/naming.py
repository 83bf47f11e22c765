"""Which groups of a record the images of a patient become: by suffix, and by what tells several of one suffix apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectome.errors import FormatError

from .entities import BidsName, parse_name

if TYPE_CHECKING:
    from .tree import BidsFile

__all__ = ["LABEL_SUFFIXES", "Image", "images_of", "is_volume"]

LABEL_SUFFIXES = frozenset({"mask", "dseg", "roi"})
"""Volumes of labels: ``mask`` and ``dseg`` are BIDS, ``roi`` follows the name of an image in some datasets."""
KEPT = ("space", "res", "den", "desc", "label", "atlas", "seg")
"""Entities that say what a derived volume is; they stay in the group's name even where nothing else has its suffix."""
VOLUMES = (".nii", ".nii.gz")

_ROI = re.compile(r"(?P<image>.+_[A-Za-z0-9]+)_roi(?P<extension>\.nii(?:\.gz)?)")


@dataclass(frozen=True)
class Image:
    """A volume of a patient."""

    file: BidsFile
    name: BidsName
    group: str
    """Path of the group in the record."""

    @property
    def is_label(self) -> bool:
        """Whether it holds labels."""
        return self.group.startswith("labels/")

    @property
    def frame(self) -> tuple[str | None, str | None, str | None]:
        """Session, space and resolution: images and labels that differ in them do not share a grid."""
        return (self.name.get("ses"), self.name.get("space"), self.name.get("res"))


def is_volume(file: BidsFile) -> bool:
    """Tell whether a file's name is that of a volume."""
    return file.file_name.endswith(VOLUMES)


def volume_name(file: BidsFile) -> BidsName | None:
    """Return the name of a volume; that of a region drawn on an image (``..._FLAIR_roi``) has the suffix ``roi``."""
    if file.name is not None:
        return file.name
    found = _ROI.fullmatch(file.file_name)
    image = parse_name(found["image"]) if found else None
    if found is None or image is None:
        return None
    return BidsName((*image.entities, ("on", image.suffix)), "roi", found["extension"])


def images_of(files: Sequence[BidsFile], *, subject: str) -> list[Image]:
    """Name the groups of a patient's volumes.

    Parameters
    ----------
    files : sequence of BidsFile
        Volumes of one patient.
    subject : str
        For the refusal.

    Returns
    -------
    list of Image
        Images first, then labels, each by group.

    Raises
    ------
    FormatError
        When two files would have one group.
    """
    named = [(file, name) for file in files if (name := volume_name(file)) is not None and name.suffix]
    found: dict[str, Image] = {}
    for file, name in named:
        rivals = [other for _, other in named if other.suffix == name.suffix]
        group = _group(name, rivals)
        if group in found:
            raise FormatError(
                "two volumes of one patient cannot be told apart by their names",
                subject=file.path,
                place=subject,
                expected="entities that differ",
                found=f"{found[group].file.path} and {file.path}",
                hint="choose derivatives with --option derivatives=NAME,...",
            )
        found[group] = Image(file, name, group)
    return sorted(found.values(), key=lambda image: (image.is_label, image.group))


def _group(name: BidsName, rivals: Sequence[BidsName]) -> str:
    pairs = [(key, value) for key, value in name.ordered if key not in {"sub", "on"}]
    telling = [(key, value) for key, value in pairs if key in KEPT or len({rival.get(key) for rival in rivals}) > 1]
    if name.suffix not in LABEL_SUFFIXES:
        return "_".join([*(f"{key}-{value}" for key, value in telling), name.suffix.lower()])
    # What a label map shows is its last word: the description, else the label or atlas, else the suffix.
    shown = next((value for want in ("desc", "label", "seg", "atlas") for key, value in telling if key == want), None)
    others = [(key, value) for key, value in telling if value != shown]
    return "labels/" + "_".join([*(f"{key}-{value}" for key, value in others), shown or name.suffix])
