"""Writes generated values as MATLAB files of version 7.3, the way MATLAB lays them out. Nothing here was measured.

Classes are attributes, axes are reversed, text is a column of UTF-16 codes, cells and the elements of struct arrays are
references into ``#refs#``, and empty arrays hold their shape. Python stands for MATLAB so: ``str`` is text, a list a
cell array, :class:`StructArray` a struct array, ``dict`` a struct, an array an array.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_CLASSES = {"float64": "double", "float32": "single", "bool": "logical"}


@dataclass
class StructArray:
    """A struct array; all elements have the same fields."""

    elements: list[dict[str, Any]]


def write_mat73(path: Path, variables: dict[str, Any]) -> Path:
    """Write variables into a file of version 7.3 and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        writer = _Writer(file)
        for name, value in variables.items():
            writer.put(file, name, value)
    content = bytearray(path.read_bytes())
    header = b"MATLAB 7.3 MAT-file, generated for a test".ljust(124) + b"\x00\x02IM"
    content[: len(header)] = header
    path.write_bytes(bytes(content))
    return path


class _Writer:
    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self.count = 0

    def put(self, parent: h5py.Group, name: str, value: Any) -> None:
        if isinstance(value, StructArray):
            group = self._struct(parent, name)
            for field in value.elements[0]:
                references = [self._hidden(element[field]) for element in value.elements]
                group.create_dataset(field, data=self._column(references), dtype=h5py.ref_dtype)
        elif isinstance(value, dict):
            group = self._struct(parent, name)
            for field, inner in value.items():
                self.put(group, field, inner)
        elif isinstance(value, list):
            if not value:
                self._empty(parent, name, (0, 0), "cell")
                return
            references = [self._hidden(item) for item in value]
            self._tag(parent.create_dataset(name, data=self._column(references), dtype=h5py.ref_dtype), "cell")
        elif isinstance(value, str):
            if not value:
                self._empty(parent, name, (0, 0), "char")
                return
            codes = np.frombuffer(value.encode("utf-16-le"), dtype=np.uint16)
            dataset = parent.create_dataset(name, data=codes[:, np.newaxis])
            dataset.attrs["MATLAB_int_decode"] = np.int32(2)
            self._tag(dataset, "char")
        else:
            self._array(parent, name, np.atleast_2d(np.asarray(value)))

    def _array(self, parent: h5py.Group, name: str, values: np.ndarray) -> None:
        matlab_class = _CLASSES.get(str(values.dtype), str(values.dtype))
        if not values.size:
            self._empty(parent, name, values.shape, matlab_class)
            return
        stored = values.astype(np.uint8) if values.dtype == bool else values
        self._tag(parent.create_dataset(name, data=stored.T), matlab_class)

    def _empty(self, parent: h5py.Group, name: str, shape: tuple[int, ...], matlab_class: str) -> None:
        dataset = parent.create_dataset(name, data=np.array(shape, dtype=np.uint64))
        dataset.attrs["MATLAB_empty"] = np.uint8(1)
        self._tag(dataset, matlab_class)

    def _struct(self, parent: h5py.Group, name: str) -> h5py.Group:
        group = parent.create_group(name)
        self._tag(group, "struct")
        return group

    def _hidden(self, value: Any) -> h5py.Reference:
        self.count += 1
        name = f"#refs#/{self.count}"
        self.put(self.file, name, value)
        return self.file[name].ref

    @staticmethod
    def _column(references: list[h5py.Reference]) -> np.ndarray:
        return np.array([[reference] for reference in references], dtype=h5py.ref_dtype)

    @staticmethod
    def _tag(stored: h5py.Group | h5py.Dataset, matlab_class: str) -> None:
        stored.attrs["MATLAB_class"] = np.bytes_(matlab_class)
