"""The pages of the documentation: their code blocks, what a comment above a block says, and their links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
"""The changelog speaks of the past: its commands need not run today."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_REMARK = re.compile(r"<!-- (?P<kind>not run|fails): (?P<reason>.+?) -->\n+\Z", re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
RUNNABLE = ("bash", "python")


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    """Path of the page below the project."""
    line: int
    """Line of its first line of text."""
    language: str
    text: str
    remark: str | None
    """``not run`` or ``fails``: what the comment directly above says of it."""
    reason: str | None
    """The rest of that comment."""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """Yield the words of every ``connectome`` command of a bash block."""
        for line in self.text.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split = True
            lexer.commenters = "#"
            words: list[str] = []
            for word in [*lexer, ";"]:
                if set(word) <= set("|&;<>"):
                    if words[:1] == ["connectome"]:
                        yield words[1:]
                    words = []
                else:
                    words.append(word)


def name_of(page: Path) -> str:
    """Return the path of a page below the project."""
    return page.relative_to(PROJECT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        remark = _REMARK.search(text, 0, match.start())
        found.append(
            Block(
                page=name_of(page),
                line=text.count("\n", 0, match.start()) + 2,
                language=match["language"],
                text=match["text"],
                remark=remark["kind"] if remark else None,
                reason=remark["reason"] if remark else None,
            )
        )
    return found


def prose_of(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links_of(page: Path) -> list[str]:
    """Return the targets of the links of a page."""
    return _LINK.findall(prose_of(page))


def code_of(page: Path) -> list[str]:
    """Return what stands between single backticks in the prose of a page."""
    return _CODE.findall(prose_of(page))


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def pattern_of(expected: str) -> re.Pattern[str]:
    """Return what a ``text`` block below another says of its output, where ``...`` stands for anything."""
    parts = [re.escape(part.strip()) for part in expected.strip().split("...")]
    return re.compile(r"\s*" + r".*?".join(r"\s*" + part + r"\s*" for part in parts) + r"\s*\Z", re.DOTALL)
