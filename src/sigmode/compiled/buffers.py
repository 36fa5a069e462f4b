"""Buffers for activations: reused, because fresh memory costs more in page faults than the kernels take."""

from __future__ import annotations

import numpy as np

from ..arrays import Real

__all__ = ["BLOCK", "borrow", "give_back"]

# Points per block. 128 costs about 10 % more per element (loop set-up), 512 leaves too few blocks to share out
# (docs/decisions.md, "Kernels").
BLOCK = 256

_free: list[Real] = []


def borrow(m: int, n_hidden: int) -> Real:
    """A buffer for the activations of m points, (blocks, n_hidden, 2, BLOCK); one that was given back if it fits.

    Safe between threads.
    """
    blocks = -(-m // BLOCK)
    try:
        buffer = _free.pop()
    except IndexError:
        return _aligned(blocks, n_hidden)
    if buffer.shape[1] != n_hidden:
        of_one = n_hidden * 2 * BLOCK
        fit = buffer.size // of_one
        buffer = buffer.reshape(-1)[: fit * of_one].reshape(fit, n_hidden, 2, BLOCK)
    return buffer if len(buffer) >= blocks else _aligned(blocks, n_hidden)


def _aligned(blocks: int, n_hidden: int) -> Real:
    """Fresh memory that starts at a cache line: 5 % of the forward kernel."""
    size = blocks * n_hidden * 2 * BLOCK
    raw = np.empty(size + 7)
    offset = -(raw.ctypes.data // 8) % 8
    return raw[offset : offset + size].reshape(blocks, n_hidden, 2, BLOCK)


def give_back(buffer: Real) -> None:
    """Let others borrow it."""
    _free.append(buffer)
