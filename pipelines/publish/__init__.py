"""Versions for others: a folder that the Hugging Face Hub, Croissant readers and this package itself can open.

``permission`` asks whether the data may be passed on, ``parquet`` writes tables, ``card`` and ``croissant`` describe
them, ``folder`` puts everything together and ``hub`` brings it to its place.
"""

from __future__ import annotations

from .folder import build_folder
from .hub import Publication, publish
from .permission import Obstacle, licences_of, obstacles
from .values import PublishedFile

__all__ = ["Obstacle", "Publication", "PublishedFile", "build_folder", "licences_of", "obstacles", "publish"]
