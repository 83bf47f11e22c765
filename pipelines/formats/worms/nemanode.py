"""Connectomes as NemaNode exports them: JSON with one entry per ordered pair and every synapse of the pair.

An entry has ``pre``, ``post``, ``typ`` (0 chemical, 2 electrical) and four lists of one length: ``syn`` (size of each
synapse), ``ids``, ``pre_tid`` and ``post_tid`` (numbers of the synapse and of the two skeleton nodes). Electrical
pairs stand in both directions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from connectome.errors import FormatError, TruncatedError

from ...homogenise.edge_list import EdgeList, EdgeRow
from ..tables.spreadsheet import number

__all__ = ["read_nemanode", "sniff"]

TYPES = {0: "chemical_listed", 2: "gap_junction_listed"}
KEYS = frozenset({"pre", "post", "typ", "syn", "ids", "pre_tid", "post_tid"})


def sniff(path: Path) -> bool:
    """Tell whether a JSON file starts as such an export does."""
    with path.open("rb") as file:
        head = file.read(512).lstrip()
    return head.startswith(b"[") and b'"pre' in head and b'"ids"' in head


def read_nemanode(path: Path) -> EdgeList:
    """Read an export; every synapse is a row.

    Raises
    ------
    FormatError
        When an entry is not as described; ``TruncatedError`` when the text is not whole.
    """
    try:
        entries = json.loads(path.read_bytes())
    except UnicodeDecodeError as error:
        raise FormatError("the file is not UTF-8 text", subject=path.name, place=f"byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise TruncatedError(
            f"the JSON is not whole: {error.msg}", subject=path.name, place=f"line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise FormatError("the JSON is nested too deeply", subject=path.name) from error
    if not isinstance(entries, list) or not entries:
        raise FormatError("no list of entries", subject=path.name, expected="a list", found=type(entries).__name__)
    rows: list[EdgeRow] = []
    for at, entry in enumerate(entries, start=1):
        place = f"entry {at}"
        _check(entry, path.name, place)
        several = len(entry["syn"]) > 1
        for which, (size, synapse, pre, post) in enumerate(
            zip(entry["syn"], entry["ids"], entry["pre_tid"], entry["post_tid"], strict=True), start=1
        ):
            rows.append(
                EdgeRow(
                    entry["pre"].strip(),
                    entry["post"].strip(),
                    TYPES[entry["typ"]],
                    size,
                    f"{place}, synapse {which}" if several else place,
                    {"synapse_id": synapse, "pre_node": pre, "post_node": post},
                )
            )
    labels = tuple(dict.fromkeys(label for row in rows for label in (row.source, row.target)))
    return EdgeList(tuple(rows), labels)


def _check(entry: Any, subject: str, place: str) -> None:
    if not isinstance(entry, dict) or not set(entry) >= KEYS:
        found = ", ".join(sorted(entry)) if isinstance(entry, dict) else type(entry).__name__
        expected = ", ".join(sorted(KEYS))
        raise FormatError("an entry lacks keys", subject=subject, place=place, expected=expected, found=found)
    if entry["typ"] not in TYPES:
        found = repr(entry["typ"])
        raise FormatError("unknown type of synapse", subject=subject, place=place, expected="0 or 2", found=found)
    for end in ("pre", "post"):
        name = entry[end]
        if not isinstance(name, str) or not name.strip():
            raise FormatError("an entry names no cell", subject=subject, place=f"{place}, {end}", found=repr(name))
    lists = {name: entry[name] for name in ("syn", "ids", "pre_tid", "post_tid")}
    if any(not isinstance(values, list) for values in lists.values()) or len({len(v) for v in lists.values()}) != 1:
        raise FormatError(
            "the lists of an entry differ in length",
            subject=subject,
            place=place,
            expected=f"{', '.join(lists)} alike",
            found=", ".join(f"{name} {len(v) if isinstance(v, list) else repr(v)}" for name, v in lists.items()),
        )
    for name, values in lists.items():
        for value in values:
            whole = isinstance(value, int) and not isinstance(value, bool)
            size = isinstance(value, (int, float)) and (number(value) or 0) > 0
            if not (size if name == "syn" else whole):
                raise FormatError("not a number", subject=subject, place=f"{place}, {name}", found=repr(value))
