"""XML taken block by block from a file that nobody vouches for.

Entities and references to other files are refused: expanding them can fill the memory or read what is not ours
(MITRE, CWE-776 and CWE-611). A document type may be named; it is neither fetched nor does it bring entities.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from connectome.errors import FormatError, TruncatedError, UnsafeError

__all__ = ["XmlStream"]


class XmlStream:
    """A state machine over expat's events; a format says in a subclass what its elements mean.

    Parameters
    ----------
    subject : str
        The file, for refusals.
    separator : str, optional
        What stands between namespace and name of an element; None where namespaces do not count.

    Raises
    ------
    FormatError
        Of :meth:`feed` and :meth:`close`, when the XML is not well-formed; the place is line and column.
    TruncatedError
        Of :meth:`close`, when it ends too early.
    UnsafeError
        When it declares or uses an entity or refers to another file.
    """

    def __init__(self, subject: str, *, separator: str | None = None) -> None:
        self.subject = subject
        self.parser = expat.ParserCreate(namespace_separator=separator)
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.EntityDeclHandler = self._refuse_entity
        self.parser.SkippedEntityHandler = self._refuse_entity
        self.parser.ExternalEntityRefHandler = self._refuse_reference

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take the begin of an element."""

    def end(self, name: str) -> None:
        """Take its end."""

    def characters(self, text: str) -> None:
        """Take text, which may come in pieces."""

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the file."""
        self._parse(block, last=False)

    def close(self) -> None:
        """Say that there are no more."""
        self._parse(b"", last=True)

    @property
    def line(self) -> int:
        """Line of the element at hand, from 1."""
        return int(self.parser.CurrentLineNumber)

    @property
    def place(self) -> str:
        """The line, for refusals."""
        return f"line {self.line}"

    def error(self, message: str, *, expected: str | None = None, found: str | None = None) -> FormatError:
        """Return a refusal that names file and line."""
        return FormatError(message, subject=self.subject, place=self.place, expected=expected, found=found)

    def _parse(self, block: bytes, *, last: bool) -> None:
        try:
            self.parser.Parse(block, last)
        except expat.ExpatError as error:
            kind = TruncatedError if last else FormatError
            raise kind(
                f"not well-formed XML: {expat.ErrorString(error.code)}",
                subject=self.subject,
                place=f"line {error.lineno}, column {error.offset + 1}",
            ) from None

    def _refuse_entity(self, name: str, *_: Any) -> None:
        raise UnsafeError(
            "the XML declares or uses an entity", subject=self.subject, place=self.place, found=str(name)[:80]
        )

    def _refuse_reference(self, context: str | None, _: str | None, system: str | None, *__: Any) -> int:
        raise UnsafeError(
            "the XML refers to another file", subject=self.subject, place=self.place, found=str(system or context)[:80]
        )
