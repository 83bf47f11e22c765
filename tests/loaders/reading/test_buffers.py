"""Memory of batches: used again when nobody looks into it, and never before."""

from __future__ import annotations

import pickle

import numpy as np
import torch

from connectome.loaders.reading.buffers import MAX_KEPT, BatchBuffers

FLOAT = np.dtype("float32")


def address(values: np.ndarray) -> int:
    return values.__array_interface__["data"][0]


def test_memory_is_used_again_once_the_batch_is_gone():
    buffers = BatchBuffers()
    first = buffers.empty((4, 3), FLOAT)
    place = address(first)
    del first
    assert address(buffers.empty((3, 4), FLOAT)) == place


def test_memory_is_not_used_again_while_a_view_of_the_batch_is_alive():
    buffers = BatchBuffers()
    first = buffers.empty((4, 3), FLOAT)
    first[...] = 7
    row = first[2, 1:]
    del first
    buffers.empty((4, 3), FLOAT)[...] = 0
    assert row.tolist() == [7, 7]


def test_memory_is_not_used_again_while_a_tensor_of_the_batch_is_alive():
    buffers = BatchBuffers()
    tensor = torch.from_numpy(buffers.empty((4, 3), FLOAT).reshape(12)).fill_(7)[3:5]
    buffers.empty((4, 3), FLOAT)[...] = 0
    assert tensor.tolist() == [7, 7]
    place = tensor.data_ptr() - 3 * FLOAT.itemsize
    del tensor
    assert place in {address(buffers.empty((4, 3), FLOAT)), address(buffers.empty((4, 3), FLOAT))}


def test_batches_of_many_sizes_keep_little_memory():
    buffers = BatchBuffers()
    held = [buffers.empty((size, 2), FLOAT) for size in range(1, 40)]
    for at, values in enumerate(held):
        values[...] = at
    assert all((values == at).all() for at, values in enumerate(held))
    assert len(buffers._kept) == MAX_KEPT


def test_an_empty_batch_has_its_shape():
    assert BatchBuffers().empty((0, 3, 5), FLOAT).shape == (0, 3, 5)


def test_a_copy_for_another_process_has_no_memory():
    buffers = BatchBuffers()
    held = buffers.empty((4, 3), FLOAT)
    other = pickle.loads(pickle.dumps(buffers))
    assert not np.shares_memory(other.empty((4, 3), FLOAT), held)
    assert len(pickle.dumps(buffers)) < 200
