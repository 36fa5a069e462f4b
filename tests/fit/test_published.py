"""`fit_ivp` against published optima, from starts near and far; where the equation is linear, against closed forms."""

import importlib.util
import pathlib

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp as scipy_solve_ivp
from scipy.optimize import curve_fit, least_squares

import sigmode as sm

_PATH = pathlib.Path(__file__).parents[2] / "bench" / "fit_problems.py"
_SPEC = importlib.util.spec_from_file_location("fit_problems", _PATH)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
PROBLEMS = _MODULE.PROBLEMS


def fitted(problem, p0):
    return sm.fit_ivp(problem.fun, problem.t, problem.y, p0, problem.y0, **problem.options)


STARTS = [(name, p0) for name, problem in PROBLEMS.items() for p0 in (problem.p0, *problem.far)]


@pytest.mark.parametrize(("name", "p0"), STARTS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(STARTS)])
def test_the_published_optimum(name, p0):
    problem = PROBLEMS[name]
    res = fitted(problem, p0)
    assert res.success, res.message
    if problem.ssr is not None:
        assert_allclose(res.ssr, problem.ssr, rtol=problem.rtol)
    if problem.x is not None:
        x = np.sort(res.x[:2]) if name == "theophylline" else res.x[: len(problem.x)]  # ka and ke may change places
        assert_allclose(x[: len(problem.x)], problem.x[: len(x)], rtol=problem.rtol_x)


def test_theophylline_has_the_statistics_of_its_closed_form():
    problem = PROBLEMS["theophylline"]

    def closed(t, ke, ka, cl):
        return 4.02 * ke * ka / cl * (np.exp(-ke * t) - np.exp(-ka * t)) / (ka - ke)

    popt, pcov = curve_fit(closed, problem.t, problem.y, problem.p0, xtol=1e-14, ftol=1e-14)
    res = fitted(problem, problem.p0)
    assert_allclose(res.x, popt, rtol=1e-6)
    assert_allclose(res.stderr / res.x, [0.1709, 0.1728, 0.1273], rtol=1e-3)  # of the logarithms, as R prints them
    assert_allclose(res.cov, pcov, rtol=1e-4)


def test_focus_d_against_its_closed_form():
    problem = PROBLEMS["FOCUS D"]
    seen = ~np.isnan(problem.y)

    def closed(_, k, m, f, start):
        parent = start * np.exp(-k * problem.t)
        metabolite = f * k * start * (np.exp(-m * problem.t) - np.exp(-k * problem.t)) / (k - m)
        return np.array([parent, metabolite])[seen]

    popt, pcov = curve_fit(closed, None, problem.y[seen], (0.1, 0.01, 0.5, 100.0), xtol=1e-14, ftol=1e-14)
    res = fitted(problem, problem.p0)
    assert_allclose(res.x[[0, 1, 2, 3]], popt, rtol=1e-6)
    assert_allclose(res.ssr, np.sum((closed(None, *popt) - problem.y[seen]) ** 2), rtol=1e-8)
    assert_allclose(res.cov, pcov, rtol=1e-4)


@pytest.mark.parametrize("name", ["influenza", "hare and lynx"])
def test_never_worse_than_scipy(name):
    problem = PROBLEMS[name]
    k = len(problem.p0)
    seen = problem.options.get("observe", slice(None))

    def residual(q):
        y0 = problem.y0(*q) if callable(problem.y0) else q[k:]
        span = problem.t[0], problem.t[-1]
        options = {"method": "LSODA", "t_eval": problem.t, "rtol": 1e-11, "atol": 1e-11}
        return (scipy_solve_ivp(problem.fun, span, y0, args=tuple(q[:k]), **options).y[seen] - problem.y).ravel()

    res = fitted(problem, problem.p0)
    best = least_squares(residual, res.x, x_scale="jac", diff_step=1e-5, xtol=1e-13, ftol=1e-13, gtol=1e-13)
    assert_allclose(res.ssr, 2 * best.cost, rtol=1e-8)
    assert_allclose(res.x, best.x, rtol=1e-4)
