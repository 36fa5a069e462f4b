"""The linearised equations of a chain of windows, factorised and solved."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgecon, dgetrf

from ..arrays import Index, Real
from ..compiled import chain as compiled
from .directions import Directions
from .equations import Derivatives, Residual
from .mesh import Mesh, State

__all__ = ["Chain"]

# Keep at most 2 GiB of factorised windows; beyond that, factorise them again in every solve.
# Not tuned.
_KEPT_BYTES = 2**31


class Chain:
    """The linearised equations of a problem on a mesh, factorised.

    Each window's slopes are eliminated on their own (Gauss with row exchanges), the chain of ends by orthogonal
    transformations from the first to the last, and a system of size 2 n + n_p remains: the cost is linear in the
    number of windows. Source: Ascher, Mattheij, Russell, Numerical Solution of Boundary Value Problems, ch. 7.
    """

    def __init__(self, mesh: Mesh, directions: Directions, derivatives: Derivatives) -> None:
        self._mesh, self._directions = mesh, directions
        n, width, _ = derivatives.jac.shape
        K, s = mesh.windows, mesh.basis.s
        self._jac = directions.combined(derivatives.jac, s)
        T = np.zeros((K, n * n))
        T[:, :: n + 1] = 1.0  # the equations as they are ...
        self._T = T.reshape(K, n, n)
        if directions.pairs.size:  # ... but for these windows
            self._T[directions.pairs] = directions.T
        size, remaining = s * n, n + width
        self._scale, self._blocks = np.empty((K, n)), np.empty((K, n, remaining))
        self._group = min(K, max(1, _KEPT_BYTES // (8 * (size + n) * (size + remaining))))
        self._W = np.empty((self._group, size + n, size + remaining))
        self._pivots = np.empty((self._group, size), dtype=np.int64)
        for first in range(0, K, self._group):
            self._eliminate(first)
        self._links, self._tau = np.empty((K - 1, 2 * n, n + remaining)), np.empty((K - 1, n))
        self._scales, self._exchanges = np.empty((2, remaining)), np.empty(remaining, dtype=np.int64)
        self._whole, self._last = np.empty((2, remaining, remaining))
        self.singular = not compiled.couple(
            self._blocks, self._links, self._tau, derivatives.conditions,
            self._scales, self._whole, self._last, self._exchanges,
        )  # fmt: skip

    @property
    def windows(self) -> int:
        """How many windows there are."""
        return self._mesh.windows

    def _eliminate(self, first: int) -> None:
        count = min(self._group, self._mesh.windows - first)
        compiled.eliminate(
            first, self._mesh.h, self._mesh.basis.tables, self._jac, self._T, self._directions.grows,
            self._W[:count], self._pivots[:count], self._scale, self._blocks,
        )  # fmt: skip
        self._eliminated = first

    @property
    def condition(self) -> float:
        """That of the last system, in the values at both ends and p, with rows and columns of size 1.

        Estimated by LAPACK, without the many right-hand sides of an inverse, for which BLAS would start its threads.
        """
        if self.singular:
            return np.inf
        factors, _, _ = dgetrf(self._whole)
        reciprocal, _ = dgecon(factors, abs(self._whole).sum(axis=0).max())
        return 1.0 / reciprocal if reciprocal else np.inf

    def solve(self, residual: Residual) -> State:
        """The Newton step that removes the residual to first order."""
        n, K = residual.continuity.shape
        s = self._mesh.basis.s
        b = np.empty((K, self._W.shape[1]))
        r = self._directions.combined(residual.collocation, s)
        for first in range(0, K, self._group):
            W, pivots = self._factors(first)
            compiled.forward_solve(first, r, residual.continuity, W, pivots, self._scale, b)
        ends, unknowns = np.empty((K + 1, n)), np.empty(self._links.shape[2])
        np.negative(residual.conditions, out=unknowns[2 * n :])
        matrices = self._links, self._tau, self._scales, self._last, self._exchanges
        compiled.solve_ends(*matrices, b, unknowns, ends)
        p = unknowns[3 * n :]
        for first in range(0, K, self._group):
            W, _ = self._factors(first)
            compiled.back_solve(first, W, b, ends, p)
        slopes = b[:, : n * s].reshape(K, n, s).transpose(1, 0, 2)
        return State(np.ascontiguousarray(ends.T), np.ascontiguousarray(slopes), p)

    def _factors(self, first: int) -> tuple[Real, Index]:
        if self._eliminated != first:
            self._eliminate(first)
        count = min(self._group, self._mesh.windows - first)
        return self._W[:count], self._pivots[:count]
