"""Conditions inside of the interval: `points` of `solve_bvp`, against closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigmode as sm

X = np.linspace(0, 1, 5)


def test_three_points_of_a_straight_equation():
    # y'' = -y, y(0) = 0, y(pi/3) = 1 (n = 2, one condition is inside)
    res = sm.solve_bvp(
        lambda x, y: np.vstack([y[1], -y[0]]),
        lambda ya, yb, yi: np.array([ya[0], yi[0, 0] - 1.0]),
        np.linspace(0, 2, 5),
        np.zeros((2, 5)),
        tol=1e-9,
        points=[np.pi / 3],
    )
    assert res.success
    t = np.linspace(0, 2, 301)
    true = np.sin(t) / np.sin(np.pi / 3)
    assert_allclose(res.sol(t)[0], true, atol=3e-9)
    assert abs(res.sol(t)[0] - true).max() <= 3 * res.error[0]
    assert res.x[0] == 0.0
    assert res.x[-1] == 2.0
    assert np.pi / 3 in res.x
    assert_allclose(res.y, res.sol(res.x), atol=1e-12)
    assert_allclose(res.yp, res.sol(res.x, 1), atol=1e-9)
    assert res.rms_residuals.shape == (res.x.size - 1,)


def test_third_order_with_two_inner_points_and_a_jacobian():
    # y''' = 6: y = x**3 + a x**2 + b x + c through (0, 0), (0.3, 1), (0.6, -1)
    def jac(x, y):
        matrix = np.zeros((3, 3, x.size))
        matrix[0, 1] = matrix[1, 2] = 1.0
        return matrix

    res = sm.solve_bvp(
        lambda x, y: np.vstack([y[1], y[2], 6.0 + 0 * x]),
        lambda ya, yb, yi: np.array([ya[0], yi[0, 0] - 1.0, yi[0, 1] + 1.0]),
        X,
        np.zeros((3, 5)),
        fun_jac=jac,
        tol=1e-8,
        points=(0.3, 0.6),
    )
    coefficients = np.linalg.solve([[0, 0, 1], [0.09, 0.3, 1], [0.36, 0.6, 1]], [0, 1 - 0.027, -1 - 0.216])
    assert res.success
    assert_allclose(res.sol(X)[0], X**3 + np.polyval(coefficients, X), atol=1e-8)


def test_a_nonlinear_problem_with_an_unknown_parameter():
    # y = 1/(x + p), y' = -y**2: p from y(0.5) = 0.4, that is p = 2, and y(0) = 1/p
    res = sm.solve_bvp(
        lambda x, y, p: -(y**2),
        lambda ya, yb, yi, p: np.array([ya[0] * p[0] - 1.0, yi[0, 0] - 0.4]),
        X,
        np.ones((1, 5)),
        p=[1.0],
        tol=1e-8,
        points=0.5,
    )
    assert res.success
    assert_allclose(res.p, [2.0], atol=1e-7)
    assert_allclose(res.sol(1.0)[0], 1 / 3, atol=1e-8)


def test_complex_functions_and_args():
    res = sm.solve_bvp(
        lambda x, y, w: 1j * w * y,
        lambda ya, yb, yi, w: np.array([yi[0, 0] - 1.0]),
        X,
        np.ones((1, 5), complex),
        tol=1e-8,
        points=[0.5],
        args=(3.0,),
    )
    assert res.success
    assert_allclose(res.sol(X)[0], np.exp(3j * (X - 0.5)), atol=1e-8)


@pytest.mark.parametrize("points", [[0.0], [1.0], [0.5, 0.2], [np.nan], [[0.5]]])
def test_points_that_do_not_fit(points):
    with pytest.raises(ValueError, match="`points`"):
        sm.solve_bvp(lambda x, y: y, lambda ya, yb, yi: ya, X, np.zeros((1, 5)), points=points)


def test_what_does_not_go_with_points():
    with pytest.raises(ValueError, match="`S` and `points` do not go together"):
        sm.solve_bvp(lambda x, y: y, lambda ya, yb, yi: ya, X, np.zeros((1, 5)), S=[[1.0]], points=[0.5])
