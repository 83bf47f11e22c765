"""How the arrays of a record are cut into chunks, and the work on all of them: one after another, or some at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TYPE_CHECKING, TypeVar

from connectome import schema

if TYPE_CHECKING:
    import xarray as xr

    from connectome.schema import Layout

__all__ = ["for_each_array", "layout_of", "regions"]

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


def for_each_array(tree: xr.DataTree, work: Callable[[str, xr.Dataset, str], Done]) -> dict[str, Done]:
    """Do something with every array of a record.

    Hashing and compression let go of the interpreter's lock, so a large record has several arrays under way. Within
    an array everything stays in the order of the grid: no result depends on the number of threads.

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
    n_bytes = sum(dataset.variables[name].nbytes for _, dataset, name in arrays)
    workers = min(MOST_THREADS, os.cpu_count() or 1) if n_bytes >= MANY_BYTES else 1
    if workers == 1:
        done = [work(*array) for array in arrays]
    else:
        with ThreadPoolExecutor(workers) as pool:
            done = list(pool.map(lambda array: work(*array), arrays))
    return {f"{path}/{name}": result for (path, _, name), result in zip(arrays, done, strict=True)}
