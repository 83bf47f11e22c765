"""The catalogue: which datasets there are, where they come from, under which licences, and how to cite them.

The package itself can be called: ``connectome.catalog()`` is :func:`~connectome.catalog.about.open_catalog`, the
catalogue joined to a store. Code that imports it uses the functions by name.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from .about import about, cite_version, from_about, open_catalog
from .cite import STYLES
from .licences import LICENCES, Licence
from .load import catalog_path, load_catalog, parse_catalog
from .model import KINDS, Catalog, Citation, Dataset, DataSource, imported

__all__ = [
    "KINDS",
    "LICENCES",
    "STYLES",
    "Catalog",
    "Citation",
    "DataSource",
    "Dataset",
    "Licence",
    "about",
    "catalog_path",
    "cite_version",
    "from_about",
    "imported",
    "load_catalog",
    "open_catalog",
    "parse_catalog",
]


class _CallableCatalog(ModuleType):
    """A module that can be called.

    ``connectome.catalog`` has to be this package (``connectome.catalog.model`` lives in it) and a function
    (``connectome.catalog()``); importing the package would otherwise hide a function of the same name.
    """

    def __call__(self, root: str | Path | None = None, *, path: str | Path | None = None) -> Catalog:
        return open_catalog(root, path=path)


# Documented for modules: https://docs.python.org/3/reference/datamodel.html#customizing-module-attribute-access
sys.modules[__name__].__class__ = _CallableCatalog
