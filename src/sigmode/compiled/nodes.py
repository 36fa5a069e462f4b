"""A compiled f at many points, for callers in Python."""

from __future__ import annotations

import numpy as np

from ..arrays import Index, Number, Real
from .functions import Called, call_at_nodes
from .launch import INDICES, MATRIX, VECTOR, entry

__all__ = ["call_on_nodes"]


@entry(f"b1(i8, {VECTOR}, {MATRIX}, {INDICES}, {MATRIX})")
def _nodes(address: int, t: Real, Y: Real, words: Index, K: Real) -> bool:
    done: bool = call_at_nodes(address, t, Y, words, K)
    return done


def call_on_nodes(fun: Called, t: Real, Y: Number, K: Number) -> bool:
    """f at the points t (m,), Y (m, n), written to K (m, n) in C order; False where it has to be called from Python."""
    words = fun.words()
    return words is not None and _nodes(fun.address, np.ascontiguousarray(t), np.ascontiguousarray(Y), words, K)
