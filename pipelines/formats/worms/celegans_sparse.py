"""Connectomes as sparse matrices in MATLAB files: the form of Varshney et al. (2011), ``ConnOrdered_040903.mat``.

``A_init_t_ordered`` holds the number of chemical synapses from the neuron of the row to that of the column,
``Ag_t_ordered`` the number of gap junctions (symmetric), ``Neuron_ordered`` the names in their order.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, MissingExtraError, TruncatedError

from ...homogenise.edge_list import EdgeList, EdgeRow
from ..files.mat5 import check_structure
from ..tables.spreadsheet import number

__all__ = ["MATRICES", "NAMES", "read_matlab", "read_sparse", "sniff", "texts"]

NAMES = "Neuron_ordered"
MATRICES = {"A_init_t_ordered": "chemical", "Ag_t_ordered": "gap_junction_listed"}


def sniff(path: Path) -> bool:
    """Tell whether a MATLAB file holds the names and matrices of this form."""
    from scipy.io import whosmat

    try:
        check_structure(path)
        held = {name for name, _, _ in whosmat(path)}
    except (ValueError, NotImplementedError, TypeError, OSError, struct.error, zlib.error):
        return False
    return NAMES in held and bool(held & set(MATRICES))


def read_matlab(path: Path) -> dict[str, Any]:
    """Read the variables of a MATLAB 5 file; nothing in it is run.

    Raises
    ------
    FormatError
        When it is none; ``TruncatedError`` when it ends too early.
    """
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "MATLAB files need scipy", subject=path.name, hint='pip install "connectome[worm]"'
        ) from error
    check_structure(path)
    try:
        return dict(loadmat(path))
    except (EOFError, OSError, struct.error, zlib.error) as error:
        raise TruncatedError(f"the MATLAB file is not whole: {error}", subject=path.name) from error
    except (ValueError, TypeError, NotImplementedError, IndexError) as error:
        raise FormatError(f"not a MATLAB 5 file: {error}", subject=path.name) from error


def texts(values: Any, *, subject: str, place: str) -> list[str]:
    """Return a cell array of strings, however deep MATLAB nests them, as a list."""
    found = []
    for at, value in enumerate(np.ravel(values)):
        while isinstance(value, np.ndarray) and value.size == 1:
            value = value.ravel()[0]
        if not isinstance(value, str):
            raise FormatError("not text", subject=subject, place=f"{place}{{{at + 1}}}", found=repr(value))
        found.append(value.strip())
    return found


def read_sparse(path: Path) -> EdgeList:
    """Read the matrices of a file; every stored number above zero is a row, by rows of the matrix.

    Raises
    ------
    FormatError
        When names and matrices do not fit each other, or a number is not a count.
    """
    held = read_matlab(path)
    if NAMES not in held or not any(name in held for name in MATRICES):
        raise FormatError(
            "no connectome in the file", subject=path.name, expected=f"{NAMES} and one of {', '.join(MATRICES)}",
            found=", ".join(name for name in held if not name.startswith("__")),
        )  # fmt: skip
    names = texts(held[NAMES], subject=path.name, place=NAMES)
    if len(set(names)) != len(names):
        raise FormatError("a name stands twice", subject=path.name, place=NAMES)
    rows: list[EdgeRow] = []
    for variable, edge_type in MATRICES.items():
        if variable not in held:
            continue
        matrix = held[variable]
        if matrix.shape != (len(names), len(names)):
            raise FormatError(
                "the matrix does not fit the names", subject=path.name, place=variable,
                expected=f"{len(names)} x {len(names)}", found=" x ".join(map(str, matrix.shape)),
            )  # fmt: skip
        dense = _dense(matrix, subject=path.name, place=variable)
        if dense.dtype.kind not in "iuf" or not np.isfinite(dense).all() or (dense < 0).any():
            raise FormatError("not counts", subject=path.name, place=variable, expected="numbers of 0 or more")
        for i, j in np.argwhere(dense > 0):
            weight = number(dense[i, j].item())
            assert weight is not None
            rows.append(EdgeRow(names[i], names[j], edge_type, weight, f"{variable}({i + 1}, {j + 1})"))
    return EdgeList(tuple(rows), tuple(names))


def _dense(matrix: Any, *, subject: str, place: str) -> np.ndarray[Any, Any]:
    """Return a matrix with all of its zeros; positions outside it are refused, scipy would write there."""
    if hasattr(matrix, "todense"):
        try:
            matrix.check_format(full_check=True)
        except ValueError as error:
            raise FormatError("the sparse matrix is damaged", subject=subject, place=place, found=str(error)) from error
        return np.asarray(matrix.todense())
    return np.asarray(matrix)
