"""One self-contained HTML file from plain parts: prose, tables, pictures, and blocks that are HTML already.

The page loads nothing and runs nothing; pictures lie inside it as data addresses. It is written as well-formed XML, so
that any parser can check it.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..atomic import write_replace
from .html import STYLE, Html, escape, table_html
from .plots.figure import data_uri, png_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Block", "Picture", "Prose", "Section", "Table", "picture", "report_html", "write_report"]

PAGE_STYLE = """
:root{color-scheme:light dark}
body{margin:0 auto;padding:1.5em;max-width:76em;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",
sans-serif;line-height:1.5;background:#fff;color:#1f2328}
h1{font-size:1.7em;margin:.2em 0}h2{font-size:1.3em;margin:1.6em 0 .4em;border-bottom:1px solid rgba(128,128,128,.35)}
nav ul{columns:18em;padding-left:1.2em}
figure{margin:1em 0}figure img{max-width:100%;height:auto;background:#fff;border-radius:4px}
figcaption,.caption{font-size:.9em;opacity:.8;margin:.2em 0 .6em}
.wide{overflow-x:auto}
footer{margin-top:2.5em;font-size:.85em;opacity:.7}
@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}a{color:#58a6ff}}
@media print{nav{display:none}figure,table{break-inside:avoid}}
"""


@dataclass(frozen=True)
class Prose:
    """Plain text; an empty line starts a new paragraph."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows under headings."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """An image with its caption."""

    image: bytes
    caption: str = ""
    alt: str = ""
    """What is to be seen, for those who cannot see it; default the caption."""
    kind: Literal["png", "svg"] = "png"


@dataclass(frozen=True)
class Block:
    """HTML made elsewhere in :mod:`connectome.display`."""

    html: Html


Part = Prose | Table | Picture | Block


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    parts: Sequence[Part]


def picture(figure: Figure, caption: str = "", *, alt: str = "") -> Picture:
    """Turn a figure into a part of a report."""
    return Picture(png_bytes(figure), caption=caption, alt=alt)


def report_html(title: str, sections: Iterable[Section], *, subtitle: str = "", footer: str = "") -> str:
    """Build a page.

    Parameters
    ----------
    title, subtitle, footer : str
        Plain text.
    sections : iterable of Section
        In order; with more than two, a table of contents is put before them.

    Returns
    -------
    str
        A complete HTML document. The same parts give the same text.
    """
    listed = list(sections)
    anchors = _anchors([section.title for section in listed])
    body = "".join(map(_section, listed, anchors))
    contents = ""
    if len(listed) > 2:
        items = zip(anchors, listed, strict=True)
        contents = "".join(f'<li><a href="#{anchor}">{escape(section.title)}</a></li>' for anchor, section in items)
        contents = f"<nav><ul>{contents}</ul></nav>"
    head = f"<p>{escape(subtitle)}</p>" if subtitle else ""
    foot = f"<footer>{escape(footer)}</footer>" if footer else ""
    return (
        '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml">\n<head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{escape(title)}</title><style>{PAGE_STYLE}{STYLE}</style></head>\n"
        f"<body><header><h1>{escape(title)}</h1>{head}</header>{contents}{body}{foot}</body>\n</html>\n"
    )


def _section(section: Section, anchor: str) -> str:
    parts = "\n".join(map(_part, section.parts))
    return f'\n<section id="{anchor}"><h2>{escape(section.title)}</h2>\n{parts}</section>'


def _part(part: Part) -> str:
    if isinstance(part, Prose):
        paragraphs = [" ".join(text.split()) for text in re.split(r"\n\s*\n", part.text.strip())]
        return "".join(f"<p>{escape(text)}</p>" for text in paragraphs)
    if isinstance(part, Table):
        caption = f'<p class="caption">{escape(part.caption)}</p>' if part.caption else ""
        table = table_html(part.columns, part.rows, max_rows=10_000)
        return f'<div class="connectome wide">{table}</div>{caption}'
    if isinstance(part, Picture):
        caption = f"<figcaption>{escape(part.caption)}</figcaption>" if part.caption else ""
        address = data_uri(part.image, kind=part.kind)
        size = _png_size(part.image)
        # Figures are drawn at 150 dots per inch for sharp screens; a page has 96.
        shape = f' width="{size[0] * 96 // 150}" height="{size[1] * 96 // 150}"' if size else ""
        image = f'<img src="{address}" alt="{escape(part.alt or part.caption)}"{shape}/>'
        return f"<figure>{image}{caption}</figure>"
    return str(part.html)


def _png_size(image: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels from the IHDR chunk (PNG specification, section 11.2.2)."""
    if image[:8] != b"\x89PNG\r\n\x1a\n" or len(image) < 24:
        return None
    width, height = struct.unpack(">II", image[16:24])
    return width, height


def _anchors(titles: list[str]) -> list[str]:
    anchors: list[str] = []
    for at, title in enumerate(titles, 1):
        plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
        anchor = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "section"
        anchors.append(anchor if anchor not in anchors else f"{anchor}-{at}")
    return anchors


def write_report(path: str | Path, text: str) -> Path:
    """Write a page whole or not at all; folders are made as needed."""
    target = Path(path)
    write_replace(target, text.encode())
    return target
