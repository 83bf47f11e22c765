"""Generated indexes of records in groups, and what hypothesis draws of them, for the tests of splits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from connectome.splits import Split

THIRDS = {"train": 0.8, "val": 0.1, "test": 0.1}
unhurried = settings(deadline=None)
"""No deadline for an example: how fast a machine is, is not what these tests judge."""


def index_of(groups: dict[str, int], **columns: dict[str, Any]) -> pd.DataFrame:
    """Make a generated index: group -> number of records; columns map group to value."""
    rows = [
        {"record": f"{group}-r{i}", "subject": group, **{name: values[group] for name, values in columns.items()}}
        for group, n in groups.items()
        for i in range(n)
    ]
    return pd.DataFrame(rows)


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=6)
groupings = st.dictionaries(names, st.integers(1, 4), min_size=3, max_size=24)
seeds = st.integers(-(2**40), 2**40)


@st.composite
def fractions(draw: st.DrawFn, max_parts: int = 3) -> dict[str, float]:
    """Draw fractions of parts that add up to 1."""
    weights = draw(st.lists(st.integers(1, 20), min_size=1, max_size=max_parts))
    return {f"p{i}": weight / sum(weights) for i, weight in enumerate(weights)}


def sizes(split: Split) -> Counter[str]:
    """Return how many groups each part has."""
    return Counter(split.groups.values())
