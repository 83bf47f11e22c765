"""The index of a version: one row per record, with what can be asked of it without opening a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from .manifest import Manifest
    from .record import Receipt

__all__ = ["index_of"]


def index_of(manifest: Manifest) -> pd.DataFrame:
    """Return the index of a version.

    Returns
    -------
    pandas.DataFrame
        Columns ``record``, ``source``, ``kinds``, ``size_bytes``, ``n_warnings``, ``content``; ``start_s`` and
        ``stop_s``, the time that all series of a record span together, where one has a clock in seconds; then the
        plain attributes of the records (``title``, ``subject``, ``strain``, ...), missing where a record has none.
    """
    return pd.DataFrame([_row(name, receipt) for name, receipt in manifest.records.items()])


def _row(name: str, receipt: Receipt) -> dict[str, Any]:
    facts = list(receipt.facts.values())
    row: dict[str, Any] = {
        "record": name,
        "source": receipt.recipe["source"],
        "kinds": " ".join(sorted({item["kind"] for item in facts})),
        "size_bytes": receipt.size_bytes,
        "n_warnings": len(receipt.warnings),
        "content": receipt.content,
        **_extent(facts),
    }
    return row | {key: value for key, value in receipt.attributes.items() if key not in row}


def _extent(facts: list[Mapping[str, Any]]) -> dict[str, float]:
    spans = [
        (item["start_s"], item["start_s"] + item["duration_s"])
        for item in facts
        if item["kind"] == "series" and item.get("start_s") is not None
    ]
    if not spans:
        return {}
    # The last sample lies inside a half-open extent.
    steps = [1.0 / item["sampling_frequency_hz"] for item in facts if item.get("sampling_frequency_hz")]
    return {"start_s": min(span[0] for span in spans), "stop_s": max(span[1] for span in spans) + max(steps, default=0)}
