"""Neural recordings and connectomes in one audited, versioned, chunked form, ready for training code.

>>> import connectome
>>> worms = connectome.open("celegans-activity")  # doctest: +SKIP
>>> worms.open("dag2023-2022-07-26-31")["activity"]  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalog import load_catalog as catalog
    from .store import open_version as open  # noqa: A004

__version__ = "0.1.0"
__all__ = ["catalog", "open"]

_LAZY = {"open": ("store", "open_version"), "catalog": ("catalog", "load_catalog")}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(import_module(f"{__name__}.{module}"), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
