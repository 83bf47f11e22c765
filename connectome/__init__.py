"""Neural recordings and connectomes in one audited, versioned, chunked form, ready for training code."""

from __future__ import annotations

__version__ = "0.1.0"
