"""Residual, Jacobian, loss and gradient of a trial solution at collocation points."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import arguments
from ..arrays import Real
from ..compiled import buffers
from ..compiled.activations import ACTIVATIONS
from ..html import counted, table
from ..trial.network import Blocks, Network
from ..trial.solution import Solution
from ..user.equation import RightHandSide, RightHandSide2
from . import checks
from .orders import FirstOrder, Fused, SecondOrder, make_order

_FLOAT = np.dtype(np.float64)

__all__ = ["Collocation"]

_Chunk = FirstOrder | SecondOrder

# Activations per chunk, 4 MiB: twice as many are as fast alone, and take 1.6 to 2.6 times as long beside work that uses
# the shared cache; fewer cost more calls of `fun` (`bench/test_kernels.py`, chunks; docs/decisions.md, "Kernels").
_CHUNK = 2**18
# For order 2 the loss is of the size y**2/h**4, which must be a number: the shortest span, in units of x.
# Not tuned.
_SHORTEST = 1e-60


class Collocation:
    """A differential equation with its conditions as a least-squares problem in the parameters of a network.

    The problem ``dy/dx = f(x, y)``, ``y(x0) = y0`` on [x0, x1] with the trial solution

        y(x) = y0 + xi N(xi, theta),    xi = (x - x0)/(x1 - x0),

    which has the right initial value for every theta; what is left is the residual ``r = dy/dx - f(x, y)`` at the
    collocation points.  The methods are what SciPy's optimisers ask for.

    With ``order=2`` the problem is ``y'' = f(x, y, y')``, not reduced to first order, and with h = x1 - x0

        y(x) = y0 + h xi dy0 + xi**2 N                  y(x0) = y0, y'(x0) = dy0   (conditions="initial")
        y(x) = (1 - xi) ya + xi yb + xi (1 - xi) N      y(x0) = ya, y(x1) = yb     (conditions="two-point")

    Parameters
    ----------
    fun : callable
        ``fun(x, y, *args)`` with x (m,) and y (n, m), returns (n, m): the convention of
        `scipy.integrate.solve_bvp`. It must treat the points one by one: it is called with some of them, with others
        between them, and without `jac` with 2 n copies of each. For order 2 ``fun(x, y, dy, *args)``, dy (n, m).
        Compiled by Numba (with `jac`, if there is one, and order 1), everything runs in one launch: it is called with
        blocks of points, and may return an array, or its rows in a tuple or a list. An index beyond the n rows of y is
        not caught there: it may end the process.
    span : (x0, x1)
        Two different finite numbers, in either order. `fun` is never called outside.
    y0 : array_like, shape (n,)
        The value at x0; [1.0], not 1.0, for one equation. For order 2 the pair (y0, dy0) or (ya, yb): shape (2, n), or
        two arrays of shape (n,), or two numbers for one equation.
    n_hidden : int
        Number of hidden units.
    n_points : int, optional
        Number of collocation points, by default twice `n_hidden`.
    points : {"chebyshev", "radau", "uniform"} or array_like, shape (m,)
        The collocation points, by name or in units of x.
    activation : {"sigmoid", "tanh", "sin"}
        The function of the hidden units.
    output_bias : bool
        Whether the network's output has a constant term c. The source of the method has none.
    jac : callable, optional
        ``jac(x, y, *args)`` returns df/dy, (n, n, m). By default central differences of `fun` (2 n m more points
        in one call, relative error about 1e-10). For order 2 ``jac(x, y, dy, *args)`` returns the pair
        (df/dy, df/ddy), each (n, n, m).
    args : tuple
        Additional arguments of `fun` and `jac`.
    seed : int, optional
        Seed of `initial`. The same seed gives the same bits.
    order : {1, 2}
        The order of the equation.
    conditions : {"initial", "two-point"}
        What `y0` holds; "two-point" for order 2 only.

    Attributes
    ----------
    points : ndarray, shape (m,)
        The collocation points in units of x.
    n_theta : int
        Number of parameters; ``theta = w | b | V | c`` with w, b (n_hidden,), V (n, n_hidden), c (n,) or absent.
    network : Network

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit, before anything is computed; and when `fun` or `jac` returns something of
        the wrong shape or kind, or theta has the wrong size or is not finite.

    Notes
    -----
    The gradient is exact: derived by hand (``docs/derivation.md``), it agrees with the complex step to rounding.
    Cost of `loss_and_gradient`: one call of `fun` and of `jac` and about 2 ns per point and hidden unit on one
    core; memory of the order of n m numbers, for large m in chunks. Results have the same bits for any number of
    threads. A non-finite value of `fun` gives a non-finite result, not an exception.

    References
    ----------
    Lagaris, Likas, Fotiadis, IEEE Trans. Neural Networks 9(5), 987-1000 (1998); ``docs/derivation.md``, eq. (21).

    Examples
    --------
    >>> import sigmode as sm
    >>> from scipy.optimize import least_squares
    >>> col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], n_hidden=10)
    >>> fit = least_squares(col.residual, col.initial(), jac=col.jacobian, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    >>> abs(float(col.solution(fit.x)(1.0)[0]) - 0.36787944117144233) < 1e-6
    True

    Lagaris 3 between two points, y'' = -y'/5 - y - exp(-x/5) cos(x)/5:

    >>> import numpy as np
    >>> fun = lambda x, y, dy: -dy / 5 - y - np.exp(-x / 5) * np.cos(x) / 5
    >>> values = 0.0, np.exp(-1 / 5) * np.sin(1)
    >>> res = sm.train(sm.Collocation(fun, (0, 1), values, order=2, conditions="two-point"), tol=1e-9)
    >>> res.success, abs(float(res.sol(0.5)[0] - np.exp(-0.1) * np.sin(0.5))) < 1e-9
    (True, True)
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        span: ArrayLike,
        y0: ArrayLike,
        n_hidden: int = 20,
        n_points: int | None = None,
        points: str | ArrayLike = "chebyshev",
        activation: str = "sigmoid",
        output_bias: bool = False,
        jac: Callable[..., Any] | None = None,
        args: tuple[Any, ...] = (),
        seed: int | None = 0,
        order: int = 1,
        conditions: str = "initial",
    ) -> None:
        self.form = checks.form(order, conditions)
        self.rhs = (RightHandSide if self.form.order == 1 else RightHandSide2)(fun, jac, args)
        self.span = checks.span(span)
        self.y0 = checks.y0(y0) if self.form.order == 1 else checks.pair(y0)
        n_hidden = arguments.count(n_hidden, "n_hidden")
        arguments.choice(activation, "activation", ACTIVATIONS)
        self.network = Network(self.y0.shape[-1], n_hidden, activation, bool(output_bias))
        self._h = self.span[1] - self.span[0]
        if self.form.order == 2 and not _SHORTEST <= abs(self._h) <= 1.0 / _SHORTEST:
            raise ValueError(
                f"`span` must have a length between {_SHORTEST} and {1.0 / _SHORTEST} for order 2, got {span!r}. "
                "Choose another unit of x."
            )
        self._xi = checks.points(points, n_points, 2 * n_hidden, self.span)
        # Rounding must not put a point outside the span: f is never called there.
        self.points = np.clip(self.span[0] + self._h * self._xi, min(self.span), max(self.span))
        self._looked = False
        self._in_one_launch: Fused | None = None
        self._seed = arguments.seed(seed)
        self._shape = (self.network.n_theta,)
        for fixed in (self.y0, self.points):
            fixed.flags.writeable = False
        self._chunk_size = size = max(1, _CHUNK // (n_hidden * buffers.BLOCK)) * buffers.BLOCK
        parts = [slice(lo, lo + size) for lo in range(0, self._xi.size, size)]
        self._chunks = [self._make_chunk(part, self.points[part], self._xi[part]) for part in parts]

    def __repr__(self) -> str:
        net = self.network
        kind = "" if self.form.order == 1 else " of second order"
        return (
            f"<Collocation of {counted(net.n, 'equation')}{kind} on [{self.span[0]:g}, {self.span[1]:g}]: "
            f"{counted(net.n_hidden, 'hidden unit')} ({net.activation}), {counted(self.points.size, 'point')}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        net = self.network
        rows = {
            "span": f"{self.span[0]:g} to {self.span[1]:g}",
            "equations": f"{net.n} of order {self.form.order}",
            "points": self.points.size,
            "hidden units": f"{net.n_hidden} ({net.activation})",
            "parameters": self.n_theta,
        }
        return table("Collocation", rows)

    @property
    def n_theta(self) -> int:
        """Number of parameters."""
        return self.network.n_theta

    def initial(self) -> Real:
        """Starting parameters (n_theta,): activations spread over the span, by `seed`."""
        return self.network.initial(self._seed)

    def residual(self, theta: ArrayLike) -> Real:
        """r = dy/dx - f(x, y), or y'' - f(x, y, y'), shape (n*m,), equation by equation: eq. (3)."""
        theta = self.checked_theta(theta)
        if self._fused is not None and (found := self._fused.residual(theta)) is not None:
            return found.ravel()
        r = np.empty((self.network.n, self._xi.size))
        for chunk, state, highest in self._trial(theta):
            f = self.rhs(chunk.x, state)
            with np.errstate(invalid="ignore"):
                np.subtract(highest, f, out=r[:, chunk.part])
        return r.ravel()

    def jacobian(self, theta: ArrayLike) -> Real:
        """dr/dtheta, shape (n*m, n_theta): one row per residual, the full per-sample gradient."""
        theta = self.checked_theta(theta)
        if self._fused is not None and (found := self._fused.jacobian(theta)) is not None:
            return found
        jacobian = np.empty((self.network.n * self._xi.size, theta.size))
        kept = self._borrow()
        try:
            for chunk, state, _ in self._trial(theta, kept):
                chunk.jacobian(theta, kept, self.rhs.jacobian(chunk.x, state), jacobian)
        finally:
            buffers.give_back(kept)
        return jacobian

    def loss(self, theta: ArrayLike) -> float:
        """E = sum r**2 over points and equations: eq. (4)."""
        theta = self.checked_theta(theta)
        if self._fused is not None and (found := self._fused.loss_and_gradient(theta, with_gradient=False)) is not None:
            return found[0]
        loss = 0.0
        for chunk, state, highest in self._trial(theta):
            f = self.rhs(chunk.x, state)
            with np.errstate(invalid="ignore", over="ignore"):
                loss += _square(highest - f)
        return loss

    def loss_and_gradient(self, theta: ArrayLike) -> tuple[float, Real]:
        """E and dE/dtheta, shape (n_theta,), for ``scipy.optimize.minimize(..., jac=True)``: eq. (21)."""
        theta = self.checked_theta(theta)
        if self._fused is not None and (found := self._fused.loss_and_gradient(theta)) is not None:
            return found
        loss = 0.0
        gradient = np.zeros(theta.size)
        kept = self._borrow()
        try:
            for chunk, state, highest in self._trial(theta, kept):
                f = self.rhs(chunk.x, state)
                df = self.rhs.jacobian(chunk.x, state)
                with np.errstate(invalid="ignore", over="ignore"):
                    r = highest - f
                    loss += _square(r)
                    chunk.pullback(theta, kept, r, df, state, gradient)
        finally:
            buffers.give_back(kept)
        gradient *= 2.0
        return loss, gradient

    def solution(self, theta: ArrayLike) -> Solution:
        """The trial solution with these parameters, a callable ``sol(x, nu=0)``."""
        theta = self.checked_theta(theta)
        first, second = self._conditions[0], self._conditions[-1]
        return Solution(
            np.array(self.span), first[None].copy(), theta[None].copy(), self.network,
            form=self.form, second=second[None].copy(),
        )  # fmt: skip

    def unpack(self, theta: ArrayLike) -> Blocks:
        """The blocks of theta by name: ``w, b`` (n_hidden,), ``V`` (n, n_hidden) and ``c`` (n,), or empty without bias.

        Views of theta where it is a float64 array.

        Examples
        --------
        >>> import sigmode as sm
        >>> col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], n_hidden=3)
        >>> blocks = col.unpack(col.initial())
        >>> blocks.w.shape, blocks.b.shape, blocks.V.shape, blocks.c.shape
        ((3,), (3,), (1, 3), (0,))
        """
        return self.network.split(self.checked_theta(theta))

    def values(self, theta: ArrayLike, x: ArrayLike, nu: int = 0) -> Real:
        """The trial solution or its first derivative (nu=1) at any points of the span.

        Parameters
        ----------
        theta : array_like, shape (n_theta,)
        x : float or array_like, shape (m,)
        nu : {0, 1}

        Returns
        -------
        y : ndarray, shape (n, m); (n,) for a number
            The values of ``col.solution(theta)(x, nu)``, to rounding.

        See Also
        --------
        values_jacobian : their derivatives by theta.
        """
        theta, points = self.checked_theta(theta), checks.places(x, self.span)
        derivative = self._checked_nu(nu)
        state, slope = self.state_and_slope(theta, np.atleast_1d(points))
        n = self.network.n
        y = state[:n] if derivative == 0 else slope if self.form.order == 1 else state[n:]
        return np.asarray(y if points.ndim else y[:, 0])

    def values_jacobian(self, theta: ArrayLike, x: ArrayLike, nu: int = 0) -> Real:
        """The derivatives of `values` by theta: rows for data, for conditions, for whatever is added to the residual.

        Parameters
        ----------
        theta : array_like, shape (n_theta,)
        x : float or array_like, shape (m,)
        nu : {0, 1}

        Returns
        -------
        rows : ndarray, shape (n m, n_theta)
            Equation by equation, as ``values(theta, x).ravel()``.

        Examples
        --------
        A measurement beside the equation, ten times as important:

        >>> import numpy as np, sigmode as sm
        >>> from scipy.optimize import least_squares
        >>> col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], n_hidden=4, n_points=30)
        >>> rows = lambda t: np.append(col.residual(t), 10 * (col.values(t, 0.5) - 0.6))
        >>> jac = lambda t: np.vstack([col.jacobian(t), 10 * col.values_jacobian(t, 0.5)])
        >>> fit = least_squares(rows, col.initial(), jac=jac, max_nfev=50)
        >>> bool(0.599 < col.values(fit.x, 0.5)[0] < np.exp(-0.5))
        True
        """
        theta, points = self.checked_theta(theta), np.atleast_1d(checks.places(x, self.span))
        derivative = self._checked_nu(nu)
        rows = np.empty((self.network.n * points.size, theta.size))
        for chunk, kept, _ in self._anywhere(theta, points):
            chunk.values_jacobian(theta, kept, derivative, rows)
        return rows

    @staticmethod
    def _checked_nu(nu: int) -> int:
        if isinstance(nu, bool) or not isinstance(nu, (int, np.integer)) or nu not in (0, 1):
            raise ValueError(f"`nu` must be 0, for values, or 1, for their derivative by x, got {nu!r}.")
        return int(nu)

    def fitted(self, theta: Real, derivatives: list[Real]) -> Real:
        """theta with output weights for which y and its derivatives by x at the points are closest to those given.

        derivatives[nu] : (n, m), nu up to the order of the equation.
        """
        first, second = self._conditions[0][:, None], self._conditions[-1][:, None]
        xi = (self.points - self.span[0]) / self._h
        targets = list(derivatives)
        for nu in range(self.form.order):
            targets[nu] = targets[nu] - self.form.line(first, second, self._h, xi, nu)
        return self.network.fitted(theta, self.form, xi, [self._h**nu * t for nu, t in enumerate(targets)])

    def state_and_slope(self, theta: Real, x: Real) -> tuple[Real, Real]:
        """What f is a function of, y or y above y', and its derivative, at any points x of the span, theta as checked.

        (n, m) each, (2n, m) for order 2.
        """
        n = self.network.n
        state, slope = np.empty((2, self.form.order * n, x.size))
        for chunk, _, found in self._anywhere(theta, x):
            state[:, chunk.part], slope[-n:, chunk.part] = found
        slope[:-n] = state[n:]
        return state, slope

    def _anywhere(self, theta: Real, x: Real) -> Iterator[tuple[_Chunk, Real, tuple[Real, Real]]]:
        """As `_trial`, at any points x of the span."""
        kept = buffers.borrow(min(self._chunk_size, x.size), self.network.n_hidden)
        try:
            for lo in range(0, x.size, self._chunk_size):
                part = slice(lo, min(lo + self._chunk_size, x.size))
                chunk = self._make_chunk(part, x[part], (x[part] - self.span[0]) / self._h)
                yield chunk, kept, chunk.forward(theta, kept)
        finally:
            buffers.give_back(kept)

    def _trial(self, theta: Real, kept: Real | None = None) -> Iterator[tuple[_Chunk, Real, Real]]:
        """Yield (chunk, state, highest derivative) for one chunk after the other: eq. (2).

        The activations of the chunk are in `kept`, where the caller lends a buffer for its pullback.
        """
        own = kept is None
        buffer = self._borrow() if kept is None else kept
        try:
            for chunk in self._chunks:
                yield chunk, *chunk.forward(theta, buffer)
        finally:
            if own:
                buffers.give_back(buffer)

    def _borrow(self) -> Real:
        """A buffer for the activations of one chunk."""
        return buffers.borrow(self._chunks[0].xi.size, self.network.n_hidden)

    def without_jac(self) -> Collocation:
        """The same problem with differences of `fun` instead of `jac`."""
        other = copy.copy(self)
        other.rhs = self.rhs.without_jac()
        return other

    def __getstate__(self) -> dict[str, Any]:
        """What a copy takes over: not the addresses of machine code, which hold in this process for this `jac`."""
        return {**self.__dict__, "_looked": False, "_in_one_launch": None}

    @property
    def _fused(self) -> Fused | None:
        """What works with compiled `fun` and `jac` in one launch; None where they are functions of Python."""
        if not self._looked:
            self._looked = True
            code = self.rhs.on_block()
            where = self.network, self._conditions, self._h, self.points, self._xi
            self._in_one_launch = None if code is None else Fused(*where, *code)
        return self._in_one_launch

    @property
    def _conditions(self) -> Real:
        """One row per condition, (order, n)."""
        return self.y0.reshape(self.form.order, -1)

    def _make_chunk(self, part: slice, x: Real, xi: Real) -> _Chunk:
        """The trial solution at some points: whole blocks of the kernels, by m and n_hidden alone."""
        return make_order(self.network, self.form, self._conditions, self._h, part, x, xi)

    def checked_theta(self, theta: ArrayLike, name: str = "theta") -> Real:
        """theta as the kernels want it: finite float64, (n_theta,); or a ValueError that calls it `name`."""
        try:
            array = np.ascontiguousarray(theta)
        except ValueError:
            raise arguments.WrongKind(f"`{name}` must be real numbers of shape {self._shape}, got {theta!r}.") from None
        if array.dtype is not _FLOAT or not array.flags.writeable:  # numba would compile for each kind of array
            if array.dtype.kind not in "fiub":
                raise arguments.WrongKind(f"`{name}` must be real numbers, got dtype {array.dtype}.")
            array = array.astype(np.float64)
        if array.shape != self._shape:
            raise ValueError(f"`{name}` must have shape {self._shape}, got {np.shape(theta)}.")
        if not np.logical_and.reduce(np.isfinite(array)):
            raise ValueError(f"`{name}` must be finite, got {array[~np.isfinite(array)][0]} in it.")
        return array


def _square(r: Real) -> float:
    """sum r**2 without BLAS, whose order of summation may depend on its threads."""
    return float(np.add.reduce(r * r, axis=None))
