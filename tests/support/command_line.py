"""The command in a process of its own, and what its tests call their datasets."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

DATASET = "generated-all-kinds"
WORMS = "celegans-connectomes"


def command(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    options = {"capture_output": True, "text": True, "check": False, "timeout": 120, **options}
    return subprocess.run([sys.executable, "-m", "connectome.pipelines.cli", *map(str, words)], **options)
