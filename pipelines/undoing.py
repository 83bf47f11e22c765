"""Leave a root as it was when an import fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["undone_on_error"]


@contextmanager
def undone_on_error(root: Path, folder: Path) -> Iterator[None]:
    """Remove what a failed import has put into a record's folder, and the folders that it has made."""
    before = set(folder.iterdir()) if folder.is_dir() else set()
    made = [item for item in (folder, *folder.parents, root / "staging") if not item.exists()]
    try:
        yield
    except BaseException:
        for file in set(folder.iterdir()) - before if folder.is_dir() else ():
            file.unlink()
        for item in sorted(made, reverse=True):
            # A folder that another process has put something into stays.
            with suppress(OSError):
                item.rmdir()
        raise
