"""What it costs to read off a solution: many points against a cubic spline, one point against SciPy's dense output."""

import numpy as np
import pytest
from ivps import PROBLEMS
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

import sigmode as sm

NAME = "Lotka-Volterra"
MANY = 1_000_000


def solved(rtol):
    p = PROBLEMS[NAME]
    return sm.solve_ivp(p.fun, p.span, p.y0, rtol=rtol, atol=rtol).sol


@pytest.mark.parametrize("nu", [0, 1])
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
def test_many_points(compare, rtol, nu):
    sol = solved(rtol)
    x = np.linspace(*PROBLEMS[NAME].span, MANY)
    spline = CubicSpline(sol.x, sol(sol.x).T)
    compare(
        lambda: sol(x, nu),
        lambda: spline(x, nu),
        size=f"{NAME}, rtol {rtol:g}, derivative {nu}, {MANY} points in order",
        what="sol(x), a cubic spline through as many points as windows",
    )


@pytest.mark.parametrize("nu", [0, 1])
def test_one_point(compare, nu):
    p = PROBLEMS[NAME]
    sol = solved(1e-6)
    theirs = solve_ivp(p.fun, p.span, p.y0, method="DOP853", rtol=1e-6, atol=1e-6, dense_output=True).sol
    compare(
        lambda: sol(7.3, nu), lambda: theirs(7.3), size=f"{NAME}, derivative {nu}, one point", what="sol(t), DOP853's"
    )
