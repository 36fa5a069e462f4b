"""Initial value problems: one window of a trial solution after the other, as SciPy's solvers step."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import DenseOutput, OdeSolver
from scipy.optimize import OptimizeResult
from scipy.sparse import issparse
from scipy.special import expit

from .basis import Basis, basis
from .collocation import checked_count
from .field import VectorField
from .network import Network
from .windows import CHEAP_JACOBIAN, make_window

Array = NDArray[Any]

__all__ = ["NeuralCollocation", "NeuralOutput"]

EPS = float(np.finfo(float).eps)
SMALLEST_RTOL = 100 * EPS  # SciPy's

# Hidden width: s functions resolve what a tolerance asks for on windows of about s/3 radians of an oscillation.
_PER_DIGIT, _MORE = 2.0, 2
_FEWEST, _MOST = 6, 22
# The local error is kept to this part of the tolerance: with s basis functions more digits are nearly free, errors add
# up over windows, and where a component passes zero the tolerance that users check is far smaller than beside it.
# Tolerances below so many roundings are not asked of Newton's method.
_PART = 0.015
_ROUNDING = 256 * EPS
# The first window: so many basis functions for the time in which y changes by itself, and for that in which f does.
_RADIANS = (10.0, 5.0)
_SAFETY = 0.5  # of the estimate, before the root
_SMALLER, _LARGER = 0.1, 4.0  # limits on the ratio of two windows
_TOO_FAR = 0.3  # factor after Newton's method failed
_EXTRAPOLATED = 6  # degree of the polynomial that predicts the next window
_AFTER_FAILURE = 1.5  # limit on the ratio of two windows after one for which it failed
_LATE = 8  # sweeps after which a window does not grow
_OLD_JACOBIAN = (0.05, 5)  # rate and sweeps at which df/dy of an earlier window still serves
_PER_STEP = 8  # basis functions: what follows about two radians of an oscillation
_MANY_ROUNDINGS = 1000  # a window shorter than that is one step
_PATIENCE = (2000, 1e-6)  # windows that must gain this part of what is left
_STUCK = "No progress beyond t = {t:.6g}: is `fun` discontinuous or noisy there?"


class NeuralOutput(DenseOutput):  # type: ignore[misc]
    """The trial solution of one window on one step: y(t) = y_start + xi N(xi), xi = (t - start)/h.

    Outside of the window, where a sum of sigmoids says nothing, the parabola that touches it at the nearer end.

    Attributes
    ----------
    start, h : float
        Where the window starts, and its length with sign. The step may be a part of it.
    y_start : ndarray, shape (n,)
        The value there.
    """

    def __init__(self, t_old: float, t: float, window: _Solved) -> None:
        super().__init__(t_old, t)
        self.start, self.h, self.y_start = window.start, window.h, window.y_start
        self._window = window

    @property
    def theta(self) -> Array:
        """Parameters of the network."""
        return self._window.theta

    @property
    def network(self) -> Network:
        """What they mean."""
        return self._window.network

    def _call_impl(self, t: Array) -> Array:
        xi = ((t if t.ndim else t[None]) - self.start) / self.h
        y = self._window.values(xi)
        if xi.size and not (xi.min() >= 0.0 and xi.max() <= 1.0):
            for end, outside in ((0.0, xi < 0.0), (1.0, xi > 1.0)):
                y[:, outside] = self._window.parabola(end, xi[outside] - end)
        return np.asarray(y if t.ndim else y[:, 0])


class _Solved:
    """An accepted window: start, length with sign, values at both ends, slopes K (s, n) at the nodes."""

    def __init__(self, start: float, h: float, y_start: Array, y: Array, K: Array, used: Basis) -> None:
        self.start, self.h, self.y_start, self.y, self.K, self.basis = start, h, y_start, y, K, used

    @functools.cached_property
    def theta(self) -> Array:
        """Parameters of the network."""
        return self.basis.theta(self.K, self.h, self.y - self.y_start)

    @property
    def network(self) -> Network:
        """What they mean."""
        return self.basis.network(self.y_start.size)

    def values(self, xi: Array) -> Array:
        """The trial solution at the points xi, (n, m). As `Network.derivative`, with what does not change at hand."""
        w, b, V, c, start = self._prepared
        return np.asarray(start + xi * (V @ expit(w * xi + b) + c))

    @functools.cached_property
    def _prepared(self) -> tuple[Array, ...]:
        w, b, V, c = self.network.split(self.theta)
        return w[:, None], b[:, None], V, c[:, None], self.y_start[:, None]

    def parabola(self, end: float, xi: Array) -> Array:
        """From the Legendre series of the slopes: P_k(1) = 1 and P_k'(1) = k (k + 1)/2, with signs at the start."""
        legendre = self.basis.to_legendre @ self.K
        k = np.arange(len(legendre))
        sign = np.where(k % 2, -1.0, 1.0) if end == 0.0 else np.ones(k.size)
        slope = sign @ legendre
        bend = (sign * k * (k + 1) * (1.0 if end else -1.0)) @ legendre
        y = self.y if end else self.y_start
        return np.asarray(y[:, None] + self.h * (np.outer(slope, xi) + np.outer(bend, xi**2) / 2.0))


class NeuralCollocation(OdeSolver):  # type: ignore[misc]
    """Collocation with neural trial solutions, a method for `scipy.integrate.solve_ivp`.

    Every step is one window with ``y = y_k + xi N(xi)``, N a network of one hidden layer whose output weights
    Newton's method finds so that the equation holds at right Radau points. Width and length of the windows follow
    from the tolerances. Made for smooth problems, stiff or not, at errors of 1e-5 and below.

    Parameters
    ----------
    fun : callable
        ``fun(t, y)`` -> (n,). A function compiled by Numba is called from compiled code, a window at a time. Never
        called outside of the span.
    t0, t_bound : float
        Start and end, in either order.
    y0 : array_like, shape (n,)
        Real or complex.
    first_step : float or None
        Length of the first window, by default chosen.
    max_step : float
        The longest window allowed, by default without a limit. Set it where `fun` changes within less than the
        distance of two nodes after a long quiet time.
    rtol, atol : float or array_like, shape (n,)
        The local error of a window is kept to 1.5 % of ``atol + rtol abs(y)``, so that errors on the steps and between
        them stay below the tolerance for well-conditioned problems. 1e-3 and 1e-6 by default.
    jac : None, array_like, sparse matrix or callable
        df/dy, (n, n): constant, or ``jac(t, y)``; by default forward differences.
    jac_sparsity : None, array_like or sparse matrix, shape (n, n)
        Where df/dy may differ from zero: fewer calls for differences, and sparse linear algebra.
    vectorized : bool
        Whether ``fun(t, y)`` takes y of shape (n, k). Where it takes t of shape (k,), too, a whole window is one
        call; that is tried, and checked, without being asked for.
    max_windows : int
        Limit on the windows that are tried, 20000 by default; then the integration ends with a message.
    substeps : int
        Into how many steps a window is reported, by default 1 to 3, so that a step is no longer than about 2 radians
        of an oscillation. SciPy looks for events by changes of sign between steps: of two zeros in one step it sees
        none. A first window of length `first_step` is one step.
    callback : callable, optional
        ``callback(intermediate_result)`` after each window with an `OptimizeResult` that holds ``t``, ``y``, ``nfev``.
        It may raise ``StopIteration``: the integration ends with a message.

    Attributes
    ----------
    n, status, t, y, t_old, t_bound, direction, step_size, nfev, njev, nlu
        As in `scipy.integrate.OdeSolver`.

    Notes
    -----
    Accuracy: with s = 2 - 2 log10(rtol) functions, 6 to 22, an implicit Runge-Kutta method of stage order s; stable on
    the imaginary axis and strongly damped where df/dy is large and negative. Cost per window: about five calls of
    `fun` at each of the s points, and per sweep one system of s n unknowns, for n s > 100 s systems of n.

    The dense output is the trial solution itself; `Solution.from_ode_solution` makes one `Solution` of a whole run.

    References
    ----------
    Lagaris, Likas, Fotiadis, IEEE Trans. Neural Networks 9(5), 987-1000 (1998), for the trial solution. Hairer,
    Wanner, Solving Ordinary Differential Equations II, Sec. IV.5 and IV.8, for collocation and its implementation.

    Examples
    --------
    >>> from scipy.integrate import solve_ivp
    >>> import sigmode as sm
    >>> res = solve_ivp(lambda t, y: -y, (0, 5), [1.0], method=sm.NeuralCollocation, rtol=1e-9, atol=1e-12)
    >>> res.success, bool(abs(res.y[0, -1] - 0.006737946999085467) < 1e-10)
    (True, True)
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        t0: float,
        y0: ArrayLike,
        t_bound: float,
        max_step: float = np.inf,
        rtol: ArrayLike = 1e-3,
        atol: ArrayLike = 1e-6,
        jac: Any = None,
        jac_sparsity: Any = None,
        vectorized: bool = False,
        first_step: float | None = None,
        max_windows: int = 20_000,
        substeps: int | None = None,
        callback: Callable[[OptimizeResult], Any] | None = None,
        **extraneous: Any,
    ) -> None:
        if extraneous:
            names = ", ".join(f"`{name}`" for name in extraneous)
            warnings.warn(f"The following arguments have no effect for a chosen solver: {names}.", stacklevel=3)
        super().__init__(fun, t0, y0, t_bound, vectorized, support_complex=True)
        self.t, self.t_bound = float(t0), float(t_bound)
        if math.isnan(self.t) or math.isnan(self.t_bound) or math.isinf(self.t):
            raise ValueError(f"`t0` must be finite and `t_bound` not NaN, got {t0} and {t_bound}.")
        if math.isinf(self.t_bound - self.t) and math.isfinite(self.t_bound):
            raise ValueError(f"The span from {t0} to {t_bound} is too long for floating-point numbers.")
        self.y: Array = np.array(self.y)
        self._field = VectorField(fun, self.n, self.y.dtype, vectorized, jac, jac_sparsity)
        self.max_step = _positive(max_step, "max_step")
        self.rtol, self.atol = checked_tolerances(rtol, atol, self.n)
        self.max_windows = checked_count(max_windows, "max_windows")
        asked = None if substeps is None else checked_count(substeps, "substeps")
        if callback is not None and not callable(callback):
            raise TypeError(f"`callback` must be callable or None, got {type(callback).__name__}.")
        self.callback = callback
        self._tried = 0
        self._mark = (0, float(t0))  # windows tried, and t, when progress was last looked at
        self._pending: list[tuple[float, Array]] = []  # steps of the last window that are still to be reported
        self._one_step = first_step is not None
        self._basis = basis(_width(self.rtol))
        self.substeps: int = asked or -(-self._basis.s // _PER_STEP)
        relative = np.maximum(_PART * self.rtol, _ROUNDING) * np.ones(self.n)
        self._small = np.where(self.rtol > 0, self.atol / self.rtol, 0.0) * np.ones(self.n)
        self.f = self._slope()
        # Relative to what y is or soon becomes, where `atol` is zero: no weight may vanish.
        floor = 1e-6 * (abs(self.y).max(initial=0.0) + abs(self.f).max(initial=0.0) * min(1.0, self._span()))
        absolute = np.where(self.atol > 0.0, _PART * self.atol, relative * np.nan_to_num(floor)) * np.ones(self.n)
        absolute = np.maximum(absolute, np.finfo(float).tiny)
        self._window = make_window(self._basis, self._field, absolute, relative)
        self._window.legendre[0] = self.f
        self._degree, self._length = 0, 1.0  # of the slopes known: constant
        self._df_dy: Any = None
        self._may_grow = True
        if first_step is None:
            self.h_abs = self._first_length(absolute / relative)
        else:
            self.h_abs = _first_step(first_step, t0, t_bound)
        self._last: _Solved | None = None
        self.nfev = self._field.nfev

    def _span(self) -> float:
        return float(abs(self.t_bound - self.t))

    def _slope(self) -> Array:
        return self._field(self.t, self.y) if self.n else self.y

    def _first_length(self, small: Array) -> float:
        """From f and its change along itself."""
        if not self.n or not np.isfinite(self.f).all() or not self._span():
            return self._span()
        size = abs(self.y) + small
        length = min(self._span(), self.max_step)
        rate = float(np.max(abs(self.f) / size))
        if rate == 0.0:
            return length if math.isfinite(length) else 1.0
        length = min(length, self._basis.s / _RADIANS[0] / rate)
        probe = 0.01 * length
        if self.t + self.direction * probe == self.t:
            return length
        with np.errstate(all="ignore"):
            moved = self._field(self.t + self.direction * probe, self.y + self.direction * probe * self.f)
            bend = float(np.max(abs(moved - self.f) / size)) / probe
        if not math.isfinite(bend) or bend == 0.0:
            return length
        return min(length, self._basis.s / _RADIANS[1] / math.sqrt(bend))

    def _step_impl(self) -> tuple[bool, str | None]:
        if self._pending:
            return self._report()
        if not np.isfinite(self.f).all():
            return False, self._not_finite(self.t, int(np.argmin(np.isfinite(self.f))))
        shortest = 10 * abs(np.nextafter(self.t, self.direction * np.inf) - self.t)
        h_abs = min(self.h_abs, self.max_step) if self._tried or self.h_abs >= shortest else shortest
        bad = None
        inside = False  # whether what is known of the slopes is from a longer window that starts here
        while True:
            if h_abs < shortest:
                return False, self.TOO_SMALL_STEP if bad is None else self._not_finite(*bad)
            if self._tried >= self.max_windows:
                return False, f"The limit of {self.max_windows} windows (`max_windows`) was reached."
            if self._stuck():
                return False, _STUCK.format(t=self.t)
            self._tried += 1
            h_abs = min(h_abs, self._span())
            t = self._nodes(h_abs)
            h = t[-1] - self.t
            fresh = self._df_dy is None
            error = self._try(t, h, inside)
            if fresh and not self._finite_jacobian():
                return False, f"`jac` returned a value that is not finite at t = {self.t:.6g}."
            self.nfev, self.njev, self.nlu = self._field.nfev, self._field.njev, self._window.nlu
            if error is None:
                self._may_grow = False
                bad = self._bad(t)
                if fresh or self._field.constant or bad is not None:
                    h_abs *= _TOO_FAR
                self._df_dy = self._df_dy if fresh else None  # the same window again with df/dy made anew
                continue
            factor = (_SAFETY / error) ** (1.0 / (self._basis.s + 1)) if error > 0.0 else _LARGER
            if error <= 1.0:
                break
            self._length, self._degree, inside = h, self._basis.s - 1, True
            h_abs *= max(_SMALLER, min(0.9, factor))
        return self._accept(float(t[-1]), h, factor)

    def _stuck(self) -> bool:
        """Whether many windows have led nearly nowhere."""
        if self._tried < self._mark[0] + _PATIENCE[0]:
            return False
        gained = abs(self.t - self._mark[1])
        self._mark = (self._tried, self.t)
        return gained < _PATIENCE[1] * self._span() and self.h_abs < _PATIENCE[1] * self._span()

    def _nodes(self, h_abs: float) -> Array:
        """The nodes of a window, none of them outside of the span."""
        end = self.t + self.direction * h_abs
        if self.direction * (end - self.t_bound) >= 0.0:
            end = self.t_bound
        t = self.t + (end - self.t) * self._basis.nodes
        t[-1] = end
        return np.asarray(np.minimum(t, end) if self.direction > 0 else np.maximum(t, end))

    def _try(self, t: Array, h: float, inside: bool) -> float | None:
        """The error of one window in units of the tolerance, or None where Newton's method did not converge."""
        window = self._window
        with np.errstate(all="ignore"):
            if self._df_dy is None:
                self._df_dy = self._field.jacobian(self.t, self.y, self.f, h * self.f, self._small)
            window.predict(window.legendre, self._degree, 0.0 if inside else 1.0, h / self._length, self.y, h)
            if not window.solve(t, self.y, h, self._df_dy):
                return None
            error = window.estimate(self.y, self.f, h, self._df_dy)
        return error if math.isfinite(error) else None

    def _accept(self, t: float, h: float, factor: float) -> tuple[bool, str | None]:
        window = self._window
        y = window.Y[-1].copy()
        self._last = _Solved(self.t, h, self.y, y, window.K.copy(), self._basis)
        self._pending = self._steps(t, h)
        self.t, self.y = t, y
        self._length, self._degree = h, min(_EXTRAPOLATED, self._basis.s - 1)
        if window.sweeps >= _LATE:
            factor = min(factor, 1.0)
        self.h_abs = abs(h) * min(factor, _LARGER if self._may_grow else _AFTER_FAILURE)
        self._may_grow = True
        if self.t != self.t_bound:
            if self.n <= CHEAP_JACOBIAN or window.rate > _OLD_JACOBIAN[0] or window.sweeps > _OLD_JACOBIAN[1]:
                self._df_dy = None
            with np.errstate(all="ignore"):
                self.f = self._slope()
            self.nfev = self._field.nfev
        if self.callback is not None:
            try:
                self.callback(OptimizeResult(t=self.t, y=self.y.copy(), nfev=self.nfev))
            except StopIteration:
                return False, "`callback` stopped the integration."
        return self._report() if self._pending else (True, None)

    def _steps(self, end: float, h: float) -> list[tuple[float, Array]]:
        """Where the steps of the last window end, with the values there; nothing if it is one step."""
        assert self._last is not None
        if self.substeps == 1 or self._one_step or abs(h) < _MANY_ROUNDINGS * np.spacing(abs(end)):
            self._one_step = False
            return []
        xi = np.arange(1, self.substeps) / self.substeps
        values = self._last.values(xi).T
        return [*zip((self._last.start + h * xi).tolist(), values, strict=True), (end, self._last.y)]

    def _report(self) -> tuple[bool, None]:
        """One of the steps that the last window consists of."""
        self.t, self.y = self._pending.pop(0)
        return True, None

    def _dense_output_impl(self) -> NeuralOutput:
        assert self._last is not None
        return NeuralOutput(self.t_old, self.t, self._last)

    def _finite_jacobian(self) -> bool:
        """Whether the df/dy that the user gave is; differences of an f that is not are not meant."""
        given = self._field.given
        return not given or bool(np.isfinite(self._df_dy.data if issparse(self._df_dy) else self._df_dy).all())

    def _bad(self, t: Array) -> tuple[float, int] | None:
        node = self._window.bad_node()
        return (float(t[node[0]]), node[1]) if node else None

    def _not_finite(self, t: float, component: int) -> str:
        return f"`fun` returned a value that is not finite at t = {t:.6g}, component {component}."


def _width(rtol: Array) -> int:
    digits = -np.log10(rtol.min(initial=1.0))
    return int(np.clip(np.round(_PER_DIGIT * digits) + _MORE, _FEWEST, _MOST))


def _positive(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"`{name}` must be a positive number, got {value!r}.") from None
    if not number > 0.0:  # NaN, too
        raise ValueError(f"`{name}` must be positive, got {value!r}.")
    return number


def _first_step(first_step: Any, t0: float, t_bound: float) -> float:
    first = _positive(first_step, "first_step")
    if first > abs(t_bound - t0):
        raise ValueError(f"`first_step` exceeds bounds: {first} is more than {abs(t_bound - t0)}.")
    return first


def checked_tolerances(rtol: ArrayLike, atol: ArrayLike, n: int) -> tuple[Array, Array]:
    """`rtol` and `atol` as arrays, or an error that says what is wrong. As in SciPy, a tiny `rtol` is raised."""
    checked = []
    for name, value in (("rtol", rtol), ("atol", atol)):
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise ValueError(f"`{name}` must be a number or {n} numbers, got {value!r}.")
        array = array.astype(float)
        if array.shape not in ((), (n,)):
            raise ValueError(f"`{name}` has wrong shape: expected () or ({n},), got {array.shape}.")
        if not (array >= 0).all():
            raise ValueError(f"`{name}` must not be negative or NaN, got {value!r}.")
        checked.append(array)
    if (checked[0] < SMALLEST_RTOL).any():
        warnings.warn(
            f"At least one element of `rtol` is too small. Setting `rtol = np.maximum(rtol, {SMALLEST_RTOL})`.",
            stacklevel=3,
        )
        checked[0] = np.maximum(checked[0], SMALLEST_RTOL)
    return checked[0], checked[1]
