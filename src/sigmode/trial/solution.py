"""The piecewise trial solution: values, derivatives, error estimate, save and load."""

from __future__ import annotations

import functools
import os
from bisect import bisect_right
from collections.abc import Callable
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..arguments import WrongKind, function
from ..arrays import Flags, Index, Number, Real
from ..compiled.evaluate import HIGHEST_DERIVATIVE, Pieces, evaluate
from ..compiled.point import function_of
from ..html import table
from .form import FORMS, VALUE, Form
from .network import Blocks, Network
from .plot import plot

__all__ = ["Solution"]

# Points from which on they are evaluated in compiled code, which takes 2 s to compile, once per machine. Not tuned.
_MANY = 20_000
# Files call an activation by its place here, whatever number it has in compiled code: new ones go to the end.
_NUMBERS_IN_FILES = ("sigmoid", "tanh", "sin")


class Solution:
    """A solution in closed form: on each window ``y(x) = y_k + xi N(xi, theta_k)``, ``xi = (x - x_k)/h_k``.

    That of an equation of second order has the form ``A + B N`` of its conditions, see `Collocation`.

    Parameters
    ----------
    x : ndarray, shape (K + 1,)
        The windows' ends, strictly increasing or strictly decreasing.
    y : ndarray, shape (K, n)
        The values at the start of each window.
    theta : ndarray, shape (K, n_theta)
        The network's parameters on each window.
    network : Network
        What the parameters mean.
    error_x, error_y : ndarray, shapes (L,) and (n, L), optional
        A bound of the estimated global error, linear between the abscissae.
    h : ndarray, shape (K,), optional
        The lengths h_k, with sign; by default the distances of the ends. The last window may be longer than what
        is left of it after a terminal event.
    form : Form, optional
        The order and the conditions that the trial solution is made for.
    second : ndarray, shape (K, n), optional
        For second order: the slopes at the start of each window, or the values at its end.
    extrapolate : bool
        What a call does outside the span by default.

    Examples
    --------
    >>> import sigmode as sm
    >>> sol = sm.train(sm.Collocation(lambda x, y: -y, (0, 2), [1.0])).sol
    >>> sol(0.0), sol([0.0, 1.0, 2.0]).round(6)
    (array([1.]), array([[1.      , 0.367879, 0.135335]]))
    >>> sol(1.0, nu=1).round(6)
    array([-0.367879])
    """

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
        self._error_x = error_x
        self._error_y = error_y
        self.h = np.diff(x) if h is None else h
        self.form = form
        self.second = y if second is None else second
        self.extrapolate = extrapolate
        hidden = theta[:, : 2 * network.n_hidden]
        self._shared = len(theta) > 1 and bool((hidden == hidden[0]).all())

    @classmethod
    def from_ode_solution(cls, sol: Any) -> Solution:
        """One `Solution` of the dense output of `scipy.integrate.solve_ivp` with ``method=NeuralCollocation``.

        Adds derivatives, ``save`` and ``load`` to what SciPy's ``res.sol`` can do.
        """
        ends = getattr(sol, "ts", [])[1:]
        parts = list(zip(getattr(sol, "interpolants", []), ends, strict=False))
        if not parts or not all(hasattr(part, "theta") for part, _ in parts):
            raise ValueError(
                "`sol` must be `res.sol` of scipy.integrate.solve_ivp with method=NeuralCollocation and "
                f"dense_output=True, got {type(sol).__name__}."
            )
        first = [k for k, (part, _) in enumerate(parts) if k == 0 or part.theta is not parts[k - 1][0].theta]
        windows = [parts[k][0] for k in first]
        x = np.array([part.start for part in windows] + [parts[-1][1]])
        y = np.array([part.y_start for part in windows])
        theta = np.array([part.theta for part in windows])
        return cls(x, y, theta, windows[0].network, h=np.array([part.h for part in windows]))

    @classmethod
    def constant(cls, x0: float, x1: float, y0: Real) -> Solution:
        """The value y0 (n,) from x0 to x1, which may be the same."""
        network = Network(y0.size, 1, output_bias=True)
        theta = np.zeros((1, network.n_theta), dtype=y0.dtype)
        return cls(np.array([x0, x1]), y0[None].copy(), theta, network, h=np.zeros(1))

    def at_windows(self, xi: Real) -> Real:
        """y at the points xi (m,) of every window of a march, (K, m, n): first order, one hidden layer for all."""
        values = self.network.of_all(self.theta, xi)
        return np.ascontiguousarray((self.y[:, :, None] + xi * values).transpose(0, 2, 1))

    def window_values(self, k: int, xi: Real) -> Real:
        """y at the points xi of window k, (n, m)."""
        value = self.form.product(lambda i: self.network.derivative(self.theta[k], xi, i), xi, 0)
        return value + self.form.line(self.y[k][:, None], self.second[k][:, None], self.h[k], xi, 0)

    def __call__(self, x: ArrayLike, nu: int = 0, extrapolate: bool | None = None) -> Real:
        """The solution, or its nu-th derivative by x, at the points x.

        Parameters
        ----------
        x : float or array_like, shape (m,)
        nu : int
            Each derivative has about two digits less than the one before.
        extrapolate : bool, optional
            What to do outside the span: evaluate the network at the end, or give NaN. By default as the solution was
            made: those of `solve_bvp` extrapolate, as in SciPy, the others do not.

        Returns
        -------
        y : ndarray, shape (n,) for a number, (n, m) for an array.
            Exact derivatives of the closed form; at the border of two windows those of the later one.
        """
        if not isinstance(nu, (int, np.integer)) or nu < 0:
            raise ValueError(f"`nu` must be a non-negative integer, got {nu!r}.")
        outside = self.extrapolate if extrapolate is None else bool(extrapolate)
        if type(x) is float or type(x) is np.float64:
            return self._at(float(x), nu, outside)
        points = _checked_x(x)
        if points.size >= _MANY and nu <= HIGHEST_DERIVATIVE and self.form == VALUE:
            return self._as_numbers(evaluate(self._pieces, np.ascontiguousarray(points), nu, outside))
        if not points.ndim:
            return self._at(float(points), nu, outside)
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

    def plot(self, axes: Any = None, fun: Callable[[Real, Real], Any] | None = None) -> Any:
        """Draw the solution above, and below the logarithm of its estimated error.

        Parameters
        ----------
        axes : pair of matplotlib axes, optional
            Where to draw, by default in a new figure.
        fun : callable, optional
            ``fun(x, y)``, x (m,) and y (n, m), of an equation of first order: its residual ``|y' - fun(x, y)|`` is
            drawn below, too.

        Returns
        -------
        axes : ndarray of two axes

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        function(fun, "fun", "x, y", optional=True)
        if fun is None:
            return plot(self, axes)
        return plot(self, axes, lambda x: self(x, 1) - np.asarray(fun(x, self(x))))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        rows = {
            "span": f"{self.x[0]:g} to {self.x[-1]:g}",
            "equations": self.network.n,
            "windows": len(self.y),
            "hidden units": f"{self.network.n_hidden} ({self.network.activation})",
        }
        if self._error_y is not None:
            rows["estimated error"] = ", ".join(f"{e:.1e}" for e in self._error_y.max(axis=1))
        return table("Trial solution", rows)

    def error(self, x: ArrayLike) -> Real:
        """A bound of the estimated global error of ``sol(x)``, same shape; NaN where there is no estimate.

        It bounds the solution of the linearised error equation driven by the defect. An estimate is not a proof:
        it holds to first order in the error, and where `fun` is smooth between the points that were looked at.
        """
        points = _checked_x(x)
        flat = np.atleast_1d(points)
        error = np.full((self.network.n, flat.size), np.nan)
        if self._error_x is not None and self._error_y is not None:
            order = slice(None) if self.x[-1] >= self.x[0] else slice(None, None, -1)
            for k, bound in enumerate(self._error_y):
                error[k] = np.interp(flat, self._error_x[order], bound[order])
            error[:, ~self._inside(flat)] = np.nan
        return error if points.ndim else error[:, 0]

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

    def with_error(self, x: Real, bound: Real) -> Solution:
        """The same solution with a bound of its error, (n, L) at the abscissae x, (L,)."""
        same = self.x, self.y, self.theta, self.network
        return Solution(*same, x, bound, self.h, self.form, self.second, self.extrapolate)

    def magnitude(self, nu: int) -> Real:
        """Rounding error of the nu-th derivative of y by x, (n,), in units of the unit roundoff."""
        sizes = []
        for k, theta in enumerate(self.theta):
            size = self.form.magnitude(lambda i, theta=theta: self.network.magnitude(theta, i), nu)  # type: ignore[misc]
            size = size / abs(self.h[k]) ** nu
            if nu < self.form.order:
                size = size + abs(self.form.line(self.y[k], self.second[k], self.h[k], np.ones(1), nu))
            sizes.append(size)
        return np.asarray(np.max(sizes, axis=0))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file in NumPy's ``.npz`` format, at exactly this path; `load` gives the same bits."""
        net = self.network
        data: dict[str, Any] = {"x": self.x, "y": self.y, "theta": self.theta, "h": self.h}
        if self._shared:  # once is enough
            data["hidden"], data["theta"] = np.split(self.theta, [2 * net.n_hidden], axis=1)
            data["hidden"] = data["hidden"][0]
        number = _NUMBERS_IN_FILES.index(net.activation)
        data["network"] = np.array([net.n, net.n_hidden, number, net.output_bias])
        if self.extrapolate:
            data["extrapolate"] = np.array(True)
        if self._error_x is not None and self._error_y is not None:
            data["error_x"], data["error_y"] = self._error_x, self._error_y
        if self.form != VALUE:
            data["form"], data["second"] = np.array(self.form, dtype=int), self.second
        with open(path, "wb") as file:
            np.savez(file, **data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Solution:
        """Read what `save` wrote. Raises ValueError if the file is something else."""
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
                data = dict(file)
            n, n_hidden, number, bias = (int(v) for v in data["network"])
            network = Network(n, n_hidden, dict(enumerate(_NUMBERS_IN_FILES))[number], bool(bias))
            windows = len(data["x"]) - 1
            h = data.get("h", np.diff(data["x"]))  # version 0.1 wrote none
            if "hidden" in data:
                hidden = np.broadcast_to(data["hidden"], (windows, data["hidden"].size))
                data["theta"] = np.hstack([hidden, data["theta"]])
            form = _loaded_form(data.get("form", VALUE))
            second = data["second"] if "second" in data else data["y"]
            shapes = data["y"].shape, second.shape, data["theta"].shape, h.shape
            if shapes != ((windows, n), (windows, n), (windows, network.n_theta), (windows,)):
                raise ValueError("the shapes do not fit")
            error = data.get("error_x"), data.get("error_y")
            outside = bool(data.get("extrapolate", False))
            return cls(data["x"], data["y"], data["theta"], network, *error, h, form, second, outside)
        except (KeyError, ValueError, IndexError, EOFError, AttributeError, TypeError, BadZipFile):
            raise ValueError(f"`path` must name a file written by Solution.save, {path!r} is none.") from None

    def __repr__(self) -> str:
        net = self.network
        return (
            f"<Solution of {net.n} equation(s) on [{self.x[0]:g}, {self.x[-1]:g}]: "
            f"{len(self.y)} window(s), {net.n_hidden} hidden units ({net.activation})>"
        )

    @functools.cached_property
    def _pieces(self) -> Pieces:
        """The windows as compiled code reads them; a complex component is two real ones."""
        net, K = self.network, len(self.y)
        hidden = np.ascontiguousarray(self.theta[: 1 if self._shared else K, : 2 * net.n_hidden].real)
        V = self.theta[:, 2 * net.n_hidden : (2 + net.n) * net.n_hidden].reshape(K, net.n, net.n_hidden)
        c = self.theta[:, (2 + net.n) * net.n_hidden :] if net.output_bias else np.zeros_like(self.y)
        V = np.ascontiguousarray(_as_pairs(np.swapaxes(V, 1, 2)).swapaxes(1, 2))
        w, b = (np.ascontiguousarray(part) for part in np.split(hidden, 2, axis=1))
        ends = np.ascontiguousarray(self.x, dtype=float), np.ascontiguousarray(self.h, dtype=float)
        return Pieces(*ends, _as_pairs(self.y), w, b, V, _as_pairs(c), net.kind)

    def _as_numbers(self, values: Real) -> Number:
        """(n, m) of what compiled code has as pairs."""
        return values[0::2] + 1j * values[1::2] if self.theta.dtype.kind == "c" else values

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
        if self._shared and xi.size > 1:
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
        lo, hi = min(self.x[0], self.x[-1]), max(self.x[0], self.x[-1])
        return np.asarray((x >= lo) & (x <= hi))


def _as_pairs(values: Number) -> Real:
    """Numbers (..., n) in C order, complex ones as pairs of real ones, (..., 2 n)."""
    return np.ascontiguousarray(values).view(float)


def _loaded_form(form: Any) -> Form:
    order, two_point = (int(v) for v in form)
    found = Form(order, bool(two_point))
    if found not in FORMS.values():
        raise ValueError("no such form")
    return found


def _checked_x(x: ArrayLike) -> Real:
    try:
        points = np.asarray(x if x is not None else "None", dtype=np.float64)
    except (TypeError, ValueError):
        raise WrongKind(f"`x` must be a number or real numbers of shape (m,), got {x!r}.") from None
    if points.ndim > 1:
        raise ValueError(f"`x` must be a number or 1-dimensional, got shape {points.shape}.")
    return points
