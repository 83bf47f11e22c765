"""Brain regions of the Allen Mouse Brain Common Coordinate Framework, for every node of a graph in space.

The framework is Q. Wang et al., "The Allen Mouse Brain Common Coordinate Framework: A 3D Reference Atlas", Cell 181
(2020) 936, doi:10.1016/j.cell.2020.04.007. Its list of structures is an XML file that the user or the source brings
(Allen Institute terms of use: not commercial, with citation); nothing of it is kept here.

VesselGraph's own annotation (GitHub jocpae/VesselGraph, commit 855b714, ``generate_node_atlas_labels.py``) asks whether
a label is ``in`` a pandas column, which looks among the row numbers: the 201 structures whose id is 1,328 or more are
lost to it. Here every id is found, by its value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn
from xml.etree import ElementTree as ET

import numpy as np

from connectome.errors import FormatError, UnsafeError, UsageError
from connectome.schema import MISSING_CODE, category, column

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BACKGROUND", "EXCLUDED", "Group", "Ontology", "Structure", "annotate", "read_ontology", "region_columns"]

Array = np.ndarray[Any, Any]

UNLISTED = -1
"""Row of a label that no structure has."""
ALIASES: Mapping[int, int] = {312782560: 312782566, 614454272: 614454277}
"""Labels in annotation volumes that went through float32, to the ids of the list (VesselGraph, as above)."""
EXCLUDED = frozenset({
    "000000", "FFFFFF", "BFDAE3", "B0F0FF", "B0FFB8", "70FF70", "70FF71", "82C7AE", "4BB547", "58BA48", "56B84B",
    "33B932", "ECE754", "7F2E7E",
})  # fmt: skip
"""Colours that VesselGraph leaves out of its groups: background, the largest divisions, and some layers."""
SLAB_BYTES = 64 << 20


@dataclass(frozen=True)
class Structure:
    """One entry of the list."""

    id: int
    acronym: str
    name: str
    colour: str
    """Six hexadecimal digits."""
    parent: int | None
    graph_order: int
    level: int


BACKGROUND = Structure(0, "bgr", "background", "000000", None, -1, -1)
"""What label 0 stands for; not in the list."""


@dataclass(frozen=True)
class Group:
    """The structures that share a colour."""

    colour: str
    acronym: str
    """Of the first of them in the order of the list."""
    members: tuple[Structure, ...]


@dataclass(frozen=True)
class Ontology:
    """Background and all structures, in the order of the list."""

    structures: tuple[Structure, ...]

    @cached_property
    def _row_of(self) -> dict[int, int]:
        return {structure.id: row for row, structure in enumerate(self.structures)}

    @cached_property
    def _sorted(self) -> tuple[Array, Array]:
        rows = {**self._row_of, **{label: self._row_of[id_] for label, id_ in ALIASES.items() if id_ in self._row_of}}
        ids = np.array(sorted(rows), dtype=np.int64)
        return ids, np.array([rows[id_] for id_ in ids.tolist()], dtype=np.int64)

    def __getitem__(self, id_: int) -> Structure:
        """Return the structure with an id; raise KeyError if there is none."""
        return self.structures[self._row_of[ALIASES.get(id_, id_) if id_ not in self._row_of else id_]]

    def path(self, id_: int) -> tuple[Structure, ...]:
        """Return a structure and those that it is part of, the largest first."""
        found = [self[id_]]
        while found[-1].parent is not None:
            found.append(self[found[-1].parent])
        return tuple(reversed(found))

    def rows(self, labels: Array) -> Array:
        """Return which of the structures every label is.

        Parameters
        ----------
        labels : numpy.ndarray
            Integers; the sign, which some volumes use for the hemisphere, does not count.

        Returns
        -------
        numpy.ndarray
            int64, rows of ``structures``; -1 where no structure has the id.
        """
        ids, rows = self._sorted
        wanted = np.abs(labels.astype(np.int64))
        at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        return np.where(ids[at] == wanted, rows[at], UNLISTED)

    def groups(self, *, exclude: frozenset[str] = EXCLUDED) -> tuple[Group, ...]:
        """Return the structures by colour, in the order of the list."""
        members: dict[str, list[Structure]] = {}
        for structure in self.structures:
            members.setdefault(structure.colour, []).append(structure)
        return tuple(
            Group(colour, items[0].acronym, tuple(items)) for colour, items in members.items() if colour not in exclude
        )


class _NoDocumentType(ET.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        del pubid, system
        raise _DoctypeError(name)


class _DoctypeError(Exception):
    pass


def read_ontology(path: str | Path) -> Ontology:
    """Read the list of structures as the Allen Institute's service gives it (nested ``structure`` elements).

    Raises
    ------
    UnsafeError
        When the file has a document type (entities could be made of it).
    FormatError
        When it is no XML, an element of a structure is missing, or an id or acronym is there twice.
    """
    source = Path(path)
    try:
        root = ET.fromstring(source.read_bytes(), parser=ET.XMLParser(target=_NoDocumentType()))  # noqa: S314 - no doctype
    except _DoctypeError as error:
        raise UnsafeError("the XML has a document type", subject=str(path), found=str(error)) from None
    except ET.ParseError as error:
        raise FormatError("not XML", subject=str(path), place=f"line {error.position[0]}", found=str(error)) from None
    structures = [BACKGROUND, *(_structure(source, element) for element in root.iter("structure"))]
    if len(structures) == 1:
        raise FormatError("a list of structures without one", subject=str(path), expected="<structure> elements")
    for what in ("id", "acronym"):
        values = [getattr(structure, what) for structure in structures]
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise FormatError(f"an {what} is there twice", subject=str(path), found=", ".join(twice[:5]))
    known = {structure.id for structure in structures}
    for structure in structures:
        if structure.parent is not None and structure.parent not in known:
            raise FormatError(
                "a structure's parent is not listed",
                subject=str(path),
                place=f"structure {structure.id}",
                found=str(structure.parent),
            )
    return Ontology(tuple(structures))


def _structure(path: Path, element: ET.Element) -> Structure:
    texts = {
        name: (element.findtext(name) or "").strip().strip('"')
        for name in (
            "id", "acronym", "name", "color-hex-triplet", "parent-structure-id", "graph-order", "st-level",
        )
    }  # fmt: skip
    try:
        colour, parent = texts["color-hex-triplet"].upper(), texts["parent-structure-id"]
        int(colour, 16)
        if len(colour) != 6 or not texts["acronym"]:
            raise ValueError(texts["id"])
        return Structure(
            id=int(texts["id"]),
            acronym=texts["acronym"],
            name=texts["name"],
            colour=colour,
            parent=None if parent in {"", "null"} else int(parent),
            graph_order=int(texts["graph-order"]),
            level=int(texts["st-level"]),
        )
    except ValueError:
        raise FormatError(
            "a structure is not described as it should be",
            subject=str(path),
            place=f"structure {texts['id'] or '?'}",
            expected="id, acronym, name, colour, parent, graph-order and st-level",
            found=", ".join(f"{name}={text!r}" for name, text in texts.items()),
        ) from None


def annotate(
    position: Array,
    volume: Any,
    *,
    affine: Array | None = None,
    voxel_size: float | Sequence[float] = 1.0,
    rounding: Literal["nearest", "down"] = "nearest",
    slab_bytes: int = SLAB_BYTES,
) -> tuple[Array, Array]:
    """Look up the label at every position.

    Parameters
    ----------
    position : numpy.ndarray
        Shape (node, 3), in the order of the volume's axes.
    volume : array-like
        Labels (i, j, k). Anything that gives an array for ``volume[a:b]``: it is read in slabs, each at most once.
    affine : numpy.ndarray, optional
        Shape (4, 4), from voxel indices to positions. Otherwise a position is an index times ``voxel_size``.
    voxel_size : float or sequence of float
        In the unit of the positions; 1 for positions in voxels.
    rounding : str
        ``"nearest"``: a whole index is the middle of a voxel. ``"down"``: VesselGraph's way, which cuts fractions off.
    slab_bytes : int
        Memory for one slab.

    Returns
    -------
    labels : numpy.ndarray
        Shape (node,), int64; 0 also where nothing is known.
    inside : numpy.ndarray
        Shape (node,), bool: False outside the volume, which is not the same as background.

    Raises
    ------
    FormatError
        When a label is not a whole number.
    """
    shape = tuple(int(size) for size in volume.shape)
    if len(shape) != 3 or position.ndim != 2 or position.shape[1] != 3:
        raise UsageError(
            "labels are looked up in three dimensions",
            subject="volume",
            expected="(i, j, k) and (node, 3)",
            found=f"{shape} and {position.shape}",
        )
    index = np.empty(position.shape, dtype=np.int32)
    inside = np.ones(len(position), dtype=bool)
    inverse = np.linalg.inv(np.asarray(affine, dtype=np.float64)) if affine is not None else None
    scale = np.broadcast_to(np.asarray(voxel_size, dtype=np.float64), 3)
    for axis in range(3):
        exact = (
            position @ inverse[axis, :3] + inverse[axis, 3]
            if inverse is not None
            else position[:, axis].astype(np.float64) / scale[axis]
        )
        whole = np.floor(exact + 0.5) if rounding == "nearest" else np.trunc(exact)
        # Fractions below the first voxel would be cut off to it.
        inside &= (whole >= 0) & (whole < shape[axis]) & ((exact >= 0) | (rounding == "nearest"))
        index[:, axis] = np.where(inside, whole, 0)
    labels = np.zeros(len(position), dtype=np.int64)
    rows = np.flatnonzero(inside)
    rows = rows[np.argsort(index[rows, 0], kind="stable")]
    plane_bytes = max(1, shape[1] * shape[2] * int(np.dtype(volume.dtype).itemsize))
    step = max(1, slab_bytes // plane_bytes)
    cuts = np.searchsorted(index[rows, 0], np.arange(0, shape[0] + step, step))
    for number, (start, stop) in enumerate(pairwise(cuts.tolist())):
        if start == stop:
            continue
        first, chosen = number * step, rows[start:stop]
        slab = np.asarray(volume[first : first + step])
        found = slab[index[chosen, 0] - first, index[chosen, 1], index[chosen, 2]]
        if found.dtype.kind == "f" and (found != np.rint(found)).any():
            raise FormatError(
                "a label is not a whole number",
                subject="volume",
                place=f"planes {first} to {first + len(slab) - 1}",
                found=str(found[found != np.rint(found)][0]),
                hint="a volume of labels must not be interpolated",
            )
        labels[chosen] = found.astype(np.int64)
    return labels, inside


def region_columns(ontology: Ontology, labels: Array, inside: Array) -> tuple[dict[str, xr.Variable], dict[str, int]]:
    """Make the columns of a node table from labels.

    Parameters
    ----------
    ontology : Ontology
        The list of structures.
    labels, inside : numpy.ndarray
        From :func:`annotate`.

    Returns
    -------
    columns : dict of str to xarray.Variable
        ``region`` (category of acronyms), ``region_id`` (the label as it is in the volume), ``region_group``
        (VesselGraph's groups by colour; those that it leaves out are missing).
    counts : dict of str to int
        Nodes ``outside`` the volume, of ``background``, and with an ``unlisted`` label; these and the first are
        missing.
    """
    rows = np.where(inside, ontology.rows(labels), UNLISTED)
    groups = ontology.groups()
    group_of = np.full(len(ontology.structures) + 1, MISSING_CODE)
    places = {structure.id: row for row, structure in enumerate(ontology.structures)}
    for code, group in enumerate(groups):
        for structure in group.members:
            group_of[places[structure.id]] = code
    smallest = np.int32 if not len(labels) or np.abs(labels).max() < 2**31 else np.int64
    columns = {
        "region": _coded(rows, [structure.acronym for structure in ontology.structures], "Brain region"),
        "region_group": _coded(group_of[rows], [group.acronym for group in groups], "Group of regions of one colour"),
        "region_id": column(
            "node", labels.astype(smallest), "Label of the atlas at the node, 0 where there is none", "1"
        ),
    }
    counts = {
        "outside": int((~inside).sum()),
        "background": int((rows == places[BACKGROUND.id]).sum()),
        "unlisted": int((inside & (rows == UNLISTED)).sum()),
    }
    return columns, counts


def _coded(codes: Array, labels: Sequence[str], long_name: str) -> xr.Variable:
    import xarray as xr

    about = category("node", [], labels, long_name)
    return xr.Variable("node", codes.astype(about.dtype), attrs=about.attrs)
