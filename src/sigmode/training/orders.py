"""A trial solution at collocation points: its values from the kernels, and the way back to the parameters.

Array code between two kernels, once for each order of the equation.  The *state* is what f is a function of besides
x: y for ``y' = f(x, y)``, y above y' for ``y'' = f(x, y, y')``; the residual is the highest derivative minus f.
Here every factor 1/h, xi, ... is an array prepared once: equal shapes make a NumPy operation half as long at small m.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Real
from ..compiled import first_order, fused, second_order
from ..compiled.functions import Called
from ..trial.form import Form
from ..trial.network import Network

__all__ = ["FirstOrder", "Fused", "SecondOrder", "make_order"]


class FirstOrder:
    """y = A + xi N and dy/dx at some of the points: eqs. (2), (16) and (17).

    part : which of the points; x, xi : (m,), the points; conditions : (1, n); h : the length of the span.
    """

    def __init__(self, network: Network, conditions: Real, h: float, part: slice, x: Real, xi: Real) -> None:
        self.part = part
        self.x = x
        self.xi = xi
        self._network = network.n, network.n_hidden, network.kind, xi
        self._h = h
        self._start = conditions[0].copy()

    def forward(self, theta: Real, kept: Real) -> tuple[Real, Real]:
        """The state y and dy/dx, (n, m); the activations stay in `kept` for `pullback`."""
        return first_order.forward(theta, *self._network, self._h, self._start, kept)

    def pullback(self, theta: Real, kept: Real, r: Real, df: Real, state: Real, gradient: Real) -> None:
        """Add dE/dtheta, without the factor 2, to `gradient`; r and state (n, m) are used up, df (n, n, m)."""
        first_order.pullback(theta, *self._network, self._h, kept, r, df, state, gradient)

    def jacobian(self, theta: Real, kept: Real, df: Real, jacobian: Real) -> None:
        """Fill in the rows dr/dtheta of these points, see `compiled.first_order.rows`; df (n, n, m)."""
        of_n = np.full(self.xi.size, 1.0 / self._h)
        first_order.rows(theta, *self._network, kept, of_n, self.xi / self._h, df, jacobian, self.part.start)

    def values_jacobian(self, theta: Real, kept: Real, nu: int, rows: Real) -> None:
        """Fill in the rows dy/dtheta (nu = 0) or d(dy/dx)/dtheta (nu = 1) of these points."""
        of_n, of_dn = (np.full(self.xi.size, 1.0 / self._h), self.xi / self._h) if nu else (self.xi, 0.0 * self.xi)
        _values_jacobian(theta, self._network, kept, of_n, of_dn, rows, self.part.start)


def _values_jacobian(
    theta: Real, net: tuple[int, int, int, Real], kept: Real, of_n: Real, of_dn: Real, rows: Real, first: int
) -> None:
    """Rows of of_n N + of_dn N' by theta: those of a residual without f."""
    n, m = net[0], of_n.size
    first_order.rows(theta, *net, kept, of_n, of_dn, np.zeros((n, n, m)), rows, first)


class Fused:
    """Residual, loss and derivatives at all points of an equation of first order with compiled f, in one launch each.

    conditions : (1, n); x, xi : (m,); f, jac : their machine code. Results are None where f or jac raised an exception
    or returned another shape: for what the user should see they have to be called from Python.
    """

    def __init__(
        self, network: Network, conditions: Real, h: float, x: Real, xi: Real, f: Called, jac: Called | None
    ) -> None:
        self._net = network.n, network.n_hidden, network.kind, xi, x.copy(), h, conditions[0].copy()
        self._f, self._jac = f, jac

    def residual(self, theta: Real) -> Real | None:
        """(n, m)."""
        return fused.residual((theta, *self._net), self._f)

    def loss_and_gradient(self, theta: Real, with_gradient: bool = True) -> tuple[float, Real] | None:
        """E and dE/dtheta, (n_theta,)."""
        return fused.loss_and_gradient((theta, *self._net), self._f, self._jac, with_gradient)

    def jacobian(self, theta: Real) -> Real | None:
        """dr/dtheta, (n m, n_theta)."""
        return fused.rows((theta, *self._net), self._f, self._jac)


class SecondOrder:
    """y = A + B N, dy/dx and d2y/dx2 at some of the points, for either form of second order.

    part, x, xi, h : as for `FirstOrder`; conditions : (2, n).
    """

    def __init__(
        self, network: Network, form: Form, conditions: Real, h: float, part: slice, x: Real, xi: Real
    ) -> None:
        self.part = part
        self.x = x
        self.xi = xi
        self._n, self._n_hidden, self._kind = network.n, network.n_hidden, network.kind
        b, db, d2b = (np.broadcast_to(form.factor(xi, i), (1, xi.size)) for i in range(3))
        self._in_y = b.copy()  # N in y
        self._in_dy = db / h, b / h  # N, N' in dy/dx
        self._in_d2y = d2b / h**2, 2.0 * db / h**2, b / h**2  # N, N', N'' in d2y/dx2
        first, second = conditions[:, :, None]
        self._line = np.concatenate(
            [np.broadcast_to(form.line(first, second, h, xi, nu), (network.n, xi.size)) for nu in (0, 1)]
        )

    def forward(self, theta: Real, kept: Real) -> tuple[Real, Real]:
        """The state, y above dy/dx, (2n, m), and d2y/dx2, (n, m); the activations stay in `kept` for `pullback`."""
        value, slope, curvature = second_order.forward2(theta, self._n, self._n_hidden, self._kind, self.xi, kept)
        state = np.empty_like(self._line)
        np.multiply(value, self._in_y, out=state[: self._n])
        np.multiply(value, self._in_dy[0], out=state[self._n :])
        state[self._n :] += slope * self._in_dy[1]
        state += self._line
        for part, factor in zip((value, slope, curvature), self._in_d2y, strict=True):
            part *= factor
        curvature += slope
        curvature += value
        return state, curvature

    def pullback(self, theta: Real, kept: Real, r: Real, df: Real, state: Real, gradient: Real) -> None:
        """Add dE/dtheta, without the factor 2, to `gradient`; r (n, m), df (n, 2n, m)."""
        through_f = (r[:, None] * df).sum(axis=0)
        by_y, by_dy = through_f[: self._n], through_f[self._n :]
        n_bar = r * self._in_d2y[0] - by_y * self._in_y - by_dy * self._in_dy[0]
        dn_bar = r * self._in_d2y[1] - by_dy * self._in_dy[1]
        d2n_bar = r * self._in_d2y[2]
        net = theta, self._n, self._n_hidden, self._kind, self.xi
        second_order.pullback2(*net, kept, n_bar, dn_bar, d2n_bar, gradient)

    def jacobian(self, theta: Real, kept: Real, df: Real, jacobian: Real) -> None:
        """Fill in the rows dr/dtheta of these points, see `compiled.network.sensitivities2`; df (n, 2n, m)."""
        identity = np.eye(self._n)[:, :, None]
        by_y, by_dy = df[:, : self._n], df[:, self._n :]
        dr_dn = identity * self._in_d2y[0] - by_y * self._in_y - by_dy * self._in_dy[0]
        dr_ddn = identity * self._in_d2y[1] - by_dy * self._in_dy[1]
        dr_d2n = identity * self._in_d2y[2]
        by_n, by_dn, by_d2n = (np.ascontiguousarray(part.transpose(2, 0, 1)) for part in (dr_dn, dr_ddn, dr_d2n))
        second_order.sensitivities2(
            theta, self._n, self._n_hidden, self._kind, self.xi, kept, by_n, by_dn, by_d2n, jacobian, self.part.start
        )

    def values_jacobian(self, theta: Real, kept: Real, nu: int, rows: Real) -> None:
        """As of `FirstOrder`."""
        of_n, of_dn = (self._in_dy[0][0], self._in_dy[1][0]) if nu else (self._in_y[0], 0.0 * self.xi)
        net = self._n, self._n_hidden, self._kind, self.xi
        _values_jacobian(
            theta, net, kept, np.ascontiguousarray(of_n), np.ascontiguousarray(of_dn), rows, self.part.start
        )


def make_order(network: Network, form: Form, *where: Any) -> FirstOrder | SecondOrder:
    """The trial solution of the form's order; `where` is conditions, h, part, x, xi."""
    return FirstOrder(network, *where) if form.order == 1 else SecondOrder(network, form, *where)
