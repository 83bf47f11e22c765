"""The kind ``table``: one typed one-dimensional array per column, all along ``row``.

For trials, stimuli, patients, electrodes, labels. A column that only becomes known later than the moment a model
would use it carries the attribute ``available`` (for example ``"post_op"``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from .columns import Layout, Problem, check_columns

KIND = "table"
VERSION = "1"
DIM = "row"


def table(columns: Mapping[str, xr.Variable], **attrs: Any) -> xr.Dataset:
    """Make a table group.

    Parameters
    ----------
    columns : mapping of str to xarray.Variable
        From :func:`~connectome.schema.column` and :func:`~connectome.schema.category`, all on the dimension ``row``.
    **attrs
        Attributes of the group (JSON values).

    Returns
    -------
    xarray.Dataset
    """
    return xr.Dataset(dict(columns), attrs={"encoding-type": KIND, "encoding-version": VERSION, **attrs})


def check(dataset: xr.Dataset, path: str) -> list[Problem]:
    """List what is wrong with a table group."""
    problems = check_columns(dataset, path)
    for name, variable in dataset.variables.items():
        if variable.dims != (DIM,):
            problems.append(Problem(f"{path}/{name}", f"the dimension {DIM}", str(variable.dims)))
    return problems


def measure(dataset: xr.Dataset) -> dict[str, Any]:
    """Return ``n_rows`` and ``n_columns``."""
    return {"n_rows": int(dataset.sizes.get(DIM, 0)), "n_columns": len(dataset.variables)}


def layout(variable: xr.Variable) -> Layout:
    """Keep columns whole: they are read as one."""
    return Layout(tuple(max(1, size) for size in variable.shape), "zstd")
