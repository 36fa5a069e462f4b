"""Boundary value problems with closed solutions: Cash and Mazzia's names, Bratu, Sturm-Liouville."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import erf


class Problem(NamedTuple):
    """fun, bc and start (x, y, p) as `solve_bvp` takes them; exact(x) is the first component."""

    name: str
    fun: Callable[..., Any]
    bc: Callable[..., Any]
    x: Any
    y: Any
    exact: Callable[[Any], Any]
    p: Any = None


def _second_order(name, span, ends, curvature, exact, guess=0.0):
    """y'' = curvature(x, y, y') with y given at both ends."""

    def fun(x, y):
        return np.vstack([y[1], curvature(x, y[0], y[1])])

    def bc(ya, yb):
        return np.array([ya[0] - ends[0], yb[0] - ends[1]])

    x = np.linspace(*span, 5)
    y = np.zeros((2, 5))
    y[0] = guess
    return Problem(name, fun, bc, x, y, exact)


def t1(eps):
    r = np.sqrt(eps)
    exact = lambda x: (np.exp(-x / r) - np.exp((x - 2) / r)) / (1 - np.exp(-2 / r))
    return _second_order(f"T1 {eps:g}", (0, 1), (1, 0), lambda x, y, dy: y / eps, exact)


def t2(eps):
    exact = lambda x: -np.expm1((x - 1) / eps) / -np.expm1(-1 / eps)
    return _second_order(f"T2 {eps:g}", (0, 1), (1, 0), lambda x, y, dy: dy / eps, exact)


def t3(eps):
    def curvature(x, y, dy):
        c, s, q = np.cos(np.pi * x), np.sin(np.pi * x), 2 + np.cos(np.pi * x)
        return (-q * dy + y - (1 + eps * np.pi**2) * c - q * np.pi * s) / eps

    return _second_order(f"T3 {eps:g}", (-1, 1), (-1, -1), curvature, lambda x: np.cos(np.pi * x))


def t4(eps):
    exact = lambda x: np.exp(x - 1) + np.exp(-(1 + eps) * (1 + x) / eps)
    ends = (1 + np.exp(-2), 1 + np.exp(-2 * (1 + eps) / eps))
    return _second_order(f"T4 {eps:g}", (-1, 1), ends, lambda x, y, dy: (-dy + (1 + eps) * y) / eps, exact)


def t5(eps):
    def curvature(x, y, dy):
        return (x * dy + y - (1 + eps * np.pi**2) * np.cos(np.pi * x) + np.pi * x * np.sin(np.pi * x)) / eps

    return _second_order(f"T5 {eps:g}", (-1, 1), (-1, -1), curvature, lambda x: np.cos(np.pi * x))


def t6(eps):
    def curvature(x, y, dy):
        return (-x * dy - eps * np.pi**2 * np.cos(np.pi * x) - np.pi * x * np.sin(np.pi * x)) / eps

    exact = lambda x: np.cos(np.pi * x) + erf(x / np.sqrt(2 * eps)) / erf(1 / np.sqrt(2 * eps))
    return _second_order(f"T6 {eps:g}", (-1, 1), (-2, 0), curvature, exact)


def t8(eps):
    exact = lambda x: (2 - np.exp(-1 / eps) - np.exp(-x / eps)) / -np.expm1(-1 / eps)
    return _second_order(f"T8 {eps:g}", (0, 1), (1, 2), lambda x, y, dy: -dy / eps, exact)


def t20(eps):
    def exact(x):
        z = np.abs(x - 0.745) / eps
        return 1 + eps * (z + np.log1p(np.exp(-2 * z)) - np.log(2))

    ends = (exact(0.0), exact(1.0))
    return _second_order(f"T20 {eps:g}", (0, 1), ends, lambda x, y, dy: (1 - dy**2) / eps, exact)


def bratu(branch):
    theta = (1.517164599050754, 10.93870277212211)[branch]
    exact = lambda x: -2 * np.log(np.cosh((x - 0.5) * theta / 2) / np.cosh(theta / 4))
    name = f"Bratu {('lower', 'upper')[branch]}"
    return _second_order(name, (0, 1), (0, 0), lambda x, y, dy: -np.exp(y), exact, guess=3.0 * branch)


def sturm_liouville():
    def fun(x, y, p):
        return np.vstack([y[1], -(p[0] ** 2) * y[0]])

    def bc(ya, yb, p):
        return np.array([ya[0], yb[0], ya[1] - p[0]])

    y = np.zeros((2, 5))
    y[0] = 0, 1, 0, -1, 0
    return Problem("Sturm-Liouville", fun, bc, np.linspace(0, 1, 5), y, lambda x: np.sin(2 * np.pi * x), [6.0])


FAMILIES = (t1, t2, t3, t4, t5, t6, t8, t20)


def problems(scales=(0.1, 0.01, 0.001)):
    """The set of the issue: eight families at three scales, Bratu's branches, Sturm-Liouville."""
    return [family(eps) for family in FAMILIES for eps in scales] + [bratu(0), bratu(1), sturm_liouville()]


def error(problem, sol):
    """The largest error of the first component, on points that no mesh knows and where the layers are."""
    a, b = problem.x[0], problem.x[-1]
    even = np.linspace(a, b, 2001)
    fine = np.concatenate([a + np.geomspace(1e-9, 1, 300) * (b - a), b - np.geomspace(1e-9, 1, 300) * (b - a)])
    middle = np.array([c + s * np.geomspace(1e-9, 0.1, 100) for c in (0.0, 0.745) for s in (-1, 1)]).ravel()
    x = np.concatenate([even, fine, middle[(middle > a) & (middle < b)]])
    return float(np.abs(sol(x)[0] - problem.exact(x)).max())
