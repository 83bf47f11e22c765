"""Who is told how far a fetch has come: nobody, or a person at a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

__all__ = ["BarProgress", "Progress", "SilentProgress"]


class Progress(Protocol):
    """Told of every file by several threads at once.

    A second ``start`` of the same file means that it begins anew.
    """

    def start(self, file: str, total: int | None) -> None:
        """Begin a file of ``total`` bytes (None: unknown)."""
        ...

    def advance(self, file: str, n_bytes: int) -> None:
        """Note that so many more bytes of the file are here."""
        ...

    def done(self, file: str) -> None:
        """End the file, whether it is here or was given up."""
        ...


class SilentProgress:
    """Tells nobody."""

    def start(self, file: str, total: int | None) -> None:
        """Ignore the start of a file."""

    def advance(self, file: str, n_bytes: int) -> None:
        """Ignore bytes."""

    def done(self, file: str) -> None:
        """Ignore the end of a file."""


class BarProgress:
    """Draws one bar per file that is on its way, on standard error.

    Use it as a context manager; the bars vanish at its end.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to draw; standard error when left out.
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description}", markup=False),  # file names may contain brackets
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def start(self, file: str, total: int | None) -> None:
        """Draw a bar, or empty the one that is there."""
        if file in self._tasks:
            self._bars.reset(self._tasks[file], total=total)
        else:
            self._tasks[file] = self._bars.add_task(file, total=total)

    def advance(self, file: str, n_bytes: int) -> None:
        """Move the bar of the file."""
        self._bars.advance(self._tasks[file], n_bytes)

    def done(self, file: str) -> None:
        """Take the bar of the file away."""
        task = self._tasks.pop(file, None)
        if task is not None:
            self._bars.remove_task(task)
