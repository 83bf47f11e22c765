"""Where the command's words go: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectome.errors import ConnectomeError

__all__ = ["Output"]


class Output:
    """Prints for people, or one JSON document for programs.

    Parameters
    ----------
    json : bool
        One JSON document on standard output, nothing else there.
    quiet : bool
        No progress on standard error; errors are still told.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet

    def result(self, document: Any, text: str) -> None:
        """Print what was asked for."""
        self._write(_json(document) if self.json else text.rstrip("\n"))

    def note(self, text: str) -> None:
        """Tell a person something on standard error."""
        if not self.quiet:
            sys.stderr.write(f"{text}\n")

    def error(self, error: ConnectomeError) -> None:
        """Print an error: the JSON document with ``--json``, else text on standard error."""
        if self.json:
            self._write(_json({"error": error.as_dict()}))
        sys.stderr.write(f"connectome: {error}\n")
        for note in getattr(error, "__notes__", ()):
            sys.stderr.write(f"  {note}\n")

    def _write(self, text: str) -> None:
        encoding = sys.stdout.encoding or "utf-8"
        # A terminal that cannot show a letter shows its number; file names may hold what is no text at all.
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()


def _json(document: Any) -> str:
    """Return JSON in ASCII, which every terminal and pipe passes on unchanged."""
    return json.dumps(document, indent=1, allow_nan=False)
