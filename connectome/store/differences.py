"""Whole numbers that rise, stored as the differences of neighbours: the codec ``numcodecs.delta`` of Zarr v3.

Every chunk begins with its first value, so each is decoded alone, by one running sum. zarr-python and every reader
that knows the codecs of numcodecs (registered in zarr-developers/zarr-extensions) open such an array as plain int64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from zarr.codecs.numcodecs import Delta
from zarr.registry import register_codec

__all__ = ["NAME", "Differences", "undo"]

NAME = "numcodecs.delta"
_REGISTERED_AS = "zarr.codecs.numcodecs.Delta"


class Differences(Delta, codec_name="delta"):
    """zarr's ``Delta``, to the byte, without its warning that other implementations may not know the codec.

    Importing this module puts it in the place of ``Delta`` in zarr's registry, so that a record opens without the
    warning, which says nothing of the record.
    """

    def __init__(self, **codec_config: Any) -> None:
        object.__setattr__(self, "codec_config", {"id": "delta", **codec_config})


def undo(differences: np.ndarray[Any, Any]) -> None:
    """Replace the differences of one chunk by the values, in place."""
    flat = differences.reshape(-1)
    np.cumsum(flat, out=flat)


register_codec(NAME, Differences, qualname=_REGISTERED_AS)
