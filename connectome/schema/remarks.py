"""What is odd but usable, as a record says it."""

from __future__ import annotations

__all__ = ["warning"]


def warning(code: str, place: str, message: str) -> dict[str, str]:
    """Return one entry of a record's ``warnings``.

    Parameters
    ----------
    code : str
        What kind of oddity, the same for all of its kind: ``"sample-times"``.
    place : str
        Where: a group, an array, a file or a row of it.
    message : str
        What was found and what became of it, in a sentence.
    """
    return {"code": code, "place": place, "message": message}
