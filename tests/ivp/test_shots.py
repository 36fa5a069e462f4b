"""Trial points in compiled code: closed forms, and where they end."""

import numba
import numpy as np
from numpy.testing import assert_allclose

import sigmode as sm
from sigmode.ivp.shots import Shots

chain = numba.njit(lambda t, y, k, m, f: (-k * y[0], f * k * y[0] - m * y[1]))
P, Y0 = np.array([0.9, 0.2, 0.6]), np.array([2.0, 0.5])
T = np.array([0.0, 0.5, 1.7, 6.0])


def exact(p, y0, t):
    k, m, f = p
    fed = f * k * y0[0] * (np.exp(-m * t) - np.exp(-k * t)) / (k - m)
    return np.array([y0[0] * np.exp(-k * t), y0[1] * np.exp(-m * t) + fed])


def by_complex_step(which, j):
    p, y0 = P.astype(complex), Y0.astype(complex)
    (p if which == "p" else y0)[j] += 1e-30j
    return exact(p, y0, T).imag / 1e-30


def shots(rtol=1e-8):
    return Shots.of(chain, tuple(P.tolist()), 3, 2, rtol, 1e-10)


def test_against_the_closed_form():
    free = np.array([0, 2])
    shot = shots()((0.0, 6.0), Y0, P, free, T, 1000)
    assert_allclose(shot.y, exact(P, Y0, T), rtol=1e-7, atol=1e-9)
    assert shot.error.shape == (2, 4)
    assert shot.dy_dp.shape == (2, 2, 4)
    for column, j in enumerate(free):
        assert_allclose(shot.dy_dp[:, column], by_complex_step("p", j), atol=1e-7)
    for j in range(2):
        assert_allclose(shot.dy_dy0[:, j], by_complex_step("y0", j), atol=1e-7)
    sol = shot.solution()
    assert_allclose(sol(T), shot.y, rtol=1e-13)
    assert_allclose(sol.dy_dp(T), shot.dy_dp, atol=1e-12)
    assert_allclose(sol.y.error(T), shot.error)


def test_as_sensitivity():
    shot = shots()((0.0, 6.0), Y0, P, np.arange(3), T, 1000)
    options = {"rtol": 1e-8, "atol": 1e-10, "error_control": "local", "estimate": False}
    res = sm.sensitivity(chain, (0, 6), Y0, args=tuple(P), t_eval=T, **options)
    assert_allclose(shot.y, res.y, rtol=1e-14)
    assert_allclose(shot.dy_dp, res.dy_dp, atol=1e-9)
    assert shot.nfev == res.nfev


def test_other_parameters_and_a_limit_of_windows():
    run = shots()
    other = 3.0 * P
    assert_allclose(run((0.0, 6.0), Y0, other, np.arange(3), T, 1000).y, exact(other, Y0, T), rtol=1e-6, atol=1e-9)
    assert run((0.0, 6.0), Y0, P, np.arange(3), T, 1).y.shape[1] < T.size


def test_what_compiled_code_does_not_do():
    assert Shots.of(lambda t, y, k: -k * y, (1.0,), 1, 1, 1e-8, 1e-8) is None
    assert Shots.of(chain, (1.0, 1.0, np.ones(2)), 3, 2, 1e-8, 1e-8) is None
    blow_up = numba.njit(lambda t, y, k: (k * y[0] ** 2,))
    shot = Shots.of(blow_up, (1.0,), 1, 1, 1e-8, 1e-8)((0.0, 3.0), np.ones(1), np.ones(1), np.arange(1), T[:2], 1000)
    assert shot is None or shot.dy_dp.shape[2] < 2
