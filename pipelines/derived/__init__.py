"""Datasets that are made from other datasets.

A new one is one module here, one line in ``DERIVED`` and an entry of the catalogue that names it (``derived: NAME``).

A derived dataset is a source whose raw files are records of other datasets: plan, ingest, runners and flows treat it
like any other. Its recipes hold the content digests of those records, so that parents which did not change give no
new version, and its versions name the parents' versions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from connectome.errors import NotFoundError

if TYPE_CHECKING:
    from .parents import DerivedDataset

__all__ = ["DERIVED", "load_derived"]

DERIVED: dict[str, str] = {
    "celegans_consensus": "celegans_consensus:CelegansConsensus",
}
"""Name to ``module:Class`` below this package; imported only when asked for."""


def load_derived(name: str) -> DerivedDataset:
    """Make the adapter of that name."""
    if name not in DERIVED:
        raise NotFoundError("unknown derived dataset", subject=name, expected=", ".join(sorted(DERIVED)))
    module, _, made = DERIVED[name].partition(":")
    return cast("DerivedDataset", getattr(import_module(f"{__name__}.{module}"), made)())
