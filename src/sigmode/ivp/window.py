"""One window of a marching solution: predicted, solved by Newton's method, judged. docs/windows.md derives it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Number, Real
from ..compiled import series
from ..compiled import window as compiled
from ..trial.basis import Basis
from ..user.field import VectorField
from .shifted import Shifted, Solvers, shifted

__all__ = ["CHEAP_JACOBIAN", "Window", "make_window"]

CHEAP_JACOBIAN = 10  # equations up to which df/dy is made anew in each window; not tuned

# Unknowns s n up to which one dense system is faster than s systems of n; it may follow df/dy from node to node
# (`bench/test_ivp.py`, threshold).
_ONE_SYSTEM = 100


def make_window(basis: Basis, field: VectorField, atol: Real, rtol: Real) -> Window:
    """The window that suits the size and kind of the problem."""
    small = field.n * basis.s <= _ONE_SYSTEM and field.dtype.kind == "f"
    return (OneSystem if small else ManySystems)(basis, field, atol, rtol)


class Window:
    """A workspace for windows of one problem, used again for each.

    The weights of an error are ``atol + rtol |y|``, arrays (n,). In compiled code complex values are pairs of real
    ones.

    Attributes
    ----------
    Y, K : (s, n), values and slopes at the nodes, once `solve` has returned True
    legendre : (s, n), coefficients of the slopes, once `estimate` has been called
    sweeps : int, those of Newton's method in the last window
    step, rate : float, the last of its steps in units of the tolerance, and relative to the one before
    nlu : int, matrices factorised so far
    """

    def __init__(self, basis: Basis, field: VectorField, atol: Real, rtol: Real) -> None:
        self.basis, self.field, self.atol, self.rtol = basis, field, atol, rtol
        shape = basis.s, field.n
        self.Y, self.K, self._before, self._step = (np.zeros(shape, dtype=field.dtype) for _ in range(4))
        self.legendre = np.zeros(shape, dtype=field.dtype)
        self.sweeps = self.nlu = 0
        self.step = self.rate = 0.0
        pairs = _pairs(self.Y).shape[1]
        self._parts, self._own = np.empty((2 + basis.s, pairs)), np.empty(pairs)

    def predict(self, legendre: Number, degree: int, offset: float, ratio: float, y: Number, h: float) -> None:
        """Start values Y from an earlier window's slopes, continued to ``offset + ratio xi`` of it."""
        series.continued(self.basis.nodes, _pairs(legendre), degree, offset, ratio, _pairs(self.K))
        np.matmul(self.basis.A, self.K, out=self.Y)
        self.Y *= h
        self.Y += y

    def solve(self, t: Real, y: Number, h: float, df_dy: Any) -> bool:
        """Newton's method for Y = y + h A f(t, Y) from the present Y; whether it converged."""
        raise NotImplementedError

    def estimate(self, y: Number, slope: Number, h: float, df_dy: Any) -> float:
        """The local error in units of the tolerance; slope is f at the start."""
        basis, s = self.basis, self.basis.s
        judged = basis.judging @ self.K
        of_values = _pairs(basis.to_legendre[-4:] @ self.Y)
        parts, own, first = self._parts, self._own, float(basis.nodes[0])
        compiled.neglected(_pairs(judged[:s]), of_values, slope.view(float), h, first, parts, own)
        np.multiply(h, _pairs(judged[s:]), out=parts[2:])
        filtered = self._filter(parts, h, df_dy)
        if filtered is None:
            return np.inf
        self.legendre[:] = judged[:s]
        return compiled.weighed(filtered, _size(own, y), *_sizes(y, self.Y), self.atol, self.rtol)

    def _filter(self, parts: Real, h: float, df_dy: Any) -> Real | None:
        """Each row of parts, (2 + s, n or pairs), through the inverse of I - h g J; sizes, (2 + s, n)."""
        raise NotImplementedError

    def bad_node(self) -> tuple[int, int] | None:
        """The first node and component where f is not finite, or None."""
        bad = np.argwhere(~(np.isfinite(self.K) & np.isfinite(self._before)))
        return (int(bad[0, 0]), int(bad[0, 1])) if bad.size else None


class OneSystem(Window):
    """All nodes in one system; df/dy of each node follows its own secants (Broyden 1965). Compiled."""

    def __init__(self, basis: Basis, field: VectorField, atol: Real, rtol: Real) -> None:
        super().__init__(basis, field, atol, rtol)
        s, n = basis.s, field.n
        self._J = np.empty((s, n, n))
        self._M = np.empty((s * n, s * n))
        self._right = np.empty(s * n)
        self._pivots = np.empty(s * n, dtype=np.int64)
        self._small, self._small_pivots = np.empty((n, n)), np.empty(n, dtype=np.int64)

    def solve(self, t: Real, y: Number, h: float, df_dy: Any) -> bool:
        self._J[:] = df_dy
        tables = self.basis.A, y, h, self._J
        stages = self.Y, self.K, self._before, self._step, self._right
        system = self.atol, self.rtol, self._M, self._pivots, not self.field.constant
        if self.field.address:
            found = compiled.solve_window(self.field.address, t, *tables, *stages, *system)
            status, self.sweeps, self.step, self.rate, factorised = found
            self.nlu += factorised
            self.field.nfev += self.sweeps * t.size
            if status == compiled.WRONG_LENGTH:
                self.field.nodes(t, self.Y, self.K)  # says what is wrong
            return bool(status == compiled.CONVERGED)
        self.sweeps, self.step, self.rate = 0, 0.0, 0.0
        status = compiled.NOT_YET
        while status == compiled.NOT_YET:
            self.field.nodes(t, self.Y, self.K)
            last = self.step
            self.step, fresh = compiled.newton_sweep(*tables, *stages, *system, self.sweeps, self.rate)
            status, self.rate = compiled.verdict(self.step, self.sweeps, last, self.rate)
            self.sweeps += 1
            self.nlu += fresh
        return status == compiled.CONVERGED

    def _filter(self, parts: Real, h: float, df_dy: Any) -> Real | None:
        shift = h / (2 * self.basis.s)
        return parts if compiled.filtered(shift, df_dy, parts, self._small, self._small_pivots) else None


class ManySystems(Window):
    """One system of n unknowns per eigenvalue of the integration matrix (Butcher 1976); df/dy is that of the start.

    For real problems the conjugate eigenvalues come for free. Sparse matrices stay sparse. Complex problems, too.
    """

    def __init__(self, basis: Basis, field: VectorField, atol: Real, rtol: Real) -> None:
        super().__init__(basis, field, atol, rtol)
        self._of: Any = None
        self._systems: Shifted | None = None
        self._solvers: Solvers | None = None

    def _systems_of(self, df_dy: Any) -> Shifted:
        if self._systems is None or df_dy is not self._of:
            self._of, self._systems = df_dy, shifted(df_dy)
        return self._systems

    def solve(self, t: Real, y: Number, h: float, df_dy: Any) -> bool:
        A, eigen = self.basis.A, self.basis.eigen
        self.sweeps, self.step, self.rate = 0, 0.0, 0.0
        half = self.field.dtype.kind == "f"
        away = abs(eigen.values.imag)
        used = np.flatnonzero(eigen.values.imag >= 0.0) if half else np.argsort(-away, kind="stable")
        twice = np.where(eigen.values[used].imag > 0.0, 2.0, 1.0) if half else np.ones(t.size)
        factors = h * eigen.values[used]
        solvers = self._solvers = self._systems_of(df_dy).solvers(factors)
        if solvers is None:
            return False
        self.nlu += factors.size
        back = eigen.vectors[:, used] * twice
        into = eigen.inverse[used]
        status = compiled.NOT_YET
        while status == compiled.NOT_YET:
            self.field.nodes(t, self.Y, self.K)
            gap = (y - self.Y) + h * (A @ self.K)
            if not np.isfinite(gap).all():
                return False
            step: Number = back @ solvers.all(into @ gap)
            step = step.real if half else step
            self.Y += step
            self._before[:] = self.K
            self.K += (df_dy @ step.T).T
            weight = self.atol + self.rtol * np.maximum(abs(y), abs(self.Y))
            last, self.step = self.step, float((abs(step) / weight).max())
            status, self.rate = compiled.verdict(self.step, self.sweeps, last, self.rate)
            self.sweeps += 1
        return status == compiled.CONVERGED

    def _filter(self, parts: Real, h: float, df_dy: Any) -> Real | None:
        """By the eigenvalue closest to the real axis, where `OneSystem` has 1/(2s): its factors are there."""
        assert self._solvers is not None
        rows = parts.view(self.field.dtype)
        return np.ascontiguousarray(abs(self._solvers.last(rows.T).T))


def _pairs(values: Number) -> Real:
    """An array (m, n) in C order as it is, or with real and imaginary parts side by side, (m, 2 n)."""
    return values.view(float)


def _size(values: Real, like: Number) -> Real:
    """Sizes of the numbers of the type of `like` whose parts these are, (n,)."""
    return values if like.dtype.kind == "f" else abs(values.view(like.dtype))


def _sizes(y: Number, Y: Number) -> tuple[Real, Real]:
    return (y, Y) if y.dtype.kind == "f" else (abs(y), abs(Y))
