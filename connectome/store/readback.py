"""The content digest of a record file, straight from its bytes: the check that what was written can be read.

Nothing of the tree that was written is used: metadata, chunks and codecs are those of the file. Entries are compared
with their CRC-32 as they are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from connectome.errors import DamagedError

from .coding import coding_of
from .digest import ArrayDigest, combined
from .grid import for_each

if TYPE_CHECKING:
    from .archive import RecordStore

__all__ = ["content_of"]


def content_of(store: RecordStore) -> str | None:
    """Return the content digest of a record file.

    Parameters
    ----------
    store : RecordStore
        The file.

    Returns
    -------
    str or None
        None where an array is coded in a way that the store does not write, or its values lie in another file.

    Raises
    ------
    DamagedError
        When an entry is missing, changed, or does not decode.
    """
    root = json.loads(store.read_entry("zarr.json"))
    nodes: dict[str, dict[str, Any]] = root["consolidated_metadata"]["metadata"]
    groups = {
        f"/{place}": node["attributes"]
        for place, node in nodes.items()
        if node["node_type"] == "group" and "encoding-type" in node["attributes"]
    }
    arrays = [(place, node) for place, node in nodes.items() if node["node_type"] == "array"]
    if store.referenced or any(coding_of(node) is None for _, node in arrays):
        return None
    digests = for_each(
        arrays,
        lambda place, node: _digest(store, place, node),
        n_bytes=sum(store.entries[name][1] for name in store.entries),
    )
    named = {f"/{place}": digest for (place, _), digest in zip(arrays, digests, strict=True)}
    return combined(root["attributes"], groups, named)


def _digest(store: RecordStore, place: str, document: Mapping[str, Any]) -> str:
    coding = coding_of(document)
    if coding is None:
        raise TypeError(f"{place} is coded in a way that is not known")
    digest = ArrayDigest.of_stored(document, coding)
    shape, steps = document["shape"], document["chunk_grid"]["configuration"]["chunk_shape"]
    for index in product(*(range(-(-size // step)) for size, step in zip(shape, steps, strict=True))):
        key = "/".join([place, "c", *map(str, index)])
        try:
            values = coding.decode(store.read_entry(key), steps)
        except ValueError as error:
            raise DamagedError(
                "a chunk does not decode", subject=store.source.name, place=key, found=str(error)
            ) from error
        inside = (slice(0, min(step, size - at * step)) for at, size, step in zip(index, shape, steps, strict=True))
        digest.update(values[tuple(inside)])
    return digest.hexdigest()
