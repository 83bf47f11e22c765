"""Figures without global state, and their bytes: what all plots share.

Only :class:`matplotlib.figure.Figure` is used, never ``pyplot``, so nothing needs a display and nothing is left open.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, Literal

from connectome.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["data_uri", "literal", "new_figure", "note", "png_bytes", "spread", "svg_bytes"]

DPI = 150
INK = "#333333"
QUIET = "#777777"


def new_figure(width_in: float, height_in: float, *, dpi: float = DPI) -> Figure:
    """Make an empty figure on white paper.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "plots need matplotlib", subject="connectome.display.plots", hint='pip install "connectome[plot]"'
        ) from error
    return Figure(figsize=(width_in, height_in), dpi=dpi, layout="constrained", facecolor="white")


def png_bytes(figure: Figure, *, dpi: float | None = None) -> bytes:
    """Return the figure as PNG; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi or figure.dpi, metadata={"Software": None})
    return stream.getvalue()


def svg_bytes(figure: Figure) -> bytes:
    """Return the figure as SVG with its text as paths; the same figure gives the same bytes."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    # Without a fixed salt the ids of clip paths are random.
    with rc_context({"svg.hashsalt": "connectome"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def data_uri(image: bytes, *, kind: Literal["png", "svg"] = "png") -> str:
    """Return an image as an address that holds the image itself (RFC 2397)."""
    mime = "image/png" if kind == "png" else "image/svg+xml"
    return f"data:{mime};base64,{base64.b64encode(image).decode('ascii')}"


def literal(text: Any) -> str:
    """Keep matplotlib from reading dollar signs in names as mathematics."""
    return str(text).replace("$", r"\$")


def note(axes: Axes, text: str) -> None:
    """Write a remark in small print below an axis label."""
    axes.annotate(
        literal(text),
        (1, 0),
        xycoords="axes fraction",
        xytext=(0, -30),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=7,
        color=QUIET,
    )


def spread(positions: list[float], *, gap: float, low: float, high: float) -> list[float]:
    """Move sorted positions apart until neighbours are ``gap`` apart, as little as possible, within [low, high].

    Where they cannot all fit, they are set evenly over the range.
    """
    n_positions = len(positions)
    if n_positions < 2:
        return list(positions)
    if gap * (n_positions - 1) >= high - low:
        return [low + (high - low) * at / (n_positions - 1) for at in range(n_positions)]
    moved = [min(max(position, low), high) for position in positions]
    for at in range(1, n_positions):
        moved[at] = max(moved[at], moved[at - 1] + gap)
    moved[-1] = min(moved[-1], high)
    for at in range(n_positions - 2, -1, -1):
        moved[at] = min(moved[at], moved[at + 1] - gap)
    return moved
