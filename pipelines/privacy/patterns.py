"""Forms of text that say who somebody is, wherever they stand; and values that stand for nothing."""

from __future__ import annotations

import re

__all__ = ["is_blank", "kind_of_text", "printable_runs"]

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_FORMS: tuple[tuple[str, bool, re.Pattern[str]], ...] = (
    ("contact", True, re.compile(r"(?<![\w/.])[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\b")),
    ("path", True, re.compile(r"\b[A-Za-z]:\\[^\\\s]+|\\\\[\w.-]+\\\w+")),
    ("name", True, re.compile(r"\b(?:created|written|modified|generated) by (?!the )\w+ on\b", re.IGNORECASE)),
    ("path", True, re.compile(r"(?<![\w:/.])/(?:[\w.+-]+/)+[\w.+-]+")),
    ("date", False, re.compile(r"(?<![\d.-])(?:19|20)\d\d[-/.](?:0[1-9]|1[0-2])[-/.](?:0[1-9]|[12]\d|3[01])(?![\d.])")),
    ("date", False, re.compile(rf"(?<!\d)\d{{1,2}}[- .]{_MONTH}[- .](?:19|20)\d\d(?!\d)", re.IGNORECASE)),
    ("date", False, re.compile(rf"\b{_MONTH} +\d{{1,2}},? +(?:\d\d:\d\d:\d\d +)?(?:19|20)\d\d\b", re.IGNORECASE)),
)
_NOTHING = frozenset(
    {"", "n/a", "na", "nan", "none", "null", "unknown", "unspecified", "anonymous", "anonymized", "anonymised", "anon",
     "deidentified", "de-identified", "removed", "redacted", "not available", "-", "false", "true"}
)  # fmt: skip
_HOLLOW = re.compile(r"(?:startdate )?[x0 .:*^_-]*", re.IGNORECASE)
"""Nothing but X and 0: how EDF+ and DICOM write what was left out."""
_SHIFTED = re.compile(r"(?:1[0-8]\d\d|190\d|191\d|192[0-5])(?:-|\d{4}(?!\d))|1985-01-01(?:T00:00:00|\b)")
"""Dates before 1926 are shifted ones (BIDS 1.10, "Scans file"); 1985-01-01 is EDF's word for no date."""


def is_blank(value: object) -> bool:
    """Tell whether a value says nothing: empty, a word for nothing, only X and 0, or a date that was shifted away."""
    if value is None or isinstance(value, bool) or value == 0:
        return True
    text = str(value).strip()
    return text.casefold() in _NOTHING or bool(_HOLLOW.fullmatch(text)) or bool(_SHIFTED.match(text))


def kind_of_text(text: str) -> tuple[str, bool] | None:
    """Return what a text holds and whether that is sure; None where no form fits.

    Addresses of the web are no paths. A date alone is not sure: it may be that of a program.
    """
    plain = re.sub(r"\b[a-z]+://\S+", " ", text)
    for kind, sure, form in _FORMS:
        if form.search(plain):
            return kind, sure
    return None


def printable_runs(data: bytes, *, shortest: int = 5) -> list[str]:
    """Return the runs of printable ASCII in bytes."""
    return [run.decode("ascii") for run in re.findall(rb"[\x20-\x7e]{%d,}" % shortest, data)]
