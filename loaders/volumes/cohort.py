"""Records that hold volumes: which of them, on which grid, and which images each has.

All that is needed to choose patches - shapes, dtypes, affines - stands in the version, so no record is opened before
it is read, unless axes, labels or columns are asked for.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from connectome.cohorts.roles import POST_OP, PostOpWarning
from connectome.errors import SchemaError, UsageError
from connectome.schema.volume import CHUNK_EDGE
from connectome.volumes import TOLERANCE_VOXELS, UNKNOWN, Turn, axis_codes, corner_distance_mm, voxel_size_mm

from ..reading.chunks import CACHE_BYTES, Shelf
from ..reading.index import choose_split
from ..reading.provenance import Provenance
from ..reading.records import choose_records, reasons
from ..reading.specs import as_version, record_file
from .intensity import NORMALISATIONS, FittedZScore, Intensity, Normalisation
from .region import AS_STORED, read_region
from .subjects import SubjectColumn, subject_column

if TYPE_CHECKING:
    from connectome.splits import Split
    from connectome.store import Version

    from ..reading.chunks import RecordReader

__all__ = ["OnMissing", "VolumeCohort"]

Array = np.ndarray[Any, Any]
OnMissing = Literal["error", "skip", "mask", "fill"]
WHOLE_AXIS = CHUNK_EDGE * 3 // 2
"""An axis up to here is not cut into chunks."""
CHOICES = ("error", "skip", "mask", "fill")


@dataclass(frozen=True)
class _Volume:
    """What the version says of one volume."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    affine: Array
    orientation: str | None
    """Axis codes; None in records of version 1."""


class VolumeCohort:
    """The volumes of a version, record by record, aligned with one another.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    images : sequence of str
        Paths of volume groups that become the channels of ``image``.
    masks : sequence of str
        Paths of label volumes that become the channels of ``mask``; their ids stay integers.
    labels, inputs : sequence of str
        Columns of the record's table that go along with every patch: what is to be told, and what is known. One that
        is known only after surgery warns among the inputs.
    table : str
        Path of that table, of one row.
    records : sequence of str, optional
        Names of records; default all.
    split : str or (Split, str), optional
        As for :class:`~connectome.loaders.recordings.windows.WindowSource`; parts hold whole records.
    axes : str
        ``"stored"``, or the order in which axes are to run, such as ``"RAS"``: a view, which moves no voxel.
    assume : str, optional
        Order of the stored axes where it is not known.
    on_missing : {"error", "skip", "mask", "fill"} or mapping of group to one of them
        What becomes of a record that lacks a volume: refused; left out (see :attr:`skipped`); kept, with zeros that
        ``present`` marks; or kept with ``fill`` (``mask_fill``), which ``present`` marks too.
    fill, mask_fill : float, int
        What stands in images and in masks where there is nothing: in the numbers that the batch holds.
    normalise : str or Normalisation, optional
        ``"z-score"`` (of voxels that are not 0), ``"z-score-all"``, ``"percentiles"`` (0.5 to 99.5, cut off), each per
        image by its stored statistics; :class:`~connectome.loaders.volumes.intensity.ZScoreEach`,
        :class:`~connectome.loaders.volumes.intensity.PercentileRange`; or a
        :class:`~connectome.loaders.volumes.intensity.FittedZScore` of the training part. Default physical values.
    dtype, mask_dtype : str
        Of ``image`` (a float) and ``mask`` (an integer); an id that does not fit is an error.
    cache_bytes : int
        Decoded chunks kept per process.
    root : path or URL, optional
        The store, for a text.

    Attributes
    ----------
    records : tuple of str
    skipped : dict of str to str
        Records that are not read, with the reason.
    present : numpy.ndarray
        Shape (record, image + mask), bool.
    columns : dict of str to SubjectColumn
        The labels and inputs over all records.
    provenance : Provenance

    Raises
    ------
    UsageError
        When an argument cannot be used, a record lacks a volume, or none is left.
    SchemaError
        When the volumes of a record do not lie on one grid.
    NotFoundError
        When a record, a volume, a column, a split or its part does not exist.
    LeakError
        When a fitted normalisation was not fitted on the training part of the split that is read.
    """

    def __init__(
        self,
        data: str | Version,
        *,
        images: Sequence[str] = ("t1w",),
        masks: Sequence[str] = (),
        labels: Sequence[str] = (),
        inputs: Sequence[str] = (),
        table: str = "subject",
        records: Sequence[str] | None = None,
        split: str | tuple[Split, str] | None = None,
        axes: str = "stored",
        assume: str | None = None,
        on_missing: OnMissing | Mapping[str, OnMissing] = "error",
        fill: float = 0.0,
        mask_fill: int = 0,
        normalise: str | Normalisation | None = None,
        dtype: str = "float32",
        mask_dtype: str = "int64",
        cache_bytes: int = CACHE_BYTES,
        root: str | Path | None = None,
    ) -> None:
        self.images, self.masks = _names(images, "images"), _names(masks, "masks")
        self.groups = (*self.images, *self.masks)
        if not self.images or len(set(self.groups)) != len(self.groups):
            raise UsageError("one image or more, each volume once", subject="images", found=", ".join(self.groups))
        self.labels, self.inputs = _names(labels, "labels"), _names(inputs, "inputs")
        self.dtype, self.mask_dtype = np.dtype(dtype), np.dtype(mask_dtype)
        if self.dtype.kind != "f" or self.mask_dtype.kind not in "iu":
            raise UsageError(
                "images are floats and masks are integers", subject="dtype, mask_dtype", found=f"{dtype}, {mask_dtype}"
            )
        self.fill, self.mask_fill, self.axes, self.assume = float(fill), int(mask_fill), axes, assume
        self._missing = _missing_rules(on_missing, self.groups)
        version = as_version(data, root=root)
        chosen_split, part = choose_split(version, split)
        self.provenance = Provenance.of(version, split=chosen_split, part=part)
        begins = [] if chosen_split is None or part is None else chosen_split.stretches(part)["start_s"].tolist()
        if chosen_split is not None and np.isfinite(begins).any():
            raise UsageError("an image has no stretches of time", subject=chosen_split.name, place=part)
        # Which volumes a record may lack is for `on_missing` to say.
        listed, self.skipped = choose_records(version, records, split=chosen_split, part=part)
        self._choose(listed, {name: self._volumes(version, name) for name in listed}, version)
        self._shelf = Shelf([record_file(version, name) for name in self.records], cache_bytes=cache_bytes)
        self._turns = tuple(self._turn(at) for at in range(len(self.records)))
        self.columns: dict[str, SubjectColumn] = {
            name: subject_column(self._shelf, self.records, table, name) for name in (*self.labels, *self.inputs)
        }
        self._warn_of_the_future()
        self.normalise = _normalisation(normalise)
        if isinstance(self.normalise, FittedZScore):
            self.normalise.check(self)

    def _volumes(self, version: Version, record: str) -> dict[str, _Volume]:
        facts = version.manifest.records[record].facts
        found: dict[str, _Volume] = {}
        for group in self.groups:
            about = facts.get(f"/{group}")
            if about is None:
                continue
            if not {"shape", "dtype", "affine"} <= set(about):
                raise UsageError("not a volume", subject=record, place=group, found=", ".join(about))
            volume = _Volume(
                tuple(about["shape"]),
                np.dtype(about["dtype"]),
                np.array(about["affine"], dtype=np.float64),
                about.get("orientation"),
            )
            if any(size != 1 for size in volume.shape[3:]):
                raise UsageError(
                    "an image with more than three axes is no patch",
                    subject=record,
                    place=group,
                    expected="three axes, further ones of length 1",
                    found=" x ".join(map(str, volume.shape)),
                )
            wanted = "buif" if group in self.images else "bui"
            if volume.dtype.kind not in wanted:
                raise UsageError(
                    "labels are integers" if group in self.masks else "an image of real numbers is needed",
                    subject=record,
                    place=group,
                    found=str(volume.dtype),
                    hint="ingest it anew: whole numbers that were stored as floats become integers then",
                )
            found[group] = volume
        return found

    def _choose(self, listed: Sequence[str], volumes: Mapping[str, dict[str, _Volume]], version: Version) -> None:
        """Keep the records that can be read, and say why others are not."""
        kept: list[str] = []
        for name in listed:
            here = volumes[name]
            lacking = [group for group in self.groups if group not in here]
            refused = [group for group in lacking if self._missing[group] == "error"]
            if refused:
                raise UsageError(
                    "a record lacks a volume",
                    subject=name,
                    place=", ".join(refused),
                    expected=", ".join(self.groups),
                    found=", ".join(here) or "none of them",
                    hint="on_missing='skip' leaves such records out; 'mask' keeps them, marked in `present`",
                )
            left_out = [group for group in lacking if self._missing[group] == "skip"]
            if left_out:
                self.skipped[name] = f"no {', '.join(left_out)}"
            elif not any(group in here for group in self.images):
                self.skipped[name] = "none of the images"
            else:
                kept.append(name)
        if not kept:
            raise UsageError(
                "no record can be read",
                subject=version.spec,
                expected=", ".join(self.groups),
                found=reasons(self.skipped),
            )
        self.records = tuple(kept)
        self._stored = tuple(volumes[name] for name in kept)
        self.present = np.array([[group in volumes[name] for group in self.groups] for name in kept])
        self._references = tuple(next(group for group in self.groups if group in volumes[name]) for name in kept)
        for at, name in enumerate(kept):
            self._check_aligned(name, self._stored[at], self._references[at])

    def _check_aligned(self, record: str, volumes: Mapping[str, _Volume], reference: str) -> None:
        first = volumes[reference]
        for group, volume in volumes.items():
            finest = min(*voxel_size_mm(first.affine), *voxel_size_mm(volume.affine))
            same = volume.shape[:3] == first.shape[:3]
            apart = corner_distance_mm(first.affine, volume.affine, first.shape) if same else float("inf")
            if apart > TOLERANCE_VOXELS * finest:
                raise SchemaError(
                    "two volumes of a record do not lie on one grid",
                    subject=record,
                    place=f"{reference}, {group}",
                    expected=f"{first.shape[:3]}, corners within {TOLERANCE_VOXELS * finest:.3g} mm",
                    found=f"{volume.shape[:3]}" + (f", a corner {apart:.4g} mm away" if same else ""),
                    hint="read them apart, leave the record out, or resample one onto the other's grid",
                )

    def _turn(self, record: int) -> Turn:
        if self.axes == "stored":
            return AS_STORED
        reference = self._references[record]
        volume = self._stored[record][reference]
        stored = volume.orientation or axis_codes(volume.affine)
        if stored == UNKNOWN:
            if self.assume is None:
                raise UsageError(
                    "it is not known which way the axes run",
                    subject=self.records[record],
                    place=reference,
                    expected="a qform or sform with a code above 0",
                    hint="axes='stored', or say how they run with assume='RAS' if you know it",
                )
            stored = self.assume
        return Turn.between(stored, self.axes)

    def _warn_of_the_future(self) -> None:
        late = [name for name in self.inputs if self.columns[name].available == POST_OP]
        for image in self.images:
            # What a volume is, it is in all records; the first that has it tells.
            at = int(np.argmax(self.present[:, self.groups.index(image)]))
            if self.has(at, image) and self.reader(at).attributes(image).get("available") == POST_OP:
                late.append(image)
        if late:
            warnings.warn(
                f"known only after surgery, and a model's input: {', '.join(late)}; a model that predicts from them "
                "cannot be used before surgery, and may be told the answer",
                PostOpWarning,
                stacklevel=3,
            )

    @property
    def channels(self) -> tuple[str, ...]:
        """Names along the channel axis of ``image``."""
        return self.images

    def has(self, record: int, group: str) -> bool:
        """Tell whether a record has a volume."""
        return group in self._stored[record]

    def reader(self, record: int) -> RecordReader:
        """Return the open file of a record; not to be kept."""
        return self._shelf.reader(record)

    def shape(self, record: int) -> tuple[int, int, int]:
        """Return the shape of a record's volumes along the axes of the view."""
        i, j, k = self._turns[record].shape(self._stored[record][self._references[record]].shape[:3])
        return i, j, k

    def stored_shape(self, record: int) -> tuple[int, int, int]:
        """Return the shape of a record's volumes as they are stored."""
        i, j, k = self._stored[record][self._references[record]].shape[:3]
        return i, j, k

    def turn(self, record: int) -> Turn:
        """Return how the axes of the view lie in a record's stored arrays."""
        return self._turns[record]

    def affine(self, record: int, corner: Sequence[int] = (0, 0, 0)) -> Array:
        """Return the affine of the view, or of a patch of it: voxel index to millimetres (RAS+), shape (4, 4)."""
        stored = self._stored[record][self._references[record]]
        affine: Array = stored.affine @ self._turns[record].matrix(stored.shape[:3])
        affine[:3, 3] += affine[:3, :3] @ np.asarray(corner, dtype=np.float64)
        return affine

    def decoded_bytes(self, record: int, edge: int | None = None) -> int:
        """Return the size of a record's volumes as decoded chunks, which reach beyond the end of an axis.

        Parameters
        ----------
        record : int
            Position in ``records``.
        edge : int, optional
            Only of as many layers of chunks as so many voxels along the first axis of the view touch.
        """
        total = 0
        for volume in self._stored[record].values():
            edges = (size if size <= WHOLE_AXIS else -(-size // CHUNK_EDGE) * CHUNK_EDGE for size in volume.shape[:3])
            n_bytes = math.prod(edges) * volume.dtype.itemsize
            size = volume.shape[self._turns[record].axes[0]]
            n_layers = 1 if size <= WHOLE_AXIS else -(-size // CHUNK_EDGE)
            touched = n_layers if edge is None else min(n_layers, -(-edge // CHUNK_EDGE) + 1)
            total += n_bytes // n_layers * touched
        return total

    def keep(self, n_bytes: int) -> None:
        """Bound the cache of decoded chunks, to 64 MiB at most; what it holds is forgotten."""
        self._shelf = Shelf(self._shelf.files, cache_bytes=min(n_bytes, CACHE_BYTES))

    def statistics(self, record: int, image: str) -> Mapping[str, Any]:
        """Return the stored statistics of an image.

        Raises
        ------
        UsageError
            When it has none.
        """
        found: Mapping[str, Any] | None = self.reader(record).attributes(image).get("statistics")
        if found is None:
            raise UsageError(
                "the image has no stored statistics",
                subject=self.records[record],
                place=image,
                hint="ingest it anew with this release, or leave out normalise",
            )
        return found

    def intensity(self, record: int, image: str) -> Intensity:
        """Return how stored numbers of an image become those of a batch."""
        attributes = self.reader(record).attributes(image)
        wanted = Intensity()
        if self.normalise is not None:
            wanted = self.normalise.intensity(self.statistics(record, image), image=image, subject=self.records[record])
        return wanted.after(float(attributes.get("slope", 1.0)), float(attributes.get("intercept", 0.0)))

    def read(self, record: int, group: str, start: Sequence[int], stop: Sequence[int]) -> Array:
        """Read a box of one volume, along the axes of the view, as stored."""
        return read_region(self.reader(record).array(f"{group}/image"), start, stop, self._turns[record])

    def description(self) -> dict[str, Any]:
        """Return what is read, as JSON values."""
        return {
            "dataset": self.provenance.dataset,
            "version": self.provenance.version,
            "digest": self.provenance.digest,
            "split": self.provenance.split,
            "split_digest": self.provenance.split_digest,
            "part": self.provenance.part,
            "records": list(self.records),
            "images": list(self.images),
            "masks": list(self.masks),
            "labels": list(self.labels),
            "inputs": list(self.inputs),
            "axes": self.axes,
            "assume": self.assume,
            "on_missing": dict(self._missing),
        }


def _names(names: Sequence[str], what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise UsageError(f"{what} is a list of names", subject=what, found=repr(names), hint=f"[{names!r}]")
    return tuple(name.strip("/") for name in names)


def _missing_rules(on_missing: OnMissing | Mapping[str, OnMissing], groups: Sequence[str]) -> dict[str, OnMissing]:
    rules: Mapping[str, OnMissing] = dict.fromkeys(groups, on_missing) if isinstance(on_missing, str) else on_missing
    unknown = [group for group in rules if group.strip("/") not in groups]
    wrong = [rule for rule in rules.values() if rule not in CHOICES]
    if unknown or wrong:
        raise UsageError(
            "no such volume or choice",
            subject="on_missing",
            expected=f"{', '.join(CHOICES)} for {', '.join(groups)}",
            found=repr(on_missing),
        )
    stripped = {group.strip("/"): rule for group, rule in rules.items()}
    return {group: stripped.get(group, "error") for group in groups}


def _normalisation(normalise: str | Normalisation | None) -> Normalisation | None:
    if normalise is None or not isinstance(normalise, str):
        return normalise
    if normalise not in NORMALISATIONS:
        raise UsageError(
            "no such normalisation", subject="normalise", expected=", ".join(NORMALISATIONS), found=repr(normalise)
        )
    return NORMALISATIONS[normalise]
