"""Problems with closed forms: what the demonstration, the tests and the benchmarks run on.

``p = sm.problems.LAGARIS_1`` is solved by ``sm.train(sm.Collocation(p.fun, p.span, p.y0, jac=p.jac))``, its error is
``sol(x) - p.exact(x)``; those between two points by ``sm.solve_bvp(p.fun, p.bc, x, y)`` with a mesh x and a guess y.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .arrays import Real

__all__ = [
    "BRATU",
    "GAUSS",
    "HUDSON_BAY",
    "LAGARIS_1",
    "LAGARIS_2",
    "LAGARIS_3",
    "LAGARIS_3_TWO_POINT",
    "LAGARIS_4",
    "LAYER",
    "LOGISTIC",
    "TANGENT",
    "Problem",
    "TwoPoint",
]


class Problem(NamedTuple):
    """dy/dx = fun(x, y) on span, y(span[0]) = y0, with df/dy = jac(x, y) and the solution exact(x), (n, m)."""

    name: str
    fun: Callable[[Real, Real], Real]
    jac: Callable[[Real, Real], Real]
    span: tuple[float, float]
    y0: tuple[float, ...]
    exact: Callable[[Real], Real]


class TwoPoint(NamedTuple):
    """A system dy/dx = fun(x, y) of two equations whose first component is given at both ends, and that component."""

    name: str
    fun: Callable[[Real, Real], Real]
    span: tuple[float, float]
    exact: Callable[[Real], Real]

    def bc(self, ya: Real, yb: Real) -> Real:
        """The residual of the boundary conditions."""
        a, b = self.exact(np.array(self.span))
        return np.array([ya[0] - a, yb[0] - b])


def _q(x: Real) -> Real:
    return (1.0 + 3.0 * x**2) / (1.0 + x + x**3)


def _rows(*rows: Real | float, x: Real) -> Real:
    return np.array([np.broadcast_to(row, x.shape) for row in rows])


# Lagaris, Likas, Fotiadis, IEEE Trans. Neural Networks 9(5), 987-1000 (1998), problems 1 to 4.
LAGARIS_1 = Problem(
    "Lagaris 1",
    lambda x, y: x**3 + 2.0 * x + x**2 * _q(x) - (x + _q(x)) * y,
    lambda x, y: -(x + _q(x))[None, None],
    (0.0, 1.0),
    (1.0,),
    lambda x: (np.exp(-(x**2) / 2.0) / (1.0 + x + x**3) + x**2)[None],
)
LAGARIS_2 = Problem(
    "Lagaris 2",
    lambda x, y: np.exp(-x / 5.0) * np.cos(x) - y / 5.0,
    lambda x, y: np.full((1, 1, x.size), -0.2),
    (0.0, 2.0),
    (0.0,),
    lambda x: (np.exp(-x / 5.0) * np.sin(x))[None],
)
LAGARIS_3 = Problem(
    "Lagaris 3 (as a system)",
    lambda x, y: np.array([y[1], -0.2 * np.exp(-x / 5.0) * np.cos(x) - 0.2 * y[1] - y[0]]),
    lambda x, y: np.array([_rows(0.0, 1.0, x=x), _rows(-1.0, -0.2, x=x)]),
    (0.0, 2.0),
    (0.0, 1.0),
    lambda x: np.exp(-x / 5.0) * np.array([np.sin(x), np.cos(x) - np.sin(x) / 5.0]),
)
LAGARIS_4 = Problem(
    "Lagaris 4 (unstable)",
    lambda x, y: np.array(
        [
            np.cos(x) + y[0] ** 2 + y[1] - (1.0 + x**2 + np.sin(x) ** 2),
            2.0 * x - (1.0 + x**2) * np.sin(x) + y[0] * y[1],
        ]
    ),
    lambda x, y: np.array([_rows(2.0 * y[0], 1.0, x=x), _rows(y[1], y[0], x=x)]),
    (0.0, 3.0),
    (0.0, 1.0),
    lambda x: np.array([np.sin(x), 1.0 + x**2]),
)

# The source's own kind: one equation on [0, 1].
GAUSS = Problem(
    "y' = exp(-x^2) cos x - 2xy",
    lambda x, y: np.exp(-(x**2)) * np.cos(x) - 2.0 * x * y,
    lambda x, y: -2.0 * x[None, None],
    (0.0, 1.0),
    (1.0,),
    lambda x: (np.exp(-(x**2)) * (1.0 + np.sin(x)))[None],
)

LOGISTIC = Problem(
    "y' = y (1 - y)",
    lambda x, y: y * (1.0 - y),
    lambda x, y: (1.0 - 2.0 * y)[None],
    (0.0, 5.0),
    (0.1,),
    lambda x: (1.0 / (1.0 + 9.0 * np.exp(-x)))[None],
)
TANGENT = Problem(
    "y' = 1 + y^2",
    lambda x, y: 1.0 + y**2,
    lambda x, y: 2.0 * y[None],
    (0.0, 1.0),
    (0.0,),
    lambda x: np.tan(x)[None],
)

LAGARIS_3_TWO_POINT = TwoPoint("Lagaris 3", LAGARIS_3.fun, (0.0, 1.0), lambda x: np.exp(-x / 5.0) * np.sin(x))
# The lower branch for k = 1; theta = sqrt(2) cosh(theta/4).
_THETA = 1.517164599050754
BRATU = TwoPoint(
    "y'' + exp(y) = 0 (Bratu)",
    lambda x, y: np.array([y[1], -np.exp(y[0])]),
    (0.0, 1.0),
    lambda x: -2.0 * np.log(np.cosh((x - 0.5) * _THETA / 2.0) / np.cosh(_THETA / 4.0)),
)
LAYER = TwoPoint(
    "1e-6 y'' = y' (a layer)",
    lambda x, y: np.array([y[1], 1e6 * y[1]]),
    (0.0, 1.0),
    lambda x: -np.expm1((x - 1.0) * 1e6),
)

# Years since 1900, and furs in thousands: snowshoe hares and lynxes. Source: Hudson's Bay Company, as in Howard,
# Modeling Basics (2009).
HUDSON_BAY = (
    np.arange(21.0),
    np.array([
        [30, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22, 25.4, 27.1]
        + [40.3, 57, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7],
        [4, 6.1, 9.8, 35.2, 59.4, 41.7, 19, 13, 8.3, 9.1, 7.4, 8, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6],
    ]),
)  # fmt: skip
