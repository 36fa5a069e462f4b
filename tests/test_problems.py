"""The public problems: their closed forms solve them."""

import numpy as np
import pytest

import sigmode as sm
from sigmode import problems

PUBLIC = {name: getattr(problems, name) for name in problems.__all__ if name.isupper()}
FIRST = {name: p for name, p in PUBLIC.items() if isinstance(p, problems.Problem)}
BETWEEN = {name: p for name, p in PUBLIC.items() if isinstance(p, problems.TwoPoint)}


@pytest.mark.parametrize("name", FIRST)
def test_closed_forms_solve_the_equation(name):
    p = FIRST[name]
    x = np.linspace(*p.span, 41)[1:-1]
    h = 1e-5
    slope = (p.exact(x + h) - p.exact(x - h)) / (2 * h)
    np.testing.assert_allclose(slope, p.fun(x, p.exact(x)), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(p.exact(np.array(p.span[:1]))[:, 0], p.y0, atol=1e-15)


@pytest.mark.parametrize("name", FIRST)
def test_jac_is_the_derivative_of_fun(name):
    p = FIRST[name]
    x = np.linspace(*p.span, 11)
    y = p.exact(x) + 0.3
    for k in range(len(y)):
        moved = y.astype(complex)
        moved[k] += 1e-30j
        np.testing.assert_allclose(p.jac(x, y)[:, k], p.fun(x, moved).imag / 1e-30, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", BETWEEN)
def test_two_point_closed_forms_are_solutions(name):
    p = BETWEEN[name]
    res = sm.solve_bvp(p.fun, p.bc, np.linspace(*p.span, 5), np.zeros((2, 5)), tol=1e-9)
    assert res.success
    x = np.linspace(*p.span, 201)
    np.testing.assert_allclose(res.sol(x)[0], p.exact(x), atol=1e-8)


def test_they_are_public():
    assert sm.problems is problems
    assert sm.train(sm.Collocation(*sm.problems.LAGARIS_1[1:2], *sm.problems.LAGARIS_1[3:5])).success
