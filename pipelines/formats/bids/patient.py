"""One patient of a BIDS dataset as a record: images, label maps on their grids, and the row of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome import schema
from connectome.errors import SchemaError
from connectome.schema import warning
from connectome.volumes import align, compare_grids

from ..volumes import nifti
from .sidecars import inherited
from .tsv import read_rows, typed_columns

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note
    from .naming import Image
    from .participants import Participants
    from .tree import BidsFile

__all__ = ["Patient", "attach", "read_volume"]

LONG_NAMES: Mapping[str, str] = {
    "T1w": "T1-weighted intensity", "T2w": "T2-weighted intensity", "FLAIR": "FLAIR intensity",
    "PDw": "Proton-density-weighted intensity", "bold": "BOLD intensity", "T2starw": "T2*-weighted intensity",
    "UNIT1": "Homogeneous T1-weighted intensity (MP2RAGE)",
}  # fmt: skip
POST_OP = ("resection", "resected", "cavity")
"""Words for what can only be drawn after surgery."""


@dataclass(frozen=True)
class Patient:
    """What a record is made of."""

    root: Path
    label: str
    images: tuple[Image, ...]
    sidecars: Mapping[str, Sequence[BidsFile]] = field(default_factory=dict)
    """Path of an image to the JSON files about it, the weakest first."""
    tables: Mapping[str, BidsFile] = field(default_factory=dict)
    """Group to a table about this patient (``sessions``, ``scans``)."""
    participants: Participants | None = None
    warnings: tuple[Note, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def read(self) -> xr.DataTree:
        """Read the record.

        Raises
        ------
        FormatError
            When an image, a sidecar or the row is refused.
        SchemaError
            When a label map does not lie on the grid of any image of its space.
        """
        groups: dict[str, xr.Dataset] = {}
        warnings: list[Note] = list(self.warnings)
        if self.participants is not None:
            row, notes = self.participants.table(self.label)
            warnings += notes
            if row is not None:
                groups["subject"] = row
        for image in self.images:
            dataset, notes = read_volume(self.root / image.file.path, image.group, suffix=image.name.suffix)
            warnings += notes
            found = inherited(self.root, self.sidecars.get(image.file.path, ()))
            attrs: dict[str, Any] = {"source_file": image.file.path}
            if found:
                attrs["sidecar"] = found
            if image.is_label:
                dataset, notes = self._aligned(dataset, image, groups)
                warnings += notes
            groups[image.group] = dataset.assign_attrs(attrs)
        for group, file in self.tables.items():
            columns, notes = typed_columns(read_rows(self.root / file.path), table=file.file_name)
            warnings += notes
            groups[group] = schema.table(columns)
        if not groups:
            # The name is all that is known.
            name = schema.column("row", [f"sub-{self.label}"], "Participant, as the source names it")
            groups["subject"] = schema.table({"participant_id": name})
        return schema.record(groups, warnings=warnings, **self.attrs)

    def _aligned(
        self, dataset: xr.Dataset, image: Image, groups: Mapping[str, xr.Dataset]
    ) -> tuple[xr.Dataset, list[Note]]:
        on = image.name.get("on")
        bases = [
            other.group
            for other in self.images
            if not other.is_label
            and other.group in groups
            and other.frame == image.frame
            and (on is None or other.name.suffix == on)
        ]
        return attach(dataset, image.group, {group: groups[group] for group in bases}, subject=image.file.path)


def attach(
    dataset: xr.Dataset, group: str, bases: Mapping[str, xr.Dataset], *, subject: str
) -> tuple[xr.Dataset, list[Note]]:
    """Say on which image's grid a label map lies, and when it can be known.

    Parameters
    ----------
    dataset : xarray.Dataset
        The label map.
    group : str
        Its path in the record.
    bases : mapping of str to xarray.Dataset
        Images that it may belong to; the first whose grid it shares is taken.
    subject : str
        Its file, for the refusal.

    Raises
    ------
    SchemaError
        When there are such images and it shares the grid of none.
    """
    when = "post_op" if any(word in group.lower() for word in POST_OP) else "pre_op"
    dataset = dataset.assign_attrs(available=when)
    for path, base in bases.items():
        if compare_grids(dataset, base).ok:
            return align(dataset, base, path=path, subject=subject), []
    if len(bases) == 1:
        path, base = next(iter(bases.items()))
        return align(dataset, base, path=path, subject=subject), []
    if bases:
        raise SchemaError(
            "the label map shares the grid of no image of its space",
            subject=subject,
            place=group,
            expected=f"the grid of one of {', '.join(bases)}",
            found=" x ".join(map(str, dataset["image"].shape[:3])),
        )
    message = "no image of its space is here: that it lies on the grid of one is not proved"
    return dataset, [warning("alignment-unproved", group, message)]


def read_volume(path: Path, group: str, *, suffix: str) -> tuple[xr.Dataset, list[Note]]:
    """Read one NIfTI volume as a group, with what is odd about it."""
    label = group.startswith("labels/")
    name = "Label, as stored" if label else LONG_NAMES.get(suffix, f"{suffix} intensity, as stored")
    tree = nifti.read([path], group=group, long_name=name)
    notes = [{**note, "place": f"{group}: {note['place']}"} for note in tree.attrs.get("warnings", [])]
    return dict(schema.groups(tree))[f"/{group}"], notes
