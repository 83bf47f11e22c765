"""``python -m connectome.pipelines.cli``."""

from __future__ import annotations

from . import main

raise SystemExit(main())
