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
        if self.json:
            sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        else:
            sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Tell a person something on standard error."""
        if not self.quiet:
            sys.stderr.write(f"{text}\n")

    def error(self, error: ConnectomeError) -> None:
        """Print an error: the JSON document with ``--json``, else text on standard error."""
        if self.json:
            sys.stdout.write(json.dumps({"error": error.as_dict()}, indent=1, ensure_ascii=False) + "\n")
        sys.stderr.write(f"connectome: {error}\n")
        for note in getattr(error, "__notes__", ()):
            sys.stderr.write(f"  {note}\n")
