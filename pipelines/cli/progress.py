"""Progress on standard error: bars at a terminal, one line per item elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..fetch import BarProgress, Progress, SilentProgress
from ..observe import SILENT, Observer, Stage

if TYPE_CHECKING:
    from .output import Output

__all__ = ["listening"]


class Lines:
    """Writes a line per finished item, with its number of how many."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._total = 0
        self._done = 0

    def begin(self, stage: Stage, total: int) -> None:
        """Count from nought."""
        del stage
        self._total, self._done = total, 0

    def item(self, stage: Stage, name: str, outcome: str) -> None:
        """Write one line."""
        self._done += 1
        self._output.note(f"{stage:<8} {self._done}/{self._total}  {name}  {outcome}")

    def end(self, stage: Stage) -> None:
        """Say nothing."""


@contextmanager
def listening(output: Output) -> Iterator[tuple[Observer, Progress]]:
    """Yield who listens to an ingest's stages and to its downloads."""
    if output.quiet:
        yield SILENT, SilentProgress()
    elif sys.stderr.isatty():
        with BarProgress() as bars:
            yield Lines(output), bars
    else:
        yield Lines(output), SilentProgress()
