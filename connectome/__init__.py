"""Neural recordings and connectomes in one audited, versioned, chunked form, ready for training code.

>>> import connectome
>>> worms = connectome.open("celegans-activity")  # doctest: +SKIP
>>> worms.open("dag2023-2022-07-26-31")["activity"]  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import catalog as catalog
    from .store import open_version as open  # noqa: A004

__version__ = "0.1.0"
__all__ = ["catalog", "open"]


def __getattr__(name: str) -> Any:
    # Both are imported when first used: `import connectome` alone costs next to nothing.
    if name == "open":
        return import_module(f"{__name__}.store").open_version
    if name == "catalog":
        return import_module(f"{__name__}.catalog")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
