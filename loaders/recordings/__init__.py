"""Windows of recordings that lie where events put them, or that are labelled by the seizures they share time with."""

from __future__ import annotations

from .baseline import Baseline
from .epochs import EpochSource
from .labelled import LabelledSource
from .ratios import ratio_order
from .states import StateSource

__all__ = ["Baseline", "EpochSource", "LabelledSource", "StateSource", "ratio_order"]
