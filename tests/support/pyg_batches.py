"""Comparing what PyTorch Geometric's loaders give: batch with batch, and batch with the graph that it is of."""

from __future__ import annotations

import torch


def same(first, second):
    """Tell whether two batches are equal in every attribute."""
    a, b = first.to_dict(), second.to_dict()
    return a.keys() == b.keys() and all(same_values(a[name], b[name]) for name in a)


def same_values(a, b):
    """Tell whether two values, or all of two dictionaries, are equal."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_values(a[name], b[name]) for name in a)
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def check_batch(batch, whole):
    """Compare a sampled graph with the whole one, edge by edge."""
    assert torch.equal(batch.pos, whole.pos[batch.n_id])
    assert torch.equal(batch.x, whole.x[batch.n_id])
    assert torch.equal(batch.x_mask, whole.x_mask[batch.n_id])
    ends = batch.n_id[batch.edge_index]
    listed = {(int(a), int(b), int(e)) for (a, b), e in zip(whole.edge_index.T, whole.e_id, strict=True)}
    assert {(int(a), int(b), int(e)) for (a, b), e in zip(ends.T, batch.e_id, strict=True)} <= listed


def check_typed(batch, data):
    """Compare a sampled graph of many types with the whole one, relation by relation."""
    for relation in data.edge_types:
        ends = [batch[kind].n_id[end] for kind, end in zip(relation[::2], batch[relation].edge_index, strict=True)]
        assert torch.equal(torch.stack(ends), data[relation].edge_index[:, batch[relation].e_id])
        assert torch.equal(batch[relation].weight, batch[relation].e_id.float())
    for kind in data.node_types:
        assert torch.equal(batch[kind].x[:, 0], batch[kind].n_id.float())
