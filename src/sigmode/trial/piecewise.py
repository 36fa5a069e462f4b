"""Evaluation of piecewise trial solutions: values, derivatives and error estimate anywhere, one point or many."""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..arguments import WrongKind
from ..arrays import Flags, Index, Number, Real
from ..compiled.evaluate import HIGHEST_DERIVATIVE, Pieces, evaluate
from ..compiled.point import function_of
from .form import VALUE, Form
from .network import Blocks, Network

__all__ = ["Piecewise", "compiled_values"]

# Points from which on they are evaluated in compiled code, which takes 2 s to compile, once per machine. Not tuned.
_MANY = 20_000


class Piecewise:
    """On each window ``y(x) = A + B N(xi, theta_k)``, ``xi = (x - x_k)/h_k``; arguments as of `Solution`."""

    def __init__(
        self,
        x: Real,
        y: Real,
        theta: Real,
        network: Network,
        error_x: Real | None = None,
        error_y: Real | None = None,
        h: Real | None = None,
        form: Form = VALUE,
        second: Real | None = None,
        extrapolate: bool = False,
    ) -> None:
        self.x = x
        self.y = y
        self.theta = theta
        self.network = network
        self.error_x = error_x
        self.error_y = error_y
        self.h = np.diff(x) if h is None else h
        self.form = form
        self.second = y if second is None else second
        self.extrapolate = extrapolate

    @functools.cached_property
    def shared(self) -> bool:
        """Whether all windows have the same hidden layer."""
        hidden = self.theta[:, : 2 * self.network.n_hidden]
        return len(hidden) > 1 and bool((hidden == hidden[0]).all())

    def __call__(self, x: ArrayLike, nu: int = 0, extrapolate: bool | None = None) -> Real:
        """The solution, or its nu-th derivative by x, at the points x.

        Parameters
        ----------
        x : float or array_like of any shape
        nu : int
            Each derivative has about two digits less than the one before.
        extrapolate : bool, optional
            What to do outside the span: evaluate the network at the end, or give NaN. By default as the solution was
            made: those of `solve_bvp` extrapolate, as in SciPy, the others do not.

        Returns
        -------
        y : ndarray, shape (n,) for a number, (n, m) for x (m,), (n, ...) for x (...)
            Exact derivatives of the closed form; at the border of two windows those of the later one.
        """
        if not isinstance(nu, (int, np.integer)) or nu < 0:
            raise ValueError(f"`nu` must be a non-negative integer, got {nu!r}.")
        outside = self.extrapolate if extrapolate is None else bool(extrapolate)
        if type(x) is float or type(x) is np.float64:
            return self._at(float(x), nu, outside)
        points = _checked_x(x)
        if not points.ndim:
            return self._at(float(points), nu, outside)
        return self._along(points.reshape(-1), nu, outside).reshape(self.n, *points.shape)

    def _along(self, points: Real, nu: int, outside: bool) -> Number:
        """The nu-th derivative at points (m,), (n, m)."""
        if points.size >= _MANY and nu <= HIGHEST_DERIVATIVE and self.form == VALUE:
            return compiled_values(self, np.ascontiguousarray(points), nu, outside)
        window = np.clip(self._window(points), 0, len(self.y) - 1)
        with np.errstate(invalid="ignore"):  # at infinity
            y = self._evaluate(window, points, nu)
        if not outside:
            y[:, ~self._inside(points)] = np.nan
        return y

    def compiled(self, nu: int = 0, extrapolate: bool | None = None) -> Callable[[float], Number]:
        """The solution as a function that works inside of a user's ``@numba.njit`` code, in ``prange``, too.

        Parameters
        ----------
        nu, extrapolate
            As in a call; nu at most 3.

        Returns
        -------
        function : compiled function
            ``function(t)`` -> (n,) for a number t: the values of a call to a few units of the last place, in 0.1 to 0.4
            us. Compiling it takes about a second.

        Examples
        --------
        >>> import numba
        >>> import sigmode as sm
        >>> y = sm.solve_ivp(lambda t, y: -y, (0, 5), [1.0], rtol=1e-9, atol=1e-9).sol.compiled()
        >>> @numba.njit
        ... def mean(m):
        ...     total = 0.0
        ...     for i in range(m):
        ...         total += y(5.0 * (i + 0.5) / m)[0]
        ...     return total / m
        >>> round(mean(1000), 6)
        0.198652
        """
        if not isinstance(nu, (int, np.integer)) or not 0 <= nu <= HIGHEST_DERIVATIVE:
            raise ValueError(f"`nu` must be an integer from 0 to {HIGHEST_DERIVATIVE}, got {nu!r}.")
        outside = self.extrapolate if extrapolate is None else bool(extrapolate)
        second = _as_pairs(self.second)
        form = self.form
        return function_of(
            self._pieces, second, form.order, form.two_point, int(nu), outside, self.theta.dtype.kind == "c"
        )

    def error(self, x: ArrayLike) -> Real:
        """A bound of the estimated global error of ``sol(x)``, same shape; NaN where there is no estimate.

        It bounds the solution of the linearised error equation driven by the defect. An estimate is not a proof:
        it holds to first order in the error, and where `fun` is smooth between the points that were looked at.
        """
        points = _checked_x(x)
        flat = points.reshape(-1)
        error = np.empty((self.n, flat.size))
        if self.error_x is None or self.error_y is None:
            error[:] = np.nan
        else:
            order = slice(None) if self.x[-1] >= self.x[0] else slice(None, None, -1)
            for k, bound in enumerate(self.error_y):
                error[k] = np.interp(flat, self.error_x[order], bound[order])
            inside = self._inside(flat)
            if not inside.all():
                error[:, ~inside] = np.nan
        return error.reshape(self.n, *points.shape)

    @property
    def n(self) -> int:
        """Number of components."""
        return self.network.n

    @property
    def span(self) -> tuple[float, float]:
        """Where the solution starts and where it ends, in the order in which it was found."""
        return float(self.x[0]), float(self.x[-1])

    @property
    def ts(self) -> Real:
        """The windows' ends, under the name that SciPy's dense output has for them."""
        return self.x

    @property
    def t_min(self) -> float:
        """The smaller end of the span, as in SciPy's dense output."""
        return float(min(self.x[0], self.x[-1]))

    @property
    def t_max(self) -> float:
        """The larger end of the span, as in SciPy's dense output."""
        return float(max(self.x[0], self.x[-1]))

    @functools.cached_property
    def _pieces(self) -> Pieces:
        """The windows as compiled code reads them; a complex component is two real ones."""
        net, K = self.network, len(self.y)
        hidden = np.ascontiguousarray(self.theta[: 1 if self.shared else K, : 2 * net.n_hidden].real)
        V = self.theta[:, 2 * net.n_hidden : (2 + net.n) * net.n_hidden].reshape(K, net.n, net.n_hidden)
        c = self.theta[:, (2 + net.n) * net.n_hidden :] if net.output_bias else np.zeros_like(self.y)
        V = np.ascontiguousarray(_as_pairs(np.swapaxes(V, 1, 2)).swapaxes(1, 2))
        w, b = (np.ascontiguousarray(part) for part in np.split(hidden, 2, axis=1))
        ends = np.ascontiguousarray(self.x, dtype=float), np.ascontiguousarray(self.h, dtype=float)
        return Pieces(*ends, _as_pairs(self.y), w, b, V, _as_pairs(c), net.kind)

    def _at(self, t: float, nu: int, outside: bool) -> Number:
        """The nu-th derivative at one point, (n,)."""
        ends, sign = self._ends
        if not (outside or ends[0] <= sign * t <= ends[-1]):
            return np.full(self.network.n, np.nan, dtype=self.theta.dtype)
        k = min(max(bisect_right(ends, sign * t) - 1, 0), len(self.y) - 1)
        h = float(self.h[k]) or 1.0  # a span of no length has a value, too
        if nu <= 1 and self.form == VALUE and self.network.kind == 0:
            w, b, V, c = self._split[k]
            xi = (t - sign * ends[k]) / h
            z = w * xi + b
            units = expit(z)
            value = V @ (units if nu == 0 else units * (1.0 + xi * w * expit(-z)))
            value = value + c if c.size else value
            return np.asarray(value / h if nu else self.y[k] + xi * value)
        with np.errstate(invalid="ignore"):  # at infinity
            return np.asarray(self._evaluate(np.array([k]), np.array([t]), nu)[:, 0])

    @functools.cached_property
    def _ends(self) -> tuple[list[float], float]:
        """The ends of the windows times the sign that makes them rise, and that sign."""
        sign = 1.0 if self.x[-1] >= self.x[0] else -1.0
        return (sign * self.x).tolist(), sign

    @functools.cached_property
    def _split(self) -> list[Blocks]:
        """The parameters of each window."""
        return [self.network.split(theta) for theta in self.theta]

    def _evaluate(self, window: Index, x: Real, nu: int) -> Real:
        """The nu-th derivative of A + B N by x, each point in its window."""
        h = np.where(self.h != 0.0, self.h, 1.0)[window]  # a span of no length has a value, too
        xi = (x - self.x[window]) / h
        y = self.form.product(lambda i: self._network(window, xi, i), xi, nu)
        if nu:
            y = y / h**nu
        if nu < self.form.order:
            y = y + self.form.line(self.y[window].T, self.second[window].T, h, xi, nu)
        return y

    def _network(self, window: Index, xi: Real, nu: int) -> Real:
        """The nu-th derivative of each point's network by xi."""
        if self.shared and xi.size > 1:
            return self.network.derivatives(self.theta, window, xi, nu)
        value = np.empty((self.network.n, xi.size), dtype=self.theta.dtype)
        for k in np.unique(window):
            at = window == k
            value[:, at] = self.network.derivative(self.theta[k], xi[at], nu)
        return value

    def _window(self, x: Real) -> Index:
        if self.x[-1] >= self.x[0]:
            return np.asarray(np.searchsorted(self.x, x, side="right") - 1)
        return np.asarray(np.searchsorted(-self.x, -x, side="right") - 1)

    def _inside(self, x: Real) -> Flags:
        lo, hi = self.t_min, self.t_max
        return np.asarray((x >= lo) & (x <= hi))


def compiled_values(sol: Piecewise, x: Real, nu: int, outside: bool = True) -> Number:
    """The nu-th derivative of a trial solution of first order at x (m,), (n, m), by compiled code for any m."""
    values = evaluate(sol._pieces, x, nu, outside)
    return values[0::2] + 1j * values[1::2] if sol.theta.dtype.kind == "c" else values


def _as_pairs(values: Number) -> Real:
    """Numbers (..., n) in C order, complex ones as pairs of real ones, (..., 2 n)."""
    return np.ascontiguousarray(values).view(float)


def _checked_x(x: ArrayLike) -> Real:
    try:
        points = np.asarray(x if x is not None else "None", dtype=np.float64)
    except (TypeError, ValueError):
        raise WrongKind(f"`x` must be a number or an array of real numbers, got {x!r}.") from None
    return points
