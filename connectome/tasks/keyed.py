"""Keyed hashes of nodes, pairs and cubes: which part something belongs to, from its name and the seed alone.

A hash of the name decides, not a draw, so that a pair keeps its part whatever the order of rows, the number of workers
or the other edges are. The mixing function is that of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014, doi:10.1145/2660193.2660195): a bijection of 64 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["keyed", "mix64", "names_of", "part_of"]

Array = np.ndarray[Any, Any]
GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mix64(state: Array) -> Array:
    """Return the output of SplitMix64 for every state, shape and dtype (uint64) kept."""
    with np.errstate(over="ignore"):
        mixed = np.asarray(state, dtype=np.uint64) + GAMMA
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        return mixed ^ (mixed >> np.uint64(31))


def names_of(ids: Array) -> Array:
    """Return a number of 64 bits for every node id.

    Parameters
    ----------
    ids : numpy.ndarray
        Shape (node,), integers or text.

    Returns
    -------
    numpy.ndarray
        Shape (node,), uint64: integers as they are (two's complement), text by BLAKE2b (RFC 7693) of its UTF-8 bytes.
    """
    values = np.asarray(ids)
    if values.dtype.kind in "iu":
        return values.astype(np.int64).view(np.uint64) if values.dtype.kind == "i" else values.astype(np.uint64)
    digests = b"".join(hashlib.blake2b(str(value).encode(), digest_size=8).digest() for value in values.tolist())
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def keyed(seed: int, *columns: Array, purpose: str) -> Array:
    """Return one hash per row of some columns.

    Parameters
    ----------
    seed : int
        Any whole number; its lowest 64 bits count.
    *columns : numpy.ndarray
        Shape (row,), uint64 or integers; their order matters.
    purpose : str
        What the hashes are for: other purposes give unrelated hashes.

    Returns
    -------
    numpy.ndarray
        Shape (row,), uint64.
    """
    salt = np.frombuffer(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), dtype="<u8").astype(np.uint64)
    state = mix64(mix64(np.array([seed & 0xFFFF_FFFF_FFFF_FFFF], dtype=np.uint64)) ^ salt)
    for column in columns:
        values = np.asarray(column)
        state = mix64(state ^ (values.astype(np.int64).view(np.uint64) if values.dtype.kind == "i" else values))
    return state


def part_of(hashes: Array, shares: Sequence[Fraction]) -> Array:
    """Return which part every hash falls into.

    Parameters
    ----------
    hashes : numpy.ndarray
        Shape (row,), uint64.
    shares : sequence of Fraction
        Share of every part; they add up to one.

    Returns
    -------
    numpy.ndarray
        Shape (row,), int8: position in ``shares``.
    """
    bounds, total = [], Fraction(0)
    for share in shares[:-1]:
        total += share
        # The last part takes what is left, so that no bound is 2**64.
        bounds.append(min(int(total * 2**64), 2**64 - 1))
    return np.searchsorted(np.array(bounds, dtype=np.uint64), hashes, side="right").astype(np.int8)
