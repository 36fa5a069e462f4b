"""A boundary value problem as the user gives it: called, checked, differentiated, complex numbers as pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from .rhs import checked

Array = NDArray[np.float64]

__all__ = ["BoundaryProblem", "Limited", "Singular"]

# The user's Jacobians are compared with differences (`fun_jac` with this step, relative to 1 + |y|), to so much of
# their terms.
_COARSE, _DISAGREE = 1e-5, 1e-2
_COMPLEX = "pass the guess `y` with a complex dtype"
_STEP = float(np.finfo(float).eps) ** 0.5  # of a forward difference, relative to 1 + |y|, as in SciPy


class Singular(NamedTuple):
    """The term S y / (x - a), S (n, n)."""

    S: NDArray[Any]
    a: float


class BoundaryProblem:
    """``y' = f(x, y, p) + S y/(x - a)``, ``bc(y(a), y(b), p) = 0`` in the convention of `scipy.integrate.solve_bvp`.

    Everything that goes in and comes out is real: a complex problem has its real parts first, then its imaginary
    parts. What the user's functions raise passes through untouched.

    Attributes
    ----------
    n, n_p : int, real unknown functions and real unknown parameters
    """

    def __init__(
        self,
        functions: tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any] | None, Callable[..., Any] | None],
        n: int,
        n_p: int,
        dtype: type,
        singular: Singular | None = None,
    ) -> None:
        self._fun, self._bc, self._fun_jac, self._bc_jac = functions
        self._n, self._n_p, self._dtype, self._singular = n, n_p, dtype, singular
        self._factor = 2 if dtype is complex else 1
        self.n, self.n_p = self._factor * n, self._factor * n_p

    @property
    def singular(self) -> bool:
        """Whether there is a singular term."""
        return self._singular is not None

    def check(self, x: Array, y: NDArray[Any], p: NDArray[Any]) -> None:
        """Call everything once at the guess, so that what does not fit is said in the shapes that the user knows."""
        if not (np.isfinite(y).all() and np.isfinite(p).all()):
            return
        with np.errstate(all="ignore"):
            f = checked(self._fun(x.copy(), y.copy(), *self._parameters(p)), y.shape, "fun", self._dtype, _COMPLEX)
            value = self._conditions(y[:, 0], y[:, -1], p)
            if self._fun_jac is not None and not self._agrees(x, y, p, f):
                warn("`fun_jac` does not agree with differences of `fun`, which are used instead.", stacklevel=4)
                self._fun_jac = None
            if self._bc_jac is not None and not self._conditions_agree(y[:, 0], y[:, -1], p, value):
                warn("`bc_jac` does not agree with differences of `bc`, which are used instead.", stacklevel=4)
                self._bc_jac = None

    def _agrees(self, x: Array, y: NDArray[Any], p: NDArray[Any], f: NDArray[Any]) -> bool:
        """Whether `fun_jac` gives the change of f along one direction; where that is not finite nothing is known."""
        said = self._given_derivatives(x, y, p)
        dy = _COARSE * (1.0 + abs(y)) * np.where(np.arange(len(y)) % 2, -1.0, 1.0)[:, None]
        dp = _COARSE * (1.0 + abs(p))
        ends = [np.asarray(self._fun(x.copy(), y + t * dy, *self._parameters(p + t * dp))) for t in (0.5, -0.5)]
        change = ends[0] - ends[1]
        direction = np.concatenate([dy, np.repeat(dp[:, None], x.size, axis=1)])
        terms = np.einsum("klm,lm->km", abs(said), abs(direction))
        off = abs(np.einsum("klm,lm->km", said, direction) - change)
        allowed = _DISAGREE * (terms + abs(change) + _COARSE * (abs(f) + abs(change).max()))
        return bool(((off <= allowed) | ~np.isfinite(off)).all())

    def _conditions_agree(self, ya: NDArray[Any], yb: NDArray[Any], p: NDArray[Any], value: NDArray[Any]) -> bool:
        """Whether `bc_jac` agrees with differences of `bc`; where those are not finite nothing is known."""
        said = self._given_conditions(ya, yb, p)
        found = self._conditions_differences(np.concatenate([ya, yb, p]), value)
        allowed = _DISAGREE * (abs(said) + abs(found) + abs(said).max() * _COARSE) + 1e-6 * (1.0 + abs(value))[:, None]
        off = abs(said - found)
        return bool(((off <= allowed) | ~np.isfinite(off)).all())

    def pack(self, y: NDArray[Any]) -> Array:
        """Real and imaginary parts one after the other along the first axis; a real array as it is."""
        return np.concatenate([y.real, y.imag]) if self._factor == 2 else y

    def unpack(self, y: Array) -> NDArray[Any]:
        """The inverse of `pack`."""
        half = len(y) // 2
        return y[:half] + 1j * y[half:] if self._factor == 2 else y

    def __call__(self, x: Array, y: Array, p: Array) -> Array:
        """The right-hand side with the singular term, (n, m), at the points x (m,); not finite at a if there is one."""
        if self._factor == 1:  # nothing to unpack, in the innermost loop
            return self._f(x, y, p)
        return self.pack(self._f(x, self.unpack(y), self.unpack(p)))

    def jacobian(self, x: Array, y: Array, p: Array, f: Array) -> Array:
        """Its derivatives by y and, after them, by p: (n, n + n_p, m). f: the value there."""
        jac = self._derivatives(x, self.unpack(y), self.unpack(p), self.unpack(f))
        if self._singular is not None:
            jac[:, : self._n] += self._singular.S[:, :, None] / (x - self._singular.a)
        return self._packed_matrix(jac, (self._n, self._n_p))

    def conditions(self, start: Array, end: Array, p: Array) -> Array:
        """The residual of the boundary conditions, (n + n_p,)."""
        if self._factor == 1:
            return self._conditions(start, end, p)
        return self.pack(self._conditions(self.unpack(start), self.unpack(end), self.unpack(p)))

    def conditions_jacobian(self, start: Array, end: Array, p: Array, value: Array) -> Array:
        """Its derivatives by the values at the start, at the end and by p: (n + n_p, 2 n + n_p). value: itself."""
        n, n_p = self._n, self._n_p
        ya, yb, q = self.unpack(start), self.unpack(end), self.unpack(p)
        if self._bc_jac is not None:
            matrix = self._given_conditions(ya, yb, q)
        else:
            matrix = self._conditions_differences(np.concatenate([ya, yb, q]), self.unpack(value))
        return self._packed_matrix(matrix, (n, n, n_p))

    def _parameters(self, p: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return (p.copy(),) if self._n_p else ()

    def _f(self, x: Array, y: NDArray[Any], p: NDArray[Any]) -> NDArray[Any]:
        f = checked(self._fun(x.copy(), y.copy(), *self._parameters(p)), y.shape, "fun", self._dtype, _COMPLEX)
        if self._singular is not None:
            f = f + self._singular.S @ y / (x - self._singular.a)
        return f

    def _conditions(self, ya: NDArray[Any], yb: NDArray[Any], p: NDArray[Any]) -> NDArray[Any]:
        value = self._bc(ya.copy(), yb.copy(), *self._parameters(p))
        return checked(value, (self._n + self._n_p,), "bc", self._dtype, _COMPLEX)

    def _derivatives(self, x: Array, y: NDArray[Any], p: NDArray[Any], f: NDArray[Any]) -> NDArray[Any]:
        """df/dy and df/dp without the singular term's, (n, n + n_p, m), the user's or forward differences."""
        n, m = y.shape
        if self._fun_jac is not None:
            return self._given_derivatives(x, y, p)
        jac: NDArray[Any] = np.empty((n, n + self._n_p, m), dtype=self._dtype)
        if self._singular is not None:
            f = f - self._singular.S @ y / (x - self._singular.a)
        fun, parameters = self._fun, self._parameters(p)
        for k in range(n):
            moved = y.copy()
            moved[k] += _STEP * (1.0 + abs(y[k]))
            step = moved[k] - y[k]
            jac[:, k] = (checked(fun(x.copy(), moved, *parameters), y.shape, "fun", self._dtype, _COMPLEX) - f) / step
        for k in range(self._n_p):
            other = p.copy()
            other[k] += _STEP * (1.0 + abs(p[k]))
            step = other[k] - p[k]
            jac[:, n + k] = (checked(fun(x.copy(), y.copy(), other), y.shape, "fun", self._dtype, _COMPLEX) - f) / step
        return jac

    def _given_derivatives(self, x: Array, y: NDArray[Any], p: NDArray[Any]) -> NDArray[Any]:
        """What `fun_jac` returns, df/dp after df/dy."""
        n, m = y.shape
        shapes = [(n, n, m)] + [(n, self._n_p, m)] * (self._n_p > 0)
        value = self._fun_jac(x.copy(), y.copy(), *self._parameters(p)) if self._fun_jac is not None else None
        return np.concatenate(_parts(value, shapes, "fun_jac", self._dtype), axis=1)

    def _given_conditions(self, ya: NDArray[Any], yb: NDArray[Any], p: NDArray[Any]) -> NDArray[Any]:
        """What `bc_jac` returns, side by side."""
        rows = self._n + self._n_p
        shapes = [(rows, self._n), (rows, self._n)] + [(rows, self._n_p)] * (self._n_p > 0)
        value = self._bc_jac(ya.copy(), yb.copy(), *self._parameters(p)) if self._bc_jac is not None else None
        return np.hstack(_parts(value, shapes, "bc_jac", self._dtype))

    def _conditions_differences(self, v: NDArray[Any], value: NDArray[Any]) -> NDArray[Any]:
        n = self._n
        matrix: NDArray[Any] = np.empty((value.size, v.size), dtype=self._dtype)
        for k in range(v.size):
            moved = v.copy()
            moved[k] += _STEP * (1.0 + abs(v[k]))
            change = self._conditions(moved[:n], moved[n : 2 * n], moved[2 * n :]) - value
            matrix[:, k] = change / (moved[k] - v[k])
        return matrix

    def _packed_matrix(self, matrix: NDArray[Any], widths: tuple[int, ...]) -> Array:
        """A complex-linear map between packed vectors; its columns are groups of these widths, each packed alone."""
        if self._factor == 1:
            return matrix
        groups = np.split(matrix, np.cumsum(widths)[:-1], axis=1)
        real = [np.concatenate([g.real, -g.imag], axis=1) for g in groups]
        imaginary = [np.concatenate([g.imag, g.real], axis=1) for g in groups]
        return np.concatenate([np.concatenate(real, axis=1), np.concatenate(imaginary, axis=1)])


class Limited:
    """A problem whose slopes are bounded: f / sqrt(1 + (f/M)**2) with M (n, 1) instead of f.

    Where f is zero it stays zero, and layers become as wide as M allows: where to start from when Newton's iteration
    fails on the problem itself.
    """

    def __init__(self, problem: BoundaryProblem, M: Array) -> None:
        self._problem, self._M = problem, M
        self.n, self.n_p = problem.n, problem.n_p
        self.conditions, self.conditions_jacobian = problem.conditions, problem.conditions_jacobian

    def __call__(self, x: Array, y: Array, p: Array) -> Array:
        """The bounded value."""
        f = self._problem(x, y, p)
        return np.asarray(f / np.sqrt(1.0 + (f / self._M) ** 2))

    def jacobian(self, x: Array, y: Array, p: Array, f: Array) -> Array:
        """As in `BoundaryProblem`; f: the bounded value."""
        whole = f / np.sqrt(np.maximum(1.0 - (f / self._M) ** 2, 1e-12))
        jac = self._problem.jacobian(x, y, p, whole)
        return np.asarray(jac * ((1.0 + (whole / self._M) ** 2) ** -1.5)[:, None])


def _parts(value: Any, shapes: Sequence[tuple[int, ...]], name: str, dtype: type) -> list[NDArray[Any]]:
    """What a Jacobian returned, as arrays of these shapes; one array alone need not be in a tuple."""
    if len(shapes) == 1 and not isinstance(value, tuple):
        value = (value,)
    if not isinstance(value, (tuple, list)) or len(value) != len(shapes):
        came = f"{len(value)} of them" if isinstance(value, (tuple, list)) else type(value).__name__
        raise ValueError(f"`{name}` must return {len(shapes)} arrays of shapes {shapes}, it returned {came}.")
    return [checked(part, shape, name, dtype) for part, shape in zip(value, shapes, strict=True)]
