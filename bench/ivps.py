"""Initial value problems for the benchmarks: f in plain Python and, where Numba takes it, compiled."""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import cos, pi, sin, sqrt
from typing import Any, NamedTuple

import numba
import numpy as np
from scipy.integrate import solve_ivp


class Ivp(NamedTuple):
    """y' = fun(t, y), y(span[0]) = y0, on a grid; exact(t) or None; the reference comes from a tight run otherwise."""

    fun: Callable[[float, Any], Any]
    y0: tuple[float, ...]
    span: tuple[float, float]
    exact: Callable[[Any], Any] | None = None
    stiff: bool = False
    jac: Callable[[float, Any], Any] | None = None

    @property
    def grid(self):
        """Where errors are measured: 2001 points that no method chooses; logarithmic for spans of many decades."""
        if self.span[1] > 1e6:
            return np.append(0.0, np.geomspace(1e-6, self.span[1], 400))
        return np.linspace(*self.span, 2001)


def b4(t, y):
    r = sqrt(y[0] ** 2 + y[1] ** 2)
    return np.array([-y[1] - y[0] * y[2] / r, y[0] - y[1] * y[2] / r, y[0] / r])


def kepler(t, y):
    cube = (y[0] ** 2 + y[1] ** 2) ** 1.5
    return np.array([y[2], y[3], -y[0] / cube, -y[1] / cube])


def lorenz(t, y):
    return np.array([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]])


def van_der_pol_1000(t, y):
    return np.array([y[1], 1000 * (1 - y[0] ** 2) * y[1] - y[0]])


def rober(t, y):
    a, b, c = -0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return np.array([a + b, -a - b - c, c])


def rober_jac(t, y):
    return np.array(
        [[-0.04, 1e4 * y[2], 1e4 * y[1]], [0.04, -1e4 * y[2] - 6e7 * y[1], -1e4 * y[1]], [0.0, 6e7 * y[1], 0.0]]
    )


def hires(t, y):
    pair = 280 * y[5] * y[7]
    return np.array(
        [
            -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
            1.71 * y[0] - 8.75 * y[1],
            -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
            8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
            -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
            -pair + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
            pair - 1.81 * y[6],
            -pair + 1.81 * y[6],
        ]
    )


def follow_1e3(t, y):
    return np.array([-1e3 * (y[0] - sin(t)) + cos(t)])


def follow_1e6(t, y):
    return np.array([-1e6 * (y[0] - sin(t)) + cos(t)])


def lagaris_1(t, y):
    q = (1 + 3 * t * t) / (1 + t + t**3)
    return np.array([t**3 + 2 * t + t * t * q - (t + q) * y[0]])


# The names of DETEST are those of Hull, Enright, Fellen, Sedgwick (1972).
PROBLEMS = {
    "A1": Ivp(lambda t, y: np.array([-y[0]]), (1.0,), (0, 20), lambda t: np.exp(-t)[None]),
    "A2": Ivp(lambda t, y: np.array([-(y[0] ** 3) / 2]), (1.0,), (0, 20), lambda t: 1 / np.sqrt(1 + t)[None]),
    "A3": Ivp(lambda t, y: np.array([y[0] * cos(t)]), (1.0,), (0, 20), lambda t: np.exp(np.sin(t))[None]),
    "A4": Ivp(
        lambda t, y: np.array([y[0] / 4 * (1 - y[0] / 20)]), (1.0,), (0, 20),
        lambda t: 20 / (1 + 19 * np.exp(-t / 4))[None],
    ),
    "A5": Ivp(lambda t, y: np.array([(y[0] - t) / (y[0] + t)]), (4.0,), (0, 20)),
    "B1": Ivp(lambda t, y: np.array([2 * (y[0] - y[0] * y[1]), -y[1] + y[0] * y[1]]), (1.0, 3.0), (0, 20)),
    "B2": Ivp(
        lambda t, y: np.array([-y[0] + y[1], y[0] - 2 * y[1] + y[2], y[1] - y[2]]), (2.0, 0.0, 1.0), (0, 20),
        lambda t: np.array(
            [1 + np.exp(-t) / 2 + np.exp(-3 * t) / 2, 1 - np.exp(-3 * t), 1 - np.exp(-t) / 2 + np.exp(-3 * t) / 2]
        ),
    ),
    "B3": Ivp(lambda t, y: np.array([-y[0], y[0] - y[1] ** 2, y[1] ** 2]), (1.0, 0.0, 0.0), (0, 20)),
    "B4": Ivp(b4, (3.0, 0.0, 0.0), (0, 20)),
    "B5": Ivp(lambda t, y: np.array([y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]]), (0.0, 1.0, 1.0), (0, 20)),
    "Bessel": Ivp(
        lambda t, y: np.array([y[1], -(y[1] / (t + 1) + (1 - 0.25 / (t + 1) ** 2) * y[0])]),
        (0.6713967071418030, 0.09540051444747446), (0, 20),
    ),
    "van der Pol 1": Ivp(lambda t, y: np.array([y[1], (1 - y[0] ** 2) * y[1] - y[0]]), (2.0, 0.0), (0, 20)),
    "Lotka-Volterra": Ivp(
        lambda t, y: np.array([1.5 * y[0] - y[0] * y[1], -3 * y[1] + y[0] * y[1]]), (10.0, 5.0), (0, 15)
    ),
    "pendulum": Ivp(lambda t, y: np.array([y[1], -sin(y[0])]), (pi / 2, 0.0), (0, 10)),
    "logistic": Ivp(
        lambda t, y: np.array([y[0] * (1 - y[0])]), (0.01,), (0, 10), lambda t: 1 / (1 + 99 * np.exp(-t))[None]
    ),
    "Lagaris 1": Ivp(
        lagaris_1, (1.0,), (0, 1), lambda t: (np.exp(-(t**2) / 2) / (1 + t + t**3) + t**2)[None]
    ),
    "Kepler e=0.1": Ivp(kepler, (0.9, 0.0, 0.0, sqrt(1.1 / 0.9)), (0, 20)),
    "Lorenz": Ivp(lorenz, (1.0, 1.0, 1.0), (0, 5)),
    "Prothero-Robinson 1e3": Ivp(
        follow_1e3, (0.0,), (0, 2 * pi), lambda t: np.sin(t)[None], True, lambda t, y: np.array([[-1e3]])
    ),
    "Prothero-Robinson 1e6": Ivp(
        follow_1e6, (0.0,), (0, 2 * pi), lambda t: np.sin(t)[None], True, lambda t, y: np.array([[-1e6]])
    ),
    "van der Pol 1000": Ivp(
        van_der_pol_1000, (2.0, 0.0), (0, 2000), None, True,
        lambda t, y: np.array([[0.0, 1.0], [-2000 * y[0] * y[1] - 1, 1000 * (1 - y[0] ** 2)]]),
    ),
    "ROBER": Ivp(rober, (1.0, 0.0, 0.0), (0, 1e11), None, True, rober_jac),
    "HIRES": Ivp(hires, (1.0, 0, 0, 0, 0, 0, 0, 0.0057), (0, 321.8122), None, True),
}  # fmt: skip


@functools.cache
def reference(name):
    """The solution on the grid, (n, m): exact, or from a method that is not ours, at its tightest."""
    p = PROBLEMS[name]
    if p.exact is not None:
        return p.exact(p.grid)
    options = {"method": "Radau", "rtol": 1e-12, "atol": 1e-16} if p.stiff else {"method": "DOP853", "rtol": 2.3e-14}
    res = solve_ivp(p.fun, p.span, p.y0, t_eval=p.grid, **{"atol": 1e-16, **options})
    assert res.success, name
    return res.y


@functools.cache
def compiled(name):
    """f and df/dy compiled by Numba."""
    p = PROBLEMS[name]
    fun = numba.njit(p.fun)
    fun(p.span[0], np.array(p.y0, dtype=float))
    jac = None if p.jac is None else numba.njit(p.jac)
    return fun, jac


def error(name, y):
    """The largest error, relative to the largest value of the component up to there (and 1e-3 at least)."""
    exact = reference(name)
    return float((abs(y - exact) / (np.maximum.accumulate(abs(exact), axis=1) + 1e-3)).max())


def solver(name, method, tol, compile_it=False):
    """A function that solves the problem on its grid."""
    p = PROBLEMS[name]
    fun, jac = compiled(name) if compile_it else (p.fun, p.jac)
    options = {} if jac is None or method in ("RK23", "RK45", "DOP853") else {"jac": jac}
    return lambda: solve_ivp(fun, p.span, p.y0, method=method, t_eval=p.grid, rtol=tol, atol=1e-3 * tol, **options)


def tolerance(name, method, target, compile_it=False):
    """The loosest tolerance of a ladder of half decades whose error is at most the target, and that error; or None."""
    for exponent in np.arange(2.0, 13.5, 0.5):
        tol = 10.0**-exponent
        if tol > 1e3 * target:
            continue
        res = solver(name, method, tol, compile_it)()
        if res.success and (reached := error(name, res.y)) <= target:
            return tol, reached
    return None
