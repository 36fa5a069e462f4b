"""Linear systems with I - c M for many numbers c and one matrix M: dense, banded or sparse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs
from scipy.sparse import coo_array, csc_array, eye_array, issparse
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import splu

from ..arrays import Number

Solve = Callable[[Number], Number]

__all__ = ["Shifted", "Solvers", "shifted"]

# Unknowns up to which systems are inverted all at once; larger ones are factorised one by one. Not tuned.
_SMALL = 50
# A sparse matrix goes into LAPACK's banded form where that has at most this many times as many entries. Not tuned;
# docs/decisions.md, "Sparse matrices", has what the form gains.
_ENTRIES_OF_BAND = 8


def shifted(matrix: Any) -> Shifted:
    """The form of M that suits it."""
    if not issparse(matrix):
        return _Dense(matrix)
    return _banded(matrix) or _Sparse(matrix)


class Shifted:
    """A matrix M, (n, n), and the systems ``I - c M``."""

    def solver(self, c: complex) -> Solve | None:
        """Solves (I - c M) x = b, b (n,) or (n, k), real if c and M are; None where that is singular."""
        raise NotImplementedError

    def solvers(self, c: Number) -> Solvers | None:
        """All of the systems with c[j]; None where one of them is singular."""
        each = [self.solver(complex(value)) for value in c]
        return None if any(solve is None for solve in each) else _Factorised(each)


class Solvers:
    """Systems with numbers c[0], ..., each with its own right-hand side or one of them with many."""

    def all(self, b: Number) -> Number:
        """Solves (I - c[j] M) x[j] = b[j] for all j, b (len(c), n)."""
        raise NotImplementedError

    def last(self, b: Number) -> Number:
        """Solves (I - c[-1] M) x = b, b (n, k)."""
        raise NotImplementedError


class _Factorised(Solvers):
    def __init__(self, each: list[Any]) -> None:
        self._each = each

    def all(self, b: Number) -> Number:
        return np.array([solve(row) for solve, row in zip(self._each, b, strict=True)])

    def last(self, b: Number) -> Number:
        return np.asarray(self._each[-1](b))


class _Inverted(Solvers):
    def __init__(self, inverse: Number) -> None:
        self._inverse = inverse

    def all(self, b: Number) -> Number:
        return np.asarray(np.matmul(self._inverse, b[:, :, None])[:, :, 0])

    def last(self, b: Number) -> Number:
        return np.asarray(self._inverse[-1] @ b)


class _Dense(Shifted):
    def __init__(self, matrix: Number) -> None:
        self._matrix = matrix
        self._identity = np.eye(len(matrix))

    def solver(self, c: complex) -> Solve | None:
        matrix = self._identity - c * self._matrix
        getrf, getrs = get_lapack_funcs(("getrf", "getrs"), (matrix,))
        factors, pivots, singular = getrf(matrix, overwrite_a=True)
        if singular or not np.isfinite(matrix).all():
            return None
        return lambda b: np.asarray(getrs(factors, pivots, b)[0])

    def solvers(self, c: Number) -> Solvers | None:
        """Small ones by their inverses: they serve Newton's method only, which corrects their rounding."""
        if len(self._matrix) > _SMALL:
            return super().solvers(c)
        try:
            inverse = np.linalg.inv(self._identity - c[:, None, None] * self._matrix)
        except np.linalg.LinAlgError:
            return None
        return _Inverted(inverse)


class _Banded(Shifted):
    """Rows and columns in an order with a narrow band, in LAPACK's storage: entry (i, j) at [2 width + i - j, j]."""

    def __init__(self, band: Number, order: Any, width: int) -> None:
        self._band, self._order, self._width = band, order, width
        self._back = order if isinstance(order, slice) else np.argsort(order)

    def solver(self, c: complex) -> Solve | None:
        width, order, back = self._width, self._order, self._back
        matrix = -c * self._band
        matrix[2 * width] += 1.0
        gbtrf, gbtrs = get_lapack_funcs(("gbtrf", "gbtrs"), (matrix,))
        factors, pivots, singular = gbtrf(matrix, width, width, overwrite_ab=True)
        if singular or not np.isfinite(matrix[2 * width]).all():
            return None
        return lambda b: np.asarray(gbtrs(factors, width, width, b[order], pivots)[0][back])


class _Sparse(Shifted):
    def __init__(self, matrix: Any) -> None:
        self._matrix = csc_array(matrix)
        self._identity = eye_array(matrix.shape[0], format="csc")

    def solver(self, c: complex) -> Solve | None:
        try:
            lu = splu((self._identity - c * self._matrix).tocsc())
        except (RuntimeError, ValueError):  # singular; not finite
            return None
        kind = complex if isinstance(c, complex) or self._matrix.dtype.kind == "c" else float
        return lambda b: np.asarray(lu.solve(b.astype(kind)))


def _banded(matrix: Any) -> _Banded | None:
    """M in banded form, rows and columns reordered (reverse Cuthill-McKee); None where the band is wide."""
    entries = coo_array(matrix)
    rows, columns = entries.coords
    n = matrix.shape[0]
    order: Any = slice(None)
    if abs(rows - columns).max(initial=0) > 1:
        order = np.asarray(reverse_cuthill_mckee(matrix.tocsr(), symmetric_mode=False), dtype=np.intp)
        place = np.argsort(order)
        rows, columns = place[rows], place[columns]
    width = int(abs(rows - columns).max(initial=0))
    if (2 * width + 1) * n > _ENTRIES_OF_BAND * (entries.nnz + n):
        return None
    band = np.zeros((3 * width + 1, n), dtype=entries.dtype, order="F")
    np.add.at(band, (2 * width + rows - columns, columns), entries.data)
    return _Banded(band, order, width)
