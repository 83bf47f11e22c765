"""One view of an NWB session, whether its container is HDF5 or the Zarr v2 layout of hdmf-zarr.

Objects say in ``neurodata_type`` what they are (NWB Schema 2.x, nwb-schema.readthedocs.io). A node is a group or an
array with plain attributes; links inside the container are followed, links out of it are refused; references become
the path they lead to. Values are read when asked for, and no claim of a header is believed beyond what a file of its
size can hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import h5py
import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError

from ..files.hdf5_file import check_inside, is_hdf5, open_hdf5
from .layout import piece_of

if TYPE_CHECKING:
    from ..files.elsewhere import FileElsewhere
    from .layout import Piece

__all__ = ["MOST_BYTES", "ArrayNode", "GroupNode", "Node", "open_tree", "typed"]

Array = np.ndarray[Any, Any]
MOST_BYTES = 16 << 30
"""No part of a session that is read at once is larger."""
_DEEPEST = 32
_TRUSTED_BYTES, _MOST_PACKED = 256 << 20, 20_000
"""Arrays beyond 256 MiB must take up at least a 20,000th of their size in the file; zeros compress no better."""


class GroupNode(ABC):
    """A group: named members and attributes."""

    path: str
    subject: str

    @property
    @abstractmethod
    def attrs(self) -> Mapping[str, Any]:
        """Attributes as texts, numbers, lists of these; references as paths."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of all members, sorted; links are members."""

    @abstractmethod
    def is_link(self, name: str) -> bool:
        """Tell whether a member is a link to something that lies elsewhere."""

    @abstractmethod
    def target(self, name: str) -> str:
        """Return the path that a link leads to."""

    @abstractmethod
    def get(self, name: str) -> Node | None:
        """Return a member, through links if need be; None where there is none."""

    @abstractmethod
    def at(self, path: str) -> Node | None:
        """Return what lies at an absolute path of the same container; None where nothing does."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def type(self) -> str:
        """``neurodata_type``, ``""`` where there is none."""
        return str(self.attrs.get("neurodata_type", ""))

    def array(self, name: str) -> ArrayNode | None:
        """Return a member that is an array; None where there is none."""
        found = self.get(name)
        return found if isinstance(found, ArrayNode) else None

    def group(self, name: str) -> GroupNode | None:
        """Return a member that is a group; None where there is none."""
        found = self.get(name)
        return found if isinstance(found, GroupNode) else None

    def text(self, name: str) -> str | list[str]:
        """Return a member or attribute as text or texts; ``""`` where there is none."""
        found = self.array(name)
        if found is None:
            value = self.attrs.get(name, "")
            return [str(one) for one in value] if isinstance(value, list) else str(value)
        if found.kind not in {"text", "number"}:
            return ""
        values = [str(one) for one in np.atleast_1d(found.read()).ravel().tolist()]
        return values[0] if len(values) == 1 else values


class ArrayNode(ABC):
    """An array: what its values are, and the values when asked for."""

    path: str
    subject: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    """Of the numbers, in the machine's byte order; object for everything else."""
    kind: str
    """``number``, ``text``, ``reference``, ``compound``, or ``unreadable``."""
    why: str = ""
    """Why an ``unreadable`` array is."""

    @property
    @abstractmethod
    def attrs(self) -> Mapping[str, Any]:
        """Attributes as texts, numbers, lists of these; references as paths."""

    @abstractmethod
    def _read(self, rows: slice | None) -> Array: ...

    @abstractmethod
    def stored_bytes(self) -> int:
        """Return how many bytes of the container the values take up."""

    def piece(self) -> Piece | None:
        """Return how the values lie in the file; None where they can only be read through the container."""
        return None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def type(self) -> str:
        """``neurodata_type``, ``""`` where there is none."""
        return str(self.attrs.get("neurodata_type", ""))

    def read(self, rows: slice | None = None) -> Array:
        """Return the values, or those of some rows of the first dimension.

        Returns
        -------
        numpy.ndarray
            Numbers in the source's dtype; else of dtype object: ``str``, or for ``compound`` one structured array
            whose references are texts.

        Raises
        ------
        FormatError
            When the array is unreadable or claims to be larger than any recording.
        TruncatedError
            When it claims more than its bytes can hold.
        """
        if self.kind == "unreadable":
            raise FormatError("an array cannot be read", subject=self.subject, place=self.path, found=self.why)
        self.check_size(rows)
        return self._read(rows)

    def check_size(self, rows: slice | None = None) -> None:
        """Raise unless what is to be read can lie in the file."""
        width = max(1, self.dtype.itemsize)
        total = width
        for size in self.shape:
            total *= size
        asked = total
        if rows is not None and self.shape:
            asked = total // max(1, self.shape[0]) * len(range(*rows.indices(self.shape[0])))
        if asked > MOST_BYTES:
            raise FormatError(
                "an array claims to be larger than any recording", subject=self.subject, place=self.path,
                expected=f"at most {MOST_BYTES} bytes", found=f"shape {self.shape} of {self.dtype}",
            )  # fmt: skip
        if total > _TRUSTED_BYTES and self.stored_bytes() * _MOST_PACKED < total:
            raise TruncatedError(
                "an array claims more than its bytes can hold", subject=self.subject, place=self.path,
                expected=f"{total} bytes", found=f"{self.stored_bytes()} bytes stored",
            )  # fmt: skip


Node: TypeAlias = GroupNode | ArrayNode


def typed(group: GroupNode, *, depth: int = 0) -> Iterator[GroupNode]:
    """Yield every typed group below a group, outer before inner, sorted by name; links are not followed.

    Raises
    ------
    FormatError
        When groups are nested too deeply.
    """
    if depth > _DEEPEST:
        raise FormatError("groups are nested too deeply", subject=group.subject, place=group.path)
    for name in group.names():
        if group.is_link(name) or (depth == 0 and group.path == "/" and name == "specifications"):
            group.target(name)
            continue
        child = group.get(name)
        if isinstance(child, GroupNode):
            if child.type:
                yield child
            yield from typed(child, depth=depth + 1)


@contextmanager
def open_tree(path: Path | FileElsewhere) -> Iterator[GroupNode]:
    """Open a container and give its root.

    Parameters
    ----------
    path : pathlib.Path or FileElsewhere
        An HDF5 file, or the Zarr v2 layout as a ZIP file or a folder. What lies elsewhere must be HDF5.

    Raises
    ------
    FormatError
        When it is neither, or is damaged.
    """
    if not isinstance(path, Path) or (path.is_file() and is_hdf5(path)):
        with open_hdf5(path) as file:
            yield _Hdf5Group(file, "/", str(path))
        return
    from .zarr import open_zarr

    with open_zarr(path) as root:
        yield root


class _Hdf5Group(GroupNode):
    def __init__(self, group: h5py.Group, path: str, subject: str) -> None:
        self._group, self.path, self.subject = group, path, subject
        self._attrs: dict[str, Any] | None = None

    @property
    def attrs(self) -> Mapping[str, Any]:
        if self._attrs is None:
            self._attrs = _plain_attributes(self._group)
        return self._attrs

    def names(self) -> list[str]:
        return sorted(self._group)

    def is_link(self, name: str) -> bool:
        return not isinstance(self._group.get(name, getlink=True), h5py.HardLink)

    def target(self, name: str) -> str:
        link = self._group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise UnsafeError(
                "a link leads to another file", subject=self.subject, place=self._below(name), found=link.filename,
                hint="write the session as one file, for example by exporting it with PyNWB",
            )  # fmt: skip
        return str(link.path) if isinstance(link, h5py.SoftLink) else self._below(name)

    def get(self, name: str) -> Node | None:
        if name not in self._group:
            # A soft link that leads nowhere is not "in" the group either.
            return None
        self.target(name)
        return self._node(self._group.get(name), self._below(name))

    def at(self, path: str) -> Node | None:
        node: Node | None = _Hdf5Group(self._group.file["/"], "/", self.subject)
        for part in path.strip("/").split("/") if path.strip("/") else ():
            node = node.get(part) if isinstance(node, GroupNode) else None
        return node

    def _below(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"

    def _node(self, found: Any, path: str) -> Node | None:
        if isinstance(found, h5py.Group):
            return _Hdf5Group(found, path, self.subject)
        if isinstance(found, h5py.Dataset):
            return _Hdf5Array(check_inside(found, place=path, subject=self.subject), path, self.subject)
        return None


class _Hdf5Array(ArrayNode):
    def __init__(self, stored: h5py.Dataset, path: str, subject: str) -> None:
        self._stored, self.path, self.subject = stored, path, subject
        self.shape = tuple(int(size) for size in stored.shape) if stored.shape is not None else (0,)
        dtype = stored.dtype
        self.dtype = np.dtype(object)
        if stored.shape is None:
            self.kind, self.dtype = "number", np.dtype(np.float64)
        elif dtype.kind in "biuf":
            self.kind, self.dtype = "number", dtype.newbyteorder("=")
        elif h5py.check_string_dtype(dtype) is not None or dtype.kind in "SU":
            self.kind, self.dtype = "text", np.dtype(object)
        elif h5py.check_ref_dtype(dtype) is h5py.Reference:
            self.kind = "reference"
        elif dtype.kind == "V" and dtype.names:
            self.kind, self.dtype = "compound", _compound_dtype(dtype)
        else:
            self.kind, self.why = "unreadable", f"type {dtype}"
        self._attrs: dict[str, Any] | None = None

    @property
    def attrs(self) -> Mapping[str, Any]:
        if self._attrs is None:
            self._attrs = _plain_attributes(self._stored)
        return self._attrs

    def piece(self) -> Piece | None:
        return piece_of(self._stored)

    def stored_bytes(self) -> int:
        return int(self._stored.id.get_storage_size())

    def _read(self, rows: slice | None) -> Array:
        if self._stored.shape is None:
            return np.zeros(0)
        values = np.asarray(self._stored[()] if rows is None or not self.shape else self._stored[rows])
        if self.kind == "number":
            return values.astype(self.dtype, copy=False)
        if self.kind == "compound":
            found = np.empty(values.shape, dtype=self.dtype)
            for name in self.dtype.names or ():
                part = values[name]
                found[name] = part if self.dtype[name].kind in "biuf" else self._words(part)
            return found
        return self._words(values)

    def _words(self, values: Array) -> Array:
        words = np.empty(values.shape, dtype=object)
        words.ravel()[:] = [_word(value, self._stored.file) for value in values.ravel().tolist()]
        return words


def _compound_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    parts = [(name, dtype[name]) for name in dtype.names or ()]
    return np.dtype([(name, part.newbyteorder("=") if part.kind in "biuf" else object) for name, part in parts])


def _word(value: Any, file: h5py.File) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, h5py.Reference):
        if not value:
            return ""
        found = file[value]
        return str(found.name or "")
    return "" if value is None else str(value)


def _plain_attributes(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in sorted(item.attrs):
        value = item.attrs[name]
        if isinstance(value, h5py.Empty):
            found[name] = ""
        elif isinstance(value, (bytes, str, h5py.Reference)):
            found[name] = _word(value, item.file)
        elif isinstance(value, np.ndarray):
            listed = value.ravel().tolist()
            found[name] = [one if isinstance(one, (bool, int, float)) else _word(one, item.file) for one in listed]
        else:
            found[name] = value.item() if isinstance(value, np.generic) else value
        if isinstance(found[name], bytes):
            found[name] = _word(found[name], item.file)
    return found
