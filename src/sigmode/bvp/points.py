"""Conditions inside of the interval: its parts side by side, as more equations on one interval."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult

from .. import arguments
from ..arrays import Number, Real
from ..user.boundary import BoundaryProblem
from ..user.results import checked as checked_value
from ..user.results import parts
from . import start
from .mesh import Mesh, State
from .report import result
from .search import Search

__all__ = ["Pieces", "checked_points"]


def checked_points(points: ArrayLike, x: Any) -> Real:
    """The points as an array, increasing and inside of the mesh."""
    inner = np.atleast_1d(arguments.numbers(points, "points", "(i,)", real=True))
    arguments.one_dimensional(inner, "points")
    arguments.finite(inner, "`points`")
    mesh = np.asarray(x)
    if inner.size and not (mesh[0] < inner[0] and inner[-1] < mesh[-1] and (np.diff(inner) > 0.0).all()):
        raise ValueError(f"`points` must be increasing and inside of ({mesh[0]}, {mesh[-1]}), got {inner.tolist()}.")
    return inner


class Pieces:
    """A problem with conditions at inner points as one with conditions at the ends.

    The J parts between the points are mapped to 0 <= xi <= 1; their n functions each are J n functions of xi, and n (J
    - 1) conditions say that a part starts where the one before it ends. Source: Ascher, Mattheij, Russell, sec. 1.1.
    """

    def __init__(self, functions: tuple[Any, ...], args: Any, inner: Real, x: Any, y: Any, p: Any) -> None:
        self._fun, self._bc, self._fun_jac, _ = functions
        self._args = () if args is None else tuple(args)
        whole = start.checked((_anything_like_y, _nothing_left(p), None, None), x, y, p, None)
        self._n, self._n_p, self._dtype = len(whole.y), whole.p.size, whole.y.dtype
        self._ends = np.concatenate([whole.x[:1], inner, whole.x[-1:]])
        self._lengths = np.diff(self._ends)
        most = np.histogram(whole.x, self._ends)[0].max()
        xi = np.linspace(0.0, 1.0, min(max(most, 3), start.START_WINDOWS + 1))
        at = self._x(xi)
        guess = np.array([_line(at, whole.x, row) for row in whole.y]).reshape(self._n, self._parts, -1)
        own = self._f, self._conditions, self._jac if self._fun_jac is not None else None, None
        self.given = start.checked(own, xi, self._side_by_side(guess), whole.p if self._n_p else None, None)

    @property
    def _parts(self) -> int:
        return int(self._lengths.size)

    def _x(self, xi: Real) -> Real:
        """The points of all parts, one part after the other, (J m,)."""
        at = self._ends[:-1, None] + self._lengths[:, None] * xi
        return np.asarray(np.minimum(at, self._ends[1:, None]).ravel())

    def _side_by_side(self, y: Number) -> Number:
        """(n, J, m) -> (J n, m)."""
        return y.swapaxes(0, 1).reshape(self._parts * self._n, -1)

    def _after_another(self, Y: Number) -> Number:
        """(J n, m) -> (n, J m)."""
        return np.ascontiguousarray(Y.reshape(self._parts, self._n, -1).swapaxes(0, 1)).reshape(self._n, -1)

    def _f(self, xi: Real, Y: Number, *p: Number) -> Number:
        y = self._after_another(Y)
        f = checked_value(self._fun(self._x(xi), y, *p, *self._args), y.shape, "fun", self._dtype.type, "")
        return self._side_by_side(f.reshape(self._n, self._parts, -1) * self._lengths[:, None])

    def _jac(self, xi: Real, Y: Number, *p: Number) -> Any:
        y, n, J = self._after_another(Y), self._n, self._parts
        shapes = [(n, n, y.shape[1])] + [(n, self._n_p, y.shape[1])] * (self._n_p > 0)
        by_y, *by_p = parts(self._fun_jac(self._x(xi), y, *p, *self._args), shapes, "fun_jac", self._dtype.type)
        whole = np.zeros((J, n, J, n, xi.size), dtype=self._dtype)
        for j, length in enumerate(self._lengths):
            whole[j, :, j] = length * by_y.reshape(n, n, J, -1)[:, :, j]
        df_dy = whole.reshape(J * n, J * n, -1)
        if not by_p:
            return df_dy
        cube = by_p[0].reshape(n, self._n_p, J, -1) * self._lengths[:, None]
        return df_dy, cube.transpose(2, 0, 1, 3).reshape(J * n, self._n_p, -1)

    def _conditions(self, Ya: Number, Yb: Number, *p: Number) -> Number:
        starts, ends = Ya.reshape(self._parts, self._n), Yb.reshape(self._parts, self._n)
        value = self._bc(starts[0], ends[-1], ends[:-1].T.copy(), *p, *self._args)
        asked = checked_value(value, (self._n + self._n_p,), "bc", self._dtype.type, "")
        return np.concatenate([asked, (starts[1:] - ends[:-1]).ravel()])

    def joined(self, search: Search, status: int) -> OptimizeResult:
        """The result of the whole interval."""
        n, J, K = self._n, self._parts, search.mesh.windows
        factor = search.problem.n // (n * J)  # 2 for complex functions: real parts first
        x = np.append(self._x(search.mesh.x[:-1]), self._ends[-1])

        def rows(values: Real) -> Real:  # (factor, n, J, ...)
            return values.reshape(factor, J, n, *values.shape[1:]).swapaxes(1, 2)

        y = rows(search.state.y)
        ends = np.concatenate([y[..., :-1].reshape(factor * n, -1), y[:, :, -1, -1:].reshape(factor * n, 1)], axis=1)
        slopes = (rows(search.state.slopes) / self._lengths[:, None, None]).reshape(factor * n, J * K, -1)
        whole = copy.copy(search)
        functions = self._fun, self._bc, None, None
        whole.problem = BoundaryProblem(functions, n, self._n_p, complex if factor == 2 else float)
        whole.mesh = Mesh(x, search.mesh.basis)
        whole.state = State(np.ascontiguousarray(ends), np.ascontiguousarray(slopes), search.state.p)
        if search.judgement is not None:
            found = search.judgement
            error = np.ascontiguousarray(rows(found.error)).reshape(factor * n, J * K)
            residual, peak, rounding = (np.tile(part, J) for part in (found.residual, found.peak, found.rounding))
            whole.judgement = found._replace(error=error, residual=residual, peak=peak, rounding=rounding)
        return result(x, self._n_p, whole, status, thinned=False)


def _anything_like_y(x: Real, y: Number, *_: Number) -> Number:
    """In place of `fun` while x, y and p are checked."""
    return y


def _nothing_left(p: Any) -> Any:
    """In place of `bc`."""
    k = 0 if p is None else np.size(p)
    return lambda ya, yb, *_: np.zeros(ya.size + k, dtype=ya.dtype)


def _line(at: Real, x: Real, y: Number) -> Number:
    """Linear interpolation of real or complex values."""
    if y.dtype.kind == "c":
        return np.asarray(np.interp(at, x, y.real) + 1j * np.interp(at, x, y.imag))
    return np.asarray(np.interp(at, x, y))
