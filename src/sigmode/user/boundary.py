"""A boundary value problem as the user gives it: called, checked, differentiated, complex numbers as pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Number, Real
from .differences import alternating, disagreement, forward, replaced
from .results import checked, parts

__all__ = ["BoundaryProblem", "BoundedSlopes", "Singular"]

# How close to the bound a bounded slope is taken to be at most, as 1 - (f/M)**2. Not tuned.
_AT_THE_BOUND = 1e-12
_COMPLEX = "pass the guess `y` with a complex dtype"


class Singular(NamedTuple):
    """The term S y / (x - a), S (n, n)."""

    S: Number
    a: float


class BoundaryProblem:
    """``y' = f(x, y, p) + S y/(x - a)``, ``bc(y(a), y(b), p) = 0`` in the convention of `scipy.integrate.solve_bvp`.

    Everything that goes in and comes out is real: a complex problem has its real parts first, then its imaginary
    parts. What the user's functions raise passes through untouched.

    Attributes
    ----------
    n, n_p : int, real unknown functions and real unknown parameters
    """

    way = ""

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

    def check(self, x: Real, y: Number, p: Number) -> None:
        """Call everything once at the guess, so that what does not fit is said in the shapes that the user knows."""
        if not (np.isfinite(y).all() and np.isfinite(p).all()):
            return
        with np.errstate(all="ignore"):
            f = self._called(x, y, p)
            value = self._conditions(y[:, 0], y[:, -1], p)
            if self._fun_jac is not None and self._is_wrong(x, y, p, f):
                replaced("fun_jac", "fun")
                self._fun_jac = None
            if self._bc_jac is not None and self._conditions_are_wrong(np.concatenate([y[:, 0], y[:, -1], p]), value):
                replaced("bc_jac", "bc")
                self._bc_jac = None

    def _is_wrong(self, x: Real, y: Number, p: Number, f: Number) -> bool:
        """Whether `fun_jac` disagrees with the change of f along one direction at one of the points."""
        said = self._given_derivatives(x, y, p)
        dy, dp = alternating(1.0 + abs(y)), alternating(1.0 + abs(p))
        direction = np.concatenate([dy, np.repeat(dp[:, None], x.size, axis=1)])
        along = np.einsum("klm,lm->km", said, direction)
        terms = np.einsum("klm,lm->km", abs(said), abs(direction))
        return bool(disagreement(lambda t: self._called(x, y + t * dy, p + t * dp), along, terms, f).any())

    def _conditions_are_wrong(self, v: Number, value: Number) -> bool:
        """Whether `bc_jac` disagrees with the change of `bc` along one of the arguments v."""
        steps = np.diag(abs(alternating(1.0 + abs(v))))
        said = self._given_conditions(*self._ends(v)) @ steps
        if not np.isfinite(said).all():
            return True
        moved = lambda t: np.array([self._conditions_of(v + t * step) for step in steps]).T
        return bool(disagreement(moved, said, abs(said), value[:, None]).any())

    def pack(self, y: Number) -> Real:
        """Real and imaginary parts one after the other along the first axis; a real array as it is."""
        return np.concatenate([y.real, y.imag]) if self._factor == 2 else y

    def unpack(self, y: Real) -> Number:
        """The inverse of `pack`."""
        half = len(y) // 2
        return y[:half] + 1j * y[half:] if self._factor == 2 else y

    def __call__(self, x: Real, y: Real, p: Real) -> Real:
        """The right-hand side with the singular term, (n, m), at the points x (m,); not finite at a if there is one."""
        if self._factor == 1:  # nothing to unpack, in the innermost loop
            return self._f(x, y, p)
        return self.pack(self._f(x, self.unpack(y), self.unpack(p)))

    def jacobian(self, x: Real, y: Real, p: Real, f: Real) -> Real:
        """Its derivatives by y and, after them, by p: (n, n + n_p, m). f: the value there."""
        jac = self._derivatives(x, self.unpack(y), self.unpack(p), self.unpack(f))
        if self._singular is not None:
            jac[:, : self._n] += self._singular.S[:, :, None] / (x - self._singular.a)
        return self._packed_matrix(jac, (self._n, self._n_p))

    def conditions(self, start: Real, end: Real, p: Real) -> Real:
        """The residual of the boundary conditions, (n + n_p,)."""
        if self._factor == 1:
            return self._conditions(start, end, p)
        return self.pack(self._conditions(self.unpack(start), self.unpack(end), self.unpack(p)))

    def conditions_jacobian(self, start: Real, end: Real, p: Real, value: Real) -> Real:
        """Its derivatives by the values at the start, at the end and by p: (n + n_p, 2 n + n_p). value: itself."""
        n, n_p = self._n, self._n_p
        ya, yb, q = self.unpack(start), self.unpack(end), self.unpack(p)
        if self._bc_jac is not None:
            matrix = self._given_conditions(ya, yb, q)
        else:
            matrix = forward(self._conditions_of, np.concatenate([ya, yb, q]), self.unpack(value))
        return self._packed_matrix(matrix, (n, n, n_p))

    def _parameters(self, p: Number) -> tuple[Number, ...]:
        return (p.copy(),) if self._n_p else ()

    def _called(self, x: Real, y: Number, p: Number) -> Number:
        return checked(self._fun(x.copy(), y.copy(), *self._parameters(p)), y.shape, "fun", self._dtype, _COMPLEX)

    def _f(self, x: Real, y: Number, p: Number) -> Number:
        f = self._called(x, y, p)
        if self._singular is not None:
            f = f + self._singular.S @ y / (x - self._singular.a)
        return f

    def _conditions(self, ya: Number, yb: Number, p: Number) -> Number:
        value = self._bc(ya.copy(), yb.copy(), *self._parameters(p))
        return checked(value, (self._n + self._n_p,), "bc", self._dtype, _COMPLEX)

    def _derivatives(self, x: Real, y: Number, p: Number, f: Number) -> Number:
        """df/dy and df/dp without the singular term's, (n, n + n_p, m), the user's or forward differences."""
        if self._fun_jac is not None:
            return self._given_derivatives(x, y, p)
        if self._singular is not None:
            f = f - self._singular.S @ y / (x - self._singular.a)
        by_y = forward(lambda moved: self._called(x, moved, p), y, f)
        if not self._n_p:
            return by_y
        return np.concatenate([by_y, forward(lambda moved: self._called(x, y, moved), p, f)], axis=1)

    def _given_derivatives(self, x: Real, y: Number, p: Number) -> Number:
        """What `fun_jac` returns, df/dp after df/dy."""
        n, m = y.shape
        shapes = [(n, n, m)] + [(n, self._n_p, m)] * (self._n_p > 0)
        value = self._fun_jac(x.copy(), y.copy(), *self._parameters(p)) if self._fun_jac is not None else None
        return np.concatenate(parts(value, shapes, "fun_jac", self._dtype), axis=1)

    def _given_conditions(self, ya: Number, yb: Number, p: Number) -> Number:
        """What `bc_jac` returns, side by side."""
        rows = self._n + self._n_p
        shapes = [(rows, self._n), (rows, self._n)] + [(rows, self._n_p)] * (self._n_p > 0)
        value = self._bc_jac(ya.copy(), yb.copy(), *self._parameters(p)) if self._bc_jac is not None else None
        return np.ascontiguousarray(np.hstack(parts(value, shapes, "bc_jac", self._dtype)))

    def _ends(self, v: Number) -> tuple[Number, Number, Number]:
        """ya, yb and p out of one vector."""
        return v[: self._n], v[self._n : 2 * self._n], v[2 * self._n :]

    def _conditions_of(self, v: Number) -> Number:
        return self._conditions(*self._ends(v))

    def _packed_matrix(self, matrix: Number, widths: tuple[int, ...]) -> Real:
        """A complex-linear map between packed vectors; its columns are groups of these widths, each packed alone."""
        if self._factor == 1:
            return matrix
        groups = np.split(matrix, np.cumsum(widths)[:-1], axis=1)
        real = [np.concatenate([g.real, -g.imag], axis=1) for g in groups]
        imaginary = [np.concatenate([g.imag, g.real], axis=1) for g in groups]
        return np.concatenate([np.concatenate(real, axis=1), np.concatenate(imaginary, axis=1)])


class BoundedSlopes:
    """A problem whose slopes are bounded: f / sqrt(1 + (f/M)**2) with M (n, 1) instead of f.

    Where f is zero it stays zero, and layers become as wide as M allows: where to start from when Newton's iteration
    fails on the problem itself.
    """

    way = "bounded slopes"

    def __init__(self, problem: BoundaryProblem, M: Real) -> None:
        self._problem, self._M = problem, M
        self.n, self.n_p = problem.n, problem.n_p
        self.conditions, self.conditions_jacobian = problem.conditions, problem.conditions_jacobian

    def __call__(self, x: Real, y: Real, p: Real) -> Real:
        """The bounded value."""
        f = self._problem(x, y, p)
        return np.asarray(f / np.sqrt(1.0 + (f / self._M) ** 2))

    def jacobian(self, x: Real, y: Real, p: Real, f: Real) -> Real:
        """As in `BoundaryProblem`; f: the bounded value."""
        whole = f / np.sqrt(np.maximum(1.0 - (f / self._M) ** 2, _AT_THE_BOUND))
        jac = self._problem.jacobian(x, y, p, whole)
        return np.asarray(jac * ((1.0 + (whole / self._M) ** 2) ** -1.5)[:, None])
