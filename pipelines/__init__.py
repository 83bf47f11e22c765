"""How data gets in and out: formats, sources, fetching, ingest, flows, runners, publishing and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .formats import read as read

__all__ = ["read"]


def __getattr__(name: str) -> Any:
    if name == "read":
        from .formats import read

        return read
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
