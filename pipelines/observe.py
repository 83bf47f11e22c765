"""What a long piece of work tells about itself; drawing it is the command line's business."""

from __future__ import annotations

from typing import Literal, Protocol

__all__ = ["SILENT", "Observer", "Stage"]

Stage = Literal["list", "plan", "fetch", "discover", "make", "commit"]


class Observer(Protocol):
    """Listens to the stages of an ingest."""

    def begin(self, stage: Stage, total: int) -> None:
        """Hear that a stage with so many items begins."""
        ...

    def item(self, stage: Stage, name: str, outcome: str) -> None:
        """Hear that one item is done, and how: ``made``, ``reused``, ``rejected``, ``fetched``, ..."""
        ...

    def end(self, stage: Stage) -> None:
        """Hear that a stage is done."""
        ...


class _Silent:
    def begin(self, stage: Stage, total: int) -> None:
        pass

    def item(self, stage: Stage, name: str, outcome: str) -> None:
        pass

    def end(self, stage: Stage) -> None:
        pass


SILENT: Observer = _Silent()
"""Listens and says nothing."""
