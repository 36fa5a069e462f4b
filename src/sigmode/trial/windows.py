"""Solutions window by window, for those who make and judge them."""

from __future__ import annotations

import numpy as np

from ..arrays import Number, Real
from ..compiled.along import along
from .network import Network
from .piecewise import Piecewise

__all__ = ["at_windows", "magnitudes", "values_and_slopes", "window_values"]


def at_windows(sol: Piecewise, xi: Real) -> Real:
    """y at the points xi (m,) of every window of a march, (K, m, n): first order, one hidden layer for all."""
    values = sol.network.of_all(sol.theta, xi)
    return np.ascontiguousarray((sol.y[:, :, None] + xi * values).transpose(0, 2, 1))


def values_and_slopes(sol: Piecewise, t: Real) -> tuple[Number, Number]:
    """y and dy/dt of a march, (m, n) each, at the times t (m,) in its order, its ends included; as of `at_windows`."""
    if sol.theta.dtype.kind == "c":
        return sol(t, extrapolate=True).T.copy(), sol(t, 1, True).T
    shape = t.size, sol.n
    values, slopes = np.empty(shape), np.empty(shape)
    along(np.ascontiguousarray(t), sol.x, sol.h, sol.y, sol.theta, sol.network.n_hidden, values, slopes)
    return values, slopes


def window_values(sol: Piecewise, k: int, xi: Real) -> Real:
    """y at the points xi of window k, (n, m)."""
    value = sol.form.product(lambda i: sol.network.derivative(sol.theta[k], xi, i), xi, 0)
    return value + sol.form.line(sol.y[k][:, None], sol.second[k][:, None], sol.h[k], xi, 0)


def magnitudes(sol: Piecewise, nu: int) -> Real:
    """Rounding error of the nu-th derivative of y by x in each window, (K, n), in units of the unit roundoff."""
    net, K = sol.network, len(sol.theta)
    if sol.shared:  # the same as one network with the outputs of all
        all_of_them = Network(K * net.n, net.n_hidden, net.activation, net.output_bias)
        parts = np.split(sol.theta, [2 * net.n_hidden, (2 + net.n) * net.n_hidden], axis=1)
        theta = np.concatenate([parts[0][0], parts[1].ravel(), parts[2].ravel()])
        size = sol.form.magnitude(lambda i: all_of_them.magnitude(theta, i).reshape(K, -1), nu)
    else:
        size = sol.form.magnitude(lambda i: np.array([net.magnitude(theta, i) for theta in sol.theta]), nu)
    h = np.where(sol.h != 0.0, sol.h, 1.0)[:, None]
    size = size / abs(h) ** nu
    if nu < sol.form.order:
        size = size + abs(sol.form.line(sol.y, sol.second, h, np.ones(1), nu))
    return np.asarray(size)
