"""One window of a marching solution: predicted, solved by Newton's method, judged. docs/windows.md derives it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ..arrays import Index, Number, Real
from ..compiled import between
from ..compiled.asking import FAILED, PARTS, go_beside, go_on
from ..compiled.between import sweep
from ..compiled.python import Asked
from ..compiled.series import continued
from ..compiled.window import CONVERGED, HARDLY_MOVES, NOT_YET, neglected, verdict, weighed
from ..trial.basis import Basis
from ..user.field import VectorField
from .secants import Secants
from .shifted import Shifted, Solvers, shifted

__all__ = ["ManySystems", "Window", "make_window", "one_system"]

# Unknowns s n up to which one dense system is faster than s systems of n; it may follow df/dy from node to node
# (`bench/test_ivp.py`, threshold).
_ONE_SYSTEM = 100


def make_window(basis: Basis, field: VectorField, atol: Real, rtol: Real) -> Window:
    """The window that suits the size and kind of the problem."""
    return (OneSystem if one_system(basis, field) else ManySystems)(basis, field, atol, rtol)


def one_system(basis: Basis, field: VectorField) -> bool:
    """Whether all nodes of a window are one dense system of real numbers."""
    return field.n * basis.s <= _ONE_SYSTEM and field.dtype.kind == "f"


class Window:
    """A workspace for windows of one problem, used again for each.

    The weights of an error are ``atol + rtol |y|``, arrays (n,). In compiled code complex values are pairs of real
    ones.

    Attributes
    ----------
    Y, K : (s, n), values and slopes at the nodes, once `solve` has returned True; before : f there in the last sweep
    legendre : (s, n), coefficients of the slopes, once the error is known
    sweeps : int, those of Newton's method in the last window
    step, rate : float, the last of its steps in units of the tolerance, and relative to the one before
    error : float, the local error in units of the tolerance, or NaN, once `solve` has been told the slope at the start
    rises : bool, whether something begins to move in the window that is at rest at its start
    nlu : int, matrices factorised so far
    """

    def __init__(self, basis: Basis, field: VectorField, atol: Real, rtol: Real) -> None:
        self.basis, self.field, self.atol, self.rtol = basis, field, atol, rtol
        shape = basis.s, field.n
        self.Y, self.K, self.before, self._step = (np.zeros(shape, dtype=field.dtype) for _ in range(4))
        self.legendre = np.zeros(shape, dtype=field.dtype)
        self.sweeps = self.nlu = 0
        self.step = self.rate = 0.0
        self.error, self.rises = math.nan, False
        real = field.dtype.kind == "f"
        self._pairs = _as_they_are if real else _as_pairs
        self._size: Callable[[Number], Real] = _as_they_are if real else np.abs
        pairs = self._pairs(self.Y).shape[1]
        self._parts, self._own = np.empty((2 + basis.s, pairs)), np.empty(pairs)

    def predict(self, legendre: Number, degree: int, offset: float, ratio: float, y: Number, h: float) -> None:
        """Start values Y from an earlier window's slopes, continued to ``offset + ratio xi`` of it."""
        continued(self.basis.nodes, self._pairs(legendre), degree, offset, ratio, self._pairs(self.K))
        np.matmul(self.basis.A, self.K, out=self.Y)
        self.Y *= h
        self.Y += y

    def solve(self, t: Real, y: Number, h: float, df_dy: Any, slope: Number | None = None) -> bool:
        """Newton's method for Y = y + h A f(t, Y) from the present Y; whether it converged.

        slope : f at the start, where the local error is to be estimated, too.
        """
        raise NotImplementedError

    def bad_node(self) -> tuple[int, int] | None:
        """The first node and component where f, as it came, or else Newton's step is not finite, or None."""
        for values in (self.before, self.K):
            bad = np.argwhere(~np.isfinite(values))
            if bad.size:
                return int(bad[0, 0]), int(bad[0, 1])
        return None


class OneSystem(Window):
    """All nodes in one system; df/dy of each node follows its own secants (Broyden 1965). Compiled.

    Attributes
    ----------
    t : (m,), nodes, and room for the points that tell df/dy; rows, slopes : (m, n), values and f there, of which Y and
        K are the first ones
    df_dy : (n, n), at the start
    """

    def __init__(self, basis: Basis, field: VectorField, atol: Real, rtol: Real) -> None:
        super().__init__(basis, field, atol, rtol)
        s, n = basis.s, field.n
        points = s + n + s * n
        self.t, self.rows, self.slopes = np.empty(points), np.zeros((points, n)), np.zeros((points, n))
        self.Y, self.K = self.rows[:s], self.slopes[:s]
        self.df_dy = np.zeros((n, n))
        self._state = np.zeros(between.STATE)
        size, empty, pivots = s * n, np.empty, np.empty(s * n + n, dtype=np.int64)
        self._of_window = (
            self.before, self._step, self.df_dy, empty((s, n, n)), empty((size, size)), pivots[:size], empty(size),
            self._parts, self._own, empty((n, n)), pivots[size:],
        )  # fmt: skip
        self._still, self._zeros = np.zeros(n, dtype=np.int64), np.zeros(n)
        self._of_basis = basis.judging, basis.last_four, basis.first

    def answer(self, answering: Callable[[int], None], failed: Callable[[BaseException], None]) -> None:
        """Prepare `march`: see `compiled.asking.go_on`, whose asked and failed these are."""
        self._answering = answering, failed
        self._parts_at = np.array([part.address for part in PARTS])

    def march(
        self, numbers: Real, counts: Index, y: tuple[Real, Real, Real], small: Real, store: tuple[Real, Real, Real]
    ) -> int:
        """Go on as `compiled.march.advance`; y : three vectors, y, f and where y was at the start."""
        basis, field, asked = self.basis, self.field, self._answering
        found: int = go_on(
            self._parts_at, id(asked[0]), id(asked[1]), self._state, numbers, counts, not field.differences,
            field.constant, self.t, self.rows, self.slopes, *self._of_window, basis.nodes, basis.A,
            basis.transposed, *self._of_basis, self.legendre, self.atol, self.rtol, small, self._still, *y, *store,
        )  # fmt: skip
        return found

    def march_beside(
        self, windows: tuple[Real, Real, Real, Real], u: Real, times: Real, now: Real, small: Real, may_remain: float
    ) -> tuple[Real, Real, Real, int]:
        """A second march from `now` on: z, left and df/dy as of `compiled.compare.compare`, and the windows done.

        windows : start, end and length (K,), and y (K, n), of those of the first march u (K, s, n); times : (K, s).
        """
        (K, s, n), basis, field = u.shape, self.basis, self.field
        failed: list[BaseException] = []
        take = failed.append  # kept: compiled code has its address
        answer = lambda points: field.nodes(
            self.t[:points], self.rows[:points], self.slopes[:points], max(0, points - s)
        )
        z, left, df_dy = np.empty((K, s, n)), np.zeros(K), np.zeros((K, n, n))
        alone = Asked(field.nodes, n)
        done, made, factorised = go_beside(
            sweep.address, id(answer), id(take), alone.address, alone.words, self._state, *windows, u, times,
            self.t, self.rows, self.slopes, *self._of_window, basis.nodes, basis.A, basis.transposed, *self._of_basis,
            self.legendre, self.atol, self.rtol, small, self._still, now, field.precision.step, may_remain,
            z, left, df_dy,
        )  # fmt: skip
        if done == FAILED:
            raise (failed or alone.failed).pop()
        self.nlu += factorised
        self.field.njev += made
        return z, left, df_dy, done

    def solve(self, t: Real, y: Number, h: float, df_dy: Any, slope: Number | None = None) -> bool:
        """As of `Window`."""
        s, state, field = len(self.Y), self._state, self.field
        self.df_dy[:] = df_dy
        judge = slope is not None
        f = slope if slope is not None else y
        follow = not field.constant
        state[:] = 0.0
        state[between.POINTS], state[between.STEP] = s, field.precision.step
        said = NOT_YET
        while said == NOT_YET:
            field.nodes(t, self.Y, self.K)
            said = sweep(
                state, self._zeros, self._still, follow, judge, h, y, f, self.basis.A, self.basis.transposed, self.t,
                self.rows, self.slopes, *self._of_window, *self._of_basis, self.legendre, self.atol, self.rtol,
            )  # fmt: skip
        sweeps, self.step, self.rate, nlu, self.error, rises = state[: between.RISES + 1].tolist()
        self.sweeps, self.nlu, self.rises = int(sweeps), self.nlu + int(nlu), bool(rises)
        return said == CONVERGED


class ManySystems(Window):
    """One system of n unknowns per eigenvalue of the integration matrix (Butcher 1976); df/dy is that of the start.

    For real problems the conjugate eigenvalues come for free. Sparse matrices stay sparse. Complex problems, too.
    """

    def __init__(self, basis: Basis, field: VectorField, atol: Real, rtol: Real) -> None:
        super().__init__(basis, field, atol, rtol)
        self._of: Any = None
        self._systems: Shifted | None = None
        self._solvers: Solvers | None = None
        self._apart = False  # whether real and imaginary parts are solved and measured apart

    def _systems_of(self, df_dy: Any) -> Shifted:
        if self._systems is None or df_dy is not self._of:
            self._of = df_dy
            self._apart = self.field.dtype.kind == "c" and _nearly_real(df_dy)
            self._systems = shifted(df_dy.real if self._apart else df_dy)
        return self._systems

    def solve(self, t: Real, y: Number, h: float, df_dy: Any, slope: Number | None = None) -> bool:
        """As of `Window`."""
        self.error, self.rises = math.nan, False
        if not self._iterate(t, y, h, df_dy):
            return False
        self._stay_at_rest(y, h)
        if slope is not None:
            error = self._estimate(y, slope, h)
            self.error = error if math.isfinite(error) else math.nan
            self.rises = not y.all() and self._begins_to_move(y, slope)
        return True

    def _iterate(self, t: Real, y: Number, h: float, df_dy: Any) -> bool:
        """Newton's method; whether it converged."""
        A, eigen = self.basis.A, self.basis.eigen
        self.sweeps, self.step, self.rate = 0, 0.0, 0.0
        systems = self._systems_of(df_dy)
        half = self._apart or self.field.dtype.kind == "f"
        away = abs(eigen.values.imag)
        used = np.flatnonzero(eigen.values.imag >= 0.0) if half else np.argsort(-away, kind="stable")
        twice = np.where(eigen.values[used].imag > 0.0, 2.0, 1.0) if half else np.ones(t.size)
        factors = h * eigen.values[used]
        solvers = self._solvers = systems.solvers(factors)
        if solvers is None:
            return False
        self.nlu += factors.size
        back = eigen.vectors[:, used] * twice
        into = eigen.inverse[used]

        def solved(gap: Number) -> Number:
            return np.asarray(back @ solvers.all(into @ gap))

        secants = Secants(self._weight(y)) if self._follows() else None
        known = self.K.copy()  # the slopes that Y is the integral of
        status = NOT_YET
        while status == NOT_YET:
            self.field.nodes(t, self.Y, self.K)
            gap = (y - self.Y) + h * (A @ self.K)
            if not np.isfinite(gap).all():
                return False
            if self._apart:
                step: Number = solved(gap.real).real + 1j * solved(gap.imag).real
            else:
                step = solved(gap).real if half else solved(gap)
            self.before[:] = self.K
            change = self.K + (df_dy @ step.T).T - known
            if secants is not None:
                step, change = secants.corrected(step, change)
            self.Y += step
            known += change
            self.K[:] = known
            last, self.step = self.step, self._size_of(step, y)
            status, self.rate = verdict(self.step, self.sweeps, last, self.rate)
            self.sweeps += 1
        return status == CONVERGED

    def _follows(self) -> bool:
        """Whether earlier steps correct the next ones: df/dy is not constant, and parts of complex y are not apart."""
        return self.field.dtype.kind == "f" and not self.field.constant

    def _weight(self, y: Number) -> Real:
        """Errors that do not matter at the nodes, (s, n)."""
        return np.asarray(self.atol + self.rtol * np.maximum(abs(y), abs(self.Y)))

    def _size_of(self, step: Number, y: Number) -> float:
        """Of a step, in units of the tolerance."""
        size = float((abs(step) / self._weight(y)).max())
        if self._apart and self.Y.imag.any():
            atol, largest = self._imaginary(y)
            size = max(size, float((abs(step.imag) / (atol + self.rtol * largest)).max()))
        return size

    def _imaginary(self, y: Number) -> tuple[Real, Real]:
        """What `atol` is for imaginary parts, less as much as they are smaller, and the largest of them, (n,) each."""
        values = np.vstack([y, self.Y])
        real, imaginary = abs(values.real).max(axis=0), abs(values.imag).max(axis=0)
        tiny = np.finfo(float).tiny
        return self.atol * np.minimum(1.0, imaginary / np.maximum(real, tiny)) + tiny, imaginary

    def _stay_at_rest(self, y: Number, h: float) -> None:
        """As `compiled.window.stay_at_rest`."""
        Y, K = self.Y, self.K
        if not (abs(h) * abs(K[0]) <= HARDLY_MOVES * abs(y)).any() and self.before[0].all():
            return  # as nearly always
        still = ~self.before.any(axis=0)
        if still.any():
            Y[:, still], K[:, still] = y[still], 0.0
        hardly = abs(h) * abs(K).max(axis=0) <= HARDLY_MOVES * abs(y)
        if hardly.any():
            Y[:, hardly] = y[hardly] + h * (self.basis.A @ K[:, hardly])

    def _begins_to_move(self, y: Number, slope: Number) -> bool:
        """Whether a component is at rest at the start, and not at all nodes."""
        at_rest = (y == 0.0) & (slope == 0.0) & (self.before[0] == 0.0)
        return bool((at_rest & self.before.any(axis=0)).any())

    def _estimate(self, y: Number, slope: Number, h: float) -> float:
        """The local error in units of the tolerance."""
        basis, pairs, parts = self.basis, self._pairs, self._parts
        judged = basis.judging @ self.K
        of_values = basis.last_four @ self.Y
        neglected(pairs(judged), pairs(of_values), pairs(slope), h, basis.first, parts, self._own)
        assert self._solvers is not None
        self.legendre = judged[: basis.s]
        # By the eigenvalue closest to the real axis, where `OneSystem` has 1/(2s): its factors are there.
        damped = self._solvers.last(parts.view(self.field.dtype).T).T
        sizes = np.ascontiguousarray(abs(damped))
        size = self._size
        error: float = weighed(sizes, _joined(self._own, y), size(y), size(self.Y), self.atol, self.rtol)
        if self._apart and self.Y.imag.any():
            rows = self._solvers.last(np.ascontiguousarray(parts.view(self.field.dtype).imag).T).T
            own = np.ascontiguousarray(self._own.view(self.field.dtype).imag)
            atol, largest = self._imaginary(y)
            everywhere = np.tile(largest, (len(self.Y), 1))
            error = max(error, weighed(np.ascontiguousarray(abs(rows)), abs(own), largest, everywhere, atol, self.rtol))
        return error


# The imaginary part of df/dy may be this part of the real one for the two parts of a problem to be solved apart, with a
# real matrix: Newton's method corrects what that leaves out. Not tuned.
_NEARLY_REAL = 1e-6


def _nearly_real(df_dy: Any) -> bool:
    """Whether the problem is one of real numbers with a small imaginary part, such as that of a complex step."""
    values = df_dy.data if issparse(df_dy) else df_dy
    return bool(abs(values.imag).max(initial=0.0) <= _NEARLY_REAL * abs(values.real).max(initial=0.0))


def _joined(parts: Real, like: Number) -> Real:
    """Sizes of the numbers of the type of `like` whose parts these are, (n,)."""
    return parts if like.dtype.kind == "f" else abs(parts.view(like.dtype))


def _as_they_are(values: Number) -> Real:
    """Real numbers for compiled code, which looks at their sizes itself."""
    return values


def _as_pairs(values: Number) -> Real:
    """Complex numbers (m, n) in C order with their real and imaginary parts side by side, (m, 2 n)."""
    return values.view(float)
