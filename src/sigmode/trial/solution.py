"""The solution of a differential equation in closed form, and what can be read off it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import function
from ..arrays import Number, Real
from ..html import counted, table
from .files import WRONG, arguments_of, arrays_in, arrays_of
from .integral import Antiderivative, areas, integral
from .network import Network
from .piecewise import Piecewise
from .plot import plot
from .polynomials import ppoly
from .roots import Extremum, extremum, roots
from .tables import dataframe, dataset

__all__ = ["Solution", "constant", "with_error"]


class Solution(Piecewise):
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

    def integrate(self, a: float, b: float, extrapolate: bool | None = None) -> Number:
        """The integral over [a, b] of each component, to rounding.

        Parameters
        ----------
        a, b : float
            The ends; for b < a the sign changes.
        extrapolate : bool, optional
            As in a call: where [a, b] leaves the span, integrate what the networks are there, or give NaN.

        Returns
        -------
        integral : ndarray, shape (n,)

        Examples
        --------
        >>> import sigmode as sm
        >>> sol = sm.solve_ivp(lambda t, y: [y[1], -y[0]], (0, 4), [0.0, 1.0], rtol=1e-9, atol=1e-9).sol
        >>> sol.integrate(0, 3.141592653589793).round(6) + 0.0
        array([2., 0.])
        """
        return integral(self, self._areas, a, b, self.extrapolate if extrapolate is None else bool(extrapolate))

    def antiderivative(self) -> Antiderivative:
        """The integral from the start of the span as a function ``Y(x, nu=0)``, with ``Y.error(x)``.

        Its derivative is the solution. Costs about 20 evaluations of the solution per point.
        """
        return Antiderivative(self)

    def roots(self, value: float = 0.0, component: int = 0) -> Real:
        """All x of the span where a component is equal to `value`, to rounding.

        Parameters
        ----------
        value : float
        component : int
            Of a real solution, from 0 to n - 1.

        Returns
        -------
        x : ndarray, shape (number of roots,)
            Increasing. Where the component is `value` all the way along a piece of a window, the start of that
            stretch and NaN, as `scipy.interpolate.PPoly.roots` has it.

        Notes
        -----
        Between the zeros of its derivative, which those of a polynomial through 28 points locate, a component is
        monotonic, so that none is missed. It touches `value` where it comes as close as its own rounding error, some
        1e-15 of its terms: zeros between which it is no further away count as one. A solution that is known up to
        ``sol.error(x)`` may touch where the true one does not.

        Examples
        --------
        >>> import sigmode as sm
        >>> sol = sm.solve_ivp(lambda t, y: [y[1], -y[0]], (0, 10), [0.0, 1.0], rtol=1e-9, atol=1e-9).sol
        >>> sol.roots().round(6), sol.roots(0.5, component=1).round(6)
        (array([0.      , 3.141593, 6.283185, 9.424778]), array([1.047198, 5.235988, 7.330383]))
        """
        return roots(self, value, component)

    def minimum(self, component: int = 0) -> Extremum:
        """Where a component of a real solution is smallest in the span, and how small: ``(x, y)``, named.

        The first such place in the order of the span: an end, a border of windows, or a zero of the derivative, to the
        rounding error of the derivative.
        """
        return extremum(self, component, 1.0)

    def maximum(self, component: int = 0) -> Extremum:
        """Where a component of a real solution is largest in the span, and how large, as `minimum`."""
        return extremum(self, component, -1.0)

    def to_ppoly(self, error: ArrayLike) -> Any:
        """The solution as a `scipy.interpolate.PPoly`, the values of which are within `error` of it everywhere.

        Parameters
        ----------
        error : float or array_like, shape (n,)
            What the values of each component may be off, absolute: it adds to ``sol.error(x)``. Checked between the
            points that the polynomials go through.

        Returns
        -------
        p : PPoly
            Pieces of degree 7, continuous, each in one window; ``p(x)`` is (n, m) as ``sol(x)`` is. A falling span has
            falling breakpoints. Outside of the span it is as `extrapolate` says, but then a polynomial.

        Raises
        ------
        ValueError
            Where `error` is below the rounding errors of the solution.

        Examples
        --------
        >>> import sigmode as sm
        >>> sol = sm.solve_ivp(lambda t, y: [y[1], -y[0]], (0, 4), [0.0, 1.0], rtol=1e-9, atol=1e-9).sol
        >>> p = sol.to_ppoly(error=1e-8)
        >>> bool(abs(p(1.5) - sol(1.5)).max() < 1e-8), p.derivative()(1.0).round(6)
        (True, array([ 0.540302, -0.841471]))
        """
        return ppoly(self, error)

    def to_dataframe(self, t: ArrayLike, names: Sequence[str] | None = None) -> Any:
        """A `pandas.DataFrame` of values and estimated errors at the points t, NaN outside of the span.

        Parameters
        ----------
        t : array_like, shape (m,)
            The index, "t".
        names : list of str, optional
            Of the components, for columns "prey", ..., "error_prey", ...; by default "y0", ..., "error0", ....

        Raises
        ------
        ImportError
            Where pandas is not installed (``pip install pandas``).
        """
        return dataframe(self, t, names)

    def to_xarray(self, t: ArrayLike, names: Sequence[str] | None = None) -> Any:
        """An `xarray.Dataset` of ``y`` and ``error`` at the points t, with the dimensions "component" and "t".

        Parameters
        ----------
        t : array_like, shape (m,)
        names : list of str, optional
            Of the components, by default 0, 1, ....

        Raises
        ------
        ImportError
            Where xarray is not installed (``pip install xarray``).
        """
        return dataset(self, t, names)

    @functools.cached_property
    def _areas(self) -> Number:
        """The integrals over the windows, (n, K)."""
        return areas(self)

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
            "equations": self.n,
            "windows": len(self.y),
            "hidden units": f"{self.network.n_hidden} ({self.network.activation})",
        }
        if self.error_y is not None:
            rows["estimated error"] = ", ".join(f"{e:.1e}" for e in self.error_y.max(axis=1))
        return table("Trial solution", rows)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file in NumPy's ``.npz`` format, at exactly this path; `load` gives the same bits."""
        with open(path, "wb") as file:
            np.savez(file, **arrays_of(self))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Solution:
        """Read what `save` wrote. Raises ValueError if the file is something else."""
        try:
            return cls(*arguments_of(arrays_in(path)))
        except WRONG:
            raise ValueError(f"`path` must name a file written by Solution.save, {path!r} is none.") from None

    def __repr__(self) -> str:
        net = self.network
        return (
            f"<Solution of {counted(net.n, 'equation')} on [{self.x[0]:g}, {self.x[-1]:g}]: "
            f"{counted(len(self.y), 'window')}, {counted(net.n_hidden, 'hidden unit')} ({net.activation})>"
        )


def constant(x0: float, x1: float, y0: Number) -> Solution:
    """The value y0 (n,) from x0 to x1, which may be the same."""
    network = Network(y0.size, 1, output_bias=True)
    theta = np.zeros((1, network.n_theta), dtype=y0.dtype)
    return Solution(np.array([x0, x1]), y0[None].copy(), theta, network, h=np.zeros(1))


def with_error(sol: Solution, x: Real, bound: Real) -> Solution:
    """The same solution with a bound of its error, (n, L) at the abscissae x, (L,)."""
    return Solution(sol.x, sol.y, sol.theta, sol.network, x, bound, sol.h, sol.form, sol.second, sol.extrapolate)
