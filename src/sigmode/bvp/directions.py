"""In which direction the equations of a window are collocated: what decays at right nodes, what grows at left ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import Flags, Index, Real
from ..compiled.chain import combine
from ..user.growth import fastest

__all__ = ["Directions", "directed", "undirected"]

# A mode that grows by more than e**6 in a window is collocated at the left Radau points; slower growth the functions of
# a window resolve either way. Not tuned.
_STIFF = 6.0
# Left eigenvectors are used to combine equations up to this condition. Not tuned.
_MOST_SKEWED = 1e10


class Directions(NamedTuple):
    """How the equations of each window are combined, and where they are collocated.

    T (pairs, n, n) : the rows are the combinations in a window that has left nodes, too; grows (K, n) : whether a row
    sits on those; pairs : the windows that have left nodes, increasing.
    """

    T: Real
    grows: Flags
    pairs: Index

    def combined(self, values: Real, s: int) -> Real:
        """Values of the equations as the combinations have them, (n, ..., K s): the argument where no window has any.

        values (n, ..., points): at the right nodes of all windows, then at the left nodes of those that have them.
        """
        if not self.pairs.size:
            return values
        cube = np.ascontiguousarray(values).reshape(len(values), -1, values.shape[-1])
        both = cube[..., : len(self.grows) * s].copy()
        combine(self.T, self.grows, self.pairs, s, cube, both)
        return both.reshape(*values.shape[:-1], -1)


def undirected(n: int, K: int) -> Directions:
    """All equations as they are, on the right nodes."""
    return Directions(np.empty((0, n, n)), np.zeros((K, n), dtype=np.bool_), np.empty(0, dtype=np.int64))


def directed(h: Real, df_dy: Real) -> Directions:
    """Equations of what grows fast on the left nodes, of the rest on the right ones.

    df_dy (n, n, K): in the middle of each window. Radau collocation damps what decays along its direction, on windows
    of any length; what grows is damped in the other direction, from the far end, where its boundary condition is. So a
    layer stays in the window where it is, however long that is. Gauss points would spread it over all of them.
    """
    n, _, K = df_dy.shape
    none = undirected(n, K)
    J = df_dy.transpose(2, 0, 1)
    squared = abs(J @ J).sum(axis=2).max(axis=1)  # its norm bounds the squares of the eigenvalues
    large = np.flatnonzero(h * h * squared > _STIFF**2)
    if not large.size or not np.isfinite(df_dy).all():
        return none
    large = large[h[large] * fastest(J[large]) > _STIFF]
    if not large.size:
        return none
    values, vectors = np.linalg.eig(J[large].swapaxes(1, 2))
    rows = np.where(values[:, :, None].imag < 0.0, vectors.imag.swapaxes(1, 2), vectors.real.swapaxes(1, 2))
    rows = rows / np.maximum(np.linalg.norm(rows, axis=2, keepdims=True), np.finfo(float).tiny)
    straight = np.linalg.cond(rows) < _MOST_SKEWED
    pairs = large[straight]
    none.grows[pairs] = (h[large, None] * values.real > _STIFF)[straight]
    return Directions(np.ascontiguousarray(rows[straight]), none.grows, pairs)
