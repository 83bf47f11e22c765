"""``params.py`` of a phy folder as text: lines ``NAME = literal``, parsed and never run.

phy itself executes the file. Here only assignments of plain literals to plain names are taken; anything else, an import
or a call above all, is refused with its line.
"""

from __future__ import annotations

import ast
import warnings
from pathlib import Path
from typing import Any

from connectome.errors import FormatError, UnsafeError

__all__ = ["read_params"]

MOST_BYTES = 1 << 16


def read_params(path: Path) -> dict[str, Any]:
    """Return the values by name.

    Raises
    ------
    FormatError
        When it is not Python text, or too long for a list of settings.
    UnsafeError
        When a line is anything but ``NAME = literal``.
    """
    subject = str(path)
    raw = path.read_bytes()[: MOST_BYTES + 1]
    if len(raw) > MOST_BYTES:
        raise FormatError("too long for settings", subject=subject, expected=f"{MOST_BYTES} bytes at most")
    try:
        with warnings.catch_warnings():
            # A Windows path in plain quotes has escapes that Python does not know; the text is still plain.
            warnings.simplefilter("ignore")
            tree = ast.parse(raw.decode("utf-8-sig"))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise FormatError(
            "not lines of NAME = literal", subject=subject, place=f"line {line}" if line else None,
            found=" ".join(str(error).split())[:150],
        ) from None  # fmt: skip
    values: dict[str, Any] = {}
    for statement in tree.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
        if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Name):
            raise _refused(subject, statement, type(statement).__name__)
        try:
            values[target.id] = ast.literal_eval(statement.value)
        except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):
            raise _refused(subject, statement, f"{target.id} = {type(statement.value).__name__}") from None
    return values


def _refused(subject: str, statement: ast.stmt, found: str) -> UnsafeError:
    return UnsafeError(
        "a line that would have to be run", subject=subject, place=f"line {statement.lineno}",
        expected="NAME = literal", found=found, hint="keep only such lines, or give --option rate_hz=30000",
    )  # fmt: skip
