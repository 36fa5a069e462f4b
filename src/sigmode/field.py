"""The right-hand side of `scipy.integrate.solve_ivp`: called, checked, counted, differentiated."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, issparse

from . import kernels

Array = NDArray[Any]

__all__ = ["VectorField"]

_ROOT_EPS = np.finfo(float).eps ** 0.5
# Every so many calls for a whole window one node is checked: odd, so that all nodes have their turn.
_CHECKED = 7
# The user's df/dy is compared with a difference over this part of y's size, to this part of the larger one.
_COARSE, _DISAGREE = 1e-5, 0.2
# A sparse df/dy of so few equations is dealt with as a dense one.
_DENSE = 40


class VectorField:
    """f(t, y), one point at a time, and df/dy in each of the forms that `scipy.integrate.Radau` takes.

    fun : f(t, y) -> (n,); with `vectorized` f(t, y) -> (n, k) for y (n, k).  A function compiled by Numba is called
    from compiled code.  jac : callable (t, y) -> (n, n) dense or sparse, a constant matrix, or None for differences,
    for which `sparsity` (n, n) tells what is zero.  What `fun` raises passes through untouched.

    Attributes
    ----------
    nfev, njev : int
        Calls of `fun`, not counting those for differences, and evaluations of df/dy, as SciPy counts them.
    address : int
        Of the compiled f, or 0.
    given, constant : bool
        Whether df/dy comes from the user, and whether it is one matrix for all t and y.
    """

    def __init__(
        self, fun: Callable[..., Any], n: int, dtype: Any, vectorized: bool, jac: Any = None, sparsity: Any = None
    ) -> None:
        if not callable(fun):
            raise TypeError(f"`fun` must be callable as fun(t, y), got {type(fun).__name__}.")
        self.fun, self.n, self.dtype = fun, n, np.dtype(dtype)
        self.nfev = self.njev = 0
        self.vectorized = bool(vectorized)
        self._checked = False
        self._whole: bool | None = None if vectorized else False  # may t be an array? Not known yet
        self._turn = 0
        self._shape = (n,)
        compiled = None if vectorized or self.dtype.kind == "c" else kernels.address(fun)
        self.address: int = compiled[0] if compiled else 0
        self._alive = compiled  # the machine code lives as long as this
        self._jac = jac
        self.given = jac is not None
        self.constant = jac is not None and not callable(jac)
        if self.constant:
            self._jac = self._matrix(jac)
        self._groups: NDArray[np.intp] | None = None
        if jac is None and sparsity is not None:
            self._pattern = _checked_sparsity(sparsity, n)
            self._groups = _groups(self._pattern)

    def __call__(self, t: float, y: Array) -> Array:
        """f at one point, (n,), an array of its own."""
        self.nfev += 1
        return np.array(self._single(t, y.copy()))

    def nodes(self, t: Array, Y: Array, K: Array) -> None:
        """f at the points (t_i, Y_i), t (s,), Y (s, n), written to K (s, n)."""
        self.nfev += t.size
        if self._whole is not False and self._try_whole(t, Y, K):
            return
        if self.vectorized:
            for moment, y, slope in zip(t.tolist(), Y.copy(), K, strict=True):
                slope[:] = self._single(moment, y)
            return
        fun, shape, dtype = self.fun, self._shape, self.dtype
        for moment, y, slope in zip(t.tolist(), Y.copy(), K, strict=True):
            value = fun(moment, y)
            if type(value) is not np.ndarray or value.dtype is not dtype or value.shape != shape:
                value = _checked(value, shape, dtype)
            slope[:] = value

    def jacobian(self, t: float, y: Array, slope: Array, change: Array, small: Array) -> Any:
        """df/dy at one point, (n, n), dense or sparse.

        slope : f(t, y); change, small : (n,), sizes that decide on the step of the differences: that by which y is
        about to change, and that below which y does not matter.
        """
        size = np.maximum(np.maximum(abs(y), abs(change)), small)
        if self.given:
            self.njev += not self.constant
            matrix = self._jac if self.constant else self._matrix(self._jac(t, y.copy()))
            if self._agrees(matrix, t, y, slope, np.maximum(abs(y), small)):
                return matrix
            self.given = self.constant = False
            warnings.warn("`jac` does not agree with differences of `fun`, which are used instead.", stacklevel=2)
        self.njev += 1
        step = _ROOT_EPS * np.where(size > 0.0, size, 1.0)
        step = np.where(slope.real < 0.0, -step, step)
        if self._groups is not None:
            return self._sparse_differences(t, y, slope, step)
        if self.address:
            dense = np.empty((self.n, self.n))
            kernels.differences(self.address, t, y, slope, step, dense)
            return dense
        shifted = y + np.diag(step)
        run = (shifted - y)[np.diag_indices(self.n)]
        return np.ascontiguousarray(((self._columns(t, shifted) - slope) / run[:, None]).T)

    def _agrees(self, matrix: Any, t: float, y: Array, slope: Array, size: Array) -> bool:
        """Whether the user's df/dy is right in one direction: two calls of f, of a constant one the first time only."""
        if self._checked and self.constant:
            return True
        self._checked = True
        direction = _COARSE * np.where(size > 0.0, size, 1.0)
        direction = np.where(np.arange(self.n) % 2, -direction, direction)
        moved = 0.5 * (self._single(t, y + direction) - self._single(t, y - direction))
        said = matrix @ direction
        allowed = _DISAGREE * (abs(matrix) @ abs(direction) + abs(moved) + _COARSE * (abs(slope) + abs(moved).max()))
        return bool(((abs(said - moved) <= allowed) | ~np.isfinite(moved) | ~np.isfinite(said)).all())

    def _single(self, t: float, y: Array) -> Array:
        if self.vectorized:
            value = self.fun(t, y[:, None])
            if getattr(value, "shape", None) == (self.n, 1):
                value = value[:, 0]
            else:
                value = np.ravel(np.asarray(value, dtype=None if value is not None else object))
        else:
            value = self.fun(t, y)
        if type(value) is np.ndarray and value.dtype == self.dtype and value.shape == self._shape:
            return value
        return _checked(value, self._shape, self.dtype)

    def _columns(self, t: float, rows: Array) -> Array:
        """f at one t for each row of `rows`, (k, n), uncounted."""
        if self.vectorized:
            return np.asarray(_checked(self.fun(t, np.ascontiguousarray(rows.T)), rows.T.shape, self.dtype).T)
        return np.array([self._single(t, row) for row in rows]).reshape(rows.shape)

    def _try_whole(self, t: Array, Y: Array, K: Array) -> bool:
        """All nodes in one call with t as an array, where `fun` turns out to allow that.

        SciPy only promises k values of y for one t. So the result is compared with single calls: at all nodes the
        first time, from then on in every seventh call at one node.
        """
        try:
            value = _checked(self.fun(t.copy(), np.ascontiguousarray(Y.T)), Y.T.shape, self.dtype).T
            at = range(t.size) if self._whole is None else [self._turn % t.size] * (self._turn % _CHECKED == 0)
            for i in at:
                single = self._single(float(t[i]), Y[i].copy())
                if not np.allclose(single, value[i], rtol=1e-12, atol=0.0, equal_nan=True):
                    self._whole = False
                    return False
        except Exception:
            self._whole = False
            return False
        self._whole = True
        self._turn += 1
        K[:] = value
        return True

    def _sparse_differences(self, t: float, y: Array, slope: Array, step: Array) -> Any:
        groups = self._groups
        assert groups is not None
        count = int(groups.max(initial=-1)) + 1
        rows = np.tile(y, (count, 1))
        columns = np.arange(self.n)
        rows[groups, columns] += step
        moved = self._columns(t, rows) - slope
        run = rows[groups, columns] - y
        pattern = self._pattern
        column = np.repeat(columns, np.diff(pattern.indptr))
        data = moved[groups[column], pattern.indices] / run[column]
        matrix = csc_matrix((data, pattern.indices, pattern.indptr), shape=pattern.shape)
        return matrix.toarray(order="C") if self.n <= _DENSE else matrix

    def _matrix(self, value: Any) -> Any:
        """df/dy as csc_matrix where it is sparse and large, else as an array, in the problem's dtype."""
        if issparse(value):
            matrix = csc_matrix(value, dtype=self.dtype)
            matrix = matrix.toarray(order="C") if self.n <= _DENSE else matrix
        else:
            try:
                matrix = np.array(value if value is not None else "None", dtype=self.dtype, order="C")
            except (TypeError, ValueError):
                raise ValueError(f"`jac` must give numbers of shape {(self.n, self.n)}, it gave {value!r}.") from None
            matrix = matrix.reshape(1, 1) if matrix.size == self.n == 1 else matrix
        if matrix.shape != (self.n, self.n):
            raise ValueError(f"`jac` is expected to have shape {(self.n, self.n)}, but actually has {matrix.shape}.")
        return matrix


def _checked(value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """What `fun` returned as an array of the shape and dtype expected, or an error that says what came."""
    if value is None:
        raise ValueError(f"`fun` must return {shape[0]} numbers, it returned None. Is a `return` missing?")
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"`fun` must return an array of shape {shape}, it returned {value!r}.") from None
    if array.dtype.kind == "O":
        try:
            array = array.astype(dtype)
        except (TypeError, ValueError):
            raise ValueError(f"`fun` must return {shape[0]} numbers, it returned {value!r}.") from None
    if array.dtype.kind == "c" and dtype.kind != "c":
        raise ValueError("`fun` returned complex values while `y0` is real: pass a complex `y0`.")
    if array.dtype.kind not in "fciub":
        raise ValueError(f"`fun` must return numbers, it returned an array of dtype {array.dtype}.")
    if array.shape == () and shape == (1,):
        array = array.reshape(shape)
    if array.shape != shape:
        hint = " Return y's own shape: a flat array." if array.size == np.prod(shape) else ""
        raise ValueError(f"`fun` must return an array of shape {shape}, it returned shape {array.shape}.{hint}")
    return array.astype(dtype)


def _checked_sparsity(sparsity: Any, n: int) -> Any:
    try:
        pattern = csc_matrix(sparsity)
    except (TypeError, ValueError):
        raise ValueError(f"`jac_sparsity` must be a matrix of shape {(n, n)}, got {sparsity!r}.") from None
    if pattern.shape != (n, n):
        raise ValueError(f"`jac_sparsity` is expected to have shape {(n, n)}, but actually has {pattern.shape}.")
    pattern.sort_indices()
    return pattern


def _groups(pattern: Any) -> NDArray[np.intp]:
    """Groups of columns that share no row, greedily (Curtis, Powell, Reid 1974), (n,)."""
    n = pattern.shape[1]
    groups = np.full(n, -1)
    taken: list[NDArray[np.bool_]] = []
    for column in range(n):
        rows = pattern.indices[pattern.indptr[column] : pattern.indptr[column + 1]]
        group = next((g for g, used in enumerate(taken) if not used[rows].any()), len(taken))
        if group == len(taken):
            taken.append(np.zeros(n, dtype=bool))
        taken[group][rows] = True
        groups[column] = group
    return groups
