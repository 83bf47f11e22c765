"""How the arrays of a record are cut into chunks, and the work on all of them: one after another, or some at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar

from connectome import schema

if TYPE_CHECKING:
    import xarray as xr

    from connectome.schema import Layout

__all__ = ["for_each", "for_each_array", "is_large", "layout_of", "regions", "size_of"]

Done = TypeVar("Done")

MANY_BYTES = 64 << 20
"""From here on, threads save more time than they cost."""
MOST_THREADS = 4


def layout_of(dataset: xr.Dataset, variable: xr.Variable) -> Layout:
    """Return how a variable of a group lies on disk."""
    layout: Layout = schema.KINDS[schema.kind_of(dataset)].layout(variable)
    return layout


def regions(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield the region of every chunk in grid order."""
    steps = [range(0, size, step) for size, step in zip(shape, chunks, strict=True)]
    for start in product(*steps):
        yield tuple(slice(at, min(at + step, size)) for at, step, size in zip(start, chunks, shape, strict=True))


def is_large(n_bytes: int) -> bool:
    """Tell whether a record is worth several threads, and too much to be held in memory."""
    return n_bytes >= MANY_BYTES


def size_of(tree: xr.DataTree) -> int:
    """Return the length in bytes of all values of a record."""
    return sum(variable.nbytes for _, dataset in schema.groups(tree) for variable in dataset.variables.values())


def for_each_array(tree: xr.DataTree, work: Callable[[str, xr.Dataset, str], Done]) -> dict[str, Done]:
    """Do something with every array of a record.

    Parameters
    ----------
    tree : xarray.DataTree
        A record.
    work : callable
        Called with the group's path, the group and the array's name.

    Returns
    -------
    dict
        What it returned, by the array's path (``/activity/signal``), sorted by group and name.
    """
    arrays = [
        (path, dataset, name) for path, dataset in schema.groups(tree) for name in sorted(map(str, dataset.variables))
    ]
    done = for_each(arrays, work, n_bytes=sum(dataset.variables[name].nbytes for _, dataset, name in arrays))
    return {f"{path}/{name}": result for (path, _, name), result in zip(arrays, done, strict=True)}


def for_each(items: Sequence[tuple[Any, ...]], work: Callable[..., Done], *, n_bytes: int) -> list[Done]:
    """Do something with every item, some at a time if they have many bytes together.

    Hashing and compression let go of the interpreter's lock, so a large record has several arrays under way. Within
    an array everything stays in the order of the grid: no result depends on the number of threads.
    """
    workers = min(MOST_THREADS, os.cpu_count() or 1) if is_large(n_bytes) else 1
    if workers == 1:
        return [work(*item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda item: work(*item), items))
