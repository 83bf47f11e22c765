"""What was known when: fields that only surgery makes known must not be a model's input before it.

A column or group says it in its attribute ``available``: ``pre_op`` or ``post_op``. Histopathology, resection masks and
resected fractions tell the outcome, or what was done, to a model that is meant to predict it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["POST_OP", "PRE_OP", "PostOpWarning", "available", "warn_post_op"]

PRE_OP, POST_OP = "pre_op", "post_op"


class PostOpWarning(UserWarning):
    """Something that only surgery makes known is a model's input."""


def available(data: xr.DataTree | xr.Dataset | pd.DataFrame) -> dict[str, str]:
    """Return when fields become known, by name.

    Parameters
    ----------
    data : xarray.DataTree, xarray.Dataset or pandas.DataFrame
        A record (paths of groups and ``GROUP/COLUMN``), one of its groups (columns), or a cohort table.

    Returns
    -------
    dict of str to str
        Only what says so; a column of a group that says it for all has the group's word.
    """
    import xarray as xr

    if isinstance(data, pd.DataFrame):
        return dict(data.attrs.get("available", {}))
    if isinstance(data, xr.Dataset):
        own = data.attrs.get("available")
        found = {str(name): item.attrs.get("available", own) for name, item in data.variables.items()}
        return {name: str(when) for name, when in found.items() if when is not None}
    made: dict[str, str] = {}
    for node in data.subtree:
        path = node.path.strip("/")
        if "available" in node.attrs:
            made[path] = str(node.attrs["available"])
        made.update({f"{path}/{name}".lstrip("/"): when for name, when in available(node.to_dataset(False)).items()})
    return made


def warn_post_op(
    columns: Iterable[str], data: xr.DataTree | xr.Dataset | pd.DataFrame, *, stacklevel: int = 2
) -> tuple[str, ...]:
    """Warn when fields that are to be a model's input become known only after surgery.

    Parameters
    ----------
    columns : iterable of str
        Names of inputs, as :func:`available` names them.
    data : xarray.DataTree, xarray.Dataset or pandas.DataFrame
        Where they come from.
    stacklevel : int
        As for :func:`warnings.warn`.

    Returns
    -------
    tuple of str
        The inputs that were warned of.

    Warns
    -----
    PostOpWarning
        Once, naming all of them.
    """
    known = available(data)
    late = tuple(name for name in columns if known.get(name.strip("/")) == POST_OP)
    if late:
        message = (
            f"known only after surgery, and a model's input: {', '.join(late)}; a model that predicts from them cannot "
            "be used before surgery, and may be told the answer"
        )
        warnings.warn(message, PostOpWarning, stacklevel=stacklevel + 1)
    return late
