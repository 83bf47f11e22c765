"""Data for PyTorch: windows of recordings and of spikes, patches of volumes; map-style datasets and seeded streams."""

from __future__ import annotations

from connectome.errors import MissingExtraError

try:
    import torch as _torch  # noqa: F401 - to say what is missing before anything below asks for it
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "these loaders need PyTorch", subject="connectome.loaders.torch", hint='pip install "connectome[torch]"'
    ) from error

from .events import EventDataset
from .volumes import PatchDataset, PatchStream, VolumeDataset
from .windows import WindowDataset, WindowStream

__all__ = ["EventDataset", "PatchDataset", "PatchStream", "VolumeDataset", "WindowDataset", "WindowStream"]
