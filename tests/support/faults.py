"""Planting one fault in a valid group and asking the schema what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from connectome import schema

Plant = Callable[[xr.Dataset], xr.Dataset]


def faults(dataset: xr.Dataset) -> list[tuple[str, str]]:
    """Return (place, expected) of everything wrong with a group that lies at ``/group``."""
    return [(problem.place, problem.expected) for problem in schema.problems(schema.record({"group": dataset}))]


def replaced(name: str, values: Any, **changes: Any) -> Plant:
    """Return a function that gives a variable other values, keeping its dimensions unless others are given."""

    def plant(dataset: xr.Dataset) -> xr.Dataset:
        dims = changes.get("dims", dataset[name].dims)
        return dataset.drop_vars(name).assign({name: xr.Variable(dims, np.asarray(values), attrs=dataset[name].attrs)})

    return plant


def edited(name: str, at: Any, value: Any) -> Plant:
    """Return a function that changes one item of a variable."""

    def plant(dataset: xr.Dataset) -> xr.Dataset:
        values = dataset[name].values.copy()
        values[at] = value
        variable = xr.Variable(dataset[name].dims, values, attrs=dataset[name].attrs)
        return dataset.assign_coords({name: variable}) if name in dataset.coords else dataset.assign({name: variable})

    return plant


def dropped(*names: str) -> Plant:
    """Return a function that takes variables away."""
    return lambda dataset: dataset.drop_vars(names)


def attrs(name: str | None = None, **changes: Any) -> Plant:
    """Return a function that sets attributes of the group or of a variable; None takes one away."""

    def plant(dataset: xr.Dataset) -> xr.Dataset:
        made = dataset.copy()
        target = made.attrs if name is None else made[name].attrs
        for key, value in changes.items():
            if value is None:
                del target[key]
            else:
                target[key] = value
        return made

    return plant
