"""Files of ``torch.save`` without torch: a ZIP with a pickle that describes and members that hold the numbers.

Layout (torch 1.6 and later, ``torch/serialization.py``): ``<name>/data.pkl``, ``<name>/data/<key>`` per storage and
``<name>/byteorder``. Older files are one pickle and are refused.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError

from .npz_arrays import MOST_RATIO
from .torch_pickle import STORAGES, interpret

__all__ = ["read_torch_file", "write_torch_file"]

Array = np.ndarray[Any, Any]

_MOST_PICKLE_BYTES = 1 << 30


def read_torch_file(source: Path | IO[bytes], *, subject: str) -> Any:
    """Read dictionaries of tensors and NumPy arrays; nothing of the pickle is run.

    Parameters
    ----------
    source : Path or binary file
        What ``torch.save`` wrote.
    subject : str
        The file, for errors.

    Returns
    -------
    object
        With :class:`numpy.ndarray` for every tensor and array.

    Raises
    ------
    FormatError
        When the file is damaged, or of the layout before torch 1.6.
    TruncatedError
        When a storage is shorter than the pickle says.
    UnsafeError
        When the pickle names anything but tensors and arrays.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            names = {info.filename: info for info in archive.infolist()}
            if len(names) != len(archive.infolist()):
                raise FormatError("a member is there twice", subject=subject)
            tops = [
                name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl") and name.count("/") == 1
            ]
            if len(tops) != 1:
                raise FormatError("not a file of torch.save", subject=subject, expected="one data.pkl", found=str(tops))
            top = tops[0]
            order = names.get(f"{top}byteorder")
            if order is not None and _member(archive, order, subject).strip() != b"little":
                raise FormatError("numbers in another byte order", subject=subject, expected="little")

            def storage(key: str, dtype: str, count: int) -> Array:
                info = names.get(f"{top}data/{key}")
                size = count * np.dtype(dtype).itemsize
                if info is None or info.file_size != size:
                    raise TruncatedError(
                        "a storage has another size than the pickle says", subject=subject, place=f"data/{key}",
                        expected=f"{size} bytes", found="none" if info is None else f"{info.file_size} bytes",
                    )  # fmt: skip
                return np.frombuffer(_member(archive, info, subject), dtype=np.dtype(dtype).newbyteorder("<"))

            return interpret(_member(archive, names[f"{top}data.pkl"], subject), storage, subject=subject)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        if isinstance(error, (FormatError, UnsafeError)):
            raise
        raise FormatError(
            "not a file of torch.save (1.6 or later)", subject=subject, expected="a ZIP with data.pkl",
            found=str(error)[:200],
        ) from error  # fmt: skip


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, subject: str) -> bytes:
    if info.file_size > MOST_RATIO * max(info.compress_size, 1) + 1024 or (
        info.filename.endswith(".pkl") and info.file_size > _MOST_PICKLE_BYTES
    ):
        raise UnsafeError("more bytes than can be packed", subject=subject, place=info.filename)
    return archive.read(info)


def write_torch_file(path: Path, parts: Mapping[str, Mapping[str, Array]]) -> None:
    """Write a dictionary of dictionaries of tensors, which ``torch.load(weights_only=True)`` takes.

    Parameters
    ----------
    path : Path
        Where to; the same arrays give the same bytes.
    parts : mapping of str to mapping of str to numpy.ndarray
        int64, float32 or float64.
    """
    kinds = {text: name for name, text in STORAGES.items()}
    pickle = io.BytesIO()
    pickle.write(b"\x80\x02}")
    storages: list[Array] = []
    for part, arrays in parts.items():
        pickle.write(_word(part) + b"}")
        for name, values in arrays.items():
            kind = kinds[values.dtype.str[1:]]
            pickle.write(_word(name) + b"ctorch._utils\n_rebuild_tensor_v2\n((" + _word("storage"))
            pickle.write(f"ctorch\n{kind}\n".encode() + _word(str(len(storages))) + _word("cpu"))
            pickle.write(_number(values.size) + b"tQ" + _number(0))
            strides = [step // values.itemsize for step in np.ascontiguousarray(values).strides]
            for numbers in (values.shape, strides):
                pickle.write(b"(" + b"".join(map(_number, numbers)) + b"t")
            pickle.write(b"\x89ccollections\nOrderedDict\n)RtRs")
            storages.append(np.ascontiguousarray(values))
        pickle.write(b"s")
    pickle.write(b".")
    members = {"data.pkl": pickle.getvalue(), "byteorder": b"little"}
    members |= {
        f"data/{key}": values.astype(values.dtype.newbyteorder("<")).tobytes() for key, values in enumerate(storages)
    }
    members["version"] = b"3\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(f"{path.stem}/{name}", (1980, 1, 1, 0, 0, 0)), content)


def _word(text: str) -> bytes:
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _number(value: int) -> bytes:
    raw = value.to_bytes(8, "little", signed=True)
    return b"\x8a\x08" + raw
