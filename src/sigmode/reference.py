"""The source derivation in plain NumPy, equation by equation: oracle of the tests, baseline of the benchmarks.

Read it beside ``docs/derivation.md``.  Nothing here shares code with the compiled kernels, and every function
accepts complex parameters, so that the complex step can judge both.  Clarity first: arrays are ``(m, n_hidden)``.

The source solves ``dy/dx = f(x, y)``, ``y(x0) = A0`` (eq. 1) with the trial solution ``y = A0 + (x - x0) N(x, p)``
(eq. 2), N a network of one hidden layer, a linear output and no output bias.  It works on [0, 1]; here the network
sees ``xi = (x - x0)/h`` and ``y = A0 + xi N(xi)``, which is the same thing there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FORMULAS",
    "Blocks",
    "activation",
    "curvature",
    "gradient",
    "hidden",
    "loss",
    "loss_and_gradient",
    "network",
    "pullback",
    "pullback2",
    "residual",
    "residual2",
    "sensitivities",
    "sensitivities2",
    "split",
    "third",
]

Array = NDArray[Any]  # float64, or complex128 for the complex step
Fun = Callable[[Array, Array], Array]

FORMULAS = ("full", "eq9", "eq11", "eq12", "eq24")


class Blocks(NamedTuple):
    """The parameters by name: w, b (n_hidden,); V (n, n_hidden); c (n,), zero where the network has no bias."""

    w: Array
    b: Array
    V: Array
    c: Array


def split(theta: Array, n: int, n_hidden: int) -> Blocks:
    """Take the flat parameters ``w | b | V | c`` apart; the last block may be missing.

    >>> import numpy as np
    >>> split(np.arange(6.0), n=1, n_hidden=2).V
    array([[4., 5.]])
    """
    w, b = theta[:n_hidden], theta[n_hidden : 2 * n_hidden]
    V = theta[2 * n_hidden : (2 + n) * n_hidden].reshape(n, n_hidden)
    c = theta[(2 + n) * n_hidden :]
    return Blocks(w, b, V, c if c.size else np.zeros(n, theta.dtype))


def activation(z: Array, name: str = "sigmoid") -> tuple[Array, Array, Array]:
    """s, Ds and D2s at z (eq. 22: Ds = s(1-s), D2s = s(1-s)(1-2s)), for real or complex z of any size.

    >>> import numpy as np
    >>> [float(v[0]) for v in activation(np.zeros(1))]
    [0.5, 0.25, 0.0]
    """
    if name == "sin":
        return np.sin(z), np.cos(z), -np.sin(z)
    scale = {"sigmoid": 1, "tanh": 2}[name]
    e = np.exp(np.where(z.real > 0, -scale * z, scale * z))  # never overflows
    small, large = e / (1 + e), 1 / (1 + e)
    s = np.where(z.real > 0, large, small)
    ds = small * large
    if name == "sigmoid":
        return s, ds, ds * np.where(z.real > 0, small - large, large - small)
    t = np.tanh(z)
    return t, 4 * ds, -2 * t * 4 * ds


def hidden(theta: Array, xi: Array, n: int, n_hidden: int, name: str = "sigmoid") -> tuple[Array, Array, Array]:
    """s, Ds and D2s of every hidden unit at every point, each (m, n_hidden)."""
    w, b, _, _ = split(theta, n, n_hidden)
    return activation(np.multiply.outer(xi, w) + b, name)


def network(
    theta: Array, xi: Array, n: int, n_hidden: int, name: str = "sigmoid", layer: tuple[Array, ...] | None = None
) -> tuple[Array, Array]:
    """N and dN/dxi, both (n, m): eq. (2) and eq. (6), which is eq. (18). `layer` is what `hidden` returned.

    >>> import numpy as np
    >>> N, dN = network(np.array([1.0, 0.0, 2.0]), np.zeros(1), n=1, n_hidden=1)
    >>> float(N[0, 0]), float(dN[0, 0])
    (1.0, 0.5)
    """
    w, _, V, c = split(theta, n, n_hidden)
    s, ds, _ = hidden(theta, xi, n, n_hidden, name) if layer is None else layer
    return V @ s.T + c[:, None], (V * w) @ ds.T


def third(z: Array, name: str = "sigmoid") -> Array:
    """D3s at z: Ds (1 - 6 Ds) for the sigmoid, Dt (4 - 6 Dt) for tanh, -cos z for sin.

    >>> float(third(np.zeros(1))[0])
    -0.125
    """
    ds = activation(z, name)[1]
    if name == "sin":
        return -ds
    return np.asarray(ds * ({"sigmoid": 1, "tanh": 4}[name] - 6 * ds))


def curvature(theta: Array, xi: Array, n: int, n_hidden: int, name: str = "sigmoid") -> Array:
    """N'' = sum_j V_kj w_j**2 D2s(z_j), (n, m).

    >>> float(curvature(np.array([3.0, np.pi / 2, 2.0]), np.zeros(1), 1, 1, "sin")[0, 0])
    -18.0
    """
    w, _, V, _ = split(theta, n, n_hidden)
    second: Array = (V * w**2) @ hidden(theta, xi, n, n_hidden, name)[2].T
    return second


def pullback(
    theta: Array,
    xi: Array,
    N_bar: Array,
    dN_bar: Array,
    n_hidden: int,
    name: str = "sigmoid",
    layer: tuple[Array, ...] | None = None,
) -> Array:
    """dE/dtheta from N_bar = dE/dN and dN_bar = dE/dN', both (n, m): the two paths from every parameter to E."""
    n = len(N_bar)
    w, _, V, _ = split(theta, n, n_hidden)
    s, ds, d2s = hidden(theta, xi, n, n_hidden, name) if layer is None else layer
    a, d = N_bar.T @ V, dN_bar.T @ V
    x = xi[:, None]
    dw = (a * ds * x + d * (ds + w * d2s * x)).sum(0)  # eq. (21)
    db = (a * ds + d * w * d2s).sum(0)
    dV = N_bar @ s + (dN_bar @ ds) * w
    blocks = [dw, db, dV.ravel()]
    if theta.size > (2 + n) * n_hidden:
        blocks.append(N_bar.sum(1))
    return np.concatenate(blocks)


def sensitivities(theta: Array, xi: Array, dr_dN: Array, dr_ddN: Array, n_hidden: int, name: str = "sigmoid") -> Array:
    """The Jacobian (n_rows * m, n_theta) of residuals with dr_k/dN_l and dr_k/dN'_l given, both (m, n_rows, n)."""
    m, n_rows, n = dr_dN.shape
    w, _, V, _ = split(theta, n, n_hidden)
    s, ds, d2s = (v[:, None] for v in hidden(theta, xi, n, n_hidden, name))
    a, d = dr_dN @ V, dr_ddN @ V  # (m, n_rows, n_hidden)
    x = xi[:, None, None]
    db = a * ds + d * w * d2s
    dw = a * ds * x + d * (ds + w * d2s * x)
    dV = dr_dN[..., None] * s[:, None] + dr_ddN[..., None] * (w * ds)[:, None]  # (m, n_rows, n, n_hidden)
    blocks = [dw, db, dV.reshape(m, n_rows, -1)]
    if theta.size > (2 + n) * n_hidden:
        blocks.append(dr_dN)
    return np.concatenate(blocks, axis=2).transpose(1, 0, 2).reshape(n_rows * m, -1)


def pullback2(
    theta: Array, xi: Array, N_bar: Array, dN_bar: Array, d2N_bar: Array, n_hidden: int, name: str = "sigmoid"
) -> Array:
    """`pullback` with a third path, d2N_bar = dE/dN'' (n, m): docs/derivation.md, "Second order"."""
    n = len(N_bar)
    w, b, V, _ = split(theta, n, n_hidden)
    z = np.multiply.outer(xi, w) + b
    d2s, d3s = activation(z, name)[2], third(z, name)
    g = d2N_bar.T @ V
    dw = (g * (2 * w * d2s + w**2 * d3s * xi[:, None])).sum(0)
    db = (g * w**2 * d3s).sum(0)
    dV = (d2N_bar @ d2s) * w**2
    through_curvature = np.concatenate([dw, db, dV.ravel()])
    gradient = pullback(theta, xi, N_bar, dN_bar, n_hidden, name)
    gradient[: through_curvature.size] += through_curvature
    return gradient


def sensitivities2(
    theta: Array, xi: Array, dr_dN: Array, dr_ddN: Array, dr_d2N: Array, n_hidden: int, name: str = "sigmoid"
) -> Array:
    """`sensitivities` with dr_k/dN''_l given, too, (m, n_rows, n): row by row the `pullback2` of one residual."""
    m, n_rows, _ = dr_dN.shape
    rows = []
    for k, i in np.ndindex(n_rows, m):
        N_bar, dN_bar, d2N_bar = (weights[i, k][:, None] for weights in (dr_dN, dr_ddN, dr_d2N))
        rows.append(pullback2(theta, xi[i : i + 1], N_bar, dN_bar, d2N_bar, n_hidden, name))
    return np.array(rows)


class Trial(NamedTuple):
    """The trial solution y and its residual r = dy/dx - f(x, y) at the points, with what led there."""

    xi: Array
    h: float
    layer: tuple[Array, ...]
    y: Array
    r: Array


def _trial(theta: Array, x: Array, span: tuple[float, float], y0: Array, fun: Fun, n_hidden: int, name: str) -> Trial:
    x0, x1 = span
    h = x1 - x0
    xi = (x - x0) / h
    layer = hidden(theta, xi, len(y0), n_hidden, name)
    N, dN = network(theta, xi, len(y0), n_hidden, name, layer)
    y = y0[:, None] + xi * N
    dy_dx = (N + xi * dN) / h
    return Trial(xi, h, layer, y, dy_dx - fun(x, y))


def residual(
    theta: Array, x: Array, span: tuple[float, float], y0: Array, fun: Fun, n_hidden: int, name: str = "sigmoid"
) -> Array:
    """r = dy/dx - f(x, y) of the trial solution at the points x, (n, m): eq. (3)."""
    return _trial(theta, x, span, y0, fun, n_hidden, name).r


def residual2(
    theta: Array,
    x: Array,
    span: tuple[float, float],
    values: Array,
    fun: Callable[[Array, Array, Array], Array],
    n_hidden: int,
    conditions: str = "initial",
    name: str = "sigmoid",
) -> Array:
    """r = y'' - f(x, y, y') of a trial solution of second order at the points x, (n, m).

    values : (2, n), y(x0) and y'(x0) for "initial", y = y0 + h xi dy0 + xi**2 N; y(x0) and y(x1) for "two-point",
    y = (1 - xi) ya + xi yb + xi (1 - xi) N.
    """
    first, second = values[0][:, None], values[1][:, None]
    h = span[1] - span[0]
    xi = (x - span[0]) / h
    N, dN = network(theta, xi, len(first), n_hidden, name)
    d2N = curvature(theta, xi, len(first), n_hidden, name)
    if conditions == "initial":
        y = first + h * xi * second + xi**2 * N
        dy = second + (2 * xi * N + xi**2 * dN) / h
        d2y = (2 * N + 4 * xi * dN + xi**2 * d2N) / h**2
    else:
        y = (1 - xi) * first + xi * second + xi * (1 - xi) * N
        dy = (second - first + (1 - 2 * xi) * N + xi * (1 - xi) * dN) / h
        d2y = (-2 * N + 2 * (1 - 2 * xi) * dN + xi * (1 - xi) * d2N) / h**2
    return d2y - fun(x, y, dy)


def loss(
    theta: Array, x: Array, span: tuple[float, float], y0: Array, fun: Fun, n_hidden: int, name: str = "sigmoid"
) -> Any:
    """E = sum r**2 over points and equations: eq. (4). Complex for complex theta (no conjugation)."""
    r = residual(theta, x, span, y0, fun, n_hidden, name)
    return (r * r).sum()


def loss_and_gradient(
    theta: Array,
    x: Array,
    span: tuple[float, float],
    y0: Array,
    fun: Fun,
    jac: Fun,
    n_hidden: int,
    name: str = "sigmoid",
) -> tuple[Any, Array]:
    """E and its full gradient for any number of equations: eqs. (15) to (21), and the blocks b, V and c."""
    xi, h, layer, y, r = _trial(theta, x, span, y0, fun, n_hidden, name)
    df_dy = jac(x, y)
    N_bar = 2 * r / h - 2 * xi * (r[:, None] * df_dy).sum(0)  # dE/dN,  eq. (16)
    dN_bar = 2 * r * xi / h  # dE/dN', eq. (17)
    return (r * r).sum(), pullback(theta, xi, N_bar, dN_bar, n_hidden, name, layer)


def gradient(theta: Array, x: Array, A0: float, fun: Fun, df_dy: Fun, n_hidden: int, formula: str = "full") -> Array:
    """dE/dtheta of the source's problem (one equation on [0, 1], sigmoid), the w block by the formula named.

    Parameters
    ----------
    theta : (n_theta,), real or complex, blocks w | b | V.
    x : (m,), the points in [0, 1].
    A0 : y(0).
    fun, df_dy : f(x, y) and its derivative by y, (m,) and (m,) -> (m,).
    formula : "full", eqs. (19) to (21), or one that the source rejects: "eq9" (without the term v D2s w x),
        "eq11" (without the dN/dx path), "eq12" (eq. (11) times Ds of the output), "eq24" (the factored form as
        printed, with the sign slip in ``1 - x(1-2s) w``). The blocks b and V are the full ones in each case.

    >>> import numpy as np
    >>> x, theta = np.linspace(0, 1, 5), np.array([1.0, -2.0, 0.3, 0.1, 0.5, -0.7])
    >>> f, f_y = lambda x, y: -y, lambda x, y: -np.ones_like(x)
    >>> E = lambda t: loss(t, x, (0, 1), np.ones(1), f, n_hidden=2)
    >>> step = E(theta + 1e-30j * np.eye(6)[0]).imag / 1e-30
    >>> bool(np.isclose(gradient(theta, x, 1.0, f, f_y, 2)[0], step, rtol=1e-14))
    True
    """
    if formula not in FORMULAS:
        raise ValueError(f"`formula` must be one of {FORMULAS}, got {formula!r}.")
    w, b, V, _ = split(theta, 1, n_hidden)
    v = V[0]
    s, ds, d2s = activation(np.multiply.outer(x, w) + b)
    N, dN = s @ v, ds @ (v * w)
    y = A0 + x * N
    r = N + x * dN - fun(x, y)
    f_y = df_dy(x, y)
    N_bar, dN_bar = 2 * r * (1 - x * f_y), 2 * r * x

    X, R = x[:, None], r[:, None]
    if formula == "full":
        dw = v * ds * (X * N_bar[:, None]) + v * (ds + d2s * w * X) * dN_bar[:, None]
    elif formula == "eq9":
        dw = 2 * R * X * v * ds * (2 - X * f_y[:, None])
    elif formula == "eq24":
        dw = v * ds * (X * N_bar[:, None] + dN_bar[:, None] * (1 - X * (1 - 2 * s) * w))
    else:
        dw = X * v * ds * N_bar[:, None]
        if formula == "eq12":
            dw = dw * activation(N)[1][:, None]
    full = pullback(theta, x, N_bar[None], dN_bar[None], n_hidden, "sigmoid")
    return np.concatenate([dw.sum(0), full[n_hidden:]])
