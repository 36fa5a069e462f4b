"""One window of a marching solution: predicted, solved by Newton's method, judged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .basis import Basis
from .field import VectorField
from .linear import Shifted, Solvers, shifted

Array = NDArray[Any]

__all__ = ["CHEAP_JACOBIAN", "Window", "make_window"]

CHEAP_JACOBIAN = 10  # equations for which df/dy is made anew in each window

# One dense system of so many unknowns is faster than s systems of n, and may follow df/dy from node to node
# (`bench/test_ivp.py`, threshold).
_ONE_SYSTEM = 100
# Status of a Newton iteration, as the kernels number it.
_CONVERGED, _HOPELESS, _WRONG_LENGTH = 1, 2, 3


def make_window(basis: Basis, field: VectorField, atol: Array, rtol: Array) -> Window:
    """The window that suits the size and kind of the problem."""
    small = field.n * basis.s <= _ONE_SYSTEM and field.dtype.kind == "f"
    return (OneSystem if small else ManySystems)(basis, field, atol, rtol)


class Window:
    """A workspace for windows of one problem, used again for each.

    The weights of an error are ``atol + rtol |y|``, arrays (n,).

    Attributes
    ----------
    Y, K : (s, n), values and slopes at the nodes, once `solve` has returned True
    legendre : (s, n), coefficients of the slopes, once `estimate` has been called
    """

    def __init__(self, basis: Basis, field: VectorField, atol: Array, rtol: Array) -> None:
        self.basis, self.field, self.atol, self.rtol = basis, field, atol, rtol
        self._stages = np.zeros((4, basis.s, field.n), dtype=field.dtype)
        self.Y, self.K = self._stages[0], self._stages[1]
        self.legendre = np.zeros((basis.s, field.n), dtype=field.dtype)
        self._history = np.zeros(4)

    @property
    def sweeps(self) -> int:
        """Newton sweeps in the last window."""
        return int(self._history[0])

    @property
    def rate(self) -> float:
        """The last step relative to the one before."""
        return float(self._history[2])

    @property
    def step(self) -> float:
        """The last step of Newton's method in units of the tolerance."""
        return float(self._history[1])

    @property
    def nlu(self) -> int:
        """Matrices factorised so far."""
        return int(self._history[3])

    def predict(self, legendre: Array, degree: int, offset: float, ratio: float, y: Array, h: float) -> None:
        """Start values Y from an earlier window's slopes, continued to ``offset + ratio xi`` of it."""
        raise NotImplementedError

    def solve(self, t: Array, y: Array, h: float, df_dy: Any) -> bool:
        """Newton's method for Y = y + h A f(t, Y) from the present Y; whether it converged."""
        raise NotImplementedError

    def estimate(self, y: Array, slope: Array, h: float, df_dy: Any) -> float:
        """The local error in units of the tolerance; slope is f at the start."""
        raise NotImplementedError

    def bad_node(self) -> tuple[int, int] | None:
        """The first node and component where f is not finite, or None."""
        bad = np.argwhere(~np.isfinite(self._stages[1:3]).all(axis=0))
        return (int(bad[0, 0]), int(bad[0, 1])) if bad.size else None


class OneSystem(Window):
    """All nodes in one system; df/dy of each node follows its own secants (Broyden 1965). Compiled."""

    def __init__(self, basis: Basis, field: VectorField, atol: Array, rtol: Array) -> None:
        super().__init__(basis, field, atol, rtol)
        size = basis.s * field.n
        self._J = np.empty((basis.s, field.n, field.n))
        self._M = np.empty((size, size))
        self._pivots = np.empty(size, dtype=np.int64)

    def predict(self, legendre: Array, degree: int, offset: float, ratio: float, y: Array, h: float) -> None:
        kernels.predict(self.basis.A, self.basis.nodes, legendre, degree, offset, ratio, y, h, self.Y)

    def solve(self, t: Array, y: Array, h: float, df_dy: Any) -> bool:
        self._history[:3] = 0.0
        self._J[:] = df_dy
        arguments = (self.basis.A, y, h, self._J, self._stages, self.atol, self.rtol, self._history)
        work = (self._M, self._pivots, not self.field.constant)
        if self.field.address:
            status = kernels.window(self.field.address, t, *arguments, *work)
            self.field.nfev += self.sweeps * t.size
            if status == _WRONG_LENGTH:
                self.field.nodes(t, self.Y, self.K)  # says what is wrong
            return bool(status == _CONVERGED)
        while True:
            self.field.nodes(t, self.Y, self.K)
            status = kernels.newton(*arguments, *work)
            if status:
                return bool(status == _CONVERGED)

    def estimate(self, y: Array, slope: Array, h: float, df_dy: Any) -> float:
        basis = self.basis
        first = float(basis.nodes[0])
        fixed = (basis.to_legendre, basis.difference, first, slope)
        return kernels.estimate(*fixed, y, h, df_dy, self._stages, self.atol, self.rtol, self.legendre)


class ManySystems(Window):
    """One system of n unknowns per eigenvalue of the integration matrix (Butcher 1976); df/dy is that of the start.

    For real problems the conjugate eigenvalues come for free. Sparse matrices stay sparse. Complex problems, too.
    """

    def __init__(self, basis: Basis, field: VectorField, atol: Array, rtol: Array) -> None:
        super().__init__(basis, field, atol, rtol)
        self._of: Any = None
        self._systems: Shifted | None = None
        self._solvers: Solvers | None = None

    def _systems_of(self, df_dy: Any) -> Shifted:
        if self._systems is None or df_dy is not self._of:
            self._of, self._systems = df_dy, shifted(df_dy)
        return self._systems

    def predict(self, legendre: Array, degree: int, offset: float, ratio: float, y: Array, h: float) -> None:
        at = 2.0 * (offset + ratio * self.basis.nodes) - 1.0
        slopes = np.polynomial.legendre.legvander(at, degree) @ legendre[: degree + 1]
        self.Y[:] = y + h * (self.basis.A @ slopes)

    def solve(self, t: Array, y: Array, h: float, df_dy: Any) -> bool:
        history, A, eigen = self._history, self.basis.A, self.basis.eigen
        history[:3] = 0.0
        half = self.field.dtype.kind == "f"
        used = np.flatnonzero(eigen.values.imag >= 0.0) if half else np.arange(t.size)
        twice = np.where(eigen.values[used].imag > 0.0, 2.0, 1.0) if half else np.ones(t.size)
        factors = h * eigen.values[used]
        solvers = self._solvers = self._systems_of(df_dy).solvers(factors)
        if solvers is None:
            return False
        history[3] += factors.size
        back = eigen.vectors[:, used] * twice
        into = eigen.inverse[used]
        status = 0
        while not status:
            self.field.nodes(t, self.Y, self.K)
            gap = (y - self.Y) + h * (A @ self.K)
            if not np.isfinite(gap).all():
                return False
            step: Array = back @ solvers.all(into @ gap)
            step = step.real if half else step
            self.Y += step
            self._stages[2] = self.K
            self.K += (df_dy @ step.T).T
            weight = self.atol + self.rtol * np.maximum(abs(y), abs(self.Y))
            status = kernels.verdict(float((abs(step) / weight).max()), history)
        return status == _CONVERGED

    def estimate(self, y: Array, slope: Array, h: float, df_dy: Any) -> float:
        s = self.basis.s
        self.legendre[:] = self.basis.to_legendre @ self.K
        assert self._solvers is not None
        filtered = self._solvers.last  # the eigenvalue closest to the real axis in the place of 1/(2s)
        weight = self.atol + self.rtol * np.maximum(abs(y), abs(self.Y[-1]))
        last, decay = _tail(self.legendre)
        signs = np.where(np.arange(s) % 2, -1.0, 1.0)
        missed = h * self.basis.nodes[0] * (signs @ self.legendre - slope)
        tail = abs(filtered(np.array([h / s * last * decay, missed]).T)).max(axis=1) / weight
        last, decay = _tail(self.basis.to_legendre[-4:] @ self.Y)
        own = np.where(decay < 0.5, last * decay**2, 0.0) / weight
        second = filtered((h * (self.basis.difference @ self.K)).T).T
        second = abs(second) / (self.atol + self.rtol * np.maximum(abs(y), abs(self.Y)))
        return float(max(tail.max(), own.max()) + second.max())


def _tail(legendre: Array) -> tuple[Array, Array]:
    """The last coefficients of a series, (n,), and the factor by which two more make them smaller."""
    size = abs(legendre)
    last, before = size[-2:].max(axis=0), size[-4:-2].max(axis=0)
    return last, np.clip(last / np.maximum(before, np.finfo(float).tiny), 0.03, 1.0)
