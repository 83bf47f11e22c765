"""One tree of errors, sorted by what a caller would do about them.

Every error names its *subject* (a dataset, record, file or option), the *place* inside it, what was *expected*,
what was *found* and a *hint*: a command to run or an edit to make. ``kind`` is stable and append-only; programs
may match on it, and the command line prints it with ``--json``.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "CatalogError",
    "ChecksumError",
    "ConflictError",
    "ConnectomeError",
    "DamagedError",
    "FactsError",
    "FetchError",
    "FormatError",
    "LeakError",
    "MissingExtraError",
    "NotFoundError",
    "RunnerError",
    "SchemaError",
    "TruncatedError",
    "UnsafeError",
    "UsageError",
]


class ConnectomeError(Exception):
    """Root of the tree.

    Parameters
    ----------
    message : str
        One sentence that says what is wrong.
    subject : str
        What the sentence is about: a dataset, a record, a file, an option.
    place : str, optional
        Where inside the subject: ``"row 1774"``, ``"/gcamp/idx_splits"``, ``"line 12"``.
    expected, found : str, optional
        The two sides of a mismatch.
    hint : str, optional
        A command to run or an edit to make.
    """

    kind: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        subject: str,
        place: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.place = place
        self.expected = expected
        self.found = found
        self.hint = hint

    def __str__(self) -> str:
        where = self.subject if self.place is None else f"{self.subject}, {self.place}"
        lines = [f"{where}: {self.message}"]
        if self.expected is not None:
            lines.append(f"  expected: {self.expected}")
        if self.found is not None:
            lines.append(f"  found:    {self.found}")
        if self.hint is not None:
            lines.append(f"  hint:     {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries; keyword-only fields do not survive the default pickling of exceptions.
        return (_rebuild, (type(self), self.message, self.fields()))

    def fields(self) -> dict[str, str | None]:
        """Return subject, place, expected, found and hint by name."""
        return {
            "subject": self.subject,
            "place": self.place,
            "expected": self.expected,
            "found": self.found,
            "hint": self.hint,
        }

    def as_dict(self) -> dict[str, str | None]:
        """Return the error as the command line prints it with ``--json``."""
        return {"kind": self.kind, "message": self.message, **self.fields()}


def _rebuild(cls: type[ConnectomeError], message: str, fields: dict[str, Any]) -> ConnectomeError:
    return cls(message, **fields)


class UsageError(ConnectomeError, ValueError):
    """An argument or option cannot be used as given."""

    kind = "usage"


class NotFoundError(ConnectomeError, KeyError):
    """A dataset, version, tag, record or file does not exist; a KeyError, so that ``Mapping.get`` works."""

    kind = "not-found"


class MissingExtraError(ConnectomeError, ImportError):
    """An optional dependency is needed; the hint names the extra to install."""

    kind = "missing-extra"


class CatalogError(ConnectomeError, ValueError):
    """``catalog.yaml`` does not describe a catalogue; the place is a line."""

    kind = "catalog"


class FormatError(ConnectomeError, ValueError):
    """A file is not what its format demands."""

    kind = "format"


class TruncatedError(FormatError):
    """A file ends before its own description says it should."""

    kind = "truncated"


class UnsafeError(FormatError):
    """A file would run code or write outside its folder if it were read."""

    kind = "unsafe"


class SchemaError(ConnectomeError, ValueError):
    """A tree is not a valid record; all problems found are listed in ``found``."""

    kind = "schema"


class FactsError(ConnectomeError, ValueError):
    """A measured fact differs from the one that is published for the source."""

    kind = "facts"


class FetchError(ConnectomeError, OSError):
    """A raw file could not be brought here."""

    kind = "fetch"


class ChecksumError(FetchError):
    """The bytes that arrived are not the bytes that were promised."""

    kind = "checksum"


class RunnerError(ConnectomeError, RuntimeError):
    """A worker or its scheduler went away before the work was done; what is finished stays."""

    kind = "runner"


class ConflictError(ConnectomeError):
    """Someone else has published the version or tag that was about to be made."""

    kind = "conflict"


class DamagedError(ConnectomeError, OSError):
    """A stored file is missing, short or altered."""

    kind = "damaged"


class LeakError(ConnectomeError, ValueError):
    """Two parts of a split share what they must not share."""

    kind = "leak"
