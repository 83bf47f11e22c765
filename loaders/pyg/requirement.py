"""PyTorch Geometric, imported in one place: an error that names the extra, and no warning that is not ours."""

from __future__ import annotations

import warnings

from connectome.errors import MissingExtraError

try:
    import torch

    with warnings.catch_warnings():
        # torch_geometric 2.8 calls torch.jit.script as it is imported, which torch 2.13 says is deprecated.
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
        import torch_geometric
        from torch_geometric import data, sampler
        from torch_geometric.data import Data, HeteroData
        from torch_geometric.sampler import neighbor_sampler
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "these loaders need PyTorch Geometric", subject="connectome.loaders.pyg", hint='pip install "connectome[pyg]"'
    ) from error

__all__ = ["Data", "HeteroData", "data", "neighbor_sampler", "sampler", "torch", "torch_geometric"]
