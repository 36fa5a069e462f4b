"""`args` of `solve_bvp`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigmode as sm

X = np.linspace(0, 1, 5)


def test_args_reach_all_functions():
    w, end = 2.0, 3.0
    res = sm.solve_bvp(
        lambda x, y, w, end: np.vstack([y[1], -(w**2) * y[0]]),
        lambda ya, yb, w, end: np.array([ya[0], yb[0] - end]),
        X,
        np.zeros((2, 5)),
        fun_jac=lambda x, y, w, end: np.repeat(np.array([[0.0, 1.0], [-(w**2), 0.0]])[:, :, None], x.size, axis=2),
        bc_jac=lambda ya, yb, w, end: (np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 0.0]])),
        tol=1e-8,
        args=(w, end),
    )
    assert res.success
    assert_allclose(res.sol(0.5)[0], end * np.sin(0.5 * w) / np.sin(w), rtol=1e-8)


def test_args_come_behind_the_unknown_parameters():
    res = sm.solve_bvp(
        lambda x, y, p, c: np.vstack([y[1], -(p[0] ** 2) * c * y[0]]),
        lambda ya, yb, p, c: np.array([ya[0], yb[0], ya[1] - p[0]]),
        np.linspace(0, np.pi, 5),
        np.vstack([np.sin(np.linspace(0, np.pi, 5)), np.cos(np.linspace(0, np.pi, 5))]),
        p=[0.4],
        tol=1e-8,
        args=(4.0,),
    )
    assert res.success
    assert_allclose(res.p, [0.5], rtol=1e-7)


def test_args_that_are_no_tuple():
    with pytest.raises(TypeError, match=r"`args` must be a tuple, e.g. `args=\(2.0,\)`"):
        sm.solve_bvp(lambda x, y, a: y, lambda ya, yb, a: ya, X, np.zeros((1, 5)), args=2.0)
